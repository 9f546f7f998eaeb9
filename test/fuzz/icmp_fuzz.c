// What routers say of our packets, and what we say to senders inside. The input is
//
//     an ICMP message as it is, or one that we make of it: with a quote of a packet of an SA, the
//     input being what stands behind the SPI, and a right checksum
//     a packet from inside, that may be too long for what has been learned
//
//     +------+----+-----+-------+----------
//     | mode | SA | MTU (2)     | rest
//     +------+----+-----+-------+----------
//
// What must hold: a path never gets wider by what a stranger says, nor narrower than packets may
// be; only the SA that is quoted learns; what we say is a well-formed ICMP error, short enough, and
// never about an ICMP error; no buffer is lost.
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/order.h"
#include "test/fuzz/must.h"
#include "xfrm/control.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/path/pmtu.h"
#include "xfrm/path/stages.h"
#include "xfrm/port/checksum.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

#define HEADER 4
#define SAS 6
#define SPI 0x1000
#define BUFFERS 4
#define LINK 1500
#define QUOTED 64 // bytes in front of the rest: headers and SPI

enum mode { MODE_AS_IT_IS, MODE_QUOTE, MODE_QUOTE_CUT, MODE_INSIDE, MODES };

static struct {
    struct db *db;
    struct control *control;
    struct worker w;
    struct sa *sa[SAS];
    unsigned buffers;      // of the pool
    const uint8_t *inside; // the packet that is on its way out
    uint32_t inside_len;
} site;

static const struct {
    uint8_t proto, mode;
    bool v6, udp;
} kinds[SAS] = {
    {XFRM_PROTO_ESP, XFRM_TUNNEL, false, false}, {XFRM_PROTO_ESP, XFRM_TUNNEL, true, false},
    {XFRM_PROTO_ESP, XFRM_TUNNEL, false, true},  {XFRM_PROTO_ESP, XFRM_TUNNEL, true, true},
    {XFRM_PROTO_AH, XFRM_TUNNEL, false, false},  {XFRM_PROTO_AH, XFRM_TUNNEL, true, false},
};

// ---- what leaves ----

static void on_send(void *ctx, struct pkt **p, unsigned n)
{
    (void)ctx, (void)p, (void)n;
}

// Goes back inside: an ICMP error about the packet that came from there.
static void on_deliver(void *ctx, struct pkt **p, unsigned n)
{
    (void)ctx;
    MUST(n == 1 && site.inside);
    struct pkt copy = *p[0];
    MUST(flow_read(&copy) && copy.len == p[0]->len);
    bool v6 = ip_is_v6(copy.at);
    uint32_t head = v6 ? IP6_HEADER : IP4_HEADER;
    const uint8_t *icmp = copy.at + head;
    MUST(copy.len <= (v6 ? 1280U : 576U) && copy.len >= head + 8);
    MUST(v6 ? icmp[0] == 2 : icmp[0] == 3 && icmp[1] == 4);
    MUST(memcmp(icmp + 8, site.inside, copy.len - head - 8) == 0);
    if (!v6) MUST(checksum_fold(checksum_add(0, icmp, copy.len - head)) == 0xffff);
    uint32_t mtu = v6 ? get32(icmp + 4) : get16(icmp + 6);
    MUST(mtu < site.inside_len && mtu >= (v6 ? 1280 : 68));
}

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    (void)ctx, (void)ev;
}

static uint32_t on_link_mtu(void *ctx, const ip_t *dst, const ip_t *src)
{
    (void)ctx, (void)dst, (void)src;
    return LINK;
}

// ---- the site ----

static struct xfrm_sa sa_like(unsigned i)
{
    bool v6 = kinds[i].v6;
    struct xfrm_sa x = {.spi = SPI + i,
                        .reqid = 1 + i,
                        .proto = kinds[i].proto,
                        .mode = kinds[i].mode,
                        .pcpu = UINT32_MAX,
                        .flags = XFRM_STATE_AF_UNSPEC,
                        .limit = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0},
                        .replay = {.esn_given = true, .window = 64}};
    MUST(ip_parse(v6 ? "2001:db8::1" : "192.0.2.1", &x.saddr) == ERR_OK);
    MUST(ip_parse(v6 ? "2001:db8::2" : "192.0.2.2", &x.daddr) == ERR_OK);
    x.family = x.daddr.family;
    if (kinds[i].udp) x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4500};
    if (x.proto == XFRM_PROTO_ESP) strcpy(x.crypt.name, "ecb(cipher_null)");
    x.auth = (struct xfrm_alg){.key_bits = 160, .icv_bits = 96, .trunc_given = true};
    strcpy(x.auth.name, "hmac(sha1)");
    return x;
}

// All IPv4 goes through one SA and all IPv6 through another, each with the other family outside.
static void add_policy(unsigned i, const char *all)
{
    const struct xfrm_sa x = sa_like(i);
    struct xfrm_policy p = {.dir = XFRM_OUT,
                            .tmpl_count = 1,
                            .limit = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0}};
    MUST(prefix_parse(all, &p.sel.src) == ERR_OK);
    p.sel.dst = p.sel.src;
    p.sel.family = p.sel.src.ip.family;
    p.tmpl[0] = (struct xfrm_tmpl){.aalgos = UINT32_MAX,
                                   .ealgos = UINT32_MAX,
                                   .calgos = UINT32_MAX,
                                   .saddr = x.saddr,
                                   .daddr = x.daddr,
                                   .proto = x.proto,
                                   .mode = x.mode,
                                   .family = x.family,
                                   .reqid = x.reqid};
    struct xfrm_api api = control_api(site.control);
    MUST(api.ops->policy_add(api.ctx, &p, false, NULL) == ERR_OK);
}

