// The inbound packet path under arbitrary input, from two sides:
//
//   a stranger's   the input is the datagram (with or without an SPI that exists)
//   a peer's       the input is the plaintext; it is sealed with the right key, so that the
//                  trailer, the inner headers and the checks behind decryption are reached
//
// The SAs are of every mode and protocol; AH goes inside a header of our making, or (trailed) in
// the one that the input begins with.
//
//     +------+----+-----+-------+----------
//     | mode | SA | TOS | trail | rest
//     +------+----+-----+-------+----------
//
// What must hold: the burst ends empty, no buffer is lost, and whatever is delivered is a
// well-formed packet from the agreed network, no longer than what IPComp may make of it.
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "test/fuzz/must.h"
#include "xfrm/control.h"
#include "xfrm/path/comp.h"
#include "xfrm/path/ip_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

#define HEADER 4
#define SAS 16
#define SPI 0x1000 // of the first SA
// What may be delivered: IPComp may be inside any other, and a header may be put back.
#define LONGEST (COMP_INFLATED_MAX + IP_HEAD_MAX)

enum mode { MODE_STRANGER = 0, MODE_SPI_KNOWN = 1, MODE_PEER = 2, MODE_PEER_TRAILED = 3 };

static struct {
    struct db *db;
    struct control *control;
    struct worker w;
    ip_t hosts[2]; // the peer's own addresses
} site;

// ---- the site ----

static void on_send(void *ctx, struct pkt **p, unsigned n)
{
    (void)ctx, (void)p;
    MUST(n == 0); // nothing leaves on the way in
}

static void on_deliver(void *ctx, struct pkt **p, unsigned n)
{
    (void)ctx;
    static const uint8_t net6[2] = {0xfd, 0x01};
    for (unsigned i = 0; i < n; i++) {
        struct pkt copy = *p[i];
        MUST(copy.len >= 20 && copy.len <= LONGEST);
        MUST(flow_read(&copy) && copy.len == p[i]->len);
        const ip_t *src = &copy.flow.src;
        bool agreed = src->family == AF_INET ? src->b[0] == 10 && src->b[1] == 1
                                             : memcmp(src->b, net6, 2) == 0;
        MUST(agreed || ip_eq(src, &site.hosts[src->family == AF_INET6])); // transport mode
    }
}

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    (void)ctx, (void)ev;
}

// `kinds`: how many of the templates below it has, all optional if there are several, as transport
// mode allows.
static void add_policy(uint16_t family, const char *src, const char *dst, unsigned kinds)
{
    struct xfrm_policy p = {.dir = XFRM_IN, .tmpl_count = kinds, .sel = {.family = family}};
    MUST(prefix_parse(src, &p.sel.src) == ERR_OK && prefix_parse(dst, &p.sel.dst) == ERR_OK);
    p.tmpl[0] = (struct xfrm_tmpl){.aalgos = UINT32_MAX,
                                   .ealgos = UINT32_MAX,
                                   .calgos = UINT32_MAX,
                                   .proto = XFRM_PROTO_ESP,
                                   .mode = XFRM_TUNNEL,
                                   .family = AF_INET};
    for (unsigned i = 0; kinds > 1 && i < kinds; i++) {
        static const uint8_t mode[3] = {XFRM_BEET, XFRM_TUNNEL, XFRM_TRANSPORT};
        p.tmpl[i] = (struct xfrm_tmpl){.aalgos = UINT32_MAX,
                                       .ealgos = UINT32_MAX,
                                       .calgos = UINT32_MAX,
                                       .proto = i < 3 ? XFRM_PROTO_ESP : XFRM_PROTO_AH,
                                       .mode = mode[i % 3],
                                       .family = family,
                                       .optional = 1};
    }
    struct xfrm_api api = control_api(site.control);
    MUST(api.ops->policy_add(api.ctx, &p, false, NULL) == ERR_OK);
}

static void set_alg(struct xfrm_alg *a, const char *name, uint16_t key_bits, uint16_t icv_bits)
{
    *a = (struct xfrm_alg){.key_bits = key_bits, .icv_bits = icv_bits, .trunc_given = true};
    strcpy(a->name, name);
    memset(a->key, 0x42, key_bits / 8);
}

