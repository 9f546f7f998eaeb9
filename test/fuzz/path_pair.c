#include "test/fuzz/path_pair.h"
#include "test/fuzz/must.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/path/ip_head.h"

#define SPI 0x1000
#define ESP XFRM_PROTO_ESP
#define AH XFRM_PROTO_AH
#define COMP XFRM_PROTO_COMP

// ---- the kinds ----

enum { V4 = 0, V6 = 1 };

struct layer {
    uint8_t proto, mode, v6;
    uint8_t alg; // into algs
    bool udp, esn;
    uint8_t flags, extra;
    uint32_t tfc;
};

struct kind {
    uint8_t inner;                   // family of what is protected
    uint8_t only;                    // policies take this protocol only
    struct layer layer[PAIR_LAYERS]; // the innermost first; proto 0: no more
};

static const struct {
    const char *aead, *crypt, *auth;
    uint16_t key_bits, auth_bits, icv_bits;
} algs[] = {
    {"rfc4106(gcm(aes))", NULL, NULL, 160, 0, 128},
    {"rfc4106(gcm(aes))", NULL, NULL, 288, 0, 64},
    {"rfc4106(gcm(aes))", NULL, NULL, 224, 0, 96},
    {"rfc4309(ccm(aes))", NULL, NULL, 152, 0, 64},
    {"rfc4309(ccm(aes))", NULL, NULL, 280, 0, 128},
    {"rfc4543(gcm(aes))", NULL, NULL, 160, 0, 128},
    {"rfc7539esp(chacha20,poly1305)", NULL, NULL, 288, 0, 128},
    {NULL, "cbc(aes)", "hmac(sha256)", 128, 256, 128},
    {NULL, "cbc(aes)", "hmac(sha512)", 256, 512, 256},
    {NULL, "rfc3686(ctr(aes))", "hmac(sha384)", 160, 384, 192},
    {NULL, "cbc(camellia)", "xcbc(aes)", 192, 128, 96},
    {NULL, "ecb(cipher_null)", "cmac(aes)", 0, 128, 96},
    {NULL, "cbc(des3_ede)", "hmac(sha1)", 192, 160, 96},
    {NULL, NULL, "hmac(sha256)", 0, 256, 128},
    {NULL, NULL, "hmac(sha1)", 0, 160, 96},
    {NULL, NULL, "cmac(aes)", 0, 128, 96},
};
enum { NO_ALG = 0, GCM = 0, CBC = 7, AH_256 = 13, AH_SHA1, AH_CMAC };

#define L(p, m, f, a, ...)                                    \
    {                                                         \
        .proto = p, .mode = m, .v6 = f, .alg = a, __VA_ARGS__ \
    }
