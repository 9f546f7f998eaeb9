#include "base/htab.h"

#include <stdlib.h>

#define BUCKETS_MIN 16
// Of the five slots of a bucket three are used on average before the table grows: then one bucket
// in twelve spills.
#define FULL 3

static void array_free(struct htab_array *a)
{
    if (a) pages_free(a->bucket);
    free(a);
}

static void array_reclaim(struct rcu_head *head)
{
    array_free(rcu_reclaimed(head, struct htab_array, rcu));
}

static struct htab_array *array_new(size_t buckets)
{
    struct htab_array *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    a->mask = buckets - 1;
    a->bucket = pages_alloc(buckets * sizeof *a->bucket);
    if (a->bucket) return a;
    free(a);
    return NULL;
}

static bool bucket_put(struct htab_bucket *b, uint32_t tag, void *entry)
{
    for (unsigned i = 0; i < HTAB_SLOTS; i++) {
        if (b->at[i]) continue;
        __atomic_store_n(&b->tag[i], tag, __ATOMIC_RELAXED);
        __atomic_store_n(&b->at[i], entry, __ATOMIC_RELEASE);
        return true;
    }
    return false;
}

// There is a free slot somewhere: htab_reserve() sees to it. Readers pass a full bucket by before
// they could miss what stands behind it.
static void array_put(struct htab_array *a, uint32_t tag, void *entry)
{
    for (size_t i = tag & a->mask;; i = (i + 1) & a->mask) {
        struct htab_bucket *b = &a->bucket[i];
        if (bucket_put(b, tag, entry)) return;
        __atomic_store_n(&b->spill, b->spill + 1, __ATOMIC_RELAXED);
    }
}

// ---- the table ----

err_t htab_init(struct htab *t)
{
    *t = (struct htab){.now = array_new(BUCKETS_MIN)};
    return t->now ? ERR_OK : ERR_NOMEM;
}

void htab_done(struct htab *t)
{
    array_free(t->now);
    t->now = NULL;
}

static void copy_entries(struct htab_array *to, const struct htab_array *from)
{
    for (size_t i = 0; i <= from->mask; i++) {
        const struct htab_bucket *b = &from->bucket[i];
        for (unsigned k = 0; k < HTAB_SLOTS; k++) {
            if (b->at[k]) array_put(to, b->tag[k], b->at[k]);
        }
    }
}

err_t htab_reserve(struct htab *t)
{
    struct htab_array *old = t->now;
    if (t->count < (old->mask + 1) * FULL) return ERR_OK;
    struct htab_array *fresh = array_new((old->mask + 1) * 2);
    // With no memory for a larger one the old one still has room, only less of it.
    if (!fresh) return t->count < (old->mask + 1) * (HTAB_SLOTS - 1) ? ERR_OK : ERR_NOMEM;
    copy_entries(fresh, old);
    rcu_set_pointer(&t->now, fresh);
    call_rcu(&old->rcu, array_reclaim);
    return ERR_OK;
}

void htab_add(struct htab *t, uint64_t hash, void *entry)
{
    array_put(t->now, htab_tag(hash), entry);
    t->count++;
}

static bool bucket_swap(struct htab_bucket *b, const void *entry, void *by)
{
    for (unsigned i = 0; i < HTAB_SLOTS; i++) {
        if (b->at[i] != entry) continue;
        __atomic_store_n(&b->at[i], by, __ATOMIC_RELEASE);
        return true;
    }
    return false;
}

void htab_swap(struct htab *t, uint64_t hash, const void *old, void *fresh)
{
    struct htab_array *a = t->now;
    size_t at = htab_tag(hash) & a->mask;
    while (!bucket_swap(&a->bucket[at], old, fresh)) at = (at + 1) & a->mask;
}

void htab_del(struct htab *t, uint64_t hash, const void *entry)
{
    struct htab_array *a = t->now;
    size_t home = htab_tag(hash) & a->mask, at = home;
    while (!bucket_swap(&a->bucket[at], entry, NULL)) at = (at + 1) & a->mask;
    // No longer to be looked for beyond the buckets that it was pushed out of.
    for (size_t i = home; i != at; i = (i + 1) & a->mask) {
        __atomic_store_n(&a->bucket[i].spill, a->bucket[i].spill - 1, __ATOMIC_RELAXED);
    }
    t->count--;
}
