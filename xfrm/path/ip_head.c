#include "xfrm/path/ip_head.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>

#include "base/order.h"

#define IP6_FRAG_MASK 0xfff9 // offset, or more to come

// ---- where a head ends ----

static bool split4(const uint8_t *packet, uint32_t len, struct ip_split *s)
{
    uint32_t header = (packet[0] & 0xfU) * 4;
    if (header < IP4_HEADER || header > len) return false;
    *s = (struct ip_split){
        .len = header,
        .next_at = 9,
        .next = packet[9],
        .fragment = (get16(packet + 6) & (IP_OFFMASK | IP_MF)) != 0,
    };
    return true;
}

// Does the extension header at the end of *s belong in front of ESP?
static bool goes_before(const uint8_t *packet, uint32_t len, bool seek, const struct ip_split *s)
{
    switch (s->next) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_FRAGMENT:
        return true;
    case IPPROTO_DSTOPTS:
        return seek || (s->len < len && packet[s->len] == IPPROTO_ROUTING);
    default:
        return false;
    }
}

static bool step6(const uint8_t *packet, uint32_t len, struct ip_split *s)
{
    if (len - s->len < 8) return false;
    const uint8_t *header = packet + s->len;
    bool fragment = s->next == IPPROTO_FRAGMENT;
    uint32_t size = fragment ? 8 : 8 + header[1] * 8U;
    if (len - s->len < size) return false;
    if (fragment && get16(header + 2) & IP6_FRAG_MASK) s->fragment = true;
    s->next_at = s->len;
    s->next = header[0];
    s->len += size;
    return s->len <= IP_HEAD_MAX;
}

static bool split6(const uint8_t *packet, uint32_t len, bool seek, struct ip_split *s)
{
    if (len < IP6_HEADER) return false;
    *s = (struct ip_split){.len = IP6_HEADER, .next_at = 6, .next = packet[6]};
    // behind a fragment's header stands a piece of something, not a header
    for (unsigned n = 0; !s->fragment && goes_before(packet, len, seek, s); n++) {
        if (n == IP6_EXTENSIONS_MAX || !step6(packet, len, s)) return false;
    }
    return true;
}

bool ip_split(const uint8_t *packet, uint32_t len, bool seek, struct ip_split *out)
{
    if (len < IP4_HEADER) return false;
    return ip_is_v6(packet) ? split6(packet, len, seek, out) : split4(packet, len, out);
}

// ---- checksums ----

static uint32_t sum_add(uint32_t sum, const uint8_t *at, uint32_t len)
{
    for (; len > 1; at += 2, len -= 2) sum += get16(at);
    return len ? sum + ((uint32_t)*at << 8) : sum;
}

static uint16_t sum_fold(uint32_t sum)
{
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void head_sum(uint8_t *head, uint32_t len)
{
    put16(head + 10, 0);
    put16(head + 10, sum_fold(sum_add(0, head, len)));
}

// Where a transport header has its checksum; 0: it has none that covers the addresses.
static uint32_t sum_offset(const uint8_t *packet, const struct ip_split *s, uint32_t left)
{
    if (s->next == IPPROTO_TCP && left >= 20) return 16;
    // rfc768: 0 means that there is none
    if (s->next == IPPROTO_UDP && left >= 8 && get16(packet + s->len + 6) != 0) return 6;
    if (s->next == IPPROTO_ICMP && !ip_is_v6(packet) && left >= 4) return 2;
    return s->next == IPPROTO_ICMPV6 && ip_is_v6(packet) && left >= 4 ? 2 : 0;
}

void ip_transport_sum(uint8_t *packet, uint32_t len, const struct ip_split *s)
{
    uint8_t *at = packet + s->len;
    uint32_t left = len - s->len, offset = sum_offset(packet, s, left);
    if (offset == 0) return;
    // rfc768: UDP has a length of its own, and what may stand behind it is not covered
    if (s->next == IPPROTO_UDP && get16(at + 4) >= 8 && get16(at + 4) < left) left = get16(at + 4);
    put16(at + offset, 0);
    uint32_t sum = s->next + left; // the length as the pseudo-header has it, below 64 KiB
    sum = ip_is_v6(packet) ? sum_add(sum, packet + 8, 32) : sum_add(sum, packet + 12, 8);
    if (s->next == IPPROTO_ICMP) sum = 0; // that of IPv4 covers itself alone
    uint16_t got = sum_fold(sum_add(sum, at, left));
    put16(at + offset, got || s->next != IPPROTO_UDP ? got : UINT16_MAX);
}

// ---- heads ----

void ip_head_join(uint8_t *head, const struct ip_split *s, uint8_t next, uint32_t total)
{
    head[s->next_at] = next;
    if (ip_is_v6(head)) {
        put16(head + 4, (uint16_t)(total - IP6_HEADER));
        return;
    }
    put16(head + 2, (uint16_t)total);
    head_sum(head, s->len);
}

static uint32_t make4(uint8_t *at, const struct ip_wanted *w)
{
    memset(at, 0, IP4_HEADER);
    at[0] = 0x45;
    at[1] = w->tos;
    put16(at + 2, (uint16_t)(IP4_HEADER + w->payload));
    put16(at + 4, w->id);
    put16(at + 6, w->df ? IP_DF : 0);
    at[8] = w->ttl ? w->ttl : IP_HOPS;
    at[9] = w->next;
    memcpy(at + 12, w->src.b, 4);
    memcpy(at + 16, w->dst.b, 4);
    head_sum(at, IP4_HEADER);
    return IP4_HEADER;
}

uint32_t ip_head_make(uint8_t *at, const struct ip_wanted *w)
{
    if (w->src.family != AF_INET6) return make4(at, w);
    put32(at, 0x60000000U | (uint32_t)w->tos << 20 | (w->label & 0xfffff));
    put16(at + 4, (uint16_t)w->payload);
    at[6] = w->next;
    at[7] = w->ttl ? w->ttl : IP_HOPS;
    memcpy(at + 8, w->src.b, 16);
    memcpy(at + 24, w->dst.b, 16);
    return IP6_HEADER;
}
