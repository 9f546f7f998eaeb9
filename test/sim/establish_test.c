// Two hosts meet: IKE_SA_INIT, IKE_AUTH with the first child SA, and all that can go wrong there.
#include <stdio.h>
#include <string.h>

#include "test/sim/sim.h"

static void four_messages(void **state)
{
    struct sim *s = sim_new(1);
    (void)state;
    sim_net_net(s, "", "");
    sim_establish(s);
    CHECK_EQ(s->sent, 4);
    CHECK(sim_told(s, ALICE, "authentication of 'bob.example.org' with pre-shared key successful"));
    CHECK(sim_told(s, BOB, "authentication of 'alice.example.org' with pre-shared key successful"));
    CHECK_EQ(s->node[ALICE].events[IKE_EV_UP], 1);
    CHECK_EQ(s->node[BOB].events[CHILD_EV_UP], 1);
    sim_free(s);
}

static void over_ipv6(void **state)
{
    struct sim *s = sim_new(2);
    (void)state;
    CHECK_OK(ip_parse("2001:db8::1", &s->node[ALICE].ip));
    CHECK_OK(ip_parse("2001:db8::2", &s->node[BOB].ip));
    sim_net_net(s, "", "");
    sim_establish(s);
    sim_free(s);
}

static void by_a_name(void **state)
{
    struct sim *s = sim_new(3);
    (void)state;
    sim_net_net(s, "remote_addrs = 192.0.2.1", "");
    sim_net_net_side(s, ALICE, "remote_addrs = bob.example.org", "");
    sim_establish(s);
    sim_free(s);
}

// Every algorithm we know, agreed on and used by both sides.
static void each_suite(void **state)
{
    static const struct {
        const char *ike, *esp;
    } suites[] = {
        {"aes128gcm16-prfsha256-x25519", "aes128gcm16"},
        {"aes256gcm16-prfsha384-ecp384", "aes256gcm16-esn"},
        {"chacha20poly1305-prfsha512-ecp521", "chacha20poly1305"},
        {"aes128-sha256-modp2048", "aes128-sha256"},
        {"aes256-sha384-modp3072", "aes256-sha384-esn-noesn"},
        {"aes192-sha512-ecp256", "aes192gcm16-aes192gcm8"},
        {"aes256-sha1-modp4096", "null-sha256, aes256-sha1"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof suites / sizeof *suites; i++) {
        struct sim *s = sim_new(10 + i);
        char conn[200], child[200];
        (void)snprintf(conn, sizeof conn, "proposals = %s", suites[i].ike);
        (void)snprintf(child, sizeof child, "esp_proposals = %s", suites[i].esp);
        sim_net_net(s, conn, child);
        sim_establish(s);
        sim_free(s);
    }
}

// ---- loss, one message at a time ----

static void each_message_lost_once(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 4; lost++) {
        struct sim *s = sim_new(20 + lost);
        struct sim_result r;
        sim_net_net(s, "", "");
        s->fate = sim_fate_nth_lost;
        s->fate_arg = lost;
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, 3 * SECOND);
        CHECK_EQ(r.told, 0); // not before the retransmission after 4 s
        sim_run(s, 2 * SECOND);
        CHECK_EQ(r.told, 1);
        CHECK_EQ(r.err, ERR_OK);
        CHECK_EQ(sim_stats(s, ALICE).retransmitted, 1);
        sim_run(s, 60 * SECOND); // what a doubled message left half-open is forgotten
        sim_expect_clean(s);
        CHECK_EQ(sim_stats(s, BOB).total, 1);
        sim_free(s);
    }
}

static void each_message_twice(void **state)
{
    (void)state;
    for (unsigned twice = 0; twice < 4; twice++) {
        struct sim *s = sim_new(30 + twice);
        sim_net_net(s, "", "");
        s->fate = sim_fate_nth_twice;
        s->fate_arg = twice;
        sim_establish(s);
        sim_free(s);
    }
}

