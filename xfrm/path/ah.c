// ah.c - the Authentication Header: a MAC over the packet with what routers may change left out
// (RFC 4302 2, 3.3.3, appendix A).
//
//     | IP header, options, extension headers | next | length | 0 | SPI | seq | ICV, padding |
//     payload
//       mutable fields as zero                                                as zero
//
// The MAC is taken in place: the header is changed, covered, and put back.
#include <netinet/in.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/db/counter.h"
#include "xfrm/path/mode.h"

#define ALIGN4_FLAG 64 // XFRM_STATE_ALIGN4
#define MAC_HEAD 8     // bytes of the message that the sealer wants to see apart
#define ROUTE_ADDRS 8  // offset of the addresses in an IPv6 routing header

static uint32_t round_up(uint32_t n, uint32_t to)
{
    return (n + to - 1) / to * to;
}

// rfc4302 2.6: a multiple of 4 in IPv4, of 8 in IPv6; the kernel takes 8 in
// IPv4, too, unless it is told otherwise.
uint32_t ah_header_len(const struct sa *sa)
{
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    bool four = x->family == AF_INET && x->flags & ALIGN4_FLAG;
    return round_up(AH_HEADER + sa->icv_len, four ? 4 : 8);
}

// ---- mutable fields, IPv4 (RFC 4302 appendix A1) ----

static bool option_is_fixed(uint8_t type)
{
    switch (type) {
    case 130: // security
    case 133: // extended security
    case 134: // commercial security
    case 148: // router alert
    case 149: // sender directed delivery
        return true;
    default:
        return false;
    }
}

static bool is_source_route(uint8_t type)
{
    return type == 131 || type == 137;
}

// `end`: where a source route says that the packet will end up.
static bool mute_options4(uint8_t *at, uint32_t left, uint8_t *end)
{
    while (left > 0 && at[0] != 0) {
        uint32_t len = at[0] == 1 ? 1 : left > 1 ? at[1] : 0;
        if (len == 0 || len > left || (len == 1 && at[0] != 1)) return false;
        if (is_source_route(at[0]) && len < 7) return false;
        if (is_source_route(at[0]) && end) memcpy(end, at + len - 4, 4);
        if (len > 1 && !option_is_fixed(at[0])) memset(at, 0, len);
        at += len;
        left -= len;
    }
    return true;
}

static bool mute4(uint8_t *head, uint32_t len, bool sending)
{
    head[1] = 0;         // DSCP, ECN
    put16(head + 6, 0);  // flags, offset
    head[8] = 0;         // TTL
    put16(head + 10, 0); // checksum
    return mute_options4(head + IP4_HEADER, len - IP4_HEADER, sending ? head + 16 : NULL);
}

// ---- mutable fields, IPv6 (RFC 4302 appendix A2) ----

static bool mute_options6(uint8_t *header, uint32_t len)
{
    for (uint32_t at = 2; at < len;) {
        uint32_t size = header[at] == 0 ? 1 : at + 1 < len ? 2U + header[at + 1] : UINT32_MAX;
        if (size > len - at) return false;
        // rfc4302 3.3.3.1.2.2: type and length count, data that may change is zero
        if (size > 2 && header[at] & 0x20) memset(header + at + 2, 0, size - 2);
        at += size;
    }
    return true;
}

// The sender covers the header as it will be at the end of the route: every stop has swapped its
// own address for the next one.
static bool foresee_route(uint8_t *head, uint8_t *header, uint32_t len)
{
    uint32_t count = (len - ROUTE_ADDRS) / 16, left = header[3];
    bool known = header[2] == 0 || header[2] == 2;
    if (left == 0) return true;
    if (!known || left > count) return false;
    uint8_t last[16], *addrs = header + ROUTE_ADDRS;
    memcpy(last, addrs + (count - 1) * 16, 16);
    uint8_t *next = addrs + (count - left) * 16;
    memmove(next + 16, next, (left - 1) * 16);
    memcpy(next, head + 24, 16);
    memcpy(head + 24, last, 16);
    header[3] = 0;
    return true;
}

static bool mute6(uint8_t *head, uint32_t len, bool sending)
{
    uint8_t next = head[6];
    put32(head, 0x60000000U);                   // traffic class, flow label
    head[7] = 0;                                // hop limit
    for (uint32_t at = IP6_HEADER; at < len;) { // ip_split() has seen that they fit
        uint8_t *header = head + at;
        uint32_t size = next == IPPROTO_FRAGMENT ? 8 : 8 + header[1] * 8U;
        bool options = next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS;
        if (options && !mute_options6(header, size)) return false;
        if (next == IPPROTO_ROUTING && sending && !foresee_route(head, header, size)) return false;
        next = header[0];
        at += size;
    }
    return true;
}

