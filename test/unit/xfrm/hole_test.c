// What is taken for a path that swallows long packets, and what is not.
#include "test/unit/xfrm/rig.h"

#include <string.h>

#include "base/clock.h"
#include "base/order.h"
#include "xfrm/path/hole.h"

#define MOON "192.0.2.1"
#define SUN "198.51.100.1"
#define SPI 0xcafe0001

static struct rig *gateway(void)
{
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, SPI), back = rig_sa(SUN, MOON, SPI + 1);
    struct xfrm_policy out = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    struct xfrm_policy in = rig_policy(XFRM_IN, "10.2.0.0/16", "10.1.0.0/16", SUN, MOON);
    rig_add_sa(r, &x);
    rig_add_sa(r, &back);
    rig_add_policy(r, &out);
    rig_add_policy(r, &in);
    return r;
}

// A segment of TCP with so many bytes in all.
static void segment(struct rig *r, uint16_t sport, uint32_t seq, uint32_t len)
{
    uint8_t packet[2000];
    rig_clear(r);
    (void)rig_udp(packet, "10.1.0.10", "10.2.0.10", sport, 80, len - 28);
    packet[9] = 6;
    put16(packet + 10, 0);
    put32(packet + 24, seq);
    packet[32] = 0x50;
    rig_out(r, packet, len);
    CHECK_EQ(r->sent.n, 1);
}

static struct hole_seen seen(struct rig *r, const char *dst, uint32_t spi)
{
    struct hole_seen h;
    ip_t at = rig_ip(dst);
    struct sa *sa = sad_find(r->db->sad, &at, spi, XFRM_PROTO_ESP, 0);
    CHECK(sa);
    hole_of(sa, r->mono, &h);
    return h;
}

static void the_first_segment_again_and_again(void **state)
{
    (void)state;
    struct rig *r = gateway();
    for (uint32_t i = 0; i < 10; i++) segment(r, 1024, 5000 + i * 1200, 1240);
    CHECK_EQ(seen(r, SUN, SPI).again, 0);
    for (unsigned i = 0; i < 3; i++) segment(r, 1024, 5000, 1240);
    CHECK_EQ(seen(r, SUN, SPI).again, 3);
    CHECK(seen(r, SUN, SPI).wire > 1240 && seen(r, SUN, SPI).wire < 1320);
    rig_pass(r, HOLE_AGE / NSEC_PER_SEC + 1);
    CHECK_EQ(seen(r, SUN, SPI).again, 0); // long ago
    rig_free(r);
}

static void a_flow_that_goes_on(void **state)
{
    (void)state;
    struct rig *r = gateway();
    segment(r, 1024, 5000, 1240);
    for (unsigned i = 0; i < 5; i++) segment(r, 1024, 5000, 1240);
    segment(r, 1024, 6200, 1240); // it has arrived after all
    CHECK_EQ(seen(r, SUN, SPI).again, 0);
    for (unsigned i = 0; i < 5; i++) segment(r, 1024, 6200, 1240); // loss later on is no hole
    CHECK_EQ(seen(r, SUN, SPI).again, 0);
    for (unsigned i = 0; i < 9; i++) segment(r, 1026, 9, 200); // short ones
    CHECK_EQ(seen(r, SUN, SPI).again, 0);
    rig_free(r);
}

// Sends a packet of so many bytes from the other side; `lost` ones before it never come.
static void receive(struct rig *r, struct rig *peer, uint32_t lost, uint32_t len)
{
    uint8_t packet[2000];
    for (uint32_t i = 0; i <= lost; i++) {
        rig_clear(peer);
        (void)rig_udp(packet, "10.2.0.10", "10.1.0.10", 80, 1024, len - 28);
        rig_out(peer, packet, len);
        CHECK_EQ(peer->sent.n, 1);
    }
    rig_in(r, &peer->sent.f[0]);
}

static void gaps_where_only_short_ones_come(void **state)
{
    (void)state;
    struct rig *r = gateway(), *peer = rig_new();
    struct xfrm_sa x = rig_sa(SUN, MOON, SPI + 1);
    struct xfrm_policy out = rig_policy(XFRM_OUT, "10.2.0.0/16", "10.1.0.0/16", SUN, MOON);
    rig_add_sa(peer, &x);
    rig_add_policy(peer, &out);
    for (unsigned i = 0; i < 10; i++) receive(r, peer, 0, 100);
    CHECK_EQ(seen(r, MOON, SPI + 1).missing, 0);
    receive(r, peer, 6, 100);
    struct hole_seen h = seen(r, MOON, SPI + 1);
    CHECK_EQ(h.missing, 6);
    CHECK_EQ(h.got, 11);
    CHECK(h.longest >= 100 && h.longest < 200);
    receive(r, peer, 6, 1300); // long ones come: that is plain loss
    CHECK_EQ(seen(r, MOON, SPI + 1).missing, 0);
    rig_free(peer);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_segment_again_and_again),
        cmocka_unit_test(a_flow_that_goes_on),
        cmocka_unit_test(gaps_where_only_short_ones_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
