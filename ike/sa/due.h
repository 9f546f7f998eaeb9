// due.h - which IKE SA has something to do next: a binary heap over their earliest timers, so that
// ten thousand SAs cost no more than one.
#pragma once

#include "base/err.h"
#include <stdint.h>

#define DUE_NEVER UINT64_MAX

// Lives inside the thing that has timers.
struct due {
    uint64_t at;    // monotonic ns; DUE_NEVER = nothing to do
    unsigned place; // in the heap; kept by due.c
};

struct due_heap {
    struct due **heap;
    unsigned n, cap;
};

err_t due_add(struct due_heap *h, struct due *d); // d->at is set by the caller. ERR_NOMEM
void due_change(struct due_heap *h, struct due *d, uint64_t at);
void due_remove(struct due_heap *h, struct due *d);
struct due *due_first(const struct due_heap *h); // the earliest; NULL when empty
void due_done(struct due_heap *h);
