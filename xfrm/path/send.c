// send.c - ESP packets leave through the port (RFC 3948 where a NAT is on the way).
#include "xfrm/db/counter.h"
#include "xfrm/path/aggfrag.h"
#include "xfrm/path/stages.h"

void out_send(struct worker *w, struct burst *b)
{
    w->exits.send(w->exits.ctx, b->p, b->n);
    for (unsigned i = 0; i < b->n; i++) {
        b->p[i]->done = true;
        if (b->p[i]->drop == DROP_SEND)
            count_set(&b->p[i]->sa->pmtu.link_until, 0); // the link may have changed
        if (b->p[i]->drop) continue;
        if (b->p[i]->dummy) {
            count_add(&w->dummies, 1);
            continue;
        }
        bool filled = b->p[i]->filled;
        count_add(&w->packets_out, filled ? b->p[i]->carried : 1);
        count_add(&w->bytes_out, b->p[i]->inner - (filled ? AGG_HEADER : 0));
    }
}