// Of each SA: its mode, the outer family, and what else is said about it.
static const struct {
    uint8_t proto, mode;
    bool v6, udp;
    const char *inner; // BEET: the inner source; the destination is its neighbour
    uint8_t flags;
} kinds[SAS] = {
    {.proto = XFRM_PROTO_ESP, .mode = XFRM_TUNNEL},
    {.proto = XFRM_PROTO_ESP, .mode = XFRM_TUNNEL, .flags = XFRM_STATE_ESN | XFRM_STATE_DECAP_DSCP},
    {.proto = XFRM_PROTO_ESP, .mode = XFRM_TUNNEL},
    {.proto = XFRM_PROTO_ESP, .mode = XFRM_TUNNEL},
    {.proto = XFRM_PROTO_ESP, .mode = XFRM_TUNNEL, .udp = true},
    {.proto = XFRM_PROTO_ESP, .mode = XFRM_TUNNEL, .v6 = true},
    {.proto = XFRM_PROTO_ESP, .mode = XFRM_TRANSPORT, .udp = true},
    {.proto = XFRM_PROTO_ESP, .mode = XFRM_TRANSPORT, .v6 = true},
    {.proto = XFRM_PROTO_ESP, .mode = XFRM_BEET, .inner = "fd01::1"},
    {.proto = XFRM_PROTO_ESP, .mode = XFRM_BEET, .v6 = true, .inner = "10.1.0.1"},
    {.proto = XFRM_PROTO_AH, .mode = XFRM_TRANSPORT},
    {.proto = XFRM_PROTO_AH, .mode = XFRM_TRANSPORT, .v6 = true},
    {.proto = XFRM_PROTO_AH, .mode = XFRM_TUNNEL},
    {.proto = XFRM_PROTO_COMP, .mode = XFRM_TUNNEL},
    {.proto = XFRM_PROTO_COMP, .mode = XFRM_TUNNEL, .v6 = true},
    {.proto = XFRM_PROTO_COMP, .mode = XFRM_TRANSPORT},
};

static struct xfrm_sa sa_like(unsigned i)
{
    bool v6 = kinds[i].v6;
    struct xfrm_sa x = {.spi = SPI + i,
                        .proto = kinds[i].proto,
                        .mode = kinds[i].mode,
                        .flags = kinds[i].flags,
                        .limit = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0},
                        .replay = {.esn_given = true, .window = 64}};
    MUST(ip_parse(v6 ? "2001:db8::1" : "192.0.2.1", &x.saddr) == ERR_OK);
    MUST(ip_parse(v6 ? "2001:db8::2" : "192.0.2.2", &x.daddr) == ERR_OK);
    x.family = x.daddr.family;
    if (x.mode == XFRM_TUNNEL) x.flags |= XFRM_STATE_AF_UNSPEC;
    if (kinds[i].udp) x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4500};
    if (!kinds[i].inner) return x;
    MUST(prefix_parse(kinds[i].inner, &x.sel.src) == ERR_OK);
    x.sel.dst = x.sel.src;
    x.sel.dst.ip.b[1]++; // 10.1 and 10.2, fd01 and fd02
    x.sel.family = x.sel.src.ip.family;
    return x;
}

static void add_sa(unsigned i)
{
    struct xfrm_sa x = sa_like(i);
    if (x.proto == XFRM_PROTO_COMP) {
        strcpy(x.comp, "deflate");
        x.replay = (struct xfrm_replay){0};
    }
    switch (i) {
    case 2:
        set_alg(&x.aead, "rfc7539esp(chacha20,poly1305)", 288, 128);
        break;
    case 3:
        set_alg(&x.crypt, "cbc(aes)", 128, 0);
        set_alg(&x.auth, "hmac(sha256)", 256, 128);
        break;
    case 10:
    case 11:
    case 12:
        set_alg(&x.auth, "hmac(sha1)", 160, 96);
        break;
    case 4:
        set_alg(&x.crypt, "ecb(cipher_null)", 0, 0);
        set_alg(&x.auth, "hmac(sha1)", 160, 96);
        break;
    case 13:
    case 14:
    case 15:
        break;
    default:
        set_alg(&x.aead, "rfc4106(gcm(aes))", 160, 128);
    }
    struct xfrm_api api = control_api(site.control);
    MUST(api.ops->sa_add(api.ctx, &x, NULL) == ERR_OK);
}

static void site_make(void)
{
    static const struct exits exits = {on_send, on_deliver, on_send, on_event, NULL, NULL, NULL};
    rcu_register_thread();
    site.db = db_new();
    MUST(site.db != NULL);
    site.control = control_new(site.db, on_event, NULL);
    MUST(site.control != NULL);
    MUST(worker_init(&site.w, site.db, &exits, 1) == ERR_OK);
    site.w.now = site.w.wall = 1;
    add_policy(AF_INET, "10.1.0.0/16", "10.2.0.0/16", 6);
    add_policy(AF_INET6, "fd01::/16", "fd02::/16", 6);
    add_policy(AF_INET, "192.0.2.1/32", "192.0.2.2/32", 6);
    add_policy(AF_INET6, "2001:db8::1/128", "2001:db8::2/128", 6);
    MUST(ip_parse("192.0.2.1", &site.hosts[0]) == ERR_OK);
    MUST(ip_parse("2001:db8::1", &site.hosts[1]) == ERR_OK);
    for (unsigned i = 0; i < SAS; i++) add_sa(i);
}

// ---- one input ----

static struct sa *sa_get(unsigned i)
{
    struct xfrm_sa x = sa_like(i);
    struct sa *sa = sad_find(site.db->sad, &x.daddr, x.spi, x.proto, 0);
    MUST(sa != NULL);
    // each input finds the window as the first one did
    const uint32_t window = sa->replay.size;
    replay_done(&sa->replay);
    MUST(replay_init(&sa->replay, window) == ERR_OK);
    return sa;
}

// The rest of the input as the datagram itself.
static void write_datagram(struct pkt *p, const uint8_t *rest, uint32_t n)
{
    memcpy(p->at, rest, n);
    p->len = n;
}

