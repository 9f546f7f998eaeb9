// Hosts that change networks (MOBIKE, RFC 4555): addresses, families, NATs, with loss and while
// other things are being said.
#include <stdio.h>
#include <string.h>

#include "ike/sa/diplomat.h"
#include "test/sim/sim.h"

#define ANYWHERE "local_addrs = %any\n remote_addrs = "
#define ANYBODY ANYWHERE "%any\n"

// ALICE is the laptop that begins, BOB the gateway that takes her from anywhere.
static struct sim *laptop(uint64_t seed, const char *conn)
{
    struct sim *s = sim_new(seed);
    char alice[256], bob[256];
    (void)snprintf(alice, sizeof alice, "%s192.0.2.2\n %s", ANYWHERE, conn);
    (void)snprintf(bob, sizeof bob, "%s %s", ANYBODY, conn);
    sim_net_net_side(s, BOB, bob, "");
    sim_net_net_side(s, ALICE, alice, "");
    return s;
}

static struct sim *laptop_up(uint64_t seed, const char *conn)
{
    struct sim *s = laptop(seed, conn);
    sim_establish(s);
    return s;
}

static void expect_at(struct sim *s, const char *alice, const char *bob)
{
    ip_t a, b;
    CHECK_OK(ip_parse(alice, &a));
    CHECK_OK(ip_parse(bob, &b));
    const struct xfrm_sa *x = &sim_outbound(s, ALICE)->x, *y = &sim_outbound(s, BOB)->x;
    CHECK(ip_eq(&x->saddr, &a) && ip_eq(&x->daddr, &b));
    CHECK(ip_eq(&y->saddr, &b));
    if (s->node[ALICE].nat_ip.family == AF_UNSPEC) CHECK(ip_eq(&y->daddr, &a));
    sim_expect_clean(s);
}

static void another_address(void **state)
{
    struct sim *s = laptop_up(1, "");
    (void)state;
    CHECK(sim_told(s, ALICE, "moving to port 4500")); // without any NAT
    CHECK_EQ(sim_outbound(s, ALICE)->x.encap.type, 0);
    CHECK(sim_told(s, ALICE, "peer supports MOBIKE"));
    unsigned before = s->sent;
    uint64_t seq = sim_outbound(s, ALICE)->x.replay.out_seq;
    sim_roam(s, ALICE, "203.0.113.7");
    sim_run(s, SECOND);
    CHECK_EQ(s->sent - before, 4); // the news, the check, and their answers
    expect_at(s, "203.0.113.7", "192.0.2.2");
    CHECK(sim_told(s, BOB, "the peer is at 203.0.113.7:4500 now"));
    CHECK(sim_told(s, ALICE, "we are at 203.0.113.7:4500 now"));
    CHECK(sim_outbound(s, ALICE)->x.replay.out_seq > seq); // no sequence number twice
    ike_network_changed(s->node[ALICE].ike);               // something, but nothing of ours
    sim_run(s, SECOND);
    CHECK_EQ(s->sent - before, 4);
    CHECK(s->node[ALICE].events[IKE_EV_MOVED] >= 1 && s->node[BOB].events[IKE_EV_MOVED] >= 1);
    sim_free(s);
}

// Lifetimes go on; only what a rekeying makes begins with full ones.
static void lifetimes_go_on(void **state)
{
    struct sim *s = laptop_up(2, "rekey_time = 0");
    (void)state;
    sim_run(s, 1000 * SECOND);
    sim_roam(s, ALICE, "203.0.113.7");
    sim_run(s, SECOND);
    const struct xfrm_lifetime *l = &sim_outbound(s, ALICE)->x.limit;
    CHECK(l->hard_add_s <= 3960 - 1000);
    CHECK(l->soft_add_s && l->soft_add_s <= 3600 - 1000);
    sim_free(s);
}

