// IKE SAs that are up: fresh keys, authentication anew, silence, the end, several of one peer.
#include <stdio.h>
#include <string.h>

#include "test/sim/sim.h"

static void expect_settled(struct sim *s)
{
    sim_run(s, 200 * SECOND); // an IKE SA that nobody closes goes after 180 s
    sim_expect_clean(s);
    unsigned before = s->sent;
    sim_run(s, 60 * SECOND);
    CHECK_EQ(s->sent, before);
    CHECK_EQ(sim_stats(s, ALICE).total, 1);
    CHECK_EQ(sim_stats(s, BOB).total, 1);
    sim_free(s);
}

// ---- rekeying ----

static void rekey(void **state)
{
    (void)state;
    for (int node = ALICE; node <= BOB; node++) {
        struct sim *s = sim_established(1 + (uint64_t)node, "", "");
        unsigned sent = s->sent;
        sim_rekey_ike(s, node);
        sim_run(s, SECOND);
        CHECK_EQ(s->sent, sent + 4);
        CHECK_EQ(s->node[ALICE].events[IKE_EV_REKEYED], 1);
        CHECK_EQ(s->node[BOB].events[IKE_EV_REKEYED], 1);
        CHECK_EQ(s->node[ALICE].events[IKE_EV_DOWN], 0);
        CHECK_EQ(s->node[ALICE].events[CHILD_EV_DOWN], 0);
        sim_rekey_ike(s, node == ALICE ? BOB : ALICE); // and back, on the new one
        sim_run(s, SECOND);
        sim_rekey_child(s, node);
        sim_run(s, SECOND);
        CHECK_EQ(s->node[BOB].events[CHILD_EV_REKEYED], 1);
        expect_settled(s);
    }
}

static void rekey_with_another_group(void **state)
{
    struct sim *s = sim_new(5);
    (void)state;
    sim_net_net(s, "", "");
    sim_establish(s);
    sim_net_net(s, "proposals = aes128gcm16-prfsha256-ecp256", "");
    sim_net_net_side(s, ALICE, "proposals = aes128gcm16-prfsha256-modp2048-ecp256", "");
    sim_rekey_ike(s, ALICE);
    sim_run(s, SECOND);
    CHECK(sim_told(s, ALICE, "the peer wants"));
    CHECK_EQ(s->node[BOB].events[IKE_EV_REKEYED], 1);
    expect_settled(s);
}

static void rekey_each_message_lost_once(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 4; lost++) {
        struct sim *s = sim_established(10 + lost, "", "");
        s->fate = sim_fate_nth_lost;
        s->fate_arg = s->sent + lost;
        sim_rekey_ike(s, ALICE);
        sim_run(s, 20 * SECOND);
        CHECK_EQ(s->node[BOB].events[IKE_EV_REKEYED], 1);
        expect_settled(s);
    }
}

// RFC 7296 2.8.2: both see it.
static void both_rekey_and_see_it(void **state)
{
    (void)state;
    for (unsigned seed = 100; seed < 120; seed++) {
        struct sim *s = sim_established(seed, "", "");
        sim_rekey_ike(s, ALICE);
        sim_rekey_ike(s, BOB);
        sim_run(s, SECOND);
        CHECK(sim_told(s, ALICE, "both sides rekeyed the IKE SA at once"));
        bool alice = sim_told(s, ALICE, "at once: ours stays");
        CHECK_EQ(alice, !sim_told(s, BOB, "at once: ours stays"));
        CHECK_EQ(s->node[ALICE].events[IKE_EV_REKEYED], 1);
        sim_rekey_child(s, BOB); // the survivors fit together
        sim_run(s, SECOND);
        CHECK_EQ(s->node[ALICE].events[CHILD_EV_REKEYED], 1);
        expect_settled(s);
    }
}

// RFC 7296 2.8.2, the picture: ALICE finishes before she has seen BOB's request.
static void one_rekeys_unseen(void **state)
{
    struct sim *s = sim_established(130, "", "");
    (void)state;
    s->by_hand = true;
    sim_rekey_ike(s, ALICE);      // req1
    sim_rekey_ike(s, BOB);        // req2
    CHECK(sim_deliver(s, ALICE)); // req1
    sim_drop(s, BOB);             // req2 is lost
    CHECK(sim_deliver(s, BOB));   // resp1
    CHECK(sim_deliver(s, ALICE)); // req3: DELETE
    s->by_hand = false;
    expect_settled(s);
}

