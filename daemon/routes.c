#include "daemon/routes.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/network.h"
#include "daemon/rtnl.h"
#include "ike/sa/child_sa.h"
#include "ike/sa/selector.h"
#include "ike/sa/vip.h"

// One for each network that child SAs of one number (they replace each other) protect.
struct entry {
    struct entry *next;
    uint32_t reqid;
    unsigned holds; // child SAs
    ip_t peer;
    struct rtnl_route route;
};

struct routes {
    struct iked *d;
    struct rtnl *rtnl;
    struct entry *first;
    uint32_t table, priority;
    bool ruled[2]; // the rule is there: IPv4, IPv6
};

err_t routes_new(struct iked *d, struct routes **out, struct why *why)
{
    struct routes *r = calloc(1, sizeof *r);
    if (!r) return why_not(why, ERR_NOMEM, "out of memory");
    const struct strongswan *s = &d->strongswan;
    *r = (struct routes){.d = d,
                         .table = s->routing_table ? s->routing_table : ROUTES_TABLE,
                         .priority =
                             s->routing_table_prio ? s->routing_table_prio : ROUTES_PRIORITY};
    err_t e = rtnl_open(&r->rtnl, why);
    if (e != ERR_OK) {
        free(r);
        return e;
    }
    *out = r;
    return ERR_OK;
}

void routes_free(struct routes *r, bool take_away)
{
    static const uint16_t families[] = {AF_INET, AF_INET6};
    struct why why = {0};
    if (!r) return;
    for (unsigned i = 0; i < 2 && take_away; i++) {
        if (!r->ruled[i]) continue;
        if (rtnl_clean(r->rtnl, families[i], r->table, NULL, &why) == ERR_OK) continue;
        log_say(LOG_WARN, "routes", "%s", why.text);
    }
    while (r->first) {
        struct entry *e = r->first;
        r->first = e->next;
        free(e);
    }
    rtnl_close(r->rtnl);
    free(r);
}

static bool is_same(const prefix_t *a, const prefix_t *b)
{
    return a->len == b->len && ip_eq(&a->ip, &b->ip);
}

// ---- one route ----

static void rule_put(struct routes *r, uint16_t family)
{
    struct why why = {0};
    bool *there = &r->ruled[family == AF_INET6];
    const struct rtnl_rule rule = {family, r->table, r->d->options.fwmark, r->priority, 0};
    if (*there) return;
    err_t e = rtnl_rule_add(r->rtnl, &rule, &why);
    *there = e == ERR_OK || e == ERR_EXISTS; // an earlier run has left it
    if (!*there) log_say(LOG_WARN, "routes", "%s", why.text);
}

static void tell_route(const struct rtnl_route *route, const char *what, const char *reason)
{
    char dst[PREFIX_TEXT_MAX], src[IP_TEXT_MAX];
    bool bad = *reason;
    log_say(bad ? LOG_WARN : LOG_INFO, "routes", "%s the route to %s from %s%s%s", what,
            prefix_show(&route->dst, dst), ip_show(&route->prefsrc, src), bad ? ": " : "", reason);
}

static void route_put(struct routes *r, struct entry *e)
{
    struct why why = {0};
    struct rtnl_way way;
    rule_put(r, e->route.dst.ip.family);
    err_t err = rtnl_way_to(r->rtnl, &e->peer, r->d->options.fwmark, &way, &why);
    if (err == ERR_OK) {
        e->route.oif = way.oif;
        // Outer and inner family may differ; then the device alone has to do.
        bool same = way.hop.family == e->route.dst.ip.family;
        e->route.gateway = same ? way.hop : (ip_t){0};
        err = rtnl_route_put(r->rtnl, &e->route, &why);
    }
    tell_route(&e->route, err == ERR_OK ? "set" : "cannot set", err == ERR_OK ? "" : why.text);
}

static void route_del(struct routes *r, const struct entry *gone)
{
    struct why why = {0};
    for (struct entry *e = r->first; e; e = e->next) {
        if (!is_same(&e->route.dst, &gone->route.dst)) continue;
        route_put(r, e); // another one wants the same network
        return;
    }
    err_t err = rtnl_route_del(r->rtnl, &gone->route, &why);
    bool went = err == ERR_OK || err == ERR_NOTFOUND; // with its device or address
    tell_route(&gone->route, went ? "removed" : "cannot remove", went ? "" : why.text);
}

