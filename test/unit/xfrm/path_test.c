// Two executors back to back: what leaves one comes in at the other.
#include "test/unit/xfrm/rig.h"

#include <string.h>

#include "base/order.h"
#include "xfrm/path/stages.h"

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"
#define MOON6 "2001:db8::1"
#define SUN6 "2001:db8::2"

struct pair {
    struct rig *moon, *sun;
};

struct nets {
    const char *alice, *bob, *alice_net, *bob_net;
};
static const struct nets inner[2] = {
    {"10.1.0.10", "10.2.0.20", "10.1.0.0/16", "10.2.0.0/16"},
    {"fd01::10", "fd02::20", "fd01::/16", "fd02::/16"},
};
static const char *const outer[2][2] = {{MOON, SUN}, {MOON6, SUN6}};

// moon sends to sun through the SA x.
static struct pair pair_new(const struct xfrm_sa *x, unsigned in_v6, unsigned out_v6)
{
    struct pair p = {rig_new(), rig_new()};
    const struct nets *n = &inner[in_v6];
    const char *const *o = outer[out_v6];
    struct xfrm_policy out = rig_policy(XFRM_OUT, n->alice_net, n->bob_net, o[0], o[1]);
    struct xfrm_policy in = rig_policy(XFRM_FWD, n->alice_net, n->bob_net, o[0], o[1]);
    rig_add_policy(p.moon, &out);
    rig_add_policy(p.sun, &in);
    rig_add_sa(p.moon, x);
    rig_add_sa(p.sun, x);
    return p;
}

static void pair_free(struct pair *p)
{
    rig_free(p->moon);
    rig_free(p->sun);
}

static uint32_t alice_to_bob(uint8_t *buf, unsigned v6, uint32_t payload)
{
    return rig_udp(buf, inner[v6].alice, inner[v6].bob, 4000, 5000, payload);
}

// One packet through the tunnel, byte for byte.
static void carry(struct pair *p, unsigned v6, uint32_t payload)
{
    uint8_t packet[9216];
    uint32_t len = alice_to_bob(packet, v6, payload);
    rig_clear(p->moon);
    rig_clear(p->sun);
    rig_out(p->moon, packet, len);
    CHECK_EQ(rig_all_drops(p->moon), 0);
    CHECK_EQ(p->moon->sent.n, 1);
    rig_in(p->sun, &p->moon->sent.f[0]);
    CHECK_EQ(rig_all_drops(p->sun), 0);
    CHECK_EQ(p->sun->delivered.n, 1);
    CHECK_EQ(p->sun->delivered.f[0].len, len);
    assert_memory_equal(p->sun->delivered.f[0].at, packet, len);
}

// ---- every algorithm ----

struct suite {
    const char *aead, *crypt, *auth;
    uint16_t key, auth_key, icv;
};
#define GCM "rfc4106(gcm(aes))"
static const struct suite suites[] = {
    {.aead = GCM, .key = 160, .icv = 64},
    {.aead = GCM, .key = 160, .icv = 96},
    {.aead = GCM, .key = 160, .icv = 128},
    {.aead = GCM, .key = 224, .icv = 64},
    {.aead = GCM, .key = 224, .icv = 96},
    {.aead = GCM, .key = 224, .icv = 128},
    {.aead = GCM, .key = 288, .icv = 64},
    {.aead = GCM, .key = 288, .icv = 96},
    {.aead = GCM, .key = 288, .icv = 128},
    {.aead = "rfc7539esp(chacha20,poly1305)", .key = 288, .icv = 128},
    {.crypt = "cbc(aes)", .key = 128, .auth = "hmac(sha256)", .auth_key = 256, .icv = 128},
    {.crypt = "cbc(aes)", .key = 128, .auth = "hmac(sha256)", .auth_key = 256, .icv = 0},
    {.crypt = "cbc(aes)", .key = 192, .auth = "hmac(sha384)", .auth_key = 384, .icv = 192},
    {.crypt = "cbc(aes)", .key = 256, .auth = "hmac(sha512)", .auth_key = 512, .icv = 256},
    {.crypt = "cbc(aes)", .key = 128, .auth = "hmac(sha1)", .auth_key = 160, .icv = 96},
    {.crypt = "ecb(cipher_null)", .auth = "hmac(sha256)", .auth_key = 256, .icv = 128},
    {.crypt = "ecb(cipher_null)", .auth = "hmac(sha1)", .auth_key = 160, .icv = 96},
    {.crypt = "ecb(cipher_null)", .auth = "hmac(sha384)", .auth_key = 384, .icv = 192},
    {.crypt = "ecb(cipher_null)", .auth = "hmac(sha512)", .auth_key = 512, .icv = 256},
};
#define SUITES (sizeof suites / sizeof *suites)

