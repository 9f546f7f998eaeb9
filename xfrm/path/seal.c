// seal.c - encrypt and authenticate, all packets of an SA at once (RFC 4303 3.3.2; RFC 4106, 7634,
// 3602, 4868).
#include "xfrm/path/crew.h"

void out_seal(struct worker *w, struct burst *b)
{
    (void)w;
    for (unsigned i = 0; i < b->n; i++) {
        if (sa_is_ah(b->p[i]->sa)) ah_seal(b->p[i]);
    }
    struct crew c;
    crew_begin(&c, b);
    while (crew_next(&c, b)) {
        sealer_seal(c.sa->sealer, c.job, c.n);
        for (unsigned i = 0; i < c.n; i++) {
            if (c.job[i].bad) c.p[i]->drop = DROP_SEAL;
            c.p[i]->len += c.sa->icv_len;
        }
    }
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (!p->whole) continue;
        p->at -= p->head_len;
        p->len += p->head_len;
    }
}