static void to_ipv6_and_back(void **state)
{
    struct sim *s = laptop(3, "");
    (void)state;
    CHECK_OK(ip_parse("2001:db8:b::2", &s->node[BOB].also));
    sim_establish(s);
    sim_roam(s, ALICE, "2001:db8:a::1");
    sim_run(s, SECOND);
    expect_at(s, "2001:db8:a::1", "2001:db8:b::2");
    sim_roam(s, ALICE, "192.0.2.1");
    sim_run(s, SECOND);
    expect_at(s, "192.0.2.1", "192.0.2.2");
    sim_free(s);
}

static void nat_appears_and_vanishes(void **state)
{
    struct sim *s = laptop_up(4, "");
    (void)state;
    CHECK_OK(ip_parse("198.51.100.1", &s->node[ALICE].nat_ip));
    s->node[ALICE].nat_port_500 = 30500;
    s->node[ALICE].nat_port_4500 = 34500;
    sim_roam(s, ALICE, "10.99.0.1");
    sim_run(s, SECOND);
    expect_at(s, "10.99.0.1", "192.0.2.2");
    CHECK_EQ(sim_outbound(s, BOB)->x.encap.type, 2);
    CHECK_EQ(sim_outbound(s, BOB)->x.encap.dport, 34500);
    sim_run(s, 100 * SECOND);
    CHECK(s->node[ALICE].keepalives >= 4);
    s->node[ALICE].nat_ip.family = AF_UNSPEC;
    sim_roam(s, ALICE, "192.0.2.77");
    sim_run(s, SECOND);
    expect_at(s, "192.0.2.77", "192.0.2.2");
    CHECK_EQ(sim_outbound(s, ALICE)->x.encap.type, 0);
    CHECK_EQ(sim_outbound(s, BOB)->x.encap.type, 0);
    unsigned keepalives = s->node[ALICE].keepalives;
    sim_run(s, 100 * SECOND);
    CHECK_EQ(s->node[ALICE].keepalives, keepalives);
    sim_free(s);
}

// Who decides stays who opened the first IKE SA, whoever rekeyed it.
static void after_rekeying(void **state)
{
    (void)state;
    for (int side = ALICE; side <= BOB; side++) {
        struct sim *s = laptop_up(5, "");
        sim_rekey_ike(s, side);
        sim_run(s, SECOND);
        sim_roam(s, ALICE, "203.0.113.7");
        sim_run(s, SECOND);
        expect_at(s, "203.0.113.7", "192.0.2.2");
        sim_free(s);
    }
}

static struct ike_sa *up_at(struct sim *s, int node)
{
    struct ike_sa *sa = s->node[node].ike->all;
    while (sa && sa->state != IKE_UP) sa = sa->next;
    return sa;
}

// The gateway's address changes: it may only say so, and the laptop follows.
static void gateway_moves(void **state)
{
    struct sim *s = laptop_up(6, "");
    (void)state;
    sim_roam(s, BOB, "192.0.2.99");
    sim_run(s, SECOND);
    CHECK(sim_told(s, BOB, "our address is gone: we go on from 192.0.2.99"));
    expect_at(s, "192.0.2.1", "192.0.2.99");
    sim_free(s);
}

static unsigned first_address_dead(struct sim *s, struct sim_message *m, unsigned n)
{
    ip_t dead;
    (void)s, (void)n;
    CHECK_OK(ip_parse("192.0.2.2", &dead));
    return !ip_eq(&m->d.to.ip, &dead) && !ip_eq(&m->d.from.ip, &dead);
}

// A second address of the gateway comes later: the laptop hears of it, and goes there when the
// first one is gone. What nobody can be at is not believed.
static void news_of_addresses(void **state)
{
    struct sim *s = laptop_up(14, "");
    ip_t *also = &s->node[BOB].also;
    (void)state;
    static const char *const nowhere[] = {"127.0.0.1", "224.0.0.1", "255.255.255.255", "0.1.2.3",
                                          "::1",       "fe80::1",   "ff02::1"};
    for (unsigned i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        CHECK_OK(ip_parse(nowhere[i], also));
        ike_network_changed(s->node[BOB].ike);
        sim_run(s, SECOND);
        CHECK_EQ(up_at(s, ALICE)->roam.theirs_n, 0);
    }
    CHECK_OK(ip_parse("198.51.100.2", also));
    ike_network_changed(s->node[BOB].ike);
    sim_run(s, SECOND);
    CHECK_EQ(up_at(s, ALICE)->roam.theirs_n, 1);
    CHECK(ip_eq(&up_at(s, ALICE)->roam.theirs[0], also));
    also->family = AF_UNSPEC; // and it goes again
    ike_network_changed(s->node[BOB].ike);
    sim_run(s, SECOND);
    CHECK_EQ(up_at(s, ALICE)->roam.theirs_n, 0);
    sim_free(s);
}

