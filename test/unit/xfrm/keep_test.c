// NAT keepalives: a quiet SA asks for one after its interval, a busy one for none; with a clock
// that moves on command.
#include "test/unit/xfrm/rig.h"

#include "base/clock.h"

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"
#define EVERY_S 20

struct kept { // what the executor was asked to send
    struct rig *r;
    unsigned n;
    endpoint_t from, to;
    uint32_t mark;
};

static void on_keepalive(void *ctx, const endpoint_t *from, const endpoint_t *to, uint32_t mark)
{
    struct kept *k = ctx;
    k->n++;
    k->from = *from;
    k->to = *to;
    k->mark = mark;
}

static struct xfrm_sa behind_nat(uint32_t keepalive_s)
{
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x1);
    x.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 1025};
    x.nat_keepalive_s = keepalive_s;
    x.dir = 2;
    x.output_mark = (struct xfrm_mark){0x99, UINT32_MAX};
    return x;
}

static void keep_open(struct kept *k, const struct xfrm_sa *x)
{
    *k = (struct kept){.r = rig_new()};
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    control_on_keepalive(k->r->control, on_keepalive, k);
    rig_add_policy(k->r, &p);
    rig_add_sa(k->r, x);
    (void)control_tick(k->r->control);
    rig_clear(k->r);
}

static void packet(struct rig *r)
{
    uint8_t buf[200];
    rig_out(r, buf, rig_udp(buf, "10.1.0.1", "10.2.0.1", 1, 2, 72));
    rig_clear(r);
}

// As the daemon does it: whenever a tick is due. A tick must never be due at once again.
static void seconds(struct kept *k, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        rig_pass(k->r, 1);
        CHECK(control_tick(k->r->control) > k->r->mono);
    }
}

static void a_quiet_sa_sends_one_after_each_interval(void **state)
{
    (void)state;
    struct kept k;
    const struct xfrm_sa x = behind_nat(EVERY_S);
    keep_open(&k, &x);
    seconds(&k, EVERY_S - 1);
    CHECK_EQ(k.n, 0);
    CHECK_EQ(control_due(k.r->control), k.r->mono + NSEC_PER_SEC);
    seconds(&k, 1);
    CHECK_EQ(k.n, 1);
    CHECK(ip_eq(&k.from.ip, &x.saddr) && ip_eq(&k.to.ip, &x.daddr));
    CHECK_EQ(k.from.port, 4500);
    CHECK_EQ(k.to.port, 1025);
    CHECK_EQ(k.mark, 0x99);
    seconds(&k, EVERY_S - 1);
    CHECK_EQ(k.n, 1);
    seconds(&k, 1 + EVERY_S);
    CHECK_EQ(k.n, 3);
    CHECK_EQ(k.r->events, 0);
    rig_free(k.r);
}

static void a_packet_puts_it_off(void **state)
{
    (void)state;
    struct kept k;
    const struct xfrm_sa x = behind_nat(EVERY_S);
    keep_open(&k, &x);
    for (unsigned i = 0; i < 10; i++) {
        seconds(&k, EVERY_S - 1);
        packet(k.r);
    }
    CHECK_EQ(k.n, 0);
    seconds(&k, EVERY_S);
    CHECK_EQ(k.n, 0); // that it was sent is known since the look after it
    seconds(&k, 1);
    CHECK_EQ(k.n, 1);
    rig_free(k.r);
}

static void who_has_no_interval_or_no_udp_sends_none(void **state)
{
    (void)state;
    struct kept k;
    struct xfrm_sa x = behind_nat(0);
    keep_open(&k, &x);
    CHECK_EQ(control_tick(k.r->control), UINT64_MAX);
    x = rig_sa(MOON, SUN, 0x2);
    x.nat_keepalive_s = EVERY_S; // codecs refuse it
    rig_add_sa(k.r, &x);
    CHECK_EQ(control_tick(k.r->control), UINT64_MAX);
    seconds(&k, 3 * EVERY_S);
    CHECK_EQ(k.n, 0);
    rig_free(k.r);
}

static void it_ends_with_the_sa(void **state)
{
    (void)state;
    struct kept k;
    struct xfrm_sa x = behind_nat(UINT32_MAX); // the longest there is
    keep_open(&k, &x);
    seconds(&k, EVERY_S);
    CHECK_EQ(k.n, 0);
    x = behind_nat(1);
    x.spi = 0x2;
    x.limit.hard_add_s = 3;
    rig_add_sa(k.r, &x);
    (void)control_tick(k.r->control);
    seconds(&k, 10);
    CHECK_EQ(k.n, 2);
    rig_free(k.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_sa_sends_one_after_each_interval),
        cmocka_unit_test(a_packet_puts_it_off),
        cmocka_unit_test(who_has_no_interval_or_no_udp_sends_none),
        cmocka_unit_test(it_ends_with_the_sa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
