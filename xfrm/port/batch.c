#include "xfrm/port/batch.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/order.h"
#include "xfrm/db/counter.h"
#include "xfrm/port/fragment.h"

#define SOCKET_BUFFER (8 << 20) // bytes: about 5000 full packets, so that a busy moment is no loss

#ifndef IPV6_FLOWINFO // <linux/in6.h>, which does not go together with <netinet/in.h>
#define IPV6_FLOWINFO 11
#define IPV6_FLOWINFO_SEND 33
#endif
#define FLOW_LABEL 0xfffff

#define TRAIN_CARS_MAX 64     // UDP_MAX_SEGMENTS of kernels before 6.9
#define TRAIN_BYTES_MAX 65000 // with all headers below 65535
// Packets to a peer that go one by one after a train was refused: it would have to be fragmented,
// or the device makes no checksums. A change of that is noticed soon enough.
#define REFUSED_FOR 4096

static bool set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static bool set_family_v4(int fd)
{
    // The outer packet may be fragmented: its size is ours to choose, not the inner sender's.
    return set_int(fd, IPPROTO_IP, IP_PKTINFO, 1) && set_int(fd, IPPROTO_IP, IP_RECVTOS, 1) &&
           set_int(fd, IPPROTO_IP, IP_RECVTTL, 1) &&
           set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
}

static bool set_family_v6(int fd)
{
    return set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
           set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) &&
           set_int(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) &&
           set_int(fd, IPPROTO_IPV6, IPV6_FLOWINFO, 1) &&
           set_int(fd, IPPROTO_IPV6, IPV6_FLOWINFO_SEND, 1) &&
           set_int(fd, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0) &&
           set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

// Large if allowed, as large as the system's own limit otherwise; both will do.
static void set_buffers(int fd)
{
    if (!set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER))
        (void)set_int(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
    if (!set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER))
        (void)set_int(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
}

static err_t socket_failed(int fd, const char *what, const char *step, struct why *why)
{
    int e = errno;
    if (fd >= 0) (void)close(fd);
    if (e == EPERM || e == EACCES) {
        return why_not(why, ERR_PERMISSION, "%s: %s: %s; run as root (CAP_NET_ADMIN, CAP_NET_RAW)",
                       what, step, strerror(e));
    }
    return why_not(why, ERR_SYSTEM, "%s: %s: %s", what, step, strerror(e));
}

err_t batch_socket(uint16_t family, int type, int protocol, uint32_t fwmark, int *out,
                   struct why *why)
{
    bool v6 = family == AF_INET6;
    char what[48];
    (void)snprintf(what, sizeof what, "%s socket (IPv%d)", type == SOCK_DGRAM ? "UDP" : "raw",
                   v6 ? 6 : 4);
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0) return socket_failed(fd, what, "cannot open", why);
    if (!(v6 ? set_family_v6(fd) : set_family_v4(fd)))
        return socket_failed(fd, what, "cannot set its options", why);
    if (fwmark && !set_int(fd, SOL_SOCKET, SO_MARK, (int)fwmark))
        return socket_failed(fd, what, "cannot set the firewall mark", why);
    set_buffers(fd);
    *out = fd;
    return ERR_OK;
}

// ---- receiving ----

static void recv_prepare(struct batch *m, unsigned i, struct pkt *p)
{
    m->iov[i] = (struct iovec){p->at, (size_t)(p->room + p->size - p->at)};
    m->msg[i].msg_hdr = (struct msghdr){.msg_name = &m->peer[i],
                                        .msg_namelen = sizeof m->peer[i],
                                        .msg_iov = &m->iov[i],
                                        .msg_iovlen = 1,
                                        .msg_control = m->control[i],
                                        .msg_controllen = sizeof m->control[i]};
}

static int read_int(const struct cmsghdr *c)
{
    int v = 0;
    if (c->cmsg_len >= CMSG_LEN(sizeof v)) memcpy(&v, CMSG_DATA(c), sizeof v);
    return v;
}

static void read_control_v4(const struct cmsghdr *c, struct pkt *p)
{
    if (c->cmsg_level != IPPROTO_IP) return;
    if (c->cmsg_type == IP_PKTINFO && c->cmsg_len >= CMSG_LEN(sizeof(struct in_pktinfo))) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        p->to.ip = ip_from(AF_INET, &info.ipi_addr);
    }
    if (c->cmsg_type == IP_TOS && c->cmsg_len >= CMSG_LEN(1)) p->outer_tos = *CMSG_DATA(c);
    if (c->cmsg_type == IP_TTL) p->outer_ttl = (uint8_t)read_int(c);
}

