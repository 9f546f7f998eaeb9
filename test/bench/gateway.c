#include "test/bench/gateway.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/order.h"

#define OUR_ADDRESS 0xac100001U  // 172.16.0.1
#define PEER_ADDRESS 0x64000001U // 100.0.0.1 and on
#define HOST_ADDRESS 0xc0a80101U // 192.168.1.1, the sender of all inner packets
#define NET_ADDRESS 0x0a000001U  // 10.0.0.1 and on, what is behind the tunnels
#define FIRST_SPI 0x1000
#define RESIZE_MS 200 // the tables grow in a thread of their own

const struct bench_alg bench_algs[] = {
    {"AES-128-GCM", "rfc4106(gcm(aes))", 160},
    {"AES-256-GCM", "rfc4106(gcm(aes))", 288},
    {"ChaCha20-Poly1305", "rfc7539esp(chacha20,poly1305)", 288},
    {"AES-128-CBC + HMAC-SHA-256", NULL, 128},
    {NULL, NULL, 0},
};

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "path_bench: %s: %s\n", what, why);
    exit(1);
}

static void must(err_t e, const struct why *why, const char *what)
{
    if (e != ERR_OK) die(what, why->text[0] ? why->text : err_text(e));
}

static ip_t ip4(uint32_t address)
{
    uint8_t bytes[4];
    put32(bytes, address);
    return ip_from(AF_INET, bytes);
}

// ---- tunnels ----

static void key_make(struct xfrm_alg *a, const char *name, unsigned key_bits, unsigned i)
{
    *a = (struct xfrm_alg){.key_bits = (uint16_t)key_bits};
    (void)snprintf(a->name, sizeof a->name, "%s", name);
    for (unsigned k = 0; k < key_bits / 8; k++) a->key[k] = (uint8_t)(k * 7 + i * 13 + (i >> 8));
}

static struct xfrm_lifetime unlimited(void)
{
    return (struct xfrm_lifetime){.soft_bytes = XFRM_INF,
                                  .hard_bytes = XFRM_INF,
                                  .soft_packets = XFRM_INF,
                                  .hard_packets = XFRM_INF};
}

static struct xfrm_sa sa_of(const struct gateway_conf *c, unsigned i, bool out)
{
    const ip_t us = ip4(OUR_ADDRESS), peer = ip4(PEER_ADDRESS + i);
    struct xfrm_sa x = {
        .saddr = out ? us : peer,
        .daddr = out ? peer : us,
        .spi = FIRST_SPI + i,
        .family = AF_INET,
        .proto = XFRM_PROTO_ESP,
        .mode = XFRM_TUNNEL,
        .flags = XFRM_STATE_AF_UNSPEC,
        .reqid = i + 1,
        .limit = unlimited(),
        .replay = {.esn_given = true, .window = 64},
        .encap = {.type = 2, .sport = 4500, .dport = 4500},
        .pcpu = UINT32_MAX,
    };
    if (c->alg->aead) {
        key_make(&x.aead, c->alg->aead, c->alg->key_bits, i);
        x.aead.icv_bits = 128;
    } else {
        key_make(&x.crypt, "cbc(aes)", c->alg->key_bits, i);
        key_make(&x.auth, "hmac(sha256)", 256, i);
        x.auth.icv_bits = 128;
        x.auth.trunc_given = true;
    }
    return x;
}

static void selector_make(const struct gateway_conf *c, unsigned i, struct xfrm_policy *p)
{
    static const uint8_t src_len[4] = {32, 24, 16, 8}, dst_len[4] = {32, 30, 28, 24};
    uint8_t src = 16, dst = 32;
    p->priority = 1000;
    if (c->set == SET_OVERLAP) {
        src = src_len[i / 4 % 4];
        dst = dst_len[i % 4];
        p->priority = i * 2654435761U >> 20;
    } else if (c->set == SET_PAIRS) {
        src = (uint8_t)(i % 33);
        dst = (uint8_t)(i / 33 % 33);
        p->priority = 1000U - src - dst; // the narrower the better: no tuple can be passed over
    }
    p->sel = (struct xfrm_selector){
        .family = AF_INET,
        .src = {ip4(HOST_ADDRESS), src},
        .dst = {ip4(NET_ADDRESS + i), dst},
    };
}

