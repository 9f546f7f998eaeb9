#include "daemon/network.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/rtnl.h"

struct network {
    struct iked *d;
    struct rtnl *rtnl;
    int fd;
    struct loop_io *io;
    struct loop_timer *settle;
    bool waiting; // for more changes
    bool known;   // nothing has changed since the look that filled ip[]
    unsigned count, out_count;
    ip_t ip[NETWORK_ADDRESSES_MAX];
    ip_t out[NETWORK_ADDRESSES_MAX]; // left out by the settings
};

static void on_settled(void *ctx)
{
    struct network *n = ctx;
    n->waiting = false;
    if (!n->d->ike || n->d->stopping) return;
    ike_network_changed(n->d->ike);
    iked_rearm(n->d);
}

static void on_change(void *ctx, int fd, int events)
{
    struct network *n = ctx;
    (void)events;
    rtnl_drain(fd);
    n->known = false;
    if (n->waiting) return;
    n->waiting = true;
    loop_timer_at(n->settle, clock_mono() + NETWORK_SETTLE_NS);
}

err_t network_new(struct iked *d, struct network **out, struct why *why)
{
    struct network *n = calloc(1, sizeof *n);
    if (!n) return why_not(why, ERR_NOMEM, "out of memory");
    *n = (struct network){.d = d, .fd = -1};
    err_t e = rtnl_open(&n->rtnl, why);
    if (e == ERR_OK) e = rtnl_watch(true, &n->fd, why);
    if (e == ERR_OK) {
        n->settle = loop_timer_new(d->loop, on_settled, n);
        n->io = loop_io_new(d->loop, n->fd, LOOP_READ, on_change, n);
    }
    if (e == ERR_OK && (!n->settle || !n->io)) e = why_not(why, ERR_NOMEM, "out of memory");
    if (e != ERR_OK) {
        network_free(n);
        return e;
    }
    *out = n;
    return ERR_OK;
}

void network_free(struct network *n)
{
    if (!n) return;
    loop_io_free(n->io);
    loop_timer_free(n->settle);
    if (n->fd >= 0) (void)close(n->fd);
    rtnl_close(n->rtnl);
    free(n);
}

// ---- which addresses count ----

// Is the name one of those between commas and blanks?
static bool is_listed(const char *list, const char *name)
{
    const size_t len = strlen(name);
    while (*list) {
        size_t word = strcspn(list, ", \t\n");
        if (word == len && memcmp(list, name, len) == 0) return true;
        list += word + strspn(list + word, ", \t\n");
    }
    return false;
}

static bool is_left_out(const struct strongswan *s, const char *interface)
{
    if (s->interfaces_use) return !is_listed(s->interfaces_use, interface);
    return s->interfaces_ignore && is_listed(s->interfaces_ignore, interface);
}

static void leave_out(struct network *n)
{
    struct ifaddrs *all;
    endpoint_t e;
    const struct strongswan *s = &n->d->strongswan;
    n->out_count = 0;
    if (!s->interfaces_use && !s->interfaces_ignore) return;
    if (getifaddrs(&all) != 0) return;
    for (const struct ifaddrs *i = all; i && n->out_count < NETWORK_ADDRESSES_MAX;
         i = i->ifa_next) {
        if (!i->ifa_addr || !is_left_out(s, i->ifa_name)) continue;
        if (endpoint_from_sockaddr(i->ifa_addr, sizeof(struct sockaddr_in6), &e) != ERR_OK)
            continue;
        n->out[n->out_count++] = e.ip;
    }
    freeifaddrs(all);
}

static bool has(const ip_t *list, unsigned count, const ip_t *ip)
{
    for (unsigned i = 0; i < count; i++) {
        if (ip_eq(&list[i], ip)) return true;
    }
    return false;
}

static void add(void *ctx, const ip_t *addr)
{
    struct network *n = ctx;
    if (has(n->out, n->out_count, addr)) return;
    if (n->count < NETWORK_ADDRESSES_MAX) n->ip[n->count++] = *addr;
}

// Every new IKE SA asks: the kernel is asked only after a change.
static void look(struct network *n)
{
    struct why why = {0};
    n->count = 0;
    leave_out(n);
    n->known = rtnl_each_addr(n->rtnl, add, n, &why) == ERR_OK;
    if (!n->known) log_say(LOG_WARN, "net", "%s", why.text);
}

unsigned network_addresses(struct network *n, ip_t *out, unsigned max)
{
    if (!n->known) look(n);
    unsigned count = n->count < max ? n->count : max;
    memcpy(out, n->ip, count * sizeof *out);
    return count;
}

bool network_leaves_out(struct network *n, const ip_t *ip)
{
    const struct strongswan *s = &n->d->strongswan;
    if (!s->interfaces_use && !s->interfaces_ignore) return false;
    if (!n->known) look(n);
    return has(n->out, n->out_count, ip);
}

void network_settings(struct network *n)
{
    if (n) n->known = false;
}