static const struct kind kinds[] = {
    // tunnel: each transform once, families mixed
    {V4, 0, {L(ESP, XFRM_TUNNEL, V4, 0)}},
    {V6, 0, {L(ESP, XFRM_TUNNEL, V6, 1, .esn = true)}},
    {V6, 0, {L(ESP, XFRM_TUNNEL, V4, 2)}},
    {V4, 0, {L(ESP, XFRM_TUNNEL, V6, 3)}},
    {V4, 0, {L(ESP, XFRM_TUNNEL, V4, 4, .flags = XFRM_STATE_NOECN)}},
    {V4, 0, {L(ESP, XFRM_TUNNEL, V4, 5, .esn = true)}},
    {V6, 0, {L(ESP, XFRM_TUNNEL, V4, 6, .udp = true)}},
    {V4, 0, {L(ESP, XFRM_TUNNEL, V4, 7, .flags = XFRM_STATE_DECAP_DSCP)}},
    {V6, 0, {L(ESP, XFRM_TUNNEL, V6, 8, .esn = true)}},
    {V4, 0, {L(ESP, XFRM_TUNNEL, V4, 9, .extra = 1)}},
    {V4, 0, {L(ESP, XFRM_TUNNEL, V4, 10)}},
    {V4, 0, {L(ESP, XFRM_TUNNEL, V4, 11, .udp = true)}},
    {V4, 0, {L(ESP, XFRM_TUNNEL, V4, 12)}},
    {V4, 0, {L(ESP, XFRM_TUNNEL, V4, GCM, .tfc = 1000)}},
    {V6, 0, {L(ESP, XFRM_TUNNEL, V6, CBC, .tfc = 300)}},
    {V4, IPPROTO_UDP, {L(ESP, XFRM_TUNNEL, V4, GCM)}},
    {V6, IPPROTO_TCP, {L(ESP, XFRM_TUNNEL, V6, GCM)}},
    // transport
    {V4, 0, {L(ESP, XFRM_TRANSPORT, V4, GCM)}},
    {V6, 0, {L(ESP, XFRM_TRANSPORT, V6, CBC, .esn = true)}},
    {V4, 0, {L(ESP, XFRM_TRANSPORT, V4, GCM, .udp = true)}},
    {V6, 0, {L(ESP, XFRM_TRANSPORT, V6, 6, .udp = true)}},
    {V4, IPPROTO_TCP, {L(ESP, XFRM_TRANSPORT, V4, 9)}},
    // BEET
    {V4, 0, {L(ESP, XFRM_BEET, V4, GCM)}},
    {V6, 0, {L(ESP, XFRM_BEET, V6, CBC)}},
    {V4, 0, {L(ESP, XFRM_BEET, V6, GCM, .esn = true)}},
    {V6, 0, {L(ESP, XFRM_BEET, V4, 6, .udp = true)}},
    // AH
    {V4, 0, {L(AH, XFRM_TRANSPORT, V4, AH_256)}},
    {V6, 0, {L(AH, XFRM_TRANSPORT, V6, AH_SHA1, .esn = true)}},
    {V4, 0, {L(AH, XFRM_TUNNEL, V4, AH_CMAC, .esn = true)}},
    {V4, 0, {L(AH, XFRM_TUNNEL, V6, AH_256)}},
    {V6, 0, {L(AH, XFRM_TUNNEL, V6, AH_SHA1)}},
    {V4, 0, {L(AH, XFRM_BEET, V4, AH_SHA1)}},
    {V6, 0, {L(AH, XFRM_BEET, V6, AH_256)}},
    // around each other
    {V4, 0, {L(ESP, XFRM_TRANSPORT, V4, GCM), L(AH, XFRM_TRANSPORT, V4, AH_256)}},
    {V6, 0, {L(ESP, XFRM_TRANSPORT, V6, CBC), L(AH, XFRM_TRANSPORT, V6, AH_SHA1)}},
    {V4, 0, {L(ESP, XFRM_TUNNEL, V4, GCM), L(AH, XFRM_TRANSPORT, V4, AH_256)}},
    {V4, 0, {L(ESP, XFRM_TUNNEL, V4, GCM), L(ESP, XFRM_TUNNEL, V6, CBC, .esn = true)}},
    {V6, 0, {L(AH, XFRM_TUNNEL, V4, AH_256), L(ESP, XFRM_TUNNEL, V4, 6)}},
    {V6,
     0,
     {L(ESP, XFRM_TUNNEL, V6, GCM), L(ESP, XFRM_TRANSPORT, V6, CBC),
      L(AH, XFRM_TRANSPORT, V6, AH_SHA1)}},
    // IPComp alone and inside ESP
    {V4, 0, {L(COMP, XFRM_TUNNEL, V4, NO_ALG)}},
    {V6, 0, {L(COMP, XFRM_TUNNEL, V4, NO_ALG)}},
    {V6, 0, {L(COMP, XFRM_TRANSPORT, V6, NO_ALG)}},
    {V4, 0, {L(COMP, XFRM_TUNNEL, V4, NO_ALG), L(ESP, XFRM_TRANSPORT, V4, GCM)}},
    {V6, 0, {L(COMP, XFRM_TUNNEL, V6, NO_ALG), L(ESP, XFRM_TRANSPORT, V6, CBC, .esn = true)}},
    {V4, 0, {L(COMP, XFRM_TUNNEL, V4, NO_ALG), L(ESP, XFRM_TRANSPORT, V4, 6, .udp = true)}},
    {V4, 0, {L(COMP, XFRM_TRANSPORT, V4, NO_ALG), L(ESP, XFRM_TRANSPORT, V4, GCM)}},
    {V6,
     0,
     {L(COMP, XFRM_TRANSPORT, V6, NO_ALG), L(ESP, XFRM_TRANSPORT, V6, GCM),
      L(AH, XFRM_TRANSPORT, V6, AH_256)}},
};
#define KINDS (sizeof kinds / sizeof *kinds)

// ---- SAs and policies of a kind ----

static const char *const outer[2][PAIR_LAYERS][2] = {
    {{"192.0.2.1", "192.0.2.2"}, {"192.0.2.1", "192.0.2.2"}, {"192.0.2.1", "192.0.2.2"}},
    {{"2001:db8::1", "2001:db8::2"},
     {"2001:db8::1", "2001:db8::2"},
     {"2001:db8::1", "2001:db8::2"}},
};
static const char *const nets[2][2] = {{"10.1.0.0/16", "10.2.0.0/16"}, {"fd01::/16", "fd02::/16"}};
static const char *const singles[2][2] = {{"10.1.0.1/32", "10.2.0.1/32"},
                                          {"fd01::1/128", "fd02::1/128"}};
static const char *const hosts[2][2] = {{"192.0.2.1/32", "192.0.2.2/32"},
                                        {"2001:db8::1/128", "2001:db8::2/128"}};

