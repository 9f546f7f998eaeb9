#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/path/aggfrag.h"
#include "xfrm/path/ecn.h"
#include "xfrm/path/mode.h"

#define DONT_ENCAP_DSCP 1 // XFRM_SA_XFLAG_DONT_ENCAP_DSCP
#define DSCP_MASK ((uint8_t)~ECN_MASK)
#define NOP 1 // the IPv4 option

// An inner IPv6 packet must not be fragmented on the way, as it could not be by a router.
static bool tunnel_df(const struct pkt *p, const struct xfrm_sa *x)
{
    if (x->flags & XFRM_STATE_NOPMTUDISC) return false;
    return p->flow.src.family == AF_INET6 || p->flow.df;
}

static uint8_t tunnel_tos(const struct xfrm_sa *x, uint8_t inner)
{
    uint8_t dscp = x->extra_flags & DONT_ENCAP_DSCP ? 0 : inner & DSCP_MASK;
    uint8_t ecn = x->flags & XFRM_STATE_NOECN ? ECN_NOT_ECT : inner & ECN_MASK;
    return dscp | ecn; // rfc6040 4.1 MUST: normal mode copies the ECN field
}

// Transport and BEET mode: what the header said is said outside. The host has set it, or another
// SA's header.
static void keep_fields(struct pkt *p, const uint8_t *head)
{
    bool v6 = ip_is_v6(head);
    p->outer_tos = ip_head_tos(head);
    p->outer_ttl = v6 ? head[7] : head[8];
    p->outer_df = v6 || (get16(head + 6) & IP_DF) != 0;
    p->outer_id = v6 ? 0 : get16(head + 4);
    p->outer_label = v6 ? get32(head) & 0xfffff : 0;
}

// ---- the three modes ----

static enum drop tunnel(struct pkt *p, struct mode_head *h, const struct sa_conf *conf)
{
    h->next = ip_is_v6(p->at) ? IPPROTO_IPV6 : IPPROTO_IPIP;
    p->from = conf->from;
    p->to = conf->to;
    p->outer_tos = tunnel_tos(&conf->x, p->flow.tos);
    p->outer_df = tunnel_df(p, &conf->x);
    p->outer_label = h->next == IPPROTO_IPV6 ? p->flow.label : 0;
    return DROP_NONE;
}

// rfc9347 2.2.5: one header for several inner packets, which differ: it says nothing of them.
static enum drop iptfs(struct pkt *p, struct mode_head *h, const struct sa_conf *conf)
{
    h->next = AGG_PROTO;
    p->from = conf->from;
    p->to = conf->to;
    p->outer_tos = 0; // rfc9347 3.1: not ECN-capable, as nobody here would slow down
    p->outer_df = !(conf->x.flags & XFRM_STATE_NOPMTUDISC);
    return DROP_NONE;
}

// The packet's addresses are the outer ones.
static enum drop transport(struct pkt *p, struct mode_head *h, const struct sa_conf *conf)
{
    if (!ip_split(p->at, p->len, false, &h->s)) return DROP_MALFORMED_OUT;
    // rfc4301 7 MUST: transport mode carries whole packets. The kernel protects them before it
    // fragments them; behind a TUN device they come in pieces when they exceed its MTU.
    if (h->s.fragment) return DROP_FRAGMENT_OUT;
    memcpy(h->at, p->at, h->s.len);
    h->next = h->s.next;
    p->whole = h->s.len > (ip_is_v6(p->at) ? IP6_HEADER : IP4_HEADER);
    p->from = (endpoint_t){ip_head_src(p->at), conf->from.port};
    p->to = (endpoint_t){ip_head_dst(p->at), conf->to.port};
    keep_fields(p, p->at);
    p->at += h->s.len;
    p->len -= h->s.len;
    return DROP_NONE;
}

// IPv4 options travel behind a pseudo-header (RFC 7402 B.4):
//     | next header | length in 8 octets | padding length | 0 | padding | options |
// Whatever the caller leaves in front of it, there is room: options were there before.
static void put_pseudo_header(struct pkt *p, uint8_t *next, const uint8_t *options, uint8_t len)
{
    uint8_t kept[40], pad = 4 - (len & 4), *at = p->at - 4 - pad - len;
    memcpy(kept, options, len);
    memset(at, 0, 4);
    at[0] = *next;
    at[1] = len / 8;
    at[2] = pad;
    memset(at + 4, NOP, pad);
    memcpy(at + 4 + pad, kept, len);
    p->at = at;
    p->len += 4U + pad + len;
    *next = IPPROTO_BEETPH;
}

static enum drop beet(struct pkt *p, struct mode_head *h, const struct sa_conf *conf)
{
    struct ip_split s;
    if (!ip_split(p->at, p->len, true, &s)) return DROP_MALFORMED_OUT;
    if (s.fragment) return DROP_FRAGMENT_OUT;
    bool v6 = ip_is_v6(p->at);
    keep_fields(p, p->at);
    const uint8_t *options = p->at + IP4_HEADER;
    uint32_t head = v6 ? IP6_HEADER : s.len;
    h->next = v6 ? p->at[6] : s.next; // IPv6 extension headers are payload
    p->at += head;
    p->len -= head;
    if (!v6 && head > IP4_HEADER)
        put_pseudo_header(p, &h->next, options, (uint8_t)(head - IP4_HEADER));
    p->from = conf->from;
    p->to = conf->to;
    return DROP_NONE;
}

enum drop mode_out(struct pkt *p, struct mode_head *h)
{
    const struct sa_conf *conf = rcu_dereference(p->sa->conf);
    h->s.len = 0;
    p->whole = false;
    p->outer_ttl = 0;
    p->outer_id = 0;
    p->outer_label = 0;
    switch (conf->x.mode) {
    case XFRM_TRANSPORT:
        return transport(p, h, conf);
    case XFRM_BEET:
        return beet(p, h, conf);
    case XFRM_IPTFS:
        return iptfs(p, h, conf);
    default:
        return tunnel(p, h, conf);
    }
}
