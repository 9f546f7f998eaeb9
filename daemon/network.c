#include "daemon/network.h"

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
    unsigned count;
    ip_t ip[NETWORK_ADDRESSES_MAX];
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

static void add(void *ctx, const ip_t *addr)
{
    struct network *n = ctx;
    if (n->count < NETWORK_ADDRESSES_MAX) n->ip[n->count++] = *addr;
}

// Every new IKE SA asks: the kernel is asked only after a change.
static void look(struct network *n)
{
    struct why why = {0};
    n->count = 0;
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
