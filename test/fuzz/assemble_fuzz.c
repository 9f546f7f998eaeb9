// Pieces of datagrams as a host, or a stranger who sends through it, may cut them: the input says
// of each where it begins, how long it is and what is odd about it.
//
//     +------+---------+---------+-----+     what: v6, more, which datagram (2 bits), odd header
//     | what | offset  | length  | odd |     byte, option or extension header, a policy with ports,
//     +------+---------+---------+-----+     seconds go by
//
// What must hold: no buffer is lost, nothing that a policy of hosts covers leaves in clear, and
// what is protected (with NULL, so that it can be read) is the datagram that was cut: each byte of
// it tells where it belongs.
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/order.h"
#include "test/fuzz/must.h"
#include "xfrm/control.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/path/stages.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

#define RECORD 6
#define RECORDS_MAX 64
#define BUFFERS (ASSEMBLIES_MAX + 2)
#define PAYLOAD_MAX 9000
#define ICV 12

enum what {
    V6 = 1,
    MORE = 2,
    DATAGRAM_SHIFT = 2,
    DAMAGE = 16,
    LONG_HEAD = 32,
    PORTS = 64,
    LATER = 128
};

static struct {
    struct db *db;
    struct control *control;
    struct worker w;
    unsigned buffers; // of the pool
    bool damaged;     // headers say something else by now
} site;

static uint8_t pattern(unsigned datagram, uint32_t at)
{
    return (uint8_t)(datagram * 85 + at * 31 + (at >> 8));
}

// ---- what leaves ----

static void check_payload(const uint8_t *at, uint32_t n)
{
    unsigned datagram = at[0] / 85;
    for (uint32_t i = 0; i < n && !site.damaged; i++) MUST(at[i] == pattern(datagram, i));
}

static void on_send(void *ctx, struct pkt **p, unsigned n)
{
    (void)ctx;
    for (unsigned i = 0; i < n; i++) {
        struct ip_split outer = {.len = 0}; // options go in front of ESP, with all of the header
        if (p[i]->whole) MUST(ip_split(p[i]->at, p[i]->len, true, &outer));
        const uint8_t *esp = p[i]->at + outer.len, *text = esp + ESP_HEADER;
        uint32_t trail = ICV + 2, len = p[i]->len - outer.len;
        MUST(len >= ESP_HEADER + trail && len <= PKT_DATA_MAX);
        trail += esp[len - ICV - 2];
        uint8_t next = esp[len - ICV - 1];
        MUST(len >= ESP_HEADER + trail);
        uint32_t left = len - ESP_HEADER - trail;
        struct ip_split s = {.len = 0};
        bool tunnel = next == IPPROTO_IPIP || next == IPPROTO_IPV6;
        // What was damaged may be protected without being understood.
        if (tunnel && !ip_split(text, left, true, &s)) MUST(site.damaged);
        if (left > s.len) check_payload(text + s.len, left - s.len);
    }
}

static void on_bypass(void *ctx, struct pkt **p, unsigned n)
{
    (void)ctx;
    for (unsigned i = 0; i < n; i++) {
        const ip_t dst = ip_head_dst(p[i]->at);
        if (!site.damaged) MUST(dst.b[dst.family == AF_INET ? 3 : 15] == 3); // of the ports
    }
}

static void on_deliver(void *ctx, struct pkt **p, unsigned n)
{
    (void)ctx, (void)p, (void)n;
}

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    (void)ctx, (void)ev;
}

// ---- the site ----

static const char *const ends[2][2] = {{"192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8::2"}};
static const char *const port_ends[2] = {"192.0.2.3", "2001:db8::3"};

static void add_policy(unsigned v6, bool ports)
{
    struct xfrm_policy p = {.dir = XFRM_OUT,
                            .tmpl_count = 1,
                            .limit = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0}};
    MUST(prefix_parse(ends[v6][0], &p.sel.src) == ERR_OK);
    MUST(prefix_parse(ports ? port_ends[v6] : ends[v6][1], &p.sel.dst) == ERR_OK);
    p.sel.family = p.sel.src.ip.family;
    p.tmpl[0] = (struct xfrm_tmpl){.aalgos = UINT32_MAX,
                                   .ealgos = UINT32_MAX,
                                   .calgos = UINT32_MAX,
                                   .proto = XFRM_PROTO_ESP,
                                   .mode = ports ? XFRM_TUNNEL : XFRM_TRANSPORT,
                                   .family = p.sel.family};
    if (ports) { // of one datagram of the four
        p.sel.proto = IPPROTO_UDP;
        p.sel.sport = (uint16_t)(pattern(1, 0) << 8);
        p.sel.sport_mask = 0xff00;
        p.tmpl[0].saddr = p.sel.src.ip;
        MUST(ip_parse(ends[v6][1], &p.tmpl[0].daddr) == ERR_OK);
    }
    struct xfrm_api api = control_api(site.control);
    MUST(api.ops->policy_add(api.ctx, &p, false, NULL) == ERR_OK);
}

