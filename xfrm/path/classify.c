// classify.c - the outbound SPD decision: discard, bypass or protect (RFC 4301 5.1).
#include "xfrm/path/quoted.h"
#include "xfrm/path/stages.h"

struct spd_ask classify_ask(const struct worker *w, const struct pkt *p)
{
    struct spd_ask ask = {.dir = XFRM_OUT, .mark = p->mark};
    if (w->exits.device && spd_asks_device(w->db->spd))
        ask.device = w->exits.device(w->exits.ctx, &p->flow.dst, &p->flow.src);
    return ask;
}

// The policy of the packet; that of the one before it when their flows are alike.
static const struct policy *policy_of(const struct worker *w, const struct pkt *p,
                                      const struct pkt *before)
{
    bool alike = before && (p->run == before->run || flow_alike(p, before));
    // Errors that look alike may be about different flows.
    if (alike && !quoted_is_there(&p->flow)) return before->policy;
    const struct spd_ask ask = classify_ask(w, p);
    struct policy *policy = spd_find(w->db->spd, &ask, &p->flow);
    if (!policy) policy = quoted_policy(w, XFRM_OUT, p, p->mark);
    if (policy) policy_touch(policy, w->wall, w->now);
    return policy;
}

// A fragment without ports matches no policy that names some; the rest of its packet may have. It
// must not go in clear behind the back of such a policy, nor through its SA (RFC 4301 7.3).
static bool is_suspect(const struct worker *w, const struct pkt *p)
{
    if (!p->flow.fragment) return false;
    struct spd_ask ask = classify_ask(w, p);
    ask.guard = true;
    const struct policy *guard = spd_find(w->db->spd, &ask, &p->flow);
    return guard && policy_goes_before(guard, p->policy);
}

// Other packets between those addresses are protected, by the SA that their flow came in by. Of
// this one nobody knows.
static bool is_flowless(const struct worker *w, const struct pkt *p)
{
    struct spd_ask ask = classify_ask(w, p);
    ask.flows = true;
    const struct policy *policy = spd_find(w->db->spd, &ask, &p->flow);
    return policy && policy_goes_before(policy, p->policy);
}

void classify_decide(const struct worker *w, struct pkt *p)
{
    if (p->policy && p->policy->action == XFRM_BLOCK) {
        p->drop = DROP_POLICY_OUT;
    } else if (!p->policy && db_blocks(w->db, XFRM_OUT)) {
        p->drop = DROP_NO_POLICY_OUT;
    } else if (!p->policy || policy_is_bypass(p->policy)) {
        if (is_suspect(w, p)) p->drop = DROP_POLICY_OUT;
        if (!p->drop && is_flowless(w, p)) p->drop = DROP_NO_FLOW;
        p->done = !p->drop;
        if (p->cut && w->exits.link_mtu) // put together to be judged: in fragments again
            p->path_mtu = w->exits.link_mtu(w->exits.ctx, &p->flow.dst, &(ip_t){.family = 0});
    }
}

static void read_flows(const struct worker *w, struct burst *b)
{
    const struct pkt *before = NULL;
    uint8_t run = 0;
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (!p->born) p->born = w->now;
        if (before && flow_repeat(p, before)) {
            p->run = run;
            continue;
        }
        p->run = ++run;
        before = flow_read(p) ? p : NULL;
        if (!before) p->drop = DROP_MALFORMED_OUT;
    }
}

void out_classify(struct worker *w, struct burst *b)
{
    struct pkt *clear[BURST_MAX];
    const struct pkt *before = NULL;
    unsigned n = 0;

    read_flows(w, b);
    hint_policies(w, b, XFRM_OUT);
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (p->drop) continue;
        p->policy = policy_of(w, p, before);
        before = p;
        classify_decide(w, p);
        if (p->done) clear[n++] = p;
    }
    if (n > 0) w->exits.bypass(w->exits.ctx, clear, n);
}
