// Lifetimes at work: soft tells, hard ends; by packets, bytes and time, with a clock that moves on
// command.
#include "test/unit/xfrm/rig.h"

#include <string.h>

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"

static struct rig *rig_with(const struct xfrm_sa *x)
{
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    rig_add_policy(r, &p);
    rig_add_sa(r, x);
    rig_clear(r);
    return r;
}

static void packet(struct rig *r)
{
    uint8_t buf[200];
    rig_out(r, buf, rig_udp(buf, "10.1.0.1", "10.2.0.1", 1, 2, 72)); // 100 bytes
}

static unsigned expires(const struct rig *r, bool hard)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->events; i++) {
        n += r->event[i].kind == XFRM_EV_EXPIRE && r->event[i].hard == hard;
    }
    return n;
}

static void packets_reach_soft_once_and_hard_at_the_end(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1);
    x.limit.soft_packets = 3;
    x.limit.hard_packets = 5;
    struct rig *r = rig_with(&x);
    for (unsigned i = 0; i < 2; i++) packet(r);
    CHECK_EQ(r->events, 0);
    packet(r);
    CHECK_EQ(expires(r, false), 1);
    CHECK_EQ(r->event[0].spi, 1);
    packet(r);
    CHECK_EQ(expires(r, false), 1);
    packet(r);
    CHECK_EQ(expires(r, true), 1);
    CHECK_EQ(r->sent.n, 5);
    CHECK_EQ(sad_count(r->db->sad), 0);
    packet(r); // held: there is no SA any more
    CHECK_EQ(r->sent.n, 5);
    CHECK_EQ(hold_count(r->w.hold), 1);
    CHECK_EQ(expires(r, true) + expires(r, false), 2);
    rig_free(r);
}

static void bytes_are_those_of_inner_packets(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1);
    x.limit.soft_bytes = 200;
    x.limit.hard_bytes = 301;
    struct rig *r = rig_with(&x);
    packet(r);
    CHECK_EQ(r->events, 0);
    packet(r);
    CHECK_EQ(expires(r, false), 1);
    packet(r);
    CHECK_EQ(expires(r, true), 0);
    packet(r);
    CHECK_EQ(expires(r, true), 1);
    rig_free(r);
}

static void one_burst_does_not_overrun_the_limit(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1);
    x.limit.hard_packets = 10;
    struct rig *r = rig_with(&x);
    struct burst b = {.n = BURST_MAX};
    for (unsigned i = 0; i < b.n; i++) {
        b.p[i] = pool_take(r->w.pool);
        assert_non_null(b.p[i]);
        b.p[i]->len = rig_udp(b.p[i]->at, "10.1.0.1", "10.2.0.1", 1, 2, 10);
    }
    path_out(&r->w, &b);
    CHECK_EQ(r->sent.n, 10);
    CHECK_EQ(rig_drops(r, DROP_EXPIRED_OUT), BURST_MAX - 10);
    CHECK_EQ(expires(r, true), 1);
    rig_free(r);
}

static void one_burst_does_not_overrun_the_limit_inbound(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1);
    struct rig *moon = rig_with(&x), *sun = rig_new();
    struct xfrm_policy in = rig_policy(XFRM_IN, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    struct burst b = {.n = BURST_MAX};
    x.limit.hard_packets = 10;
    rig_add_policy(sun, &in);
    rig_add_sa(sun, &x);
    for (unsigned i = 0; i < b.n; i++) {
        packet(moon);
        b.p[i] = pool_take(sun->w.pool);
        assert_non_null(b.p[i]);
        memcpy(b.p[i]->at, moon->sent.f[i].at, moon->sent.f[i].len);
        b.p[i]->len = moon->sent.f[i].len;
        b.p[i]->to = moon->sent.f[i].to;
    }
    path_in(&sun->w, &b);
    CHECK_EQ(sun->delivered.n, 10);
    CHECK_EQ(rig_drops(sun, DROP_EXPIRED_IN), BURST_MAX - 10);
    CHECK_EQ(expires(sun, true), 1);
    rig_free(moon);
    rig_free(sun);
}

static void time_since_making(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1);
    x.limit.soft_add_s = 100;
    x.limit.hard_add_s = 120;
    struct rig *r = rig_with(&x);
    CHECK_EQ(control_due(r->control), r->mono + 100 * 1000000000ULL);
    rig_pass(r, 99);
    CHECK_EQ(control_tick(r->control), r->mono + 1000000000ULL);
    CHECK_EQ(r->events, 0);
    rig_pass(r, 1);
    CHECK_EQ(control_tick(r->control), r->mono + 20 * 1000000000ULL);
    CHECK_EQ(expires(r, false), 1);
    packet(r);
    CHECK_EQ(r->sent.n, 1);
    (void)control_tick(r->control);
    CHECK_EQ(r->events, 1);
    rig_pass(r, 20);
    (void)control_tick(r->control);
    CHECK_EQ(expires(r, false), 1);
    CHECK_EQ(expires(r, true), 1);
    packet(r);
    CHECK_EQ(r->sent.n, 1);
    rig_free(r);
}

