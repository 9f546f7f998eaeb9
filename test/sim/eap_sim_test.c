// Authentication by EAP-SIM, EAP-AKA and EAP-AKA' in IKE: both roles, alone and behind a
// certificate, again by the names that were given, with another sequence number, with wrong
// secrets, and on a bad network.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "eap/sim_store.h"
#include "ike/sa/diplomat.h"
#include "test/sim/papers.h"

#define GATE "{ auth = pubkey\n id = bob.example.org\n }\n"
#define CAROL "{ auth = eap\n id = carol\n }\n"
#define SECRETS "eap-carol { id = carol\n secret = %s\n }\n"

static void put_config(struct sim *s, int node, const char *local, const char *remote,
                       const char *secret)
{
    char conf[2000];
    bool alice = node == ALICE;
    (void)snprintf(conf, sizeof conf,
                   "connections { net {\n " SIM_SUITE "\n local_addrs = %s\n"
                   "remote_addrs = %s\n local %s\n remote %s\n"
                   "children { net {\n local_ts = %s\n remote_ts = %s\n } } } }\n"
                   "secrets { " SECRETS " }\n",
                   alice ? "192.0.2.1" : "192.0.2.2", alice ? "192.0.2.2" : "192.0.2.1", local,
                   remote, alice ? "10.1.0.0/16" : "10.2.0.0/16",
                   alice ? "10.2.0.0/16" : "10.1.0.0/16", secret);
    sim_configure(s, node, conf);
}

static void put_triplets(struct sim *s, int node, const char *text)
{
    char path[] = "/tmp/pavise-triplets-XXXXXX";
    struct why why = {0};
    unsigned n;
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    (void)close(fd);
    CHECK_OK(sim_triplets_load(ike_simcards(s->node[node].ike), path, &n, &why));
    (void)unlink(path);
}

#define TRIPLETS "carol,30,30112233,30AA\ncarol,31,31112233,31AA\ncarol,32,32112233,32AA\n"

// secret: of the client; the gateway has the right one. NULL: the same.
static struct sim *hosts(uint64_t seed, const char *wanted, const char *secret)
{
    struct sim *s = papers_hosts(seed);
    char remote[100];
    (void)snprintf(remote, sizeof remote, "{ auth = %s\n }\n", wanted);
    put_config(s, BOB, GATE, remote, "Ar3etTnp01qlpOgb");
    put_config(s, ALICE, CAROL, GATE, secret ? secret : "Ar3etTnp01qlpOgb");
    put_triplets(s, BOB, TRIPLETS);
    put_triplets(s, ALICE, TRIPLETS);
    return s;
}

// As a plugin's section in strongswan.conf does.
static void give_names(struct sim *s)
{
    for (int i = 0; i < 2; i++) {
        s->node[i].opt.sim.pseudonyms = s->node[i].opt.sim.reauth = true;
        ike_set_options(s->node[i].ike, &s->node[i].opt);
    }
}

static void each_method(void **state)
{
    static const struct {
        const char *wanted, *said;
    } methods[] = {{"eap-sim", "server requested EAP_SIM authentication"},
                   {"eap-aka", "server requested EAP_AKA authentication"},
                   {"eap-aka-prime", "server requested EAP_AKA_PRIME authentication"}};
    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct sim *s = hosts(i, methods[i].wanted, NULL);
        sim_establish(s);
        CHECK(sim_told(s, ALICE, methods[i].said));
        CHECK(sim_told(s, ALICE, "authentication of 'bob.example.org' with ECDSA"));
        CHECK(sim_told(s, ALICE, "authentication of 'bob.example.org' with EAP successful"));
        CHECK(sim_told(s, BOB, "authentication of 'carol' with EAP successful"));
        CHECK(sim_told(s, BOB, "succeeded, MSK established"));
        CHECK(!sim_told(s, ALICE, "Ar3etTnp") && !sim_told(s, BOB, "Ar3etTnp"));
        CHECK(!sim_told(s, ALICE, "fast reauthentication"));
        sim_rekey_ike(s, BOB);
        sim_run(s, 10 * SECOND);
        sim_expect_clean(s);
        sim_free(s);
    }
}