// Both see it, but ALICE lacks the answer to her own request when BOB, who knows that his IKE SA
// stays, goes on with it. That he does tells her.
static void winner_goes_on(void **state)
{
    unsigned played = 0;
    (void)state;
    for (unsigned seed = 131; seed < 139; seed++) {
        struct sim *s = sim_established(seed, "", "");
        s->by_hand = true;
        sim_rekey_ike(s, ALICE);
        sim_rekey_ike(s, BOB);
        CHECK(sim_deliver(s, BOB));   // req2
        CHECK(sim_deliver(s, ALICE)); // req1
        sim_drop(s, BOB);             // resp1 is lost
        CHECK(sim_deliver(s, ALICE)); // resp2
        if (sim_told(s, BOB, "at once: ours stays")) {
            played++;
            sim_drop(s, BOB); // DELETE of the old one is lost
            sim_rekey_child(s, BOB);
            CHECK(sim_deliver(s, BOB)); // on the new IKE SA
            CHECK_EQ(s->node[ALICE].events[CHILD_EV_REKEYED], 1);
        }
        s->by_hand = false;
        expect_settled(s);
    }
    CHECK(played > 0);
}

static void both_rekey_with_loss(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 48; i++) {
        struct sim *s = sim_established(140 + i % 6, "", "");
        s->fate = sim_fate_nth_lost;
        s->fate_arg = s->sent + i / 6;
        sim_rekey_ike(s, ALICE);
        sim_rekey_ike(s, BOB);
        sim_run(s, 20 * SECOND);
        sim_rekey_child(s, i % 2 ? ALICE : BOB);
        sim_run(s, 20 * SECOND);
        CHECK_EQ(s->node[ALICE].events[CHILD_EV_REKEYED], 1);
        expect_settled(s);
    }
}

static void rekey_meets_close(void **state)
{
    (void)state;
    for (unsigned seed = 160; seed < 164; seed++) {
        struct sim *s = sim_established(seed, "", "");
        struct sim_result r;
        sim_watch(s, false);
        sim_rekey_ike(s, ALICE);
        sim_terminate_ike(s, seed % 2 ? ALICE : BOB, &r);
        sim_run(s, 200 * SECOND);
        CHECK_EQ(r.told, 1);
        sim_expect_nothing(s);
        sim_free(s);
    }
}

static void a_week(void **state)
{
    struct sim *s = sim_established(170, "dpd_delay = 300s", "");
    (void)state;
    sim_run(s, 7ULL * 24 * 3600 * SECOND);
    CHECK(s->node[ALICE].events[IKE_EV_REKEYED] >= 40);
    CHECK_EQ(s->node[ALICE].events[IKE_EV_DOWN], 0);
    CHECK_EQ(s->node[ALICE].events[CHILD_EV_DOWN], 0);
    sim_run(s, 60 * SECOND);
    sim_watch(s, false);
    CHECK_EQ(sim_ikes(s, BOB), 1);
    sim_free(s);
}

// ---- reauthentication ----

static void reauthenticate(void **state)
{
    struct sim *s = sim_new(180);
    (void)state;
    sim_net_net(s, "", "");
    sim_net_net_side(s, ALICE, "reauth_time = 1000s\n rand_time = 0s\n rekey_time = 0s", "");
    sim_establish(s);
    sim_watch(s, true);
    sim_run(s, 1500 * SECOND);
    CHECK_EQ(s->node[ALICE].events[IKE_EV_UP], 2);
    CHECK_EQ(s->node[ALICE].events[IKE_EV_DOWN], 1);
    CHECK_EQ(s->node[BOB].events[IKE_EV_DOWN], 1);
    CHECK(sim_told(s, ALICE, "reauthenticated"));
    sim_expect_clean(s);
    sim_free(s);
}

// No moment without a working SA, whichever message of it gets lost.
static void reauthenticate_with_loss(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 12; lost++) {
        for (int node = ALICE; node <= BOB; node++) {
            struct sim *s = sim_established(190 + lost, "", "");
            unsigned n;
            struct ike_choice what = {.ike = "net", .reauth = true};
            s->fate = sim_fate_nth_lost;
            s->fate_arg = s->sent + lost;
            CHECK_OK(ike_rekey(s->node[node].ike, &what, &n));
            sim_run(s, 60 * SECOND);
            CHECK_EQ(s->node[node].events[IKE_EV_UP], 2);
            expect_settled(s);
        }
    }
}

