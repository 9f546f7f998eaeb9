#include "xfrm/handover.h"

#include <stdlib.h>

#include "base/ring.h"

#define CACHE_LINE 64

// From one worker to another. `home` holds all packets that can be away, so it is never full.
struct lane_between {
    struct ring *way[HANDOVER_WAYS];
    struct ring *home;
};

// How many of a worker's own buffers are with others. A cache line each: only that worker uses it.
struct away {
    unsigned n;
    uint8_t apart[CACHE_LINE - sizeof(unsigned)];
};

struct handover {
    unsigned workers;
    struct away away[WORKERS_MAX];
    struct lane_between *between;
};

static struct lane_between *between(const struct handover *h, unsigned from, unsigned to)
{
    return &h->between[from * h->workers + to];
}

static bool lane_fill(struct lane_between *l)
{
    for (unsigned way = 0; way < HANDOVER_WAYS; way++) {
        l->way[way] = ring_new(HANDOVER_MAX, sizeof(struct pkt *));
        if (!l->way[way]) return false;
    }
    l->home = ring_new(HANDOVER_MAX, sizeof(struct pkt *));
    return l->home != NULL;
}

struct handover *handover_new(unsigned workers)
{
    struct handover *h = calloc(1, sizeof *h);
    if (!h) return NULL;
    h->workers = workers;
    h->between = calloc((size_t)workers * workers, sizeof *h->between);
    bool good = h->between != NULL;
    for (unsigned i = 0; good && i < workers * workers; i++) {
        if (i / workers != i % workers) good = lane_fill(&h->between[i]);
    }
    if (good) return h;
    handover_free(h);
    return NULL;
}

void handover_free(struct handover *h)
{
    if (!h) return;
    for (unsigned i = 0; h->between && i < h->workers * h->workers; i++) {
        for (unsigned way = 0; way < HANDOVER_WAYS; way++) ring_free(h->between[i].way[way]);
        ring_free(h->between[i].home);
    }
    free(h->between);
    free(h);
}

static bool put(struct ring *r, struct pkt *p)
{
    struct pkt **slot = ring_space(r);
    if (!slot) return false;
    *slot = p;
    ring_put(r);
    return true;
}

bool handover_put(struct handover *h, unsigned me, unsigned to, struct pkt *p,
                  enum handover_way way)
{
    bool mine = p->home == me;
    if (mine && h->away[me].n == HANDOVER_MAX) return false;
    if (!put(between(h, me, to)->way[way], p)) return false;
    h->away[me].n += mine;
    return true;
}

void handover_give_back(struct handover *h, unsigned me, struct pkt *p)
{
    (void)put(between(h, me, p->home)->home, p);
}

void handover_take(struct handover *h, unsigned me, enum handover_way way, struct burst *b)
{
    for (unsigned from = 0; from < h->workers; from++) {
        struct ring *r = between(h, from, me)->way[way];
        struct pkt **slot;
        while (r && b->n < BURST_MAX && (slot = ring_first(r))) {
            b->p[b->n++] = *slot;
            ring_drop(r);
        }
    }
}

void handover_collect(struct handover *h, unsigned me, struct pool *pool)
{
    for (unsigned from = 0; from < h->workers; from++) {
        struct ring *r = between(h, from, me)->home;
        struct pkt **slot;
        while (r && (slot = ring_first(r))) {
            pool_give(pool, *slot);
            h->away[me].n--;
            ring_drop(r);
        }
    }
}

bool handover_has_room(const struct handover *h, unsigned me)
{
    return h->away[me].n + BURST_MAX <= HANDOVER_MAX;
}

static bool has_some(struct ring *r)
{
    return r && ring_first(r) != NULL;
}

bool handover_waiting(const struct handover *h, unsigned me)
{
    for (unsigned from = 0; from < h->workers; from++) {
        const struct lane_between *l = between(h, from, me);
        if (has_some(l->way[HANDOVER_OUT]) || has_some(l->way[HANDOVER_IN]) || has_some(l->home))
            return true;
    }
    return false;
}
