// The waiting room: bounds, order, time, and one ACQUIRE for each need.
#include "test/unit/xfrm/rig.h"

#include <stdio.h>

#include "base/order.h"

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"

static struct rig *rig_with_policies(unsigned n)
{
    struct rig *r = rig_new();
    for (unsigned i = 0; i < n; i++) {
        char net[32];
        (void)snprintf(net, sizeof net, "10.2.%u.0/24", i);
        struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", net, MOON, SUN);
        p.tmpl[0].reqid = i + 1;
        rig_add_policy(r, &p);
    }
    rig_clear(r);
    return r;
}

// A packet for policy i whose source port says which one it is.
static void packet(struct rig *r, unsigned i, uint16_t mark)
{
    char dst[32];
    uint8_t buf[100];
    (void)snprintf(dst, sizeof dst, "10.2.%u.1", i);
    rig_out(r, buf, rig_udp(buf, "10.1.0.1", dst, mark, 9, 4));
}

static void sa_arrives(struct rig *r, unsigned i)
{
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100 + i);
    x.reqid = i + 1;
    rig_add_sa(r, &x);
}

static unsigned acquires(const struct rig *r)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->events; i++) n += r->event[i].kind == XFRM_EV_ACQUIRE;
    return n;
}

static void held_packets_leave_in_order_when_the_sa_is_there(void **state)
{
    (void)state;
    struct rig *r = rig_with_policies(1);
    for (uint16_t i = 0; i < 10; i++) packet(r, 0, i);
    CHECK_EQ(hold_count(r->w.hold), 10);
    CHECK_EQ(acquires(r), 1);
    CHECK_EQ(r->event[0].reqid, 1);
    CHECK(!r->event[0].pcpu_given);
    CHECK(r->event[0].seq != 0);
    CHECK_EQ(r->event[0].trigger.sport, 0);
    CHECK_EQ(r->event[0].trigger.dst.len, 32);
    uint64_t before = db_generation(r->db);
    sa_arrives(r, 0);
    CHECK(db_generation(r->db) != before);
    hold_retry(&r->w);
    CHECK_EQ(hold_count(r->w.hold), 0);
    CHECK_EQ(r->sent.n, 10);
    struct rig *peer = rig_new();
    struct xfrm_policy in = rig_policy(XFRM_IN, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    rig_add_policy(peer, &in);
    sa_arrives(peer, 0);
    for (unsigned i = 0; i < 10; i++) {
        rig_in(peer, &r->sent.f[i]);
        CHECK_EQ(get16(peer->delivered.f[i].at + 20), i);
    }
    CHECK_EQ(acquires(r), 1);
    rig_free(peer);
    rig_free(r);
}

static void per_cpu_sa_arrives(struct rig *r, uint32_t cpu)
{
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x200 + cpu);
    x.reqid = 1;
    x.pcpu = cpu;
    x.dir = 2;
    x.seq = r->event[r->events - 1].seq;
    rig_add_sa(r, &x);
}

static void asked_for_cpu(const struct rig *r, unsigned n, uint32_t cpu)
{
    unsigned seen = 0, last = 0;
    for (unsigned i = 0; i < r->events; i++) {
        if (r->event[i].kind != XFRM_EV_ACQUIRE) continue;
        last = i;
        seen++;
    }
    CHECK_EQ(seen, n);
    CHECK(r->event[last].pcpu_given);
    CHECK_EQ(r->event[last].pcpu, cpu);
}

