// Authentication by EAP: every method in both roles, alone and behind a certificate, before and
// after other rounds; who has the wrong password, another key, or no end; and messages that get
// lost on the way.
#include <stdio.h>
#include <string.h>

#include "eap/method.h"
#include "ike/auth/eap_round.h"
#include "ike/sa/diplomat.h"
#include "test/sim/papers.h"

// Sections of one host, lines of its connection, and its secrets.
struct host {
    const char *local, *remote, *more, *secrets;
};

#define GATE "{ auth = pubkey\n id = bob.example.org\n }\n"
#define CAROLS "eap-carol { id = carol\n secret = Ar3etTnp\n }\n"

static void put_config(struct sim *s, int node, const struct host *h)
{
    char conf[3000];
    bool alice = node == ALICE;
    (void)snprintf(conf, sizeof conf,
                   "connections { net {\n " SIM_SUITE "\n local_addrs = %s\n"
                   "remote_addrs = %s\n %s\n local %s\n remote %s\n"
                   "children { net {\n local_ts = %s\n remote_ts = %s\n } } } }\n"
                   "secrets { %s }\n",
                   alice ? "192.0.2.1" : "192.0.2.2", alice ? "192.0.2.2" : "192.0.2.1",
                   h->more ? h->more : "", h->local, h->remote,
                   alice ? "10.1.0.0/16" : "10.2.0.0/16", alice ? "10.2.0.0/16" : "10.1.0.0/16",
                   h->secrets ? h->secrets : CAROLS);
    sim_configure(s, node, conf);
}

static struct sim *hosts(uint64_t seed, const struct host *alice, const struct host *bob)
{
    struct sim *s = papers_hosts(seed);
    put_config(s, BOB, bob);
    put_config(s, ALICE, alice);
    return s;
}

// ---- what works --------------------------------------------------------------------------------

struct method {
    const char *ours, *theirs; // auth of the client, and what the gateway wants
    unsigned messages;
    const char *said;
};