static void site_make(void)
{
    static const struct exits exits = {on_send, on_deliver,  on_send, on_event,
                                       NULL,    on_link_mtu, NULL};
    rcu_register_thread();
    site.db = db_new();
    MUST(site.db != NULL);
    site.control = control_new(site.db, on_event, NULL);
    MUST(site.control != NULL);
    MUST(worker_init(&site.w, site.db, &exits, BUFFERS) == ERR_OK);
    site.w.now = site.w.wall = NSEC_PER_SEC;
    struct xfrm_api api = control_api(site.control);
    for (unsigned i = 0; i < SAS; i++) {
        struct xfrm_sa x = sa_like(i);
        MUST(api.ops->sa_add(api.ctx, &x, NULL) == ERR_OK);
        site.sa[i] = sad_find(site.db->sad, &x.daddr, x.spi, x.proto, 0);
        MUST(site.sa[i] != NULL);
    }
    add_policy(1, "0.0.0.0/0");
    add_policy(0, "::/0");
}

// ---- one input ----

static uint32_t write_quote_head(uint8_t *at, const struct xfrm_sa *x, uint32_t n)
{
    bool v6 = x->family == AF_INET6;
    uint8_t next = x->encap.type ? IPPROTO_UDP : x->proto;
    const struct ip_wanted w = {
        .src = x->saddr, .dst = x->daddr, .next = next, .df = true, .payload = n};
    MUST(v6 == (x->daddr.family == AF_INET6));
    return ip_head_make(at, &w);
}

// "Too big", with a quote of a packet of the SA that goes on with the rest of the input.
static void write_complaint(struct pkt *p, const struct xfrm_sa *x, uint16_t mtu,
                            const uint8_t *rest, uint32_t n)
{
    uint8_t *at = p->at;
    bool v6 = x->family == AF_INET6;
    memset(at, 0, 8 + QUOTED);
    at[0] = v6 ? 2 : 3;
    at[1] = v6 ? 0 : 4;
    v6 ? put32(at + 4, mtu) : put16(at + 6, mtu);
    uint32_t len = 8 + write_quote_head(at + 8, x, LINK);
    if (x->encap.type) {
        put16(at + len, x->encap.sport);
        put16(at + len + 2, x->encap.dport);
        len += 8;
    }
    if (x->proto == XFRM_PROTO_AH) len += 4;
    put32(at + len, x->spi);
    len += 4;
    memcpy(at + len, rest, n);
    p->len = len + n;
}

static void write_message(struct pkt *p, const uint8_t *in, uint32_t n)
{
    const struct xfrm_sa x = sa_like(in[1] % SAS);
    p->to.ip = x.saddr;
    p->from.ip = x.daddr;
    if (in[0] % MODES == MODE_AS_IT_IS) {
        memcpy(p->at, in + HEADER, n);
        p->len = n;
    } else {
        write_complaint(p, &x, get16(in + 2), in + HEADER, n);
    }
    if (in[0] % MODES == MODE_QUOTE_CUT) p->len -= n > 0 ? in[HEADER] % (p->len + 1) : 0;
    if (p->to.ip.family == AF_INET6 || p->len < 4) return;
    put16(p->at + 2, 0);
    checksum_write(p->at + 2, (uint16_t)~checksum_fold(checksum_add(0, p->at, p->len)));
}

static void hear(const uint8_t *in, uint32_t n)
{
    uint32_t before[SAS], changed = 0;
    struct pkt *p = pool_take(site.w.pool);
    MUST(p != NULL);
    for (unsigned i = 0; i < SAS; i++) before[i] = pmtu_learned(site.sa[i], site.w.now);
    write_message(p, in, n);
    struct burst b = {.n = 1, .p = {p}};
    path_icmp(&site.w, &b);
    MUST(b.n == 0);
    for (unsigned i = 0; i < SAS; i++) {
        uint32_t now = pmtu_learned(site.sa[i], site.w.now);
        if (now == before[i]) continue;
        changed++;
        MUST(before[i] == 0 || now < before[i]);
        MUST(now >= (kinds[i].v6 ? PMTU_MIN6 : PMTU_MIN4));
        if (in[0] % MODES == MODE_QUOTE) MUST(i == in[1] % SAS);
    }
    MUST(changed <= 1);
}

static void send_from_inside(const uint8_t *in, uint32_t n)
{
    struct pkt *p = pool_take(site.w.pool);
    MUST(p != NULL);
    memcpy(p->at, in + HEADER, n);
    p->len = n;
    p->born = site.w.now;
    site.inside = in + HEADER;
    site.inside_len = n;
    struct burst b = {.n = 1, .p = {p}};
    path_out(&site.w, &b);
    MUST(b.n == 0);
    site.inside = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    if (!site.db) {
        site_make();
        site.buffers = buffers_free(site.w.pool);
    }
    if (n < HEADER || n > UINT16_MAX) return 0;
    site.w.now += 2 * PMTU_AGE; // the next input knows nothing of this one
    if (in[0] % MODES == MODE_INSIDE) {
        static const uint8_t narrow[2][HEADER] = {{MODE_QUOTE, 0, 0x05, 0x00},
                                                  {MODE_QUOTE, 1, 0x05, 0x78}};
        hear(narrow[0], 0);
        hear(narrow[1], 0);
        MUST(pmtu_learned(site.sa[0], site.w.now) == 0x500);
        MUST(pmtu_learned(site.sa[1], site.w.now) == 0x578);
        send_from_inside(in, (uint32_t)(n - HEADER));
    } else {
        hear(in, (uint32_t)(n - HEADER));
    }
    MUST(buffers_free(site.w.pool) + assemblies_count(site.w.assemblies) +
             hold_count(site.w.hold) ==
         site.buffers);
    rcu_quiescent_state();
    return 0;
}
