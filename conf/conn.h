// conn.h - connections { <conn> { ... } }.
#pragma once

#include "conf/schema.h"

extern const struct schema schema_conns;

// Reads the section "connections" into ld->out->conn and ld->origin.
void conn_read_all(struct load *ld, const struct node *n, void *config);