static void each_method(void **state)
{
    static const struct method methods[] = {
        {"eap", "eap-md5", 10, "EAP method EAP_MD5 succeeded, no MSK established"},
        {"eap-md5", "eap-dynamic", 14, "requesting EAP_MD5 authentication, sending EAP_NAK"},
        {"eap-gtc", "eap-gtc", 10, "EAP method EAP_GTC succeeded, no MSK established"},
        {"eap", "eap-mschapv2", 12, "EAP method EAP_MSCHAPV2 succeeded, MSK established"},
        {"eap-mschapv2", "eap-mschapv2", 12, "server requested EAP_MSCHAPV2 authentication"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        const struct method *m = &methods[i];
        char local[200], remote[200];
        (void)snprintf(local, sizeof local, "{ auth = %s\n id = 192.0.2.1\n eap_id = carol\n }",
                       m->ours);
        (void)snprintf(remote, sizeof remote, "{ auth = %s\n }", m->theirs);
        struct sim *s = hosts(i, &(struct host){.local = local, .remote = GATE},
                              &(struct host){.local = GATE, .remote = remote});
        sim_establish(s);
        if (i != 1) CHECK_EQ(s->sent, m->messages);
        CHECK(sim_told(s, ALICE, m->said));
        CHECK(sim_told(s, ALICE, "authentication of 'bob.example.org' with ECDSA"));
        CHECK(sim_told(s, ALICE, "authentication of '192.0.2.1' (myself) with EAP"));
        CHECK(sim_told(s, ALICE, "authentication of 'bob.example.org' with EAP successful"));
        CHECK(sim_told(s, BOB, "received EAP identity 'carol'"));
        CHECK(sim_told(s, BOB, "authentication of '192.0.2.1' with EAP successful"));
        CHECK(!sim_told(s, ALICE, "Ar3etTnp") && !sim_told(s, BOB, "Ar3etTnp"));
        sim_rekey_ike(s, BOB);
        sim_run(s, 10 * SECOND);
        sim_expect_clean(s);
        sim_free(s);
    }
}

#define TLS_ALICE "{ auth = eap-tls\n id = alice.example.org\n }"
#define TLS_BOB "{ auth = eap-tls\n id = bob.example.org\n }"

static void tls_alone(void **state)
{
    struct sim *s = hosts(20, &(struct host){.local = TLS_ALICE, .remote = TLS_BOB},
                          &(struct host){.local = TLS_BOB, .remote = "{ auth = eap-tls\n }"});
    (void)state;
    sim_establish(s);
    CHECK(sim_told(s, ALICE, "allow mutual EAP-only authentication"));
    CHECK(sim_told(s, ALICE, "negotiated TLS 1.3 using suite TLS_AES_256_GCM_SHA384"));
    CHECK(sim_told(s, BOB, "EAP method EAP_TLS succeeded, MSK established"));
    CHECK(sim_told(s, BOB, "192.0.2.2[bob.example.org]...192.0.2.1[alice.example.org]"));
    sim_free(s);
}

static void tls_behind_a_certificate(void **state)
{
    struct sim *s = hosts(21, &(struct host){.local = TLS_ALICE, .remote = GATE},
                          &(struct host){.local = GATE, .remote = "{ auth = eap-tls\n }"});
    (void)state;
    s->node[BOB].opt.tls_max = TLS_V12;
    ike_set_options(s->node[BOB].ike, &s->node[BOB].opt);
    sim_establish(s);
    CHECK(sim_told(s, ALICE, "negotiated TLS 1.2 using suite TLS_ECDHE_ECDSA"));
    CHECK(!sim_told(s, ALICE, "EAP-only"));
    sim_free(s);
}

static void a_password_inside_tls(void **state)
{
    const struct host alice = {.local = "{ auth = eap\n id = alice\n eap_id = carol\n }",
                               .remote = "{ auth = eap-ttls\n id = bob.example.org\n }"};
    const struct host bob = {.local = "{ auth = eap-ttls\n id = bob.example.org\n }",
                             .remote = "{ auth = eap-ttls\n }"};
    struct sim *s = hosts(22, &alice, &bob);
    (void)state;
    sim_establish(s);
    CHECK(sim_told(s, ALICE, "allow mutual EAP-only authentication"));
    CHECK(sim_told(s, ALICE, "server requested EAP_TTLS authentication"));
    CHECK(sim_told(s, ALICE, "server requested EAP_MSCHAPV2 authentication"));
    CHECK(
        sim_told(s, BOB, "EAP_TTLS phase2 authentication of 'carol' with EAP_MSCHAPV2 successful"));
    sim_free(s);
}

#define EAP_CAROL "{ auth = eap\n id = 192.0.2.1\n eap_id = carol\n }"
static const struct host client = {.local = EAP_CAROL, .remote = GATE};
static const struct host gateway = {.local = GATE, .remote = "{ auth = eap-mschapv2\n }"};

#define KEY_ALICE "{ auth = pubkey\n id = alice.example.org\n }\n"

static void rounds_before_and_after(void **state)
{
    const struct host before = {.local = KEY_ALICE "local-2 " EAP_CAROL, .remote = GATE};
    const struct host wants_before = {.local = GATE,
                                      .remote = KEY_ALICE "remote-2 { auth = eap-mschapv2\n }"};
    const struct host after = {.local = EAP_CAROL "\n local-2 " KEY_ALICE, .remote = GATE};
    const struct host wants_after = {.local = GATE,
                                     .remote = "{ auth = eap-mschapv2\n }\n remote-2 " KEY_ALICE};
    (void)state;
    struct sim *s = hosts(23, &before, &wants_before);
    sim_establish(s);
    CHECK(sim_told(s, BOB, "authentication of 'alice.example.org' with ECDSA"));
    CHECK(sim_told(s, BOB, "authentication of '192.0.2.1' with EAP successful"));
    sim_free(s);
    s = hosts(24, &after, &wants_after);
    sim_establish(s);
    CHECK(sim_told(s, BOB, "192.0.2.2[bob.example.org]...192.0.2.1[alice.example.org]"));
    sim_free(s);
}

// The name that EAP has given says which connection it is.
static void the_name_says_which(void **state)
{
    struct sim *s = hosts(25, &client, &gateway);
    (void)state;
    sim_configure(
        s, BOB,
        "connections { staff {\n remote_addrs = 192.0.2.1\n local " GATE
        "remote { auth = eap-tls\n eap_id = \"C=CH, CN=*\"\n } children { net { local_ts = "
        "10.2.0.0/16\n remote_ts = 10.1.0.0/16\n } } }\n guests {\n remote_addrs = 192.0.2.1\n "
        "local " GATE "remote { auth = eap-md5\n eap_id = %any\n } children { net { local_ts = "
        "10.2.0.0/16\n remote_ts = 10.1.0.0/16\n } } } }\n secrets { " CAROLS " }\n");
    sim_establish(s);
    CHECK(sim_told(s, BOB,
                   "EAP identity 'C=CH, CN=*' (ID_DER_ASN1_DN) required, not matched by "
                   "'carol' (ID_FQDN)"));
    CHECK(sim_told(s, BOB, "switching to peer config 'guests'"));
    CHECK(sim_told(s, BOB, "IKE_SA guests[1] established"));
    sim_free(s);
}

// A name in IKE that is asked for is the one to be proved, and no other.
static void no_name_but_the_one_in_ike(void **state)
{
    const struct host bob = {.local = GATE, .remote = "{ auth = eap-mschapv2\n id = carol\n }"};
    const struct host alice = {.local = "{ auth = eap\n id = carol\n }", .remote = GATE};
    struct sim *s = hosts(26, &alice, &bob);
    (void)state;
    sim_establish(s);
    CHECK(!sim_told(s, BOB, "received EAP identity"));
    sim_free(s);
}

// A new configuration that is for somebody else leaves those who are there what they had.
static void a_reload_looks_at_the_name(void **state)
{
    struct host bob = {.local = GATE, .remote = "{ auth = eap-mschapv2\n eap_id = carol\n }"};
    struct sim *s = hosts(28, &client, &bob);
    (void)state;
    sim_establish(s);
    const struct ike_sa *sa = s->node[BOB].ike->all;
    const struct conn *before = sa->conn;
    put_config(s, BOB, &bob);
    CHECK(sa->conn != before);
    before = sa->conn;
    bob.remote = "{ auth = eap-mschapv2\n eap_id = dave\n }";
    put_config(s, BOB, &bob);
    CHECK(sa->conn == before);
    sim_free(s);
}

static void leases_go_by_the_name_in_eap(void **state)
{
    struct sim *s = hosts(27, &client, &gateway);
    struct sim_result r;
    (void)state;
    sim_configure(
        s, BOB,
        "connections { net {\n remote_addrs = 192.0.2.1\n pools = road\n local " GATE
        "remote { auth = eap-mschapv2\n } children { net { local_ts = 10.2.0.0/16\n } } } "
        "}\n pools { road { addrs = 10.9.0.0/24\n } }\n secrets { " CAROLS " }\n");
    sim_configure(
        s, ALICE,
        "connections { net {\n remote_addrs = 192.0.2.2\n vips = 0.0.0.0\n local " EAP_CAROL
        "remote " GATE "children { net { remote_ts = 10.2.0.0/16\n } } } }\n"
        "secrets { " CAROLS " }\n");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 3 * SECOND);
    CHECK_EQ(r.err, ERR_OK);
    CHECK(sim_told(s, BOB, "assigning virtual IP 10.9.0.1 to peer 'carol'"));
    sim_free(s);
}

