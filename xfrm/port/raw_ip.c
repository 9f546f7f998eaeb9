// raw_ip.c - ESP, AH and IPComp directly over IP (protocols 50, 51 and 108; RFC 4303, 4302, 3173)
// through a raw socket; IP in IP, which is what IPComp makes of packets that do not shrink; and
// ICMP, which is only listened to.
#include <errno.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xfrm/db/counter.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/port/batch.h"
#include "xfrm/port/head6.h"

#define IP_TOTAL_MAX UINT16_MAX
#ifndef ICMP_FILTER // <linux/icmp.h>, which does not go together with <netinet/icmp6.h>
#define ICMP_FILTER 1
#endif
#define IPV4_HEADER_MIN 20 // bytes

struct raw_ip {
    struct port port;
    int fd;
    uint16_t family;
    uint8_t protocol;
    struct batch batch;
};

static struct raw_ip *self(struct port *p)
{
    return (struct raw_ip *)p;
}

// IPv4 raw sockets hand over the IP header.
static void strip_header(struct pkt *p)
{
    uint32_t header = p->len >= IPV4_HEADER_MIN ? (p->at[0] & 15u) * 4 : UINT32_MAX;
    if (header < IPV4_HEADER_MIN || header > p->len) header = p->len; // nothing left: malformed
    p->head = p->at;
    p->head_len = header;
    p->at += header;
    p->len -= header;
}

static void raw_ip_recv(struct port *port, struct pool *pool, struct burst *b)
{
    struct raw_ip *r = self(port);
    batch_recv(&r->batch, r->fd, r->family, pool, b);
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (r->family == AF_INET) strip_header(p);
        if (r->family == AF_INET6) head6_restore(&r->batch.msg[i].msg_hdr, p, r->protocol);
        p->from.port = p->to.port = 0;
        p->proto = r->protocol;
        count_add(&port->counts.packets_in, 1);
        count_add(&port->counts.bytes_in, p->len);
    }
}

// The header is ours, so that all of it is as it should be. wrap.c leaves room for it.
static bool put_header(struct raw_ip *r, struct pkt *p)
{
    const struct ip_wanted w = {.src = p->from.ip,
                                .dst = p->to.ip,
                                .tos = p->outer_tos,
                                .next = p->proto,
                                .ttl = p->outer_ttl,
                                .df = p->outer_df,
                                .label = p->outer_label,
                                .id = p->outer_id,
                                .payload = p->len};
    uint32_t len = r->family == AF_INET6 ? IP6_HEADER : IP4_HEADER;
    p->to.port = 0; // IPv6 reads it as the protocol
    if (p->whole) return true;
    if ((uint32_t)(p->at - p->room) < len || p->len + len > IP_TOTAL_MAX) return false;
    p->at -= len;
    p->len += len;
    (void)ip_head_make(p->at, &w);
    p->whole = true;
    return true;
}

static void raw_ip_send(struct port *port, struct pkt **p, unsigned n)
{
    struct raw_ip *r = self(port);
    struct pkt *go[BURST_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < n; i++) {
        if (put_header(r, p[i])) {
            go[count++] = p[i];
        } else {
            batch_count_out(&port->counts, p[i], false, DROP_TOO_BIG);
        }
    }
    batch_send_bare(&r->batch, r->fd, r->family, go, count, &port->counts);
}

static int raw_ip_fd(const struct port *port)
{
    return ((const struct raw_ip *)port)->fd;
}

static void raw_ip_free(struct port *port)
{
    if (self(port)->fd >= 0) (void)close(self(port)->fd);
    free(port);
}

#define OPS(word)                                              \
    {                                                          \
        word, raw_ip_recv, raw_ip_send, raw_ip_fd, raw_ip_free \
    }

static const struct {
    uint8_t protocol;
    struct port_ops ops;
} kinds[] = {
    {IPPROTO_ESP, OPS("raw_ip")},    {IPPROTO_AH, OPS("raw_ah")},
    {IPPROTO_COMP, OPS("raw_comp")}, {IPPROTO_IPIP, OPS("raw_ipip")},
    {IPPROTO_IPV6, OPS("raw_ipv6")}, {IPPROTO_ICMP, OPS("icmp")},
    {IPPROTO_ICMPV6, OPS("icmp")},
};

static const struct port_ops *ops_of(uint8_t protocol)
{
    for (size_t i = 1; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].protocol == protocol) return &kinds[i].ops;
    }
    return &kinds[0].ops;
}

