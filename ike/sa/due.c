#include "ike/sa/due.h"

#include <stdlib.h>

static void put(struct due_heap *h, unsigned place, struct due *d)
{
    h->heap[place] = d;
    d->place = place;
}

static void sift_up(struct due_heap *h, unsigned i)
{
    struct due *d = h->heap[i];
    for (; i > 0 && h->heap[(i - 1) / 2]->at > d->at; i = (i - 1) / 2) {
        put(h, i, h->heap[(i - 1) / 2]);
    }
    put(h, i, d);
}

static void sift_down(struct due_heap *h, unsigned i)
{
    struct due *d = h->heap[i];
    for (;;) {
        unsigned child = 2 * i + 1;
        if (child >= h->n) break;
        if (child + 1 < h->n && h->heap[child + 1]->at < h->heap[child]->at) child++;
        if (h->heap[child]->at >= d->at) break;
        put(h, i, h->heap[child]);
        i = child;
    }
    put(h, i, d);
}

err_t due_add(struct due_heap *h, struct due *d)
{
    if (h->n == h->cap) {
        unsigned cap = h->cap ? 2 * h->cap : 64;
        struct due **more = realloc(h->heap, cap * sizeof(struct due *));
        if (!more) return ERR_NOMEM;
        h->heap = more;
        h->cap = cap;
    }
    put(h, h->n++, d);
    sift_up(h, d->place);
    return ERR_OK;
}

void due_change(struct due_heap *h, struct due *d, uint64_t at)
{
    d->at = at;
    sift_up(h, d->place);
    sift_down(h, d->place);
}

void due_remove(struct due_heap *h, struct due *d)
{
    unsigned place = d->place;
    struct due *last = h->heap[--h->n];
    if (last == d) return;
    put(h, place, last);
    sift_up(h, last->place);
    sift_down(h, last->place);
}

struct due *due_first(const struct due_heap *h)
{
    return h->n ? h->heap[0] : NULL;
}

void due_done(struct due_heap *h)
{
    free(h->heap);
    *h = (struct due_heap){0};
}
