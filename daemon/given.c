#include "daemon/given.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/words.h"
#include "daemon/resolvconf.h"
#include "daemon/resolved.h"
#include "daemon/rtnl.h"
#include "daemon/state.h"

#define FILE_NAME "client"
#define HEAD "pavise client 1"
#define GRACE_NS (10 * NSEC_PER_SEC)    // for a connection that starts by itself to come back
#define LEFTOVERS_MAX 1024              // addresses; nobody has so many gateways
#define ALL_DNS_MAX (4 * GIVEN_DNS_MAX) // of all gateways; a resolver asks three
#define ALL_DOMAINS_MAX (4 * GIVEN_DOMAINS_MAX)

struct entry {
    struct entry *next;
    struct ike_given what;
};

// An address and the device that it is on.
struct placed {
    ip_t ip;
    char dev[IF_NAMESIZE];
};

struct given {
    struct iked *d;
    struct rtnl *rtnl;
    struct entry *entries;
    struct placed old[LEFTOVERS_MAX]; // of an earlier run
    unsigned old_n;
    struct loop_timer *grace;
    struct resolved *resolved; // NULL before it is needed
};

// ---- addresses ----

// The executor's TUN device, where there is one: a resolver knows servers by their device. Else lo,
// which is always there.
static const char *device_of(const struct given *g)
{
    const struct iked_options *o = &g->d->options;
    if (o->virtual_ip_device) return o->virtual_ip_device;
    return !g->d->executor.kernel && if_nametoindex(EXECUTOR_TUN) ? EXECUTOR_TUN : "lo";
}

static bool has(const struct ike_given *what, const ip_t *ip)
{
    for (unsigned i = 0; i < what->ip_n; i++) {
        if (ip_eq(&what->ip[i], ip)) return true;
    }
    return false;
}

static bool anybody_has(const struct given *g, const ip_t *ip)
{
    for (const struct entry *e = g->entries; e; e = e->next) {
        if (has(&e->what, ip)) return true;
    }
    return false;
}

static err_t address_put(struct given *g, const ip_t *ip, struct why *why)
{
    char text[IP_TEXT_MAX];
    struct why sys = {0};
    const char *dev = device_of(g);
    unsigned index = if_nametoindex(dev);
    if (!g->d->options.install_virtual_ip) return ERR_OK;
    if (!index)
        return why_not(why, ERR_NOTFOUND, "there is no device %s for %s", dev, ip_show(ip, text));
    err_t e = rtnl_addr_put(g->rtnl, index, ip, &sys);
    if (e != ERR_OK) {
        return why_not(why, e, "%s cannot be given to device %s: %.100s", ip_show(ip, text), dev,
                       sys.text);
    }
    log_say(LOG_INFO, "vip", "%s is on device %s", ip_show(ip, text), dev);
    return ERR_OK;
}

static void address_del(struct given *g, const struct placed *p)
{
    char text[IP_TEXT_MAX];
    struct why why = {0};
    unsigned index = if_nametoindex(p->dev);
    if (!index || !g->d->options.install_virtual_ip) return; // it went with its device
    err_t e = rtnl_addr_del(g->rtnl, index, &p->ip, &why);
    if (e == ERR_OK) log_say(LOG_INFO, "vip", "%s is gone from %s", ip_show(&p->ip, text), p->dev);
}

static struct placed placed_now(const struct given *g, const ip_t *ip)
{
    struct placed p = {.ip = *ip};
    (void)snprintf(p.dev, sizeof p.dev, "%s", device_of(g));
    return p;
}

// ---- name servers ----

struct union_of {
    ip_t dns[ALL_DNS_MAX];
    const char *domain[ALL_DOMAINS_MAX];
    unsigned dns_n, domain_n;
};

static void add_server(struct union_of *u, const ip_t *ip)
{
    for (unsigned i = 0; i < u->dns_n; i++) {
        if (ip_eq(&u->dns[i], ip)) return;
    }
    if (u->dns_n < ALL_DNS_MAX) u->dns[u->dns_n++] = *ip;
}

static void add_domain(struct union_of *u, const char *name)
{
    for (unsigned i = 0; i < u->domain_n; i++) {
        if (strcmp(u->domain[i], name) == 0) return;
    }
    if (u->domain_n < ALL_DOMAINS_MAX) u->domain[u->domain_n++] = name;
}