static void suite_set(struct xfrm_sa *x, const struct suite *s)
{
    if (s->aead) {
        rig_aead(x, s->aead, s->key, s->icv);
    } else {
        rig_crypt_auth(x, s->crypt, s->key, s->auth, s->auth_key, s->icv);
    }
}

static void every_algorithm_carries_every_family(void **state)
{
    (void)state;
    unsigned ran = 0;
    for (unsigned i = 0; i < SUITES * 8; i++) {
        unsigned in_v6 = i & 1, out_v6 = i >> 1 & 1, esn = i >> 2 & 1;
        struct xfrm_sa x = rig_sa(outer[out_v6][0], outer[out_v6][1], 0x1000 + i);
        suite_set(&x, &suites[i / 8]);
        if (esn) rig_esn(&x, 128);
        struct pair p = pair_new(&x, in_v6, out_v6);
        for (uint32_t payload = 0; payload < 40; payload++) carry(&p, in_v6, payload);
        carry(&p, in_v6, 1400);
        carry(&p, in_v6, 8900);
        pair_free(&p);
        ran++;
    }
    CHECK_EQ(ran, 19 * 8);
}

static void a_whole_burst_of_several_sas(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1001), y = rig_sa(MOON6, SUN6, 0x1002);
    struct pair p = pair_new(&x, 0, 0);
    struct xfrm_policy out6 = rig_policy(XFRM_OUT, "fd01::/16", "fd02::/16", MOON6, SUN6);
    struct xfrm_policy in6 = rig_policy(XFRM_IN, "fd01::/16", "fd02::/16", MOON6, SUN6);
    rig_crypt_auth(&y, "cbc(aes)", 128, "hmac(sha256)", 256, 128);
    rig_add_policy(p.moon, &out6);
    rig_add_policy(p.sun, &in6);
    rig_add_sa(p.moon, &y);
    rig_add_sa(p.sun, &y);

    struct burst b = {0};
    for (unsigned i = 0; i < BURST_MAX; i++) {
        struct pkt *k = pool_take(p.moon->w.pool);
        assert_non_null(k);
        k->len = alice_to_bob(k->at, i % 3 == 0, i);
        b.p[b.n++] = k;
    }
    path_out(&p.moon->w, &b);
    CHECK_EQ(p.moon->sent.n, BURST_MAX);
    struct burst in = {0};
    for (unsigned i = 0; i < BURST_MAX; i++) {
        const struct frame *f = &p.moon->sent.f[i];
        struct pkt *k = pool_take(p.sun->w.pool);
        assert_non_null(k);
        memcpy(k->at, f->at, f->len);
        k->len = f->len;
        k->to = f->to;
        in.p[in.n++] = k;
    }
    path_in(&p.sun->w, &in);
    CHECK_EQ(p.sun->delivered.n, BURST_MAX); // in the order in which they came
    for (unsigned i = 0; i < BURST_MAX; i++) {
        uint8_t want[200];
        uint32_t len = alice_to_bob(want, i % 3 == 0, i);
        CHECK_EQ(p.sun->delivered.f[i].len, len);
        assert_memory_equal(p.sun->delivered.f[i].at, want, len);
    }
    pair_free(&p);
}

// ---- what the outer packet looks like ----

static void the_esp_header_is_as_drawn(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0xc0ffee01);
    struct pair p = pair_new(&x, 0, 0);
    carry(&p, 0, 10);
    carry(&p, 0, 10);
    const struct frame *f = &p.moon->sent.f[0];
    CHECK_EQ(get32(f->at), 0xc0ffee01);
    CHECK_EQ(get32(f->at + 4), 2);
    CHECK_EQ(f->len, 8 + 8 + 40 + 16); // 38 inner bytes and the trailer end on a multiple of 4
    CHECK(ip_eq(&f->from.ip, &x.saddr) && ip_eq(&f->to.ip, &x.daddr));
    CHECK_EQ(f->from.port, 0);
    CHECK(!f->udp);
    pair_free(&p);
}