// ---- who is refused ----------------------------------------------------------------------------

static void refused(struct sim *s, int by, const char *said)
{
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 5 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK(r.err != ERR_OK);
    if (!sim_told(s, by, said)) fail_msg("not told: %s\n%s", said, text_str(&s->node[by].story));
    CHECK_EQ(sim_ikes(s, ALICE) + sim_ikes(s, BOB), 0);
    sim_expect_nothing(s);
    sim_run(s, 60 * SECOND);
    CHECK_EQ(sim_stats(s, BOB).half_open, 0);
    CHECK_EQ(s->works, 0);
    sim_free(s);
}

static void wrong_passwords(void **state)
{
    static const char *const methods[] = {"{ auth = eap-md5\n }", "{ auth = eap-mschapv2\n }",
                                          "{ auth = eap-gtc\n }"};
    const char wrong[] = "eap-carol { id = carol\n secret = wrongwrong\n }\n";
    const char other[] = "eap-dave { id = dave\n secret = Ar3etTnp\n }\n";
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct host alice = client, bob = {.local = GATE, .remote = methods[i]};
        alice.secrets = wrong;
        refused(hosts(30 + i, &alice, &bob), BOB, "the password of carol is wrong");
        bob.secrets = other;
        refused(hosts(40 + i, &alice, &bob), ALICE, "received EAP_FAILURE");
        alice.secrets = other;
        refused(hosts(50 + i, &alice, &bob), ALICE, "there is no secret for carol (secrets.eap)");
    }
}

