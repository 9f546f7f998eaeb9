// Groups of attribute certificates (RFC 5755): who comes in by them, whoever has them at hand, and
// who does not.
#include <stdio.h>
#include <string.h>

#include "test/sim/papers.h"
#include "test/unit/cred/mint_ac.h"

static struct mint ca, aa, alice;

#define CHILD(ours, theirs) \
    "children { net {\n local_ts = " ours "\n remote_ts = " theirs "\n } }\n"

// Alice comes, bob asks for groups.
static struct sim *world(uint64_t seed)
{
    struct sim *s = papers_world(seed);
    ca = AUTHORITY();
    aa = MINT(.name = "C=CH, CN=AA", .by = &ca);
    alice = host_cert(&ca, ALICE, "P-256");
    struct mint bob = host_cert(&ca, BOB, "P-256");
    put_host(ALICE, &alice, &ca);
    put_host(BOB, &bob, &ca);
    put_cert(BOB, "x509aa", "aa.pem", &aa);
    mint_done(&bob);
    return s;
}

static void configure(struct sim *s, const char *conns, const char *alices)
{
    char conf[2048];
    sim_configure(s, BOB, conns);
    (void)snprintf(
        conf, sizeof conf,
        "connections { net {\n " SIM_SUITE "\n local_addrs = 192.0.2.1\n"
        "remote_addrs = 192.0.2.2\n %s\n"
        "local {\n id = alice.example.org\n }\n remote {\n id = bob.example.org\n }\n" CHILD(
            "10.1.0.0/16", "10.2.0.0/16") "} }\n",
        alices);
    sim_configure(s, ALICE, conf);
}

static void world_done(struct sim *s)
{
    sim_free(s);
    mint_done(&ca);
    mint_done(&aa);
    mint_done(&alice);
}

#define BOBS(name, remote)                                                              \
    name " {\n " SIM_SUITE "\n local {\n id = bob.example.org\n }\n remote {\n " remote \
         "\n }\n" CHILD("10.2.0.0/16", "10.1.0.0/16") "}\n"
#define SALES "connections {\n" BOBS("net", "groups = sales") "}\n"

static err_t come(struct sim *s)
{
    struct sim_result r = {0};
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 5 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(sim_ikes(s, BOB), r.err == ERR_OK);
    return r.err;
}

static void told(struct sim *s, int node, const char *words)
{
    if (!sim_told(s, node, words))
        fail_msg("not told: %s\n%s", words, text_str(&s->node[node].story));
}

static void who_brings_one_comes_in(void **state)
{
    (void)state;
    struct sim *s = world(1);
    put_der(ALICE, "x509ac", "b.der",
            MINT_AC_DER(.by = &aa, .holder = &alice, .groups = {"sales"}));
    put_der(ALICE, "x509ac", "a.der",
            MINT_AC_DER(.by = &aa, .holder = &ca, .groups = {"sales"})); // another's: not sent
    configure(s, SALES, "");
    CHECK_OK(come(s));
    told(s, ALICE, "sending attribute certificate issued by \"");
    // A second time by a verdict that is kept, and over rekeying.
    struct sim_result r;
    sim_rekey_ike(s, BOB);
    sim_run(s, 5 * SECOND);
    sim_terminate_ike(s, ALICE, &r);
    sim_run(s, 5 * SECOND);
    CHECK_OK(come(s));
    world_done(s);
}

static void what_is_at_hand_counts_too(void **state)
{
    (void)state;
    struct sim *s = world(2);
    put_der(BOB, "x509ac", "alice.der",
            MINT_AC_DER(.by = &aa, .holder = &alice, .groups = {"finance", "sales"}));
    configure(s, SALES, "");
    CHECK_OK(come(s));
    world_done(s);
}

static void who_is_in_no_group_stays_out(void **state)
{
    (void)state;
    const struct {
        struct mint_ac_spec spec;
        const char *says;
    } tries[] = {
        {{.groups = {"marketing"}}, "it names other groups"},
        {{.groups = {"sales"}, .to = MINT_NOW - 60}, "it has expired"},
        {{.groups = {"sales"}, .critical = true}, "is not understood"},
        {{.groups = {"sales"}, .by = &ca}, "no attribute authority of ours (x509aa)"},
        {{.groups = {"sales"}, .by = &alice}, "no attribute authority of ours (x509aa)"},
    };
    for (unsigned i = 0; i < sizeof tries / sizeof *tries; i++) {
        struct sim *s = world(10 + i);
        struct mint_ac_spec spec = tries[i].spec;
        if (!spec.by) spec.by = &aa;
        spec.holder = &alice;
        put_der(ALICE, "x509ac", "ac.der", mint_ac_der(spec));
        configure(s, SALES, "");
        CHECK_EQ(come(s), ERR_AUTH);
        told(s, BOB, tries[i].says);
        told(s, BOB, "is not known to be in the groups that are asked for (sales)");
        world_done(s);
    }
    struct sim *s = world(20);
    configure(s, SALES, "");
    CHECK_EQ(come(s), ERR_AUTH);
    told(s, BOB, "there is no attribute certificate for");
    world_done(s);
}