static void udp_encapsulation_has_its_ports(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x77);
    x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 34567};
    struct pair p = pair_new(&x, 0, 0);
    carry(&p, 0, 100);
    const struct frame *f = &p.moon->sent.f[0];
    CHECK(f->udp);
    CHECK_EQ(f->from.port, 4500);
    CHECK_EQ(f->to.port, 34567);
    CHECK_EQ(p.sun->events, 0); // it came from where it was expected
    pair_free(&p);
}

static void dscp_and_ecn_go_out_as_the_flags_say(void **state)
{
    (void)state;
    static const struct {
        uint8_t flags;
        uint32_t extra;
        uint8_t want;
    } rows[] = {{0, 0, 0xba}, {XFRM_STATE_NOECN, 0, 0xb8}, {0, 1, 0x02}, {XFRM_STATE_NOECN, 1, 0}};
    for (unsigned i = 0; i < 4; i++) {
        struct xfrm_sa x = rig_sa(MOON, SUN, 0x77);
        x.flags |= rows[i].flags;
        x.extra_flags = rows[i].extra;
        struct pair p = pair_new(&x, 0, 0);
        uint8_t packet[100];
        uint32_t len = alice_to_bob(packet, 0, 10);
        packet[1] = 0xba; // EF, ECT(0)
        rig_out(p.moon, packet, len);
        CHECK_EQ(p.moon->sent.f[0].tos, rows[i].want);
        pair_free(&p);
    }
}

static void congestion_on_the_way_reaches_the_inner_packet(void **state)
{
    (void)state;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct xfrm_sa x = rig_sa(MOON, SUN, 0x77);
        struct pair p = pair_new(&x, v6, 0);
        uint8_t packet[100];
        uint32_t len = alice_to_bob(packet, v6, 10);
        if (v6) packet[1] = 0x20; // ECT(0)
        if (!v6) packet[1] = 0x02;
        rig_out(p.moon, packet, len);
        p.moon->sent.f[0].tos |= 3;
        rig_in(p.sun, &p.moon->sent.f[0]);
        CHECK_EQ(p.sun->delivered.n, 1);
        const uint8_t *got = p.sun->delivered.f[0].at;
        CHECK_EQ(v6 ? got[1] >> 4 & 3 : got[1] & 3, 3);
        pair_free(&p);
    }
}

static void tfc_padding_hides_the_length(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x77);
    x.tfcpad = 1000;
    struct pair p = pair_new(&x, 0, 0);
    carry(&p, 0, 10);
    uint32_t len = p.moon->sent.f[0].len;
    carry(&p, 0, 900);
    CHECK_EQ(p.moon->sent.f[0].len, len);
    CHECK(len > 1000);
    carry(&p, 0, 2000); // longer ones are as they are
    pair_free(&p);
}

static void tfc_padding_gives_way_to_the_path(void **state)
{
    (void)state;
    static const uint32_t mtus[] = {0, 1280, 1500, 9000};
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x77);
    x.tfcpad = UINT32_MAX;
    for (unsigned i = 0; i < sizeof mtus / sizeof mtus[0]; i++) {
        struct pair p = pair_new(&x, 0, 0);
        uint32_t mtu = p.moon->link_mtu = mtus[i];
        carry(&p, 0, 10);
        uint32_t whole = p.moon->sent.f[0].len + 20;
        CHECK(whole <= (mtu ? mtu : 1500));
        if (mtu) CHECK(whole > mtu - 4); // ESP grows in steps of four
        carry(&p, 0, 1000);
        CHECK_EQ(p.moon->sent.f[0].len + 20, whole);
        pair_free(&p);
    }
}

static void what_exceeds_an_ip_packet_when_protected_is_not_sent(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x77);
    struct pair p = pair_new(&x, 0, 0);
    static uint8_t packet[UINT16_MAX];
    // ESP header and IV 16, trailer 2 to 5, ICV 16, IPv4 header 20
    uint32_t most = UINT16_MAX - 54 - 3;
    rig_out(p.moon, packet, alice_to_bob(packet, 0, most - 28));
    CHECK_EQ(p.moon->sent.n, 1);
    rig_out(p.moon, packet, alice_to_bob(packet, 0, most - 28 + 4));
    CHECK_EQ(rig_drops(p.moon, DROP_TOO_BIG), 1);
    CHECK_EQ(p.moon->sent.n, 1);
    pair_free(&p);
}

