#include "xfrm/path/pmtu.h"

#include <netinet/in.h>

#include "xfrm/db/counter.h"
#include "xfrm/path/hole.h"
#include "xfrm/path/icmp.h"
#include "xfrm/path/mss.h"
#include "xfrm/path/size.h"
#include "xfrm/port/checksum.h"

#define ICMP_HEADER 8
#define ICMP4_UNREACHABLE 3
#define ICMP4_FRAG_NEEDED 4 // code
#define ICMP6_TOO_BIG 2
#define UDP_HEADER 8

// ---- what is known ----

uint32_t pmtu_learned(const struct sa *sa, uint64_t now)
{
    return now < count_get(&sa->pmtu.until) ? (uint32_t)count_get(&sa->pmtu.learned) : 0;
}

static uint32_t link_mtu(struct worker *w, struct sa *sa, const ip_t *dst, const ip_t *src)
{
    if (!w->exits.link_mtu) return 0;
    if (w->now < count_get(&sa->pmtu.link_until)) return (uint32_t)count_get(&sa->pmtu.link);
    uint32_t mtu = w->exits.link_mtu(w->exits.ctx, dst, src);
    count_set(&sa->pmtu.link, mtu);
    count_set(&sa->pmtu.link_until, w->now + PMTU_LINK_AGE);
    return mtu;
}

uint32_t pmtu_of(struct worker *w, struct sa *sa)
{
    const struct sa_conf *conf = rcu_dereference(sa->conf);
    uint32_t link = link_mtu(w, sa, &conf->to.ip, &conf->from.ip),
             learned = pmtu_learned(sa, w->now);
    // without "don't fragment" routers fragment, and what was learned before is no limit
    bool fragments = conf->x.flags & XFRM_STATE_NOPMTUDISC && conf->x.family == AF_INET;
    if (!learned || fragments) return link;
    return !link || learned < link ? learned : link;
}

uint32_t pmtu_back(struct worker *w, struct sa *sa)
{
    const struct sa_conf *conf = rcu_dereference(sa->conf);
    return link_mtu(w, sa, &conf->from.ip, &conf->to.ip);
}

void pmtu_learn(const struct worker *w, struct sa *sa, uint32_t mtu)
{
    uint32_t before = pmtu_learned(sa, w->now);
    if (before && mtu > before) return;
    count_set(&sa->pmtu.learned, mtu);
    count_set(&sa->pmtu.until, w->now + PMTU_AGE);
}

// ---- outbound: does it fit? ----

// rfc1191 3, rfc8201 3: the sender is told what would fit. IPv6 packets of 1280 bytes may not be
// refused (RFC 8200 5): they go, and what is around them is fragmented.
bool pmtu_refuses(const struct pkt *p, uint32_t mtu, uint32_t *tell)
{
    bool v6 = ip_is_v6(p->at);
    if (p->cut || (!v6 && !p->flow.df)) return false;
    *tell = size_limit(p, mtu);
    if (v6 && *tell < PMTU_MIN6) *tell = PMTU_MIN6;
    return p->len > *tell;
}

bool pmtu_is_cut_inside(const struct pkt *p)
{
    const struct sa *sa = p->sas[0];
    return sa->iptfs && !rcu_dereference(sa->conf)->x.iptfs.dont_frag;
}

static void measure(struct worker *w, struct pkt *p, const struct pkt *told)
{
    uint32_t tell, mtu = pmtu_of(w, p->sas[p->sa_count - 1]);
    p->path_mtu = mtu;
    if (pmtu_is_cut_inside(p)) return;
    if (!mtu || size_on_wire(p, p->len) <= mtu) return;
    if (!pmtu_refuses(p, mtu, &tell)) {
        p->cut = true;
        return;
    }
    p->drop = DROP_PATH_MTU;
    // a super-packet's many pieces are one complaint
    if (!told || !flow_alike(p, told)) icmp_too_big(w, p, tell);
}

void out_measure(struct worker *w, struct burst *b)
{
    const struct pkt *told = NULL;
    for (unsigned i = 0; i < b->n; i++) {
        if (w->mss) mss_clamp_out(w, b->p[i]);
        measure(w, b->p[i], told);
        if (b->p[i]->drop) {
            told = b->p[i];
        } else if (!b->p[i]->sa->iptfs && (i == 0 || b->p[i]->run != b->p[i - 1]->run)) {
            hole_watch(w, b->p[i]); // what follows it in its train says the same
        }
    }
}