// The way in use fails without a word; the peer has told of another address.
static void another_way_is_tried(void **state)
{
    struct sim *s = laptop(7, "dpd_delay = 10s");
    (void)state;
    CHECK_OK(ip_parse("198.51.100.2", &s->node[BOB].also));
    sim_establish(s);
    s->fate = first_address_dead;
    sim_run(s, 60 * SECOND);
    CHECK(sim_told(s, ALICE, "no answer: trying 2 ways to the peer"));
    CHECK(sim_told(s, ALICE, "answers on the way from 192.0.2.1 to 198.51.100.2"));
    expect_at(s, "192.0.2.1", "198.51.100.2");
    sim_free(s);
}

// Without a network for a while nothing is given up, and it goes on with the next one.
static void offline_for_a_while(void **state)
{
    struct sim *s = laptop_up(8, "");
    (void)state;
    s->node[ALICE].offline = true;
    ike_network_changed(s->node[ALICE].ike);
    sim_run(s, 1000 * SECOND);
    CHECK(sim_told(s, ALICE, "there is no way to the peer"));
    s->node[ALICE].offline = false;
    sim_roam(s, ALICE, "203.0.113.7");
    sim_run(s, SECOND);
    expect_at(s, "203.0.113.7", "192.0.2.2");
    sim_free(s);
}

// remote_addrs says where a peer is at first; one that has proved who it is may go elsewhere.
static void from_where_it_was_known_to_be(void **state)
{
    struct sim *s = sim_new(9);
    (void)state;
    sim_net_net(s, "", ""); // BOB's remote_addrs names ALICE's only address
    sim_net_net_side(s, ALICE, "local_addrs = %any", "");
    sim_establish(s);
    sim_roam(s, ALICE, "203.0.113.7");
    sim_run(s, SECOND);
    expect_at(s, "203.0.113.7", "192.0.2.2");
    sim_free(s);
}

// local_addrs says where we want to be: who has none of that any more goes on from where he is, and
// back when it is there again.
static void all_of_local_addrs_is_lost(void **state)
{
    (void)state;
    static const char *const home[] = {"192.0.2.1", "192.0.2.2"};
    for (int side = ALICE; side <= BOB; side++) {
        struct sim *s = sim_new(18);
        sim_net_net(s, "", "");
        sim_establish(s);
        for (unsigned round = 0; round < 2; round++) {
            const char *away = "203.0.113.7";
            sim_roam(s, side, away);
            sim_run(s, SECOND);
            expect_at(s, side == ALICE ? away : home[0], side == BOB ? away : home[1]);
            sim_roam(s, side, home[side]);
            sim_run(s, SECOND);
            expect_at(s, home[0], home[1]);
        }
        CHECK_EQ(sim_ikes(s, side), 1);
        sim_free(s);
    }
}

// Somebody on the way leads what is for BOB's address to another one of his.
static unsigned led_elsewhere(struct sim *s, struct sim_message *m, unsigned n)
{
    ip_t bob;
    (void)n;
    CHECK_OK(ip_parse("192.0.2.2", &bob));
    if (ip_eq(&m->d.to.ip, &bob)) m->d.to.ip = s->node[BOB].also;
    return 1;
}