static void nobody_answers(void **state)
{
    struct sim *s = sim_new(40);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    s->fate = sim_fate_cut;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 145 * SECOND);
    CHECK_EQ(r.told, 0);
    // 4 s * (1 + 1.8 + ... + 1.8^5) = 165 s, less a tenth of each at most
    sim_run(s, 30 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_TIMEOUT);
    CHECK(strstr(r.sentence, "192.0.2.2:500 does not answer"));
    CHECK_EQ(s->sent, 6);
    CHECK_EQ(s->node[ALICE].alerts[ALERT_RETRANSMIT_SEND], 5);
    CHECK_EQ(s->node[ALICE].alerts[ALERT_RETRANSMIT_SEND_TIMEOUT], 1);
    CHECK_EQ(s->node[ALICE].alerts[ALERT_PEER_INIT_UNREACHABLE], 1);
    sim_expect_nothing(s);
    sim_free(s);
}

static void keyingtries(void **state)
{
    struct sim *s = sim_new(41);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "keyingtries = 3", "");
    s->fate = sim_fate_cut;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 440 * SECOND);
    CHECK_EQ(r.told, 0);
    sim_run(s, 60 * SECOND);
    CHECK_EQ(r.err, ERR_TIMEOUT);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(s->sent, 18);

    sim_net_net(s, "keyingtries = 0", "");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 2000 * SECOND);
    CHECK_EQ(r.told, 0);
    s->fate = NULL; // at last the network works
    sim_run(s, 200 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    sim_expect_clean(s);
    sim_free(s);
}

// ---- another group, cookies ----

static void another_group(void **state)
{
    struct sim *s = sim_new(50);
    (void)state;
    sim_net_net(s, "proposals = aes128gcm16-prfsha256-ecp256", "");
    sim_net_net_side(s, ALICE, "proposals = aes128gcm16-prfsha256-x25519-modp2048-ecp256", "");
    sim_establish(s);
    CHECK_EQ(s->sent, 6);
    CHECK(sim_told(s, ALICE,
                   "peer didn't accept key exchange method CURVE_25519, it requested ECP_256"));
    sim_free(s);
}

static void cookies(void **state)
{
    struct sim *s = sim_new(51);
    (void)state;
    s->node[BOB].opt.cookie_threshold = 0;
    sim_net_net(s, "", "");
    sim_establish(s);
    CHECK_EQ(s->sent, 6);
    CHECK_EQ(sim_stats(s, BOB).cookies_sent, 1);
    sim_free(s);
}

static void cookie_and_another_group(void **state)
{
    struct sim *s = sim_new(52);
    (void)state;
    s->node[BOB].opt.cookie_threshold = 0;
    sim_net_net(s, "proposals = aes128gcm16-prfsha256-ecp256", "");
    sim_net_net_side(s, ALICE, "proposals = aes128gcm16-prfsha256-x25519-ecp256", "");
    sim_establish(s);
    sim_free(s);
}

// ---- refusals ----

static void wrong_secret(void **state)
{
    struct sim *s = sim_new(60);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    sim_wrong_secret(s, ALICE, "");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_AUTH);
    CHECK(strstr(r.sentence, "AUTHENTICATION_FAILED"));
    CHECK(sim_told(s, BOB, "has not proved it: is the pre-shared key the same?"));
    CHECK_EQ(s->node[ALICE].alerts[ALERT_LOCAL_AUTH_FAILED], 1);
    CHECK_EQ(s->node[BOB].alerts[ALERT_PEER_AUTH_FAILED], 1);
    sim_expect_nothing(s);
    sim_run(s, 20 * SECOND);
    CHECK_EQ(sim_stats(s, BOB).half_open, 0);
    sim_free(s);
}

// The refusal is lost: the repeated IKE_AUTH is answered with it again.
static void wrong_secret_and_loss(void **state)
{
    struct sim *s = sim_new(66);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    sim_wrong_secret(s, BOB, "");
    s->fate = sim_fate_nth_lost;
    s->fate_arg = 3;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 5 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_AUTH);
    sim_free(s);
}

