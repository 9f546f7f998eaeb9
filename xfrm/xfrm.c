#include "xfrm/xfrm.h"

#include <string.h>

static bool prefix_eq(const prefix_t *a, const prefix_t *b)
{
    return a->len == b->len && ip_eq(&a->ip, &b->ip);
}

static bool ports_eq(const struct xfrm_selector *a, const struct xfrm_selector *b)
{
    return a->sport == b->sport && a->sport_mask == b->sport_mask && a->dport == b->dport &&
           a->dport_mask == b->dport_mask && a->proto == b->proto;
}

bool xfrm_selector_eq(const struct xfrm_selector *a, const struct xfrm_selector *b)
{
    return a->family == b->family && prefix_eq(&a->src, &b->src) && prefix_eq(&a->dst, &b->dst) &&
           ports_eq(a, b) && a->ifindex == b->ifindex && a->user == b->user;
}

void xfrm_selector_any(struct xfrm_selector *s, uint16_t family)
{
    *s = (struct xfrm_selector){.family = family};
    s->src.ip.family = s->dst.ip.family = family;
}

bool xfrm_policy_protects(const struct xfrm_policy *p)
{
    bool demands = false;
    if (p->action != XFRM_ALLOW) return false;
    for (unsigned i = 0; i < p->tmpl_count; i++) {
        if (p->dir == XFRM_OUT || !p->tmpl[i].optional) demands = true;
    }
    return demands;
}
