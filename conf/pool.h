// pool.h - pools { <name> { addrs = ...; dns = ... } }, and what connections say of them: pools
// and vips.
#pragma once

#include "conf/schema.h"

extern const struct schema schema_pools;

void pools_read(struct load *ld, const struct node *n, void *config);
void set_pools(const struct arg *a); // field: conf_conn itself
void set_vips(const struct arg *a);  // field: conf_conn itself
// Across sections: pools that are named and not there, pools that overlap. After everything was
// read.
void pools_check(struct load *ld);