// `keyingtries = 0`: somebody may mend it. Each attempt waits longer.
static void refused_but_patient(void **state)
{
    struct sim *s = sim_new(67);
    (void)state;
    sim_net_net_side(s, ALICE, "keyingtries = 0", "start_action = start");
    sim_wrong_secret(s, BOB, "");
    sim_run(s, 1000 * SECOND);
    CHECK(s->sent >= 30 && s->sent <= 60);
    sim_net_net_side(s, BOB, "", "");
    sim_run(s, 600 * SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

static void unknown_identity(void **state)
{
    struct sim *s = sim_new(61);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    sim_net_net_side(s, BOB, "remote { id = mallory.example.org }", "");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_AUTH);
    CHECK(sim_told(s, BOB,
                   "none expects by pre-shared key (remote.auth) the identity "
                   "alice.example.org"));
    sim_expect_nothing(s);
    sim_free(s);
}

// The responder proves itself, but is somebody else than we wanted.
static void wrong_responder(void **state)
{
    struct sim *s = sim_new(62);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    sim_net_net_side(s, BOB, "local { id = mallory.example.org }", "");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_AUTH);
    CHECK(strstr(r.sentence, "mallory.example.org"));
    sim_expect_nothing(s); // and the other one was told so
    sim_free(s);
}

static void no_common_proposal(void **state)
{
    struct sim *s = sim_new(63);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "proposals = aes128gcm16-prfsha256-ecp256", "");
    sim_net_net_side(s, ALICE, "proposals = aes256-sha512-modp2048", "");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 0); // it might be forged: believed when nothing better has come
    sim_run(s, 2 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_NOCHOICE);
    CHECK(strstr(r.sentence, "NO_PROPOSAL_CHOSEN"));
    CHECK_EQ(s->node[ALICE].alerts[ALERT_PROPOSAL_MISMATCH_IKE], 1);
    CHECK_EQ(s->node[BOB].alerts[ALERT_PROPOSAL_MISMATCH_IKE], 1);
    sim_expect_nothing(s);
    sim_free(s);
}

static void no_connection_for_the_address(void **state)
{
    struct sim *s = sim_new(64);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    sim_net_net_side(s, BOB, "remote_addrs = 198.51.100.7", "");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 3 * SECOND);
    CHECK_EQ(r.err, ERR_NOCHOICE);
    CHECK(sim_told(s, BOB, "no connection is configured for 192.0.2.1:500"));
    sim_free(s);
}

static void no_secret(void **state)
{
    struct sim *s = sim_new(65);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    sim_configure(s, ALICE,
                  "connections { net {\n remote_addrs = 192.0.2.2\n local { auth = psk\n id = "
                  "alice.example.org }\n remote { auth = psk }\n children { net { } } } }\n"
                  "secrets { ike-1 { secret = \"correct horse\"\n id = carol.example.org } }\n");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_NOTFOUND);
    CHECK(strstr(r.sentence, "no pre-shared key"));
    sim_free(s);
}

// ---- the first child SA alone fails ----

static void first_child_fails(const char *bobs_child, const char *why, enum alert alert)
{
    struct sim *s = sim_new(70);
    struct sim_result r;
    sim_net_net(s, "", "");
    sim_net_net_side(s, BOB, "", bobs_child);
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_NOCHOICE);
    CHECK(strstr(r.sentence, why));
    for (int i = ALICE; i <= BOB; i++) {
        CHECK_EQ(s->node[i].alerts[alert], 1);
        CHECK_EQ(s->node[i].alerts[ALERT_KEEP_ON_CHILD_SA_FAILURE], 1);
        CHECK_EQ(sim_ikes(s, i), 1);
        CHECK_EQ(sim_children(s, i), 0);
        CHECK_EQ(sim_xfrm_sas(&s->node[i].xfrm) + sim_xfrm_larval(&s->node[i].xfrm), 0);
    }
    // The IKE SA is there: with a better configuration two messages are enough.
    sim_net_net_side(s, BOB, "", "");
    unsigned before = s->sent;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(s->sent, before + 2);
    sim_expect_clean(s);
    sim_free(s);
}

static void child_without_common_algorithm(void **state)
{
    (void)state;
    first_child_fails("esp_proposals = null-sha1", "NO_PROPOSAL_CHOSEN",
                      ALERT_PROPOSAL_MISMATCH_CHILD);
}

static void child_without_common_traffic(void **state)
{
    (void)state;
    first_child_fails("local_ts = 10.9.0.0/16", "TS_UNACCEPTABLE", ALERT_TS_MISMATCH);
}

