// Child SAs of an IKE SA that is up: another one, fresh keys, the end; and every way in which two
// hosts can want such things at the same time (RFC 7296 2.8.1, 2.25.1).
#include <stdio.h>
#include <string.h>

#include "test/sim/sim.h"

// After whatever it was: everything is as after the first establishment, and nothing is left over.
static void expect_settled(struct sim *s)
{
    sim_run(s, 30 * SECOND);
    sim_expect_clean(s);
    unsigned before = s->sent;
    sim_run(s, 60 * SECOND);
    CHECK_EQ(s->sent, before); // and silence
    sim_free(s);
}

static void rekey_from(int node, const char *child, unsigned seed)
{
    struct sim *s = sim_established(seed, "", child);
    unsigned sent = s->sent;
    sim_rekey_child(s, node);
    sim_run(s, SECOND);
    CHECK_EQ(s->sent, sent + 4); // CREATE_CHILD_SA and DELETE
    CHECK_EQ(s->node[ALICE].events[CHILD_EV_REKEYED], 1);
    CHECK_EQ(s->node[BOB].events[CHILD_EV_REKEYED], 1);
    CHECK_EQ(s->node[ALICE].events[CHILD_EV_DOWN], 0);
    expect_settled(s);
}

static void rekey(void **state)
{
    (void)state;
    rekey_from(ALICE, "", 1);
    rekey_from(BOB, "", 2);
}

static void rekey_with_fresh_keys(void **state)
{
    (void)state;
    rekey_from(ALICE, "esp_proposals = aes256gcm16-x25519", 3);
    rekey_from(BOB, "esp_proposals = aes128-sha256-ecp256-modp2048", 4);
}

static void rekey_with_another_group(void **state)
{
    struct sim *s = sim_new(5);
    (void)state;
    sim_net_net(s, "", "esp_proposals = aes256gcm16-ecp256");
    sim_net_net_side(s, ALICE, "", "esp_proposals = aes256gcm16-x25519-ecp256");
    sim_establish(s);
    sim_watch(s, true);
    sim_rekey_child(s, ALICE);
    sim_run(s, SECOND);
    CHECK(sim_told(s, ALICE, "the peer wants"));
    CHECK_EQ(s->node[ALICE].events[CHILD_EV_REKEYED], 1);
    expect_settled(s);
}

static void rekey_each_message_lost_once(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 4; lost++) {
        struct sim *s = sim_established(10 + lost, "", "");
        s->fate = sim_fate_nth_lost;
        s->fate_arg = s->sent + lost;
        sim_rekey_child(s, ALICE);
        sim_run(s, 20 * SECOND);
        CHECK_EQ(s->node[BOB].events[CHILD_EV_REKEYED], 1);
        expect_settled(s);
    }
}

// Lifetimes of the executor drive it, on both sides at about the same time, for a day.
static void a_day_of_lifetimes(void **state)
{
    struct sim *s = sim_established(20, "", "rekey_time = 1h");
    (void)state;
    sim_run(s, 24ULL * 3600 * SECOND);
    CHECK(s->node[ALICE].events[CHILD_EV_REKEYED] >= 22);
    CHECK_EQ(s->node[ALICE].events[CHILD_EV_DOWN], 0);
    sim_watch(s, false);
    sim_free(s);
}

static void lifetimes_without_jitter(void **state)
{
    struct sim *s = sim_established(21, "rekey_time = 100s\n rand_time = 0s",
                                    "rekey_time = 100s\n rand_time = 0s\n life_time = 150s");
    (void)state;
    sim_run(s, 2000 * SECOND); // a collision each time, of IKE SA and child SA as well
    CHECK_EQ(s->node[ALICE].events[CHILD_EV_DOWN], 0);
    CHECK_EQ(s->node[ALICE].events[IKE_EV_DOWN], 0);
    CHECK(s->node[BOB].events[CHILD_EV_REKEYED] >= 15);
    CHECK(s->node[BOB].events[IKE_EV_REKEYED] >= 15);
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    CHECK_EQ(sim_ikes(s, BOB), 1);
    sim_free(s);
}

