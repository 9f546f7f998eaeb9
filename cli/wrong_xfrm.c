#include "cli/wrong_xfrm.h"

#include <stdlib.h>

#include "cli/json.h"
#include "cli/wrong_tab.h"

// ---- reading ----

static bool keep_policy(void *arg, const struct xfrm_policy *p)
{
    struct wrong_dump *d = arg;
    if (d->policies < WRONG_DUMP_MAX) d->policy[d->policies] = *p;
    return ++d->policies <= WRONG_DUMP_MAX;
}

static bool keep_sa(void *arg, const struct xfrm_sa *x)
{
    struct wrong_dump *d = arg;
    if (d->sas < WRONG_DUMP_MAX && !x->larval) {
        d->sa[d->sas] =
            (struct wrong_dump_sa){x->spi, x->reqid, x->saddr, x->daddr, x->proto, x->mode};
    }
    return x->larval || ++d->sas <= WRONG_DUMP_MAX;
}

struct wrong_dump *wrong_dump_read(struct xfrm_api api)
{
    struct wrong_dump *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->policy = calloc(WRONG_DUMP_MAX, sizeof *d->policy);
    d->sa = calloc(WRONG_DUMP_MAX, sizeof *d->sa);
    bool good = d->policy && d->sa && api.ops->policy_each(api.ctx, keep_policy, d) == ERR_OK &&
                api.ops->sa_each(api.ctx, keep_sa, d) == ERR_OK && d->policies <= WRONG_DUMP_MAX &&
                d->sas <= WRONG_DUMP_MAX;
    if (good) return d;
    wrong_dump_free(d);
    return NULL;
}

void wrong_dump_free(struct wrong_dump *d)
{
    if (!d) return;
    free(d->policy);
    free(d->sa);
    free(d);
}

// ---- judging ----

// Does a policy ask for such an SA? An inbound one is asked for by policies of either direction.
static bool is_wanted(const struct wrong_dump *d, const struct wrong_dump_sa *sa)
{
    for (unsigned i = 0; i < d->policies; i++) {
        const struct xfrm_policy *p = &d->policy[i];
        for (unsigned t = 0; t < p->tmpl_count; t++) {
            const struct xfrm_tmpl *m = &p->tmpl[t];
            if (m->proto != sa->proto || m->mode != sa->mode) continue;
            if (m->reqid && m->reqid != sa->reqid) continue;
            if (m->mode == XFRM_TRANSPORT) return true; // its addresses are those of packets
            if (ip_is_any(&m->daddr) || ip_eq(&m->daddr, &sa->daddr)) return true;
        }
    }
    return false;
}

static bool prefix_within(const prefix_t *in, const prefix_t *out)
{
    return out->len <= in->len && bits_eq(in->ip.b, out->ip.b, out->len);
}

// Are all packets of `a` packets of `b`, too?
static bool selector_within(const struct xfrm_selector *a, const struct xfrm_selector *b)
{
    if (b->family != AF_UNSPEC && (a->family != b->family || !prefix_within(&a->src, &b->src) ||
                                   !prefix_within(&a->dst, &b->dst)))
        return false;
    if (b->proto && a->proto != b->proto) return false;
    bool sport = (b->sport_mask & ~a->sport_mask) == 0 && !((a->sport ^ b->sport) & b->sport_mask);
    bool dport = (b->dport_mask & ~a->dport_mask) == 0 && !((a->dport ^ b->dport) & b->dport_mask);
    return sport && dport && (!b->ifindex || a->ifindex == b->ifindex);
}

static bool is_shadowed(const struct xfrm_policy *p, const struct xfrm_policy *by)
{
    return p->dir == by->dir && p->type == by->type && p->if_id == by->if_id &&
           by->priority < p->priority && !by->mark.mask && selector_within(&p->sel, &by->sel);
}

static void check_policy(json_t *list, const struct wrong_dump *d, const struct xfrm_policy *p)
{
    static const char *const dirs[] = {"in", "out", "fwd"};
    char src[PREFIX_TEXT_MAX], dst[PREFIX_TEXT_MAX], osrc[PREFIX_TEXT_MAX], odst[PREFIX_TEXT_MAX];
    for (unsigned i = 0; i < d->policies; i++) {
        const struct xfrm_policy *by = &d->policy[i];
        if (!is_shadowed(p, by)) continue;
        wrong_add(
            list, WRONG_SHADOWED, "policy",
            "the policy %s > %s (%s, priority %u) never gets a packet: %s > %s has priority %u",
            prefix_show(&p->sel.src, src), prefix_show(&p->sel.dst, dst), dirs[p->dir % XFRM_DIRS],
            p->priority, prefix_show(&by->sel.src, osrc), prefix_show(&by->sel.dst, odst),
            by->priority);
        return;
    }
}

void wrong_xfrm(json_t *list, const struct wrong_dump *d)
{
    char src[IP_TEXT_MAX], dst[IP_TEXT_MAX];
    for (unsigned i = 0; i < d->sas; i++) {
        const struct wrong_dump_sa *sa = &d->sa[i];
        if (is_wanted(d, sa)) continue;
        wrong_add(list, WRONG_SA_ALONE, "sa", "the SA 0x%08x (%s > %s, reqid %u) has no policy",
                  sa->spi, ip_show(&sa->saddr, src), ip_show(&sa->daddr, dst), sa->reqid);
    }
    for (unsigned i = 0; i < d->policies; i++) check_policy(list, d, &d->policy[i]);
}
