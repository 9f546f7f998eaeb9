#include "test/unit/xfrm/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/order.h"
#include "xfrm/path/ip_head.h"

#define RIG_START (1000 * NSEC_PER_SEC)
#define RIG_WALL 1700000000

// ---- what comes out ----

static void frames_add(struct frames *fs, const struct pkt *p)
{
    assert_true(fs->n < RIG_FRAMES);
    struct frame *f = &fs->f[fs->n++];
    f->at = malloc(p->len ? p->len : 1); // exact, so that a sanitizer sees every overrun
    assert_non_null(f->at);
    memcpy(f->at, p->at, p->len);
    f->len = p->len;
    f->from = p->from;
    f->to = p->to;
    f->udp = p->udp;
    f->whole = p->whole;
    f->proto = p->proto;
    f->tos = p->outer_tos;
    f->ttl = p->outer_ttl;
    f->df = p->outer_df;
    f->id = p->outer_id;
    f->label = p->outer_label;
    f->path_mtu = p->path_mtu;
    f->mark = p->mark;
}

static void frames_clear(struct frames *fs)
{
    for (unsigned i = 0; i < fs->n; i++) free(fs->f[i].at);
    fs->n = 0;
}

static void on_send(void *ctx, struct pkt **p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) frames_add(&((struct rig *)ctx)->sent, p[i]);
}

static void on_deliver(void *ctx, struct pkt **p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) frames_add(&((struct rig *)ctx)->delivered, p[i]);
}

static void on_bypass(void *ctx, struct pkt **p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) frames_add(&((struct rig *)ctx)->bypassed, p[i]);
}

static uint32_t on_link_mtu(void *ctx, const ip_t *dst, const ip_t *src)
{
    (void)dst, (void)src;
    return ((struct rig *)ctx)->link_mtu;
}

static uint32_t on_device(void *ctx, const ip_t *dst, const ip_t *src)
{
    (void)dst, (void)src;
    return ((struct rig *)ctx)->device;
}

static void on_worker_event(void *ctx, const struct xfrm_event *ev)
{
    struct rig *r = ctx;
    r->worker_events++;
    if (!r->deaf) control_worker_event(r->control, ev);
}

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    struct rig *r = ctx;
    assert_true(r->events < RIG_EVENTS);
    r->event[r->events++] = (struct rig_event){
        .kind = ev->kind,
        .hard = ev->hard,
        .proto = ev->proto,
        .seq = ev->seq,
        .spi = ev->sa ? ev->sa->spi : 0,
        .reqid = ev->sa     ? ev->sa->reqid
                 : ev->tmpl ? ev->tmpl->reqid
                            : 0,
        .index = ev->policy ? ev->policy->index : 0,
        .trigger = ev->trigger,
        .new_peer = ev->new_peer,
        .cause = ev->cause,
        .pcpu_given = ev->pcpu_given,
        .pcpu = ev->pcpu,
    };
}

static uint64_t rig_mono(void *ctx)
{
    return ((struct rig *)ctx)->mono;
}

static uint64_t rig_wall(void *ctx)
{
    return ((struct rig *)ctx)->wall;
}

// ---- the rig ----

struct rig *rig_new(void)
{
    static bool registered;
    if (!registered) rcu_register_thread();
    registered = true;

    struct rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->mono = RIG_START;
    r->wall = RIG_WALL;
    r->db = db_new();
    assert_non_null(r->db);
    r->control = control_new(r->db, on_event, r);
    assert_non_null(r->control);
    control_set_clock(r->control, (struct control_clock){rig_mono, rig_wall, r});
    r->api = control_api(r->control);
    const struct exits exits = {on_send, on_deliver,  on_bypass, on_worker_event,
                                r,       on_link_mtu, on_device};
    assert_int_equal(worker_init(&r->w, r->db, &exits, 1), ERR_OK);
    rig_pass(r, 0);
    return r;
}

void rig_free(struct rig *r)
{
    rig_clear(r);
    worker_done(&r->w);
    control_free(r->control);
    db_free(r->db);
    free(r);
}

