// The hostile café: whatever is done to a packet on its way, it is dropped under the right word,
// and the SA goes on working.
#include "test/unit/xfrm/rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/path/stages.h"

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"

// moon's executor makes packets for sun's, which is under attack.
struct cafe {
    struct rig *moon, *sun;
    struct xfrm_sa x;
    uint8_t inner[200];
    uint32_t len;
};

static struct cafe cafe_with(const struct xfrm_sa *x)
{
    struct cafe c = {.moon = rig_new(), .sun = rig_new(), .x = *x};
    struct xfrm_policy out = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    struct xfrm_policy in = rig_policy(XFRM_IN, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    rig_add_policy(c.moon, &out);
    rig_add_policy(c.sun, &in);
    rig_add_sa(c.moon, x);
    rig_add_sa(c.sun, x);
    c.len = rig_udp(c.inner, "10.1.0.10", "10.2.0.20", 1, 2, 50);
    return c;
}

static struct cafe cafe_new(void)
{
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1234);
    return cafe_with(&x);
}

static void cafe_free(struct cafe *c)
{
    rig_free(c->moon);
    rig_free(c->sun);
}

// A good packet on the wire.
static struct frame *catch_one(struct cafe *c)
{
    rig_out(c->moon, c->inner, c->len);
    CHECK(c->moon->sent.n > 0);
    return &c->moon->sent.f[c->moon->sent.n - 1];
}

// Sends f in; exactly one drop, under this word.
static void refused(struct cafe *c, const struct frame *f, enum drop word)
{
    uint64_t before = rig_all_drops(c->sun), word_before = rig_drops(c->sun, word);
    unsigned delivered = c->sun->delivered.n;
    rig_in(c->sun, f);
    if (rig_drops(c->sun, word) != word_before + 1) {
        for (unsigned d = 0; d < DROP_COUNT; d++) {
            if (c->sun->w.drops[d]) print_message("%s %lu\n", drop_word(d), c->sun->w.drops[d]);
        }
        fail_msg("not dropped as \"%s\"", drop_word(word));
    }
    CHECK_EQ(rig_all_drops(c->sun), before + 1);
    CHECK_EQ(c->sun->delivered.n, delivered);
}

static void taken(struct cafe *c, const struct frame *f)
{
    unsigned delivered = c->sun->delivered.n;
    uint64_t drops = rig_all_drops(c->sun);
    rig_in(c->sun, f);
    CHECK_EQ(rig_all_drops(c->sun), drops);
    CHECK_EQ(c->sun->delivered.n, delivered + 1);
}

// A packet with any plaintext, sealed with the right key: what a malicious peer could send. `text`
// ends with its trailer and is a whole number of blocks.
static struct frame forge(struct cafe *c, uint64_t seq, const uint8_t *text, uint32_t len)
{
    struct sa *sa = sad_find(c->moon->db->sad, &c->x.daddr, c->x.spi, XFRM_PROTO_ESP, 0);
    assert_non_null(sa);
    uint32_t head = ESP_HEADER + sa->iv_len;
    struct frame f = {.len = head + len + sa->icv_len, .to = {c->x.daddr, 0}};
    f.at = malloc(f.len);
    assert_non_null(f.at);
    put32(f.at, c->x.spi);
    put32(f.at + 4, (uint32_t)seq);
    sealer_iv(sa->sealer, seq, f.at + ESP_HEADER);
    if (len) memcpy(f.at + head, text, len);
    struct seal_job job = {.head = f.at, .head_len = ESP_HEADER, .text_len = len};
    sealer_seal(sa->sealer, &job, 1);
    CHECK(!job.bad);
    return f;
}

static void forged(struct cafe *c, uint64_t seq, const uint8_t *text, uint32_t len, enum drop word)
{
    struct frame f = forge(c, seq, text, len);
    refused(c, &f, word);
    free(f.at);
}

// ---- on the wire ----

