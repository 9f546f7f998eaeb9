#include "ike/exchange/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "ike/exchange/close.h"
#include "ike/exchange/message.h"
#include "ike/exchange/request.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/granted.h"
#include "ike/sa/vip.h"

static void put_cp(struct msgw *m, const struct cp *c)
{
    cp_write(msgw_begin(m, PAYLOAD_CP), c);
    msgw_end(m);
}

static bool is_family(uint16_t family, const ip_t *ip)
{
    return ip->family == family;
}

static bool any_of_family(uint16_t family, const ip_t *ip, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (is_family(family, &ip[i])) return true;
    }
    return false;
}

// ---- client ----

// The address to ask for, if not any: the configured one, or the one that the IKE SA has which this
// one shall replace. The peer of a reauthentication shall not give us another.
static ip_t ask_for(const struct ike_sa *sa, unsigned i)
{
    const struct conf_conn *c = &sa->conn->conf;
    const struct ike_sa *old = sa->reauth_of ? ike_sa_by_id(sa->ike, sa->reauth_of) : NULL;
    const struct vips *had = old ? old->vips : sa->vips;
    if (!ip_is_any(&c->vip[i]) || !had || !had->given || had->n <= i) return c->vip[i];
    return is_family(c->vip[i].family, &had->ip[i]) ? had->ip[i] : c->vip[i];
}

// The value of an ADDRESS attribute; buf holds it.
static span_t addr_value(const ip_t *ip, uint8_t buf[17])
{
    if (ip_is_any(ip)) return span(NULL, 0);
    memcpy(buf, ip->b, sizeof ip->b);
    buf[16] = 128;
    return span(buf, is_family(AF_INET6, ip) ? 17 : 4);
}

void config_ask(const struct ike_sa *sa, struct msgw *m)
{
    static const uint16_t v4[] = {CP_IP4_DNS, CP_IP4_SUBNET}, v6[] = {CP_IP6_DNS, CP_IP6_SUBNET};
    const struct conf_conn *c = &sa->conn->conf;
    struct cp cp = {.type = CFG_REQUEST};
    uint8_t value[CONF_VIPS_MAX][17];
    if (c->vip_n == 0) return;
    for (unsigned i = 0; i < c->vip_n; i++) {
        ip_t ip = ask_for(sa, i);
        uint16_t type = is_family(AF_INET6, &ip) ? CP_IP6_ADDRESS : CP_IP4_ADDRESS;
        (void)cp_add(&cp, type, addr_value(&ip, value[i])); // room for many more
    }
    for (unsigned i = 0; i < 2; i++) {
        if (any_of_family(AF_INET, c->vip, c->vip_n)) (void)cp_add(&cp, v4[i], span(NULL, 0));
        if (any_of_family(AF_INET6, c->vip, c->vip_n)) (void)cp_add(&cp, v6[i], span(NULL, 0));
    }
    // rfc8598 3.1 MUST: with a request for name servers, which stands above.
    (void)cp_add(&cp, CP_DNS_DOMAIN, span(NULL, 0));
    put_cp(m, &cp);
}

// An address that a host can have, and that would not cut off the tunnel itself.
static bool is_usable(const struct ike_sa *sa, const ip_t *ip)
{
    bool v6 = is_family(AF_INET6, ip);
    if (ip_is_any(ip) || ip_eq(ip, &sa->remote.ip) || ip_eq(ip, &sa->local.ip)) return false;
    if (!v6) return ip->b[0] != 127 && ip->b[0] != 0 && ip->b[0] < 224;
    bool link_local = ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
    ip_t loopback = {.family = AF_INET6};
    loopback.b[15] = 1;
    return ip->b[0] != 0xff && !link_local && !ip_eq(ip, &loopback);
}

