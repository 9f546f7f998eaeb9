#include "xfrm/path/size.h"

#include <netinet/in.h>

#include "xfrm/path/aggfrag.h"

#define UDP_HEADER 8
#define TRAILER 2       // pad length, next header
#define PSEUDO_HEADER 8 // of BEET, with padding
#define PADDING_MAX 256 // of ESP, trailer included

struct size {
    uint32_t len;  // of the whole packet
    uint32_t head; // of its IP header
    bool v6;
};

static uint32_t head_of(bool v6)
{
    return v6 ? IP6_HEADER : IP4_HEADER;
}

// What goes into ESP or AH, and the header that stands in front of it then.
static uint32_t payload_of(struct size *s, const struct xfrm_sa *x)
{
    bool whole = x->mode == XFRM_TUNNEL || x->mode == XFRM_IPTFS;
    uint32_t payload = whole ? s->len : s->len - s->head;
    if (x->mode == XFRM_IPTFS) payload += AGG_HEADER; // alone in it
    if (x->mode == XFRM_TRANSPORT) return payload;
    // BEET carries IPv4 options behind a pseudo-header
    uint32_t options = x->mode == XFRM_BEET && !s->v6 ? s->head - IP4_HEADER : 0;
    if (options) payload += options + PSEUDO_HEADER;
    s->v6 = x->family == AF_INET6;
    s->head = head_of(s->v6);
    return payload;
}

static void grow(struct size *s, const struct sa *sa)
{
    const struct sa_conf *conf = rcu_dereference(sa->conf);
    uint32_t payload = payload_of(s, &conf->x);
    if (sa_is_ah(sa)) {
        s->len = s->head + ah_header_len(sa) + payload;
    } else if (sa->proto == XFRM_PROTO_ESP) {
        uint32_t text = (payload + TRAILER + sa->align - 1) / sa->align * sa->align;
        s->len =
            s->head + (conf->udp ? UDP_HEADER : 0) + ESP_HEADER + sa->iv_len + text + sa->icv_len;
    } else {
        s->len = s->head + payload; // compression makes it shorter or leaves it
    }
}

uint32_t size_on_wire(const struct pkt *p, uint32_t len)
{
    bool v6 = ip_is_v6(p->at);
    struct size s = {len, v6 ? IP6_HEADER : (p->at[0] & 0xfU) * 4, v6};
    if (s.len < s.head) s.len = s.head;
    for (unsigned i = 0; i < p->sa_count; i++) grow(&s, p->sas[i]);
    return s.len;
}

uint32_t size_limit(const struct pkt *p, uint32_t mtu)
{
    const uint32_t slack = PADDING_MAX * PKT_SAS_MAX;
    uint32_t least = size_on_wire(p, 0), len;
    if (least > mtu) return 0;
    len = mtu > least ? mtu - least : 0;
    for (uint32_t i = 0; i < slack && size_on_wire(p, len + 1) <= mtu; i++) len++;
    for (uint32_t i = 0; i < slack && size_on_wire(p, len) > mtu; i++) len--;
    return len;
}
