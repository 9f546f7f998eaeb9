// Policies without an SA: traps and the packets that fall into them, shunts, start actions, and an
// executor that has outlived its diplomat.
#include <stdio.h>
#include <string.h>

#include "test/sim/sim.h"

static void trap(void **state)
{
    struct sim *s = sim_new(1);
    (void)state;
    sim_net_net(s, "", "");
    sim_net_net_side(s, ALICE, "", "start_action = trap");
    CHECK_EQ(s->sent, 0);
    CHECK_EQ(s->node[ALICE].xfrm.policies, 3);
    sim_acquire(s, ALICE, 77);
    sim_acquire(s, ALICE, 78); // another packet; one child SA is enough
    sim_run(s, SECOND);
    sim_expect_clean(s);
    CHECK_EQ(sim_outbound(s, ALICE)->x.seq, 77);
    sim_acquire(s, ALICE, 79); // was on its way to us: an SA has come meanwhile
    sim_run(s, SECOND);
    sim_expect_clean(s);

    struct sim_result r;
    sim_terminate_ike(s, ALICE, &r);
    sim_run(s, SECOND);
    CHECK_EQ(s->node[ALICE].xfrm.policies, 3); // the trap stands
    CHECK_EQ(s->node[BOB].xfrm.policies, 0);
    sim_acquire(s, ALICE, 80);
    sim_run(s, SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

// Every start_action, and every close_action and dpd_action after an end by the peer or its death.
static void every_action(void **state)
{
    static const struct {
        const char *child;
        bool by_peer, dies;
        unsigned policies, children; // a while later; the peer is there again by then
    } cases[] = {
        {"start_action = none", false, false, 0, 0},
        {"start_action = trap", false, false, 3, 0},
        {"start_action = start", false, false, 3, 1},
        {"start_action = trap|start", false, false, 3, 1},
        {"start_action = start\n close_action = none", true, false, 0, 0},
        {"start_action = start\n close_action = trap", true, false, 3, 0},
        {"start_action = start\n close_action = start", true, false, 3, 1},
        {"start_action = start\n close_action = trap|start", true, false, 3, 1},
        {"start_action = trap|start\n close_action = none", true, false, 3, 0},
        {"start_action = start\n dpd_action = clear", false, true, 0, 0},
        {"start_action = start\n dpd_action = trap", false, true, 3, 0},
        {"start_action = start\n dpd_action = restart", false, true, 3, 1},
        {"start_action = trap|start\n dpd_action = clear", false, true, 3, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim *s = sim_new(60);
        struct sim_result r;
        sim_net_net_side(s, BOB, "", "");
        sim_net_net_side(s, ALICE, "dpd_delay = 10s\n keyingtries = 0", cases[i].child);
        sim_run(s, SECOND);
        if (cases[i].by_peer) {
            sim_terminate_child(s, BOB, &r);
            sim_run(s, LATENCY + LATENCY / 2); // just closed, and not made anew yet
            bool traps = strstr(cases[i].child, "close_action = trap") ||
                         strstr(cases[i].child, "start_action = trap");
            CHECK_EQ(s->node[ALICE].xfrm.policies, traps ? 3 : 0);
        }
        if (cases[i].dies) {
            sim_switch_off(s, BOB);
            sim_run(s, 200 * SECOND);
            sim_net_net_side(s, BOB, "", "");
        }
        sim_run(s, 400 * SECOND);
        bool good = s->node[ALICE].xfrm.policies == cases[i].policies &&
                    sim_children(s, ALICE) == cases[i].children;
        if (!good) {
            print_message("# case %zu: %u policies, %u children\n", i, s->node[ALICE].xfrm.policies,
                          sim_children(s, ALICE));
        }
        CHECK(good);
        sim_free(s);
    }
}

// The executor tells of a packet.
static void packet_waits(struct sim *s, const char *src, const char *dst, uint8_t proto,
                         uint16_t sport, uint16_t dport)
{
    struct xfrm_selector t = {.proto = proto, .sport = sport, .dport = dport};
    CHECK_OK(prefix_parse(src, &t.src));
    CHECK_OK(prefix_parse(dst, &t.dst));
    t.family = t.src.ip.family;
    t.sport_mask = t.dport_mask = UINT16_MAX;
    const struct xfrm_policy *p =
        sim_xfrm_policy(&s->node[ALICE].xfrm, XFRM_OUT, &t.src.ip, &t.dst.ip);
    assert_non_null(p);
    struct xfrm_event ev = {
        .kind = XFRM_EV_ACQUIRE, .policy = p, .tmpl = &p->tmpl[0], .trigger = t, .seq = 88};
    ike_xfrm_event(s->node[ALICE].ike, &ev);
    sim_run(s, SECOND);
}

#define SPLIT                                                                                 \
    "connections { net { remote_addrs = 192.0.2.1\n" SIM_SUITE "\n local_addrs = 192.0.2.2\n" \
    "local { auth = psk\n id = bob.example.org }\n remote { auth = psk }\n children {\n"      \
    "low { local_ts = 10.2.0.0/17\n remote_ts = 10.1.0.0/16 }\n"                              \
    "high { local_ts = 10.2.128.0/17\n remote_ts = 10.1.0.0/16 }\n"                           \
    "echo { local_ts = 10.2.0.0/17[icmp/8]\n remote_ts = 10.1.0.0/24[icmp] }\n"               \
    "web { local_ts = 10.2.5.0/24[tcp/80-99]\n remote_ts = 10.1.0.0/16[tcp] }\n"              \
    "} } } secrets { ike { secret = \"correct horse\" } }\n"

// RFC 7296 2.9: the packet's own selectors come first, and a responder that cannot grant all grants
// what they are part of; the answer is free of what wider selectors say as well.
static void packet_comes_first(void **state)
{
    static const struct {
        const char *dst;
        uint8_t proto;
        uint16_t sport, dport;
        const char *granted;
    } cases[] = {
        {"10.2.200.1/32", 6, 40000, 22, "high{1} established"},
        {"10.2.200.1/32", 6, 40000, 22, "=== 10.1.0.0/16"},
        {"10.2.7.1/32", 17, 40000, 53, "low{1} established"},
        {"10.2.5.1/32", 1, 8, 0, "low{1} established"}, // an echo request: both allow it
        {"10.2.5.1/32", 6, 40000, 80, "low{1} established"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim *s = sim_new(40);
        sim_configure(s, BOB, SPLIT);
        sim_net_net_side(s, ALICE, "", "start_action = trap");
        packet_waits(s, "10.1.3.7/32", cases[i].dst, cases[i].proto, cases[i].sport,
                     cases[i].dport);
        if (!sim_told(s, BOB, cases[i].granted)) print_message("# case %zu\n", i);
        CHECK(sim_told(s, BOB, cases[i].granted));
        CHECK_EQ(sim_children(s, ALICE), 1);
        // One pair of networks, and not the packet's selectors beside them.
        CHECK_EQ(s->node[BOB].xfrm.policies, 3);
        sim_free(s);
    }
}

// What the responder grants is less than the trap holds: packets of the rest must not go by it, and
// have child SAs of their own.
static void the_rest_asks_again(void **state)
{
    struct sim *s = sim_new(41);
    (void)state;
    sim_configure(s, BOB, SPLIT);
    sim_net_net_side(s, ALICE, "", "start_action = trap");
    packet_waits(s, "10.1.3.7/32", "10.2.200.1/32", 17, 1, 2);
    CHECK_EQ(sim_children(s, ALICE), 1);
    prefix_t low;
    CHECK_OK(prefix_parse("10.2.128.0/17", &low));
    const struct xfrm_selector *sel = &sim_outbound(s, ALICE)->x.sel;
    CHECK(ip_eq(&sel->dst.ip, &low.ip) && sel->dst.len == low.len);
    packet_waits(s, "10.1.3.7/32", "10.2.200.1/32", 17, 1, 2); // was on its way
    CHECK_EQ(sim_children(s, ALICE), 1);
    packet_waits(s, "10.1.3.7/32", "10.2.7.1/32", 17, 1, 2);
    CHECK(sim_told(s, BOB, "low{2} established"));
    CHECK_EQ(sim_children(s, ALICE), 2);
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    sim_free(s);

    // Without a trap nothing is said of it: who asks for less than there is has it so.
    s = sim_new(42);
    struct sim_result r;
    sim_configure(s, BOB, SPLIT);
    sim_net_net_side(s, ALICE, "", "");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(sim_children(s, ALICE), 1);
    CHECK_EQ(sim_outbound(s, ALICE)->x.sel.dst.len, 0);
    sim_free(s);
}

#define ANYBODY(node, action)                                                                   \
    "connections { net { remote_addrs = 192.0.2.0/24\n" SIM_SUITE "\n local_addrs = " node "\n" \
    "local { auth = psk\n id = " node " }\n remote { auth = psk }\n children { net {\n"         \
    "mode = transport\n start_action = " action                                                 \
    " } } } } secrets { ike { secret = \"correct horse\" } }\n"

// A trap for whoever is spoken to: the packet says who that is.
static void anybody(void **state)
{
    struct sim *s = sim_new(43);
    (void)state;
    sim_configure(s, BOB, ANYBODY("192.0.2.2", "none"));
    sim_configure(s, ALICE, ANYBODY("192.0.2.1", "trap"));
    CHECK_EQ(s->node[ALICE].xfrm.policies, 2);
    packet_waits(s, "192.0.2.1/32", "198.51.100.7/32", 17, 1, 2); // is nobody of remote_addrs
    CHECK_EQ(s->sent, 0);
    packet_waits(s, "192.0.2.1/32", "192.0.2.2/32", 17, 1, 2);
    CHECK(sim_told(s, ALICE, "TS 192.0.2.1/32 === 192.0.2.2/32"));
    packet_waits(s, "192.0.2.1/32", "192.0.2.2/32", 17, 1, 3);
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    CHECK_EQ(sim_children(s, ALICE), 1);
    CHECK_EQ(sim_children(s, BOB), 1);
    packet_waits(s, "192.0.2.1/32", "192.0.2.9/32", 17, 1, 3); // another host: another IKE SA
    CHECK(sim_told(s, ALICE, "to 192.0.2.9"));
    sim_free(s);
}

// What no selector can be made of is no reason to offer less.
static void odd_packets(void **state)
{
    (void)state;
    static const struct {
        const char *src, *dst;
        uint8_t proto;
        uint16_t sport;
    } cases[] = {{"10.1.0.0/16", "10.2.0.0/16", 6, 1},   // no packet
                 {"172.16.0.1/32", "10.2.0.1/32", 6, 1}, // not in what we may offer
                 {"10.1.0.1/32", "10.2.0.1/32", 1, 999}, // no ICMP type
                 {"10.1.0.1/32", "10.2.0.1/32", 0, 0},
                 {"10.1.0.1/32", "10.2.0.1/32", 47, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim *s = sim_new(41);
        sim_net_net(s, "", "");
        sim_net_net_side(s, ALICE, "", "start_action = trap");
        struct xfrm_selector t = {.proto = cases[i].proto, .sport = cases[i].sport};
        CHECK_OK(prefix_parse(cases[i].src, &t.src));
        CHECK_OK(prefix_parse(cases[i].dst, &t.dst));
        t.sport_mask = t.dport_mask = UINT16_MAX;
        const struct xfrm_policy *p = &s->node[ALICE].xfrm.policy[0];
        struct xfrm_event ev = {
            .kind = XFRM_EV_ACQUIRE, .policy = p, .tmpl = &p->tmpl[0], .trigger = t, .seq = 89};
        ike_xfrm_event(s->node[ALICE].ike, &ev);
        sim_run(s, SECOND);
        sim_expect_clean(s);
        sim_free(s);
    }
}

static void trap_while_the_ike_sa_is_up(void **state)
{
    struct sim *s = sim_new(2);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "start_action = trap");
    sim_establish(s);
    sim_terminate_child(s, ALICE, &r);
    sim_run(s, SECOND);
    unsigned sent = s->sent;
    sim_acquire(s, BOB, 5);
    sim_run(s, SECOND);
    CHECK_EQ(s->sent, sent + 2);
    sim_expect_clean(s);
    CHECK_EQ(sim_outbound(s, BOB)->x.seq, 5);
    sim_free(s);
}

static void somebody_elses_acquire(void **state)
{
    struct sim *s = sim_new(3);
    struct xfrm_tmpl tmpl = {.reqid = 4711, .proto = XFRM_PROTO_ESP};
    struct xfrm_event ev = {.kind = XFRM_EV_ACQUIRE, .tmpl = &tmpl, .seq = 1};
    (void)state;
    sim_net_net(s, "", "start_action = trap");
    ike_xfrm_event(s->node[ALICE].ike, &ev);
    sim_run(s, SECOND);
    CHECK_EQ(s->sent, 0);
    sim_free(s);
}

static void start(void **state)
{
    struct sim *s = sim_new(4);
    (void)state;
    sim_net_net(s, "", "");
    sim_net_net_side(s, ALICE, "", "start_action = start");
    sim_run(s, SECOND);
    sim_expect_clean(s);
    sim_net_net_side(s, ALICE, "", "start_action = start"); // reloaded: it is up already
    sim_run(s, SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

static void start_when_there_is_nobody(void **state)
{
    struct sim *s = sim_new(5);
    (void)state;
    sim_net_net_side(s, ALICE, "keyingtries = 0\n remote_addrs = nobody.example.org",
                     "start_action = start");
    sim_run(s, 20 * SECOND);
    CHECK(sim_told(s, ALICE, "is DNS working?"));
    sim_net_net_side(s, ALICE, "keyingtries = 0\n remote_addrs = bob.example.org",
                     "start_action = start");
    sim_net_net_side(s, BOB, "", "");
    sim_run(s, 20 * SECOND);
    CHECK_EQ(sim_children(s, ALICE), 1);
    sim_free(s);
}

static void priorities_as_users_know_them(void **state)
{
    struct sim *s = sim_new(6);
    (void)state;
    sim_net_net(s, "", "start_action = trap");
    CHECK_EQ(s->node[ALICE].xfrm.policy[0].priority, 400000 - 32 * 512);
    sim_establish(s);
    CHECK_EQ(s->node[ALICE].xfrm.policy[0].priority, 400000 - 32 * 512 - 1);
    sim_free(s);
}

static void shunts(void **state)
{
    struct sim *s = sim_new(7);
    (void)state;
    sim_configure(s, ALICE,
                  "connections { local {\n remote_addrs = 127.0.0.1\n local { auth = psk }\n "
                  "remote { auth = psk }\n children {\n lan { mode = pass\n start_action = trap\n "
                  "local_ts = 10.1.0.0/16\n remote_ts = 10.1.0.0/16 }\n"
                  "rest { mode = drop\n start_action = trap\n local_ts = 10.1.0.0/16\n remote_ts = "
                  "0.0.0.0/0 } } } }\nsecrets { ike-1 { secret = \"correct horse\" } }\n");
    CHECK_EQ(s->node[ALICE].xfrm.policies, 6);
    for (unsigned i = 0; i < 6; i++) {
        const struct xfrm_policy *p = &s->node[ALICE].xfrm.policy[i];
        CHECK_EQ(p->tmpl_count, 0);
        bool pass = p->sel.src.len == 16 && p->sel.dst.len == 16;
        CHECK_EQ(p->action, pass ? XFRM_ALLOW : XFRM_BLOCK);
        CHECK(pass ? p->priority < 200000 : p->priority > 400000);
    }
    sim_configure(s, ALICE, "connections { }\n"); // gone with the configuration
    CHECK_EQ(s->node[ALICE].xfrm.policies, 0);
    sim_free(s);
}

// A new configuration never leaves a moment without the policy.
static void reconfigured(void **state)
{
    struct sim *s = sim_new(8);
    (void)state;
    sim_net_net(s, "", "start_action = trap");
    uint32_t reqid = s->node[ALICE].xfrm.policy[0].tmpl[0].reqid;
    sim_establish(s);
    sim_watch(s, true);
    sim_net_net_side(s, ALICE, "", "start_action = trap\n rekey_time = 2h");
    sim_check(s);
    CHECK_EQ(s->node[ALICE].xfrm.policy[0].priority, 400000 - 32 * 512 - 1); // the child SA's still
    CHECK_EQ(s->node[ALICE].xfrm.policies, 3);
    CHECK_EQ(s->node[ALICE].xfrm.policy[0].tmpl[0].reqid, reqid);
    sim_run(s, SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

// The diplomat restarts; the executor has its policies and SAs still. Traffic flows on through
// them, with traps in the configuration, too.
static void restart_with_traps(void **state)
{
    struct sim *s = sim_new(9);
    (void)state;
    sim_net_net(s, "", "start_action = trap");
    sim_establish(s);
    uint32_t reqid = sim_outbound(s, ALICE)->x.reqid;
    sim_watch(s, true);
    sim_switch_off(s, ALICE);
    sim_run(s, SECOND);
    sim_net_net_side(s, ALICE, "", "start_action = trap");
    sim_check(s);
    sim_run(s, 10 * SECOND);
    CHECK(sim_packet(s, ALICE));
    CHECK_EQ(sim_outbound(s, ALICE)->x.reqid, reqid);
    // When they meet again the new SAs take over, and the old ones are cleared away.
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 20 * SECOND);
    CHECK_EQ(r.err, ERR_OK);
    sim_expect_clean(s);
    sim_free(s);
}

// The executor starts anew, with nothing in it.
static void executor_lost_everything(void **state)
{
    struct sim *s = sim_new(12);
    (void)state;
    sim_net_net(s, "", "");
    sim_establish(s);
    sim_rekey_child(s, BOB); // so that both know that both know the child SA
    sim_run(s, 10 * SECOND);
    sim_xfrm_init(&s->node[ALICE].xfrm, &s->now, 5000);
    ike_executor_returned(s->node[ALICE].ike);
    CHECK_EQ(s->node[ALICE].xfrm.policies, 3); // at once: nothing leaves in clear
    sim_run(s, 10 * SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

static void configured_reqid_and_priority(void **state)
{
    struct sim *s = sim_new(10);
    (void)state;
    sim_net_net(s, "", "reqid = 42\n priority = 1234");
    sim_establish(s);
    CHECK_EQ(sim_outbound(s, ALICE)->x.reqid, 42);
    CHECK_EQ(s->node[BOB].xfrm.policy[0].priority, 1234);
    sim_free(s);
}

static void reqids_of_others_are_left_alone(void **state)
{
    struct sim *s = sim_new(11);
    struct xfrm_api api = sim_xfrm_api(&s->node[ALICE].xfrm);
    struct xfrm_sa sa = {.spi = 0x1000, .reqid = 9, .proto = XFRM_PROTO_ESP};
    (void)state;
    (void)strcpy(sa.aead.name, "rfc4106(gcm(aes))");
    CHECK_OK(api.ops->sa_add(api.ctx, &sa, NULL));
    sim_net_net(s, "", "");
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 20 * SECOND);
    CHECK_EQ(sim_outbound(s, ALICE)->x.reqid, 10);
    CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm), 3); // it is not ours to remove
    sim_free(s);
}

// Another connection has been loaded: what a user has done by hand to this one stays so.
static void what_is_not_new_is_left_alone(void **state)
{
    struct sim *s = sim_new(13);
    struct sim_result r;
    struct why why;
    (void)state;
    sim_net_net(s, "", "");
    s->node[ALICE].since = 7;
    sim_net_net_side(s, ALICE, "", "start_action = trap|start");
    sim_run(s, SECOND);
    sim_expect_clean(s);
    sim_terminate_ike(s, ALICE, &r);
    CHECK_OK(ike_uninstall(s->node[ALICE].ike, NULL, "net", &why));
    sim_run(s, SECOND);
    CHECK_EQ(s->node[ALICE].xfrm.policies, 0);
    sim_net_net_side(s, ALICE, "", "start_action = trap|start");
    sim_run(s, SECOND);
    CHECK_EQ(sim_children(s, ALICE), 0);
    CHECK_EQ(s->node[ALICE].xfrm.policies, 0);
    s->node[ALICE].since = 8; // now it is loaded again itself
    sim_net_net_side(s, ALICE, "", "start_action = trap|start");
    sim_run(s, SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

static void a_trap_by_command(void **state)
{
    struct sim *s = sim_new(14);
    struct why why;
    (void)state;
    sim_net_net(s, "", "");
    struct ike *ike = s->node[ALICE].ike;
    CHECK_EQ(ike_install(ike, NULL, "nope", &why), ERR_NOTFOUND);
    CHECK_EQ(ike_uninstall(ike, NULL, "net", &why), ERR_NOTFOUND);
    CHECK_OK(ike_install(ike, NULL, "net", &why));
    CHECK_EQ(s->node[ALICE].xfrm.policies, 3);
    sim_net_net_side(s, ALICE, "", "");
    CHECK_EQ(s->node[ALICE].xfrm.policies, 3); // start_action does not name it, the command did
    sim_acquire(s, ALICE, 5);
    sim_run(s, SECOND);
    sim_expect_clean(s);
    CHECK(ike_installed(ike, s->node[ALICE].config->conn[0].name, "net", NULL));
    CHECK_OK(ike_uninstall(ike, s->node[ALICE].config->conn[0].name, "net", &why));
    CHECK(!ike_installed(ike, s->node[ALICE].config->conn[0].name, "net", NULL));
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trap),
        cmocka_unit_test(trap_while_the_ike_sa_is_up),
        cmocka_unit_test(every_action),
        cmocka_unit_test(packet_comes_first),
        cmocka_unit_test(the_rest_asks_again),
        cmocka_unit_test(anybody),
        cmocka_unit_test(odd_packets),
        cmocka_unit_test(somebody_elses_acquire),
        cmocka_unit_test(start),
        cmocka_unit_test(start_when_there_is_nobody),
        cmocka_unit_test(priorities_as_users_know_them),
        cmocka_unit_test(shunts),
        cmocka_unit_test(reconfigured),
        cmocka_unit_test(restart_with_traps),
        cmocka_unit_test(executor_lost_everything),
        cmocka_unit_test(configured_reqid_and_priority),
        cmocka_unit_test(reqids_of_others_are_left_alone),
        cmocka_unit_test(what_is_not_new_is_left_alone),
        cmocka_unit_test(a_trap_by_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
