// NATs between the two, and executors that can only do ESP in UDP (RFC 7296 2.23).
#include <string.h>

#include "test/sim/sim.h"

static void nat_before(struct sim *s, int node)
{
    CHECK_OK(ip_parse("198.51.100.1", &s->node[node].nat_ip));
    s->node[node].nat_port_500 = 30500;
    s->node[node].nat_port_4500 = 34500;
}

static struct sim *behind_nat(uint64_t seed, const char *conn, const char *child)
{
    struct sim *s = sim_new(seed);
    nat_before(s, ALICE);
    sim_net_net(s, conn, child);
    sim_net_net_side(s, BOB, "remote_addrs = %any", child);
    sim_establish(s);
    return s;
}

static void initiator_behind_nat(void **state)
{
    struct sim *s = behind_nat(1, "", "");
    (void)state;
    CHECK_EQ(s->sent, 4);
    CHECK(sim_told(s, ALICE, "local host is behind NAT"));
    CHECK(sim_told(s, BOB, "remote host is behind NAT"));
    const struct xfrm_sa *out = &sim_outbound(s, BOB)->x;
    CHECK_EQ(out->encap.type, 2);
    CHECK_EQ(out->encap.sport, 4500);
    CHECK_EQ(out->encap.dport, 34500);
    sim_watch(s, true);
    sim_rekey_child(s, BOB);
    sim_rekey_ike(s, ALICE);
    sim_run(s, 100 * SECOND);
    CHECK(s->node[ALICE].keepalives >= 3); // who is behind the NAT keeps its mapping alive
    CHECK_EQ(s->node[BOB].keepalives, 0);
    sim_expect_clean(s);
    sim_free(s);
}

static void responder_cannot_be_reached(void **state)
{
    struct sim *s = sim_new(2);
    struct sim_result r;
    (void)state;
    nat_before(s, ALICE);
    sim_net_net(s, "", "");
    sim_net_net_side(s, BOB, "remote_addrs = %any", "");
    sim_initiate(s, BOB, "net", &r);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_UNSUPPORTED);
    CHECK(strstr(r.sentence, "only the peer can begin"));
    sim_free(s);
}

// The NAT forgets the mapping and makes another one: authentic messages from there are followed.
static void mapping_changes(void **state)
{
    struct sim *s = behind_nat(3, "dpd_delay = 30s", "");
    (void)state;
    s->node[ALICE].nat_port_4500 = 40000;
    sim_run(s, 60 * SECOND);
    CHECK(sim_told(s, BOB, "the peer is at 198.51.100.1:40000 now"));
    CHECK_EQ(sim_outbound(s, BOB)->x.encap.dport, 40000);
    sim_expect_clean(s);
    CHECK_OK(ip_parse("198.51.100.9", &s->node[ALICE].nat_ip)); // another address, too
    sim_run(s, 60 * SECOND);
    CHECK(sim_told(s, BOB, "the peer is at 198.51.100.9:40000 now"));
    sim_expect_clean(s);
    sim_free(s);
}

static void mapping_seen_by_the_executor(void **state)
{
    struct sim *s = behind_nat(4, "", "");
    (void)state;
    s->node[ALICE].nat_port_4500 = 41000;
    endpoint_t from = {s->node[ALICE].nat_ip, 41000};
    struct sim_sa *out = sim_outbound(s, ALICE);
    struct xfrm_sa in = sim_xfrm_find(&s->node[BOB].xfrm, &s->node[BOB].ip, out->x.spi)->x;
    struct xfrm_event ev = {.kind = XFRM_EV_MAPPING, .sa = &in, .new_peer = from};
    ike_xfrm_event(s->node[BOB].ike, &ev);
    CHECK_EQ(sim_outbound(s, BOB)->x.encap.dport, 41000);
    sim_expect_clean(s);
    sim_free(s);
}

// Without a NAT nobody is followed: a message replayed from elsewhere must not move anything.
static void nobody_follows_without_nat(void **state)
{
    struct sim *s = sim_new(5);
    (void)state;
    sim_net_net(s, "dpd_delay = 30s", "");
    sim_establish(s);
    nat_before(s, ALICE); // appears later; no NAT was detected
    sim_run(s, 100 * SECOND);
    CHECK(sim_stats(s, BOB).received > 2); // the question whether he is there came from elsewhere
    CHECK(!sim_told(s, BOB, "the peer is at"));
    sim_free(s);
}

static void encap_without_nat(void **state)
{
    (void)state;
    for (int side = ALICE; side <= BOB; side++) {
        struct sim *s = sim_new(6);
        s->node[side].opt.executor_has_raw_esp = false;
        sim_net_net(s, "", "");
        sim_establish(s);
        CHECK_EQ(sim_outbound(s, ALICE)->x.encap.type, 2);
        CHECK_EQ(sim_outbound(s, BOB)->x.encap.dport, 4500);
        sim_run(s, 100 * SECOND);
        CHECK_EQ(s->node[side].keepalives, 0); // there is nothing to keep alive
        sim_watch(s, true);
        sim_rekey_child(s, side);
        sim_run(s, 30 * SECOND);
        sim_expect_clean(s);
        sim_free(s);
    }
}

static void encap_configured(void **state)
{
    struct sim *s = sim_new(7);
    (void)state;
    sim_net_net(s, "", "");
    sim_net_net_side(s, ALICE, "encap = yes", "");
    sim_establish(s);
    CHECK_EQ(sim_outbound(s, BOB)->x.encap.type, 2);
    sim_free(s);
}

static void port_4500_at_once(void **state)
{
    struct sim *s = sim_new(8);
    (void)state;
    sim_net_net(s, "", "");
    sim_net_net_side(s, ALICE, "remote_port = 4500\n local_port = 4500", "");
    sim_establish(s);
    CHECK_EQ(sim_outbound(s, ALICE)->x.encap.type, 0);
    sim_free(s);
}

static void transport_through_nat(void **state)
{
    struct sim *s = sim_new(9);
    struct sim_result r;
    (void)state;
    nat_before(s, ALICE);
    sim_net_net(s, "", "local_ts = dynamic\n remote_ts = dynamic\n mode = transport");
    sim_net_net_side(s, BOB, "remote_addrs = %any",
                     "local_ts = dynamic\n remote_ts = dynamic\n mode = transport");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    // Each side's selectors speak of the addresses that its own packets carry.
    CHECK(sim_told(s, ALICE, "192.0.2.1/32 === 192.0.2.2/32"));
    CHECK(sim_told(s, BOB, "192.0.2.2/32 === 198.51.100.1/32"));
    sim_free(s);
}

static void loss_behind_nat(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 4; lost++) {
        struct sim *s = sim_new(20 + lost);
        struct sim_result r;
        nat_before(s, ALICE);
        sim_net_net(s, "", "");
        sim_net_net_side(s, BOB, "remote_addrs = %any", "");
        s->fate = sim_fate_nth_lost;
        s->fate_arg = lost;
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, 40 * SECOND);
        CHECK_EQ(r.err, ERR_OK);
        sim_expect_clean(s);
        sim_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initiator_behind_nat),
        cmocka_unit_test(responder_cannot_be_reached),
        cmocka_unit_test(mapping_changes),
        cmocka_unit_test(mapping_seen_by_the_executor),
        cmocka_unit_test(nobody_follows_without_nat),
        cmocka_unit_test(encap_without_nat),
        cmocka_unit_test(encap_configured),
        cmocka_unit_test(port_4500_at_once),
        cmocka_unit_test(transport_through_nat),
        cmocka_unit_test(loss_behind_nat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