// charon.make_before_break = no: whichever message gets lost, all is as before in the end.
static void reauthenticate_break_first(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 14; lost++) {
        for (int node = ALICE; node <= BOB; node++) {
            struct sim *s = sim_new(240 + lost);
            unsigned n;
            struct ike_choice what = {.ike = "net", .reauth = true};
            s->node[ALICE].opt.break_before_make = s->node[BOB].opt.break_before_make = true;
            sim_net_net(s, "", "");
            sim_establish(s);
            s->fate = sim_fate_nth_lost;
            s->fate_arg = s->sent + lost;
            CHECK_OK(ike_rekey(s->node[node].ike, &what, &n));
            CHECK(ike_rekey(s->node[node].ike, &what, &n) != ERR_OK); // once is enough
            sim_run(s, 60 * SECOND);
            CHECK_EQ(s->node[node].events[IKE_EV_UP], 2);
            CHECK_EQ(s->node[node].events[IKE_EV_DOWN], 1);
            CHECK(s->node[node].events[CHILD_EV_DOWN] >= 1);
            expect_settled(s);
        }
    }
}

// RFC 4478: the responder says how long it holds an authentication good.
static void reauthenticate_at_the_peers_wish(void **state)
{
    struct sim *s = sim_new(200);
    (void)state;
    sim_net_net(s, "", "");
    sim_net_net_side(s, BOB, "reauth_time = 1000s\n rand_time = 0s", "");
    sim_establish(s);
    CHECK(
        sim_told(s, ALICE, "received AUTH_LIFETIME of 1000s, scheduling reauthentication in 900s"));
    sim_watch(s, true);
    sim_run(s, 800 * SECOND);
    CHECK_EQ(s->node[ALICE].events[IKE_EV_UP], 1);
    sim_run(s, 150 * SECOND);
    CHECK_EQ(s->node[ALICE].events[IKE_EV_UP], 2);
    CHECK_EQ(s->node[BOB].events[IKE_EV_UP], 2);
    CHECK_EQ(s->node[BOB].events[IKE_EV_DOWN], 1);
    sim_run(s, 3000 * SECOND); // and so on
    CHECK(s->node[ALICE].events[IKE_EV_UP] >= 4);
    sim_watch(s, false);
    sim_expect_clean(s);
    sim_free(s);
}

static void reauthenticate_with_unique(void **state)
{
    static const char *const policies[] = {"unique = no", "unique = never", "unique = replace",
                                           "unique = keep"};
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct sim *s = sim_established(181 + i, policies[i], "");
        unsigned n;
        struct ike_choice what = {.ike = "net", .reauth = true};
        CHECK_OK(ike_rekey(s->node[ALICE].ike, &what, &n));
        sim_run(s, 60 * SECOND);
        CHECK_EQ(s->node[ALICE].events[IKE_EV_UP], 2);
        sim_expect_clean(s);
        sim_free(s);
    }
}

// ---- silence ----

static void alive(void **state)
{
    struct sim *s = sim_established(200, "dpd_delay = 30s", "");
    (void)state;
    unsigned sent = s->sent;
    sim_run(s, 300 * SECOND);
    CHECK(s->sent - sent >= 10);
    CHECK(s->sent - sent <= 44);
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    // Packets are a sign of life, too.
    sent = s->sent;
    for (unsigned i = 0; i < 30; i++) {
        CHECK(sim_packet(s, ALICE) && sim_packet(s, BOB));
        sim_run(s, 10 * SECOND);
    }
    CHECK_EQ(s->sent, sent);
    sim_free(s);
}

static void dead(const char *action, unsigned policies, bool again)
{
    struct sim *s = sim_new(210);
    char child[64];
    (void)snprintf(child, sizeof child, "dpd_action = %s", action);
    sim_net_net(s, "", "");
    sim_net_net_side(s, ALICE, "dpd_delay = 30s\n keyingtries = 0", child);
    sim_establish(s);
    sim_switch_off(s, BOB);
    sim_run(s, 250 * SECOND);
    CHECK_EQ(sim_ikes(s, ALICE), 0);
    CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm), 0);
    CHECK_EQ(s->node[ALICE].xfrm.policies, policies);
    CHECK_EQ(s->node[ALICE].events[IKE_EV_DOWN], 1);
    CHECK_EQ(s->node[ALICE].events[CHILD_EV_DOWN], 1);
    sim_net_net_side(s, BOB, "", ""); // BOB is back
    sim_run(s, 200 * SECOND);
    CHECK_EQ(sim_children(s, ALICE), again ? 1 : 0);
    if (again) sim_expect_clean(s);
    sim_free(s);
}

