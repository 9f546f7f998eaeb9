// ids.h - the IKE SAs that ike_each() tells of, one at a time: for lists that are too long for one
// turn of the event loop.
#pragma once

#include "ike/ike.h"

// Their ids, the first `max` of them; returns how many there are.
unsigned ike_ids(const struct ike *ike, uint32_t *out, unsigned max);
void ike_one(struct ike *ike, uint32_t id, ike_view_fn *fn, void *ctx); // if it is still there
