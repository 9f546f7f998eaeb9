// classify.c - the outbound SPD decision: discard, bypass or protect (RFC 4301 5.1).
#include "xfrm/path/stages.h"

// The policy of the packet; that of the one before it when their flows are alike.
static const struct policy *policy_of(const struct worker *w, const struct pkt *p,
                                      const struct pkt *before)
{
    if (before && flow_alike(p, before)) return before->policy;
    struct policy *policy = db_policy(w->db, XFRM_OUT, p->mark, &p->flow);
    if (policy) policy_touch(policy, w->wall, w->now);
    return policy;
}

static void decide(struct pkt *p)
{
    if (p->policy && p->policy->conf.action == XFRM_BLOCK) {
        p->drop = DROP_POLICY_OUT;
    } else if (!p->policy || policy_is_bypass(p->policy)) {
        p->done = true;
    }
}

void out_classify(struct worker *w, struct burst *b)
{
    struct pkt *clear[BURST_MAX];
    const struct pkt *before = NULL;
    unsigned n = 0;

    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (!p->born) p->born = w->now;
        if (!flow_read(p)) {
            p->drop = DROP_MALFORMED_OUT;
            continue;
        }
        p->policy = policy_of(w, p, before);
        before = p;
        decide(p);
        if (p->done) clear[n++] = p;
    }
    if (n > 0) w->exits.bypass(w->exits.ctx, clear, n);
}
