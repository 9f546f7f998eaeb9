// unwrap.c - out of the opened ESP or AH packet comes the inner one (RFC 4303 2.4-2.7, RFC 4302).
//
//     ESP   | SPI seq | IV | payload | TFC padding | padding 1 2 3 .. | pad length | next header |
//     AH    | next header, length, SPI, seq, ICV | payload |
//     COMP  | next header, flags, CPI | deflated payload |
#include <netinet/in.h>

#include "xfrm/path/comp.h"
#include "xfrm/path/mode.h"

#define TRAILER 2

// Takes header and trailer off. False: the trailer makes no sense.
static bool esp_strip(struct pkt *p, uint8_t *next)
{
    uint32_t head = ESP_HEADER + p->sa->iv_len;
    p->at += head;
    p->len -= head;

    uint32_t pad = p->at[p->len - 2];
    *next = p->at[p->len - 1];
    if (pad + TRAILER > p->len) return false;
    p->len -= pad + TRAILER;
    // rfc4303 2.4 SHOULD: the padding is inspected
    for (uint32_t i = 0; i < pad; i++) {
        if (p->at[p->len + i] != i + 1) return false;
    }
    return true;
}

// What is inside, and where it begins.
static enum drop strip(const struct worker *w, struct pkt *p, uint8_t *next)
{
    switch (p->sa->proto) {
    case XFRM_PROTO_ESP:
        return esp_strip(p, next) ? DROP_NONE : DROP_PADDING;
    case XFRM_PROTO_AH:
        ah_strip(p, next);
        return DROP_NONE;
    case XFRM_PROTO_COMP:
        return comp_open(w->comp, p, next);
    default:
        *next = p->proto; // a tunnel packet that IPComp did not shrink: nothing to take off
        return DROP_NONE;
    }
}

static enum drop unwrap(const struct worker *w, struct pkt *p, const struct pkt *before)
{
    uint8_t next;
    enum drop d = strip(w, p, &next);
    if (d) return d;
    const struct xfrm_mark *mark = &rcu_dereference(p->sa->conf)->x.output_mark;
    p->mark = (p->mark & ~mark->mask) | mark->value;
    if (next != IPPROTO_NONE || !sa_is_esp(p->sa) || p->sa->iptfs) return mode_in(p, next, before);
    p->done = true; // rfc4303 2.6 MUST: a dummy packet is discarded without notice
    return DROP_NONE;
}

void in_unwrap(struct worker *w, struct burst *b)
{
    const struct pkt *before = NULL;
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        p->drop = unwrap(w, p, before);
        if (p->drop) continue;
        if (!p->done && !p->aggfrag) before = p;
        p->sas[p->sa_count++] = p->sa; // in_nest() keeps the count below PKT_SAS_MAX
        if (!account_packet(w, p->sa, p->len)) p->drop = DROP_EXPIRED_IN;
    }
}