// RFC 9611 2: the SA of all carries the packets while one for this CPU is asked for.
static void a_cpu_asks_for_its_own_sa_and_does_not_wait_for_it(void **state)
{
    (void)state;
    struct rig *r = rig_with_policies(0);
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/24", MOON, SUN);
    p.tmpl[0].reqid = 1;
    p.flags = XFRM_POLICY_PER_CPU;
    rig_add_policy(r, &p);
    sa_arrives(r, 0);
    rig_clear(r);
    r->w.cpu = 3;
    for (uint16_t i = 0; i < 5; i++) packet(r, 0, i);
    CHECK_EQ(r->sent.n, 5);
    CHECK_EQ(hold_count(r->w.hold), 0);
    asked_for_cpu(r, 1, 3);
    CHECK_EQ(sad_count(r->db->sad), 2); // the larval one stands for the need
    for (unsigned s = 0; s < 2; s++) {  // nobody has heard it, or could do anything: once more
        rig_pass(r, 3);
        hold_retry(&r->w);
        packet(r, 0, 5);
        asked_for_cpu(r, 1 + s, 3);
    }
    CHECK_EQ(sad_count(r->db->sad), 2);
    per_cpu_sa_arrives(r, 3);
    CHECK_EQ(sad_count(r->db->sad), 2);
    hold_retry(&r->w);
    packet(r, 0, 6);
    CHECK_EQ(get32(r->sent.f[7].at), 0x203);
    rig_pass(r, 31);
    hold_retry(&r->w);
    packet(r, 0, 7);
    asked_for_cpu(r, 2, 3); // it has its own
    rig_free(r);
}

static void without_any_sa_a_cpu_asks_for_its_own_and_waits(void **state)
{
    (void)state;
    struct rig *r = rig_with_policies(0);
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/24", MOON, SUN);
    p.tmpl[0].reqid = 1;
    p.flags = XFRM_POLICY_PER_CPU;
    rig_add_policy(r, &p);
    rig_clear(r);
    r->w.cpu = 1;
    packet(r, 0, 1);
    asked_for_cpu(r, 1, 1);
    CHECK_EQ(hold_count(r->w.hold), 1);
    per_cpu_sa_arrives(r, 1);
    hold_retry(&r->w);
    CHECK_EQ(r->sent.n, 1);
    rig_free(r);
}

static void the_needs_of_two_cpus_are_two(void **state)
{
    (void)state;
    static const uint32_t cpus[] = {1, 2, 2, 1};
    struct rig *r = rig_with_policies(0);
    const struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/24", MOON, SUN);
    for (unsigned i = 0; i < 4; i++) {
        const struct xfrm_event ev = {.kind = XFRM_EV_ACQUIRE,
                                      .policy = &p,
                                      .tmpl = &p.tmpl[0],
                                      .pcpu_given = true,
                                      .pcpu = cpus[i]};
        control_worker_event(r->control, &ev);
    }
    CHECK_EQ(acquires(r), 2);
    CHECK_EQ(sad_count(r->db->sad), 2);
    rig_free(r);
}

static void others_go_on_waiting_in_their_order(void **state)
{
    (void)state;
    struct rig *r = rig_with_policies(3);
    for (uint16_t i = 0; i < 90; i++) packet(r, i % 3, i);
    CHECK_EQ(acquires(r), 3);
    sa_arrives(r, 1);
    hold_retry(&r->w);
    CHECK_EQ(r->sent.n, 30);
    CHECK_EQ(hold_count(r->w.hold), 60);
    sa_arrives(r, 0);
    sa_arrives(r, 2);
    hold_retry(&r->w);
    CHECK_EQ(hold_count(r->w.hold), 0);
    for (unsigned i = 30; i < 90; i++) { // 0 and 2 by turns, as they came
        CHECK_EQ(get32(r->sent.f[i].at), 0x100 + (i % 2 ? 2 : 0));
        CHECK_EQ(get32(r->sent.f[i].at + 4), (i - 30) / 2 + 1);
    }
    CHECK_EQ(acquires(r), 3);
    rig_free(r);
}

static void the_room_is_bounded_for_each_and_for_all(void **state)
{
    (void)state;
    struct rig *r = rig_with_policies(6);
    for (unsigned i = 0; i < HOLD_PER_POLICY + 5; i++) packet(r, 0, 1);
    CHECK_EQ(hold_count(r->w.hold), HOLD_PER_POLICY);
    CHECK_EQ(rig_drops(r, DROP_ACQUIRE_FULL), 5);
    for (unsigned i = 0; i < HOLD_PER_POLICY * 5; i++) packet(r, 1 + i % 5, 1);
    CHECK_EQ(hold_count(r->w.hold), HOLD_MAX);
    CHECK_EQ(rig_drops(r, DROP_ACQUIRE_FULL), 5 + HOLD_PER_POLICY * 6 - HOLD_MAX);
    CHECK_EQ(acquires(r), 6); // no room, but the SA is asked for all the same
    hold_retry(&r->w);
    CHECK_EQ(hold_count(r->w.hold), HOLD_MAX);
    CHECK_EQ(acquires(r), 6);
    rig_free(r);
}