static void set_alg(struct xfrm_alg *a, const char *name, uint16_t key_bits, uint16_t icv_bits)
{
    if (!name) return;
    *a = (struct xfrm_alg){.key_bits = key_bits, .icv_bits = icv_bits, .trunc_given = true};
    (void)snprintf(a->name, sizeof a->name, "%s", name);
    for (unsigned i = 0; i < key_bits / 8U; i++) a->key[i] = (uint8_t)(i * 7 + 1);
}

static struct xfrm_sa sa_of(const struct kind *k, unsigned i)
{
    const struct layer *l = &k->layer[i];
    struct xfrm_sa x = {.spi = SPI + i,
                        .proto = l->proto,
                        .mode = l->mode,
                        .flags = l->flags | (l->esn ? XFRM_STATE_ESN : 0),
                        .extra_flags = l->extra,
                        .tfcpad = l->tfc,
                        .reqid = i + 1,
                        .pcpu = UINT32_MAX,
                        .limit = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0},
                        .replay = {.esn_given = true, .window = 64}};
    MUST(ip_parse(outer[l->v6][i][0], &x.saddr) == ERR_OK);
    MUST(ip_parse(outer[l->v6][i][1], &x.daddr) == ERR_OK);
    x.family = x.daddr.family;
    if (l->mode == XFRM_TUNNEL) x.flags |= XFRM_STATE_AF_UNSPEC;
    if (l->proto == COMP) {
        x.replay = (struct xfrm_replay){0};
        (void)snprintf(x.comp, sizeof x.comp, "deflate");
    }
    if (l->udp) x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4500};
    if (l->mode == XFRM_BEET) {
        MUST(prefix_parse(singles[k->inner][0], &x.sel.src) == ERR_OK);
        MUST(prefix_parse(singles[k->inner][1], &x.sel.dst) == ERR_OK);
        x.sel.family = x.sel.src.ip.family;
    }
    if (l->proto == COMP) return x;
    set_alg(&x.aead, algs[l->alg].aead, algs[l->alg].key_bits, algs[l->alg].icv_bits);
    set_alg(&x.crypt, algs[l->alg].crypt, algs[l->alg].key_bits, 0);
    set_alg(&x.auth, algs[l->alg].auth, algs[l->alg].auth_bits, algs[l->alg].icv_bits);
    return x;
}

static struct xfrm_policy policy_of(const struct kind *k, const struct pair *p, uint8_t dir)
{
    struct xfrm_policy c = {.dir = dir,
                            .sel = {.family = p->src.ip.family,
                                    .src = p->src,
                                    .dst = p->dst,
                                    .proto = k->only,
                                    .dport = 5001,
                                    .dport_mask = k->only ? UINT16_MAX : 0},
                            .limit = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0}};
    for (; c.tmpl_count < PAIR_LAYERS && k->layer[c.tmpl_count].proto; c.tmpl_count++) {
        struct xfrm_sa x = sa_of(k, c.tmpl_count);
        struct xfrm_tmpl *t = &c.tmpl[c.tmpl_count];
        *t = (struct xfrm_tmpl){.aalgos = UINT32_MAX,
                                .ealgos = UINT32_MAX,
                                .calgos = UINT32_MAX,
                                .proto = x.proto,
                                .mode = x.mode,
                                .family = x.family,
                                .reqid = x.reqid,
                                // not everything shrinks
                                .optional = x.proto == COMP && dir == XFRM_IN};
        if (x.mode == XFRM_TRANSPORT) continue;
        t->saddr = x.saddr;
        t->daddr = x.daddr;
    }
    return c;
}

// ---- sites ----

// A packet that is sent whole has its head in front of `at`, and counted, by now.
static void on_leave(void *ctx, struct pkt **p, unsigned n)
{
    struct frames *out = ((struct site *)ctx)->out;
    for (unsigned i = 0; i < n; i++) {
        if (out->n == PAIR_FRAMES || p[i]->len > sizeof out->f[0].at) {
            out->lost++;
            continue;
        }
        struct frame *f = &out->f[out->n++];
        memcpy(f->at, p[i]->at, p[i]->len);
        f->len = p[i]->len;
        f->from = p[i]->from;
        f->to = p[i]->to;
        f->udp = p[i]->udp;
        f->whole = p[i]->whole;
        f->proto = p[i]->proto;
        f->tos = p[i]->outer_tos;
    }
}

static void on_bypass(void *ctx, struct pkt **p, unsigned n)
{
    (void)p;
    ((struct site *)ctx)->clear += n;
}

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    (void)ctx, (void)ev;
}

static struct worker workers[2];
static struct frames outs[2];

static void site_make(struct site *s)
{
    s->db = db_new();
    s->control = s->db ? control_new(s->db, on_event, NULL) : NULL;
    MUST(s->control != NULL);
    control_allow_legacy(s->control);
}