static void a_packet_at_the_end_of_its_life_goes_no_further(void **state)
{
    (void)state;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct xfrm_sa x = rig_sa(MOON, SUN, 0x77);
        struct pair p = pair_new(&x, v6, 0);
        uint8_t packet[100];
        uint32_t len = alice_to_bob(packet, v6, 10);
        packet[v6 ? 7 : 8] = 0;
        rig_out(p.moon, packet, len);
        CHECK_EQ(rig_drops(p.moon, DROP_TTL), 1);
        CHECK_EQ(p.moon->sent.n, 0);
        pair_free(&p);
    }
}

// ---- sequence numbers ----

static void numbers_end_and_nothing_wraps(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x77);
    x.replay.out_seq = UINT32_MAX - 2;
    x.replay.in_seq = UINT32_MAX - 2;
    struct pair p = pair_new(&x, 0, 0);
    uint8_t packet[100];
    uint32_t len = alice_to_bob(packet, 0, 10);
    carry(&p, 0, 10);
    carry(&p, 0, 10);
    for (unsigned i = 0; i < 3; i++) rig_out(p.moon, packet, len);
    CHECK_EQ(rig_drops(p.moon, DROP_SEQ_SPENT), 3);
    CHECK_EQ(p.moon->sent.n, 1); // that of the last carry
    CHECK_EQ(get32(p.moon->sent.f[0].at + 4), UINT32_MAX);
    pair_free(&p);
}

static void esn_goes_on_where_32_bits_end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SUITES; i++) {
        struct xfrm_sa x = rig_sa(MOON, SUN, 0x77);
        suite_set(&x, &suites[i]);
        rig_esn(&x, 64);
        x.replay.out_seq = x.replay.in_seq = 0x4ffffffff - 20;
        struct pair p = pair_new(&x, 0, 0);
        for (unsigned k = 0; k < 50; k++) carry(&p, 0, k);
        CHECK_EQ(get32(p.moon->sent.f[0].at + 4), 29);
        struct xfrm_sa got;
        struct xfrm_sa_id id = sad_id(&x);
        CHECK_OK(p.sun->api.ops->sa_get(p.sun->api.ctx, &id, &got));
        CHECK_EQ(got.replay.in_seq, 0x50000001d);
        pair_free(&p);
    }
}

static void late_packets_from_before_the_epoch_are_taken(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x77);
    rig_esn(&x, 64);
    x.replay.out_seq = x.replay.in_seq = 0xfffffff0;
    struct pair p = pair_new(&x, 0, 0);
    uint8_t packet[100];
    uint32_t len = alice_to_bob(packet, 0, 10);
    for (unsigned i = 0; i < 32; i++) rig_out(p.moon, packet, len);
    for (unsigned i = 32; i-- > 0;) rig_in(p.sun, &p.moon->sent.f[i]);
    CHECK_EQ(p.sun->delivered.n, 32);
    for (unsigned i = 0; i < 32; i++) rig_in(p.sun, &p.moon->sent.f[i]);
    CHECK_EQ(p.sun->delivered.n, 32);
    CHECK_EQ(rig_drops(p.sun, DROP_REPLAY), 32);
    pair_free(&p);
}

static void wrapping_is_possible_where_it_is_wanted(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x77);
    x.extra_flags = 2;
    x.replay.window = 0;
    x.replay.out_seq = UINT32_MAX - 2;
    struct pair p = pair_new(&x, 0, 0);
    for (unsigned i = 0; i < 6; i++) carry(&p, 0, 10);
    CHECK_EQ(get32(p.moon->sent.f[0].at + 4), 3);
    CHECK_EQ(get64(p.moon->sent.f[0].at + 8), 0x100000003); // the nonce is still a new one
    pair_free(&p);
}

// ---- which SA ----

