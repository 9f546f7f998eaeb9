#include <netinet/in.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/path/aggfrag.h"
#include "xfrm/path/ecn.h"
#include "xfrm/path/mode.h"

#define DSCP_MASK ((uint8_t)~ECN_MASK)
#define PSEUDO_HEADER 8 // bytes, with padding or the first options
#define OPTIONS_MAX 40  // bytes of IPv4 options
#define IP_TOTAL_MAX UINT16_MAX

// ---- tunnel ----

// The next header names the version of the IP packet inside.
static bool version_fits(const struct pkt *p, uint8_t next)
{
    unsigned version = p->len > 0 ? p->at[0] >> 4 : 0;
    return (next == IPPROTO_IPIP && version == 4) || (next == IPPROTO_IPV6 && version == 6);
}

// What happened to the outer traffic class on the way is told to the inner packet.
static enum drop tos_merge(struct pkt *p, const struct xfrm_sa *x)
{
    uint8_t tos = p->flow.tos, ecn = tos & ECN_MASK;

    if (x->flags & XFRM_STATE_DECAP_DSCP) tos = (p->outer_tos & DSCP_MASK) | ecn;
    if (!(x->flags & XFRM_STATE_NOECN)) {
        // rfc6040 4.2 MUST: congestion on the way is never hidden from the receiver
        if (!ecn_decap(tos, p->outer_tos, &ecn)) return DROP_ECN;
        tos = (tos & DSCP_MASK) | ecn;
    }
    if (tos != p->flow.tos) tos_write(p->at, tos);
    p->flow.tos = tos;
    return DROP_NONE;
}

static enum drop tunnel(struct pkt *p, uint8_t next, const struct xfrm_sa *x,
                        const struct pkt *before)
{
    if (!version_fits(p, next)) return DROP_MODE;
    return (before && flow_repeat(p, before)) || flow_read(p) ? tos_merge(p, x) : DROP_MALFORMED_IN;
}

// rfc9347 2.3 MUST: nothing but such payloads, and dummy packets, goes by such an SA. Those, too,
// count among the numbers that the receiver puts in order.
static enum drop iptfs(struct pkt *p, uint8_t next)
{
    if (next == IPPROTO_NONE) p->len = 0;
    if (next != AGG_PROTO && next != IPPROTO_NONE) return DROP_MODE;
    p->aggfrag = true;
    return DROP_NONE;
}

// ---- transport and BEET: the header is put back ----

// A packet of its own from here on, and a whole one.
static enum drop restored(struct pkt *p, struct ip_split *s)
{
    if (!flow_read(p) || !ip_split(p->at, p->len, true, s)) return DROP_MALFORMED_IN;
    // rfc4301 7 MUST: these modes carry whole packets; the host has reassembled what came in pieces
    return s->fragment ? DROP_FRAGMENT_IN : DROP_NONE;
}

static bool make_head(struct pkt *p, const ip_t *src, const ip_t *dst, uint8_t next)
{
    // what is not known of the header it had: the identification, which must differ from packet to
    // packet if it is to be fragmented on its further way
    const struct ip_wanted w = {.src = *src,
                                .dst = *dst,
                                .tos = p->outer_tos,
                                .ttl = p->outer_ttl,
                                .label = p->outer_label,
                                .id = (uint16_t)p->seq,
                                .next = next,
                                .payload = p->len};
    uint32_t len = src->family == AF_INET6 ? IP6_HEADER : IP4_HEADER;
    if (p->len + (src->family == AF_INET6 ? 0 : len) > IP_TOTAL_MAX) return false;
    if (!pkt_make_room(p, len)) return false;
    p->at -= len;
    p->len += len;
    (void)ip_head_make(p->at, &w);
    return true;
}

static enum drop transport(struct pkt *p, uint8_t next, const struct sa_conf *conf)
{
    struct ip_split s;
    if (!p->head) {
        if (!make_head(p, &p->from.ip, &p->to.ip, next)) return DROP_MALFORMED_IN;
    } else {
        if (!ip_split(p->head, p->head_len, true, &s)) return DROP_MALFORMED_IN;
        // restored from a packet of which it was a part: so it fits into one
        if (!pkt_make_room(p, p->head_len)) return DROP_MALFORMED_IN;
        p->at -= p->head_len;
        p->len += p->head_len;
        memmove(p->at, p->head, p->head_len);
        ip_head_join(p->at, &s, next, p->len);
    }
    enum drop d = restored(p, &s);
    // rfc3948 3.1.2: a NAT has changed addresses that the sender's checksum covers. The packet has
    // proved to be whole, so the checksum is made anew.
    if (d == DROP_NONE && conf->udp) ip_transport_sum(p->at, p->len, &s);
    return d;
}

// Takes the pseudo-header with the options off. False: it makes no sense.
static bool take_options(struct pkt *p, uint8_t *next, uint8_t options[OPTIONS_MAX], uint32_t *len)
{
    if (p->len < PSEUDO_HEADER) return false;
    uint32_t total = PSEUDO_HEADER + p->at[1] * 8U, skip = 4U + p->at[2];
    if (skip > total || total > p->len) return false;
    *len = total - skip;
    if (*len > OPTIONS_MAX || *len % 4) return false;
    *next = p->at[0];
    memcpy(options, p->at + skip, *len);
    p->at += total;
    p->len -= total;
    return true;
}

static enum drop beet(struct pkt *p, uint8_t next, const struct xfrm_sa *x)
{
    struct ip_split s;
    uint8_t options[OPTIONS_MAX];
    uint32_t extra = 0;
    bool v6 = x->sel.family == AF_INET6;
    if (!v6 && next == IPPROTO_BEETPH && !take_options(p, &next, options, &extra)) return DROP_MODE;
    if (!pkt_make_room(p, extra)) return DROP_MALFORMED_IN;
    p->at -= extra;
    p->len += extra;
    memcpy(p->at, options, extra);
    if (!make_head(p, &x->sel.src.ip, &x->sel.dst.ip, next)) return DROP_MALFORMED_IN;
    if (extra) p->at[0] = (uint8_t)(0x45 + extra / 4);
    if (extra) ip_head_join(p->at, &(struct ip_split){IP4_HEADER + extra, 9, 0, 0}, next, p->len);
    return restored(p, &s);
}

enum drop mode_in(struct pkt *p, uint8_t next, const struct pkt *before)
{
    const struct sa_conf *conf = rcu_dereference(p->sa->conf);
    switch (conf->x.mode) {
    case XFRM_TRANSPORT:
        return transport(p, next, conf);
    case XFRM_BEET:
        return beet(p, next, &conf->x);
    case XFRM_IPTFS:
        return iptfs(p, next);
    default:
        return tunnel(p, next, &conf->x, before);
    }
}