static void what_is_not_configured(void **state)
{
    const struct host md5 = {.local = "{ auth = eap-md5\n eap_id = carol\n }", .remote = GATE};
    const struct host psk = {.local = GATE,
                             .remote = "{ auth = psk\n }",
                             .secrets = "ike { secret = \"correct horse\"\n }"};
    const struct host alone = {.local = "{ auth = eap\n id = bob.example.org\n }",
                               .remote = "{ auth = eap\n }"};
    const struct host by_psk = {.local = "{ auth = psk\n id = carol\n }",
                                .remote = GATE,
                                .secrets = "ike { secret = \"correct horse\"\n }"};
    const struct host tls_only = {.local = "{ auth = eap-ttls\n eap_id = carol\n }",
                                  .remote = TLS_BOB};
    (void)state;
    // No way down to MD5 where the gateway wants better.
    refused(hosts(60, &md5, &gateway), BOB, "the peer refuses the methods of EAP");
    refused(hosts(61, &client, &psk), BOB, "expects by EAP (remote.auth)");
    refused(hosts(62, &by_psk, &gateway), BOB, "expects by pre-shared key (remote.auth)");
    // A gateway without a proof of its own, for a client that wants one.
    refused(hosts(63, &client, &alone), BOB, "expects by EAP (remote.auth)");
    // The client would do with EAP alone, but only with another method.
    refused(
        hosts(64, &tls_only, &(struct host){.local = TLS_BOB, .remote = "{ auth = eap-tls\n }"}),
        BOB, "the peer refuses the methods of EAP");
}

// ---- attackers who have the keys of the IKE SA, as the peer has --------------------------------

static unsigned forever(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)m;
    return s->fate_arg == 0 || n < s->fate_arg;
}

// Who begins and goes no further is forgotten.
static void never_finished(void **state)
{
    (void)state;
    for (unsigned n = 4; n < 11; n++) {
        struct sim *s = hosts(70 + n, &client, &gateway);
        struct sim_result r;
        s->fate = forever;
        s->fate_arg = n;
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, 3 * SECOND);
        CHECK_EQ(sim_ikes(s, BOB), 0);
        CHECK_EQ(sim_stats(s, BOB).half_open, 1);
        sim_run(s, 180 * SECOND);
        CHECK_EQ(sim_stats(s, BOB).half_open, 0);
        sim_free(s);
    }
}

// What a test may do and a peer could: the key that EAP gave is another one on one side.
static void another_key(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct sim *s = hosts(90 + i, &client, &gateway);
        int liar = i ? ALICE : BOB;
        struct sim_result r;
        sim_initiate(s, ALICE, "net", &r);
        for (unsigned n = 0; n < 1000 && s->node[BOB].ike->all == NULL; n++) sim_run(s, LATENCY);
        struct ike_sa *sa = s->node[liar].ike->all;
        while (sa->state != IKE_UP && sa->opening->eap.phase != EAP_KEYED) sim_run(s, LATENCY / 4);
        CHECK(sa->opening->eap.talk->msk_len);
        sa->opening->eap.talk->msk[0] ^= 1;
        sim_run(s, 5 * SECOND);
        CHECK_EQ(r.told, 1);
        CHECK(r.err != ERR_OK);
        CHECK(sim_told(s, liar, "is not by the key that EAP has given"));
        CHECK_EQ(sim_ikes(s, ALICE) + sim_ikes(s, BOB), 0);
        sim_expect_nothing(s);
        sim_free(s);
    }
}

// A responder that begins with EAP and proves nothing, to one who has not said that this is enough.
static void no_proof_before_eap(void **state)
{
    const struct host alice = {.local = TLS_ALICE, .remote = TLS_BOB};
    const struct host bob = {.local = TLS_BOB, .remote = "{ auth = eap-tls\n }"};
    struct sim *s = hosts(95, &alice, &bob);
    struct sim_result r;
    (void)state;
    sim_initiate(s, ALICE, "net", &r);
    struct ike_sa *sa = s->node[ALICE].ike->all;
    while (sa->state != IKE_AUTH_SENT) sim_run(s, LATENCY / 4);
    sa->conn->conf.remote.auth = CONF_AUTH_PUBKEY; // as if it had not said so
    sim_run(s, 5 * SECOND);
    CHECK_EQ(r.err, ERR_AUTH);
    CHECK(sim_told(s, ALICE, "the peer has not proved all that net asks for"));
    CHECK(!sim_told(s, ALICE, "server requested EAP"));
    CHECK_EQ(sim_ikes(s, BOB), 0);
    sim_free(s);
}

