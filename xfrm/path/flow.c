// flow.c - what selectors look at, read from an inner packet (RFC 4301 4.4.1.1; RFC 791, 8200).
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/path/stages.h"

#define PROTO_UDPLITE 136
#define PROTO_MOBILITY 135

bool flow_has_ports(uint8_t proto)
{
    return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
           proto == IPPROTO_DCCP || proto == PROTO_UDPLITE;
}

// Ports, or type and code, of the transport header of which `left` bytes are there.
static bool transport_read(struct flow *f, const uint8_t *at, uint32_t left)
{
    if (f->fragment) return true;
    if (flow_has_ports(f->proto)) {
        if (left < 4) return false;
        f->sport = get16(at);
        f->dport = get16(at + 2);
    } else if (f->proto == IPPROTO_ICMP || f->proto == IPPROTO_ICMPV6) {
        if (left < 2) return false;
        f->sport = at[0];
        f->dport = at[1];
    } else if (f->proto == PROTO_MOBILITY) {
        if (left < 3) return false;
        f->sport = at[2]; // RFC 6275 6.1.1: MH Type
    }
    return true;
}

static bool ip4_read(struct pkt *p)
{
    struct flow *f = &p->flow;
    if (p->len < IP4_HEADER) return false;
    uint32_t header = (p->at[0] & 0xfU) * 4, total = get16(p->at + 2);
    if (header < IP4_HEADER || total < header || total > p->len) return false;

    p->len = total;
    f->tos = p->at[1];
    f->ttl = p->at[8];
    f->proto = p->at[9];
    f->fragment = (get16(p->at + 6) & IP_OFFMASK) != 0;
    f->part = (get16(p->at + 6) & (IP_OFFMASK | IP_MF)) != 0;
    f->df = (get16(p->at + 6) & IP_DF) != 0;
    f->src = ip_from(AF_INET, p->at + 12);
    f->dst = ip_from(AF_INET, p->at + 16);
    return transport_read(f, p->at + header, total - header);
}

static bool is_extension(uint8_t proto)
{
    return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS ||
           proto == IPPROTO_FRAGMENT;
}

// Steps over the extension header at *at. False if it does not fit.
static bool ip6_extension(struct flow *f, const uint8_t *packet, uint32_t *at, uint32_t total)
{
    if (total - *at < 8) return false;
    const uint8_t *header = packet + *at;
    uint32_t len = 8;
    if (f->proto == IPPROTO_FRAGMENT) {
        f->fragment = (get16(header + 2) & 0xfff8) != 0;
        f->part |= (get16(header + 2) & 0xfff9) != 0;
    } else {
        len += header[1] * 8U;
    }
    if (total - *at < len) return false;
    f->proto = header[0];
    *at += len;
    return true;
}

static bool ip6_read(struct pkt *p)
{
    struct flow *f = &p->flow;
    if (p->len < IP6_HEADER) return false;
    uint32_t total = IP6_HEADER + get16(p->at + 4), at = IP6_HEADER;
    if (total > p->len) return false;

    p->len = total;
    f->tos = (uint8_t)(get16(p->at) >> 4);
    f->ttl = p->at[7];
    f->label = get32(p->at) & 0xfffff;
    f->proto = p->at[6];
    f->src = ip_from(AF_INET6, p->at + 8);
    f->dst = ip_from(AF_INET6, p->at + 24);
    for (unsigned n = 0; is_extension(f->proto) && !f->fragment; n++) {
        if (n == IP6_EXTENSIONS_MAX || !ip6_extension(f, p->at, &at, total)) return false;
    }
    return transport_read(f, p->at + at, total - at);
}

bool flow_read(struct pkt *p)
{
    p->flow = (struct flow){0};
    if (p->len == 0) return false;
    switch (p->at[0] >> 4) {
    case 4:
        return ip4_read(p);
    case 6:
        return ip6_read(p);
    default:
        return false;
    }
}

bool flow_alike(const struct pkt *a, const struct pkt *b)
{
    const struct flow *x = &a->flow, *y = &b->flow;
    return x->proto == y->proto && x->sport == y->sport && x->dport == y->dport &&
           x->fragment == y->fragment && a->mark == b->mark && ip_eq(&x->src, &y->src) &&
           ip_eq(&x->dst, &y->dst);
}

static bool same(const struct pkt *p, const struct pkt *q, unsigned from, unsigned len)
{
    return memcmp(p->at + from, q->at + from, len) == 0;
}

// All but total length, identification and checksum; the last are the ports.
static bool ip4_same(const struct pkt *p, const struct pkt *q)
{
    return p->at[0] == 0x45 && same(p, q, 0, 2) && same(p, q, 6, 4) && same(p, q, 12, 8) &&
           same(p, q, 20, 4);
}

// All but the payload's length.
static bool ip6_same(const struct pkt *p, const struct pkt *q)
{
    return same(p, q, 0, 4) && same(p, q, 6, 2) && same(p, q, 8, 16) && same(p, q, 24, 16) &&
           same(p, q, 40, 4);
}

bool flow_repeat(struct pkt *p, const struct pkt *before)
{
    const struct flow *f = &before->flow;
    bool v6 = f->src.family == AF_INET6;
    uint32_t header = v6 ? IP6_HEADER : IP4_HEADER;
    if (!flow_has_ports(f->proto) || f->part || p->mark != before->mark) return false;
    if (p->len < header + 4 || before->len < header + 4) return false;
    if (v6 ? before->at[6] != f->proto || !ip6_same(p, before) : !ip4_same(p, before)) return false;

    uint32_t total = v6 ? header + get16(p->at + 4) : get16(p->at + 2);
    if (total > p->len || total < header + 4) return false;
    p->len = total;
    p->flow = *f;
    return true;
}