// rfc7296 3.15.1: at most as many addresses as were asked for.
static unsigned asked_of_family(const struct ike_sa *sa, uint16_t family)
{
    unsigned n = 0;
    for (unsigned i = 0; i < sa->conn->conf.vip_n; i++) {
        n += is_family(family, &sa->conn->conf.vip[i]);
    }
    return n;
}

static void take_address(const struct ike_sa *sa, const struct cp_attr *a, struct ike_given *g)
{
    ip_t ip;
    char text[IP_TEXT_MAX];
    unsigned have = 0;
    if (cp_addr(a, &ip) != ERR_OK) return;
    for (unsigned i = 0; i < g->ip_n; i++) {
        if (ip_eq(&g->ip[i], &ip)) return;
        have += is_family(ip.family, &g->ip[i]);
    }
    if (!is_usable(sa, &ip)) {
        tell(sa->ike, sa, LOG_WARN, "the gateway gives us %s, which no host can have: ignored",
             ip_show(&ip, text));
        return;
    }
    if (g->ip_n < CONF_VIPS_MAX && have < asked_of_family(sa, ip.family)) g->ip[g->ip_n++] = ip;
}

static void take_other(const struct cp_attr *a, struct ike_given *g)
{
    if (g->other_n == GIVEN_OTHERS_MAX || a->value.len > GIVEN_OTHER_LEN) return;
    g->other[g->other_n].type = a->type;
    g->other[g->other_n].len = (uint16_t)a->value.len;
    if (a->value.len) memcpy(g->other[g->other_n].at, a->value.at, a->value.len);
    g->other_n++;
}

static void take_attr(const struct ike_sa *sa, const struct cp_attr *a, struct ike_given *g)
{
    switch (a->type) {
    case CP_IP4_ADDRESS:
    case CP_IP6_ADDRESS:
        take_address(sa, a, g);
        break;
    case CP_IP4_DNS:
    case CP_IP6_DNS:
        if (g->dns_n < GIVEN_DNS_MAX && cp_addr(a, &g->dns[g->dns_n]) == ERR_OK) {
            g->dns_n += !ip_is_any(&g->dns[g->dns_n]);
        }
        break;
    case CP_IP4_SUBNET:
    case CP_IP6_SUBNET:
        if (g->net_n < GIVEN_NETS_MAX && cp_net(a, &g->net[g->net_n]) == ERR_OK) g->net_n++;
        break;
    case CP_DNS_DOMAIN:
        if (g->domain_n < GIVEN_DOMAINS_MAX && cp_domain(a, g->domain[g->domain_n]) == ERR_OK) {
            g->domain_n++;
        }
        break;
    default:
        // rfc8598 3.2: a trust anchor counts only if it was configured here; none is.
        take_other(a, g);
    }
}

static void tell_given(const struct ike_sa *sa, const struct ike_given *g)
{
    char ip[IP_TEXT_MAX], net[PREFIX_TEXT_MAX], name[40];
    for (unsigned i = 0; i < g->ip_n; i++) {
        tell(sa->ike, sa, LOG_STORY, SAY_ADDRESS_HERE, ip_show(&g->ip[i], ip));
    }
    for (unsigned i = 0; i < g->dns_n; i++) {
        tell(sa->ike, sa, LOG_STORY, "the gateway names the DNS server %s",
             ip_show(&g->dns[i], ip));
    }
    for (unsigned i = 0; i < g->domain_n; i++) {
        tell(sa->ike, sa, LOG_STORY, "... for names in %s", g->domain[i]);
    }
    for (unsigned i = 0; i < g->net_n; i++) {
        tell(sa->ike, sa, LOG_STORY, "the gateway says that %s is behind it",
             prefix_show(&g->net[i], net));
    }
    for (unsigned i = 0; i < g->other_n; i++) {
        tell(sa->ike, sa, LOG_INFO, "the gateway tells %s (%u bytes), which we make no use of",
             cp_attr_name(g->other[i].type, name), g->other[i].len);
    }
}