// Each device is told apart there; ours has the servers of all gateways.
static void tell_resolved(struct given *g, const struct union_of *u)
{
    const char *dev = device_of(g);
    const struct resolved_link link = {.ifindex = if_nametoindex(dev),
                                       .dns_n = u->dns_n,
                                       .domain_n = u->domain_n,
                                       .dns = u->dns,
                                       .domain = u->domain};
    if (!link.ifindex) return; // went, and all that was told about it
    if (strcmp(dev, "lo") == 0) {
        if (!u->dns_n) return;
        log_say(LOG_WARN, "dns",
                "systemd-resolved takes name servers for a device that is not lo; name one as "
                "install_virtual_ip_on in section pavise");
        return;
    }
    if (!g->resolved) g->resolved = resolved_new(g->d->loop);
    if (g->resolved) resolved_set(g->resolved, &link);
}

static void tell_servers(const char *path, const struct ike_given *what)
{
    char ip[IP_TEXT_MAX];
    for (unsigned i = 0; i < what->dns_n; i++)
        log_say(LOG_STORY, "dns", SAY_DNS_HERE, ip_show(&what->dns[i], ip), path);
}

// The servers of all gateways together, to systemd-resolved or into the file; nothing of ours in it
// if there are none. `fresh`: what has come; NULL: something has gone.
static void servers_set(struct given *g, const struct ike_given *fresh)
{
    struct union_of u = {0};
    struct why why = {0};
    const char *path = g->d->options.resolv_conf;
    for (const struct entry *e = g->entries; e; e = e->next) {
        for (unsigned i = 0; i < e->what.dns_n; i++) add_server(&u, &e->what.dns[i]);
        for (unsigned i = 0; i < e->what.domain_n; i++) add_domain(&u, e->what.domain[i]);
    }
    const struct resolvconf all = {u.dns_n, u.domain_n, u.dns, u.domain};
    if (!path) return;
    if (resolved_in_charge(path)) {
        tell_resolved(g, &u);
        return;
    }
    err_t e = resolvconf_write(path, u.dns_n ? &all : NULL, &why);
    if (e == ERR_OK && fresh) tell_servers(path, fresh);
    if (e == ERR_OK || (e == ERR_NOTFOUND && !u.dns_n)) return;
    log_say(LOG_WARN, "dns", "%s; names behind the gateway are not found", why.text);
}

// ---- the file ----

// Before anything is changed: whatever happens then, the next run knows.
static void remember(struct given *g)
{
    AUTO(text) struct text t = {0};
    struct why why = {0};
    char ip[IP_TEXT_MAX];
    text_add(&t, HEAD "\n");
    for (const struct entry *e = g->entries; e; e = e->next) {
        for (unsigned i = 0; i < e->what.ip_n; i++) {
            text_add(&t, "%s %s\n", ip_show(&e->what.ip[i], ip), device_of(g));
        }
    }
    for (unsigned i = 0; i < g->old_n; i++) {
        text_add(&t, "%s %s\n", ip_show(&g->old[i].ip, ip), g->old[i].dev);
    }
    text_add(&t, "end\n");
    if (state_write(g->d->options.state_dir, FILE_NAME, &t, &why) != ERR_OK)
        log_say(LOG_WARN, "vip", "%s; after a crash virtual addresses may stay behind", why.text);
}

static err_t recall_line(struct given *g, char *line)
{
    struct placed p = {0};
    char *blank = strchr(line, ' ');
    if (!blank || !blank[1] || strlen(blank + 1) >= sizeof p.dev) {
        return ERR_SYNTAX;
    }
    if (g->old_n == LEFTOVERS_MAX) return ERR_OK; // it stays, and can be seen
    *blank = 0;
    TRY(ip_parse(line, &p.ip));
    (void)snprintf(p.dev, sizeof p.dev, "%s", blank + 1);
    g->old[g->old_n++] = p;
    return ERR_OK;
}

static err_t recall_text(struct given *g, char *text, unsigned *number)
{
    char *save = NULL, *line = strtok_r(text, "\n", &save);
    *number = 1;
    if (!line || strcmp(line, HEAD) != 0) return ERR_SYNTAX;
    while ((line = strtok_r(NULL, "\n", &save))) {
        ++*number;
        if (strcmp(line, "end") == 0) return ERR_OK;
        TRY(recall_line(g, line));
    }
    ++*number;
    return ERR_SYNTAX;
}