static void read_control_v6(const struct cmsghdr *c, struct pkt *p)
{
    if (c->cmsg_level != IPPROTO_IPV6) return;
    if (c->cmsg_type == IPV6_PKTINFO && c->cmsg_len >= CMSG_LEN(sizeof(struct in6_pktinfo))) {
        struct in6_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        p->to.ip = ip_from(AF_INET6, &info.ipi6_addr);
    }
    if (c->cmsg_type == IPV6_TCLASS) p->outer_tos = (uint8_t)read_int(c);
    if (c->cmsg_type == IPV6_HOPLIMIT) p->outer_ttl = (uint8_t)read_int(c);
    if (c->cmsg_type == IPV6_FLOWINFO && c->cmsg_len >= CMSG_LEN(4))
        p->outer_label = get32(CMSG_DATA(c)) & FLOW_LABEL;
}

void batch_read(struct mmsghdr *msg, uint16_t family, struct pkt *p)
{
    struct msghdr *h = &msg->msg_hdr;
    p->len = h->msg_flags & MSG_TRUNC ? 0 : msg->msg_len;
    if (family == AF_INET) {
        const struct sockaddr_in *s4 = h->msg_name;
        p->from = (endpoint_t){ip_from(AF_INET, &s4->sin_addr), ntohs(s4->sin_port)};
    } else {
        const struct sockaddr_in6 *s6 = h->msg_name;
        p->from = (endpoint_t){ip_from(AF_INET6, &s6->sin6_addr), ntohs(s6->sin6_port)};
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (family == AF_INET) read_control_v4(c, p);
        if (family == AF_INET6) read_control_v6(c, p);
    }
}

void batch_recv(struct batch *m, int fd, uint16_t family, struct pool *pool, struct burst *b)
{
    unsigned ready = 0;
    while (ready < BURST_MAX && (b->p[ready] = pool_take(pool))) {
        b->p[ready]->at += m->headroom;
        recv_prepare(m, ready, b->p[ready]);
        ready++;
    }
    int got = ready ? recvmmsg(fd, m->msg, ready, MSG_DONTWAIT, NULL) : 0;
    b->n = got > 0 ? (unsigned)got : 0;
    for (unsigned i = 0; i < b->n; i++) batch_read(&m->msg[i], family, b->p[i]);
    for (unsigned i = b->n; i < ready; i++) pool_give(pool, b->p[i]);
}

// ---- sending ----

static socklen_t write_peer(void *at, uint16_t family, const struct pkt *p)
{
    const endpoint_t *to = &p->to;
    if (family == AF_INET6) {
        struct sockaddr_in6 s6 = {.sin6_family = AF_INET6,
                                  .sin6_port = htons(to->port),
                                  .sin6_flowinfo = htonl(p->outer_label)};
        memcpy(&s6.sin6_addr, to->ip.b, 16);
        memcpy(at, &s6, sizeof s6);
        return sizeof s6;
    }
    struct sockaddr_in s4 = {.sin_family = AF_INET, .sin_port = htons(to->port)};
    memcpy(&s4.sin_addr, to->ip.b, 4);
    memcpy(at, &s4, sizeof s4);
    return sizeof s4;
}

// Appends one control message and returns the bytes used so far.
static size_t write_control(uint8_t *control, size_t used, int level, int type, const void *data,
                            size_t n)
{
    struct cmsghdr head = {.cmsg_len = CMSG_LEN(n), .cmsg_level = level, .cmsg_type = type};
    memset(control + used, 0, CMSG_SPACE(n));
    memcpy(control + used, &head, sizeof head);
    memcpy(control + used + CMSG_LEN(0), data, n);
    return used + CMSG_SPACE(n);
}

// The packet's own mark in place of the socket's. 0 means that it has none.
static size_t write_mark(const struct batch *m, uint8_t *control, size_t used, const struct pkt *p)
{
    if (!m->marks || p->mark == 0) return used;
    return write_control(control, used, SOL_SOCKET, SO_MARK, &p->mark, sizeof p->mark);
}