// RFC 9611: each worker has an SA of its own, and one for all that have none.
static void each_cpu_uses_its_own_sa(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x101), y = rig_sa(MOON, SUN, 0x201);
    struct pair p = pair_new(&x, 0, 0);
    const uint32_t want[] = {0x101, 0x201, 0x202, 0x101}; // of CPU 0 to 3
    for (y.pcpu = 1; y.pcpu <= 2; y.pcpu++, y.spi++) {
        rig_add_sa(p.moon, &y);
        rig_add_sa(p.sun, &y);
    }
    for (unsigned cpu = 0; cpu < 4; cpu++) {
        p.moon->w.cpu = cpu;
        carry(&p, 0, 1);
        CHECK_EQ(get32(p.moon->sent.f[0].at), want[cpu]);
    }
    y.spi = 0x202;
    struct xfrm_sa_id id = sad_id(&y);
    CHECK_OK(p.moon->api.ops->sa_del(p.moon->api.ctx, &id));
    p.moon->w.cpu = 2;
    carry(&p, 0, 1);
    CHECK_EQ(get32(p.moon->sent.f[0].at), 0x101);
    pair_free(&p);
}

static void the_newest_sa_is_used_and_a_dying_one_only_if_alone(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x101), y = rig_sa(MOON, SUN, 0x102);
    y.limit.soft_packets = 3;
    struct pair p = pair_new(&x, 0, 0);
    carry(&p, 0, 1);
    CHECK_EQ(get32(p.moon->sent.f[0].at), 0x101);
    rig_add_sa(p.moon, &y);
    rig_add_sa(p.sun, &y);
    for (unsigned i = 0; i < 3; i++) {
        carry(&p, 0, 1);
        CHECK_EQ(get32(p.moon->sent.f[0].at), 0x102);
    }
    carry(&p, 0, 1); // 0x102 has reached its soft limit
    CHECK_EQ(get32(p.moon->sent.f[0].at), 0x101);
    struct xfrm_sa_id id = sad_id(&x);
    CHECK_OK(p.moon->api.ops->sa_del(p.moon->api.ctx, &id));
    carry(&p, 0, 1);
    CHECK_EQ(get32(p.moon->sent.f[0].at), 0x102);
    pair_free(&p);
}

// A burst that has found its SA is not quick enough: the SA is replaced before its packets have
// numbers. They go with the successor; without one, nowhere.
static void a_burst_outlives_its_sa(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x101), y = rig_sa(MOON, SUN, 0x102);
    struct pair p = pair_new(&x, 0, 0);
    struct rig *r = p.moon;
    for (unsigned i = 0; i < 2; i++) {
        struct burst b = {.n = 1, .p = {pool_take(r->w.pool)}};
        const struct xfrm_sa_id elder = sad_id(i ? &y : &x);
        assert_non_null(b.p[0]);
        b.p[0]->len = rig_udp(b.p[0]->at, inner[0].alice, inner[0].bob, 4000, 5000, 10);
        out_classify(&r->w, &b);
        out_resolve(&r->w, &b);
        struct sa *before = b.p[0]->sa;
        assert_non_null(before);
        if (i == 0) rig_add_sa(r, &y);
        CHECK_OK(r->api.ops->sa_del(r->api.ctx, &elder));
        out_number(&r->w, &b);
        CHECK_EQ(b.p[0]->drop, i ? DROP_EXPIRED_OUT : DROP_NONE);
        if (i == 0) CHECK_EQ(host32(b.p[0]->sa->spi), 0x102);
        pool_give(r->w.pool, b.p[0]);
    }
    pair_free(&p);
}

static void counters_and_state_are_seen_by_the_control_thread(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x101), got;
    struct pair p = pair_new(&x, 0, 0);
    struct xfrm_sa_id id = sad_id(&x);
    rig_pass(p.moon, 5);
    carry(&p, 0, 100);
    carry(&p, 0, 100);
    CHECK_OK(p.moon->api.ops->sa_get(p.moon->api.ctx, &id, &got));
    CHECK_EQ(got.current.packets, 2);
    CHECK_EQ(got.current.bytes, 256);
    CHECK_EQ(got.current.add_time, 1700000000);
    CHECK_EQ(got.current.use_time, 1700000005);
    CHECK_EQ(got.replay.out_seq, 2);
    rig_in(p.sun, &p.moon->sent.f[0]);
    CHECK_OK(p.sun->api.ops->sa_get(p.sun->api.ctx, &id, &got));
    CHECK_EQ(got.current.packets, 2);
    CHECK_EQ(got.replay.in_seq, 2);
    CHECK_EQ(got.replay.bitmap[0], 3);
    CHECK_EQ(got.stats.replay, 1);
    CHECK_EQ(p.sun->w.packets_in, 2);
    CHECK_EQ(p.moon->w.packets_out, 2);
    CHECK_EQ(p.sun->w.bytes_in, 256);
    CHECK_EQ(p.moon->w.bytes_out, 256);
    pair_free(&p);
}

