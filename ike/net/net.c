#include "ike/net/net.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ike/net/sock.h"

#define NET_SOCKS 4       // two ports, two families
#define NET_BURST 64      // datagrams per wake-up and socket, so that a flood cannot starve timers
#define NET_BUF_LEN 65536 // one byte more than any datagram

struct net_sock {
    struct net *net;
    int fd; // -1: not open
    uint16_t family, port;
    struct loop_io *io;
};

struct net {
    struct net_options opt;
    net_input_fn *input;
    void *ctx;
    struct net_sock sock[NET_SOCKS];
    uint8_t buf[NET_BUF_LEN];
};

// rfc3948 2.2: four zero bytes where ESP has its SPI
static const uint8_t marker[4];
static const uint8_t keepalive[1] = {0xff}; // rfc3948 2.3

struct net_options net_options_default(void)
{
    return (struct net_options){.port = NET_PORT, .natt_port = NET_NATT_PORT};
}

// Do datagrams between these ports carry the marker?
static bool marked(const struct net *n, uint16_t ours, uint16_t theirs)
{
    return ours == n->opt.natt_port || theirs == n->opt.natt_port || theirs == NET_NATT_PORT;
}

// Hands the IKE message in a datagram to the diplomat, if there is one.
static void net_input(struct net_sock *s, size_t len, const endpoint_t *from, const ip_t *to)
{
    struct net *n = s->net;
    struct datagram d = {*from, {*to, s->port}, span(n->buf, len), 0};
    bool has_marker = len >= sizeof marker && !memcmp(n->buf, marker, sizeof marker);
    if (from->port == 0) return; // nobody to answer to
    // rfc3948 2.3 SHOULD: a received keepalive is ignored
    if (len == sizeof keepalive && n->buf[0] == keepalive[0]) return;
    if (has_marker && marked(n, s->port, from->port)) {
        d.bytes = span(n->buf + sizeof marker, len - sizeof marker);
    } else if (s->port == n->opt.natt_port) {
        return; // ESP for an executor that is not there now
    }
    n->input(n->ctx, &d);
}

static void net_readable(void *ctx, int fd, int events)
{
    struct net_sock *s = ctx;
    (void)events;
    for (unsigned i = 0; i < NET_BURST; i++) {
        endpoint_t from;
        ip_t to;
        size_t len;
        err_t e = sock_receive(fd, s->net->buf, NET_BUF_LEN, &len, &from, &to);
        if (e == ERR_AGAIN) return;
        if (e == ERR_OK) net_input(s, len, &from, &to);
    }
}

static err_t net_add(struct net *n, struct loop *loop, unsigned i, struct why *why)
{
    struct net_sock *s = &n->sock[i];
    bool natt = i & 1;
    s->net = n;
    s->family = i & 2 ? AF_INET6 : AF_INET;
    s->port = natt ? n->opt.natt_port : n->opt.port;
    err_t e = sock_open(&n->opt, s->family, natt, &s->fd, why);
    if (e == ERR_UNSUPPORTED && s->family == AF_INET6 && ip_is_any(&n->opt.bind6)) return ERR_OK;
    if (e != ERR_OK) return e;
    s->io = loop_io_new(loop, s->fd, LOOP_READ, net_readable, s);
    return s->io ? ERR_OK : why_not(why, ERR_NOMEM, "cannot watch the UDP sockets");
}

err_t net_open(struct loop *loop, const struct net_options *opt, net_input_fn *input, void *ctx,
               struct net **out, struct why *why)
{
    if (opt->port == 0 || opt->natt_port == 0 || opt->port == opt->natt_port) {
        return why_not(why, ERR_RANGE, "UDP ports %u and %u: two different ones are needed",
                       opt->port, opt->natt_port);
    }
    struct net *n = calloc(1, sizeof *n);
    if (!n) return why_not(why, ERR_NOMEM, "no memory for the UDP sockets");
    n->opt = *opt;
    n->input = input;
    n->ctx = ctx;
    for (unsigned i = 0; i < NET_SOCKS; i++) n->sock[i].fd = -1;
    err_t e = ERR_OK;
    for (unsigned i = 0; i < NET_SOCKS && e == ERR_OK; i++) e = net_add(n, loop, i, why);
    if (e != ERR_OK) {
        net_free(n);
        return e;
    }
    *out = n;
    return ERR_OK;
}

void net_free(struct net *n)
{
    if (!n) return;
    for (unsigned i = 0; i < NET_SOCKS; i++) {
        loop_io_free(n->sock[i].io);
        if (n->sock[i].fd >= 0) (void)close(n->sock[i].fd);
    }
    free(n);
}

void net_send(struct net *n, const struct datagram *d)
{
    const span_t body = d->bytes.len ? d->bytes : SPAN(keepalive);
    // a keepalive is not an IKE message: no marker (rfc3948 2.3)
    bool mark = d->bytes.len && marked(n, d->from.port, d->to.port);
    const span_t parts[2] = {mark ? SPAN(marker) : span(NULL, 0), body};
    for (unsigned i = 0; i < NET_SOCKS; i++) {
        const struct net_sock *s = &n->sock[i];
        if (s->fd < 0 || s->family != d->to.ip.family || s->port != d->from.port) continue;
        // loss is the protocol's business
        IGNORE(sock_send(s->fd, d, parts));
        return;
    }
}

ip_t net_source_for(const struct net *n, const ip_t *peer)
{
    const ip_t *bound = peer->family == AF_INET6 ? &n->opt.bind6 : &n->opt.bind4;
    ip_t us = {.family = AF_UNSPEC};
    if (ip_len(peer->family) == 0) return us;
    if (!ip_is_any(bound)) return *bound;
    if (sock_source_for(peer, n->opt.fwmark, &us) != ERR_OK) us.family = AF_UNSPEC;
    return us;
}