static size_t write_controls(uint8_t *control, uint16_t family, const struct pkt *p)
{
    size_t used = 0;
    const int tos = p->outer_tos, ttl = p->outer_ttl;
    if (family == AF_INET6) {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, p->from.ip.b, 16);
        used = write_control(control, used, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
        used = write_control(control, used, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof tos);
        if (ttl) used = write_control(control, used, IPPROTO_IPV6, IPV6_HOPLIMIT, &ttl, sizeof ttl);
        return used;
    }
    struct in_pktinfo info = {0};
    memcpy(&info.ipi_spec_dst, p->from.ip.b, 4);
    used = write_control(control, used, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    used = write_control(control, used, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    if (ttl) used = write_control(control, used, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
    return used;
}

void batch_count_out(struct port_counts *c, struct pkt *p, bool sent, enum drop word)
{
    if (!sent) {
        p->drop = word;
        count_add(&c->refused_out, 1);
        return;
    }
    count_add(&c->packets_out, 1);
    count_add(&c->bytes_out, p->len);
}

static void send_prepare(struct batch *m, unsigned i, uint16_t family, struct pkt *p)
{
    m->msg[i].msg_hdr = (struct msghdr){.msg_name = &m->peer[i],
                                        .msg_namelen = write_peer(&m->peer[i], family, p),
                                        .msg_iovlen = 1};
    m->count[i] = 1;
}

// Sends n messages of which the first begins with p[0]. Returns how many packets it has dealt with:
// a full socket buffer ends the burst, anything else concerns the first message only (no route, too
// big); if that was a train, its packets are not dealt with but will be sent one by one.
static unsigned send_messages(struct batch *m, int fd, struct pkt **p, unsigned n,
                              struct port_counts *c)
{
    int sent = sendmmsg(fd, m->msg, n, MSG_DONTWAIT);
    unsigned good = sent > 0 ? (unsigned)sent : 0, packets = 0;
    bool full = !good && (errno == EAGAIN || errno == ENOBUFS);
    if (!good && !full && m->count[0] > 1) {
        m->refused = p[0]->to;
        m->refused_for = REFUSED_FOR;
        return 0;
    }
    unsigned end = full ? n : good ? good : 1;
    for (unsigned i = 0; i < end; i++) {
        for (unsigned k = 0; k < m->count[i]; k++)
            batch_count_out(c, p[packets++], good > 0, good ? DROP_NONE : DROP_SEND);
    }
    return packets;
}

static bool is_refused(struct batch *m, const struct pkt *p)
{
    if (!m->refused_for || !endpoint_eq(&m->refused, &p->to)) return false;
    m->refused_for--;
    return true;
}

static bool same_way(const struct pkt *a, const struct pkt *b)
{
    return a->outer_tos == b->outer_tos && a->outer_ttl == b->outer_ttl &&
           a->outer_df == b->outer_df && a->outer_label == b->outer_label && a->mark == b->mark &&
           endpoint_eq(&a->to, &b->to) && ip_eq(&a->from.ip, &b->from.ip);
}

// How many packets from p[0] on make one train.
static unsigned train_count(struct batch *m, struct pkt **p, unsigned n)
{
    uint32_t size = p[0]->len, bytes = size;
    unsigned count = 1;
    if (!m->couples || is_refused(m, p[0]) || size == 0) return 1;
    while (count < n && count < TRAIN_CARS_MAX) {
        const struct pkt *next = p[count];
        if (next->len > size || next->len == 0 || bytes + next->len > TRAIN_BYTES_MAX) break;
        if (!same_way(p[0], next)) break;
        bytes += next->len;
        count++;
        if (next->len < size) break; // a shorter one is the last
    }
    return count;
}

// Message i: `count` packets from p[at] on. The message's pieces are the packets.
static void message_write(struct batch *m, unsigned i, uint16_t family, struct pkt **p, unsigned at)
{
    const uint16_t size = (uint16_t)p[at]->len;
    unsigned count = m->count[i];
    size_t used = write_controls(m->control[i], family, p[at]);
    used = write_mark(m, m->control[i], used, p[at]);
    if (count > 1)
        used = write_control(m->control[i], used, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    struct msghdr *h = &m->msg[i].msg_hdr;
    h->msg_control = m->control[i];
    h->msg_controllen = used;
    h->msg_iov = &m->iov[at];
    h->msg_iovlen = count;
    for (unsigned k = at; k < at + count; k++) m->iov[k] = (struct iovec){p[k]->at, p[k]->len};
}

// Don't-fragment belongs to the socket, not to a message. Sets what p[0] wants; returns how many
// from there want the same.
static unsigned df_run(struct batch *m, int fd, uint16_t family, struct pkt **p, unsigned n)
{
    if (family != AF_INET) return n;
    bool df = p[0]->outer_df;
    // PROBE: the path's MTU is judged before, by what ICMP has proved to know of our SAs
    if (df != m->df &&
        set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, df ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT))
        m->df = df;
    unsigned run = 1;
    while (run < n && p[run]->outer_df == df) run++;
    return run;
}

static unsigned send_some(struct batch *m, int fd, uint16_t family, struct pkt **p, unsigned n,
                          struct port_counts *c)
{
    unsigned messages = 0;
    n = df_run(m, fd, family, p, n);
    for (unsigned at = 0; at < n; at += m->count[messages++]) {
        send_prepare(m, messages, family, p[at]);
        m->count[messages] = (uint16_t)train_count(m, p + at, n - at);
        message_write(m, messages, family, p, at);
    }
    return send_messages(m, fd, p, messages, c);
}

void batch_send(struct batch *m, int fd, uint16_t family, struct pkt **p, unsigned n,
                struct port_counts *c)
{
    // ends: a train that is refused is not asked for again while its packets go
    for (unsigned at = 0; at < n;) at += send_some(m, fd, family, p + at, n - at, c);
}

// ---- packets with a header of their own ----

static bool is_long(const struct pkt *p)
{
    return p->path_mtu && p->len > p->path_mtu;
}

static size_t write_source(uint8_t *control, uint16_t family, const struct pkt *p)
{
    struct in6_pktinfo info6 = {0};
    struct in_pktinfo info = {0};
    if (!p->whole) return 0; // passing by: its source need not be an address of this host
    memcpy(&info6.ipi6_addr, p->from.ip.b, 16);
    memcpy(&info.ipi_spec_dst, p->from.ip.b, 4);
    return family == AF_INET6
               ? write_control(control, 0, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof info6)
               : write_control(control, 0, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
}

// Routing by rules would take a packet with an IPv4 header of its own for one of protocol 255.
static size_t write_mark_bare(const struct batch *m, uint8_t *control, uint16_t family,
                              const struct pkt *p)
{
    const int protocol = m->route_as;
    size_t used = write_source(control, family, p);
    if (m->marks && p->mark && family == AF_INET)
        used = write_control(control, used, IPPROTO_IP, IP_PROTOCOL, &protocol, sizeof protocol);
    return write_mark(m, control, used, p);
}

static void bare_prepare(struct batch *m, unsigned i, uint16_t family, struct pkt *p)
{
    send_prepare(m, i, family, p);
    m->iov[i] = (struct iovec){p->at, p->len};
    struct msghdr *h = &m->msg[i].msg_hdr;
    h->msg_iov = &m->iov[i];
    h->msg_controllen = write_mark_bare(m, m->control[i], family, p);
    h->msg_control = h->msg_controllen ? m->control[i] : NULL;
}

static bool send_pieces(struct batch *m, int fd, uint16_t family, struct pkt *p)
{
    struct fragment f;
    uint8_t head[FRAGMENT_HEAD_MAX];
    struct piece piece;
    struct iovec iov[2];
    if (!m->ident && getrandom(&m->ident, sizeof m->ident, GRND_NONBLOCK) < 0) m->ident = 1;
    if (!fragment_begin(&f, p->at, p->len, p->path_mtu, m->ident++)) return false;
    bare_prepare(m, 0, family, p);
    struct msghdr *h = &m->msg[0].msg_hdr;
    h->msg_iov = iov;
    h->msg_iovlen = 2;
    while (f.more) {
        fragment_next(&f, head, &piece);
        iov[0] = (struct iovec){head, piece.head_len};
        iov[1] = (struct iovec){p->at + piece.at, piece.len};
        if (sendmsg(fd, h, MSG_DONTWAIT) < 0) return false;
    }
    return true;
}

void batch_send_bare(struct batch *m, int fd, uint16_t family, struct pkt **p, unsigned n,
                     struct port_counts *c)
{
    unsigned at = 0;
    while (at < n) {
        if (is_long(p[at])) {
            bool sent = send_pieces(m, fd, family, p[at]);
            batch_count_out(c, p[at++], sent, DROP_SEND);
            continue;
        }
        unsigned run = 0;
        for (; at + run < n && !is_long(p[at + run]); run++)
            bare_prepare(m, run, family, p[at + run]);
        for (unsigned end = at + run; at < end;) {
            at += send_messages(m, fd, p + at, end - at, c);
            for (unsigned i = at; i < end; i++) bare_prepare(m, i - at, family, p[i]);
        }
    }
}

bool batch_can_couple(int fd)
{
    const int none = 0;
    return setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &none, sizeof none) == 0;
}
