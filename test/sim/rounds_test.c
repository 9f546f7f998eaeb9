// Authentication in several rounds (RFC 4739): keys and secrets, one after the other, on either
// side or both; who has too few or too many of them; and messages that get lost in between.
#include <stdio.h>
#include <string.h>

#include "test/sim/papers.h"

// Sections of one host, in the order of their rounds; the other's are the same with local and
// remote changed about.
struct host {
    const char *local, *remote, *more;
};

#define KEY_OF(name) "{ auth = pubkey\n id = " name ".example.org\n }\n"
#define SECRET_OF(id_) "{ auth = psk\n id = " id_ "\n }\n"

static void put_config(struct sim *s, int node, const struct host *h)
{
    char conf[3000];
    bool alice = node == ALICE;
    (void)snprintf(conf, sizeof conf,
                   "connections { net {\n " SIM_SUITE "\n local_addrs = %s\n"
                   "remote_addrs = %s\n %s %s %s\n"
                   "children { net {\n local_ts = %s\n remote_ts = %s\n } } } }\n"
                   "secrets { ike-all { secret = \"correct horse\"\n }\n"
                   "ike-user { id = user@example.org\n secret = \"battery staple\"\n }\n"
                   "ike-wrong { id = %s@example.org\n secret = \"of this host only %d\"\n } }\n",
                   alice ? "192.0.2.1" : "192.0.2.2", alice ? "192.0.2.2" : "192.0.2.1", h->local,
                   h->remote, h->more ? h->more : "", alice ? "10.1.0.0/16" : "10.2.0.0/16",
                   alice ? "10.2.0.0/16" : "10.1.0.0/16", "wrong", node);
    sim_configure(s, node, conf);
}

// Both hosts with certificates and these sections.
static struct sim *hosts(uint64_t seed, const struct host *alice, const struct host *bob)
{
    struct sim *s = papers_hosts(seed);
    put_config(s, BOB, bob);
    put_config(s, ALICE, alice);
    return s;
}

static const struct host host_and_user = {
    "local-1 " KEY_OF("alice") "local-2 " SECRET_OF("user@example.org"), "remote " KEY_OF("bob"),
    0};
static const struct host wants_host_and_user = {
    "local " KEY_OF("bob"), "remote-1 " KEY_OF("alice") "remote-2 " SECRET_OF("user@example.org"),
    0};

// ---- what works --------------------------------------------------------------------------------

static void a_key_then_a_secret(void **state)
{
    struct sim *s = hosts(1, &host_and_user, &wants_host_and_user);
    (void)state;
    sim_establish(s);
    CHECK_EQ(s->sent, 6); // IKE_SA_INIT and two rounds
    CHECK(sim_told(s, BOB, "authentication of 'alice.example.org' with ECDSA"));
    CHECK(sim_told(s, BOB, "authentication of 'user@example.org' with pre-shared key"));
    CHECK(sim_told(s, BOB, "192.0.2.2[bob.example.org]...192.0.2.1[user@example.org]"));
    CHECK(sim_told(s, ALICE, "192.0.2.1[user@example.org]...192.0.2.2[bob.example.org]"));
    CHECK_EQ(s->works_run, 4); // one signature each way
    sim_rekey_ike(s, BOB);
    sim_run(s, 10 * SECOND);
    sim_expect_clean(s);
    sim_free(s);
}

static void a_secret_then_a_key(void **state)
{
    const struct host alice = {
        "local-user " SECRET_OF("user@example.org") "local-host " KEY_OF("alice"),
        "remote " KEY_OF("bob"), 0};
    const struct host bob = {
        "local " KEY_OF("bob"),
        "remote-user " SECRET_OF("user@example.org") "remote-host " KEY_OF("alice"), 0};
    struct sim *s = hosts(2, &alice, &bob);
    (void)state;
    sim_establish(s);
    CHECK(sim_told(s, BOB, "192.0.2.2[bob.example.org]...192.0.2.1[alice.example.org]"));
    sim_free(s);
}

// Numbers count, not the order in the file.
static void rounds_have_numbers(void **state)
{
    const struct host alice = {"local-a { round = 2\n auth = psk\n id = user@example.org\n }\n"
                               "local-b { round = 1\n auth = pubkey\n id = alice.example.org\n }\n",
                               "remote " KEY_OF("bob"), 0};
    struct sim *s = hosts(3, &alice, &wants_host_and_user);
    (void)state;
    sim_establish(s);
    sim_free(s);
}

