// counter.h - integers with one writer (the worker that owns them) and readers in other threads.
// Relaxed atomics: the code is that of plain loads and stores; what they add is that a reader never
// sees half a value. Not for counters with two writers.
#pragma once

#include <stdint.h>

static inline uint64_t count_get(const uint64_t *c)
{
    return __atomic_load_n(c, __ATOMIC_RELAXED);
}
static inline void count_set(uint64_t *c, uint64_t v)
{
    __atomic_store_n(c, v, __ATOMIC_RELAXED);
}
static inline void count_add(uint64_t *c, uint64_t n)
{
    count_set(c, *c + n);
}