static void add_sa(unsigned v6, uint8_t mode)
{
    struct xfrm_sa x = {.spi = 0x1000 + v6 * 2 + mode,
                        .proto = XFRM_PROTO_ESP,
                        .mode = mode,
                        .pcpu = UINT32_MAX,
                        .flags = mode == XFRM_TUNNEL ? XFRM_STATE_AF_UNSPEC : 0,
                        .limit = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0},
                        .replay = {.esn_given = true, .window = 64}};
    MUST(ip_parse(ends[v6][0], &x.saddr) == ERR_OK && ip_parse(ends[v6][1], &x.daddr) == ERR_OK);
    x.family = x.daddr.family;
    strcpy(x.crypt.name, "ecb(cipher_null)");
    x.auth = (struct xfrm_alg){.key_bits = 160, .icv_bits = ICV * 8, .trunc_given = true};
    strcpy(x.auth.name, "hmac(sha1)");
    struct xfrm_api api = control_api(site.control);
    MUST(api.ops->sa_add(api.ctx, &x, NULL) == ERR_OK);
}

static void site_make(void)
{
    static const struct exits exits = {on_send, on_deliver, on_bypass, on_event, NULL, NULL, NULL};
    rcu_register_thread();
    site.db = db_new();
    MUST(site.db != NULL);
    site.control = control_new(site.db, on_event, NULL);
    MUST(site.control != NULL);
    MUST(worker_init(&site.w, site.db, &exits, BUFFERS) == ERR_OK);
    site.w.now = site.w.wall = 1;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        add_policy(v6, false);
        add_policy(v6, true);
        add_sa(v6, XFRM_TRANSPORT);
        add_sa(v6, XFRM_TUNNEL);
    }
}

// ---- one piece ----

static void write_ends(uint8_t *at, unsigned v6, bool ports)
{
    ip_t src, dst;
    MUST(ip_parse(ends[v6][0], &src) == ERR_OK);
    MUST(ip_parse(ports ? port_ends[v6] : ends[v6][1], &dst) == ERR_OK);
    memcpy(at, src.b, v6 ? 16 : 4);
    memcpy(at + (v6 ? 16 : 4), dst.b, v6 ? 16 : 4);
}

static uint32_t head4(uint8_t *at, const uint8_t *r, uint32_t n)
{
    uint32_t len = r[0] & LONG_HEAD ? 24 : 20;
    at[0] = (uint8_t)(0x40 | len / 4);
    at[1] = r[5] & 3;
    put16(at + 2, (uint16_t)(len + n));
    put16(at + 4, 0x1234 + (r[0] >> DATAGRAM_SHIFT & 3));
    put16(at + 6, (uint16_t)((get16(r + 1) & 0x1fff) | (r[0] & MORE ? 0x2000 : 0)));
    at[8] = 64;
    at[9] = IPPROTO_UDP;
    write_ends(at + 12, 0, r[0] & PORTS);
    if (len > 20) memset(at + 20, 1, 4); // no operation
    return len;
}

static uint32_t head6(uint8_t *at, const uint8_t *r, uint32_t n)
{
    uint32_t len = r[0] & LONG_HEAD ? 48 : 40;
    at[0] = 0x60;
    put16(at + 4, (uint16_t)(len - 40 + 8 + n));
    at[6] = len > 40 ? IPPROTO_HOPOPTS : IPPROTO_FRAGMENT;
    at[7] = 64;
    write_ends(at + 8, 1, r[0] & PORTS);
    static const uint8_t hop[8] = {IPPROTO_FRAGMENT, 0, 1, 4};
    if (len > 40) memcpy(at + 40, hop, sizeof hop);
    at[len] = IPPROTO_UDP;
    put16(at + len + 2, (uint16_t)((get16(r + 1) & 0x1fff) << 3 | (r[0] & MORE ? 1 : 0)));
    put32(at + len + 4, 0x12340000U + (r[0] >> DATAGRAM_SHIFT & 3));
    return len + 8;
}

static void send_piece(const uint8_t *r)
{
    uint32_t n = get16(r + 3) % PAYLOAD_MAX, from = (get16(r + 1) & 0x1fff) * 8U;
    struct pkt *p = pool_take(site.w.pool);
    MUST(p != NULL);
    memset(p->at, 0, 64);
    uint32_t head = r[0] & V6 ? head6(p->at, r, n) : head4(p->at, r, n);
    for (uint32_t i = 0; i < n; i++)
        p->at[head + i] = pattern(r[0] >> DATAGRAM_SHIFT & 3, from + i);
    p->len = head + n;
    if (r[0] & DAMAGE) {
        p->at[r[5] % head] ^= (uint8_t)(r[4] | 1);
        site.damaged = true;
    }
    struct burst b = {.n = 1, .p = {p}};
    p->born = site.w.now;
    path_out(&site.w, &b);
    MUST(b.n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    if (!site.db) {
        site_make();
        site.buffers = buffers_free(site.w.pool);
    }
    site.damaged = false;
    for (unsigned i = 0; i < RECORDS_MAX && n >= RECORD; i++, in += RECORD, n -= RECORD) {
        if (in[0] & LATER) site.w.now += (1 + (in[5] & 7)) * NSEC_PER_SEC;
        send_piece(in);
        rcu_quiescent_state();
    }
    MUST(buffers_free(site.w.pool) + assemblies_count(site.w.assemblies) +
             hold_count(site.w.hold) ==
         site.buffers);
    // What is open now is not the next input's: a minute later nothing of it is left.
    const uint8_t first[RECORD] = {MORE, 0, 0, 0, 8, 0};
    site.w.now += 60 * NSEC_PER_SEC;
    send_piece(first);
    MUST(assemblies_count(site.w.assemblies) <= 1);
    site.w.now += 60 * NSEC_PER_SEC;
    return 0;
}