static void where_we_may_not_be(void **state)
{
    struct sim *s = sim_new(9);
    (void)state;
    sim_net_net(s, "", ""); // BOB's local_addrs names his first address
    sim_net_net_side(s, ALICE, "local_addrs = %any", "");
    sim_establish(s);
    CHECK_OK(ip_parse("198.51.100.2", &s->node[BOB].also));
    s->fate = led_elsewhere;
    sim_roam(s, ALICE, "203.0.113.7");
    sim_run(s, SECOND);
    CHECK(sim_told(s, BOB, "the peer wants to reach us at 198.51.100.2:4500"));
    CHECK(sim_told(s, ALICE, "the peer does not accept our addresses: UNACCEPTABLE_ADDRESSES"));
    CHECK_EQ(sim_ikes(s, ALICE), 0);
    sim_free(s);
}

static void only_if_both_can(void **state)
{
    (void)state;
    for (int side = ALICE; side <= BOB; side++) {
        struct sim *s = laptop(10, "");
        const char *fixed =
            side == ALICE ? ANYWHERE "192.0.2.2\n mobike = no" : ANYBODY "mobike = no";
        sim_net_net_side(s, side, fixed, "");
        sim_establish(s);
        unsigned before = s->sent;
        sim_roam(s, ALICE, "203.0.113.7");
        sim_run(s, SECOND);
        CHECK_EQ(s->sent, before);
        CHECK(!sim_told(s, ALICE, "both sides can change"));
        sim_free(s);
    }
}

// Who does not return our cookie has not seen the question (RFC 4555 3.7).
static void wrong_cookie(void **state)
{
    (void)state;
    for (int side = ALICE; side <= BOB; side++) {
        struct sim *s = laptop_up(11, "");
        sim_roam(s, ALICE, "203.0.113.7");
        sim_run(s, side == ALICE ? 0 : 2 * LATENCY); // our question is under way
        CHECK(up_at(s, side)->active);
        up_at(s, side)->roam.cookie[0] ^= 1;
        sim_run(s, SECOND);
        CHECK(sim_told(s, side, "the peer did not return our COOKIE2"));
        sim_expect_nothing(s);
        sim_free(s);
    }
}

// Somebody on the way lets the news come from an address of his choice: traffic does not go there,
// since nobody there answers the check; and it heals with the next dead-peer detection.
static unsigned from_elsewhere(struct sim *s, struct sim_message *m, unsigned n)
{
    if (m->from == ALICE && n == s->fate_arg) CHECK_OK(ip_parse("198.18.0.1", &m->d.from.ip));
    return 1;
}

static void forged_source(void **state)
{
    struct sim *s = laptop_up(12, "dpd_delay = 20s");
    ip_t victim;
    (void)state;
    CHECK_OK(ip_parse("198.18.0.1", &victim));
    s->encap_may_differ = true;
    s->fate = from_elsewhere;
    s->fate_arg = s->sent;
    sim_roam(s, ALICE, "203.0.113.7");
    for (unsigned i = 0; i < 600; i++) {
        sim_run(s, SECOND / 10);
        CHECK(!ip_eq(&sim_outbound(s, BOB)->x.daddr, &victim));
    }
    expect_at(s, "203.0.113.7", "192.0.2.2");
    sim_free(s);
}

// Without NAT traversal the addresses themselves are protected (RFC 4555 3.9): a NAT is found out,
// after five attempts there is no way, and nothing of the peer's has moved.
static void no_nat_where_none_is_allowed(void **state)
{
    (void)state;
    for (int nat = 0; nat <= 1; nat++) {
        struct sim *s = laptop_up(15, "");
        up_at(s, ALICE)->roam.natt = up_at(s, BOB)->roam.natt = false;
        if (nat) CHECK_OK(ip_parse("198.51.100.1", &s->node[ALICE].nat_ip));
        s->node[ALICE].nat_port_4500 = 34500;
        sim_roam(s, ALICE, "10.99.0.1");
        sim_run(s, SECOND);
        CHECK_EQ(sim_told(s, BOB, "the peer is at"), !nat);
        CHECK_EQ(sim_told(s, ALICE,
                          "not accept our addresses: UNEXPECTED_NAT_DETECTED; a NAT on the way"),
                 nat);
        if (nat) CHECK_EQ(sim_ikes(s, ALICE), 0);
        if (!nat) expect_at(s, "10.99.0.1", "192.0.2.2");
        sim_free(s);
    }
}