static void an_sa_moves_to_another_executor_with_its_state(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x101), got;
    struct pair p = pair_new(&x, 0, 0);
    struct xfrm_sa_id id = sad_id(&x);
    for (unsigned i = 0; i < 10; i++) carry(&p, 0, i);
    CHECK_OK(p.sun->api.ops->sa_get(p.sun->api.ctx, &id, &got));
    CHECK_OK(p.sun->api.ops->sa_del(p.sun->api.ctx, &id));
    rig_add_sa(p.sun, &got);
    rig_in(p.sun, &p.moon->sent.f[0]); // the tenth, once more
    CHECK_EQ(rig_drops(p.sun, DROP_REPLAY), 1);
    p.sun->w.drops[DROP_REPLAY] = 0;
    carry(&p, 0, 1);
    pair_free(&p);
}

static void a_peer_that_moves_is_reported_once(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x101);
    x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4500};
    struct pair p = pair_new(&x, 0, 0);
    uint8_t packet[100];
    uint32_t len = alice_to_bob(packet, 0, 10);
    rig_clear(p.sun);
    for (unsigned i = 0; i < 3; i++) {
        rig_out(p.moon, packet, len);
        p.moon->sent.f[i].from.port = 1025;
        rig_in(p.sun, &p.moon->sent.f[i]);
    }
    CHECK_EQ(p.sun->delivered.n, 3);
    CHECK_EQ(p.sun->events, 1);
    CHECK_EQ(p.sun->event[0].kind, XFRM_EV_MAPPING);
    CHECK_EQ(p.sun->event[0].new_peer.port, 1025);
    CHECK_EQ(p.sun->event[0].spi, 0x101);
    for (unsigned i = 0; i < 10; i++) { // someone on the way plays with the port
        rig_out(p.moon, packet, len);
        p.moon->sent.f[3 + i].from.port = (uint16_t)(2000 + i);
        rig_in(p.sun, &p.moon->sent.f[3 + i]);
    }
    CHECK_EQ(p.sun->delivered.n, 13);
    CHECK_EQ(p.sun->events, 1);
    rig_pass(p.sun, 1);
    rig_out(p.moon, packet, len);
    p.moon->sent.f[13].from.port = 3000;
    rig_in(p.sun, &p.moon->sent.f[13]);
    CHECK_EQ(p.sun->events, 2);
    CHECK_EQ(p.sun->event[1].new_peer.port, 3000);
    rig_pass(p.sun, 5);
    rig_out(p.moon, packet, len);
    p.moon->sent.f[14].from.port = 3000;
    rig_in(p.sun, &p.moon->sent.f[14]);
    CHECK_EQ(p.sun->events, 2); // known
    pair_free(&p);
}

static void a_peer_that_stays_where_it_moved_is_told_again_no_sooner_than_asked(void **state)
{
    (void)state;
    static const struct {
        uint64_t pause_s;
        uint16_t port;
        uint8_t host;
        unsigned events;
    } step[] = {
        {0, 1025, 1, 1},                   // news
        {10, 1025, 1, 1},                  // ten seconds have to be over
        {1, 1025, 1, 2},  {5, 1025, 2, 2}, // the port counts, as in the kernel
        {1, 1026, 1, 3},                   // another one is told at once
        {0, 1027, 1, 3},                   // but not with every packet
        {10, 1026, 1, 3}, {1, 1026, 9, 4},
    };
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x101);
    x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4500};
    x.mapping_s = 10;
    struct pair p = pair_new(&x, 0, 0);
    uint8_t packet[100];
    uint32_t len = alice_to_bob(packet, 0, 10);
    rig_clear(p.sun);
    for (unsigned i = 0; i < sizeof step / sizeof *step; i++) {
        rig_pass(p.sun, step[i].pause_s);
        rig_out(p.moon, packet, len);
        p.moon->sent.f[i].from.port = step[i].port;
        p.moon->sent.f[i].from.ip.b[3] = step[i].host;
        rig_in(p.sun, &p.moon->sent.f[i]);
        CHECK_EQ(p.sun->events, step[i].events);
    }
    pair_free(&p);
}

