// resolve.c - from the policy to the SAs that serve its templates now (RFC 4301 4.4.1, 4.4.2).
#include "xfrm/path/stages.h"

struct xfrm_tmpl tmpl_for(const struct pkt *p, unsigned tmpl)
{
    struct xfrm_tmpl t = p->policy->conf.tmpl[tmpl];
    if (t.mode != XFRM_TRANSPORT) return t;
    // The packet's own addresses; around a tunnel, those of the tunnel.
    t.saddr = p->flow.src;
    t.daddr = p->flow.dst;
    for (unsigned i = 0; i < tmpl; i++) {
        const struct xfrm_tmpl *inner = &p->policy->conf.tmpl[i];
        if (inner->mode == XFRM_TRANSPORT) continue;
        t.saddr = inner->saddr;
        t.daddr = inner->daddr;
    }
    t.family = t.daddr.family;
    return t;
}

static struct lane *lane_for(const struct worker *w, const struct pkt *p, unsigned i,
                             const struct xfrm_tmpl *t)
{
    if (t->mode != XFRM_TRANSPORT) return p->policy->lane[i];
    return lane_find(sad_lanes(w->db->sad),
                     &(struct lane_key){t->daddr, t->reqid, t->proto, t->mode});
}

// What most policies say: one tunnel.
static struct sa *sa_of_tunnel(const struct worker *w, const struct pkt *p)
{
    const struct policy *policy = p->policy;
    const struct lane_ask ask = {
        .spi = policy->spi,
        .saddr = policy->saddr,
        .flow = &p->flow,
        .mark = policy->mark,
        .if_id = policy->if_id,
        .cpu = w->cpu,
    };
    return lane_pick(policy->lane[0], &ask);
}

struct sa *resolve_sa(const struct worker *w, const struct pkt *p, unsigned i)
{
    if (p->policy->one_tunnel) return sa_of_tunnel(w, p);
    const struct xfrm_policy *c = &p->policy->conf;
    const struct xfrm_tmpl t = tmpl_for(p, i);
    const struct lane_ask ask = {
        .spi = t.spi,
        .saddr = t.saddr,
        .flow = &p->flow,
        .mark = c->mark.value & c->mark.mask,
        .if_id = c->if_id,
        .cpu = w->cpu,
    };
    return lane_pick(lane_for(w, p, i, &t), &ask);
}

// RFC 9611: then one is asked for, and the SA that was made for no CPU carries the packet
// meanwhile.
static bool lacks_own(const struct worker *w, const struct pkt *p, const struct sa *sa)
{
    return p->policy->per_cpu && rcu_dereference(sa->conf)->x.pcpu != w->cpu;
}

// Finds the SAs of the templates, the innermost first; the optional ones where they are there.
// False, with the template: one that is needed is missing.
static bool choose(struct worker *w, struct pkt *p, unsigned *missing)
{
    const struct xfrm_policy *c = &p->policy->conf;
    p->sa_count = p->layer = 0;
    for (*missing = 0; *missing < p->policy->tmpl_count; ++*missing) {
        struct sa *sa = resolve_sa(w, p, *missing);
        if (sa) {
            p->sas[p->sa_count++] = sa;
            if (lacks_own(w, p, sa)) hold_ask(w, p, *missing);
        } else if (c->tmpl[*missing].optional) {
            hold_ask(w, p, *missing);
        } else {
            return false;
        }
    }
    return true;
}

// In a train: what the packet before it got.
static bool repeat(struct pkt *p, const struct pkt *before)
{
    if (!before || p->run != before->run || !before->sa) return false;
    if (!p->policy->one_tunnel) return false;
    p->sa = p->sas[0] = before->sa;
    p->sa_count = 1;
    p->layer = 0;
    return true;
}

void out_resolve(struct worker *w, struct burst *b)
{
    struct pkt *clear[BURST_MAX];
    unsigned n = 0, missing;

    hint_sas_out(w, b);
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (repeat(p, i > 0 ? b->p[i - 1] : NULL)) continue;
        p->sa = NULL;
        if (!choose(w, p, &missing)) {
            // fail closed: only templates that are marked optional let the packet go without an SA
            hold_keep(w, p, missing);
        } else if (p->sa_count > 0) {
            p->sa = p->sas[0];
        } else {
            p->done = true;
            clear[n++] = p;
        }
    }
    if (n > 0) w->exits.bypass(w->exits.ctx, clear, n);
}
