#include "xfrm/path/crew.h"

#include <string.h>

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

void crew_begin(struct crew *c)
{
    c->from = 0;
    memset(c->before, 0, sizeof c->before);
}

bool crew_next(struct crew *c, const struct burst *b)
{
    unsigned left_out = b->n; // the first of another crew
    c->n = 0;
    c->sa = NULL;
    for (unsigned i = c->from; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (c->before[i] || !sa_is_esp(p->sa)) continue;
        if (c->sa && p->sa != c->sa) {
            if (left_out == b->n) left_out = i;
            continue;
        }
        c->sa = p->sa;
        c->before[i] = true;
        if (!p->drop) crew_join(c, p);
    }
    c->from = left_out;
    return c->sa != NULL;
}