static void hard_lifetime(void **state)
{
    struct sim *s = sim_new(22);
    (void)state;
    sim_net_net(s, "", "rekey_time = 0s\n life_time = 60s");
    sim_establish(s);
    sim_run(s, 70 * SECOND);
    CHECK_EQ(sim_children(s, ALICE), 0);
    CHECK_EQ(sim_children(s, BOB), 0);
    CHECK_EQ(sim_xfrm_sas(&s->node[BOB].xfrm), 0);
    CHECK_EQ(s->node[BOB].xfrm.policies, 0);
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    sim_free(s);
}

// ---- collisions, message by message ------------------------------------------------------------

// RFC 7296 2.8.1, first picture: both see it. The exchange with the lowest nonce loses.
static void both_rekey_and_see_it(void **state)
{
    (void)state;
    for (unsigned seed = 100; seed < 120; seed++) {
        struct sim *s = sim_established(seed, "", "");
        sim_rekey_child(s, ALICE);
        sim_rekey_child(s, BOB);
        sim_run(s, SECOND);
        CHECK(sim_told(s, ALICE, "both sides rekeyed net at once"));
        CHECK(sim_told(s, BOB, "both sides rekeyed net at once"));
        bool alice = sim_told(s, ALICE, "at once: ours stays");
        CHECK_EQ(alice, !sim_told(s, BOB, "at once: ours stays"));
        expect_settled(s);
    }
}

// RFC 7296 2.8.1, second picture: ALICE's request is late, BOB has finished before it comes.
static void one_rekeys_unseen(void **state)
{
    struct sim *s = sim_established(130, "", "");
    (void)state;
    s->by_hand = true;
    sim_rekey_child(s, ALICE);
    sim_rekey_child(s, BOB);
    sim_drop(s, ALICE);           // req1 is lost
    CHECK(sim_deliver(s, BOB));   // req2
    CHECK(sim_deliver(s, ALICE)); // resp2
    CHECK(sim_deliver(s, BOB));   // req3: DELETE of the old one
    CHECK(sim_deliver(s, ALICE)); // resp3
    s->by_hand = false;
    sim_run(s, 10 * SECOND); // req1 again: CHILD_SA_NOT_FOUND
    CHECK(sim_told(s, BOB, "rekey a child SA that is not there"));
    expect_settled(s);
}

// ... or comes while BOB's DELETE is under way: TEMPORARY_FAILURE.
static void one_rekeys_too_late(void **state)
{
    struct sim *s = sim_established(131, "", "");
    (void)state;
    s->by_hand = true;
    sim_rekey_child(s, ALICE);
    sim_rekey_child(s, BOB);
    CHECK(sim_deliver(s, BOB)); // req2
    // The answer overtakes the request.
    struct sim_message *req1 = s->flight[0];
    s->flight[0] = s->flight[1];
    s->flight[1] = req1;
    CHECK(sim_deliver(s, ALICE)); // resp2: BOB deletes the old one
    CHECK(sim_deliver(s, ALICE)); // req1
    s->by_hand = false;
    CHECK(sim_told(s, BOB, "which is being closed"));
    expect_settled(s);
}

// BOB's answer is lost after both saw it: the loser's and the winner's DELETEs come in any order.
static void both_rekey_with_loss(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 48; i++) {
        struct sim *s = sim_established(140 + i % 6, "", "");
        s->fate = sim_fate_nth_lost;
        s->fate_arg = s->sent + i / 6;
        sim_rekey_child(s, ALICE);
        sim_rekey_child(s, BOB);
        sim_run(s, 20 * SECOND);
        expect_settled(s);
    }
}

static void rekey_meets_delete(void **state)
{
    struct sim *s = sim_established(200, "", "");
    struct sim_result r;
    (void)state;
    sim_watch(s, false);
    sim_rekey_child(s, ALICE);
    sim_terminate_child(s, BOB, &r);
    sim_run(s, 60 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(sim_children(s, ALICE), 0);
    CHECK_EQ(sim_children(s, BOB), 0);
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm) + sim_xfrm_sas(&s->node[BOB].xfrm), 0);
    CHECK_EQ(sim_xfrm_larval(&s->node[ALICE].xfrm), 0);
    sim_free(s);
}

