#include "netlink/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "netlink/client.h"
#include "netlink/dispatch.h"
#include "netlink/outbox.h"
#include "netlink/wire.h"

#define CLIENTS_MAX 256            // connections: descriptors are finite
#define EVENTS_MAX (1024 * 1024)   // bytes of events that wait for a slow listener
#define REPLIES_MAX (256 * 1024)   // bytes of answers that wait before requests or dumps go on
#define SOCKET_BUFFER (512 * 1024) // bytes that the kernel may hold for a client
#define LENT_MAX 64                // UDP sockets that one client shares: addresses of a host
#define TURN_MAX 64                // datagrams of one client served before the others get a turn

struct client {
    struct xfrm_server *s;
    struct client *next;
    struct loop_io *io;
    int fd;
    struct dispatch_peer peer;
    struct outbox out;
    bool congested; // events are dropped until it has read all
    unsigned lent_count;
    endpoint_t lent[LENT_MAX];
};

struct xfrm_server {
    struct loop *loop;
    struct loop_io *io;
    int fd;
    struct dispatch dispatch;
    struct client *clients;
    unsigned client_count;
    xfrm_lend_fn *lend;
    void *lend_ctx;
    alignas(8) uint8_t in[WIRE_DATAGRAM_MAX];
};

// ---- shared UDP sockets (WIRE_LEND) ----

static endpoint_t *lend_find(struct client *c, const endpoint_t *at)
{
    for (unsigned i = 0; i < c->lent_count; i++) {
        if (endpoint_eq(&c->lent[i], at)) return &c->lent[i];
    }
    return NULL;
}

static err_t lend_on(struct client *c, const endpoint_t *at)
{
    if (lend_find(c, at)) return ERR_OK;
    if (c->lent_count == LENT_MAX) return ERR_LIMIT;
    TRY(c->s->lend(c->s->lend_ctx, at, true));
    c->lent[c->lent_count++] = *at;
    return ERR_OK;
}

static err_t lend_off(struct client *c, const endpoint_t *at)
{
    const endpoint_t gone = *at; // it may stand in the list itself
    endpoint_t *found = lend_find(c, at);
    if (!found) return ERR_NOTFOUND;
    *found = c->lent[--c->lent_count];
    return c->s->lend(c->s->lend_ctx, &gone, false);
}

static int lend_errno(err_t e)
{
    return e == ERR_OK ? 0 : e == ERR_LIMIT ? ENOBUFS : e == ERR_NOTFOUND ? ENOENT : EADDRNOTAVAIL;
}

// A listener's message to itself. One that does not read loses it as it loses events.
static void echo(struct client *c, span_t d)
{
    struct nlmsghdr inner;
    const span_t back = span(d.at + NLMSG_HDRLEN, d.len - NLMSG_HDRLEN);
    if (back.len < sizeof inner) return;
    memcpy(&inner, back.at, sizeof inner);
    if (inner.nlmsg_len != back.len || c->out.bytes + back.len > EVENTS_MAX) return;
    IGNORE(outbox_push(&c->out, back)); // out of memory: lost
}

static int lend_serve(struct client *c, span_t d)
{
    struct wire_lend m;
    if (d.len < sizeof m) return EINVAL;
    memcpy(&m, d.at, sizeof m);
    if (!c->s->lend) return EOPNOTSUPP;
    if ((m.family != AF_INET && m.family != AF_INET6) || m.port == 0) return EINVAL;
    const endpoint_t at = {.ip = ip_from(m.family, m.addr), .port = m.port};
    return lend_errno(m.on ? lend_on(c, &at) : lend_off(c, &at));
}

// A datagram that is nothing for dispatch: answered, and true.
static bool wire_take(struct client *c, span_t d)
{
    struct {
        struct nlmsghdr h;
        struct nlmsgerr e;
    } answer = {.h = {.nlmsg_len = sizeof answer, .nlmsg_type = NLMSG_ERROR}};
    if (d.len < sizeof answer.e.msg) return false;
    memcpy(&answer.e.msg, d.at, sizeof answer.e.msg);
    if (answer.e.msg.nlmsg_type == WIRE_ECHO) {
        echo(c, d);
        return true;
    }
    if (answer.e.msg.nlmsg_type != WIRE_LEND) return false;
    answer.e.error = -lend_serve(c, d);
    IGNORE(outbox_push(&c->out, span(&answer, sizeof answer))); // out of memory: it asks in vain
    return true;
}

void xfrm_server_on_lend(struct xfrm_server *s, xfrm_lend_fn *fn, void *ctx)
{
    s->lend = fn;
    s->lend_ctx = ctx;
}

