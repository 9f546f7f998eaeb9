// The inbound packet path under arbitrary input, from two sides:
//
//   a stranger's   the input is the datagram (with or without an SPI that exists)
//   a peer's       the input is the plaintext; it is sealed with the right key, so that the
//   trailer,
//                  the inner headers and the checks behind decryption are reached
//
//     +------+----+-----+-------+----------
//     | mode | SA | TOS | trail | rest
//     +------+----+-----+-------+----------
//
// What must hold: the burst ends empty, no buffer is lost, and whatever is delivered is a
// well-formed packet from the agreed network, no longer than what came in.
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/control.h"
#include "xfrm/path/stages.h"

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n);

#define HEADER 4
#define SAS 6
#define SPI 0x1000 // of the first SA

enum mode { MODE_STRANGER = 0, MODE_SPI_KNOWN = 1, MODE_PEER = 2, MODE_PEER_TRAILED = 3 };

static struct {
    struct db *db;
    struct control *control;
    struct worker w;
    uint32_t longest; // of what may be delivered
} site;

#define MUST(cond)                     \
    do {                               \
        if (!(cond)) __builtin_trap(); \
    } while (0)

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
        MUST(copy.len >= 20 && copy.len <= site.longest);
        MUST(flow_read(&copy) && copy.len == p[i]->len);
        const ip_t *src = &copy.flow.src;
        MUST(src->family == AF_INET ? src->b[0] == 10 && src->b[1] == 1
                                    : memcmp(src->b, net6, 2) == 0);
    }
}

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    (void)ctx, (void)ev;
}

static void add_policy(uint16_t family, const char *src, const char *dst)
{
    struct xfrm_policy p = {.dir = XFRM_IN, .tmpl_count = 1, .sel = {.family = family}};
    MUST(prefix_parse(src, &p.sel.src) == ERR_OK && prefix_parse(dst, &p.sel.dst) == ERR_OK);
    p.tmpl[0] = (struct xfrm_tmpl){.proto = XFRM_PROTO_ESP, .mode = XFRM_TUNNEL, .family = AF_INET};
    struct xfrm_api api = control_api(site.control);
    MUST(api.ops->policy_add(api.ctx, &p, false, NULL) == ERR_OK);
}

static void set_alg(struct xfrm_alg *a, const char *name, uint16_t key_bits, uint16_t icv_bits)
{
    *a = (struct xfrm_alg){.key_bits = key_bits, .icv_bits = icv_bits, .trunc_given = true};
    strcpy(a->name, name);
    memset(a->key, 0x42, key_bits / 8);
}

static struct xfrm_sa sa_like(unsigned i)
{
    struct xfrm_sa x = {.spi = SPI + i,
                        .proto = XFRM_PROTO_ESP,
                        .mode = XFRM_TUNNEL,
                        .flags = XFRM_STATE_AF_UNSPEC,
                        .limit = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0},
                        .replay = {.esn_given = true, .window = 64}};
    bool v6 = i == 5;
    MUST(ip_parse(v6 ? "2001:db8::1" : "192.0.2.1", &x.saddr) == ERR_OK);
    MUST(ip_parse(v6 ? "2001:db8::2" : "192.0.2.2", &x.daddr) == ERR_OK);
    x.family = x.daddr.family;
    if (i == 4) x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4500};
    if (i == 1) x.flags |= XFRM_STATE_ESN | XFRM_STATE_DECAP_DSCP;
    return x;
}

static void add_sa(unsigned i)
{
    struct xfrm_sa x = sa_like(i);
    switch (i) {
    case 2:
        set_alg(&x.aead, "rfc7539esp(chacha20,poly1305)", 288, 128);
        break;
    case 3:
        set_alg(&x.crypt, "cbc(aes)", 128, 0);
        set_alg(&x.auth, "hmac(sha256)", 256, 128);
        break;
    case 4:
        set_alg(&x.crypt, "ecb(cipher_null)", 0, 0);
        set_alg(&x.auth, "hmac(sha1)", 160, 96);
        break;
    default:
        set_alg(&x.aead, "rfc4106(gcm(aes))", 160, 128);
    }
    struct xfrm_api api = control_api(site.control);
    MUST(api.ops->sa_add(api.ctx, &x, NULL) == ERR_OK);
}

static void site_make(void)
{
    static const struct exits exits = {on_send, on_deliver, on_send, on_event, NULL};
    rcu_register_thread();
    site.db = db_new();
    MUST(site.db != NULL);
    site.control = control_new(site.db, on_event, NULL);
    MUST(site.control != NULL);
    MUST(worker_init(&site.w, site.db, &exits, 1) == ERR_OK);
    site.w.now = site.w.wall = 1;
    add_policy(AF_INET, "10.1.0.0/16", "10.2.0.0/16");
    add_policy(AF_INET6, "fd01::/16", "fd02::/16");
    for (unsigned i = 0; i < SAS; i++) add_sa(i);
}

// ---- one input ----

static struct sa *sa_get(unsigned i)
{
    struct xfrm_sa x = sa_like(i);
    struct sa *sa = sad_find(site.db->sad, &x.daddr, x.spi, x.proto, 0);
    MUST(sa != NULL);
    // each input finds the window as the first one did
    sa->replay = (struct replay){.size = sa->replay.size};
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
    if (mode == MODE_STRANGER || mode == MODE_SPI_KNOWN) write_datagram(p, rest, len);
    if (mode == MODE_SPI_KNOWN && len >= 4) memcpy(p->at, &sa->spi, 4);
    if (mode == MODE_PEER) write_sealed(p, sa, rest, len, -1);
    if (mode == MODE_PEER_TRAILED) write_sealed(p, sa, rest, len, in[3]);

    site.longest = p->len;
    struct burst b = {.n = 1, .p = {p}};
    path_in(&site.w, &b);
    MUST(b.n == 0);
    rcu_quiescent_state();
    return 0;
}
