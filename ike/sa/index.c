#include "ike/sa/index.h"

#include <stdlib.h>

#define BUCKETS_FIRST 64 // a power of two

err_t index_init(struct index *ix)
{
    ix->bucket = calloc(BUCKETS_FIRST, sizeof *ix->bucket);
    ix->mask = BUCKETS_FIRST - 1;
    return ix->bucket ? ERR_OK : ERR_NOMEM;
}

void index_done(struct index *ix)
{
    free(ix->bucket);
    *ix = (struct index){0};
}

static void link_in(struct index_place **bucket, struct index_place *p)
{
    p->next = *bucket;
    p->link = bucket;
    if (p->next) p->next->link = &p->next;
    *bucket = p;
}

static struct index_place *reversed(struct index_place *p)
{
    struct index_place *first = NULL;
    for (struct index_place *next; p; p = next) {
        next = p->next;
        p->next = first;
        first = p;
    }
    return first;
}

// The order within a chain stays.
static void grow(struct index *ix)
{
    size_t mask = ix->mask * 2 + 1;
    struct index_place **bucket = calloc(mask + 1, sizeof(struct index_place *));
    if (!bucket) return;
    for (size_t i = 0; i <= ix->mask; i++) {
        for (struct index_place *p = reversed(ix->bucket[i]), *next; p; p = next) {
            next = p->next;
            link_in(&bucket[p->hash & mask], p);
        }
    }
    free(ix->bucket);
    ix->bucket = bucket;
    ix->mask = mask;
}

void index_add(struct index *ix, struct index_place *p, uint64_t hash, void *what)
{
    if (++ix->n > ix->mask) grow(ix);
    p->hash = hash;
    p->what = what;
    link_in(&ix->bucket[hash & ix->mask], p);
}

void index_remove(struct index *ix, struct index_place *p)
{
    if (!p->link) return;
    *p->link = p->next;
    if (p->next) p->next->link = p->link;
    *p = (struct index_place){0};
    ix->n--;
}

static struct index_place *of_hash(struct index_place *p, uint64_t hash)
{
    while (p && p->hash != hash) p = p->next;
    return p;
}

struct index_place *index_first(const struct index *ix, uint64_t hash)
{
    return of_hash(ix->bucket[hash & ix->mask], hash);
}

struct index_place *index_next(const struct index_place *p)
{
    return of_hash(p->next, p->hash);
}
