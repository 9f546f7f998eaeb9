// worker.c - one worker's pool, waiting room and counters.
#include <string.h>

#include "xfrm/path/comp.h"

// A full waiting room must leave buffers for the traffic that does have SAs.
#define BUFFERS_MIN (HOLD_MAX + ASSEMBLIES_MAX + 4 * BURST_MAX)

err_t worker_init(struct worker *w, struct db *db, const struct exits *exits, unsigned buffers)
{
    memset(w, 0, sizeof *w);
    w->db = db;
    w->exits = *exits;
    w->agg.due = UINT64_MAX;
    w->pool = pool_new(buffers < BUFFERS_MIN ? BUFFERS_MIN : buffers);
    w->hold = hold_new();
    w->comp = comp_new();
    w->assemblies = assemblies_new();
    if (w->pool && w->hold && w->comp && w->assemblies) return ERR_OK;
    worker_done(w);
    return ERR_NOMEM;
}

void worker_done(struct worker *w)
{
    agg_forget_all(w);
    hold_free(w->hold);
    assemblies_free(w->assemblies, w->pool);
    pool_free(w->pool);
    comp_free(w->comp);
    w->hold = NULL;
    w->assemblies = NULL;
    w->pool = NULL;
    w->comp = NULL;
}

void worker_number(struct worker *w, unsigned index, unsigned workers,
                   const struct colleagues *others)
{
    w->colleagues = others;
    w->workers = workers;
    w->cpu = index;
    w->index = index;
    pool_number(w->pool, index);
}

void worker_give(struct worker *w, struct pkt *p)
{
    if (p->home == w->index)
        pool_give(w->pool, p);
    else
        w->colleagues->give_back(w->exits.ctx, p);
}