static void both_delete_the_child(void **state)
{
    struct sim *s = sim_established(201, "", "");
    struct sim_result a, b;
    (void)state;
    sim_watch(s, false);
    sim_terminate_child(s, ALICE, &a);
    sim_terminate_child(s, BOB, &b);
    sim_run(s, 10 * SECOND);
    CHECK_EQ(a.told + b.told, 2);
    CHECK_EQ(sim_children(s, ALICE) + sim_children(s, BOB), 0);
    CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm) + sim_xfrm_sas(&s->node[BOB].xfrm), 0);
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    sim_free(s);
}

static void rekey_child_meets_rekey_ike(void **state)
{
    (void)state;
    for (unsigned seed = 210; seed < 216; seed++) {
        struct sim *s = sim_established(seed, "", "");
        sim_rekey_child(s, seed % 2 ? ALICE : BOB);
        sim_rekey_ike(s, seed % 2 ? BOB : ALICE);
        sim_run(s, 4 * SECOND); // both heard TEMPORARY_FAILURE, and leave each other alone
        CHECK_EQ(s->node[ALICE].events[IKE_EV_REKEYED], 0);
        CHECK_EQ(s->node[BOB].events[CHILD_EV_REKEYED], 0);
        sim_run(s, 60 * SECOND);
        CHECK_EQ(s->node[ALICE].events[IKE_EV_REKEYED], 1);
        CHECK_EQ(s->node[BOB].events[CHILD_EV_REKEYED], 1);
        expect_settled(s);
    }
}

