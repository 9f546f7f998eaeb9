// wrap.c - an inner packet becomes the plain text of an ESP packet (RFC 4303 2, 3.3.2), or an AH
// packet without its ICV, with what its outer header will need (RFC 4301 5.1.2; RFC 6040).
//
//     before                   | payload |           what mode_out() leaves of the inner packet
//     ESP  [IP] | SPI seq | IV | payload | TFC padding | padding | pad length | next header |
//     AH   [IP] | AH | payload |
//     COMP [IP] | IPComp | deflated payload |   or as before, where that is not smaller
//
// The TTL of the inner packet was decremented by the host, whose route led into the TUN device.
#include <netinet/in.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/path/comp.h"
#include "xfrm/path/mode.h"
#include "xfrm/path/size.h"

#define TRAILER 2 // pad length, next header
// Traffic flow confidentiality pads up to the path MTU, as in the kernel. Where that is not known:
// up to what fits into 1500 bytes under the longest headers (IPv6, UDP, ESP, IV, trailer, ICV).
#define TFC_MAX 1376
#define IP_TOTAL_MAX UINT16_MAX

// ---- ESP ----

struct shape {
    uint32_t head; // ESP header and IV
    uint32_t tfc, pad;
};

uint32_t esp_tfc(const struct pkt *p, const struct xfrm_sa *x)
{
    if (x->mode != XFRM_TUNNEL || x->tfcpad <= p->len) return 0; // others could not take it off
    // size_limit() speaks of packets as they come, before the innermost SA
    uint32_t mtu = p->path_mtu < IP_TOTAL_MAX ? p->path_mtu : IP_TOTAL_MAX; // that of lo is longer
    uint32_t most = mtu && p->layer == 0 ? size_limit(p, mtu) : TFC_MAX;
    return x->tfcpad < most ? x->tfcpad : most;
}

// How much goes before and behind. False: does not fit.
static bool shape_of(const struct pkt *p, const struct sa *sa, struct shape *s)
{
    uint32_t wanted = esp_tfc(p, &rcu_dereference(sa->conf)->x);

    s->head = ESP_HEADER + sa->iv_len;
    s->tfc = wanted > p->len ? wanted - p->len : 0;
    uint32_t used = (p->len + s->tfc + TRAILER) & (sa->align - 1U);
    s->pad = used ? sa->align - used : 0;
    return pkt_room_before(p) >= s->head &&
           pkt_room_behind(p) >= s->tfc + s->pad + TRAILER + sa->icv_len;
}

static void write_trailer(struct pkt *p, const struct shape *s, uint8_t next)
{
    uint8_t *at = p->at + p->len;
    memset(at, 0, s->tfc);
    at += s->tfc;
    // rfc4303 2.4 MUST: padding counts 1, 2, 3, ...
    for (uint32_t i = 1; i <= s->pad; i++) *at++ = (uint8_t)i;
    *at++ = (uint8_t)s->pad;
    *at = next;
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

bool esp_wrap(struct pkt *p, uint8_t next)
{
    struct shape s;
    if (!shape_of(p, p->sa, &s)) return false;
    write_trailer(p, &s, next);
    write_head(p, p->sa, s.head);
    return true;
}

// ---- the IP header, where no socket makes it ----

// AH covers the identification, so it must not be 0: the kernel would choose one. SAs between the
// same hosts begin at different places.
static uint16_t identification(const struct pkt *p)
{
    return (uint16_t)((p->seq + host32(p->sa->spi)) % UINT16_MAX + 1);
}

static void new_head(const struct pkt *p, struct mode_head *h)
{
    const struct ip_wanted w = {.src = p->from.ip,
                                .dst = p->to.ip,
                                .tos = p->outer_tos,
                                .ttl = p->outer_ttl,
                                .df = p->outer_df,
                                .label = p->outer_label,
                                .id = p->outer_id};
    h->s.len = ip_head_make(h->at, &w);
    h->s.next_at = ip_is_v6(h->at) ? 6 : 9;
}

// In front of p->at, which stays: the seal stage takes it in.
static enum drop put_head(struct pkt *p, struct mode_head *h)
{
    if (h->s.len == 0) new_head(p, h);
    uint32_t total = h->s.len + p->len + (sa_is_esp(p->sa) ? p->sa->icv_len : 0);
    if (pkt_room_before(p) < h->s.len || total > IP_TOTAL_MAX) return DROP_TOO_BIG;
    if (!ip_is_v6(h->at) && get16(h->at + 4) == 0) put16(h->at + 4, p->outer_id);
    ip_head_join(h->at, &h->s, p->proto, total);
    memcpy(p->at - h->s.len, h->at, h->s.len);
    p->head_len = h->s.len;
    return DROP_NONE;
}

// A tunnel packet that does not shrink is plain IP in IP, a transport packet is what it was.
static bool cover(const struct worker *w, struct pkt *p, const struct mode_head *h)
{
    switch (p->sa->proto) {
    case XFRM_PROTO_ESP:
        return esp_wrap(p, h->next);
    case XFRM_PROTO_AH:
        p->whole = true;
        return ah_wrap(p, h->next);
    default:
        if (comp_wrap(w->comp, p, h->next)) return true;
        p->proto = h->next;
        p->whole |= h->s.len > 0;
        return true;
    }
}

static enum drop wrap(const struct worker *w, struct pkt *p)
{
    struct mode_head h;
    const struct sa_conf *conf = rcu_dereference(p->sa->conf);
    const struct xfrm_mark *mark = &conf->x.output_mark;
    enum drop d = mode_out(p, &h);
    if (d) return d;
    if (p->cut) p->outer_df = false;
    p->proto = p->sa->proto;
    if (p->outer_id == 0) p->outer_id = identification(p);
    p->mark = mark_set(p->mark, mark);
    p->udp = conf->udp;
    p->whole |= p->layer + 1 < p->sa_count;
    if (p->whole && p->udp) return DROP_UDP_LAYER;
    if (!cover(w, p, &h)) return DROP_TOO_BIG;
    if (p->whole) return put_head(p, &h);
    return p->len + p->sa->icv_len + IP4_HEADER > IP_TOTAL_MAX ? DROP_TOO_BIG : DROP_NONE;
}

void out_wrap(struct worker *w, struct burst *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        // what is in a payload has been looked at when it was gathered
        p->drop = p->flow.ttl == 0 && !p->filled ? DROP_TTL : wrap(w, p);
    }
}