static bool is_ip_in_ip(uint8_t protocol)
{
    return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6;
}

// A socket is deaf when its filter keeps nothing.
void raw_ip_listen(const struct port *p, bool on)
{
    const int none = 0;
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog program = {1, &nothing};
    int fd = raw_ip_fd(p);
    if (on)
        (void)setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
    else
        (void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

void raw_ip_share(const struct port *p, unsigned index, unsigned count)
{
    const struct raw_ip *r = (const struct raw_ip *)p;
    const bool comp = r->protocol == IPPROTO_COMP;
    const unsigned spi_at = comp ? 2 : r->protocol == IPPROTO_AH ? 4 : 0;
    if (is_ip_in_ip(r->protocol)) return;
    // clang-format off
    struct sock_filter code[] = {
        BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0),
        BPF_STMT((comp ? BPF_H : BPF_W) | BPF_LD | BPF_IND, spi_at),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, index, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    // IPv4 raw sockets see the IP header, IPv6 ones do not
    const struct sock_filter skip_ip = BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0);
    // clang-format on
    if (r->family == AF_INET) code[0] = skip_ip;
    const struct sock_fprog program = {sizeof code / sizeof *code, code};
    (void)setsockopt(r->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static err_t bring_header(int fd, uint16_t family, struct why *why)
{
    const int on = 1;
    int done = family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on)
                                  : setsockopt(fd, IPPROTO_IP, IP_HDRINCL, &on, sizeof on);
    if (done == 0) return ERR_OK;
    return why_not(why, ERR_SYSTEM, "raw socket: cannot bring IP headers of our own: %s",
                   strerror(errno));
}

// Can packets have a mark of their own? Only where routing by rules still knows them by protocol
// (steer.h): of packets with IPv4 headers of ours it does where it is told, by IP_PROTOCOL.
static bool can_mark(int fd, uint16_t family, uint8_t protocol)
{
    int value = 0;
    socklen_t len = sizeof value;
    if (protocol != IPPROTO_ESP) return false;
    return family == AF_INET6 || getsockopt(fd, IPPROTO_IP, IP_PROTOCOL, &value, &len) == 0;
}

// ---- making one ----

static struct raw_ip *port_new(uint16_t family, uint8_t protocol)
{
    struct raw_ip *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->family = family;
    r->protocol = protocol;
    r->fd = -1;
    return r;
}

err_t raw_ip_open(uint16_t family, uint8_t protocol, uint32_t fwmark, struct port **out,
                  struct why *why)
{
    struct raw_ip *r = port_new(family, protocol);
    if (!r) return why_not(why, ERR_NOMEM, "out of memory");
    r->port.ops = ops_of(protocol);
    err_t e = batch_socket(family, SOCK_RAW, protocol, fwmark, &r->fd, why);
    if (e == ERR_OK) e = bring_header(r->fd, family, why);
    if (e != ERR_OK) {
        raw_ip_free(&r->port);
        return e;
    }
    if (family == AF_INET6) {
        r->batch.headroom = IP_HEAD_MAX;
        (void)head6_ask(r->fd); // an old kernel: AH behind extension headers fails its ICV
    }
    r->batch.marks = can_mark(r->fd, family, protocol);
    r->batch.route_as = protocol;
    if (is_ip_in_ip(protocol)) raw_ip_listen(&r->port, false);
    *out = &r->port;
    return ERR_OK;
}

// The kernel need not wake us for pings.
static void only_complaints(int fd, uint16_t family)
{
    const uint32_t all_but_unreachable = ~(1U << 3);
    struct icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &filter);
    if (family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
    } else {
        (void)setsockopt(fd, SOL_RAW, ICMP_FILTER, &all_but_unreachable,
                         sizeof all_but_unreachable);
    }
}

err_t icmp_open(uint16_t family, struct port **out, struct why *why)
{
    struct raw_ip *r = port_new(family, family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
    if (!r) return why_not(why, ERR_NOMEM, "out of memory");
    r->port.ops = ops_of(r->protocol);
    err_t e = batch_socket(family, SOCK_RAW, r->protocol, 0, &r->fd, why);
    if (e != ERR_OK) {
        raw_ip_free(&r->port);
        return e;
    }
    only_complaints(r->fd, family);
    *out = &r->port;
    return ERR_OK;
}
