// htab.h - a hash table of pointers for the packet path: one thread writes, any RCU readers look
// things up without a lock.
//
// A bucket is one cache line: five entries, each with 32 bits of its hash, so that a look-up
// touches one line and then only entries that are almost certainly meant. What finds its bucket
// full goes into the next one. The table grows by a copy that is published as a whole, at once and
// in the writer's thread: a table that has just been filled is as quick as an old one.
#pragma once

#include "base/err.h"
#include "base/pages.h"
#include "base/rcu.h"

#include <stdbool.h>

#define HTAB_SLOTS 5

struct htab_bucket {
    uint32_t tag[HTAB_SLOTS];
    uint32_t spill; // entries that belong here or before and stand further on
    void *at[HTAB_SLOTS];
} __attribute__((aligned(CACHE_LINE)));

struct htab_array {
    size_t mask;
    struct htab_bucket *bucket;
    struct rcu_head rcu;
};

struct htab {
    struct htab_array *now; // rcu
    size_t count;           // writer
};

// ---- the writing thread: a registered RCU thread ----
err_t htab_init(struct htab *t); // ERR_NOMEM
void htab_done(struct htab *t);  // no reader may be left; harmless after a failed init
// Room for one more: after ERR_OK the next htab_add() cannot fail. ERR_NOMEM.
err_t htab_reserve(struct htab *t);
// Several entries may have the same hash, but not be the same.
void htab_add(struct htab *t, uint64_t hash, void *entry);
// It must be there. Readers may see it for one more grace period.
void htab_del(struct htab *t, uint64_t hash, const void *entry);

// Puts another entry of the same hash in the place of one that is there: readers see either.
void htab_swap(struct htab *t, uint64_t hash, const void *old, void *fresh);

// ---- any RCU reader ----
struct htab_walk {
    const struct htab_array *array;
    size_t bucket, seen;
    unsigned slot;
    uint32_t tag;
};

// The low bits choose the bucket, all of them are compared: so a table can grow from what it has.
static inline uint32_t htab_tag(uint64_t hash)
{
    return (uint32_t)hash;
}

// Brings the bucket closer for a look-up that will come soon.
static inline void htab_prefetch(const struct htab *t, uint64_t hash)
{
    const struct htab_array *a = rcu_dereference(t->now);
    __builtin_prefetch(&a->bucket[htab_tag(hash) & a->mask]);
}

// The entries of this hash one by one, in no order: the caller compares keys.
static inline struct htab_walk htab_begin(const struct htab *t, uint64_t hash)
{
    const struct htab_array *a = rcu_dereference(t->now);
    return (struct htab_walk){
        .array = a, .bucket = htab_tag(hash) & a->mask, .tag = htab_tag(hash)};
}

static inline void *htab_next(struct htab_walk *w)
{
    for (;;) {
        const struct htab_bucket *b = &w->array->bucket[w->bucket];
        while (w->slot < HTAB_SLOTS) {
            unsigned i = w->slot++;
            if (__atomic_load_n(&b->tag[i], __ATOMIC_RELAXED) != w->tag) continue;
            void *entry = __atomic_load_n(&b->at[i], __ATOMIC_ACQUIRE);
            if (entry) return entry;
        }
        if (__atomic_load_n(&b->spill, __ATOMIC_RELAXED) == 0) return NULL;
        if (w->seen++ == w->array->mask) return NULL;
        w->bucket = (w->bucket + 1) & w->array->mask;
        w->slot = 0;
    }
}