static void dead_peers(void **state)
{
    (void)state;
    dead("clear", 0, false);
    dead("trap", 3, false);
    dead("restart", 0, true);
}

// ---- ends ----

static void close_it(void **state)
{
    (void)state;
    for (int node = ALICE; node <= BOB; node++) {
        struct sim *s = sim_established(220 + (uint64_t)node, "", "");
        struct sim_result r;
        sim_watch(s, false);
        sim_terminate_ike(s, node, &r);
        sim_run(s, SECOND);
        CHECK_EQ(r.told, 1);
        CHECK_EQ(r.err, ERR_OK);
        sim_expect_nothing(s);
        CHECK_EQ(s->node[ALICE].events[IKE_EV_DOWN], 1);
        CHECK_EQ(s->node[BOB].events[CHILD_EV_DOWN], 1);
        sim_free(s);
    }
}

static void close_with_loss(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 2; lost++) {
        struct sim *s = sim_established(230 + lost, "", "");
        struct sim_result r;
        sim_watch(s, false);
        s->fate = sim_fate_nth_lost;
        s->fate_arg = s->sent + lost;
        sim_terminate_ike(s, ALICE, &r);
        sim_run(s, 6 * SECOND); // BOB remembers his last answer for those who missed it
        CHECK_EQ(r.told, 1);
        sim_expect_nothing(s);
        sim_free(s);
    }
}

static void both_close(void **state)
{
    struct sim *s = sim_established(240, "", "");
    struct sim_result a, b;
    (void)state;
    sim_watch(s, false);
    sim_terminate_ike(s, ALICE, &a);
    sim_terminate_ike(s, BOB, &b);
    sim_run(s, SECOND);
    CHECK_EQ(a.told + b.told, 2);
    sim_expect_nothing(s);
    sim_run(s, 60 * SECOND);
    CHECK_EQ(sim_stats(s, ALICE).retransmitted + sim_stats(s, BOB).retransmitted, 0);
    sim_free(s);
}

static void close_by_force(void **state)
{
    struct sim *s = sim_established(241, "", "");
    unsigned n;
    struct ike_choice what = {.ike = "net", .force = true};
    (void)state;
    sim_watch(s, false);
    ike_terminate(s->node[ALICE].ike, &what, &n, NULL, NULL);
    CHECK_EQ(n, 1);
    CHECK_EQ(sim_ikes(s, ALICE), 0); // at once
    sim_run(s, SECOND);
    sim_expect_nothing(s); // BOB was told
    ike_terminate(s->node[ALICE].ike, &what, &n, NULL, NULL);
    CHECK_EQ(n, 0);
    sim_free(s);
}

static void cancel(void **state)
{
    struct sim *s = sim_new(242);
    struct sim_result up, down;
    (void)state;
    sim_net_net(s, "", "");
    s->fate = sim_fate_cut;
    sim_initiate(s, ALICE, "net", &up);
    sim_run(s, SECOND);
    sim_terminate_ike(s, ALICE, &down);
    sim_run(s, SECOND);
    CHECK_EQ(up.told, 1);
    CHECK(up.err != ERR_OK);
    CHECK_EQ(down.told, 1);
    CHECK_EQ(down.err, ERR_OK);
    sim_expect_nothing(s);
    sim_free(s);
}

static void shut_down(void **state)
{
    struct sim *s = sim_established(250, "", "start_action = trap");
    struct sim_result r;
    (void)state;
    sim_watch(s, false);
    CHECK_EQ(s->node[ALICE].xfrm.policies, 3);
    sim_shutdown(s, ALICE, &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(s->node[ALICE].xfrm.policies, 0);
    CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm), 0);
    CHECK_EQ(sim_ikes(s, BOB), 0);
    CHECK_EQ(s->node[BOB].xfrm.policies, 3); // his trap stands
    sim_free(s);
}