static bool mute(uint8_t *head, uint32_t len, bool sending)
{
    return ip_is_v6(head) ? mute6(head, len, sending) : mute4(head, len, sending);
}

// ---- the MAC ----

// Over the packet from its IP header on; the ICV is behind it.
static struct seal_job job_of(const struct pkt *p, uint8_t *start)
{
    return (struct seal_job){
        .head = start,
        .head_len = MAC_HEAD,
        .text_len = (uint32_t)(p->at + p->len - start) - MAC_HEAD,
        .esn_hi = (uint32_t)(p->seq >> 32),
        .esn = (rcu_dereference(p->sa->conf)->x.flags & XFRM_STATE_ESN) != 0,
    };
}

// ---- outbound ----

bool ah_wrap(struct pkt *p, uint8_t next)
{
    uint32_t len = ah_header_len(p->sa);
    if (pkt_room_before(p) < len || pkt_room_behind(p) < p->sa->icv_len) return false;
    p->at -= len;
    p->len += len;
    memset(p->at, 0, len);
    p->at[0] = next;
    p->at[1] = (uint8_t)(len / 4 - 2);
    memcpy(p->at + 4, &p->sa->spi, sizeof p->sa->spi);
    put32(p->at + 8, (uint32_t)p->seq);
    return true;
}

void ah_seal(struct pkt *p)
{
    uint8_t kept[IP_HEAD_MAX], *start = p->at - p->head_len;
    memcpy(kept, start, p->head_len);
    if (!mute(start, p->head_len, true)) {
        p->drop = DROP_MALFORMED_OUT;
        return;
    }
    struct seal_job job = job_of(p, start);
    sealer_seal(p->sa->sealer, &job, 1);
    if (job.bad) p->drop = DROP_SEAL;
    memcpy(p->at + AH_HEADER, p->at + p->len, p->sa->icv_len);
    memcpy(start, kept, p->head_len);
}

// ---- inbound ----

// The IP header next to the AH header. Where the port has left none, it had no extension headers
// and is made of what else is known.
static bool head_here(struct pkt *p)
{
    if (p->head) return true;
    if (p->to.ip.family != AF_INET6 || pkt_room_before(p) < IP6_HEADER) return false;
    const struct ip_wanted w = {.src = p->from.ip,
                                .dst = p->to.ip,
                                .tos = p->outer_tos,
                                .next = IPPROTO_AH,
                                .payload = p->len};
    p->head = p->at - IP6_HEADER;
    p->head_len = ip_head_make(p->head, &w);
    return true;
}

static bool lengths_fit(const struct pkt *p)
{
    uint32_t told = (p->at[1] + 2U) * 4, least = AH_HEADER + p->sa->icv_len;
    bool v6 = p->to.ip.family == AF_INET6;
    if (told != round_up(least, 8) && (v6 || told != round_up(least, 4))) return false;
    return told <= p->len && pkt_room_behind(p) >= p->sa->icv_len && p->head_len >= IP4_HEADER &&
           p->head_len <= IP_HEAD_MAX;
}

static bool is_genuine(struct pkt *p)
{
    uint8_t kept[IP_HEAD_MAX], *icv = p->at + AH_HEADER;
    uint32_t icv_len = p->sa->icv_len;
    memcpy(kept, p->head, p->head_len);
    bool good = mute(p->head, p->head_len, false);
    memcpy(p->at + p->len, icv, icv_len);
    memset(icv, 0, icv_len);
    struct seal_job job = job_of(p, p->head);
    if (good) sealer_open(p->sa->sealer, &job, 1);
    memcpy(p->head, kept, p->head_len);
    return good && !job.bad;
}

void ah_open(struct pkt *p)
{
    if (!head_here(p) || !lengths_fit(p)) {
        p->drop = DROP_MALFORMED_IN;
    } else if (!is_genuine(p)) {
        p->drop = DROP_AUTH;
        count_add(&p->sa->forgeries, 1);
    }
}

void ah_strip(struct pkt *p, uint8_t *next)
{
    uint32_t len = (p->at[1] + 2U) * 4;
    *next = p->at[0];
    p->at += len;
    p->len -= len;
}