void rig_pass(struct rig *r, uint64_t seconds)
{
    r->mono += seconds * NSEC_PER_SEC;
    r->wall += seconds;
    r->w.now = r->mono;
    r->w.wall = r->wall;
    rcu_quiescent_state();
}

void rig_clear(struct rig *r)
{
    frames_clear(&r->sent);
    frames_clear(&r->delivered);
    frames_clear(&r->bypassed);
    r->events = r->worker_events = 0;
}

// ---- SAs and policies ----

ip_t rig_ip(const char *s)
{
    ip_t ip = {0};
    assert_int_equal(ip_parse(s, &ip), ERR_OK);
    return ip;
}

static prefix_t rig_prefix(const char *s)
{
    prefix_t p = {0};
    assert_int_equal(prefix_parse(s, &p), ERR_OK);
    return p;
}

struct xfrm_lifetime rig_unlimited(void)
{
    return (struct xfrm_lifetime){.soft_bytes = XFRM_INF,
                                  .hard_bytes = XFRM_INF,
                                  .soft_packets = XFRM_INF,
                                  .hard_packets = XFRM_INF};
}

static void rig_key(struct xfrm_alg *a, const char *name, uint16_t key_bits, uint16_t icv_bits)
{
    *a = (struct xfrm_alg){.key_bits = key_bits, .icv_bits = icv_bits};
    (void)snprintf(a->name, sizeof a->name, "%s", name);
    for (unsigned i = 0; i < key_bits / 8U; i++) a->key[i] = (uint8_t)(i * 7 + 1);
}

void rig_aead(struct xfrm_sa *x, const char *name, uint16_t key_bits, uint16_t icv_bits)
{
    x->crypt = x->auth = (struct xfrm_alg){0};
    rig_key(&x->aead, name, key_bits, icv_bits);
}

void rig_crypt_auth(struct xfrm_sa *x, const char *crypt, uint16_t key_bits, const char *auth,
                    uint16_t auth_bits, uint16_t icv_bits)
{
    x->aead = (struct xfrm_alg){0};
    rig_key(&x->crypt, crypt, key_bits, 0);
    rig_key(&x->auth, auth, auth_bits, icv_bits);
    x->auth.trunc_given = icv_bits != 0;
}

void rig_esn(struct xfrm_sa *x, uint32_t window)
{
    x->flags |= XFRM_STATE_ESN;
    x->replay.esn_given = true;
    x->replay.window = window;
}

struct xfrm_sa rig_sa(const char *src, const char *dst, uint32_t spi)
{
    struct xfrm_sa x = {
        .saddr = rig_ip(src),
        .daddr = rig_ip(dst),
        .spi = spi,
        .proto = XFRM_PROTO_ESP,
        .mode = XFRM_TUNNEL,
        .flags = XFRM_STATE_AF_UNSPEC,
        .reqid = 1,
        .limit = rig_unlimited(),
        .replay = {.esn_given = true, .window = 64},
        .pcpu = UINT32_MAX,
    };
    x.family = x.daddr.family;
    rig_aead(&x, "rfc4106(gcm(aes))", 160, 128);
    return x;
}

struct xfrm_policy rig_policy(enum xfrm_dir dir, const char *src, const char *dst,
                              const char *outer_src, const char *outer_dst)
{
    struct xfrm_policy p = {
        .dir = (uint8_t)dir,
        .sel = {.src = rig_prefix(src), .dst = rig_prefix(dst)},
        .limit = rig_unlimited(),
    };
    p.sel.family = p.sel.src.ip.family;
    if (!outer_src) return p;
    p.tmpl_count = 1;
    p.tmpl[0] = (struct xfrm_tmpl){
        .saddr = rig_ip(outer_src),
        .daddr = rig_ip(outer_dst),
        .proto = XFRM_PROTO_ESP,
        .mode = XFRM_TUNNEL,
        .reqid = 1,
        .aalgos = UINT32_MAX,
        .ealgos = UINT32_MAX,
        .calgos = UINT32_MAX,
    };
    p.tmpl[0].family = p.tmpl[0].daddr.family;
    return p;
}

