// find_sa.c - from SPI and destination to the SA (RFC 4301 4.1; RFC 4303 3.4.2). What IPComp could
// not shrink comes as a plain tunnel packet: its ends tell the SA.
#include <netinet/in.h>
#include <string.h>

#include "xfrm/path/comp.h"

bool sa_can_ask(uint8_t proto, uint32_t len)
{
    switch (proto) {
    case XFRM_PROTO_ESP:
        return len >= ESP_HEADER;
    case XFRM_PROTO_AH:
        return len >= AH_HEADER;
    case XFRM_PROTO_COMP:
        return len >= COMP_HEADER;
    default:
        return proto == IPPROTO_IPIP || proto == IPPROTO_IPV6;
    }
}

struct sa *sa_asked(const struct db *db, const struct sa_ask *ask)
{
    uint32_t spi;
    switch (ask->proto) {
    case XFRM_PROTO_ESP:
        spi = get32(ask->at);
        break;
    case XFRM_PROTO_AH:
        spi = get32(ask->at + 4);
        break;
    case XFRM_PROTO_COMP:
        spi = get16(ask->at + 2);
        break;
    default:
        return sad_find_plain(db->sad, ask->src, ask->dst, ask->mark);
    }
    return sad_find(db->sad, ask->dst, spi, ask->proto, ask->mark);
}

static enum drop judge(const struct pkt *p)
{
    // rfc4303 3.4.2 MUST: without a valid SA the packet is discarded
    if (!p->sa || p->sa->larval) return DROP_NO_SA;
    const struct sa_conf *conf = rcu_dereference(p->sa->conf);
    if (conf->x.dir == XFRM_SA_OUT) return DROP_NO_SA;
    if (sa_flag(&p->sa->dead)) return DROP_EXPIRED_IN;
    return conf->udp == p->udp ? DROP_NONE : DROP_ENCAP;
}

// Of ESP, one after the other of the same SA.
static bool repeat(struct pkt *p, const struct pkt *before)
{
    if (!before || p->proto != XFRM_PROTO_ESP || before->proto != XFRM_PROTO_ESP) return false;
    if (memcmp(p->at, before->at, 4) != 0 || !ip_eq(&p->to.ip, &before->to.ip)) return false;
    if (p->mark != before->mark || p->udp != before->udp) return false;
    p->sa = before->sa;
    p->drop = before->drop;
    return true;
}

void in_find_sa(struct worker *w, struct burst *b)
{
    const struct pkt *before = NULL;
    for (unsigned i = 0; i < b->n; i++) {
        if (!b->p[i]->proto) b->p[i]->proto = XFRM_PROTO_ESP; // the UDP ports carry nothing else
    }
    hint_sas_in(w, b);
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (!sa_can_ask(p->proto, p->len)) {
            p->drop = DROP_MALFORMED_IN;
            continue;
        }
        if (repeat(p, before)) continue;
        before = p;
        const struct sa_ask ask = {
            .src = &p->from.ip, .dst = &p->to.ip, .at = p->at, .mark = p->mark, .proto = p->proto};
        p->sa = sa_asked(w->db, &ask);
        p->drop = judge(p);
    }
}
