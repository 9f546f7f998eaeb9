#include "ike/sa/conn.h"

#include <stdlib.h>
#include <string.h>

#include "conf/creds.h"

static char *copy_str(struct arena *a, const char *s, bool *ok)
{
    if (!s) return NULL;
    char *copy = arena_str(a, s, strlen(s));
    *ok = *ok && copy;
    return copy;
}

static void copy_proposal_texts(struct arena *a, struct conf_proposals *p, bool *ok)
{
    for (unsigned i = 0; i < p->n; i++) p->text[i] = copy_str(a, p->text[i], ok);
}

static void copy_host_names(struct arena *a, struct conf_host *hosts, unsigned n, bool *ok)
{
    for (unsigned i = 0; i < n; i++) hosts[i].name = copy_str(a, hosts[i].name, ok);
}

// The first round stands in the connection itself.
static bool copy_sides(struct arena *a, struct conf_side *s)
{
    bool ok = true;
    for (; s; s = s->next) {
        for (unsigned i = 0; i < s->policy_n; i++) s->policy[i] = copy_str(a, s->policy[i], &ok);
        if (!s->next) break;
        struct conf_side *copy = arena_get(a, sizeof *copy);
        if (copy) *copy = *s->next;
        ok = ok && copy;
        s->next = copy;
    }
    return ok;
}

// The plain fields are there by assignment; what they point to follows here.
static bool conn_copy(struct conn *c)
{
    struct arena *a = &c->arena;
    const struct conf_child *from = c->conf.child;
    bool ok = true;
    c->conf.name = copy_str(a, c->conf.name, &ok);
    copy_host_names(a, c->conf.local_addr, c->conf.local_addr_n, &ok);
    copy_host_names(a, c->conf.remote_addr, c->conf.remote_addr_n, &ok);
    copy_proposal_texts(a, &c->conf.ike, &ok);
    for (unsigned i = 0; i < c->conf.pool_n; i++) {
        c->conf.pool[i] = copy_str(a, c->conf.pool[i], &ok);
    }
    ok = copy_sides(a, &c->conf.local) && ok;
    ok = copy_sides(a, &c->conf.remote) && ok;
    c->conf.child = c->conf.child_n ? arena_array(a, c->conf.child_n, sizeof *from) : NULL;
    if (c->conf.child_n && !c->conf.child) return false;
    for (unsigned i = 0; i < c->conf.child_n; i++) {
        struct conf_child *child = &c->conf.child[i];
        *child = from[i];
        child->name = copy_str(a, child->name, &ok);
        child->updown = copy_str(a, child->updown, &ok);
        child->interface = copy_str(a, child->interface, &ok);
        copy_proposal_texts(a, &child->esp, &ok);
    }
    return ok;
}

struct conn *conn_new(const struct conf_conn *from)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    atomic_init(&c->refs, 1);
    c->conf = *from;
    c->conf.creds = creds_ref(from->creds);
    if (conn_copy(c)) return c;
    conn_put(c);
    return NULL;
}

struct conn *conn_get(struct conn *c)
{
    if (c) (void)atomic_fetch_add(&c->refs, 1);
    return c;
}

void conn_put(struct conn *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1) return;
    creds_free((struct creds *)(uintptr_t)c->conf.creds); // one hold less of what nobody changes
    arena_done(&c->arena);
    free(c);
}

const struct conf_child *conn_child(const struct conn *c, const char *name)
{
    for (unsigned i = 0; i < c->conf.child_n; i++) {
        if (strcmp(c->conf.child[i].name, name) == 0) return &c->conf.child[i];
    }
    return NULL;
}

// Family of the local side, where it is known: a name may have addresses of both.
static uint16_t local_family(const struct conn *c)
{
    for (unsigned i = 0; i < c->conf.local_addr_n; i++) {
        const struct conf_host *h = &c->conf.local_addr[i];
        if (!h->any && !h->name) return h->lo.family;
    }
    return AF_UNSPEC;
}

static void resolve_hosts(const struct env *env, const struct conf_host *hosts, unsigned n,
                          uint16_t family, ip_t *named)
{
    for (unsigned i = 0; i < n; i++) {
        ip_t found;
        if (!hosts[i].name) continue;
        uint16_t want = hosts[i].family ? hosts[i].family : family;
        if (env->resolve(env->ctx, hosts[i].name, want, &found) == ERR_OK) named[i] = found;
    }
}

void conn_resolve(struct conn *c, const struct env *env)
{
    const struct conf_conn *conf = &c->conf;
    uint16_t family = local_family(c);
    resolve_hosts(env, conf->local_addr, conf->local_addr_n, family, c->named_local);
    resolve_hosts(env, conf->remote_addr, conf->remote_addr_n, family, c->named_remote);
}

#define FIT_ANY 1
#define FIT_FAMILY 2
#define FIT_RANGE 3
#define FIT_EXACT 4

static unsigned host_fit(const struct conf_host *h, const ip_t *named, const ip_t *ip)
{
    if (h->any) {
        if (h->family == AF_UNSPEC) return FIT_ANY;
        return h->family == ip->family ? FIT_FAMILY : 0;
    }
    if (h->name) return ip_eq(named, ip) ? FIT_EXACT : 0;
    if (h->lo.family != ip->family) return 0;
    if (ip_cmp(ip, &h->lo) < 0 || ip_cmp(ip, &h->hi) > 0) return 0;
    return ip_eq(&h->lo, &h->hi) ? FIT_EXACT : FIT_RANGE;
}