// false: nothing was left.
static bool recall(struct given *g)
{
    AUTO(text) struct text t = {0};
    struct why why = {0};
    unsigned line = 0;
    const char *dir = g->d->options.state_dir;
    err_t e = state_read(dir, FILE_NAME, &t, &why);
    if (e == ERR_NOTFOUND) return false;
    if (e == ERR_OK && recall_text(g, t.at, &line) == ERR_OK) return true;
    if (e == ERR_OK) IGNORE(why_not(&why, ERR_SYNTAX, "line %u makes no sense", line)); // sentence
    log_say(LOG_ERROR, "vip",
            "%s/" FILE_NAME " is refused: %s; it is kept as " FILE_NAME
            ".bad, and addresses of an earlier run may have stayed behind (ip address)",
            dir, why.text);
    state_put_aside(dir, FILE_NAME);
    g->old_n = 0;
    return true;
}

// ---- what an earlier run has left ----

static void clean(struct given *g)
{
    for (unsigned i = 0; i < g->old_n; i++) {
        if (!anybody_has(g, &g->old[i].ip)) address_del(g, &g->old[i]);
    }
    g->old_n = 0;
    servers_set(g, NULL);
    remember(g);
}

static void on_grace(void *ctx)
{
    clean(ctx);
}

struct given *given_new(struct iked *d)
{
    struct why why = {0};
    struct given *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->d = d;
    g->grace = loop_timer_new(d->loop, on_grace, g);
    if (!g->grace || rtnl_open(&g->rtnl, &why) != ERR_OK) {
        log_say(LOG_WARN, "vip", "no virtual addresses can be installed: %s", why.text);
        loop_timer_free(g->grace);
        free(g);
        return NULL;
    }
    if (recall(g)) loop_timer_at(g->grace, clock_mono() + GRACE_NS);
    return g;
}

void given_free(struct given *g, bool take_away)
{
    if (!g) return;
    if (take_away) {
        while (g->entries) given_take(g, &g->entries->what);
        if (g->old_n) clean(g);
    }
    while (g->entries) {
        struct entry *e = g->entries;
        g->entries = e->next;
        free(e);
    }
    if (g->resolved) resolved_finish(g->resolved);
    resolved_free(g->resolved);
    loop_timer_free(g->grace);
    rtnl_close(g->rtnl);
    free(g);
}

// ---- put and take ----

err_t given_put(struct given *g, const struct ike_given *what, struct why *why)
{
    struct entry *e = calloc(1, sizeof *e);
    if (!e) return why_not(why, ERR_NOMEM, "out of memory");
    e->what = *what;
    e->what.conn = NULL; // valid during the call only
    e->next = g->entries;
    g->entries = e;
    remember(g);
    for (unsigned i = 0; i < what->ip_n; i++) {
        err_t err = address_put(g, &what->ip[i], why);
        if (err == ERR_OK) continue;
        given_take(g, what);
        return err;
    }
    if (what->dns_n) servers_set(g, what);
    if (g->d->executor.kernel && !g->d->routes) {
        log_say(LOG_WARN, "vip",
                "nobody routes from virtual addresses (charon.install_routes): write 'ip route add "
                "NETWORK via ROUTER src ADDRESS' for what is behind the gateway");
    }
    return ERR_OK;
}

void given_take(struct given *g, const struct ike_given *what)
{
    struct entry **at = &g->entries;
    while (*at && (*at)->what.id != what->id) at = &(*at)->next;
    struct entry *e = *at;
    if (!e) return;
    *at = e->next;
    if (e->what.dns_n) servers_set(g, NULL); // while they can still be asked who to ask instead
    for (unsigned i = 0; i < e->what.ip_n; i++) {
        if (anybody_has(g, &e->what.ip[i])) continue;
        struct placed p = placed_now(g, &e->what.ip[i]);
        address_del(g, &p);
    }
    free(e);
    remember(g);
}

void given_again(struct given *g)
{
    struct why why = {0};
    for (const struct entry *e = g->entries; e; e = e->next) {
        for (unsigned i = 0; i < e->what.ip_n; i++) {
            if (address_put(g, &e->what.ip[i], &why) == ERR_OK) continue;
            log_say(LOG_ERROR, "vip", "%s", why.text);
        }
    }
}
