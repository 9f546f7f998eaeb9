#include "netlink/client.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "netlink/client_api.h"

#define RETRY_FIRST (250 * NSEC_PER_MSEC) // a restarted daemon is back in less
#define RETRY_LAST (4 * NSEC_PER_SEC)     // each try may cost a second if it hangs
#define TURN_MAX 64                       // events taken before the loop's other work gets a turn

struct xfrm_client {
    struct caller caller; // requests
    struct link events;
    uint32_t groups;
    struct loop *loop;
    struct loop_io *io;
    struct loop_timer *retry;
    uint64_t retry_in;
    xfrm_event_fn *fn;
    void *ctx;
    void (*on_return)(void *ctx);
    void *return_ctx;
    alignas(8) uint8_t in[LINK_DATAGRAM_MAX];
};

static void on_readable(void *ctx, int fd, int events);

// ---- the event connection ----

static err_t events_open(struct xfrm_client *c, struct why *why)
{
    TRY(link_open(c->caller.peer, c->caller.name, c->groups, &c->events, why));
    c->io = loop_io_new(c->loop, c->events.fd, LOOP_READ, on_readable, c);
    if (c->io) return ERR_OK;
    link_close(&c->events);
    return why_not(why, ERR_NOMEM, "out of memory");
}

static void events_close(struct xfrm_client *c)
{
    loop_io_free(c->io);
    c->io = NULL;
    link_close(&c->events);
}

static void retry_later(struct xfrm_client *c)
{
    loop_timer_at(c->retry, clock_mono() + c->retry_in);
    c->retry_in = c->retry_in * 2 < RETRY_LAST ? c->retry_in * 2 : RETRY_LAST;
}

static void on_retry(void *ctx)
{
    struct xfrm_client *c = ctx;
    if (events_open(c, NULL) != ERR_OK) {
        retry_later(c);
        return;
    }
    log_say(LOG_INFO, "xfrm", "pavise-xfrmd is back");
    if (c->on_return) c->on_return(c->return_ctx);
}

static void on_lost(struct xfrm_client *c)
{
    log_say(LOG_WARN, "xfrm", "pavise-xfrmd has gone; waiting for it");
    events_close(c);
    link_close(&c->caller.link);
    c->retry_in = RETRY_FIRST;
    retry_later(c);
}

// Decodes the messages of one datagram and tells them.
static void tell(struct xfrm_client *c, span_t datagram)
{
    while (datagram.len >= NLMSG_HDRLEN) {
        const struct nlmsghdr *h = (const struct nlmsghdr *)datagram.at;
        struct codec_event e;
        struct why why = {""};
        if (h->nlmsg_len < NLMSG_HDRLEN || h->nlmsg_len > datagram.len) return;
        err_t r = codec_event_read(h, &e, &why);
        if (r == ERR_OK) {
            c->fn(c->ctx, &e.ev);
        } else if (r != ERR_UNSUPPORTED) {
            log_say(LOG_WARN, "xfrm", "an event that makes no sense: %s", why.text);
        }
        wipe(&e, sizeof e);
        size_t n = NLMSG_ALIGN((size_t)h->nlmsg_len);
        if (n >= datagram.len) return;
        datagram.at += n;
        datagram.len -= n;
    }
}

static void on_readable(void *ctx, int fd, int events)
{
    (void)fd, (void)events;
    struct xfrm_client *c = ctx;
    for (unsigned i = 0; i < TURN_MAX; i++) {
        span_t got;
        err_t e = link_receive(&c->events, c->in, sizeof c->in, 0, &got);
        if (e == ERR_AGAIN) return;
        if (e == ERR_LIMIT) {
            log_say(LOG_WARN, "xfrm", "events were lost: they came faster than they were read");
            continue;
        }
        if (e != ERR_OK) {
            on_lost(c);
            return;
        }
        tell(c, got);
        wipe(c->in, got.len);
    }
}

// ---- life ----

err_t xfrm_client_open(enum xfrm_client_peer peer, struct loop *loop, xfrm_event_fn *fn, void *ctx,
                       struct xfrm_client **out, struct why *why)
{
    struct xfrm_client_options o = {.peer = peer, .groups = XFRM_GROUPS_DIPLOMAT};
    return xfrm_client_open_with(&o, loop, fn, ctx, out, why);
}

err_t xfrm_client_open_with(const struct xfrm_client_options *options, struct loop *loop,
                            xfrm_event_fn *fn, void *ctx, struct xfrm_client **out, struct why *why)
{
    struct xfrm_client *c = calloc(1, sizeof *c);
    if (!c) return why_not(why, ERR_NOMEM, "out of memory");
    c->caller.peer = options->peer;
    c->caller.name = options->name ? options->name : XFRMD_SOCKET;
    c->caller.link.fd = c->events.fd = -1;
    c->groups = options->groups;
    c->loop = fn ? loop : NULL;
    c->fn = fn;
    c->ctx = ctx;
    err_t e = link_open(c->caller.peer, c->caller.name, 0, &c->caller.link, why);
    if (e == ERR_OK && c->loop) {
        c->retry = loop_timer_new(loop, on_retry, c);
        e = c->retry ? events_open(c, why) : why_not(why, ERR_NOMEM, "out of memory");
    }
    if (e != ERR_OK) {
        xfrm_client_close(c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

void xfrm_client_close(struct xfrm_client *c)
{
    if (!c) return;
    events_close(c);
    loop_timer_free(c->retry);
    link_close(&c->caller.link);
    wipe(c, sizeof *c);
    free(c);
}

struct xfrm_api xfrm_client_api(struct xfrm_client *c)
{
    return (struct xfrm_api){&client_ops, &c->caller};
}

void xfrm_client_on_return(struct xfrm_client *c, void (*fn)(void *ctx), void *ctx)
{
    c->on_return = fn;
    c->return_ctx = ctx;
}
