#include "xfrm/db/selector.h"

#include <netinet/in.h>

static bool ports_match(const struct xfrm_selector *s, const struct flow *f)
{
    if (!s->sport_mask && !s->dport_mask) return true;
    // rfc4301 7.4: without its ports a fragment cannot prove that it belongs here
    if (f->fragment) return false;
    return !((s->sport ^ f->sport) & s->sport_mask) && !((s->dport ^ f->dport) & s->dport_mask);
}

bool selector_match_addresses(const struct xfrm_selector *s, const struct flow *f)
{
    if (s->proto && s->proto != f->proto) return false;
    if (s->family == AF_UNSPEC) return true;
    return s->family == f->src.family && bits_eq(s->dst.ip.b, f->dst.b, s->dst.len) &&
           bits_eq(s->src.ip.b, f->src.b, s->src.len);
}

bool selector_match(const struct xfrm_selector *s, const struct flow *f)
{
    return ports_match(s, f) && selector_match_addresses(s, f);
}

struct xfrm_selector selector_of(const struct flow *f)
{
    uint8_t whole = (uint8_t)ip_bits(f->src.family);
    uint16_t mask = f->fragment ? 0 : UINT16_MAX;
    return (struct xfrm_selector){
        .family = f->src.family,
        .src = {f->src, whole},
        .dst = {f->dst, whole},
        .sport = f->sport,
        .sport_mask = mask,
        .dport = f->dport,
        .dport_mask = mask,
        .proto = f->proto,
    };
}