static void shut_down_alone(void **state)
{
    struct sim *s = sim_established(251, "", "");
    struct sim_result r;
    (void)state;
    sim_watch(s, false);
    s->fate = sim_fate_cut;
    sim_shutdown(s, ALICE, &r);
    sim_run(s, 4 * SECOND);
    CHECK_EQ(r.told, 0);
    sim_run(s, 2 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm), 0);
    CHECK_EQ(s->node[ALICE].xfrm.policies, 0);
    sim_free(s);
}

// ---- more than one -----------------------------------------------------------------------------

static void both_begin(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 80; i++) {
        static const char *const unique[] = {"", "unique = replace", "unique = keep",
                                             "unique = never"};
        struct sim *s = sim_new(260 + i);
        struct sim_result a, b;
        sim_net_net(s, unique[i % 4], "");
        s->fate = i % 5 ? sim_fate_nth_lost : NULL;
        s->fate_arg = i % 13;
        sim_initiate(s, ALICE, "net", &a);
        sim_run(s, i % 7 * 10 * NSEC_PER_MSEC);
        sim_initiate(s, BOB, "net", &b);
        for (unsigned k = 0; k < 1000 && !(sim_packet(s, ALICE) && sim_packet(s, BOB)); k++) {
            sim_run(s, 10 * NSEC_PER_MSEC);
        }
        sim_watch(s, true); // from now on, whichever goes
        sim_run(s, 300 * SECOND);
        sim_watch(s, false);
        CHECK_EQ(a.told + b.told, 2);
        if (i % 4 == 3) {
            CHECK_EQ(sim_ikes(s, ALICE), sim_ikes(s, BOB));
            CHECK(sim_packet(s, ALICE) && sim_packet(s, BOB));
        } else {
            sim_expect_clean(s);
        }
        sim_free(s);
    }
}

// Twenty hosts, each with each other, all at the same moment.
#define CROWD 20

static void configure_crowd(struct sim *s, unsigned host)
{
    struct text t = {0};
    text_add(&t, "connections {\n");
    for (unsigned peer = 0; peer < CROWD; peer++) {
        if (peer == host) continue;
        text_add(&t,
                 "to%u {\n local_addrs = 192.0.2.%u\n remote_addrs = 192.0.2.%u\n"
                 "local { auth = psk\n id = h%u.example }\n remote { auth = psk\n id = "
                 "h%u.example }\n children { net { start_action = start\n local_ts = "
                 "10.%u.0.0/16\n remote_ts = 10.%u.0.0/16 } }\n%s\n}\n",
                 peer, host + 1, peer + 1, host, peer, host + 1, peer + 1, SIM_SUITE);
    }
    text_add(&t, "}\nsecrets { ike-1 { secret = \"correct horse\" } }\n");
    sim_configure(s, (int)host, text_str(&t));
    text_done(&t);
}

static void a_crowd_begins(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct sim *s = sim_new_crowd(500 + i, CROWD);
        s->fate = i ? sim_fate_random : NULL;
        s->loss = 0.05 * (i - 1);
        s->twice = 0.1;
        s->jitter = 0.05;
        for (unsigned host = 0; host < CROWD; host++) configure_crowd(s, host);
        sim_run(s, 400 * SECOND);
        for (int host = 0; host < CROWD; host++) {
            CHECK_EQ(sim_ikes(s, host), CROWD - 1);
            CHECK_EQ(sim_children(s, host), CROWD - 1);
            CHECK_EQ(sim_xfrm_sas(&s->node[host].xfrm), 2 * (CROWD - 1));
            CHECK_EQ(sim_xfrm_larval(&s->node[host].xfrm), 0);
            // For what an earlier run may have left, and for the highest reqid; not for each SA.
            CHECK(s->node[host].xfrm.listings <= 4);
        }
        CHECK(sim_packet(s, ALICE) && sim_packet(s, BOB));
        sim_free(s);
    }
}