static err_t read_reply(const struct turn *t, struct ike_given *g, struct why *why)
{
    struct cp cp;
    struct notify n;
    char name[40];
    bool there = msg_has(t->in, P(CP)) && cp_read(msg_body(t->in, PAYLOAD_CP), &cp) == ERR_OK;
    for (unsigned i = 0; there && cp.type == CFG_REPLY && i < cp.n; i++) {
        take_attr(t->sa, &cp.attr[i], g);
    }
    // rfc8598 3.2: domains without a server to ask mean nothing.
    if (!g->dns_n) g->domain_n = 0;
    if (g->ip_n) return ERR_OK;
    bool said = notify_find_error(t->in, &n) == ERR_OK;
    return why_not(why, ERR_CLOSED, "the gateway gives us no virtual IP address (%s)%s",
                   said ? notify_name(n.type, name) : "it says nothing about one",
                   said && n.type == N_INTERNAL_ADDRESS_FAILURE ? ": are its pools large enough?"
                                                                : "");
}

static err_t take_reply(const struct turn *t, struct why *why)
{
    const struct env *env = &t->ike->env;
    struct vips *v = calloc(1, sizeof *v);
    struct ike_given *g = calloc(1, sizeof *g);
    err_t err = v && g ? ERR_OK : why_not(why, ERR_NOMEM, "out of memory");
    if (err == ERR_OK) err = read_reply(t, g, why);
    if (err == ERR_OK) {
        g->id = ++t->ike->last_given_id;
        g->conn = ike_sa_name(t->sa);
        tell_given(t->sa, g);
        if (env->given_put) err = env->given_put(env->ctx, g, why);
    }
    if (err != ERR_OK) {
        free(v);
        free(g);
        return err;
    }
    v->n = g->ip_n;
    memcpy(v->ip, g->ip, sizeof v->ip);
    v->given = g;
    t->ike->given_n++;
    vips_drop(t->sa); // those of the IKE SA before this one: the host has the new ones by now
    t->sa->vips = v;
    return ERR_OK;
}

err_t config_answered(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct why why = {0};
    if (sa->conn->conf.vip_n == 0) return ERR_OK;
    err_t err = take_reply(t, &why);
    if (err == ERR_OK) return ERR_OK;
    tell(t->ike, sa, LOG_ERROR, "%s", why.text);
    tell_alert(t->ike, sa, ALERT_VIP_FAILURE);
    close_retry_later(sa, t->task);
    request_end(sa, t->task, err, why.text);
    t->task = NULL;
    close_ike_ask(sa, CLOSED_FAILED, 0, NULL);
    return err;
}

// ---- gateway ----

static bool wants(const struct cp *request, uint16_t type)
{
    for (unsigned i = 0; i < request->n; i++) {
        if (request->attr[i].type == type) return true;
    }
    return false;
}

static bool is_address(uint16_t type)
{
    return type == CP_IP4_ADDRESS || type == CP_IP6_ADDRESS;
}

static bool wants_address(const struct cp *request)
{
    return wants(request, CP_IP4_ADDRESS) || wants(request, CP_IP6_ADDRESS);
}

static bool pools_are_asked(const struct conf_conn *c)
{
    for (unsigned i = 0; i < c->pool_n; i++) {
        if (strcmp(c->pool[i], CONF_POOL_RADIUS) == 0) return true;
    }
    return false;
}

// Has the IKE SA this address already?
static bool has_ip(const struct vips *v, const ip_t *ip)
{
    for (unsigned i = 0; i < v->n; i++) {
        if (ip_eq(&v->ip[i], ip)) return true;
    }
    return false;
}

// The address that a RADIUS server has for the peer. NULL: none of this family, or it has it.
static const ip_t *granted_address(const struct ike_sa *sa, const struct vips *v, uint16_t family)
{
    const struct granted *g = sa->granted;
    if (!g || !pools_are_asked(&sa->conn->conf)) return NULL;
    const ip_t *ip = family == AF_INET6 ? &g->ip6 : &g->ip4;
    if (ip->family != family || !is_usable(sa, ip)) return NULL;
    return has_ip(v, ip) ? NULL : ip;
}