static struct xfrm_policy policy_of(const struct gateway_conf *c, unsigned i, enum xfrm_dir dir)
{
    const ip_t us = ip4(OUR_ADDRESS), peer = ip4(PEER_ADDRESS + i);
    bool out = dir == XFRM_OUT;
    struct xfrm_policy p = {
        .dir = (uint8_t)dir,
        .limit = unlimited(),
        .tmpl_count = 1,
        .tmpl[0] = {.saddr = out ? us : peer,
                    .daddr = out ? peer : us,
                    .proto = XFRM_PROTO_ESP,
                    .mode = XFRM_TUNNEL,
                    .family = AF_INET,
                    .reqid = i + 1,
                    .aalgos = ~0U,
                    .ealgos = ~0U,
                    .calgos = ~0U},
    };
    selector_make(c, i, &p);
    return p;
}

static void add_policy(struct side *s, const struct xfrm_policy *p)
{
    struct why why = {0};
    struct xfrm_api api = control_api(s->control);
    err_t e = api.ops->policy_add(api.ctx, p, true, &why);
    must(e, &why, "policy");
}

static void add_sa(struct side *s, const struct xfrm_sa *x)
{
    struct why why = {0};
    struct xfrm_api api = control_api(s->control);
    must(api.ops->sa_add(api.ctx, x, &why), &why, "SA");
}

static void load(struct gateway *g)
{
    unsigned n = g->conf.tunnels;
    uint64_t before = memory_used();
    for (unsigned i = 0; i < n; i++) {
        struct xfrm_sa out = sa_of(&g->conf, i, true), in = sa_of(&g->conf, i, false);
        add_sa(&g->near, &out);
        add_sa(&g->far, &in);
    }
    uint64_t between = memory_used();
    for (unsigned i = 0; i < n; i++) {
        struct xfrm_policy out = policy_of(&g->conf, i, XFRM_OUT);
        struct xfrm_policy in = policy_of(&g->conf, i, XFRM_IN);
        struct xfrm_policy fwd = policy_of(&g->conf, i, XFRM_FWD);
        add_policy(&g->near, &out);
        add_policy(&g->far, &in);
        add_policy(&g->far, &fwd);
    }
    g->sa_bytes = (double)(between - before) / (2.0 * n);
    g->policy_bytes = (double)(memory_used() - between) / (3.0 * n);
}

// ---- exits ----

static void near_send(void *ctx, struct pkt **p, unsigned n)
{
    struct gateway *g = ctx;
    for (unsigned i = 0; i < n && g->sent < BURST_MAX; i++) {
        g->frame[g->sent].at = p[i]->at;
        g->frame[g->sent++].len = p[i]->len;
    }
}

static void far_deliver(void *ctx, struct pkt **p, unsigned n)
{
    (void)ctx, (void)p, (void)n;
}

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    (void)ctx, (void)ev;
}

// ---- coming and going ----

static void side_new(struct side *s, struct gateway *g)
{
    const struct exits exits = {near_send, far_deliver, far_deliver, on_event, g, NULL, NULL};
    s->db = db_new();
    s->control = s->db ? control_new(s->db, on_event, NULL) : NULL;
    if (!s->control || worker_init(&s->w, s->db, &exits, 1) != ERR_OK)
        die("gateway", "out of memory");
}

static void side_free(struct side *s)
{
    worker_done(&s->w);
    control_free(s->control);
    db_free(s->db);
}

struct gateway *gateway_new(const struct gateway_conf *conf)
{
    struct gateway *g = calloc(1, sizeof *g);
    if (!g) die("gateway", "out of memory");
    g->conf = *conf;
    g->random = 1;
    side_new(&g->near, g);
    side_new(&g->far, g);
    load(g);
    rcu_thread_offline();
    (void)poll(NULL, 0, RESIZE_MS);
    rcu_thread_online();
    return g;
}

