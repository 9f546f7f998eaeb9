#include "daemon/lent.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define LENT_MAX 64 // addresses of one host
#define DRAIN_MS 50 // at most, for a worker that is very busy

struct lent_port {
    endpoint_t at;
    unsigned count; // clients that have told of it; 0: free
    struct port *port;
};

struct lent {
    struct xfrmd_options options;
    struct engine *engine;
    struct lent_port ports[LENT_MAX];
};

struct lent *lent_new(const struct xfrmd_options *options, struct engine *engine)
{
    struct lent *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    l->options = *options;
    l->engine = engine;
    return l;
}

// What has come must not go with the socket: it gets no more (bound to the loopback device it is
// nobody's for packets of other devices, and they find the socket for all addresses), and the
// worker has a moment to fetch the rest.
static void drain(const struct port *port)
{
    const struct timespec moment = {.tv_nsec = (long)NSEC_PER_MSEC};
    struct pollfd p = {.fd = port->ops->fd(port), .events = POLLIN};
    (void)setsockopt(p.fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof "lo");
    for (int i = 0; i < DRAIN_MS && poll(&p, 1, 0) > 0; i++) (void)nanosleep(&moment, NULL);
}

static void take_back(struct lent *l, struct lent_port *p)
{
    drain(p->port);
    engine_port_remove(l->engine, p->port);
    p->port->ops->free(p->port);
    *p = (struct lent_port){0};
}

void lent_free(struct lent *l)
{
    if (!l) return;
    for (unsigned i = 0; i < LENT_MAX; i++) {
        if (l->ports[i].count) take_back(l, &l->ports[i]);
    }
    free(l);
}

static struct lent_port *find(struct lent *l, const endpoint_t *at)
{
    for (unsigned i = 0; i < LENT_MAX; i++) {
        if (l->ports[i].count && endpoint_eq(&l->ports[i].at, at)) return &l->ports[i];
    }
    return NULL;
}

static err_t open_port(struct lent *l, const endpoint_t *at, struct lent_port *p, struct why *why)
{
    TRY(xfrmd_ports_open_at(&l->options, at, &p->port, why));
    err_t e = engine_port_add(l->engine, p->port);
    if (e == ERR_OK) return ERR_OK;
    p->port->ops->free(p->port);
    p->port = NULL;
    return why_not(why, e, "%s", err_text(e));
}

static err_t add(struct lent *l, const endpoint_t *at)
{
    char text[ENDPOINT_TEXT_MAX];
    struct why why = {""};
    unsigned i = 0;
    if (l->options.no_udp) return ERR_UNSUPPORTED;
    while (i < LENT_MAX && l->ports[i].count) i++;
    err_t e = i < LENT_MAX ? open_port(l, at, &l->ports[i], &why) : ERR_LIMIT;
    if (e != ERR_OK) {
        log_say(LOG_WARN, "ports", "ESP in UDP at %s will not arrive: %s", endpoint_show(at, text),
                why.text[0] ? why.text : err_text(e));
        return e;
    }
    l->ports[i].at = *at;
    l->ports[i].count = 1;
    log_say(LOG_INFO, "ports", "ESP in UDP at %s, beside an IKE daemon", endpoint_show(at, text));
    return ERR_OK;
}

err_t lent_set(struct lent *l, const endpoint_t *at, bool on)
{
    struct lent_port *p = find(l, at);
    if (!p) return on ? add(l, at) : ERR_NOTFOUND;
    p->count += on ? 1 : -1U;
    if (p->count == 0) take_back(l, p);
    return ERR_OK;
}

void lent_each(const struct lent *l, xfrmd_ports_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < LENT_MAX; i++) {
        struct port_counts counts = {0};
        const struct lent_port *p = &l->ports[i];
        if (!p->count) continue;
        xfrmd_ports_add_counts(p->port, &counts);
        fn(ctx, p->port->ops->name, p->at.ip.family, &counts);
    }
}