// ---- what a child SA protects ----

static bool has(const struct ts_list *l, const ip_t *ip)
{
    for (unsigned i = 0; i < l->n; i++) {
        const struct ts *t = &l->ts[i];
        bool same = t->lo.family == ip->family;
        if (same && ip_cmp(ip, &t->lo) >= 0 && ip_cmp(ip, &t->hi) <= 0) return true;
    }
    return false;
}

// An address of ours that packets to the peer's network may have, a virtual one first.
static bool source_of(const struct routes *r, const struct child_sa *c, uint16_t family, ip_t *out)
{
    ip_t all[CONF_VIPS_MAX + NETWORK_ADDRESSES_MAX];
    unsigned n = 0;
    const struct vips *v = c->sa->vips;
    for (unsigned i = 0; v && v->given && i < v->n; i++) all[n++] = v->ip[i];
    n += network_addresses(r->d->network, all + n, NETWORK_ADDRESSES_MAX);
    for (unsigned i = 0; i < n; i++) {
        if (all[i].family != family || !has(c->local_ts, &all[i])) continue;
        *out = all[i];
        return true;
    }
    return false;
}

static bool wants_routes(const struct child_sa *c)
{
    return c->mode != XFRM_TRANSPORT && c->conf->policies && !c->steering.if_id_out;
}

static struct entry *entry_of(const struct routes *r, uint32_t reqid, const prefix_t *dst)
{
    struct entry *e = r->first;
    while (e && (e->reqid != reqid || !is_same(&e->route.dst, dst))) e = e->next;
    return e;
}

static void hold(struct routes *r, const struct child_sa *c, const prefix_t *dst)
{
    struct entry *e = entry_of(r, c->reqid, dst);
    ip_t src;
    if (!e && !source_of(r, c, dst->ip.family, &src)) return;
    if (!e) {
        e = calloc(1, sizeof *e);
        if (!e) return; // the next child SA tries again
        *e = (struct entry){.next = r->first, .reqid = c->reqid, .peer = c->remote};
        e->route = (struct rtnl_route){.dst = *dst, .table = r->table, .prefsrc = src};
        r->first = e;
        route_put(r, e);
    }
    e->holds++;
}

static void release(struct routes *r, const struct child_sa *c, const prefix_t *dst)
{
    struct entry **at = &r->first;
    while (*at && ((*at)->reqid != c->reqid || !is_same(&(*at)->route.dst, dst))) {
        at = &(*at)->next;
    }
    struct entry *e = *at;
    if (!e || --e->holds) return;
    *at = e->next;
    route_del(r, e);
    free(e);
}

// The peer is reached another way.
static void follow(struct routes *r, const struct child_sa *c, const prefix_t *dst)
{
    struct entry *e = entry_of(r, c->reqid, dst);
    if (!e) return;
    e->peer = c->sa->remote.ip;
    route_put(r, e);
}

static void each_network(struct routes *r, const struct child_sa *c,
                         void (*fn)(struct routes *r, const struct child_sa *c,
                                    const prefix_t *dst))
{
    struct selectors s;
    if (!wants_routes(c) || selectors_make(c->local_ts, c->remote_ts, &s) != ERR_OK) return;
    for (unsigned i = 0; i < s.n; i++) {
        bool again = false;
        for (unsigned k = 0; k < i; k++) again |= is_same(&s.at[k].dst, &s.at[i].dst);
        if (!again && !s.at[i].proto) fn(r, c, &s.at[i].dst);
    }
}

void routes_event(struct routes *r, enum ike_event_kind kind, const struct ike_sa *sa,
                  const struct child_sa *child)
{
    if (!r) return;
    if (kind == CHILD_EV_UP) each_network(r, child, hold);
    if (kind == CHILD_EV_DOWN) each_network(r, child, release);
    if (kind != IKE_EV_MOVED) return;
    for (const struct child_sa *c = sa->children; c; c = c->next) {
        if (child_sa_in_use(c)) each_network(r, c, follow);
    }
}