static void any_bit_flipped_is_noticed(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    (void)catch_one(&c);
    (void)catch_one(&c);
    struct frame *f = catch_one(&c); // number 3: no single bit makes it 0, which is a replay
    for (uint32_t bit = 0; bit < f->len * 8; bit++) {
        f->at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        refused(&c, f, bit < 32 ? DROP_NO_SA : DROP_AUTH);
        f->at[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    taken(&c, f);
    struct xfrm_sa got;
    struct xfrm_sa_id id = sad_id(&c.x);
    CHECK_OK(c.sun->api.ops->sa_get(c.sun->api.ctx, &id, &got));
    CHECK_EQ(got.stats.integrity_failed, f->len * 8 - 32);
    cafe_free(&c);
}

static void a_replay_is_refused_also_in_the_same_burst(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    struct frame *f = catch_one(&c);
    struct burst b = {.n = 3};
    for (unsigned i = 0; i < 3; i++) {
        b.p[i] = pool_take(c.sun->w.pool);
        assert_non_null(b.p[i]);
        memcpy(b.p[i]->at, f->at, f->len);
        b.p[i]->len = f->len;
        b.p[i]->to = f->to;
    }
    path_in(&c.sun->w, &b);
    CHECK_EQ(c.sun->delivered.n, 1);
    CHECK_EQ(rig_drops(c.sun, DROP_REPLAY), 2);
    refused(&c, f, DROP_REPLAY);
    cafe_free(&c);
}

static void a_forgery_does_not_move_the_window(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    struct frame *good = catch_one(&c), *bad = catch_one(&c);
    put32(bad->at + 4, 0xffffff00);
    refused(&c, bad, DROP_AUTH);
    taken(&c, good);
    cafe_free(&c);
}

static void too_old_is_a_replay(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    (void)catch_one(&c);
    for (unsigned i = 0; i < 64; i++) (void)catch_one(&c);
    taken(&c, &c.moon->sent.f[64]);
    taken(&c, &c.moon->sent.f[1]);
    refused(&c, &c.moon->sent.f[0], DROP_REPLAY);
    cafe_free(&c);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1234);
    for (unsigned i = 0; i < 3; i++) {
        if (i == 1) rig_crypt_auth(&x, "cbc(aes)", 128, "hmac(sha256)", 256, 128);
        if (i == 2) rig_crypt_auth(&x, "ecb(cipher_null)", 0, "hmac(sha1)", 160, 96);
        struct cafe c = cafe_with(&x);
        struct frame *f = catch_one(&c);
        uint32_t whole = f->len;
        for (uint32_t len = 0; len < whole; len++) {
            uint8_t *exact = malloc(len ? len : 1);
            assert_non_null(exact);
            memcpy(exact, f->at, len);
            struct frame cut = *f;
            cut.at = exact;
            cut.len = len;
            uint64_t before = rig_drops(c.sun, DROP_MALFORMED_IN) + rig_drops(c.sun, DROP_AUTH);
            rig_in(c.sun, &cut);
            CHECK_EQ(rig_drops(c.sun, DROP_MALFORMED_IN) + rig_drops(c.sun, DROP_AUTH), before + 1);
            free(exact);
        }
        CHECK_EQ(c.sun->delivered.n, 0);
        taken(&c, f);
        cafe_free(&c);
    }
}

static void unknown_spis_and_wrong_destinations(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    struct frame *f = catch_one(&c);
    endpoint_t to = f->to;
    f->to.ip = rig_ip("203.0.113.3");
    refused(&c, f, DROP_NO_SA);
    f->to.ip = rig_ip("::ffff:203.0.113.2"); // the same bytes in the wrong family
    refused(&c, f, DROP_NO_SA);
    memset(&f->to.ip, 0, sizeof f->to.ip);
    refused(&c, f, DROP_NO_SA);
    f->to = to;
    put32(f->at, 0x1235);
    refused(&c, f, DROP_NO_SA);
    put32(f->at, 0);
    refused(&c, f, DROP_NO_SA);
    put32(f->at, 0x1234);
    taken(&c, f);
    cafe_free(&c);
}

static void encapsulation_must_be_as_agreed(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    struct frame *f = catch_one(&c);
    f->udp = true;
    refused(&c, f, DROP_ENCAP);
    cafe_free(&c);
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1234);
    x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4500};
    c = cafe_with(&x);
    f = catch_one(&c);
    f->udp = false;
    refused(&c, f, DROP_ENCAP);
    cafe_free(&c);
}

