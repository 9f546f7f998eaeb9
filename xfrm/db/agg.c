#include "xfrm/db/agg.h"

#include <stdlib.h>

// As many entries as the shortest packets, IPv4 headers, could fill the queue with.
#define SHORTEST 20

static uint32_t at_most(uint32_t n, uint32_t limit)
{
    return n < limit ? n : limit;
}

static bool fill_out(struct agg *a, const struct xfrm_iptfs *t)
{
    a->out.most = at_most(t->max_queue, AGG_QUEUE_MAX);
    const size_t entries = a->out.most / SHORTEST + 1;
    a->out.at = malloc(a->out.most + entries * sizeof(struct agg_entry));
    return a->out.at != NULL;
}

static bool fill_in(struct agg *a, const struct xfrm_sa *x)
{
    const uint32_t n = at_most(x->iptfs.reorder_window, AGG_WINDOW_MAX);
    a->in.want = x->replay.in_seq + 1;
    a->in.window = n;
    a->in.part.at = malloc(AGG_INNER_MAX);
    if (!a->in.part.at || n == 0) return a->in.part.at != NULL;
    a->in.slot = calloc(n, sizeof *a->in.slot);
    a->in.room = malloc((size_t)n * AGG_PAYLOAD_MAX);
    if (!a->in.slot || !a->in.room) return false;
    for (uint32_t i = 0; i < n; i++) a->in.slot[i].at = a->in.room + (size_t)i * AGG_PAYLOAD_MAX;
    return true;
}

err_t agg_new(const struct xfrm_sa *x, struct agg **out, struct why *why)
{
    const uint32_t size = x->iptfs.pkt_size;
    if (size && size < AGG_PKT_SIZE_MIN) {
        return why_not(why, ERR_RANGE, "IP-TFS packets of %u bytes are shorter than %u", size,
                       AGG_PKT_SIZE_MIN);
    }
    struct agg *a = calloc(1, sizeof *a);
    if (!a) return ERR_NOMEM;
    a->refs = 1;
    a->id =
        (struct xfrm_sa_id){.daddr = x->daddr, .spi = x->spi, .proto = x->proto, .mark = x->mark};
    bool good = x->dir == XFRM_SA_OUT ? fill_out(a, &x->iptfs) : fill_in(a, x);
    if (!good) {
        agg_drop(a);
        return ERR_NOMEM;
    }
    *out = a;
    return ERR_OK;
}

struct agg *agg_hold(struct agg *a)
{
    __atomic_add_fetch(&a->refs, 1, __ATOMIC_RELAXED);
    return a;
}

void agg_drop(struct agg *a)
{
    if (!a || __atomic_sub_fetch(&a->refs, 1, __ATOMIC_ACQ_REL)) return;
    free(a->out.at);
    free(a->in.part.at);
    free(a->in.slot);
    free(a->in.room);
    free(a);
}
