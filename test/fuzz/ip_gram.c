#include "test/fuzz/ip_gram.h"

#include <netinet/in.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/port/checksum.h"

#define PAYLOAD_MAX 1500

struct ip_place { // where things are
    bool v6;
    uint32_t transport, len;
    uint8_t proto;
};

static uint8_t proto_pick(struct gram *g)
{
    static const uint8_t known[] = {IPPROTO_UDP,  IPPROTO_TCP,    IPPROTO_UDP,     IPPROTO_TCP,
                                    IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_ESP,     IPPROTO_AH,
                                    IPPROTO_NONE, IPPROTO_IPIP,   IPPROTO_IPV6,    IPPROTO_SCTP,
                                    IPPROTO_COMP, IPPROTO_BEETPH, IPPROTO_UDPLITE, IPPROTO_MH};
    uint8_t d = gram_u8(g);
    return d < 250 ? known[d % sizeof known] : gram_u8(g);
}

static ip_t end_pick(struct gram *g, const ip_t *mostly)
{
    ip_t a = *mostly;
    uint8_t d = gram_u8(g);
    if (d >= 224) a.b[ip_len(a.family) - 1] = d; // a neighbour
    if (d >= 240) gram_bytes(g, a.b, ip_len(a.family));
    return a;
}

// ---- headers ----

static void put_ip4(struct gram *g, const struct ip_gram *ends, uint8_t *at, struct ip_place *to)
{
    uint8_t d = gram_u8(g);
    uint32_t options = d >= 200 ? d % 11 * 4 : 0;
    ip_t src = end_pick(g, &ends->src), dst = end_pick(g, &ends->dst);
    memset(at, 0, 20);
    at[0] = (uint8_t)(0x45 + options / 4);
    at[1] = gram_u8(g);
    put16(at + 4, gram_u16(g));
    if (d & 1) put16(at + 6, 0x4000);
    if (!ends->sound && d >= 180 && d < 200) put16(at + 6, gram_u16(g));
    at[8] = d == 199 ? 0 : 64;
    at[9] = to->proto;
    memcpy(at + 12, src.b, 4);
    memcpy(at + 16, dst.b, 4);
    memset(at + 20, 1, options); // no operation
    if (d & 2) gram_bytes(g, at + 20, options);
    to->transport = 20 + options;
}

static uint32_t put_extension(struct gram *g, uint8_t type, uint8_t *at)
{
    uint8_t d = gram_u8(g);
    uint32_t size = type == IPPROTO_FRAGMENT ? 8 : 8 + d % 4 * 8U;
    memset(at, 0, size);
    if (type != IPPROTO_FRAGMENT) at[1] = d % 4;
    if (type == IPPROTO_HOPOPTS || type == IPPROTO_DSTOPTS) {
        at[2] = 1; // PadN
        at[3] = (uint8_t)(size - 4);
    }
    if (type == IPPROTO_ROUTING) at[2] = d & 16 ? 2 : 0;
    if (d & 128) gram_bytes(g, at + 2, size - 2);
    return size;
}

static void put_ip6(struct gram *g, const struct ip_gram *ends, uint8_t *at, struct ip_place *to)
{
    static const uint8_t types[4] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS,
                                     IPPROTO_FRAGMENT};
    uint8_t d = gram_u8(g);
    unsigned count = d >= 200 ? (d - 200U) % 10 : 0;
    ip_t src = end_pick(g, &ends->src), dst = end_pick(g, &ends->dst);
    put32(at, 0x60000000U | (gram_u32(g) & 0xfffffffU));
    at[6] = to->proto;
    at[7] = d == 199 ? 0 : 64;
    memcpy(at + 8, src.b, 16);
    memcpy(at + 24, dst.b, 16);
    uint32_t next_at = 6, len = 40;
    for (unsigned i = 0; i < count; i++) {
        uint8_t type = types[gram_u8(g) % (ends->sound ? 3 : 4)];
        uint32_t size = put_extension(g, type, at + len);
        at[next_at] = type;
        next_at = len;
        at[next_at] = to->proto;
        len += size;
    }
    to->transport = len;
}

static void put_ip(struct gram *g, const struct ip_gram *ends, uint8_t *at, struct ip_place *to)
{
    to->v6 = ends->src.family == AF_INET6;
    if (to->v6)
        put_ip6(g, ends, at, to);
    else
        put_ip4(g, ends, at, to);
}

