// wrap.c - an inner packet becomes the plain text of an ESP packet (RFC 4303 2, 3.3.2) with what
// its outer header will need (RFC 4301 5.1.2; RFC 6040).
//
//     before                 | inner packet |
//     after    | SPI seq | IV | inner packet | TFC padding | padding | pad length | next header |
//
// The TTL of the inner packet was decremented by the host, whose route led into the TUN device.
#include <netinet/in.h>
#include <string.h>

#include "xfrm/path/ecn.h"
#include "xfrm/path/stages.h"

#define TRAILER 2         // pad length, next header
#define DONT_ENCAP_DSCP 1 // XFRM_SA_XFLAG_DONT_ENCAP_DSCP
// Traffic flow confidentiality pads up to the path MTU in the kernel. Here that is not known: up to
// what fits into 1500 bytes under the longest headers (IPv6, UDP, ESP, IV, trailer, ICV).
#define TFC_MAX 1376
#define DSCP_MASK ((uint8_t)~ECN_MASK)

struct shape {
    uint32_t head; // ESP header and IV
    uint32_t tfc, pad;
};

static uint32_t room_behind(const struct pkt *p)
{
    return p->size - (uint32_t)(p->at - p->room) - p->len;
}

// How much goes before and behind. False: does not fit.
static bool shape_of(const struct pkt *p, const struct sa *sa, struct shape *s)
{
    uint32_t wanted = rcu_dereference(sa->conf)->x.tfcpad;
    if (wanted > TFC_MAX) wanted = TFC_MAX;

    s->head = ESP_HEADER + sa->iv_len;
    s->tfc = wanted > p->len ? wanted - p->len : 0;
    uint32_t used = (p->len + s->tfc + TRAILER) % sa->align;
    s->pad = used ? sa->align - used : 0;
    return (uint32_t)(p->at - p->room) >= s->head &&
           room_behind(p) >= s->tfc + s->pad + TRAILER + sa->icv_len;
}

static void write_trailer(struct pkt *p, const struct shape *s)
{
    uint8_t *at = p->at + p->len;
    memset(at, 0, s->tfc);
    at += s->tfc;
    // rfc4303 2.4 MUST: padding counts 1, 2, 3, ...
    for (uint32_t i = 1; i <= s->pad; i++) *at++ = (uint8_t)i;
    *at++ = (uint8_t)s->pad;
    *at = p->flow.src.family == AF_INET ? IPPROTO_IPIP : IPPROTO_IPV6;
    p->len += s->tfc + s->pad + TRAILER;
}

static void write_head(struct pkt *p, struct sa *sa, uint32_t head)
{
    p->at -= head;
    p->len += head;
    memcpy(p->at, &sa->spi, sizeof sa->spi);
    put32(p->at + 4, (uint32_t)p->seq);
    sealer_iv(sa->sealer, p->seq, p->at + ESP_HEADER);
}

static uint8_t outer_tos(const struct xfrm_sa *x, uint8_t inner)
{
    uint8_t dscp = x->extra_flags & DONT_ENCAP_DSCP ? 0 : inner & DSCP_MASK;
    uint8_t ecn = x->flags & XFRM_STATE_NOECN ? ECN_NOT_ECT : inner & ECN_MASK;
    return dscp | ecn; // rfc6040 4.1 MUST: normal mode copies the ECN field
}

static void address(struct pkt *p, const struct sa_conf *conf)
{
    const struct xfrm_mark *mark = &conf->x.output_mark;
    p->from = conf->from;
    p->to = conf->to;
    p->udp = conf->udp;
    p->outer_tos = outer_tos(&conf->x, p->flow.tos);
    p->mark = (p->mark & ~mark->mask) | mark->value;
}

void out_wrap(struct worker *w, struct burst *b)
{
    (void)w;
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        struct shape s;
        if (p->flow.ttl == 0) {
            p->drop = DROP_TTL;
        } else if (!shape_of(p, p->sa, &s)) {
            p->drop = DROP_TOO_BIG;
        } else {
            address(p, rcu_dereference(p->sa->conf));
            write_trailer(p, &s);
            write_head(p, p->sa, s.head);
        }
    }
}