// ---- outbound decisions ----

static void no_policy_means_clear_and_a_policy_never(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint8_t packet[100];
    uint32_t len = alice_to_bob(packet, 0, 10);
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 1);
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    rig_add_policy(r, &p);
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 1);
    CHECK_EQ(hold_count(r->w.hold), 1);
    // an SA for someone else does not help
    struct xfrm_sa other = rig_sa(MOON, "203.0.113.9", 5), wrong = rig_sa(MOON, SUN, 6);
    wrong.reqid = 2;
    rig_add_sa(r, &other);
    rig_add_sa(r, &wrong);
    hold_retry(&r->w);
    CHECK_EQ(r->bypassed.n + r->sent.n, 1);
    CHECK_EQ(hold_count(r->w.hold), 1);
    rig_free(r);
}

static void block_and_bypass_policies(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy all = rig_policy(XFRM_OUT, "0.0.0.0/0", "0.0.0.0/0", MOON, SUN);
    struct xfrm_policy hole = rig_policy(XFRM_OUT, "10.1.0.10/32", "10.2.0.20/32", NULL, NULL);
    struct xfrm_policy wall = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", NULL, NULL);
    uint8_t packet[100];
    uint32_t len = alice_to_bob(packet, 0, 10);
    all.priority = 30;
    hole.priority = 20;
    wall.priority = 10;
    wall.action = XFRM_BLOCK;
    rig_add_policy(r, &all);
    rig_add_policy(r, &hole);
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 1);
    rig_add_policy(r, &wall);
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 1);
    CHECK_EQ(rig_drops(r, DROP_POLICY_OUT), 1);
    rig_free(r);
}

static void a_fragment_does_not_slip_past_a_policy_with_ports(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    uint8_t packet[100];
    uint32_t len = alice_to_bob(packet, 0, 10);
    p.sel.proto = 17;
    p.sel.dport = 5000;
    p.sel.dport_mask = 0xffff;
    p.priority = 5;
    rig_add_policy(r, &p);
    put16(packet + 6, 1); // not the first fragment
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n + r->sent.n, 0); // it waits for the piece that has them
    CHECK_EQ(assemblies_count(r->w.assemblies), 1);
    packet[9] = 6; // no such policy for TCP
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 1);
    packet[9] = 17;
    p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", NULL, NULL);
    p.priority = 4; // a hole that comes first decides
    rig_add_policy(r, &p);
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 2);
    CHECK_EQ(hold_count(r->w.hold), 0);
    CHECK_OK(r->api.ops->policy_flush(r->api.ctx, 0));
    p.sel.dport_mask = 0xffff; // a policy that would let it pass guards nothing
    rig_add_policy(r, &p);
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 3);
    rig_free(r);
}

static void a_hole_for_an_interface_lets_nothing_through(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy all = rig_policy(XFRM_OUT, "0.0.0.0/0", "0.0.0.0/0", MOON, SUN);
    struct xfrm_policy hole = rig_policy(XFRM_OUT, "10.1.0.10/32", "10.2.0.20/32", NULL, NULL);
    uint8_t packet[100];
    uint32_t len = alice_to_bob(packet, 0, 10);
    all.priority = 30;
    hole.sel.ifindex = 3;
    rig_add_policy(r, &all);
    rig_add_policy(r, &hole);
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 0);
    CHECK_EQ(hold_count(r->w.hold), 1);
    r->device = 4;
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 0);
    CHECK_EQ(hold_count(r->w.hold), 2);
    r->device = 3; // unless that is where it would leave
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 1);
    CHECK_EQ(hold_count(r->w.hold), 2);
    rig_free(r);
}

