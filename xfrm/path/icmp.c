#include "xfrm/path/icmp.h"

#include <netinet/in.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/path/ip_head.h"

#define ICMP_HEADER 8
#define QUOTE4_MAX (576 - IP4_HEADER - ICMP_HEADER)  // RFC 1812 4.3.2.3
#define QUOTE6_MAX (1280 - IP6_HEADER - ICMP_HEADER) // RFC 4443 2.4 (c)
#define ICMP4_UNREACHABLE 3
#define ICMP4_FRAG_NEEDED 4
#define ICMP6_TOO_BIG 2
#define ICMP6_INFORMATIONAL 128 // types from here on are no errors

// ---- whether ----

static bool may_speak(struct worker *w)
{
    struct icmp_budget *b = &w->icmp;
    const uint64_t each = NSEC_PER_SEC / ICMP_PER_SECOND;
    uint64_t earned = (w->now - b->at) / each;
    if (earned > 0 || b->at == 0) {
        b->left =
            b->at == 0 || b->left + earned > ICMP_BURST ? ICMP_BURST : b->left + (uint32_t)earned;
        b->at = w->now;
    }
    if (b->left == 0) return false;
    b->left--;
    return true;
}

static bool is_one_host(const ip_t *ip)
{
    if (ip_is_any(ip)) return false;
    return ip->family == AF_INET ? ip->b[0] < 224 : ip->b[0] != 0xff;
}

static bool is_icmp_error(const struct flow *f)
{
    if (f->proto == IPPROTO_ICMPV6) return f->sport < ICMP6_INFORMATIONAL;
    if (f->proto != IPPROTO_ICMP) return false;
    return f->sport == 3 || f->sport == 4 || f->sport == 5 || f->sport == 11 || f->sport == 12;
}

// ---- what ----

static uint16_t icmp4(uint8_t *at, uint32_t mtu)
{
    at[0] = ICMP4_UNREACHABLE;
    at[1] = ICMP4_FRAG_NEEDED;
    put16(at + 6, (uint16_t)mtu);
    return QUOTE4_MAX;
}

static uint16_t icmp6(uint8_t *at, uint32_t mtu)
{
    at[0] = ICMP6_TOO_BIG;
    put32(at + 4, mtu);
    return QUOTE6_MAX;
}

static void message_write(struct pkt *out, const struct pkt *about, uint32_t mtu)
{
    bool v6 = ip_is_v6(about->at);
    uint32_t head = v6 ? IP6_HEADER : IP4_HEADER;
    uint8_t *icmp = out->at + head;
    memset(icmp, 0, ICMP_HEADER);
    uint32_t quote = v6 ? icmp6(icmp, mtu) : icmp4(icmp, mtu);
    if (quote > about->len) quote = about->len;
    memcpy(icmp + ICMP_HEADER, about->at, quote);
    const struct ip_wanted w = {.src = about->flow.dst,
                                .dst = about->flow.src,
                                .next = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
                                .df = true, // never fragmented, so it needs no identification
                                .payload = ICMP_HEADER + quote};
    out->len = ip_head_make(out->at, &w) + w.payload;
    const struct ip_split s = {.len = head, .next = w.next};
    ip_transport_sum(out->at, out->len, &s);
}

void icmp_too_big(struct worker *w, const struct pkt *p, uint32_t mtu)
{
    const struct flow *f = &p->flow;
    if (f->fragment || is_icmp_error(f) || !is_one_host(&f->src) || !is_one_host(&f->dst)) return;
    struct pkt *out = may_speak(w) ? pool_take(w->pool) : NULL;
    if (!out) return;
    message_write(out, p, mtu);
    if (flow_read(out)) w->exits.deliver(w->exits.ctx, &out, 1);
    pool_give(w->pool, out);
}