// The one that a DHCP server has given, once.
static err_t give_lent(const struct ike_sa *sa, struct vips *v, const struct lease_wish *w,
                       struct why *why)
{
    const struct why *reason = &sa->opening->lease.why;
    char ip[IP_TEXT_MAX];
    if (w->ip.family != AF_INET) {
        return why_not(why, ERR_NOTFOUND, "DHCP servers are asked for IPv4 addresses only");
    }
    if (!v->lent && reason->text[0]) return why_not(why, ERR_LIMIT, "%s", reason->text);
    if (!v->lent || has_ip(v, &v->lent->ip)) {
        return why_not(why, ERR_LIMIT, "a DHCP server gives one address to an IKE SA");
    }
    if (!is_usable(sa, &v->lent->ip)) {
        return why_not(why, ERR_LIMIT, "the DHCP server gives %s, which is an end of the tunnel",
                       ip_show(&v->lent->ip, ip));
    }
    v->lease[v->n] = NULL;
    v->ip[v->n] = v->lent->ip;
    return ERR_OK;
}

// How the pool came by the lease.
static void tell_lease(const struct ike_sa *sa, const struct lease_wish *w)
{
    char name[ID_TEXT_MAX], before[ID_TEXT_MAX];
    id_show(w->who, name);
    switch (pools_last(sa->ike->pools)) {
    case LEASE_NEW:
        tell(sa->ike, sa, LOG_STORY, SAY_LEASE_NEW, name);
        return;
    case LEASE_OFFLINE:
        tell(sa->ike, sa, LOG_STORY, SAY_LEASE_OFFLINE, name);
        return;
    case LEASE_ONLINE:
        tell(sa->ike, sa, LOG_STORY, SAY_LEASE_ONLINE, name);
        return;
    case LEASE_TAKEN:
        id_show(pools_last_owner(sa->ike->pools), before);
        tell(sa->ike, sa, LOG_STORY, SAY_LEASE_TAKEN, before, name);
        return;
    }
}

static void tell_full(const struct ike_sa *sa, const struct lease_wish *w)
{
    for (unsigned i = 0; i < w->pool_n; i++) {
        const struct conf_pool *p = config_pool(sa->ike->config, w->pools[i]);
        bool meant = p && p->lo.family == w->ip.family;
        if (meant) tell(sa->ike, sa, LOG_STORY, SAY_POOL_FULL, w->pools[i]);
    }
}

// Of the connection's pools those from `first` to the one before `end`.
static err_t give_pooled(const struct ike_sa *sa, struct vips *v, struct lease_wish *w,
                         unsigned first, unsigned end, struct why *why)
{
    struct lease *l = NULL;
    if (first >= end) return ERR_NOTFOUND;
    w->pools = sa->conn->conf.pool + first;
    w->pool_n = end - first;
    err_t err = pools_acquire(sa->ike->pools, w, &l, why);
    if (err == ERR_LIMIT) tell_full(sa, w);
    if (err != ERR_OK) return err;
    v->lease[v->n] = l;
    v->ip[v->n] = *lease_ip(l);
    tell_lease(sa, w);
    return ERR_OK;
}

// In the order in which the connection names them.
static err_t give_any(const struct ike_sa *sa, struct vips *v, struct lease_wish *w,
                      struct why *why)
{
    const struct conf_conn *c = &sa->conn->conf;
    unsigned dhcp;
    if (!conf_conn_asks_dhcp(c, &dhcp)) return give_pooled(sa, v, w, 0, c->pool_n, why);
    err_t err = give_pooled(sa, v, w, 0, dhcp, why);
    if (err == ERR_NOTFOUND || err == ERR_LIMIT) err = give_lent(sa, v, w, why);
    if (err != ERR_NOTFOUND && err != ERR_LIMIT) return err;
    err_t last = give_pooled(sa, v, w, dhcp + 1, c->pool_n, why);
    return last == ERR_NOTFOUND ? err : last;
}