void gateway_free(struct gateway *g)
{
    side_free(&g->near);
    side_free(&g->far);
    free(g);
}

// ---- a burst ----

static void inner_make(struct pkt *p, unsigned tunnel, uint32_t size)
{
    memset(p->at, 0, 28);
    p->at[0] = 0x45;
    put16(p->at + 2, (uint16_t)size);
    p->at[8] = 63;
    p->at[9] = IPPROTO_UDP;
    put32(p->at + 12, HOST_ADDRESS);
    put32(p->at + 16, NET_ADDRESS + tunnel);
    put16(p->at + 20, 1024);
    put16(p->at + 22, 53);
    memset(p->at + 28, 'x', size - 28);
    p->len = size;
}

// Which tunnel is next: a linear congruence, whose upper bits are random enough.
static unsigned tunnel_pick(struct gateway *g)
{
    g->random = g->random * 1664525U + 1013904223U;
    return (unsigned)((uint64_t)g->random * g->conf.tunnels >> 32);
}

static void inner_burst(struct gateway *g, uint32_t size, unsigned train)
{
    unsigned tunnel = 0;
    for (g->burst.n = 0; g->burst.n < BURST_MAX; g->burst.n++) {
        if (g->burst.n % train == 0) tunnel = tunnel_pick(g);
        struct pkt *p = pool_take(g->near.w.pool);
        if (!p) die("near side", "a packet has got lost");
        inner_make(p, tunnel, size);
        g->burst.p[g->burst.n] = p;
    }
    g->sent = 0;
}

static void carry(struct gateway *g)
{
    for (g->burst.n = 0; g->burst.n < g->sent; g->burst.n++) {
        struct pkt *p = pool_take(g->far.w.pool);
        if (!p) die("far side", "a packet has got lost");
        p->len = g->frame[g->burst.n].len;
        memcpy(p->at, g->frame[g->burst.n].at, p->len);
        p->to = (endpoint_t){ip4(OUR_ADDRESS), 4500};
        p->from = (endpoint_t){ip4(PEER_ADDRESS + get32(p->at) - FIRST_SPI), 4500};
        p->udp = true;
        g->burst.p[g->burst.n] = p;
    }
}

static void walk_by_stage(struct side *s, const struct stage *path, struct burst *b)
{
    for (unsigned i = 0; path[i].name && i < STAGES_MAX; i++) {
        uint64_t from = ticks();
        path[i].run(&s->w, b);
        s->stage[i] = ticks() - from;
    }
    for (unsigned i = 0; i < b->n; i++) {
        if (b->p[i]->drop) die("a packet was dropped", drop_word(b->p[i]->drop));
        pool_give(s->w.pool, b->p[i]);
    }
}

// What a worker does for a burst between receiving and sending.
static void walk(struct side *s, bool out, struct burst *b, bool by_stage)
{
    uint64_t from = ticks();
    s->w.now = clock_mono();
    s->w.wall = clock_wall();
    if (by_stage)
        walk_by_stage(s, out ? outbound : inbound, b);
    else if (out)
        path_out(&s->w, b);
    else
        path_in(&s->w, b);
    rcu_quiescent_state();
    s->spent = ticks() - from;
}

static void nothing_dropped(const struct worker *w)
{
    for (unsigned d = 0; d < DROP_COUNT; d++) {
        if (w->drops[d]) die("a packet was dropped", drop_word((enum drop)d));
    }
}

void gateway_run(struct gateway *g, uint32_t size, unsigned train, bool by_stage)
{
    inner_burst(g, size, train);
    walk(&g->near, true, &g->burst, by_stage);
    carry(g);
    if (g->burst.n != BURST_MAX) die("near side", "not every packet was sent");
    walk(&g->far, false, &g->burst, by_stage);
    nothing_dropped(&g->near.w);
    nothing_dropped(&g->far.w);
}