static void larval_and_outbound_sas_open_nothing(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    struct frame *f = catch_one(&c);
    struct xfrm_sa_id id = sad_id(&c.x);
    CHECK_OK(c.sun->api.ops->sa_del(c.sun->api.ctx, &id));
    refused(&c, f, DROP_NO_SA);
    struct xfrm_sa larval;
    CHECK_OK(c.sun->api.ops->sa_alloc_spi(c.sun->api.ctx, &c.x, 0x1234, 0x1234, &larval, NULL));
    refused(&c, f, DROP_NO_SA);
    struct xfrm_sa x = c.x;
    x.dir = 2;
    CHECK_OK(c.sun->api.ops->sa_update(c.sun->api.ctx, &x, NULL));
    refused(&c, f, DROP_NO_SA);
    cafe_free(&c);
}

static void an_expired_sa_takes_nothing(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1234);
    struct cafe c = cafe_with(&x);
    struct xfrm_sa_id id = sad_id(&x);
    CHECK_OK(c.sun->api.ops->sa_del(c.sun->api.ctx, &id));
    x.limit.hard_packets = 2;
    rig_add_sa(c.sun, &x);
    c.sun->deaf = true; // control has not heard of it yet
    taken(&c, catch_one(&c));
    taken(&c, catch_one(&c));
    refused(&c, catch_one(&c), DROP_EXPIRED_IN);
    rig_pass(c.sun, 1); // when SAs are looked at whose limits traffic can reach
    (void)control_tick(c.sun->control);
    CHECK_EQ(c.sun->events, 5); // policy, new, del, new, expire
    CHECK(c.sun->event[4].kind == XFRM_EV_EXPIRE && c.sun->event[4].hard);
    refused(&c, catch_one(&c), DROP_NO_SA);
    cafe_free(&c);
}

// ---- a peer with keys and bad manners ----

static void inner_addresses_must_be_agreed_ones(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    static const struct {
        const char *src, *dst;
        enum drop word;
    } rows[] = {
        {"10.1.0.10", "10.3.0.20", DROP_NO_POLICY_IN},
        {"10.9.0.10", "10.2.0.20", DROP_NO_POLICY_IN},
        {"fd01::1", "fd02::1", DROP_NO_POLICY_IN},
    };
    for (unsigned i = 0; i < 3; i++) {
        uint8_t text[256];
        uint32_t len = rig_udp(text, rows[i].src, rows[i].dst, 1, 2, 2);
        while ((len + 2) % 4) text[len++] = 0; // TFC padding
        text[len++] = 0;
        text[len++] = i == 2 ? 41 : 4;
        forged(&c, i + 1, text, len, rows[i].word);
    }
    c.sun->w.allow_clear_in = true; // then a packet without a policy is the host's business
    uint8_t text[256];
    uint32_t len = rig_udp(text, "10.9.0.10", "10.2.0.20", 1, 2, 2);
    text[len++] = 0;
    text[len++] = 4;
    struct frame f = forge(&c, 9, text, len);
    taken(&c, &f);
    free(f.at);
    cafe_free(&c);
}

static void the_selector_of_the_sa_counts(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1234);
    struct cafe c = cafe_with(&x);
    struct xfrm_sa narrow = x;
    struct xfrm_sa_id id = sad_id(&x);
    narrow.sel = rig_policy(XFRM_IN, "10.1.0.11/32", "10.2.0.0/16", NULL, NULL).sel;
    CHECK_OK(c.sun->api.ops->sa_del(c.sun->api.ctx, &id));
    CHECK_OK(c.sun->api.ops->sa_add(c.sun->api.ctx, &narrow, NULL));
    refused(&c, catch_one(&c), DROP_SELECTOR);
    cafe_free(&c);
}