// A gateway cannot call its clients, nor ask them to prove it again.
static void only_clients_call(void **state)
{
    struct sim *s = hosts(97, &client, &gateway);
    struct sim_result r;
    (void)state;
    sim_initiate(s, BOB, "net", &r);
    sim_run(s, 5 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK(strstr(r.sentence, "whoever proves itself by EAP has to call us"));
    sim_free(s);
    s = hosts(98, &client,
              &(struct host){.local = GATE,
                             .remote = "{ auth = eap-mschapv2\n }",
                             .more = "reauth_time = 60s\n over_time = 20s"});
    sim_establish(s);
    CHECK(sim_told(s, ALICE, "received AUTH_LIFETIME of 60s, scheduling reauthentication in 54s"));
    sim_run(s, 70 * SECOND);
    CHECK(sim_told(s, ALICE,
                   "received AUTH_LIFETIME of 60s, reauthentication already scheduled in 54s"));
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    CHECK_EQ(sim_ikes(s, BOB), 1);
    sim_free(s);
}

// As many as there is room for, and not one more; those who go make room.
static void so_many_conversations(void **state)
{
    struct sim *s = hosts(99, &client, &gateway);
    struct sim_result r;
    (void)state;
    s->node[BOB].ike->eap_talks = EAP_TALKS_MAX;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 2 * SECOND);
    CHECK_EQ(r.told, 0);
    s->node[BOB].ike->eap_talks = 0;
    sim_run(s, 20 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(s->node[BOB].ike->eap_talks, 0);
    sim_free(s);
}

// An initiator that changes its mind in the middle and comes with a signature.
static void another_proof_in_the_middle(void **state)
{
    struct sim *s = hosts(96, &client, &gateway);
    struct sim_result r;
    (void)state;
    sim_initiate(s, ALICE, "net", &r);
    struct ike_sa *sa = s->node[ALICE].ike->all;
    while (!sa->opening || sa->opening->eap.phase != EAP_TALKS) sim_run(s, LATENCY / 4);
    sa->conn->conf.local.auth = CONF_AUTH_PUBKEY;
    sa->opening->eap.phase = EAP_NONE;
    sim_run(s, 10 * SECOND);
    CHECK(r.err != ERR_OK);
    CHECK_EQ(sim_ikes(s, ALICE) + sim_ikes(s, BOB), 0);
    sim_free(s);
}

// ---- on the way --------------------------------------------------------------------------------

static void each_message_lost_or_twice(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 28; i++) {
        struct sim *s = hosts(100 + i, &client, &gateway);
        sim_establish_despite(s, i < 14 ? sim_fate_nth_lost : sim_fate_nth_twice, i % 14);
        sim_free(s);
    }
}

static void a_bad_network(void **state)
{
    const struct host bob = {.local = TLS_BOB, .remote = "{ auth = eap-tls\n }"};
    const struct host alice = {.local = TLS_ALICE, .remote = TLS_BOB};
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct sim *s = i & 1 ? hosts(140 + i, &alice, &bob) : hosts(140 + i, &client, &gateway);
        struct sim_result r;
        s->fate = sim_fate_random;
        s->loss = 0.15;
        s->twice = 0.2;
        s->jitter = 0.5;
        s->work_takes = SECOND / 3;
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, 110 * SECOND);
        CHECK_EQ(r.told, 1);
        CHECK_EQ(r.err, ERR_OK);
        s->loss = s->twice = 0;
        sim_run(s, 200 * SECOND);
        sim_expect_clean(s);
        sim_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_method),
        cmocka_unit_test(tls_alone),
        cmocka_unit_test(tls_behind_a_certificate),
        cmocka_unit_test(a_password_inside_tls),
        cmocka_unit_test(rounds_before_and_after),
        cmocka_unit_test(the_name_says_which),
        cmocka_unit_test(no_name_but_the_one_in_ike),
        cmocka_unit_test(a_reload_looks_at_the_name),
        cmocka_unit_test(leases_go_by_the_name_in_eap),
        cmocka_unit_test(wrong_passwords),
        cmocka_unit_test(what_is_not_configured),
        cmocka_unit_test(never_finished),
        cmocka_unit_test(another_key),
        cmocka_unit_test(no_proof_before_eap),
        cmocka_unit_test(another_proof_in_the_middle),
        cmocka_unit_test(only_clients_call),
        cmocka_unit_test(so_many_conversations),
        cmocka_unit_test(each_message_lost_or_twice),
        cmocka_unit_test(a_bad_network),
    };
    return cmocka_run_group_tests(tests, papers_begin, papers_end);
}
