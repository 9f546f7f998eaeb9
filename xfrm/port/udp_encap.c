// udp_encap.c - ESP in UDP (RFC 3948) on the port that the IKE daemon uses too.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/natt_share.h"
#include "base/order.h"
#include "xfrm/db/counter.h"
#include "xfrm/port/train.h"

// The place of each socket in the port's group counts (base/natt_share.h). If an IKE daemon starts
// at the very same moment and comes between ours, they are bound again, behind its.
#define GROUP_TRIES 5

struct udp_encap {
    struct port port;
    int fd;
    uint16_t family, number; // UDP port
    struct batch batch;
    struct train *train;
};

static struct udp_encap *self(struct port *p)
{
    return (struct udp_encap *)p;
}

// rfc3948 2.2, 2.3: neither an IKE message nor a keepalive is ESP. IKE comes here only while no
// IKE daemon shares the port.
static bool is_esp(const struct pkt *p)
{
    return p->len == 0 || (p->len >= 4 && get32(p->at) != 0); // 0: too long, to be counted
}

static void udp_encap_recv(struct port *port, struct pool *pool, struct burst *b)
{
    struct udp_encap *u = self(port);
    unsigned kept = 0;
    train_recv(u->train, pool, b, &port->more);
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (!is_esp(p)) {
            count_add(&port->counts.ignored, 1);
            if (p->len >= 4) train_stranger(u->train, p); // a keepalive is no loss
            pool_give(pool, p);
            continue;
        }
        p->to.port = u->number;
        p->udp = true;
        count_add(&port->counts.packets_in, 1);
        count_add(&port->counts.bytes_in, p->len);
        b->p[kept++] = p;
    }
    b->n = kept;
}

static void udp_encap_send(struct port *port, struct pkt **p, unsigned n)
{
    struct udp_encap *u = self(port);
    batch_send(&u->batch, u->fd, u->family, p, n, &port->counts);
}

static void say_mark(struct msghdr *h, uint32_t mark)
{
    const size_t before = h->msg_controllen;
    if (!mark) return;
    struct cmsghdr *c = (struct cmsghdr *)((uint8_t *)h->msg_control + before);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SO_MARK;
    c->cmsg_len = CMSG_LEN(sizeof mark);
    memcpy(CMSG_DATA(c), &mark, sizeof mark);
    h->msg_controllen = before + CMSG_SPACE(sizeof mark);
}

// Says by which address of ours a message goes.
static void say_from(struct msghdr *h, const ip_t *from)
{
    const bool v6 = from->family == AF_INET6;
    struct in_pktinfo info4 = {0};
    struct in6_pktinfo info6 = {0};
    memcpy(&info4.ipi_spec_dst, from->b, sizeof info4.ipi_spec_dst);
    memcpy(&info6.ipi6_addr, from->b, sizeof info6.ipi6_addr);
    struct cmsghdr *c = CMSG_FIRSTHDR(h);
    size_t size = v6 ? sizeof info6 : sizeof info4;
    c->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    c->cmsg_type = v6 ? IPV6_PKTINFO : IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), v6 ? (const void *)&info6 : &info4, size);
    h->msg_controllen = CMSG_SPACE(size);
}

#define KEEPALIVE_CONTROL (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint32_t)))