static void both_sides_twice(void **state)
{
    const struct host alice = {"local-1 " KEY_OF("alice") "local-2 " SECRET_OF("user@example.org"),
                               "remote-1 " KEY_OF("bob") "remote-2 " SECRET_OF("gate@example.org"),
                               "vips = 0.0.0.0\n"};
    const struct host bob = {"local-1 " KEY_OF("bob") "local-2 " SECRET_OF("gate@example.org"),
                             "remote-1 " KEY_OF("alice") "remote-2 " SECRET_OF("user@example.org"),
                             0};
    struct sim *s = hosts(4, &alice, &bob);
    struct sim_result r;
    (void)state;
    // Bob has no address to give: what was asked for in the first round is answered in the last.
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK(sim_told(s, BOB, "asks for an address, but net has none to give"));
    put_config(s, ALICE, &(struct host){alice.local, alice.remote, ""});
    sim_run(s, 5 * SECOND);
    sim_establish(s);
    CHECK(sim_told(s, ALICE, "authentication of 'gate@example.org' with pre-shared key"));
    sim_free(s);
}

static void the_responder_twice(void **state)
{
    const struct host alice = {"local " SECRET_OF("user@example.org"),
                               "remote-1 " KEY_OF("bob") "remote-2 " SECRET_OF("gate@example.org"),
                               0};
    const struct host bob = {"local-1 " KEY_OF("bob") "local-2 " SECRET_OF("gate@example.org"),
                             "remote " SECRET_OF("user@example.org"), 0};
    struct sim *s = hosts(5, &alice, &bob);
    (void)state;
    sim_establish(s);
    CHECK(sim_told(s, ALICE, "authentication of 'bob.example.org' with ECDSA"));
    CHECK(sim_told(s, ALICE, "192.0.2.1[user@example.org]...192.0.2.2[gate@example.org]"));
    sim_free(s);
}

#define FOUR(side)                                                                   \
    side "-1 " SECRET_OF("a@example.org") side "-2 " SECRET_OF("b@example.org") side \
        "-3 " SECRET_OF("c@example.org") side "-4 " SECRET_OF("d@example.org")

static void four_times(void **state)
{
    const struct host alice = {FOUR("local"), "remote " SECRET_OF("bob.example.org"), 0};
    const struct host bob = {"local " SECRET_OF("bob.example.org"), FOUR("remote"), 0};
    struct sim *s = hosts(6, &alice, &bob);
    (void)state;
    sim_establish(s);
    CHECK_EQ(s->sent, 10);
    sim_free(s);
}

// The number of rounds says which connection is meant.
static void two_connections(void **state)
{
    const char one[] = "local " KEY_OF("alice"), peer[] = "remote " KEY_OF("bob");
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct sim *s = hosts(10 + i, &(struct host){i ? one : host_and_user.local, peer, 0},
                              &wants_host_and_user);
        char conf[2000];
        (void)snprintf(
            conf, sizeof conf,
            "connections { once {\n remote_addrs = 192.0.2.1\n local %s remote %s children { net "
            "{\n"
            "local_ts = 10.2.0.0/16\n remote_ts = 10.1.0.0/16\n } } }\n"
            "twice {\n remote_addrs = 192.0.2.1\n local %s %s children { net {\n"
            "local_ts = 10.2.0.0/16\n remote_ts = 10.1.0.0/16\n } } } }\n"
            "secrets { ike-all { id = user@example.org\n secret = \"battery staple\"\n } }\n",
            KEY_OF("bob"), KEY_OF("alice"), KEY_OF("bob"), wants_host_and_user.remote);
        sim_configure(s, BOB, conf);
        sim_establish(s);
        CHECK(sim_told(s, BOB, i ? "IKE_SA once[1] established" : "IKE_SA twice[1] established"));
        sim_free(s);
    }
}

// ---- who is refused ----------------------------------------------------------------------------

static void refused(struct sim *s, int by, const char *said)
{
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 2 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK(r.err != ERR_OK);
    if (!sim_told(s, by, said)) fail_msg("not told: %s\n%s", said, text_str(&s->node[by].story));
    sim_expect_nothing(s);
    sim_run(s, 60 * SECOND);
    CHECK_EQ(sim_stats(s, BOB).half_open, 0);
    CHECK_EQ(s->works, 0);
    sim_free(s);
}

