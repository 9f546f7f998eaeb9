#include "see/dig.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/order.h"

#define IP_DATA_MAX 65536U
#define PIECE 8U // bytes: what the offsets of fragments count in
#define EXTENSIONS_MAX 16
#define MARKER_LEN 4

enum link_type {
    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_RAW_OLD = 12,
    LINK_RAW_BSD = 14,
    LINK_RAW = 101,
    LINK_LOOP = 108,
    LINK_SLL = 113,
    LINK_IP4 = 228,
    LINK_IP6 = 229,
    LINK_SLL2 = 276,
};

// ---- link ----

static bool is_vlan(uint16_t type)
{
    return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

// The packet behind Ethernet's type, with VLAN tags off; empty: no IP.
static span_t behind_type(rd_t *r)
{
    uint16_t type = rd_u16(r);
    for (unsigned i = 0; i < 4 && is_vlan(type); i++) {
        (void)rd_u16(r);
        type = rd_u16(r);
    }
    if (type == 0x8864) { // PPPoE
        (void)rd_bytes(r, 6);
        uint16_t ppp = rd_u16(r);
        type = ppp == 0x21 ? 0x0800 : ppp == 0x57 ? 0x86dd : 0;
    }
    return type == 0x0800 || type == 0x86dd ? rd_rest(r) : span(NULL, 0);
}

static span_t ip_of(const struct frame *f)
{
    rd_t r = rd_from(f->bytes);
    switch (f->link) {
    case LINK_ETHERNET:
        (void)rd_bytes(&r, 12);
        return behind_type(&r);
    case LINK_SLL:
        (void)rd_bytes(&r, 14);
        return behind_type(&r);
    case LINK_SLL2: {
        uint16_t type = rd_u16(&r);
        (void)rd_bytes(&r, 18);
        return type == 0x0800 || type == 0x86dd ? rd_rest(&r) : span(NULL, 0);
    }
    case LINK_NULL:
    case LINK_LOOP:
        (void)rd_u32(&r);
        return rd_rest(&r);
    case LINK_RAW_OLD:
    case LINK_RAW_BSD:
    case LINK_RAW:
    case LINK_IP4:
    case LINK_IP6:
        return rd_rest(&r);
    default:
        return span(NULL, 0);
    }
}

// ---- IP ----

struct ip {
    ip_t src, dst;
    uint8_t proto;
    bool more, cut;
    uint32_t offset, id;
    span_t data;
};

static bool ip4_read(span_t s, struct ip *out)
{
    if (s.len < 20) return false;
    size_t head = (s.at[0] & 15U) * 4U, total = get16(s.at + 2);
    if (head < 20 || head > s.len) return false;
    if (total < head) total = s.len; // segmentation offload writes zero
    *out = (struct ip){.src = ip_from(AF_INET, s.at + 12),
                       .dst = ip_from(AF_INET, s.at + 16),
                       .proto = s.at[9],
                       .more = s.at[6] & 0x20,
                       .offset = (get16(s.at + 6) & 0x1fffU) * PIECE,
                       .id = get16(s.at + 4),
                       .cut = total > s.len};
    out->data = span(s.at + head, (total < s.len ? total : s.len) - head);
    return true;
}

static bool is_extension(uint8_t proto)
{
    return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS;
}

static bool ip6_read(span_t s, struct ip *out)
{
    if (s.len < 40) return false;
    size_t total = 40U + get16(s.at + 4);
    *out = (struct ip){.src = ip_from(AF_INET6, s.at + 8),
                       .dst = ip_from(AF_INET6, s.at + 24),
                       .proto = s.at[6],
                       .cut = total > s.len};
    rd_t r = rd_from(span(s.at + 40, (total < s.len ? total : s.len) - 40));
    for (unsigned i = 0; i < EXTENSIONS_MAX && is_extension(out->proto); i++) {
        out->proto = rd_u8(&r);
        size_t len = rd_u8(&r);
        (void)rd_bytes(&r, len * 8 + 6);
    }
    if (out->proto == IPPROTO_FRAGMENT) {
        out->proto = rd_u8(&r);
        (void)rd_u8(&r);
        uint16_t word = rd_u16(&r);
        out->offset = word & 0xfff8U;
        out->more = word & 1;
        out->id = rd_u32(&r);
    }
    out->data = rd_rest(&r);
    return !r.bad;
}

static bool ip_read(span_t s, struct ip *out)
{
    if (s.len == 0) return false;
    uint8_t version = s.at[0] >> 4;
    return version == 4 ? ip4_read(s, out) : version == 6 && ip6_read(s, out);
}

// ---- pieces ----

static void pending_drop(struct pending *p)
{
    free(p->bytes);
    free(p->there);
    *p = (struct pending){0};
}

// The entry of this datagram; else a free one; else the oldest one.
static struct pending *pending_find(struct dig *d, const struct ip *ip)
{
    struct pending *best = &d->pending[0];
    for (struct pending *p = d->pending; p < d->pending + DIG_PENDING_MAX; p++) {
        bool same = p->id == ip->id && p->proto == ip->proto && ip_eq(&p->src, &ip->src) &&
                    ip_eq(&p->dst, &ip->dst);
        if (p->used && same) return p;
        if (!best->used) continue;
        if (!p->used || p->first_frame < best->first_frame) best = p;
    }
    if (best->used) d->lost++;
    pending_drop(best);
    return best;
}

static bool pending_begin(struct pending *p, const struct ip *ip, uint64_t frame)
{
    if (p->used) return true;
    p->bytes = malloc(IP_DATA_MAX);
    p->there = calloc(IP_DATA_MAX / PIECE / 8, 1);
    if (!p->bytes || !p->there) {
        pending_drop(p);
        return false;
    }
    p->used = true;
    p->proto = ip->proto;
    p->id = ip->id;
    p->src = ip->src;
    p->dst = ip->dst;
    p->first_frame = frame;
    return true;
}

static void pending_add(struct pending *p, const struct ip *ip)
{
    size_t len = ip->data.len;
    if (ip->offset + len > IP_DATA_MAX || (ip->more && len % PIECE)) return;
    if (len) memcpy(p->bytes + ip->offset, ip->data.at, len);
    for (size_t at = ip->offset; at < ip->offset + len; at += PIECE) {
        size_t bit = at / PIECE;
        if (p->there[bit / 8] & (1U << bit % 8)) continue;
        p->there[bit / 8] |= (uint8_t)(1U << bit % 8);
        size_t left = ip->offset + len - at;
        p->have += left < PIECE ? (uint32_t)left : PIECE;
    }
    if (!ip->more) p->total = ip->offset + (uint32_t)len;
}

// Makes *ip whole, if this was its last piece. The bytes belong to d until the next call.
static bool reunite(struct dig *d, struct ip *ip, uint64_t frame)
{
    struct pending *p = pending_find(d, ip);
    if (!pending_begin(p, ip, frame)) return false;
    pending_add(p, ip);
    if (p->total == 0 || p->have < p->total) return false;
    ip->data = span(p->bytes, p->total);
    ip->offset = 0;
    ip->more = false;
    p->used = false; // the memory stays until somebody needs the entry
    return true;
}

bool dig_unfinished(const struct dig *d, unsigned *at, const struct pending **out)
{
    while (*at < DIG_PENDING_MAX) {
        *out = &d->pending[(*at)++];
        if ((*out)->used) return true;
    }
    return false;
}

void dig_done(struct dig *d)
{
    for (unsigned i = 0; i < DIG_PENDING_MAX; i++) pending_drop(&d->pending[i]);
}

// ---- above IP ----

// rfc3948 2.2: on UDP 4500 four zero bytes stand before IKE, where ESP has its SPI.
static void dig_4500(struct dug *out)
{
    if (out->body.len == 1 && out->body.at[0] == 0xff) {
        out->kind = DUG_KEEPALIVE;
        return;
    }
    if (out->body.len < MARKER_LEN) return;
    bool ike = get32(out->body.at) == 0;
    out->kind = ike ? DUG_IKE : DUG_ESP;
    if (!ike) return;
    out->marked = true;
    out->body = span(out->body.at + MARKER_LEN, out->body.len - MARKER_LEN);
}

static void dig_udp(span_t data, struct dug *out)
{
    if (data.len < 8) return;
    out->sport = get16(data.at);
    out->dport = get16(data.at + 2);
    size_t len = get16(data.at + 4);
    if (len < 8) len = data.len;
    if (len > data.len) out->cut = true;
    out->body = span(data.at + 8, (len < data.len ? len : data.len) - 8);
    if (out->sport == 4500 || out->dport == 4500) {
        dig_4500(out);
    } else if (out->sport == 500 || out->dport == 500) {
        out->kind = DUG_IKE;
    }
}

static void dig_tcp(span_t data, struct dug *out)
{
    if (data.len < 20) return;
    out->kind = DUG_TCP;
    out->sport = get16(data.at);
    out->dport = get16(data.at + 2);
}

static void dig_icmp(span_t data, struct dug *out)
{
    if (data.len < 8) return;
    out->code = data.at[1];
    bool too_big = data.at[0] == 3 && out->code == 4;
    if (data.at[0] == 3) out->kind = too_big ? DUG_ICMP_TOO_BIG : DUG_ICMP_REFUSED;
    if (too_big) out->mtu = get16(data.at + 6);
    out->body = span(data.at + 8, data.len - 8);
}

static void dig_icmp6(span_t data, struct dug *out)
{
    if (data.len < 8) return;
    out->code = data.at[1];
    if (data.at[0] == 1) out->kind = DUG_ICMP_REFUSED;
    if (data.at[0] == 2) out->kind = DUG_ICMP_TOO_BIG;
    if (data.at[0] == 2) out->mtu = get16(data.at + 6);
    out->body = span(data.at + 8, data.len - 8);
}

void dig_frame(struct dig *d, const struct frame *f, struct dug *out)
{
    struct ip ip;
    *out = (struct dug){0};
    span_t packet = ip_of(f);
    if (!ip_read(packet, &ip)) return;
    if ((ip.offset || ip.more) && (ip.cut || !reunite(d, &ip, f->number))) return;
    *out = (struct dug){.src = ip.src, .dst = ip.dst, .cut = ip.cut, .body = ip.data, .ip = packet};
    switch (ip.proto) {
    case IPPROTO_UDP:
        dig_udp(ip.data, out);
        break;
    case IPPROTO_TCP:
        dig_tcp(ip.data, out);
        break;
    case IPPROTO_ESP:
        out->kind = DUG_ESP;
        break;
    case IPPROTO_AH:
        out->kind = DUG_AH;
        break;
    case IPPROTO_ICMP:
        dig_icmp(ip.data, out);
        break;
    case IPPROTO_ICMPV6:
        dig_icmp6(ip.data, out);
        break;
    default:
        break;
    }
}

const char *dig_summary(span_t packet, char buf[160])
{
    struct ip ip;
    char src[IP_TEXT_MAX], dst[IP_TEXT_MAX];
    if (!ip_read(packet, &ip)) {
        (void)snprintf(buf, 160, "no IP packet");
        return buf;
    }
    (void)ip_show(&ip.src, src);
    (void)ip_show(&ip.dst, dst);
    bool ports = (ip.proto == IPPROTO_TCP || ip.proto == IPPROTO_UDP) && ip.data.len >= 4;
    if (ports && ip.offset == 0) {
        (void)snprintf(buf, 160, "%s > %s, %s %u > %u", src, dst,
                       ip.proto == IPPROTO_TCP ? "TCP" : "UDP", get16(ip.data.at),
                       get16(ip.data.at + 2));
    } else if (ip.proto == IPPROTO_ICMP || ip.proto == IPPROTO_ICMPV6) {
        (void)snprintf(buf, 160, "%s > %s, %s", src, dst,
                       ip.proto == IPPROTO_ICMP ? "ICMP" : "ICMPv6");
    } else {
        (void)snprintf(buf, 160, "%s > %s, protocol %u", src, dst, ip.proto);
    }
    return buf;
}