// BOB crashes and comes back; his executor has kept the SAs. ALICE learns of it when he calls, and
// traffic flows all the time.
static void restart(void **state)
{
    (void)state;
    for (int node = ALICE; node <= BOB; node++) {
        struct sim *s = sim_established(270 + (uint64_t)node, "", "");
        sim_switch_off(s, node);
        sim_run(s, SECOND);
        sim_net_net_side(s, node, "", "start_action = start");
        sim_run(s, 20 * SECOND);
        CHECK(sim_told(s, node == ALICE ? BOB : ALICE, "the peer has begun anew"));
        CHECK(sim_told(s, node, "that an earlier run had left"));
        sim_expect_clean(s);
        sim_run(s, 300 * SECOND);
        sim_expect_clean(s);
        sim_free(s);
    }
}

// What is closed before the old SAs were due to go takes them along.
static void restart_and_goodbye(void **state)
{
    struct sim *s = sim_established(275, "", "");
    struct sim_result r;
    (void)state;
    sim_switch_off(s, ALICE);
    sim_run(s, SECOND);
    sim_net_net_side(s, ALICE, "", "start_action = start");
    sim_run(s, 2 * SECOND);
    CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm), 4);
    sim_watch(s, false);
    sim_terminate_ike(s, ALICE, &r);
    sim_run(s, 2 * SECOND);
    CHECK(sim_told(s, ALICE, "that an earlier run had left"));
    CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm), 0);
    sim_free(s);
}

static void unique_replace(void **state)
{
    struct sim *s = sim_new(280);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "unique = replace", "");
    sim_establish(s);
    // Somebody with the same identity comes from elsewhere.
    sim_net_net_side(s, BOB, "unique = replace\n remote_addrs = %any", "");
    sim_configure(s, CAROL,
                  "connections { net {\n remote_addrs = 192.0.2.2\n local { auth = psk\n id = "
                  "alice.example.org }\n remote { auth = psk\n id = bob.example.org }\n children { "
                  "net { local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16 } } } }\n"
                  "secrets { ike-1 { secret = \"correct horse\" } }\n");
    sim_initiate(s, CAROL, "net", &r);
    sim_run(s, 20 * SECOND);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(sim_ikes(s, BOB), 1);
    CHECK_EQ(sim_ikes(s, ALICE), 0);
    CHECK_EQ(s->node[BOB].xfrm.policies, 3);
    CHECK_EQ(sim_xfrm_sas(&s->node[BOB].xfrm), 2);
    sim_free(s);
}

static void unique_keep(void **state)
{
    struct sim *s = sim_new(281);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "unique = keep", "");
    sim_establish(s);
    sim_net_net_side(s, BOB, "unique = keep\n remote_addrs = %any", "");
    sim_configure(s, CAROL,
                  "connections { net {\n remote_addrs = 192.0.2.2\n unique = never\n local { auth "
                  "= psk\n id = alice.example.org }\n remote { auth = psk\n id = bob.example.org "
                  "}\n children { net { local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16 } } } }\n"
                  "secrets { ike-1 { secret = \"correct horse\" } }\n");
    sim_initiate(s, CAROL, "net", &r);
    sim_run(s, 20 * SECOND);
    CHECK_EQ(r.err, ERR_AUTH);
    sim_expect_clean(s);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rekey),
        cmocka_unit_test(rekey_with_another_group),
        cmocka_unit_test(rekey_each_message_lost_once),
        cmocka_unit_test(both_rekey_and_see_it),
        cmocka_unit_test(one_rekeys_unseen),
        cmocka_unit_test(winner_goes_on),
        cmocka_unit_test(both_rekey_with_loss),
        cmocka_unit_test(rekey_meets_close),
        cmocka_unit_test(a_week),
        cmocka_unit_test(reauthenticate),
        cmocka_unit_test(reauthenticate_with_loss),
        cmocka_unit_test(reauthenticate_break_first),
        cmocka_unit_test(reauthenticate_at_the_peers_wish),
        cmocka_unit_test(reauthenticate_with_unique),
        cmocka_unit_test(alive),
        cmocka_unit_test(dead_peers),
        cmocka_unit_test(close_it),
        cmocka_unit_test(close_with_loss),
        cmocka_unit_test(both_close),
        cmocka_unit_test(close_by_force),
        cmocka_unit_test(cancel),
        cmocka_unit_test(shut_down),
        cmocka_unit_test(shut_down_alone),
        cmocka_unit_test(both_begin),
        cmocka_unit_test(a_crowd_begins),
        cmocka_unit_test(restart),
        cmocka_unit_test(restart_and_goodbye),
        cmocka_unit_test(unique_replace),
        cmocka_unit_test(unique_keep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
