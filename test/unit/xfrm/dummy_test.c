// Dummy packets: a silent SA with TFC padding sends them at its rate, its peer discards them; with
// a clock that moves on command.
#include "test/unit/xfrm/rig.h"

#include "base/clock.h"

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"
#define RATE 10
#define PAD 600
#define DIR_IN 1
#define DIR_OUT 2

static struct xfrm_sa covered(uint32_t spi)
{
    struct xfrm_sa x = rig_sa(MOON, SUN, spi);
    x.tfcpad = PAD;
    x.dir = DIR_OUT;
    return x;
}

static struct rig *moon_new(const struct xfrm_sa *x)
{
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    rig_add_policy(r, &p);
    rig_add_sa(r, x);
    r->w.dummy.rate = RATE;
    (void)dummy_send(&r->w); // now it knows that there is something to cover
    return r;
}

static void packet(struct rig *r)
{
    uint8_t buf[200];
    rig_out(r, buf, rig_udp(buf, "10.1.0.1", "10.2.0.1", 1, 2, 72));
}

static void pass_ms(struct rig *r, uint64_t ms)
{
    r->mono += ms * NSEC_PER_MSEC;
    r->w.now = r->mono;
    uint64_t next = dummy_send(&r->w);
    CHECK(next > r->mono);
}

// As the worker does it: whenever one is due.
static void second(struct rig *r)
{
    for (unsigned i = 0; i < RATE; i++) pass_ms(r, 1000 / RATE);
}

// How many the SA has sent in the next second.
static unsigned in_a_second(struct rig *r)
{
    rig_clear(r);
    second(r);
    return r->sent.n;
}

static struct xfrm_sa state_of(struct rig *r, const struct xfrm_sa *x)
{
    struct xfrm_sa now;
    struct xfrm_sa_id id = sad_id(x);
    const struct sa *sa = sad_get(r->db->sad, &id);
    assert_non_null(sa);
    sa_snapshot(sa, &now);
    return now;
}

static void a_silent_sa_sends_its_rate_and_the_peer_discards_it(void **state)
{
    (void)state;
    struct xfrm_sa x = covered(0x77);
    struct rig *moon = moon_new(&x), *sun = rig_new();
    x.dir = DIR_IN;
    x.tfcpad = 0;
    rig_add_sa(sun, &x);
    packet(moon);
    uint32_t len = moon->sent.f[0].len;
    rig_clear(moon);
    CHECK_EQ(in_a_second(moon), RATE);
    for (unsigned i = 0; i < RATE; i++) {
        CHECK_EQ(moon->sent.f[i].len, len); // like a short one of a user
        CHECK(ip_eq(&moon->sent.f[i].to.ip, &x.daddr));
        rig_in(sun, &moon->sent.f[i]);
    }
    CHECK_EQ(sun->delivered.n + sun->bypassed.n, 0);
    CHECK_EQ(rig_all_drops(sun), 0);
    struct xfrm_sa got = state_of(sun, &x);
    CHECK_EQ(got.replay.in_seq, 1 + RATE); // the window has moved
    rig_in(sun, &moon->sent.f[0]);
    CHECK_EQ(rig_drops(sun, DROP_REPLAY), 1);
    rig_free(moon);
    rig_free(sun);
}

static void they_are_counted_apart_but_use_up_the_sa(void **state)
{
    (void)state;
    const struct xfrm_sa x = covered(0x77);
    struct rig *r = moon_new(&x);
    packet(r);
    struct xfrm_sa before = state_of(r, &x);
    second(r);
    CHECK_EQ(r->w.dummies, RATE);
    CHECK_EQ(r->w.packets_out, 1);
    CHECK_EQ(r->w.bytes_out, 100);
    struct xfrm_sa after = state_of(r, &x);
    CHECK_EQ(after.replay.out_seq, before.replay.out_seq + RATE);
    CHECK_EQ(after.current.packets, before.current.packets + RATE);
    CHECK_EQ(after.current.bytes, before.current.bytes + RATE * PAD);
    packet(r);
    CHECK_EQ(state_of(r, &x).replay.out_seq, after.replay.out_seq + 1);
    rig_free(r);
}

static void they_end_with_the_soft_lifetime(void **state)
{
    (void)state;
    struct xfrm_sa x = covered(0x77);
    x.limit.soft_packets = 5;
    struct rig *r = moon_new(&x);
    CHECK_EQ(in_a_second(r), 5);
    CHECK_EQ(r->worker_events, 1);
    CHECK_EQ(in_a_second(r), 0);
    CHECK_EQ(rig_all_drops(r), 0);
    rig_free(r);
}

static void who_is_not_asked_sends_none(void **state)
{
    (void)state;
    struct xfrm_sa x[] = {covered(1), covered(2), covered(3), covered(4)};
    x[0].tfcpad = 0;
    x[1].dir = DIR_IN;
    x[2].mode = XFRM_TRANSPORT;
    x[3].dir = 0; // until a packet has shown what it is
    for (unsigned i = 0; i < sizeof x / sizeof x[0]; i++) {
        struct rig *r = moon_new(&x[i]);
        CHECK_EQ(in_a_second(r), 0);
        packet(r);
        CHECK_EQ(in_a_second(r), i == 3 ? RATE : 0);
        rig_free(r);
    }
    x[0] = covered(5);
    struct rig *r = moon_new(&x[0]);
    r->w.dummy.rate = 0;
    CHECK_EQ(dummy_send(&r->w), UINT64_MAX);
    r->w.dummy.rate = RATE;
    db_note_bundle(r->db);
    CHECK_EQ(dummy_send(&r->w), UINT64_MAX);
    CHECK_EQ(r->sent.n, 0);
    rig_free(r);
}

static void a_deleted_sa_sends_none(void **state)
{
    (void)state;
    const struct xfrm_sa x = covered(0x77);
    struct rig *r = moon_new(&x);
    CHECK_EQ(in_a_second(r), RATE);
    struct xfrm_sa_id id = sad_id(&x);
    sad_del(r->db->sad, sad_get(r->db->sad, &id));
    CHECK_EQ(in_a_second(r), 0);
    CHECK_EQ(dummy_send(&r->w), UINT64_MAX);
    rig_free(r);
}

static void many_share_what_there_is_and_the_late_make_up_for_little(void **state)
{
    (void)state;
    const unsigned most = DUMMIES_MAX / DUMMY_RATE_MAX;
    struct xfrm_sa x = covered(1);
    struct rig *r = moon_new(&x);
    r->w.dummy.rate = DUMMY_RATE_MAX;
    for (uint32_t spi = 2; spi < 2 + 2 * most; spi++) {
        x = covered(spi);
        rig_add_sa(r, &x);
    }
    pass_ms(r, 200);
    rig_clear(r);
    pass_ms(r, 1);
    CHECK_EQ(r->sent.n, most);
    rig_clear(r);
    pass_ms(r, 10000);
    CHECK(r->sent.n > most && r->sent.n <= most * (DUMMY_RATE_MAX / 10 + 1));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_sa_sends_its_rate_and_the_peer_discards_it),
        cmocka_unit_test(they_are_counted_apart_but_use_up_the_sa),
        cmocka_unit_test(they_end_with_the_soft_lifetime),
        cmocka_unit_test(who_is_not_asked_sends_none),
        cmocka_unit_test(a_deleted_sa_sends_none),
        cmocka_unit_test(many_share_what_there_is_and_the_late_make_up_for_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