static void delete_child_meets_rekey_ike(void **state)
{
    struct sim *s = sim_established(220, "", "");
    struct sim_result r;
    (void)state;
    sim_watch(s, false);
    sim_rekey_ike(s, ALICE);
    sim_terminate_child(s, BOB, &r);
    sim_run(s, 60 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(sim_children(s, ALICE) + sim_children(s, BOB), 0);
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    CHECK_EQ(sim_ikes(s, BOB), 1);
    sim_free(s);
}

// ---- ends, and what follows --------------------------------------------------------------------

static void terminate_child(void **state)
{
    struct sim *s = sim_established(230, "", "");
    struct sim_result r;
    (void)state;
    sim_watch(s, false);
    sim_terminate_child(s, BOB, &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(sim_children(s, ALICE), 0);
    CHECK_EQ(s->node[ALICE].events[CHILD_EV_DOWN], 1);
    CHECK_EQ(s->node[BOB].events[CHILD_EV_DOWN], 1);
    CHECK_EQ(s->node[ALICE].xfrm.policies, 0);
    sim_initiate(s, BOB, "net", &r); // the IKE SA's responder may as well ask
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    sim_expect_clean(s);
    sim_free(s);
}

static void close_action_start(void **state)
{
    struct sim *s = sim_new(231);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    sim_net_net_side(s, ALICE, "", "close_action = start");
    sim_establish(s);
    sim_terminate_child(s, BOB, &r);
    sim_run(s, SECOND);
    CHECK_EQ(s->node[ALICE].events[CHILD_EV_DOWN], 1);
    CHECK_EQ(s->node[ALICE].events[CHILD_EV_UP], 2);
    sim_expect_clean(s);
    // Again and again: each attempt waits longer.
    for (unsigned i = 0; i < 5; i++) {
        sim_terminate_child(s, BOB, &r);
        sim_run(s, 100 * NSEC_PER_MSEC);
    }
    CHECK_EQ(sim_children(s, ALICE), 0);
    sim_run(s, 40 * SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

static void close_action_trap(void **state)
{
    struct sim *s = sim_new(232);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    sim_net_net_side(s, ALICE, "", "close_action = trap");
    sim_establish(s);
    sim_terminate_child(s, BOB, &r);
    sim_run(s, SECOND);
    CHECK_EQ(sim_children(s, ALICE), 0);
    CHECK_EQ(s->node[ALICE].xfrm.policies, 3);
    sim_free(s);
}

static void peer_lost_the_child(void **state)
{
    struct sim *s = sim_established(240, "", "");
    (void)state;
    sim_watch(s, false);
    // BOB forgets the child SA without a word.
    struct ike_choice what = {.ike = "net", .child = "net", .force = true};
    unsigned n;
    s->fate = sim_fate_cut;
    ike_terminate(s->node[BOB].ike, &what, &n, NULL, NULL);
    sim_run(s, 3 * SECOND);
    s->fate = NULL;
    sim_rekey_child(s, ALICE);
    sim_run(s, 60 * SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

// The responder is asked to rekey what has just come up, and nobody sends anything.
static void rekey_at_once_in_silence(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 3; lost++) {
        struct sim *s = sim_new(700 + lost);
        struct sim_result r;
        sim_net_net(s, "", "");
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, SECOND);
        sim_rekey_child(s, BOB);
        if (lost) {
            s->fate = sim_fate_nth_lost;
            s->fate_arg = s->sent + lost - 1; // the question whether she is there, or her answer
        }
        sim_run(s, (lost ? 8 : 3) * SECOND);
        CHECK_EQ(s->node[BOB].events[CHILD_EV_REKEYED], 1);
        CHECK_EQ(s->node[ALICE].events[CHILD_EV_REKEYED], 1);
        sim_run(s, 60 * SECOND);
        sim_expect_clean(s);
        sim_free(s);
    }
}

static bool note_order(void *ctx, const struct child_sa_view *v)
{
    text_add(ctx, "%s ", v->name);
    return true;
}

static bool list_all(void *ctx, const struct ike_sa_view *v, const struct ike_sa *sa)
{
    (void)v;
    struct sim_node *n = ((void **)ctx)[0];
    ike_each_child(n->ike, sa, note_order, ((void **)ctx)[1]);
    return true;
}

// As they came, through whatever has happened to their IKE SA.
static void listed_as_they_came(void **state)
{
    struct sim *s = sim_new(77);
    struct sim_result r;
    (void)state;
    sim_net_net_side(s, BOB, "", "local_ts = 10.2.0.0/16, 10.3.0.0/16");
    sim_configure(s, ALICE,
                  "connections { net { " SIM_SUITE "\n local_addrs = 192.0.2.1\n remote_addrs = "
                  "192.0.2.2\n local { auth = psk\n id = alice.example.org }\n"
                  " remote { auth = psk\n id = bob.example.org }\n children {\n"
                  " net { local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16 }\n"
                  " two { local_ts = 10.1.0.0/16\n remote_ts = 10.2.2.0/24 }\n"
                  " six { local_ts = 10.1.0.0/16\n remote_ts = 10.2.6.0/24 } } } }\n"
                  "secrets { ike-1 { secret = \"correct horse\" } }\n");
    static const char *const names[] = {"net", "two", "six"};
    for (int i = 0; i < 3; i++) {
        sim_initiate(s, ALICE, names[i], &r);
        sim_run(s, 2 * SECOND);
        CHECK_OK(r.err);
    }
    for (int i = 0; i < 2; i++) {
        struct text order = {0};
        void *ctx[] = {&s->node[ALICE], &order};
        ike_each(s->node[ALICE].ike, list_all, ctx);
        CHECK_STR(text_str(&order), "net two six ");
        text_done(&order);
        sim_rekey_ike(s, ALICE);
        sim_run(s, 20 * SECOND);
    }
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rekey),
        cmocka_unit_test(listed_as_they_came),
        cmocka_unit_test(rekey_at_once_in_silence),
        cmocka_unit_test(rekey_with_fresh_keys),
        cmocka_unit_test(rekey_with_another_group),
        cmocka_unit_test(rekey_each_message_lost_once),
        cmocka_unit_test(a_day_of_lifetimes),
        cmocka_unit_test(lifetimes_without_jitter),
        cmocka_unit_test(hard_lifetime),
        cmocka_unit_test(both_rekey_and_see_it),
        cmocka_unit_test(one_rekeys_unseen),
        cmocka_unit_test(one_rekeys_too_late),
        cmocka_unit_test(both_rekey_with_loss),
        cmocka_unit_test(rekey_meets_delete),
        cmocka_unit_test(both_delete_the_child),
        cmocka_unit_test(rekey_child_meets_rekey_ike),
        cmocka_unit_test(delete_child_meets_rekey_ike),
        cmocka_unit_test(terminate_child),
        cmocka_unit_test(close_action_start),
        cmocka_unit_test(close_action_trap),
        cmocka_unit_test(peer_lost_the_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
