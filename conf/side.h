// side.h - local { } and remote { } of a connection: who we are, who the peer must be.
#pragma once

#include "conf/schema.h"

extern const struct schema schema_local, schema_remote;

void side_read_local(struct load *ld, const struct node *n, void *conn);
void side_read_remote(struct load *ld, const struct node *n, void *conn);