static ip_t wanted_ip(const struct cp_attr *a)
{
    ip_t ip;
    if (cp_addr(a, &ip) != ERR_OK) ip = (ip_t){0};
    ip.family = a->type == CP_IP6_ADDRESS ? AF_INET6 : AF_INET;
    return ip;
}

static const char *wanted_show(const ip_t *ip, char buf[IP_TEXT_MAX])
{
    if (!ip_is_any(ip)) return ip_show(ip, buf);
    return ip->family == AF_INET ? "%any" : "%any6";
}

static void tell_not_given(const struct ike_sa *sa, const struct cp_attr *a)
{
    char text[IP_TEXT_MAX], name[ID_TEXT_MAX];
    const ip_t ip = wanted_ip(a);
    tell(sa->ike, sa, LOG_STORY, SAY_NO_ADDRESS, wanted_show(&ip, text),
         id_show(ike_sa_whose(sa), name));
}

// One more address for the peer, as this attribute asks for it.
static err_t give_one(struct ike_sa *sa, struct vips *v, const struct cp_attr *a, struct why *why)
{
    char ip[IP_TEXT_MAX], name[ID_TEXT_MAX];
    struct lease_wish w = {.who = ike_sa_whose(sa),
                           .ip = wanted_ip(a),
                           .has = (const struct lease *const *)v->lease,
                           .has_n = v->n,
                           .replaces = vips_replaces(sa)};
    tell(sa->ike, sa, LOG_STORY, SAY_WANTS_ADDRESS, wanted_show(&w.ip, ip));
    const ip_t *granted = granted_address(sa, v, w.ip.family);
    if (granted) v->ip[v->n] = *granted;
    if (!granted) TRY(give_any(sa, v, &w, why));
    tell(sa->ike, sa, LOG_STORY, SAY_ASSIGNED, ip_show(&v->ip[v->n++], ip), id_show(w.who, name));
    return ERR_OK;
}

// Where they will be: what a DHCP server has lent waits there already.
static struct vips *place(struct ike_sa *sa)
{
    if (sa->vips && sa->vips->lent) return sa->vips;
    vips_drop(sa);
    return sa->vips = calloc(1, sizeof *sa->vips);
}

// A pool that the connection names before has had an address after all.
static void give_back_unused(struct ike_sa *sa)
{
    const struct env *env = &sa->ike->env;
    struct vips *v = sa->vips;
    if (!v->lent || has_ip(v, &v->lent->ip)) return;
    env->dhcp_release(env->ctx, v->lent->id);
    free(v->lent);
    v->lent = NULL;
}

static void tell_no_address(const struct turn *t)
{
    char name[40];
    tell(t->ike, t->sa, LOG_STORY, SAY_NO_ADDRESS_SENT,
         notify_name(N_INTERNAL_ADDRESS_FAILURE, name));
    tell(t->ike, t->sa, LOG_STORY, SAY_NO_CONFIG_CHILD);
}

static err_t give_all(struct turn *t, const struct cp *request)
{
    struct ike_sa *sa = t->sa;
    struct why why = {0};
    struct vips *v = place(sa);
    if (!v) return refuse(t, N_INTERNAL_ADDRESS_FAILURE, ERR_NOMEM, "out of memory");
    for (unsigned i = 0; i < request->n && v->n < CONF_VIPS_MAX; i++) {
        if (!is_address(request->attr[i].type)) continue;
        // rfc7296 3.15.4: what cannot be given is left out, as long as there is something.
        err_t err = give_one(sa, v, &request->attr[i], &why);
        if (err != ERR_OK) tell_not_given(sa, &request->attr[i]);
        if (err == ERR_LIMIT) tell(t->ike, sa, LOG_WARN, "%s", why.text);
    }
    give_back_unused(sa);
    if (v->n) return ERR_OK;
    vips_drop(sa);
    tell_alert(t->ike, sa, ALERT_VIP_FAILURE);
    tell_no_address(t);
    return refuse(t, N_INTERNAL_ADDRESS_FAILURE, ERR_LIMIT, "no address for the peer: %s",
                  why.text);
}