// Lengths and the header's checksum.
static void finish_ip(uint8_t *at, const struct ip_place *of)
{
    if (of->v6) {
        put16(at + 4, (uint16_t)(of->len - 40));
        return;
    }
    put16(at + 2, (uint16_t)of->len);
    checksum_write(at + 10, 0);
    checksum_write(at + 10, (uint16_t)~checksum_fold(checksum_add(0, at, (at[0] & 15U) * 4)));
}

// ---- transport ----

static uint32_t put_transport(struct gram *g, uint8_t proto, uint8_t *at)
{
    uint8_t d = gram_u8(g);
    memset(at, 0, 60);
    put16(at, (uint16_t)(4096 + d % 4));
    put16(at + 2, (uint16_t)(d & 64 ? gram_u16(g) : 5001));
    switch (proto) {
    case IPPROTO_TCP:
        put32(at + 4, gram_u8(g));
        put32(at + 8, 1);
        at[12] = (uint8_t)(d & 128 ? (5 + gram_u8(g) % 11) << 4 : 0x50);
        at[13] = d & 32 ? gram_u8(g) : 0x10;
        return (at[12] >> 4) * 4U;
    case IPPROTO_UDP:
        return 8;
    case IPPROTO_ESP:
    case IPPROTO_AH:
        put32(at + (proto == IPPROTO_AH ? 4 : 0), 0x1000 + d % 8);
        put32(at + (proto == IPPROTO_AH ? 8 : 4), d);
        at[1] = proto == IPPROTO_AH ? 4 : at[1];
        return 24;
    default:
        return d % 9;
    }
}

static uint32_t sum_at(uint8_t proto)
{
    return proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 0;
}

// The pseudo-header's sum (RFC 793, 8200 8.1), raw.
static uint16_t pseudo_sum(const uint8_t *at, const struct ip_place *of)
{
    uint64_t sum = of->v6 ? checksum_add(0, at + 8, 32) : checksum_add(0, at + 12, 8);
    sum = checksum_add16(sum, of->proto);
    return checksum_fold(checksum_add16(sum, (uint16_t)(of->len - of->transport)));
}

static void finish_transport(uint8_t *at, const struct ip_place *of, bool whole)
{
    uint8_t *transport = at + of->transport;
    uint32_t field = sum_at(of->proto), n = of->len - of->transport;
    if (of->proto == IPPROTO_UDP) put16(transport + 4, (uint16_t)n);
    if (field == 0) return;
    checksum_write(transport + field, 0);
    uint16_t sum = pseudo_sum(at, of);
    if (whole) sum = (uint16_t)~checksum_fold(sum + checksum_add(0, transport, n));
    checksum_write(transport + field, whole && sum == 0 ? 0xffff : sum);
}

static void put_payload(struct gram *g, uint8_t *at, uint32_t n)
{
    uint8_t d = gram_u8(g);
    for (uint32_t i = 0; i < n; i++) at[i] = (uint8_t)(d + i);
    if (d & 1) gram_bytes(g, at, n < 24 ? n : 24);
}

// ---- packets ----

uint32_t ip_gram_packet(struct gram *g, const struct ip_gram *ends, uint8_t *at)
{
    uint8_t d = gram_u8(g);
    struct ip_place to = {.proto = proto_pick(g)};
    put_ip(g, ends, at, &to);
    uint32_t head = put_transport(g, to.proto, at + to.transport);
    uint32_t payload = d & 1 ? gram_u16(g) % PAYLOAD_MAX : gram_u8(g);
    put_payload(g, at + to.transport + head, payload);
    to.len = to.transport + head + payload;
    finish_ip(at, &to);
    finish_transport(at, &to, true);
    if (ends->sound || d < 128) return to.len;
    gram_spoil(g, at, d < 192 ? 60 : to.len, 3);
    if (d % 8 == 7) to.len = 1 + gram_u16(g) % to.len; // cut short
    return to.len;
}

uint32_t ip_gram_super(struct gram *g, const struct ip_gram *ends, uint8_t *at, uint32_t *transport)
{
    uint8_t d = gram_u8(g);
    struct ip_place to = {.proto = d & 1 ? IPPROTO_TCP : IPPROTO_UDP};
    put_ip(g, ends, at, &to);
    uint32_t head = put_transport(g, to.proto, at + to.transport);
    uint32_t payload = 1 + gram_u16(g) % 3000;
    put_payload(g, at + to.transport + head, payload);
    to.len = to.transport + head + payload;
    finish_ip(at, &to);
    finish_transport(at, &to, false);
    *transport = to.transport;
    if (!ends->sound) gram_spoil(g, at, to.transport + head, 2);
    return to.len;
}
