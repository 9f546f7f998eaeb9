#include "xfrm/path/crew.h"

_Static_assert(BURST_MAX <= 64, "one bit for each packet of a burst");

static void crew_join(struct crew *c, struct pkt *p)
{
    c->job[c->n] = (struct seal_job){
        .head = p->at,
        .head_len = ESP_HEADER,
        .text_len = p->len - ESP_HEADER - c->sa->iv_len,
        .esn_hi = (uint32_t)(p->seq >> 32),
        .esn = (rcu_dereference(c->sa->conf)->x.flags & XFRM_STATE_ESN) != 0,
    };
    c->p[c->n++] = p;
}

bool crew_next(struct crew *c, const struct burst *b, uint64_t *done)
{
    c->n = 0;
    c->sa = NULL;
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (*done >> i & 1 || sa_is_ah(p->sa) || (c->sa && p->sa != c->sa)) continue;
        c->sa = p->sa;
        *done |= 1ULL << i;
        if (!p->drop) crew_join(c, p);
    }
    return c->sa != NULL;
}
