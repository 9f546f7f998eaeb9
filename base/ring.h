// ring.h - a bounded queue of fixed-size slots between exactly two threads, without locks: one
// only puts, one only takes. Slots are filled and read in place; nothing is allocated after
// ring_new().
#pragma once

#include <stddef.h>

struct ring;

// count is rounded up to a power of two. NULL when out of memory.
struct ring *ring_new(unsigned count, size_t slot_size);
void ring_free(struct ring *r); // both threads are done with it; NULL is fine

// ---- the putting thread ----
void *ring_space(struct ring *r); // the next free slot, with old content; NULL when full
void ring_put(struct ring *r);    // hands that slot over

// ---- the taking thread ----
void *ring_first(struct ring *r); // the oldest slot; NULL when empty
void ring_drop(struct ring *r);   // gives that slot back
