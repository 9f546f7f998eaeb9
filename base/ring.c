#include "base/ring.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#define CACHE_LINE 64

// put and taken count up for ever; their difference is the fill. Each is written by one thread
// only and sits on a cache line of its own, so that the two threads do not slow each other down.
struct ring {
    size_t slot_size;
    uint32_t mask;
    uint8_t *slots;
    _Alignas(CACHE_LINE) _Atomic uint32_t put;
    _Alignas(CACHE_LINE) _Atomic uint32_t taken;
};

struct ring *ring_new(unsigned count, size_t slot_size)
{
    uint32_t n = 1;
    while (n < count && n < UINT32_MAX / 2) n *= 2;
    struct ring *r = aligned_alloc(CACHE_LINE, sizeof *r);
    if (!r) return NULL;
    *r = (struct ring){.slot_size = slot_size, .mask = n - 1, .slots = calloc(n, slot_size)};
    if (!r->slots) {
        free(r);
        return NULL;
    }
    return r;
}

void ring_free(struct ring *r)
{
    if (!r) return;
    free(r->slots);
    free(r);
}

void *ring_space(struct ring *r)
{
    uint32_t put = atomic_load_explicit(&r->put, memory_order_relaxed);
    // acquire: what the taker did with the slot is over before it is filled again
    uint32_t taken = atomic_load_explicit(&r->taken, memory_order_acquire);
    if (put - taken > r->mask) return NULL;
    return r->slots + (put & r->mask) * r->slot_size;
}

void ring_put(struct ring *r)
{
    uint32_t put = atomic_load_explicit(&r->put, memory_order_relaxed);
    atomic_store_explicit(&r->put, put + 1, memory_order_release);
}

void *ring_first(struct ring *r)
{
    uint32_t taken = atomic_load_explicit(&r->taken, memory_order_relaxed);
    uint32_t put = atomic_load_explicit(&r->put, memory_order_acquire);
    return put == taken ? NULL : r->slots + (taken & r->mask) * r->slot_size;
}

void ring_drop(struct ring *r)
{
    uint32_t taken = atomic_load_explicit(&r->taken, memory_order_relaxed);
    atomic_store_explicit(&r->taken, taken + 1, memory_order_release);
}