static void too_few_and_too_many(void **state)
{
    const struct host once = {"local " KEY_OF("alice"), "remote " KEY_OF("bob"), 0};
    const struct host wants_once = {"local " KEY_OF("bob"), "remote " KEY_OF("alice"), 0};
    const struct host is_twice = {"local-1 " KEY_OF("bob") "local-2 " SECRET_OF("gate@example.org"),
                                  "remote " KEY_OF("alice"), 0};
    const struct host wants_gate = {
        "local " KEY_OF("alice"),
        "remote-1 " KEY_OF("bob") "remote-2 " SECRET_OF("gate@example.org"), 0};
    (void)state;
    refused(hosts(20, &once, &wants_host_and_user), BOB,
            "the peer ends after round 1, but net has more remote sections");
    refused(hosts(21, &host_and_user, &wants_once), BOB,
            "the peer wants to prove more than net has remote sections for");
    refused(hosts(22, &once, &is_twice), ALICE,
            "the peer wants to prove more than net has remote sections for");
    refused(hosts(23, &wants_gate, &wants_once), ALICE,
            "the peer ends after round 1, but net has more remote sections");
}

static void the_second_one_is_wrong(void **state)
{
    const struct host stranger = {
        "local-1 " KEY_OF("alice") "local-2 " SECRET_OF("stranger@example.org"),
        "remote " KEY_OF("bob"), 0};
    const struct host wrong = {"local-1 " KEY_OF("alice") "local-2 " SECRET_OF("wrong@example.org"),
                               "remote " KEY_OF("bob"), 0};
    const struct host wants_wrong = {
        "local " KEY_OF("bob"),
        "remote-1 " KEY_OF("alice") "remote-2 " SECRET_OF("wrong@example.org"), 0};
    const struct host by_key = {"local-1 " KEY_OF("alice") "local-2 " KEY_OF("alice"),
                                "remote " KEY_OF("bob"), 0};
    const struct host wants_secret = {"local " KEY_OF("bob"),
                                      "remote-1 " KEY_OF("alice") "remote-2 " SECRET_OF("%any"), 0};
    (void)state;
    refused(hosts(30, &stranger, &wants_host_and_user), BOB,
            "the peer says next that it is stranger@example.org, but net expects user@example.org");
    refused(hosts(31, &wrong, &wants_wrong), BOB,
            "wrong@example.org has not proved it: is the pre-shared key the same?");
    refused(hosts(32, &by_key, &wants_secret), BOB,
            "proves itself with method 14, not with a "
            "pre-shared key");
}

// The initiator does not like what it hears while the responder waits for more.
static void given_up_between(void **state)
{
    const struct host alice = {host_and_user.local, "remote " KEY_OF("carol"), 0};
    struct sim *s = hosts(33, &alice, &wants_host_and_user);
    struct sim_result r;
    (void)state;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 2 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_AUTH);
    CHECK(sim_told(s, BOB, "the initiator gives up between two rounds"));
    sim_expect_nothing(s);
    CHECK_EQ(sim_stats(s, BOB).half_open, 0);
    sim_free(s);
}

static unsigned after_the_first_round(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)s, (void)m;
    return n < 4;
}

// Who proves one thing and then nothing gets nothing, and is forgotten.
static void never_finished(void **state)
{
    struct sim *s = hosts(34, &host_and_user, &wants_host_and_user);
    struct sim_result r;
    (void)state;
    s->fate = after_the_first_round;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 2 * SECOND);
    CHECK_EQ(sim_stats(s, BOB).half_open, 1);
    CHECK_EQ(sim_ikes(s, BOB), 0);
    CHECK_EQ(sim_children(s, BOB), 0);
    sim_run(s, 40 * SECOND);
    CHECK_EQ(sim_stats(s, BOB).half_open, 0);
    CHECK(sim_told(s, BOB, "the peer began, but never authenticated"));
    sim_free(s);
}

// ---- on the way --------------------------------------------------------------------------------

static void each_message_lost_or_twice(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        struct sim *s = hosts(50 + i, &host_and_user, &wants_host_and_user);
        sim_establish_despite(s, i < 8 ? sim_fate_nth_lost : sim_fate_nth_twice, i % 8);
        sim_free(s);
    }
}

static void slow_works(void **state)
{
    struct sim *s = hosts(70, &host_and_user, &wants_host_and_user);
    struct sim_result r;
    (void)state;
    s->work_takes = 5 * SECOND;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 40 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(s->works_run, 4); // repeated messages started none
    sim_expect_clean(s);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_then_a_secret),
        cmocka_unit_test(a_secret_then_a_key),
        cmocka_unit_test(rounds_have_numbers),
        cmocka_unit_test(both_sides_twice),
        cmocka_unit_test(the_responder_twice),
        cmocka_unit_test(four_times),
        cmocka_unit_test(two_connections),
        cmocka_unit_test(too_few_and_too_many),
        cmocka_unit_test(the_second_one_is_wrong),
        cmocka_unit_test(given_up_between),
        cmocka_unit_test(never_finished),
        cmocka_unit_test(each_message_lost_or_twice),
        cmocka_unit_test(slow_works),
    };
    return cmocka_run_group_tests(tests, papers_begin, papers_end);
}