// The worker of this place works for this site now.
static void site_staff(struct site *s, unsigned place)
{
    const struct exits exits = {on_leave, on_leave, on_bypass, on_event, s, NULL, NULL};
    struct worker *w = &workers[place];
    if (!w->pool) MUST(worker_init(w, s->db, &exits, 1) == ERR_OK);
    w->db = s->db;
    w->exits = exits;
    w->now = w->wall = 1;
    s->w = w;
    s->out = &outs[place];
    s->out->n = s->out->lost = 0;
    s->clear = 0;
}

// Is something authenticated, and do no addresses change on the way?
static bool is_proven(const struct kind *k)
{
    bool proven = false;
    for (unsigned i = 0; i < PAIR_LAYERS; i++) {
        const struct layer *l = &k->layer[i];
        proven |= l->proto == ESP || l->proto == AH;
        if (l->udp && l->mode == XFRM_TRANSPORT) return false; // its checksums are made anew
    }
    return proven;
}

static void pair_make(struct pair *p, const struct kind *k)
{
    uint8_t mode = k->layer[0].mode;
    const char *const *ends = mode == XFRM_TUNNEL ? nets[k->inner]
                              : mode == XFRM_BEET ? singles[k->inner]
                                                  : hosts[k->inner];
    site_make(&p->moon);
    site_make(&p->sun);
    MUST(prefix_parse(ends[0], &p->src) == ERR_OK && prefix_parse(ends[1], &p->dst) == ERR_OK);
    p->ends = (struct ip_gram){.src = p->src.ip, .dst = p->dst.ip};
    p->ends.src.b[ip_len(p->src.ip.family) - 1] |= 1;
    if (mode != XFRM_TRANSPORT) p->ends.dst.b[ip_len(p->dst.ip.family) - 1] |= 1;
    p->only = k->only;
    p->tunnel = mode == XFRM_TUNNEL;
    p->proven = is_proven(k);
    struct xfrm_api moon = control_api(p->moon.control), sun = control_api(p->sun.control);
    struct xfrm_policy out = policy_of(k, p, XFRM_OUT), in = policy_of(k, p, XFRM_IN);
    MUST(moon.ops->policy_add(moon.ctx, &out, false, NULL) == ERR_OK);
    MUST(sun.ops->policy_add(sun.ctx, &in, false, NULL) == ERR_OK);
    for (unsigned i = 0; i < out.tmpl_count; i++) {
        struct xfrm_sa x = sa_of(k, i);
        MUST(moon.ops->sa_add(moon.ctx, &x, NULL) == ERR_OK);
        MUST(sun.ops->sa_add(sun.ctx, &x, NULL) == ERR_OK);
    }
}

static void site_renew(struct site *s, unsigned place)
{
    struct sa *sa;
    cds_list_for_each_entry(sa, sad_all(s->db->sad), all)
    {
        const uint32_t window = sa->replay.size;
        replay_done(&sa->replay);
        MUST(replay_init(&sa->replay, window) == ERR_OK);
        sa->next_seq = 1;
    }
    site_staff(s, place);
}

unsigned pair_kinds(void)
{
    return KINDS;
}

struct pair *pair_get(unsigned kind)
{
    static struct pair *pairs[KINDS];
    struct pair **p = &pairs[kind % KINDS];
    if (!*p) {
        *p = calloc(1, sizeof **p);
        MUST(*p != NULL);
        pair_make(*p, &kinds[kind % KINDS]);
    }
    site_renew(&(*p)->moon, 0);
    site_renew(&(*p)->sun, 1);
    return *p;
}

uint64_t site_drops(const struct site *s)
{
    uint64_t n = 0;
    for (unsigned d = 0; d < DROP_COUNT; d++) n += s->w->drops[d];
    return n;
}

// As raw sockets do: IPv4 leaves its header in front, IPv6 takes it off.
static void take_head(struct pkt *p)
{
    bool v6 = p->at[0] >> 4 == 6;
    struct ip_split s;
    if (!ip_split(p->at, p->len, true, &s)) {
        p->at += p->len;
        p->len = 0;
        return;
    }
    if (!v6 || s.len > IP6_HEADER) p->head = p->at;
    p->head_len = p->head ? s.len : 0;
    p->at += s.len;
    p->len -= s.len;
}

struct pkt *site_arrival(struct site *s, const struct frame *f)
{
    struct pkt *p = pool_take(s->w->pool);
    MUST(p != NULL); // a buffer that was lost is missed sooner or later
    memcpy(p->at, f->at, f->len);
    p->len = f->len;
    p->from = f->from;
    p->to = f->to;
    p->udp = f->udp;
    p->outer_tos = f->tos;
    p->proto = f->proto;
    if (f->whole && f->len > 0) take_head(p);
    return p;
}