// Has the peer an address of this pool, or has the pool only attributes?
static bool pool_serves(const struct ike_sa *sa, const struct conf_pool *p)
{
    if (p->lo.family == AF_UNSPEC) return true;
    for (unsigned i = 0; i < sa->vips->n; i++) {
        const ip_t *ip = &sa->vips->ip[i];
        if (is_family(p->lo.family, ip) && ip_cmp(ip, &p->lo) >= 0 && ip_cmp(ip, &p->hi) <= 0) {
            return true;
        }
    }
    return false;
}

static void reply_attrs(const struct ike_sa *sa, const struct conf_pool *p,
                        const struct cp *request, bool domains, struct cp *reply)
{
    for (unsigned i = 0; i < p->attr_n; i++) {
        uint16_t type = p->attr[i].type;
        bool split = type == CP_DNS_DOMAIN || type == CP_DNSSEC_TA;
        if (split != domains) continue;
        // rfc8598 3.1: who does not ask for domains does not want to be told.
        // ... 3.2 MUST: domains come with a name server.
        if (split && !wants(request, CP_DNS_DOMAIN)) continue;
        if (split && !wants(reply, CP_IP4_DNS) && !wants(reply, CP_IP6_DNS)) continue;
        if (!cp_add(reply, type, p->attr[i].value)) {
            tell(sa->ike, sa, LOG_WARN, "too many attributes in pool %s: some are not told",
                 p->name);
            return;
        }
    }
}

// What the DHCP server says beside the address; there is room for many more.
static void reply_lent(const struct dhcp_lease *l, struct cp *reply)
{
    for (unsigned i = 0; i < l->dns_n; i++) (void)cp_add(reply, CP_IP4_DNS, span(l->dns[i].b, 4));
    for (unsigned i = 0; i < l->nbns_n; i++)
        (void)cp_add(reply, CP_IP4_NBNS, span(l->nbns[i].b, 4));
}

// The peer's addresses and what belongs to them. value: room for the addresses.
static void reply_make(const struct ike_sa *sa, const struct cp *request, struct cp *reply,
                       uint8_t value[][17])
{
    const struct conf_conn *c = &sa->conn->conf;
    const struct conf_pool *all = sa->ike->opt.everybody;
    for (unsigned i = 0; i < sa->vips->n; i++) {
        bool v6 = is_family(AF_INET6, &sa->vips->ip[i]);
        (void)cp_add(reply, v6 ? CP_IP6_ADDRESS : CP_IP4_ADDRESS,
                     addr_value(&sa->vips->ip[i], value[i])); // the first ones: they have room
    }
    const struct granted *g = sa->granted;
    for (unsigned i = 0; g && i < g->dns_n; i++) {
        bool v6 = is_family(AF_INET6, &g->dns[i]);
        (void)cp_add(reply, v6 ? CP_IP6_DNS : CP_IP4_DNS, // likewise
                     span(g->dns[i].b, ip_len(g->dns[i].family)));
    }
    if (sa->vips->lent) reply_lent(sa->vips->lent, reply);
    for (unsigned i = 0; i < 2 * c->pool_n; i++) { // servers first, then their domains
        const struct conf_pool *p = config_pool(sa->ike->config, c->pool[i % c->pool_n]);
        if (p && pool_serves(sa, p)) reply_attrs(sa, p, request, i >= c->pool_n, reply);
        bool all_served = i % c->pool_n == c->pool_n - 1;
        if (all_served && all) reply_attrs(sa, all, request, i >= c->pool_n, reply);
    }
}