void rig_add_sa(struct rig *r, const struct xfrm_sa *x)
{
    struct why why = {""};
    if (r->api.ops->sa_add(r->api.ctx, x, &why) != ERR_OK) fail_msg("sa_add: %s", why.text);
}

void rig_add_policy(struct rig *r, const struct xfrm_policy *p)
{
    struct why why = {""};
    if (r->api.ops->policy_add(r->api.ctx, p, false, &why) != ERR_OK) {
        fail_msg("policy_add: %s", why.text);
    }
}

// ---- packets ----

static uint16_t checksum(const uint8_t *at, unsigned n)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < n; i += 2) sum += get16(at + i);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static uint32_t ip4_header(uint8_t *at, const ip_t *src, const ip_t *dst, uint32_t rest)
{
    memset(at, 0, 20);
    at[0] = 0x45;
    put16(at + 2, (uint16_t)(20 + rest));
    at[8] = 64;
    at[9] = 17;
    memcpy(at + 12, src->b, 4);
    memcpy(at + 16, dst->b, 4);
    put16(at + 10, checksum(at, 20));
    return 20;
}

static uint32_t ip6_header(uint8_t *at, const ip_t *src, const ip_t *dst, uint32_t rest)
{
    memset(at, 0, 40);
    at[0] = 0x60;
    put16(at + 4, (uint16_t)rest);
    at[6] = 17;
    at[7] = 64;
    memcpy(at + 8, src->b, 16);
    memcpy(at + 24, dst->b, 16);
    return 40;
}

uint32_t rig_udp(uint8_t *buf, const char *src, const char *dst, uint16_t sport, uint16_t dport,
                 uint32_t payload)
{
    ip_t s = rig_ip(src), d = rig_ip(dst);
    uint32_t rest = 8 + payload;
    uint32_t head =
        s.family == AF_INET ? ip4_header(buf, &s, &d, rest) : ip6_header(buf, &s, &d, rest);
    uint8_t *udp = buf + head;
    put16(udp, sport);
    put16(udp + 2, dport);
    put16(udp + 4, (uint16_t)rest);
    put16(udp + 6, 0);
    for (uint32_t i = 0; i < payload; i++) udp[8 + i] = (uint8_t)('a' + i % 26);
    return head + rest;
}

static struct pkt *rig_pkt(struct rig *r, const uint8_t *at, uint32_t len)
{
    struct pkt *p = pool_take(r->w.pool);
    assert_non_null(p);
    memcpy(p->at, at, len);
    p->len = len;
    return p;
}

void rig_out(struct rig *r, const uint8_t *at, uint32_t len)
{
    struct burst b = {.n = 1, .p = {rig_pkt(r, at, len)}};
    path_out(&r->w, &b);
}

// As a raw socket hands it over.
static void take_head(struct pkt *p)
{
    struct ip_split s;
    if (!ip_split(p->at, p->len, true, &s)) return;
    p->head = p->at;
    p->head_len = s.len;
    p->at += s.len;
    p->len -= s.len;
    p->proto = s.next;
    p->outer_tos = ip_head_tos(p->head);
    p->outer_ttl = ip_is_v6(p->head) ? p->head[7] : p->head[8];
    p->from = (endpoint_t){.ip = ip_head_src(p->head)};
    p->to = (endpoint_t){.ip = ip_head_dst(p->head)};
}

void rig_in(struct rig *r, const struct frame *f)
{
    struct burst b = {.n = 1, .p = {rig_pkt(r, f->at, f->len)}};
    b.p[0]->from = f->from;
    b.p[0]->to = f->to;
    b.p[0]->udp = f->udp;
    b.p[0]->outer_tos = f->tos;
    b.p[0]->outer_ttl = f->ttl;
    b.p[0]->outer_label = f->label;
    b.p[0]->proto = f->proto;
    if (f->whole) take_head(b.p[0]);
    path_in(&r->w, &b);
}

uint64_t rig_drops(const struct rig *r, enum drop d)
{
    return r->w.drops[d];
}

uint64_t rig_all_drops(const struct rig *r)
{
    uint64_t n = 0;
    for (unsigned d = 0; d < DROP_COUNT; d++) n += r->w.drops[d];
    return n;
}
