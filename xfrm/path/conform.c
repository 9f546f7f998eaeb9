// conform.c - was this packet allowed to come through this SA? (RFC 4301 5.2 step 4)
//
// A peer that has an SA must not send more through it than was agreed: the inner packet has to fit
// the SA's selector, and the inbound policy has to demand protection by just such an SA. Whether
// the host will keep the packet ("in") or pass it on ("fwd") is its routing's business, so of the
// two policies the one of higher precedence decides.
#include "xfrm/db/selector.h"
#include "xfrm/path/stages.h"

static const struct policy *inbound_policy(const struct worker *w, const struct pkt *p)
{
    struct policy *in = db_policy(w->db, XFRM_IN, p->mark, &p->flow);
    struct policy *fwd = db_policy(w->db, XFRM_FWD, p->mark, &p->flow);
    struct policy *first = in;
    if (!in || (fwd && fwd->conf.priority < in->conf.priority)) first = fwd;
    if (first) policy_touch(first, w->wall, w->now);
    return first;
}

static bool addr_fits(const ip_t *wanted, const ip_t *have)
{
    return ip_is_any(wanted) || ip_eq(wanted, have);
}

// The kernel's xfrm_state_ok().
static bool tmpl_fits(const struct xfrm_tmpl *t, const struct xfrm_sa *x)
{
    if (t->proto != x->proto || t->mode != x->mode) return false;
    if ((t->spi && t->spi != x->spi) || (t->reqid && t->reqid != x->reqid)) return false;
    return addr_fits(&t->daddr, &x->daddr) && addr_fits(&t->saddr, &x->saddr);
}

// Exactly one SA was used: it must serve one template, and no other may have been required.
static bool tmpls_satisfied(const struct xfrm_policy *c, const struct xfrm_sa *x)
{
    bool served = false;
    for (unsigned i = 0; i < c->tmpl_count; i++) {
        if (!served && tmpl_fits(&c->tmpl[i], x)) {
            served = true;
        } else if (!c->tmpl[i].optional) {
            return false;
        }
    }
    return served;
}

static enum drop judge(const struct worker *w, const struct pkt *p)
{
    const struct xfrm_sa *x = &rcu_dereference(p->sa->conf)->x;
    // rfc4301 5.2 MUST: the inner packet matches the selectors of the SA that carried it
    if (!selector_match(&x->sel, &p->flow)) return DROP_SELECTOR;
    if (!p->policy) return w->allow_clear_in ? DROP_NONE : DROP_NO_POLICY_IN;
    if (p->policy->conf.action == XFRM_BLOCK) return DROP_POLICY_IN;
    return tmpls_satisfied(&p->policy->conf, x) ? DROP_NONE : DROP_SELECTOR;
}

void in_conform(struct worker *w, struct burst *b)
{
    const struct pkt *before = NULL;
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        bool alike = before && flow_alike(p, before);
        p->policy = alike ? before->policy : inbound_policy(w, p);
        p->drop = judge(w, p);
        before = p;
    }
}