// The rest of the input as the text of an ESP packet; `trailed`: with a good trailer behind it that
// says `next_header`.
static void write_sealed(struct pkt *p, struct sa *sa, const uint8_t *rest, uint32_t n,
                         int next_header)
{
    uint8_t *text = p->at + ESP_HEADER + sa->iv_len;
    memcpy(text, rest, n);
    if (next_header >= 0) {
        uint8_t pad = 0;
        while ((n + pad + 2) % sa->align) text[n + pad] = pad + 1, pad++;
        text[n + pad] = pad;
        text[n + pad + 1] = (uint8_t)next_header;
        n += pad + 2U;
    }
    n -= n % sa->align;
    memcpy(p->at, &sa->spi, 4);
    put32(p->at + 4, 1);
    sealer_iv(sa->sealer, 1, p->at + ESP_HEADER);
    struct seal_job job = {.head = p->at,
                           .head_len = ESP_HEADER,
                           .text_len = n,
                           .esn = (sa->conf->x.flags & XFRM_STATE_ESN) != 0};
    sealer_seal(sa->sealer, &job, 1);
    p->len = ESP_HEADER + sa->iv_len + n + sa->icv_len;
}

// The rest of the input under AH; `own_head`: with the IP header that it begins with.
static void write_ah(struct pkt *p, struct sa *sa, const uint8_t *rest, uint32_t n, int own_head)
{
    uint8_t head[IP_HEAD_MAX];
    struct ip_split s = {.len = 0};
    bool own = own_head >= 0 && ip_split(rest, n, true, &s);
    const struct ip_wanted w = {.src = p->from.ip, .dst = p->to.ip, .next = XFRM_PROTO_AH};
    if (!own) s.len = ip_head_make(head, &w);
    if (own) memcpy(head, rest, s.len);
    if (own) rest += s.len, n -= s.len;
    p->at += IP_HEAD_MAX; // the header goes in front
    memcpy(p->at, rest, n);
    p->len = n;
    p->sa = sa;
    p->seq = 1;
    p->head_len = s.len;
    MUST(ah_wrap(p, (uint8_t)own_head));
    if (!own)
        put16(head + (ip_is_v6(head) ? 4 : 2), (uint16_t)(p->len + (ip_is_v6(head) ? 0 : 20)));
    memcpy(p->at - s.len, head, s.len);
    ah_seal(p);
    p->head = p->at - s.len;
    p->drop = DROP_NONE; // a head that the sender would refuse
    p->sa = NULL;
    p->seq = 0;
}

// The rest of the input deflated, or as it is where that is not smaller.
static void write_comp(struct pkt *p, struct sa *sa, const uint8_t *rest, uint32_t n, uint8_t next)
{
    write_datagram(p, rest, n);
    p->sa = sa;
    if (!comp_wrap(site.w.comp, p, next)) p->proto = next;
    p->sa = NULL;
}

static void write_peer(struct pkt *p, struct sa *sa, const uint8_t *rest, uint32_t n, int next)
{
    if (sa->proto == XFRM_PROTO_AH) {
        write_ah(p, sa, rest, n, next);
    } else if (sa->proto == XFRM_PROTO_COMP) {
        write_comp(p, sa, rest, n, (uint8_t)next);
    } else {
        write_sealed(p, sa, rest, n, next);
    }
}

// Into the datagram, so that it is for this SA.
static void write_spi(struct pkt *p, const struct sa *sa)
{
    bool comp = sa->proto == XFRM_PROTO_COMP;
    uint32_t at = sa->proto == XFRM_PROTO_AH ? 4 : 0;
    if (comp && p->len >= COMP_HEADER) put16(p->at + 2, (uint16_t)sa->conf->x.spi);
    if (!comp && p->len >= at + 4) memcpy(p->at + at, &sa->spi, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
    if (!site.db) site_make();
    if (n < HEADER || n > PKT_DATA_MAX - 512) return 0;
    enum mode mode = in[0] % 4;
    struct sa *sa = sa_get(in[1] % SAS);
    const uint8_t *rest = in + HEADER;
    uint32_t len = (uint32_t)(n - HEADER);
    struct pkt *p = pool_take(site.w.pool);
    MUST(p != NULL); // a buffer that was lost would be missed sooner or later

    p->from.ip = sa->conf->x.saddr;
    p->to.ip = sa->conf->x.daddr;
    p->udp = sa->conf->udp;
    p->outer_tos = in[2];
    p->proto = sa->proto;
    if (mode == MODE_STRANGER || mode == MODE_SPI_KNOWN) write_datagram(p, rest, len);
    if (mode == MODE_SPI_KNOWN) write_spi(p, sa);
    if (mode == MODE_PEER) write_peer(p, sa, rest, len, -1);
    if (mode == MODE_PEER_TRAILED) write_peer(p, sa, rest, len, in[3]);

    struct burst b = {.n = 1, .p = {p}};
    path_in(&site.w, &b);
    MUST(b.n == 0);
    rcu_quiescent_state();
    return 0;
}