static void time_since_first_use(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1);
    x.limit.hard_use_s = 10;
    struct rig *r = rig_with(&x);
    for (unsigned i = 0; i < 50; i++) {
        rig_pass(r, 1);
        CHECK(control_tick(r->control) <= r->mono + 1000000000ULL); // the first use may come now
    }
    CHECK_EQ(r->events, 0);
    packet(r);
    rig_pass(r, 9);
    packet(r);
    (void)control_tick(r->control);
    CHECK_EQ(r->events, 0);
    rig_pass(r, 1);
    (void)control_tick(r->control);
    CHECK_EQ(expires(r, true), 1);
    rig_free(r);
}

static void without_limits_there_is_nothing_to_wait_for(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1);
    struct rig *r = rig_with(&x);
    CHECK_EQ(control_tick(r->control), UINT64_MAX);
    rig_free(r);
}

static void news_that_got_lost_is_found_by_the_tick(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1);
    x.limit.soft_packets = 1;
    x.limit.hard_packets = 3;
    struct rig *r = rig_with(&x);
    r->deaf = true;
    packet(r);
    CHECK_EQ(r->worker_events, 1);
    CHECK_EQ(r->events, 0);
    rig_pass(r, 1);
    CHECK(control_tick(r->control) <= r->mono + 1000000000ULL);
    CHECK_EQ(expires(r, false), 1);
    packet(r);
    packet(r);
    packet(r);
    CHECK_EQ(r->sent.n, 3);
    CHECK_EQ(rig_drops(r, DROP_EXPIRED_OUT) + hold_count(r->w.hold), 1);
    rig_pass(r, 1);
    (void)control_tick(r->control);
    CHECK_EQ(expires(r, true), 1);
    rig_free(r);
}

static void new_limits_start_afresh(void **state)
{
    (void)state;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1);
    x.limit.soft_packets = 2;
    struct rig *r = rig_with(&x);
    packet(r);
    packet(r);
    CHECK_EQ(expires(r, false), 1);
    x.limit.soft_packets = 4;
    CHECK_OK(r->api.ops->sa_update(r->api.ctx, &x, NULL));
    packet(r);
    CHECK_EQ(expires(r, false), 1);
    packet(r);
    CHECK_EQ(expires(r, false), 2);
    x.limit.hard_packets = 2; // has been reached already
    CHECK_OK(r->api.ops->sa_update(r->api.ctx, &x, NULL));
    packet(r);
    CHECK_EQ(r->sent.n, 4);
    CHECK_EQ(expires(r, true), 1);
    rig_free(r);
}

static void larval_sas_go_when_nobody_answers(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    rig_add_policy(r, &p);
    packet(r);
    CHECK_EQ(sad_count(r->db->sad), 1); // that of the ACQUIRE
    struct xfrm_sa x = rig_sa(SUN, MOON, 0), out;
    CHECK_OK(r->api.ops->sa_alloc_spi(r->api.ctx, &x, 0x100, 0xffffffff, &out, NULL));
    CHECK_EQ(sad_count(r->db->sad), 2);
    rig_pass(r, CONTROL_ACQUIRE_S);
    (void)control_tick(r->control);
    CHECK_EQ(sad_count(r->db->sad), 1);
    rig_pass(r, CONTROL_SPI_S - CONTROL_ACQUIRE_S);
    CHECK_EQ(control_tick(r->control), UINT64_MAX);
    CHECK_EQ(sad_count(r->db->sad), 0);
    CHECK_EQ(expires(r, true), 2);
    rig_free(r);
}

static void policies_expire_too(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", NULL, NULL);
    p.limit.soft_add_s = 5;
    p.limit.hard_use_s = 3;
    rig_add_policy(r, &p);
    rig_clear(r);
    rig_pass(r, 5);
    (void)control_tick(r->control);
    CHECK_EQ(r->events, 1);
    CHECK(r->event[0].kind == XFRM_EV_POLEXPIRE && !r->event[0].hard);
    packet(r);
    rig_pass(r, 1);
    packet(r);
    struct xfrm_policy_id id = {.dir = XFRM_OUT, .sel = p.sel};
    CHECK_OK(r->api.ops->policy_get(r->api.ctx, &id, &p));
    CHECK_EQ(p.current.use_time, 1700000005); // the first use
    rig_pass(r, 2);
    CHECK_EQ(control_tick(r->control), UINT64_MAX);
    CHECK_EQ(r->events, 2);
    CHECK(r->event[1].kind == XFRM_EV_POLEXPIRE && r->event[1].hard);
    CHECK_EQ(spd_count(r->db->spd, XFRM_OUT), 0);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_reach_soft_once_and_hard_at_the_end),
        cmocka_unit_test(bytes_are_those_of_inner_packets),
        cmocka_unit_test(one_burst_does_not_overrun_the_limit),
        cmocka_unit_test(one_burst_does_not_overrun_the_limit_inbound),
        cmocka_unit_test(time_since_making),
        cmocka_unit_test(time_since_first_use),
        cmocka_unit_test(without_limits_there_is_nothing_to_wait_for),
        cmocka_unit_test(news_that_got_lost_is_found_by_the_tick),
        cmocka_unit_test(new_limits_start_afresh),
        cmocka_unit_test(larval_sas_go_when_nobody_answers),
        cmocka_unit_test(policies_expire_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