static unsigned hosts_fit(const struct conf_host *hosts, unsigned n, const ip_t *named,
                          const ip_t *ip)
{
    if (n == 0) return FIT_ANY; // swanctl.conf's default is %any
    unsigned best = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned fit = host_fit(&hosts[i], &named[i], ip);
        if (fit > best) best = fit;
    }
    return best;
}

unsigned conn_fit(const struct conn *c, const ip_t *local, const ip_t *remote)
{
    unsigned l = hosts_fit(c->conf.local_addr, c->conf.local_addr_n, c->named_local, local);
    unsigned r = hosts_fit(c->conf.remote_addr, c->conf.remote_addr_n, c->named_remote, remote);
    if (!l || !r) return 0;
    return r * (FIT_EXACT + 1) + l; // the peer's address says more than ours
}

bool conn_may_be_local(const struct conn *c, const ip_t *ip)
{
    static const ip_t unknown; // that a name means another address now is no reason to refuse
    const struct conf_host *hosts = c->conf.local_addr;
    for (unsigned i = 0; i < c->conf.local_addr_n; i++) {
        if (hosts[i].name || host_fit(&hosts[i], &unknown, ip)) return true;
    }
    return c->conf.local_addr_n == 0;
}

bool conn_names_local(const struct conn *c, const ip_t *ip)
{
    const struct conf_conn *f = &c->conf;
    return hosts_fit(f->local_addr, f->local_addr_n, c->named_local, ip) >= FIT_RANGE;
}

static bool host_single(const struct conf_host *h)
{
    return !h->any && !h->name && ip_eq(&h->lo, &h->hi);
}

static bool pick_remote(const struct conn *c, ip_t *out)
{
    for (unsigned i = 0; i < c->conf.remote_addr_n; i++) {
        const struct conf_host *h = &c->conf.remote_addr[i];
        if (host_single(h)) *out = h->lo;
        if (h->name) *out = c->named_remote[i];
        if (out->family != AF_UNSPEC) return true;
    }
    return false;
}

static bool pick_local(const struct conn *c, const struct env *env, const ip_t *remote, ip_t *out)
{
    for (unsigned i = 0; i < c->conf.local_addr_n; i++) {
        const struct conf_host *h = &c->conf.local_addr[i];
        const ip_t *ip = h->name ? &c->named_local[i] : &h->lo;
        if ((!h->name && !host_single(h)) || ip->family != remote->family) continue;
        *out = *ip;
        return true;
    }
    *out = env->source_for(env->ctx, remote);
    return out->family == remote->family;
}

bool conn_names_peer(const struct conn *c)
{
    for (unsigned i = 0; i < c->conf.remote_addr_n; i++) {
        if (host_single(&c->conf.remote_addr[i]) || c->conf.remote_addr[i].name) return true;
    }
    return false;
}

uint16_t conn_peer_family(const struct conn *c)
{
    const struct conf_host *h = c->conf.remote_addr;
    if (c->conf.remote_addr_n != 1) return AF_UNSPEC;
    return h->any ? h->family : h->lo.family;
}

bool conn_may_be_peer(const struct conn *c, const ip_t *ip)
{
    return hosts_fit(c->conf.remote_addr, c->conf.remote_addr_n, c->named_remote, ip) > 0;
}

err_t conn_endpoints(const struct conn *c, const struct env *env, uint16_t natt_port,
                     endpoint_t *local, endpoint_t *remote, struct why *why)
{
    ip_t peer = {0};
    if (!pick_remote(c, &peer)) {
        bool named = false;
        for (unsigned i = 0; i < c->conf.remote_addr_n; i++) {
            named = named || c->conf.remote_addr[i].name;
        }
        if (named) {
            return why_not(why, ERR_NOTFOUND,
                           "no address found for the name in remote_addrs of %s; is DNS working?",
                           c->conf.name);
        }
        return why_not(why, ERR_UNSUPPORTED,
                       "remote_addrs of %s names no single host, so only the peer can begin",
                       c->conf.name);
    }
    return conn_endpoints_to(c, env, natt_port, &peer, local, remote, why);
}

err_t conn_endpoints_to(const struct conn *c, const struct env *env, uint16_t natt_port,
                        const ip_t *peer, endpoint_t *local, endpoint_t *remote, struct why *why)
{
    ip_t us = {0};
    char text[IP_TEXT_MAX];
    if (!pick_local(c, env, peer, &us)) {
        return why_not(why, ERR_NOTFOUND, "no route to %s: no local address to speak from",
                       ip_show(peer, text));
    }
    uint16_t local_port = c->conf.local_port ? c->conf.local_port : 500;
    uint16_t remote_port = c->conf.remote_port ? c->conf.remote_port : 500;
    // A peer on a port of its own expects the non-ESP marker, which we send from port 4500 only.
    if (remote_port != 500) local_port = natt_port;
    *local = (endpoint_t){us, local_port};
    *remote = (endpoint_t){*peer, remote_port};
    return ERR_OK;
}

const ip_t *conn_only_peer(const struct conn *c)
{
    const struct conf_host *h = c->conf.remote_addr;
    return c->conf.remote_addr_n == 1 && host_single(h) ? &h->lo : NULL;
}

bool conn_one_peer(const struct conn *c)
{
    return c->conf.remote_addr_n == 1 &&
           (host_single(&c->conf.remote_addr[0]) || c->conf.remote_addr[0].name);
}