static void who_waits_too_long_is_dropped_and_the_need_told_again(void **state)
{
    (void)state;
    struct rig *r = rig_with_policies(1);
    packet(r, 0, 1);
    rig_pass(r, 20);
    packet(r, 0, 2);
    hold_retry(&r->w);
    CHECK_EQ(hold_count(r->w.hold), 2);
    CHECK_EQ(acquires(r), 1);
    rig_pass(r, 10);
    hold_retry(&r->w);
    CHECK_EQ(hold_count(r->w.hold), 1);
    CHECK_EQ(rig_drops(r, DROP_ACQUIRE_TIMEOUT), 1);
    CHECK_EQ(acquires(r), 2); // the packet that still waits has told it again
    rig_pass(r, 20);
    hold_retry(&r->w);
    CHECK_EQ(hold_count(r->w.hold), 0);
    CHECK_EQ(rig_drops(r, DROP_ACQUIRE_TIMEOUT), 2);
    packet(r, 0, 3);
    CHECK_EQ(hold_count(r->w.hold), 1);
    rig_free(r);
}

static void after_the_sa_is_lost_the_need_is_new(void **state)
{
    (void)state;
    struct rig *r = rig_with_policies(1);
    packet(r, 0, 1);
    sa_arrives(r, 0);
    hold_retry(&r->w);
    CHECK_EQ(r->sent.n, 1);
    CHECK_OK(r->api.ops->sa_flush(r->api.ctx, 0));
    packet(r, 0, 2);
    CHECK_EQ(acquires(r), 2);
    rig_free(r);
}

static void a_changed_policy_decides_anew(void **state)
{
    (void)state;
    struct rig *r = rig_with_policies(1);
    packet(r, 0, 1);
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/24", NULL, NULL);
    p.action = XFRM_BLOCK;
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, true, NULL));
    hold_retry(&r->w);
    CHECK_EQ(hold_count(r->w.hold), 0);
    CHECK_EQ(rig_drops(r, DROP_POLICY_OUT), 1);
    packet(r, 5, 1);
    CHECK_EQ(r->bypassed.n, 1);
    rig_free(r);
}

static void the_same_need_of_two_workers_is_told_once(void **state)
{
    (void)state;
    struct rig *r = rig_with_policies(1);
    struct worker first = r->w, second;
    const struct exits exits = r->w.exits;
    CHECK_OK(worker_init(&second, r->db, &exits, 1));
    second.now = r->w.now;
    second.wall = r->w.wall;
    packet(r, 0, 1);
    r->w = second;
    packet(r, 0, 2);
    CHECK_EQ(r->worker_events, 2);
    CHECK_EQ(acquires(r), 1);
    second = r->w;
    r->w = first;
    worker_done(&second);
    rig_free(r);
}

static void free_returns_what_was_held(void **state)
{
    (void)state;
    struct rig *r = rig_with_policies(1);
    for (unsigned i = 0; i < 20; i++) packet(r, 0, 1);
    rig_free(r); // the sanitizer tells if not
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_packets_leave_in_order_when_the_sa_is_there),
        cmocka_unit_test(others_go_on_waiting_in_their_order),
        cmocka_unit_test(a_cpu_asks_for_its_own_sa_and_does_not_wait_for_it),
        cmocka_unit_test(the_needs_of_two_cpus_are_two),
        cmocka_unit_test(without_any_sa_a_cpu_asks_for_its_own_and_waits),
        cmocka_unit_test(the_room_is_bounded_for_each_and_for_all),
        cmocka_unit_test(who_waits_too_long_is_dropped_and_the_need_told_again),
        cmocka_unit_test(after_the_sa_is_lost_the_need_is_new),
        cmocka_unit_test(a_changed_policy_decides_anew),
        cmocka_unit_test(the_same_need_of_two_workers_is_told_once),
        cmocka_unit_test(free_returns_what_was_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