// The gateway proves itself by nothing else (RFC 5998).
static void alone(void **state)
{
    static const char *const methods[] = {"eap-sim", "eap-aka", "eap-aka-prime"};
    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char local[100], remote[100];
        struct sim *s = hosts(10 + i, methods[i], NULL);
        (void)snprintf(local, sizeof local, "{ auth = %s\n id = bob.example.org\n }\n", methods[i]);
        (void)snprintf(remote, sizeof remote, "{ auth = %s\n id = carol\n }\n", methods[i]);
        put_config(s, BOB, local, remote, "Ar3etTnp01qlpOgb");
        put_config(s, ALICE, remote, local, "Ar3etTnp01qlpOgb");
        sim_establish(s);
        CHECK(sim_told(s, ALICE, "allow mutual EAP-only authentication"));
        CHECK(!sim_told(s, BOB, "received EAP identity")); // it was said in IKE
        sim_free(s);
    }
}

static void end_and_begin(struct sim *s)
{
    struct sim_result r;
    sim_terminate_ike(s, ALICE, &r);
    sim_run(s, 10 * SECOND);
    CHECK_EQ(r.err, ERR_OK);
    sim_establish(s);
}

static void again_by_names(void **state)
{
    static const char *const methods[] = {"eap-sim", "eap-aka", "eap-aka-prime"};
    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct sim *s = hosts(20 + i, methods[i], NULL);
        give_names(s);
        sim_establish(s);
        CHECK(!sim_told(s, BOB, "fast reauthentication"));
        end_and_begin(s);
        CHECK(sim_told(s, BOB, "fast reauthentication, counter 1"));
        CHECK(sim_told(s, ALICE, "fast reauthentication, counter 1"));
        end_and_begin(s);
        CHECK(sim_told(s, BOB, "fast reauthentication, counter 2"));
        sim_free(s);
    }
}

// A client whose clock is ahead of the gateway's: it says so, and they agree.
static void another_sequence_number(void **state)
{
    struct sim *s = hosts(30, "eap-aka", NULL);
    uint64_t at;
    (void)state;
    CHECK(sim_number_take(ike_simcards(s->node[ALICE].ike), span_str("carol"),
                          UINT64_C(0xff0000000000), &at));
    sim_establish(s);
    CHECK(sim_told(s, ALICE, "sending synchronization failure"));
    CHECK(sim_told(s, BOB, "the peer is at another sequence number; synchronized"));
    sim_free(s);
}

static void refused(struct sim *s, int node, const char *words)
{
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 60 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK(r.err != ERR_OK);
    CHECK(sim_told(s, node, words));
    CHECK_EQ(sim_ikes(s, ALICE) + sim_ikes(s, BOB), 0);
    sim_free(s);
}

static void wrong_secrets(void **state)
{
    (void)state;
    struct sim *s = hosts(40, "eap-aka", "another secret..");
    refused(s, ALICE, "the server does not know our secret");
    s = hosts(41, "eap-aka-prime", "another secret..");
    refused(s, BOB, "EAP method EAP_AKA_PRIME failed for peer carol");
    s = hosts(42, "eap-sim", NULL);
    put_triplets(s, ALICE, "carol,33,30112233,30AA\n");
    refused(s, ALICE, "have no answer to a challenge");
    s = hosts(43, "eap-sim", NULL);
    put_triplets(s, ALICE, "carol,30,1,30AA\ncarol,31,1,31AA\ncarol,32,1,32AA\n");
    refused(s, BOB, "answered with EAP Failure");
    s = hosts(44, "eap-sim", NULL);
    put_triplets(s, BOB, "dave,30,1,30AA\n");
    refused(s, BOB, "there are no 3 triplets for carol");
    s = hosts(45, "eap-sim", NULL);
    put_triplets(s, ALICE,
                 "dave,30,1,30AA\n"); // with nothing of its own it asks for another method
    refused(s, BOB, "the peer refuses the methods of EAP");
}

static void each_message_lost_or_twice(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 36; i++) {
        struct sim *s = hosts(100 + i, i & 1 ? "eap-sim" : "eap-aka", NULL);
        sim_establish_despite(s, i < 18 ? sim_fate_nth_lost : sim_fate_nth_twice, i % 18);
        sim_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_method),    cmocka_unit_test(alone),
        cmocka_unit_test(again_by_names), cmocka_unit_test(another_sequence_number),
        cmocka_unit_test(wrong_secrets),  cmocka_unit_test(each_message_lost_or_twice),
    };
    return cmocka_run_group_tests(tests, papers_begin, papers_end);
}
