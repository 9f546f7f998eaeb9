// unwrap.c - out of the opened ESP packet comes the inner one (RFC 4303 2.4-2.7, RFC 6040).
//
//     | SPI seq | IV | inner packet | TFC padding | padding 1 2 3 .. | pad length | next header |
#include <netinet/in.h>

#include "xfrm/path/ecn.h"
#include "xfrm/path/stages.h"

#define TRAILER 2
#define DSCP_MASK ((uint8_t)~ECN_MASK)

// Takes header and trailer off. False: the trailer makes no sense.
static bool strip(struct pkt *p, uint8_t *next_header)
{
    uint32_t head = ESP_HEADER + p->sa->iv_len;
    p->at += head;
    p->len -= head;

    uint32_t pad = p->at[p->len - 2];
    *next_header = p->at[p->len - 1];
    if (pad + TRAILER > p->len) return false;
    p->len -= pad + TRAILER;
    // rfc4303 2.4 SHOULD: the padding is inspected
    for (uint32_t i = 0; i < pad; i++) {
        if (p->at[p->len + i] != i + 1) return false;
    }
    return true;
}

// In tunnel mode the next header names the version of the IP packet inside.
static bool version_fits(const struct pkt *p, uint8_t next_header)
{
    unsigned version = p->len > 0 ? p->at[0] >> 4 : 0;
    return (next_header == IPPROTO_IPIP && version == 4) ||
           (next_header == IPPROTO_IPV6 && version == 6);
}

// What happened to the outer traffic class on the way is told to the inner packet.
static bool tos_merge(struct pkt *p)
{
    const struct xfrm_sa *x = &rcu_dereference(p->sa->conf)->x;
    uint8_t tos = p->flow.tos, ecn = tos & ECN_MASK;

    if (x->flags & XFRM_STATE_DECAP_DSCP) tos = (p->outer_tos & DSCP_MASK) | ecn;
    if (!(x->flags & XFRM_STATE_NOECN)) {
        // rfc6040 4.2 MUST: congestion on the way is never hidden from the receiver
        if (!ecn_decap(tos, p->outer_tos, &ecn)) return false;
        tos = (tos & DSCP_MASK) | ecn;
    }
    if (tos != p->flow.tos) tos_write(p->at, tos);
    p->flow.tos = tos;
    return true;
}

static void unwrap(struct pkt *p)
{
    uint8_t next_header;
    if (!strip(p, &next_header)) {
        p->drop = DROP_PADDING;
    } else if (next_header == IPPROTO_NONE) {
        p->done = true; // rfc4303 2.6 MUST: a dummy packet is discarded without notice
    } else if (!version_fits(p, next_header)) {
        p->drop = DROP_MODE;
    } else if (!flow_read(p) || !tos_merge(p)) {
        p->drop = DROP_MALFORMED_IN;
    }
}

void in_unwrap(struct worker *w, struct burst *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        unwrap(p);
        if (p->drop) continue;
        if (!account_packet(w, p->sa, p->len)) p->drop = DROP_EXPIRED_IN;
    }
}
