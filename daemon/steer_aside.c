// steer_aside.c - what policies let pass in clear amidst a network that is led to us: a LAN beside
// a tunnel for everything. A route chooses the source address of what this host sends before any
// policy is looked at, and that of the tunnel's route is the tunnel's. So the LAN has a route of
// its own, with an address that the policy names; where it leads is the same.
#include <stdlib.h>

#include "daemon/steer_part.h"

// Each change of a route looks at them; a host has few LANs.
#define ASIDES_MAX 64

static ip_t addr_in(const struct steer *s, const prefix_t *net)
{
    for (unsigned i = 0; i < s->addr_count; i++)
        if (prefix_has(net, &s->addrs[i])) return s->addrs[i];
    return (ip_t){.family = AF_UNSPEC};
}

// Is it part of a network that is led to us, and by policies that come behind this one only? Those
// before it must have their own address.
static bool is_amidst(const struct steer *s, const struct aside *a)
{
    prefix_t around = a->dst;
    ip_t last;
    bool amidst = false;
    while (around.len > 0) {
        around.len--;
        prefix_range(&around, &around.ip, &last);
        const struct steer_route *r = steer_led(s, &around);
        if (r && r->priority <= a->priority) return false;
        amidst |= r != NULL;
    }
    return amidst;
}

static void aside_settle(struct steer *s, struct aside *a)
{
    struct why why;
    const struct steer_route like = {.dst = a->dst};
    struct rtnl_route route = steer_route_to_tun(s, &like);
    route.prefsrc = addr_in(s, &a->src);
    bool led = steer_led(s, &a->dst) != NULL; // then that route has taken its place, or does now
    bool wanted = !led && ip_len(route.prefsrc.family) && is_amidst(s, a);
    if (!wanted) route.prefsrc = (ip_t){.family = AF_UNSPEC}; // it may have had another one
    err_t e = wanted           ? rtnl_route_put(s->rtnl, &route, &why)
              : a->set && !led ? rtnl_route_del(s->rtnl, &route, &why)
                               : ERR_OK;
    if (e != ERR_OK && e != ERR_NOTFOUND) steer_complain(&why, &a->dst);
    a->set = wanted;
}

void steer_aside_settle(struct steer *s, const prefix_t *net)
{
    for (struct aside *a = s->asides; a; a = a->next)
        if (!net || (net->len <= a->dst.len && prefix_has(net, &a->dst.ip))) aside_settle(s, a);
}

// What names protocols or ports leaves others to the tunnel, and to its address.
static bool passes(const struct steer *s, const struct xfrm_policy *p, uint16_t family)
{
    const struct xfrm_selector *x = &p->sel;
    bool fits = x->family == family && s->has[family == AF_INET6];
    bool all = x->proto == 0 && x->sport_mask == 0 && x->dport_mask == 0;
    return fits && all && p->dir == XFRM_OUT && p->action == XFRM_ALLOW && p->tmpl_count == 0 &&
           p->mark.mask == 0 && p->sel.ifindex == 0 && p->sel.src.len > 0;
}

void steer_aside_add(struct steer *s, const struct xfrm_policy *p, uint16_t family)
{
    if (!passes(s, p, family)) return;
    struct aside *a = s->aside_count < ASIDES_MAX ? calloc(1, sizeof *a) : NULL;
    if (s->aside_count == ASIDES_MAX) return;
    if (!a) {
        steer_complain(&(struct why){"out of memory"}, &p->sel.dst);
        return;
    }
    *a = (struct aside){.dst = steer_net_of(&p->sel.dst, family),
                        .src = steer_net_of(&p->sel.src, family),
                        .priority = p->priority,
                        .next = s->asides};
    s->asides = a;
    s->aside_count++;
    aside_settle(s, a);
}

static bool same_net(const prefix_t *a, const prefix_t *b)
{
    return a->len == b->len && ip_eq(&a->ip, &b->ip);
}

void steer_aside_del(struct steer *s, const struct xfrm_policy *p, uint16_t family)
{
    if (!passes(s, p, family)) return;
    const prefix_t dst = steer_net_of(&p->sel.dst, family), src = steer_net_of(&p->sel.src, family);
    struct aside **at = &s->asides;
    while (*at && !(same_net(&(*at)->dst, &dst) && same_net(&(*at)->src, &src))) at = &(*at)->next;
    struct aside *a = *at;
    if (!a) return;
    *at = a->next;
    s->aside_count--;
    a->src = (prefix_t){0}; // no address of ours lies there
    aside_settle(s, a);
    free(a);
    steer_aside_settle(s, &dst); // there may be another one for the same destination
}

bool steer_aside_has(const struct steer *s, const prefix_t *dst)
{
    const struct aside *a = s->asides;
    while (a && !(a->set && same_net(&a->dst, dst))) a = a->next;
    return a != NULL;
}

void steer_aside_free(struct steer *s)
{
    for (struct aside *a = s->asides, *next; a; a = next) {
        next = a->next;
        free(a);
    }
}
