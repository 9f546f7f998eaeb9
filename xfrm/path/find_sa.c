// find_sa.c - from SPI and destination to the SA (RFC 4301 4.1; RFC 4303 3.4.2).
#include "xfrm/path/stages.h"

#define DIR_OUT 2 // XFRM_SA_DIR_OUT

static enum drop judge(const struct pkt *p)
{
    // rfc4303 3.4.2 MUST: without a valid SA the packet is discarded
    if (!p->sa || p->sa->larval) return DROP_NO_SA;
    const struct sa_conf *conf = rcu_dereference(p->sa->conf);
    if (conf->x.dir == DIR_OUT) return DROP_NO_SA;
    if (sa_flag(&p->sa->dead)) return DROP_EXPIRED_IN;
    return conf->udp == p->udp ? DROP_NONE : DROP_ENCAP;
}

void in_find_sa(struct worker *w, struct burst *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        bool ah = p->proto == XFRM_PROTO_AH;
        if (p->len < (ah ? AH_HEADER : ESP_HEADER)) {
            p->drop = DROP_MALFORMED_IN;
            continue;
        }
        uint32_t spi = get32(p->at + spi_offset(p));
        p->sa = sad_find(w->db->sad, &p->to.ip, spi, ah ? XFRM_PROTO_AH : XFRM_PROTO_ESP, p->mark);
        p->drop = judge(p);
    }
}