// ---- clients ----

unsigned xfrm_server_clients(const struct xfrm_server *s)
{
    return s->client_count;
}

static void client_free(struct client *c)
{
    struct client **at = &c->s->clients;
    while (c->lent_count) IGNORE(lend_off(c, &c->lent[0])); // it is in the list
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    c->s->client_count--;
    loop_io_free(c->io);
    (void)close(c->fd);
    outbox_done(&c->out);
    free(c);
}

// What is waited for: room while something waits, requests while answers do not pile up.
static void client_want(struct client *c)
{
    bool waiting = c->out.bytes > 0 || c->peer.dump.active;
    int events = waiting ? LOOP_WRITE : 0;
    if (c->out.bytes < REPLIES_MAX) events |= LOOP_READ;
    loop_io_want(c->io, events);
}

// Sends what waits. A client that has closed gets no answers, but what it asked before still
// counts: it is gone when all of that is read.
static void client_send(struct client *c)
{
    for (span_t d = outbox_first(&c->out); d.len; d = outbox_first(&c->out)) {
        ssize_t n = send(c->fd, d.at, d.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) return;
        if (n < 0) {
            outbox_done(&c->out);
            c->peer.dump.active = false;
            return;
        }
        outbox_pop(&c->out);
    }
    c->congested = false;
}

static bool dump_sink(void *ctx, span_t datagram)
{
    struct client *c = ctx;
    if (c->out.bytes >= REPLIES_MAX) return false;
    return outbox_push(&c->out, datagram) == ERR_OK;
}

// Sends and refills once; the rest goes when the socket has room again.
static void client_flush(struct client *c)
{
    client_send(c);
    if (!c->peer.dump.active || c->out.bytes) return;
    dump_run(&c->peer.dump, c->s->dispatch.api, dump_sink, c);
    client_send(c);
}

// Reads and serves one datagram. false: nothing more now; *gone: nothing more ever.
static bool client_serve(struct client *c, bool *gone)
{
    struct xfrm_server *s = c->s;
    ssize_t n = recv(c->fd, s->in, sizeof s->in, MSG_DONTWAIT | MSG_TRUNC);
    // It has closed without reading all answers; its requests stand behind this news.
    if (n < 0 && errno == ECONNRESET) {
        n = recv(c->fd, s->in, sizeof s->in, MSG_DONTWAIT | MSG_TRUNC);
    }
    *gone = n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
    if (n <= 0) return false;
    size_t len = (size_t)n < sizeof s->in ? (size_t)n : sizeof s->in; // too long: its rest is lost
    const span_t datagram = span(s->in, len);
    if (!wire_take(c, datagram)) dispatch_datagram(&s->dispatch, &c->peer, datagram);
    wipe(s->in, len);
    return true;
}

static void on_client(void *ctx, int fd, int events)
{
    (void)fd;
    struct client *c = ctx;
    bool gone = false;
    if (events & LOOP_READ) {
        for (unsigned i = 0; i < TURN_MAX && c->out.bytes < REPLIES_MAX; i++) {
            if (!client_serve(c, &gone)) break;
        }
    }
    if (gone) {
        client_free(c);
        return;
    }
    client_flush(c);
    client_want(c);
}

err_t xfrm_server_adopt(struct xfrm_server *s, int fd)
{
    struct client *c = calloc(1, sizeof *c);
    int size = SOCKET_BUFFER;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size); // best effort
    if (c) c->io = loop_io_new(s->loop, fd, LOOP_READ, on_client, c);
    if (!c || !c->io) {
        free(c);
        (void)close(fd);
        return ERR_NOMEM;
    }
    c->s = s;
    c->fd = fd;
    c->next = s->clients;
    s->clients = c;
    s->client_count++;
    return ERR_OK;
}

// ---- what dispatch says ----

static struct client *client_of(struct dispatch_peer *p)
{
    return (struct client *)((uint8_t *)p - offsetof(struct client, peer));
}

static void out_reply(void *ctx, struct dispatch_peer *to, const struct nlmsghdr *h)
{
    (void)ctx;
    struct client *c = client_of(to);
    if (outbox_push(&c->out, span(h, h->nlmsg_len)) == ERR_OK) return;
    log_say(LOG_ERROR, "xfrm", "out of memory: an answer to port %u is lost", to->portid);
}

static bool joined(const struct client *c, unsigned group)
{
    return group >= 1 && group <= 32 && c->peer.groups >> (group - 1) & 1;
}

