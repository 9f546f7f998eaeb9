// side.h - local { } and remote { } of a connection: who we are, who the peer must be.
#pragma once

#include "conf/schema.h"

extern const struct schema schema_local, schema_remote;

// The sections of a connection are noted first and read when all are known: they have an order.
void side_note_local(struct load *ld, const struct node *n, void *conn);
void side_note_remote(struct load *ld, const struct node *n, void *conn);
void side_read_all(struct load *ld, struct conf_conn *c);
