// conform.c - was this packet allowed to come through this SA? (RFC 4301 5.2 step 4)
//
// A peer that has an SA must not send more through it than was agreed: the inner packet has to fit
// the selectors of its SAs, and the inbound policy has to demand protection by just such SAs.
// Whether the host will keep the packet ("in") or pass it on ("fwd") is its routing's business, so
// of the two policies the one of higher precedence decides.
#include "xfrm/db/selector.h"
#include "xfrm/path/quoted.h"
#include "xfrm/path/stages.h"

static struct policy *policy_with(const struct worker *w, const struct pkt *p, uint32_t mark)
{
    struct policy *in = db_policy(w->db, XFRM_IN, mark, &p->flow);
    struct policy *fwd = db_policy(w->db, XFRM_FWD, mark, &p->flow);
    if (!in && !fwd) {
        in = quoted_policy(w, XFRM_IN, p, mark);
        fwd = quoted_policy(w, XFRM_FWD, p, mark);
    }
    return !in || (fwd && fwd->exact.rank < in->exact.rank) ? fwd : in;
}

static bool addr_fits(const ip_t *wanted, const ip_t *have)
{
    return ip_is_any(wanted) || ip_eq(wanted, have);
}

// The kernel's `allalgs`, and what it looks at otherwise: of the three masks only that of the MACs.
static bool algs_fit(const struct xfrm_tmpl *t, const struct sa *sa)
{
    return (t->aalgos & t->ealgos & t->calgos) == UINT32_MAX || t->aalgos & sa->auth_bit;
}

static const struct xfrm_sa *sa_at(const struct pkt *p, unsigned i)
{
    return &rcu_dereference(p->sas[i]->conf)->x;
}

// The kernel's xfrm_state_ok(). Transport mode has the packet's addresses, which the selectors
// judge. A packet that came as it was since IPComp could not shrink it serves a template that does
// not insist.
static bool tmpl_fits(const struct xfrm_tmpl *t, const struct sa *sa)
{
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    if (sa_is_plain(x)) return t->optional && addr_fits(&t->saddr, &x->saddr);
    if (t->proto != x->proto || t->mode != x->mode) return false;
    if ((t->spi && t->spi != x->spi) || (t->reqid && t->reqid != x->reqid)) return false;
    if (!algs_fit(t, sa)) return false;
    if (t->mode == XFRM_TRANSPORT) return true;
    return addr_fits(&t->saddr, &x->saddr); // by its destination it was found
}

// Looks for the SA that serves t among those that the packet came through, from *next on, and
// steps behind it. Others may be passed over if they did not hide a packet in another one.
static bool tmpl_satisfied(const struct pkt *p, const struct xfrm_tmpl *t, unsigned *next)
{
    if (t->optional && t->mode == XFRM_TRANSPORT) return true;
    for (unsigned i = *next; i < p->sa_count; i++) {
        if (tmpl_fits(t, p->sas[i])) {
            *next = i + 1;
            return true;
        }
        if (sa_at(p, i)->mode != XFRM_TRANSPORT) break;
    }
    return t->optional;
}

// As the kernel: the templates from the outermost on, in order, and no tunnel that none asked for.
static bool tmpls_satisfied(const struct pkt *p, const struct xfrm_policy *c)
{
    unsigned next = 0;
    for (unsigned i = c->tmpl_count; i-- > 0;) {
        if (!tmpl_satisfied(p, &c->tmpl[i], &next)) return false;
    }
    for (; next < p->sa_count; next++) {
        if (sa_at(p, next)->mode != XFRM_TRANSPORT) return false;
    }
    return true;
}

static bool permits(const struct policy *policy, const struct pkt *p)
{
    return policy && policy->action == XFRM_ALLOW && tmpls_satisfied(p, &policy->conf);
}

// Behind us the host's rules may give it a mark, and the kernel would ask for its policy after
// that. What the SA was made for stands in the template of a policy with a mark: that mark will do.
struct policy *conform_policy(const struct worker *w, const struct pkt *p)
{
    uint32_t mark;
    struct policy *first = policy_with(w, p, p->mark);
    if (!db_mark_at(w->db, 0, &mark) || permits(first, p)) return first;
    for (unsigned i = 0; db_mark_at(w->db, i, &mark); i++) {
        struct policy *policy = policy_with(w, p, mark);
        if (permits(policy, p)) return policy;
    }
    return first;
}

static const struct policy *inbound_policy(const struct worker *w, const struct pkt *p)
{
    struct policy *first = conform_policy(w, p);
    if (first) policy_touch(first, w->wall, w->now);
    return first;
}

static bool selector_takes(const struct xfrm_sa *x, const struct pkt *p)
{
    struct flow reply;
    if (selector_match(&x->sel, &p->flow)) return true;
    return x->flags & XFRM_STATE_ICMP && quoted_reply(p, &reply) && selector_match(&x->sel, &reply);
}

// rfc4301 5.2 MUST: the inner packet matches the selectors of the SAs that carried it. Outer
// addresses are not authenticated by ESP: in transport mode the source must be the peer's, unless a
// NAT may have changed it.
static bool selectors_match(const struct pkt *p)
{
    for (unsigned i = 0; i < p->sa_count; i++) {
        const struct xfrm_sa *x = sa_at(p, i);
        if (!selector_takes(x, p)) return false;
        bool last = i + 1 == p->sa_count;
        if (!last || x->mode != XFRM_TRANSPORT || x->encap.type) continue;
        if (!addr_fits(&x->saddr, &p->flow.src)) return false;
    }
    return true;
}

// Where it goes is not known here, so either default to block is enough.
static enum drop without_policy(const struct worker *w)
{
    bool blocked = db_blocks(w->db, XFRM_IN) || db_blocks(w->db, XFRM_FWD);
    return w->allow_clear_in && !blocked ? DROP_NONE : DROP_NO_POLICY_IN;
}

enum drop conform_judge(const struct worker *w, const struct pkt *p)
{
    if (!selectors_match(p)) return DROP_SELECTOR;
    if (!p->policy) return without_policy(w);
    if (p->policy->action == XFRM_BLOCK) return DROP_POLICY_IN;
    return tmpls_satisfied(p, &p->policy->conf) ? DROP_NONE : DROP_TEMPLATE;
}

void in_conform(struct worker *w, struct burst *b)
{
    const struct pkt *before = NULL;
    hint_policies(w, b, XFRM_IN);
    hint_policies(w, b, XFRM_FWD);
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        // Two SAs may be there for the same packets, told apart by the marks of their policies.
        bool alike =
            before && p->sa == before->sa && flow_alike(p, before) && !quoted_is_there(&p->flow);
        p->policy = alike ? before->policy : inbound_policy(w, p);
        p->drop = conform_judge(w, p);
        before = p;
    }
}