// ---- inbound: ICMP ----

struct quote { // the packet of ours that a router has not let pass
    ip_t src, dst;
    uint32_t len; // as its header says
    uint32_t spi;
    uint16_t sport, dport; // 0: not in UDP
    uint8_t proto;
};

// What stands behind the IP header, as far as it is quoted.
static bool quote_payload(struct quote *q, const uint8_t *at, uint32_t left)
{
    uint32_t skip = q->proto == IPPROTO_UDP ? UDP_HEADER : q->proto == IPPROTO_AH ? 4 : 0;
    if (q->proto != IPPROTO_UDP && q->proto != IPPROTO_AH && q->proto != IPPROTO_ESP) return false;
    if (left < skip + 4) return false;
    q->spi = get32(at + skip);
    if (q->proto != IPPROTO_UDP) return true;
    q->sport = get16(at);
    q->dport = get16(at + 2);
    q->proto = IPPROTO_ESP;
    return true;
}

static bool quote_read(struct quote *q, const uint8_t *at, uint32_t left, bool v6)
{
    struct ip_split s;
    if (left < IP4_HEADER || ip_is_v6(at) != v6 || !ip_split(at, left, true, &s)) return false;
    if (!v6 && get16(at + 6) & 0x1fff) return false; // not the piece with the SPI
    q->src = ip_head_src(at);
    q->dst = ip_head_dst(at);
    q->len = v6 ? IP6_HEADER + get16(at + 4) : get16(at + 2);
    q->proto = s.next;
    return quote_payload(q, at + s.len, left - s.len);
}

// rfc4301 8.2 MUST: an unauthenticated ICMP message counts only if it names an SA of ours.
static struct sa *quote_sa(const struct worker *w, const struct quote *q)
{
    struct sa *sa = sad_find_sent(w->db->sad, &q->dst, q->spi, q->proto);
    if (!sa || sa->larval) return NULL;
    const struct sa_conf *conf = rcu_dereference(sa->conf);
    if (!ip_is_any(&conf->from.ip) && !ip_eq(&conf->from.ip, &q->src)) return NULL;
    return conf->from.port == q->sport && conf->to.port == q->dport ? sa : NULL;
}

// RFC 1191 7.1: what to try where an old router does not say what it takes.
static uint32_t plateau(uint32_t below)
{
    static const uint32_t steps[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, PMTU_MIN4};
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i] < below) return steps[i];
    }
    return PMTU_MIN4;
}

// The MTU that it tells; 0: it is another message, or not to be believed.
static uint32_t told_mtu(const struct pkt *p, const struct quote *q, bool v6)
{
    uint32_t mtu = v6 ? get32(p->at + 4) : get16(p->at + 6);
    if (!v6 && mtu == 0) mtu = plateau(q->len);
    if (mtu >= q->len) return 0;
    // rfc8201 4 MUST: never less than the minimum of IPv6
    if (v6) return mtu < PMTU_MIN6 ? 0 : mtu;
    return mtu < PMTU_MIN4 ? PMTU_MIN4 : mtu;
}

static bool is_complaint(const struct pkt *p, bool v6)
{
    if (p->len < ICMP_HEADER) return false;
    if (v6) return p->at[0] == ICMP6_TOO_BIG && p->at[1] == 0; // the kernel has checked its sum
    if (p->at[0] != ICMP4_UNREACHABLE || p->at[1] != ICMP4_FRAG_NEEDED) return false;
    return checksum_fold(checksum_add(0, p->at, p->len)) == 0xffff;
}

static bool hear(const struct worker *w, const struct pkt *p)
{
    struct quote q = {.spi = 0};
    bool v6 = p->to.ip.family == AF_INET6;
    if (!is_complaint(p, v6)) return false;
    if (!quote_read(&q, p->at + ICMP_HEADER, p->len - ICMP_HEADER, v6)) return false;
    struct sa *sa = quote_sa(w, &q);
    uint32_t mtu = told_mtu(p, &q, v6);
    if (!sa || !mtu) return false;
    pmtu_learn(w, sa, mtu);
    return true;
}

void icmp_listen(struct worker *w, struct burst *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        p->done = hear(w, p);
        if (!p->done) p->drop = DROP_ICMP;
    }
}