static bool out_listened(void *ctx, unsigned group)
{
    const struct xfrm_server *s = ctx;
    const struct client *c = s->clients;
    while (c && !joined(c, group)) c = c->next;
    return c != NULL;
}

// As a netlink socket: once full it takes nothing until all has been read, and says so once.
static void overrun(struct client *c)
{
    struct nlmsghdr h = {.nlmsg_len = sizeof h, .nlmsg_type = NLMSG_OVERRUN};
    c->congested = true;
    IGNORE(outbox_push(&c->out, span(&h, sizeof h))); // out of memory: the gap stays untold
    log_say(LOG_WARN, "xfrm", "port %u does not read its events, some are dropped", c->peer.portid);
}

static void out_multicast(void *ctx, unsigned group, const struct nlmsghdr *h)
{
    struct xfrm_server *s = ctx;
    for (struct client *c = s->clients; c; c = c->next) {
        if (!joined(c, group) || c->congested) continue;
        bool fits = c->out.bytes + h->nlmsg_len <= EVENTS_MAX;
        if (!fits || outbox_push(&c->out, span(h, h->nlmsg_len)) != ERR_OK) overrun(c);
        client_want(c); // sent when the loop comes round, so that no event waits for a listener
    }
}

void xfrm_server_event(struct xfrm_server *s, const struct xfrm_event *ev)
{
    dispatch_event(&s->dispatch, ev);
}

bool xfrm_server_listened(const struct xfrm_server *s, enum xfrm_event_kind kind)
{
    const struct xfrm_event ev = {.kind = kind};
    const struct client *c = s->clients;
    while (c && !joined(c, codec_event_group(&ev))) c = c->next;
    return c != NULL;
}

// ---- listening ----

static void refuse(int fd, int error)
{
    struct {
        struct nlmsghdr h;
        struct nlmsgerr e;
    } answer = {.h = {.nlmsg_len = sizeof answer, .nlmsg_type = NLMSG_ERROR},
                .e = {.error = -error}};
    (void)send(fd, &answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL); // it is gone anyhow
    (void)close(fd);
}

static void on_listen(void *ctx, int fd, int events)
{
    (void)events;
    struct xfrm_server *s = ctx;
    int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return;
    if (wire_peer_uid(client) != 0) {
        // Not a warning: any local user could fill the log with those.
        log_say(LOG_INFO, "xfrm", "refused a connection: not root");
        refuse(client, EPERM);
        return;
    }
    if (s->client_count >= CLIENTS_MAX) {
        log_say(LOG_WARN, "xfrm", "refused a connection: there are %u already", CLIENTS_MAX);
        refuse(client, ENOBUFS);
        return;
    }
    IGNORE(xfrm_server_adopt(s, client)); // out of memory: the connection closes
}

static err_t listen_on(const char *name, int *out, struct why *why)
{
    struct sockaddr_un at;
    socklen_t n = wire_address(name, &at);
    if (!n) return why_not(why, ERR_SYNTAX, "%s is no socket name: write @name", name);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return why_not(why, ERR_SYSTEM, "no Unix socket: %s", strerror(errno));
    if (bind(fd, (const struct sockaddr *)&at, n) == 0 && listen(fd, CLIENTS_MAX) == 0) {
        *out = fd;
        return ERR_OK;
    }
    err_t e =
        errno == EADDRINUSE
            ? why_not(why, ERR_EXISTS,
                      "%s is taken: a pavise-xfrmd runs in this network namespace already", name)
            : why_not(why, ERR_SYSTEM, "cannot listen on %s: %s", name, strerror(errno));
    (void)close(fd);
    return e;
}

err_t xfrm_server_new(struct loop *loop, const char *name, struct xfrm_api api,
                      struct xfrm_server **out, struct why *why)
{
    int fd = -1;
    TRY(listen_on(name ? name : XFRMD_SOCKET, &fd, why));
    struct xfrm_server *s = calloc(1, sizeof *s);
    if (s) s->io = loop_io_new(loop, fd, LOOP_READ, on_listen, s);
    if (!s || !s->io) {
        free(s);
        (void)close(fd);
        return why_not(why, ERR_NOMEM, "out of memory");
    }
    s->loop = loop;
    s->fd = fd;
    s->dispatch =
        dispatch_of(api, (struct dispatch_out){out_reply, out_multicast, out_listened, s});
    *out = s;
    return ERR_OK;
}

void xfrm_server_free(struct xfrm_server *s)
{
    if (!s) return;
    while (s->clients) client_free(s->clients);
    loop_io_free(s->io);
    (void)close(s->fd);
    free(s);
}