static err_t without_request(struct turn *t)
{
    char failed[40];
    for (unsigned i = 0; i < t->sa->conn->conf.pool_n; i++) {
        const char *name = t->sa->conn->conf.pool[i];
        const struct conf_pool *p = config_pool(t->ike->config, name);
        bool dhcp = strcmp(name, CONF_POOL_DHCP) == 0;
        if (!dhcp && (!p || p->lo.family == AF_UNSPEC)) continue;
        tell(t->ike, t->sa, LOG_STORY, SAY_NO_REQUEST, notify_name(N_FAILED_CP_REQUIRED, failed));
        tell(t->ike, t->sa, LOG_STORY, SAY_NO_CONFIG_CHILD);
        return refuse(t, N_FAILED_CP_REQUIRED, ERR_NOCHOICE,
                      "the peer asks for no address, but %s has pools and gives one to everybody",
                      ike_sa_name(t->sa));
    }
    return ERR_OK;
}

err_t config_answer(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct cp request = {0}, reply = {.type = CFG_REPLY};
    uint8_t value[CONF_VIPS_MAX][17];
    err_t err =
        msg_has(t->in, P(CP)) ? cp_read(msg_body(t->in, PAYLOAD_CP), &request) : ERR_NOTFOUND;
    if (err != ERR_OK && err != ERR_NOTFOUND) {
        return refuse(t, N_INVALID_SYNTAX, err, "the Configuration payload is malformed");
    }
    if (request.type != CFG_REQUEST || !wants_address(&request)) return without_request(t);
    if (sa->conn->conf.pool_n == 0) {
        tell_no_address(t);
        return refuse(t, N_INTERNAL_ADDRESS_FAILURE, ERR_NOTFOUND,
                      "the peer asks for an address, but %s has none to give (pools)",
                      ike_sa_name(sa));
    }
    TRY(give_all(t, &request));
    reply_make(sa, &request, &reply, value);
    put_cp(&t->out, &reply);
    return ERR_OK;
}

// ---- INFORMATIONAL ----

// What we know, as SUPPORTED_ATTRIBUTES wants it.
static span_t supported(uint8_t buf[64])
{
    static const uint16_t known[] = {CP_IP4_ADDRESS, CP_IP4_NETMASK, CP_IP4_DNS,     CP_IP4_NBNS,
                                     CP_IP4_DHCP,    CP_VERSION,     CP_IP6_ADDRESS, CP_IP6_DNS,
                                     CP_IP6_DHCP,    CP_IP4_SUBNET,  CP_SUPPORTED,   CP_IP6_SUBNET,
                                     CP_DNS_DOMAIN};
    wr_t w = wr_into(buf, 64);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) wr_u16(&w, known[i]);
    return wr_span(&w);
}

err_t config_on_info(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct cp request, reply = {.type = CFG_REPLY};
    uint8_t value[CONF_VIPS_MAX][17], list[64];
    if (!msg_has(t->in, P(CP))) return ERR_OK;
    TRY(cp_read(msg_body(t->in, PAYLOAD_CP), &request));
    if (request.type == CFG_SET) {
        // rfc7296 3.15.1: nothing that is pushed on us is accepted.
        reply.type = CFG_ACK;
        put_cp(&t->out, &reply);
        return ERR_OK;
    }
    if (request.type != CFG_REQUEST) return ERR_OK;
    if (sa->vips && !sa->vips->given) reply_make(sa, &request, &reply, value);
    if (wants(&request, CP_SUPPORTED)) (void)cp_add(&reply, CP_SUPPORTED, supported(list));
    // rfc7296 2.20: whoever does not tell its version says so with an empty string.
    if (wants(&request, CP_VERSION)) (void)cp_add(&reply, CP_VERSION, span(NULL, 0));
    put_cp(&t->out, &reply);
    return ERR_OK;
}