static void an_sa_of_another_policy_does_not_serve_this_one(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    struct xfrm_policy in = rig_policy(XFRM_IN, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    in.tmpl[0].reqid = 7;
    CHECK_OK(c.sun->api.ops->policy_add(c.sun->api.ctx, &in, true, NULL));
    refused(&c, catch_one(&c), DROP_TEMPLATE);
    in.tmpl[0].reqid = 0; // any
    CHECK_OK(c.sun->api.ops->policy_add(c.sun->api.ctx, &in, true, NULL));
    taken(&c, catch_one(&c));
    in.tmpl[0].saddr = rig_ip("203.0.113.77");
    CHECK_OK(c.sun->api.ops->policy_add(c.sun->api.ctx, &in, true, NULL));
    refused(&c, catch_one(&c), DROP_TEMPLATE);
    in.tmpl_count = 0; // "in clear": then not out of a tunnel, either, as in the kernel
    CHECK_OK(c.sun->api.ops->policy_add(c.sun->api.ctx, &in, true, NULL));
    refused(&c, catch_one(&c), DROP_TEMPLATE);
    in.action = XFRM_BLOCK;
    CHECK_OK(c.sun->api.ops->policy_add(c.sun->api.ctx, &in, true, NULL));
    refused(&c, catch_one(&c), DROP_POLICY_IN);
    cafe_free(&c);
}

static void the_more_important_of_in_and_fwd_decides(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    struct xfrm_policy wall = rig_policy(XFRM_FWD, "0.0.0.0/0", "0.0.0.0/0", NULL, NULL);
    wall.action = XFRM_BLOCK;
    wall.priority = 10;
    rig_add_policy(c.sun, &wall);
    taken(&c, catch_one(&c));
    struct xfrm_policy in = rig_policy(XFRM_IN, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    in.priority = 20;
    CHECK_OK(c.sun->api.ops->policy_add(c.sun->api.ctx, &in, true, NULL));
    refused(&c, catch_one(&c), DROP_POLICY_IN);
    cafe_free(&c);
}

static void trailers_must_make_sense(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    uint8_t text[512];
    uint64_t seq = 1;
    uint32_t len = rig_udp(text, "10.1.0.10", "10.2.0.20", 1, 2, 2); // 30 bytes
    static const struct {
        uint8_t tail[6];
        uint32_t n;
        enum drop word;
    } rows[] = {
        {{1, 2, 3, 4, 4, 4}, 6, DROP_NONE},
        {{0, 0, 0, 0, 0, 4}, 6, DROP_NONE}, // four bytes of TFC padding
        {{1, 2, 3, 3, 4, 4}, 6, DROP_PADDING},
        {{0, 1, 2, 3, 4, 4}, 6, DROP_PADDING},
        {{1, 2, 3, 4, 255, 4}, 6, DROP_PADDING},
        {{1, 2, 3, 4, 35, 4}, 6, DROP_PADDING}, // one more than there is
        {{0, 41}, 2, DROP_MODE},
        {{0, 17}, 2, DROP_MODE},
        {{0, 0}, 2, DROP_MODE},
        {{0, 50}, 2, DROP_MODE},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        memcpy(text + len, rows[i].tail, rows[i].n);
        struct frame f = forge(&c, seq++, text, len + rows[i].n);
        if (rows[i].word) refused(&c, &f, rows[i].word);
        if (!rows[i].word) taken(&c, &f);
        free(f.at);
    }
    static const uint8_t nothing[4] = {1, 2, 2, 4}; // padding and no packet
    forged(&c, seq++, nothing, 4, DROP_MODE);
    cafe_free(&c);
}

static void a_text_that_is_no_whole_number_of_words(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    uint8_t text[64];
    uint32_t len = rig_udp(text, "10.1.0.10", "10.2.0.20", 1, 2, 4);
    text[len++] = 0; // a good packet, but for the padding to 4 bytes
    text[len++] = 4;
    CHECK_EQ(len % 4, 2);
    forged(&c, 1, text, len, DROP_MALFORMED_IN);
    cafe_free(&c);
}

static void a_dummy_packet_vanishes_in_silence(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    static const uint8_t text[8] = {9, 9, 9, 9, 9, 9, 0, 59};
    struct frame f = forge(&c, 1, text, sizeof text);
    rig_in(c.sun, &f);
    CHECK_EQ(rig_all_drops(c.sun), 0);
    CHECK_EQ(c.sun->delivered.n, 0);
    refused(&c, &f, DROP_REPLAY);
    free(f.at);
    cafe_free(&c);
}

static void bad_inner_headers_are_malformed(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    uint8_t good[64], text[64];
    uint32_t len = rig_udp(good, "10.1.0.10", "10.2.0.20", 1, 2, 2);
    good[len] = 0;
    good[len + 1] = 4;
    static const struct {
        unsigned at;
        uint8_t value;
    } rows[] = {{0, 0x44}, {0, 0x4f}, {3, 33}, {3, 19}, {2, 255}, {3, 23}};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        memcpy(text, good, sizeof text);
        text[rows[i].at] = rows[i].value;
        forged(&c, i + 1, text, len + 2, DROP_MALFORMED_IN);
    }
    cafe_free(&c);
}

static void congestion_marks_on_packets_that_cannot_bear_them(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    struct frame *f = catch_one(&c);
    f->tos = 3; // CE outside, Not-ECT inside
    refused(&c, f, DROP_ECN);
    cafe_free(&c);
}

// ---- fail closed ----

static void without_an_sa_nothing_leaves_in_clear(void **state)
{
    (void)state;
    struct cafe c = cafe_new();
    CHECK_OK(c.moon->api.ops->sa_flush(c.moon->api.ctx, 0));
    for (unsigned i = 0; i < 500; i++) rig_out(c.moon, c.inner, c.len);
    CHECK_EQ(c.moon->sent.n + c.moon->bypassed.n, 0);
    CHECK_EQ(hold_count(c.moon->w.hold), HOLD_PER_POLICY);
    CHECK_EQ(rig_drops(c.moon, DROP_ACQUIRE_FULL), 500 - HOLD_PER_POLICY);
    // an expired one is as good as none
    struct xfrm_sa x = c.x;
    x.limit.hard_packets = 0;
    rig_add_sa(c.moon, &x);
    c.moon->deaf = true;
    hold_retry(&c.moon->w);
    CHECK_EQ(c.moon->sent.n + c.moon->bypassed.n, 0);
    cafe_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bit_flipped_is_noticed),
        cmocka_unit_test(a_replay_is_refused_also_in_the_same_burst),
        cmocka_unit_test(a_forgery_does_not_move_the_window),
        cmocka_unit_test(too_old_is_a_replay),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(unknown_spis_and_wrong_destinations),
        cmocka_unit_test(encapsulation_must_be_as_agreed),
        cmocka_unit_test(larval_and_outbound_sas_open_nothing),
        cmocka_unit_test(an_expired_sa_takes_nothing),
        cmocka_unit_test(inner_addresses_must_be_agreed_ones),
        cmocka_unit_test(the_selector_of_the_sa_counts),
        cmocka_unit_test(an_sa_of_another_policy_does_not_serve_this_one),
        cmocka_unit_test(the_more_important_of_in_and_fwd_decides),
        cmocka_unit_test(trailers_must_make_sense),
        cmocka_unit_test(a_text_that_is_no_whole_number_of_words),
        cmocka_unit_test(a_dummy_packet_vanishes_in_silence),
        cmocka_unit_test(bad_inner_headers_are_malformed),
        cmocka_unit_test(congestion_marks_on_packets_that_cannot_bear_them),
        cmocka_unit_test(without_an_sa_nothing_leaves_in_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
