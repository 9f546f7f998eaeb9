// must.h - what a fuzz target promises of the code under it; and how many packets a pool holds.
#pragma once

#include "xfrm/path/pkt.h"

#define MUST(cond)                     \
    do {                               \
        if (!(cond)) __builtin_trap(); \
    } while (0)

#define BUFFERS_MAX 4096 // of a target's pool

// Free buffers, counted by taking them all for a moment.
static inline unsigned buffers_free(struct pool *pool)
{
    static struct pkt *all[BUFFERS_MAX];
    unsigned n = 0;
    while (n < BUFFERS_MAX && (all[n] = pool_take(pool))) n++;
    for (unsigned i = n; i-- > 0;) pool_give(pool, all[i]);
    return n;
}
