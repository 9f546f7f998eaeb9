#include "ike/sa/selector.h"

#include <netinet/in.h>
#include <string.h>

#define PREFIXES_MAX 64 // of one range; the longest needs 62 (IPv4) or 254 (IPv6)
#define PORTS_MAX 30    // masks of one port range

struct port_mask {
    uint16_t port, mask;
};

// Addresses and ports of one side of one traffic selector.
struct side {
    unsigned prefixes, ports;
    prefix_t prefix[PREFIXES_MAX];
    struct port_mask port[PORTS_MAX];
};

static bool bit_is_zero(const ip_t *ip, unsigned bit)
{
    return !(ip->b[bit / 8] >> (7 - bit % 8) & 1);
}

// The largest prefix that begins at `lo` and does not go beyond `hi`.
static prefix_t largest_at(const ip_t *lo, const ip_t *hi)
{
    prefix_t p = {*lo, (uint8_t)ip_bits(lo->family)};
    while (p.len > 0 && bit_is_zero(lo, p.len - 1U)) {
        prefix_t wider = {*lo, (uint8_t)(p.len - 1)};
        ip_t first, last;
        prefix_range(&wider, &first, &last);
        if (ip_cmp(&last, hi) > 0) break;
        p = wider;
    }
    return p;
}

// false when ip was the last address there is.
static bool ip_next(ip_t *ip)
{
    for (unsigned i = ip_len(ip->family); i-- > 0;) {
        if (++ip->b[i]) return true;
    }
    return false;
}

static err_t split_addresses(const struct ts *ts, struct side *out)
{
    ip_t at = ts->lo;
    for (;;) {
        if (out->prefixes == PREFIXES_MAX) return ERR_LIMIT;
        prefix_t p = largest_at(&at, &ts->hi);
        ip_t first, last;
        prefix_range(&p, &first, &last);
        out->prefix[out->prefixes++] = p;
        if (ip_cmp(&last, &ts->hi) >= 0) return ERR_OK;
        at = last;
        if (!ip_next(&at)) return ERR_OK;
    }
}

static void split_ports(uint32_t lo, uint32_t hi, struct side *out)
{
    while (lo <= hi && out->ports < PORTS_MAX) {
        uint32_t size = 1;
        while (size < 0x10000 && lo % (2 * size) == 0 && lo + 2 * size - 1 <= hi) size *= 2;
        out->port[out->ports++] = (struct port_mask){(uint16_t)lo, (uint16_t)(0x10000 - size)};
        lo += size;
    }
}

static bool is_icmp(uint8_t proto)
{
    return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

static err_t side_make(const struct ts *ts, struct side *out)
{
    *out = (struct side){0};
    TRY(split_addresses(ts, out));
    if (is_icmp(ts->proto)) {
        split_ports(0, 65535, out); // type and code are not ports: icmp_narrow()
    } else {
        split_ports(ts->port_lo, ts->port_hi, out);
    }
    return ERR_OK;
}

// rfc7296 3.13.1: for ICMP the "ports" are type * 256 + code. XFRM has the type as source port
// and the code as destination port; ranges of several types are not expressible and mean any.
static void icmp_narrow(struct xfrm_selector *s, const struct ts *a, const struct ts *b)
{
    const struct ts *t = a->port_lo == 0 && a->port_hi == 65535 ? b : a;
    if (t->port_lo >> 8 != t->port_hi >> 8) return;
    s->sport = t->port_lo >> 8;
    s->sport_mask = 0xffff;
    if (t->port_lo != t->port_hi) return;
    s->dport = t->port_lo & 0xff;
    s->dport_mask = 0xffff;
}

static bool pair_possible(const struct ts *a, const struct ts *b)
{
    if (a->lo.family != b->lo.family) return false;
    if (a->port_lo > a->port_hi || b->port_lo > b->port_hi) return false; // OPAQUE
    return a->proto == 0 || b->proto == 0 || a->proto == b->proto;
}

static err_t pair_make(const struct ts *src, const struct ts *dst, struct selectors *out)
{
    struct side s, d;
    TRY(side_make(src, &s));
    TRY(side_make(dst, &d));
    if (s.prefixes * d.prefixes * s.ports * d.ports > SELECTORS_MAX - out->n) return ERR_LIMIT;
    unsigned all = s.prefixes * d.prefixes * s.ports * d.ports;
    for (unsigned i = 0; i < all; i++) {
        unsigned at = i;
        struct xfrm_selector *x = &out->at[out->n++];
        *x = (struct xfrm_selector){.family = src->lo.family};
        x->proto = src->proto ? src->proto : dst->proto;
        x->src = s.prefix[at % s.prefixes];
        at /= s.prefixes;
        x->dst = d.prefix[at % d.prefixes];
        at /= d.prefixes;
        x->sport = s.port[at % s.ports].port;
        x->sport_mask = s.port[at % s.ports].mask;
        at /= s.ports;
        x->dport = d.port[at].port;
        x->dport_mask = d.port[at].mask;
        if (is_icmp(x->proto)) icmp_narrow(x, src, dst);
    }
    return ERR_OK;
}

err_t selectors_make(const struct ts_list *src, const struct ts_list *dst, struct selectors *out)
{
    out->n = 0;
    for (unsigned i = 0; i < src->n; i++) {
        for (unsigned j = 0; j < dst->n; j++) {
            if (!pair_possible(&src->ts[i], &dst->ts[j])) continue;
            TRY(pair_make(&src->ts[i], &dst->ts[j], out));
        }
    }
    return out->n ? ERR_OK : ERR_NOCHOICE;
}

uint32_t selector_priority(const struct xfrm_selector *s, enum priority_base base, bool trap)
{
    uint32_t ports =
        (uint32_t)__builtin_popcount(s->sport_mask) + (uint32_t)__builtin_popcount(s->dport_mask);
    uint32_t p = (uint32_t)base;
    p -= 512U * (s->src.len + s->dst.len);
    p -= s->proto ? 256U : 0;
    p -= 4U * ports;
    p -= trap ? 0 : 1U;
    return p;
}

static void ts_of(struct ts_list *l, uint8_t proto, const prefix_t *p, uint16_t port, uint16_t mask)
{
    struct ts *t = &l->ts[0];
    *l = (struct ts_list){.n = 1};
    t->proto = proto;
    prefix_range(p, &t->lo, &t->hi);
    t->port_lo = port & mask;
    t->port_hi = (uint16_t)(port | (uint16_t)~mask);
}

void selector_ts(const struct xfrm_selector *s, struct ts_list *src, struct ts_list *dst)
{
    bool icmp = s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6;
    uint16_t both = (uint16_t)((s->sport & 0xff) << 8 | (s->dport & 0xff));
    // As strongSwan shows it: "8", not "8(0)".
    uint16_t code = s->dport_mask && s->dport ? 0xff : 0;
    uint16_t mask = (uint16_t)((s->sport_mask ? 0xff00 : 0) | code);
    ts_of(src, s->proto, &s->src, icmp ? both : s->sport, icmp ? mask : s->sport_mask);
    ts_of(dst, s->proto, &s->dst, icmp ? both : s->dport, icmp ? mask : s->dport_mask);
}
