#include "daemon/farp.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "daemon/rtnl.h"
#include "ike/sa/child_sa.h"

// An address that is answered for; several children may have it for a while (reauthentication).
struct answered {
    struct answered *next;
    ip_t ip;
    uint32_t ifindex;
    unsigned users;
};

struct farp {
    struct rtnl *rtnl;
    struct answered *first;
};

err_t farp_new(struct farp **out, struct why *why)
{
    struct farp *f = calloc(1, sizeof *f);
    if (!f) return why_not(why, ERR_NOMEM, "out of memory");
    err_t err = rtnl_open(&f->rtnl, why);
    if (err != ERR_OK) {
        free(f);
        return err;
    }
    *out = f;
    return ERR_OK;
}

static void stop(struct farp *f, struct answered **at)
{
    struct answered *a = *at;
    struct why why = {0};
    *at = a->next;
    err_t err = rtnl_proxy_del(f->rtnl, a->ifindex, &a->ip, &why);
    if (err != ERR_OK && err != ERR_NOTFOUND) log_say(LOG_WARN, "farp", "%s", why.text);
    free(a);
}

void farp_free(struct farp *f)
{
    if (!f) return;
    while (f->first) stop(f, &f->first);
    rtnl_close(f->rtnl);
    free(f);
}

static void start(struct farp *f, const ip_t *ip, uint32_t ifindex)
{
    char text[IP_TEXT_MAX];
    struct why why = {0};
    struct answered *a = calloc(1, sizeof *a);
    err_t err = a ? rtnl_proxy_put(f->rtnl, ifindex, ip, &why) : ERR_NOMEM;
    if (err != ERR_OK) {
        log_say(LOG_WARN, "farp", "ARP is not answered for %s: %s", ip_show(ip, text),
                why.text[0] ? why.text : err_text(err));
        free(a);
        return;
    }
    *a = (struct answered){.next = f->first, .ip = *ip, .ifindex = ifindex, .users = 1};
    f->first = a;
}

static bool covers(const struct ts_list *l, const ip_t *ip)
{
    for (unsigned i = 0; i < l->n; i++) {
        const struct ts *t = &l->ts[i];
        if (t->lo.family == ip->family && ip_cmp(ip, &t->lo) >= 0 && ip_cmp(ip, &t->hi) <= 0)
            return true;
    }
    return false;
}

static bool same_net(const struct ifaddrs *i, const ip_t *ip)
{
    const struct sockaddr_in *at = (const struct sockaddr_in *)(const void *)i->ifa_addr;
    const struct sockaddr_in *mask = (const struct sockaddr_in *)(const void *)i->ifa_netmask;
    const uint8_t *a = (const uint8_t *)&at->sin_addr, *m = (const uint8_t *)&mask->sin_addr;
    for (unsigned b = 0; b < 4; b++) {
        if ((a[b] ^ ip->b[b]) & m[b]) return false;
    }
    return true;
}

// The device to whose network the address belongs, if the child protects that network; 0: none.
static uint32_t device_of(const struct child_sa *c, const ip_t *ip)
{
    struct ifaddrs *all;
    uint32_t found = 0;
    endpoint_t e;
    if (getifaddrs(&all) != 0) return 0;
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
        bool usable = i->ifa_addr && i->ifa_netmask && i->ifa_addr->sa_family == AF_INET &&
                      !(i->ifa_flags & (IFF_LOOPBACK | IFF_NOARP));
        if (!usable ||
            endpoint_from_sockaddr(i->ifa_addr, sizeof(struct sockaddr_in), &e) != ERR_OK)
            continue;
        if (!ip_eq(&e.ip, ip) && same_net(i, ip) && covers(c->local_ts, &e.ip))
            found = if_nametoindex(i->ifa_name);
    }
    freeifaddrs(all);
    return found;
}

static struct answered **place_of(struct farp *f, const ip_t *ip)
{
    struct answered **at = &f->first;
    while (*at && !ip_eq(&(*at)->ip, ip)) at = &(*at)->next;
    return at;
}

void farp_child(struct farp *f, const struct child_sa *c, bool up)
{
    for (unsigned i = 0; i < c->remote_ts->n; i++) {
        const struct ts *t = &c->remote_ts->ts[i];
        if (t->lo.family != AF_INET || !ip_eq(&t->lo, &t->hi)) continue; // a client has one
        struct answered **at = place_of(f, &t->lo);
        uint32_t device = *at || !up ? 0 : device_of(c, &t->lo);
        if (device) start(f, &t->lo, device);
        if (device || !*at) continue;
        (*at)->users += up ? 1U : -1U;
        if ((*at)->users == 0) stop(f, at);
    }
}
