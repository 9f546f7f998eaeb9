// resolve.c - from the policy to the SA that serves its template now (RFC 4301 4.4.1, 4.4.2).
#include "xfrm/path/stages.h"

static struct sa *sa_for(const struct pkt *p, unsigned tmpl)
{
    const struct xfrm_policy *c = &p->policy->conf;
    struct lane_ask ask = {
        .tmpl = &c->tmpl[tmpl],
        .flow = &p->flow,
        .mark = c->mark.value & c->mark.mask,
        .if_id = c->if_id,
    };
    return lane_pick(p->policy->lane[tmpl], &ask);
}

// The template that must be served: the required one (control.c takes no policy with two), else
// the first optional one that has an SA, else the last.
static unsigned choose(struct pkt *p)
{
    const struct xfrm_policy *c = &p->policy->conf;
    unsigned last = c->tmpl_count - 1;
    for (unsigned i = 0; i <= last; i++) {
        if (c->tmpl[i].optional) continue;
        p->sa = sa_for(p, i);
        return i;
    }
    for (unsigned i = 0; i <= last; i++) {
        p->sa = sa_for(p, i);
        if (p->sa) return i;
    }
    return last;
}

void out_resolve(struct worker *w, struct burst *b)
{
    struct pkt *clear[BURST_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        unsigned tmpl = choose(p);
        if (p->sa) continue;
        // fail closed: only a template that is marked optional lets the packet go without an SA
        if (!p->policy->conf.tmpl[tmpl].optional) {
            hold_keep(w, p, tmpl);
            continue;
        }
        hold_ask(w, p, tmpl);
        p->done = true;
        clear[n++] = p;
    }
    if (n > 0) w->exits.bypass(w->exits.ctx, clear, n);
}