static unsigned bob_asks_in_vain(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)s, (void)n;
    return m->from != BOB || m->bytes[19] & IKE_FLAG_RESPONSE;
}

// A peer that moves without end and never answers the check costs one task, and in the end its SA.
static void moves_without_end(void **state)
{
    struct sim *s = laptop_up(16, "");
    char ip[IP_TEXT_MAX];
    (void)state;
    s->fate = bob_asks_in_vain;
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(ip, sizeof ip, "203.0.113.%u", i + 1);
        sim_roam(s, ALICE, ip);
        sim_run(s, SECOND);
        CHECK(up_at(s, BOB)->queue.n <= 1);
    }
    CHECK(sim_told(s, BOB, "the peer is at 203.0.113.100:4500 now"));
    sim_run(s, 400 * SECOND);
    CHECK_EQ(sim_ikes(s, BOB), 0);
    sim_free(s);
}

// Words of the wrong side change nothing.
static void who_does_not_decide(void **state)
{
    struct sim *s = laptop_up(13, "");
    (void)state;
    struct ike_sa *bob = up_at(s, BOB);
    bob->roam.decides = true; // confused
    CHECK_OK(ip_parse("192.0.2.50", &s->node[BOB].ip));
    ike_network_changed(s->node[BOB].ike);
    sim_run(s, SECOND);
    CHECK(sim_told(s, ALICE, "which is ours to do"));
    CHECK(!sim_told(s, ALICE, "the peer is at"));
    sim_free(s);
}

// Moves at any moment, with rekeyings of everything by both sides, loss, doubles and delays: in the
// end all is where ALICE is.
static void moves_in_bad_weather(void **state)
{
    static const char *const places[] = {"203.0.113.7", "192.0.2.1", "203.0.113.8", "192.0.2.77"};
    (void)state;
    for (uint64_t seed = 100; seed < 160; seed++) {
        struct sim *s = laptop_up(seed, "");
        s->encap_may_differ = true; // an old message from a new address looks like a NAT
        s->fate = sim_fate_random;
        s->loss = 0.25;
        s->twice = 0.1;
        s->jitter = 0.2;
        for (unsigned i = 0; i < 8; i++) {
            sim_roam(s, ALICE, places[i % 4]);
            sim_run(s, sim_random(s) % (200 * NSEC_PER_MSEC));
            if (sim_random(s) % 3 == 0) sim_rekey_child(s, (int)(sim_random(s) % 2));
            if (sim_random(s) % 4 == 0) sim_rekey_ike(s, (int)(sim_random(s) % 2));
            sim_run(s, sim_random(s) % (5 * SECOND));
        }
        s->fate = NULL; // or six losses in a row would be a dead peer, now and then
        sim_run(s, 400 * SECOND);
        expect_at(s, "192.0.2.77", "192.0.2.2");
        sim_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_address),
        cmocka_unit_test(lifetimes_go_on),
        cmocka_unit_test(to_ipv6_and_back),
        cmocka_unit_test(nat_appears_and_vanishes),
        cmocka_unit_test(after_rekeying),
        cmocka_unit_test(gateway_moves),
        cmocka_unit_test(news_of_addresses),
        cmocka_unit_test(another_way_is_tried),
        cmocka_unit_test(offline_for_a_while),
        cmocka_unit_test(from_where_it_was_known_to_be),
        cmocka_unit_test(all_of_local_addrs_is_lost),
        cmocka_unit_test(where_we_may_not_be),
        cmocka_unit_test(only_if_both_can),
        cmocka_unit_test(wrong_cookie),
        cmocka_unit_test(forged_source),
        cmocka_unit_test(no_nat_where_none_is_allowed),
        cmocka_unit_test(who_does_not_decide),
        cmocka_unit_test(moves_without_end),
        cmocka_unit_test(moves_in_bad_weather),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
