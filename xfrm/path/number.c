// number.c - outbound sequence numbers and lifetime (RFC 4303 3.3.3; RFC 4301 4.4.2.1).
#include "xfrm/db/counter.h"
#include "xfrm/path/stages.h"

#define OSEQ_MAY_WRAP 2 // XFRM_SA_XFLAG_OSEQ_MAY_WRAP

// The highest number that may be used. Inside it always counts in 64 bits, so that even an SA whose
// 32-bit numbers wrap on the wire never gives the cipher the same nonce twice.
static uint64_t last_seq(const struct sa *sa)
{
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    bool wide = (x->flags & XFRM_STATE_ESN) || (x->extra_flags & OSEQ_MAY_WRAP);
    return wide ? UINT64_MAX - 1 : UINT32_MAX;
}

void number_pass_on(struct worker *w, struct pkt *p)
{
    if (!p->policy || !p->policy->one_tunnel || p->sa_count != 1) return;
    struct sa *heir = resolve_sa(w, p, 0);
    if (heir && own_or_claim_out(w, heir)) p->sa = p->sas[0] = heir;
}

void out_number(struct worker *w, struct burst *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (sa_flag(&p->sa->dead)) number_pass_on(w, p);
        struct sa *sa = p->sa;
        if (sa_is_numbered(sa) && sa->next_seq > last_seq(sa)) {
            // rfc4303 3.3.3 MUST NOT: a number is never used twice. IKE rekeys long before.
            p->drop = DROP_SEQ_SPENT;
        } else if (!account_packet(w, sa, p->len)) {
            p->drop = DROP_EXPIRED_OUT;
        } else {
            p->seq = sa->next_seq;
            if (p->layer == 0) p->inner = p->len;
            count_set(&sa->next_seq, p->seq + 1);
        }
    }
}