void udp_encap_keepalive(const struct port *p, const ip_t *from, const endpoint_t *to,
                         uint32_t mark)
{
    uint8_t byte = 0xff; // rfc3948 2.3
    struct sockaddr_storage peer;
    _Alignas(struct cmsghdr) uint8_t control[KEEPALIVE_CONTROL] = {0};
    struct iovec iov = {&byte, sizeof byte};
    struct msghdr h = {.msg_name = &peer,
                       .msg_namelen = endpoint_to_sockaddr(to, &peer),
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};
    say_from(&h, from);
    say_mark(&h, mark);
    (void)sendmsg(p->ops->fd(p), &h, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int udp_encap_fd(const struct port *port)
{
    return ((const struct udp_encap *)port)->fd;
}

static void udp_encap_free(struct port *port)
{
    train_free(self(port)->train);
    (void)close(self(port)->fd);
    free(port);
}

static const struct port_ops udp_encap_ops = {"udp_encap", udp_encap_recv, udp_encap_send,
                                              udp_encap_fd, udp_encap_free};

static err_t bind_shared(int fd, const endpoint_t *to, struct why *why)
{
    struct sockaddr_storage at;
    socklen_t len = endpoint_to_sockaddr(to, &at);
    const int on = 1;
    const uint16_t number = to->port;
    bool v6 = to->ip.family == AF_INET6;
    if (natt_share_prepare(fd) != ERR_OK ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)) {
        return why_not(why, ERR_SYSTEM, "UDP port %u: cannot be shared: %s", number,
                       strerror(errno));
    }
    if (bind(fd, (struct sockaddr *)&at, len) == 0) return ERR_OK;
    return why_not(why, ERR_SYSTEM,
                   "UDP port %u (IPv%d): %s; see who holds it with `ss -lunp`, an IKE daemon "
                   "must share it with SO_REUSEPORT",
                   number, v6 ? 6 : 4, strerror(errno));
}

// What the sockets of one port have in common.
struct group {
    endpoint_t at;
    uint32_t fwmark;
    unsigned count;
    bool marks;
};

static err_t open_one(const struct group *g, struct port **out, struct why *why)
{
    const uint16_t family = g->at.ip.family;
    struct udp_encap *u = calloc(1, sizeof *u);
    if (!u) return why_not(why, ERR_NOMEM, "out of memory");
    u->port.ops = &udp_encap_ops;
    u->family = family;
    u->number = g->at.port;
    err_t e = batch_socket(family, SOCK_DGRAM, 0, g->fwmark, &u->fd, why);
    if (e != ERR_OK) {
        free(u);
        return e;
    }
    u->batch.couples = batch_can_couple(u->fd);
    u->batch.marks = g->marks;
    // rfc3948 2.1 SHOULD: no UDP checksum over IPv4, ESP has a better one; but the kernel couples
    // only datagrams that have one, on both ends, which saves far more than the sum costs
    const int no_checksum = family == AF_INET && !u->batch.couples;
    (void)setsockopt(u->fd, SOL_SOCKET, SO_NO_CHECK, &no_checksum, sizeof no_checksum);
    u->train = train_new(u->fd, family);
    e = u->train ? bind_shared(u->fd, &g->at, why) : why_not(why, ERR_NOMEM, "out of memory");
    if (e != ERR_OK) {
        udp_encap_free(&u->port);
        return e;
    }
    *out = &u->port;
    return ERR_OK;
}

static void close_all(struct port **out, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (out[i]) udp_encap_free(out[i]);
        out[i] = NULL;
    }
}

// Binds them one after the other. *before: sockets of others. False in *good: somebody has come to
// the port in between.
static err_t open_group(const struct group *g, struct port **out, unsigned *before, bool *good,
                        struct why *why)
{
    unsigned first = 0;
    for (unsigned i = 0; i < g->count; i++) {
        err_t e = open_one(g, &out[i], why);
        if (e != ERR_OK) {
            close_all(out, i);
            return e;
        }
        if (i == 0) first = natt_share_count(udp_encap_fd(out[0]));
    }
    // without /proc: as if an IKE daemon were there
    *before = first ? first - 1 : 1;
    *good = !first || natt_share_count(udp_encap_fd(out[0])) == *before + g->count;
    return ERR_OK;
}

static err_t open_shared(const struct group *g, struct port **out, struct why *why)
{
    const unsigned count = g->count;
    unsigned before = 0;
    bool good = false;
    memset(out, 0, count * sizeof(struct port *));
    for (int tries = 0; tries < GROUP_TRIES && !good; tries++) {
        close_all(out, count);
        TRY(open_group(g, out, &before, &good, why));
    }
    if (natt_share_attach_esp(udp_encap_fd(out[count - 1]), count, before > 0) == ERR_OK)
        return ERR_OK;
    int e = errno;
    close_all(out, count);
    return why_not(why, ERR_SYSTEM,
                   "UDP port %u: cannot attach the program that tells IKE from ESP: %s", g->at.port,
                   strerror(e));
}

err_t udp_encap_open(uint16_t family, uint16_t port, uint32_t fwmark, unsigned count,
                     struct port **out, struct why *why)
{
    const struct group g = {{.ip.family = family, .port = port}, fwmark, count, true};
    return open_shared(&g, out, why);
}

err_t udp_encap_open_at(const endpoint_t *at, uint32_t fwmark, struct port **out, struct why *why)
{
    const struct group g = {*at, fwmark, 1, false};
    return open_shared(&g, out, why);
}