static void executor_refuses(void **state)
{
    struct sim *s = sim_new(71);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    s->node[ALICE].xfrm.refuse_adds = 1;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK(r.err != ERR_OK);
    CHECK_EQ(s->node[ALICE].alerts[ALERT_INSTALL_CHILD_SA_FAILED], 1);
    CHECK_EQ(s->node[ALICE].alerts[ALERT_KEEP_ON_CHILD_SA_FAILURE], 1);
    for (int i = ALICE; i <= BOB; i++) {
        CHECK_EQ(sim_ikes(s, i), 1);
        CHECK_EQ(sim_children(s, i), 0); // BOB was told to delete his half
        CHECK_EQ(sim_xfrm_sas(&s->node[i].xfrm), 0);
        CHECK_EQ(s->node[i].xfrm.policies, 0);
    }
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    sim_expect_clean(s);
    sim_free(s);
}

static void without_a_child(void **state)
{
    struct sim *s = sim_new(72);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    sim_initiate(s, ALICE, NULL, &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(sim_ikes(s, BOB), 1);
    CHECK_EQ(sim_children(s, BOB), 0);
    sim_initiate(s, ALICE, "net", &r); // CREATE_CHILD_SA
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(s->sent, 6);
    sim_expect_clean(s);
    sim_initiate(s, ALICE, "net", &r); // is there already
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(s->sent, 6);
    sim_free(s);
}

// ---- traffic selectors ----

static void narrowing(void **state)
{
    struct sim *s = sim_new(80);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    sim_net_net_side(s, ALICE, "", "remote_ts = 10.0.0.0/8, 172.16.0.0/12");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    CHECK(sim_told(s, ALICE, "10.1.0.0/16 === 10.2.0.0/16"));
    CHECK_EQ(s->node[ALICE].alerts[ALERT_TS_NARROWED], 1);
    CHECK_EQ(s->node[BOB].alerts[ALERT_TS_NARROWED], 1);
    sim_expect_clean(s);
    sim_free(s);
}

static void ports_protocols_and_ranges(void **state)
{
    struct sim *s = sim_new(81);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "");
    sim_net_net_side(s, BOB, "", "local_ts = 10.2.0.1-10.2.0.6[tcp/80-83], 10.2.1.0/24");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    // 10.2.0.1-10.2.0.6 is 1/32, 2/31, 4/31, 6/32, and ports 80-83 are one mask.
    CHECK_EQ(s->node[ALICE].xfrm.policies, 3 * (4 + 1));
    const struct xfrm_policy *p = &s->node[ALICE].xfrm.policy[0];
    CHECK_EQ(p->sel.proto ? p->sel.sport_mask | p->sel.dport_mask : 0xfffc, 0xfffc);
    struct sim_result end;
    sim_terminate_ike(s, ALICE, &end);
    sim_run(s, SECOND);
    CHECK_EQ(end.told, 1);
    sim_expect_nothing(s);
    sim_free(s);
}

static void dynamic_selectors(void **state)
{
    struct sim *s = sim_new(82);
    struct sim_result r;
    (void)state;
    sim_net_net(s, "", "local_ts = dynamic\n remote_ts = dynamic\n mode = transport");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    CHECK(sim_told(s, ALICE, "192.0.2.1/32 === 192.0.2.2/32"));
    CHECK(sim_told(s, BOB, "N(USE_TRANSP)"));
    CHECK_EQ(s->node[BOB].xfrm.policies, 2); // no forwarding in transport mode
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_messages),
        cmocka_unit_test(over_ipv6),
        cmocka_unit_test(by_a_name),
        cmocka_unit_test(each_suite),
        cmocka_unit_test(each_message_lost_once),
        cmocka_unit_test(each_message_twice),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(keyingtries),
        cmocka_unit_test(another_group),
        cmocka_unit_test(cookies),
        cmocka_unit_test(cookie_and_another_group),
        cmocka_unit_test(wrong_secret),
        cmocka_unit_test(wrong_secret_and_loss),
        cmocka_unit_test(refused_but_patient),
        cmocka_unit_test(unknown_identity),
        cmocka_unit_test(wrong_responder),
        cmocka_unit_test(no_common_proposal),
        cmocka_unit_test(no_connection_for_the_address),
        cmocka_unit_test(no_secret),
        cmocka_unit_test(child_without_common_algorithm),
        cmocka_unit_test(child_without_common_traffic),
        cmocka_unit_test(executor_refuses),
        cmocka_unit_test(without_a_child),
        cmocka_unit_test(narrowing),
        cmocka_unit_test(ports_protocols_and_ranges),
        cmocka_unit_test(dynamic_selectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