// The group decides which connection it is.
static void a_group_leads_to_its_connection(void **state)
{
    (void)state;
    struct sim *s = world(30);
    put_der(ALICE, "x509ac", "1.der",
            MINT_AC_DER(.by = &aa, .holder = &alice, .groups = {"finance"}, .to = MINT_NOW - 60));
    put_der(ALICE, "x509ac", "2.der",
            MINT_AC_DER(.by = &aa, .holder = &alice, .groups = {"sales"}));
    configure(s,
              "connections {\n" BOBS("finance", "groups = finance")
                  BOBS("sales", "groups = sales, management") "}\n",
              "");
    CHECK_OK(come(s));
    told(s, BOB, "selected peer config 'finance' unacceptable");
    told(s, BOB, "switching to peer config 'sales'");
    told(s, BOB, "IKE_SA sales[1] established");
    world_done(s);
}

// A bare key is in no group.
static void keys_are_no_way_round(void **state)
{
    (void)state;
    struct sim *s = world(40);
    put_der(ALICE, "x509ac", "ac.der",
            MINT_AC_DER(.by = &aa, .holder = &alice, .groups = {"sales"}));
    put_pub(ALICE, "alice.pem", &alice);
    put_pub(BOB, "alice.pem", &alice);
    sim_configure(
        s, BOB,
        "connections {\n" BOBS(
            "net", "id = alice.example.org\n pubkeys = alice.pem\n groups = sales") "}\n");
    sim_configure(
        s, ALICE,
        "connections { net {\n " SIM_SUITE "\n remote_addrs = 192.0.2.2\n"
        "local {\n id = alice.example.org\n pubkeys = alice.pem\n }\n"
        "remote {\n id = bob.example.org\n }\n" CHILD("10.1.0.0/16", "10.2.0.0/16") "} }\n");
    CHECK_EQ(come(s), ERR_AUTH);
    told(s, BOB, "bare public key");
    world_done(s);
}

// The initiator may ask for groups, too; and when it authenticates anew, what the gateway has
// brought is looked at once more, with the certificates (ike/auth/recheck.h).
static void a_gateway_in_a_group(void **state)
{
    (void)state;
    struct sim *s = world(50);
    struct mint bob = host_cert(&ca, BOB, "ED25519");
    unsigned n;
    struct ike_choice what = {.ike = "net", .reauth = true};
    put_host(BOB, &bob, &ca);
    put_cert(ALICE, "x509aa", "aa.pem", &aa);
    put_der(BOB, "x509ac", "bob.der",
            MINT_AC_DER(.by = &aa, .holder = &bob, .groups = {"gateways"}));
    sim_configure(s, BOB, "connections {\n" BOBS("net", "id = alice.example.org") "}\n");
    sim_configure(s, ALICE,
                  "connections { net {\n " SIM_SUITE "\n remote_addrs = 192.0.2.2\n"
                  "local {\n id = alice.example.org\n }\n"
                  "remote {\n id = bob.example.org\n groups = gateways\n }\n" CHILD(
                      "10.1.0.0/16", "10.2.0.0/16") "} }\n");
    CHECK_OK(come(s));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(ike_rekey(s->node[ALICE].ike, &what, &n));
        sim_run(s, 60 * SECOND);
        CHECK_EQ(s->node[ALICE].events[IKE_EV_UP], (unsigned)i + 2);
        sim_expect_clean(s);
    }
    told(s, ALICE, "peer certificate successfully verified");
    mint_done(&bob);
    world_done(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_brings_one_comes_in),
        cmocka_unit_test(what_is_at_hand_counts_too),
        cmocka_unit_test(who_is_in_no_group_stays_out),
        cmocka_unit_test(a_group_leads_to_its_connection),
        cmocka_unit_test(keys_are_no_way_round),
        cmocka_unit_test(a_gateway_in_a_group),
    };
    return cmocka_run_group_tests_name("sim/groups", tests, papers_begin, papers_end);
}