// A wall and a tunnel for one device, in the order of priority; the wall alone where it is the only
// one for the device that the packet would leave by.
static void policies_for_devices_have_their_order(void **state)
{
    static const struct {
        uint32_t device;
        unsigned sent, blocked, bypassed;
    } rows[] = {{3, 1, 0, 0}, {4, 0, 1, 0}, {5, 0, 0, 1}, {0, 1, 0, 0}};
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig *r = rig_new();
        struct xfrm_policy wall = rig_policy(XFRM_OUT, "0.0.0.0/0", "0.0.0.0/0", NULL, NULL);
        struct xfrm_policy tunnel = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
        struct xfrm_sa x = rig_sa(MOON, SUN, 0x101);
        uint8_t packet[100];
        uint32_t len = alice_to_bob(packet, 0, 10);
        r->device = rows[i].device;
        tunnel.priority = 2;
        tunnel.sel.ifindex = 3;
        wall.action = XFRM_BLOCK;
        wall.priority = 4;
        rig_add_sa(r, &x);
        rig_add_policy(r, &tunnel);
        for (wall.sel.ifindex = 3; wall.sel.ifindex <= 4; wall.sel.ifindex++)
            rig_add_policy(r, &wall); // alike but for the device
        rig_out(r, packet, len);
        CHECK_EQ(r->sent.n, rows[i].sent);
        CHECK_EQ(r->bypassed.n, rows[i].bypassed);
        CHECK_EQ(rig_drops(r, DROP_POLICY_OUT), rows[i].blocked);
        rig_free(r);
    }
}

static void level_use_goes_clear_without_an_sa_and_asks(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    uint8_t packet[100];
    uint32_t len = alice_to_bob(packet, 0, 10);
    p.tmpl[0].optional = 1; // control takes it for transport mode only, as the kernel does
    struct policy *own = policy_new(&p, sad_lanes(r->db->sad));
    assert_non_null(own);
    CHECK_OK(spd_add(r->db->spd, own, NULL));
    rig_out(r, packet, len);
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 2);
    CHECK_EQ(r->events, 1);
    CHECK_EQ(r->event[0].kind, XFRM_EV_ACQUIRE);
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x101);
    rig_add_sa(r, &x);
    rig_out(r, packet, len);
    CHECK_EQ(r->sent.n, 1);
    rig_free(r);
}

static void the_mark_of_an_sa_goes_out_with_the_packet(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x101);
    x.output_mark = (struct xfrm_mark){.value = 0x42, .mask = 0xff};
    struct pair p = pair_new(&x, 0, 0);
    carry(&p, 0, 1);
    CHECK_EQ(p.moon->sent.f[0].mark, 0x42);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_algorithm_carries_every_family),
        cmocka_unit_test(a_whole_burst_of_several_sas),
        cmocka_unit_test(the_esp_header_is_as_drawn),
        cmocka_unit_test(udp_encapsulation_has_its_ports),
        cmocka_unit_test(dscp_and_ecn_go_out_as_the_flags_say),
        cmocka_unit_test(congestion_on_the_way_reaches_the_inner_packet),
        cmocka_unit_test(tfc_padding_hides_the_length),
        cmocka_unit_test(tfc_padding_gives_way_to_the_path),
        cmocka_unit_test(what_exceeds_an_ip_packet_when_protected_is_not_sent),
        cmocka_unit_test(a_packet_at_the_end_of_its_life_goes_no_further),
        cmocka_unit_test(numbers_end_and_nothing_wraps),
        cmocka_unit_test(esn_goes_on_where_32_bits_end),
        cmocka_unit_test(late_packets_from_before_the_epoch_are_taken),
        cmocka_unit_test(wrapping_is_possible_where_it_is_wanted),
        cmocka_unit_test(each_cpu_uses_its_own_sa),
        cmocka_unit_test(the_newest_sa_is_used_and_a_dying_one_only_if_alone),
        cmocka_unit_test(a_burst_outlives_its_sa),
        cmocka_unit_test(counters_and_state_are_seen_by_the_control_thread),
        cmocka_unit_test(an_sa_moves_to_another_executor_with_its_state),
        cmocka_unit_test(a_peer_that_moves_is_reported_once),
        cmocka_unit_test(a_peer_that_stays_where_it_moved_is_told_again_no_sooner_than_asked),
        cmocka_unit_test(no_policy_means_clear_and_a_policy_never),
        cmocka_unit_test(block_and_bypass_policies),
        cmocka_unit_test(a_fragment_does_not_slip_past_a_policy_with_ports),
        cmocka_unit_test(a_hole_for_an_interface_lets_nothing_through),
        cmocka_unit_test(policies_for_devices_have_their_order),
        cmocka_unit_test(level_use_goes_clear_without_an_sa_and_asks),
        cmocka_unit_test(the_mark_of_an_sa_goes_out_with_the_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
