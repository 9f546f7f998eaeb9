// open.c - verify and decrypt, all packets of an SA at once (RFC 4303 3.4.4).
#include "xfrm/db/counter.h"
#include "xfrm/path/crew.h"

#define TRAILER 2

// Is there room for IV, trailer and ICV, and a whole number of blocks between them?
static bool lengths_fit(const struct pkt *p)
{
    const struct sa *sa = p->sa;
    uint32_t around = ESP_HEADER + sa->iv_len + sa->icv_len;
    if (p->len < around + TRAILER) return false;
    return ((p->len - around) & (sa->align - 1U)) ==
           0; // rfc4303 2.4 MUST: the trailer ends on 4 bytes
}

static void verdict(struct pkt *p, bool bad)
{
    if (!bad) return;
    p->drop = DROP_AUTH;
    count_add(&p->sa->forgeries, 1);
}

void in_open(struct worker *w, struct burst *b)
{
    (void)w;
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (sa_is_ah(p->sa)) ah_open(p);
        if (!sa_is_esp(p->sa)) continue;
        if (!lengths_fit(p)) {
            p->drop = DROP_MALFORMED_IN;
            continue;
        }
        p->len -= p->sa->icv_len; // the ICV stands behind it and is no longer part of it
    }
    struct crew c;
    crew_begin(&c, b);
    while (crew_next(&c, b)) {
        sealer_open(c.sa->sealer, c.job, c.n);
        for (unsigned i = 0; i < c.n; i++) verdict(c.p[i], c.job[i].bad);
    }
}
