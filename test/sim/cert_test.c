// Two hosts that prove who they are with certificates, or with bare public keys: every kind of key,
// chains, who is refused and what is said about it; and works that take their time.
#include <stdio.h>
#include <string.h>

#include "test/sim/papers.h"
#include "test/unit/cred/heard.h"

static void side(struct sim *s, int node, const char *local, const char *remote, const char *conn)
{
    char conf[2048];
    bool alice = node == ALICE;
    (void)snprintf(conf, sizeof conf,
                   "connections { net {\n local_addrs = %s\n remote_addrs = %s\n"
                   "local {\n id = %s.example.org\n %s\n }\n"
                   "remote {\n id = %s.example.org\n %s\n }\n %s\n"
                   "children { net {\n local_ts = %s\n remote_ts = %s\n } } } }\n"
                   "secrets { ike-1 { secret = \"correct horse\"\n } }\n",
                   alice ? "192.0.2.1" : "192.0.2.2", alice ? "192.0.2.2" : "192.0.2.1",
                   alice ? "alice" : "bob", local, alice ? "bob" : "alice", remote, conn,
                   alice ? "10.1.0.0/16" : "10.2.0.0/16", alice ? "10.2.0.0/16" : "10.1.0.0/16");
    sim_configure(s, node, conf);
}

// Both with a certificate of the same authority; `auth` is for both sides.
static struct sim *pair(uint64_t seed, const char *key, const char *local, const char *remote)
{
    struct sim *s = papers_world(seed);
    struct mint ca = AUTHORITY();
    for (int i = 0; i < 2; i++) {
        struct mint m = host_cert(&ca, i, key);
        put_host(i, &m, &ca);
        mint_done(&m);
        side(s, i, local, remote, "");
    }
    mint_done(&ca);
    return s;
}

// ---- what works --------------------------------------------------------------------------------

static void every_kind_of_key(void **state)
{
    static const struct {
        const char *key, *auth, *said;
    } kinds[] = {
        {"RSA", "", "with RSA_EMSA_PKCS1_SHA2_256 successful"},
        {"RSA", "auth = ike:rsa/pss", "with RSA_EMSA_PSS_SHA2_256_SALT_32 successful"},
        {"RSA", "auth = rsa/pkcs1-sha512", "with RSA_EMSA_PKCS1_SHA2_512 successful"},
        {"P-256", "", "with ECDSA_WITH_SHA256_DER successful"},
        {"P-384", "auth = ecdsa-384-sha384", "with ECDSA_WITH_SHA384_DER"},
        {"P-521", "auth = pubkey", "with ECDSA_WITH_SHA512_DER"},
        {"ED25519", "auth = ike:ed25519", "with ED25519"},
        {"ED448", "", "with ED448"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct sim *s = pair(i, kinds[i].key, kinds[i].auth, "");
        sim_establish(s);
        CHECK(sim_told(s, ALICE, "authentication of 'bob.example.org' with "));
        CHECK(sim_told(s, ALICE, kinds[i].said));
        CHECK_EQ(s->works_run, 4); // each signs and each verifies
        CHECK_EQ(s->works, 0);
        sim_free(s);
    }
}

static void a_chain_is_sent(void **state)
{
    struct sim *s = papers_world(20);
    struct mint root = AUTHORITY(), mid = MINT(.name = "CN=Middle", .by = &root, .ext = {MINT_CA});
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct mint m = host_cert(&mid, i, "RSA");
        put_host(i, &m, &root);
        if (i == ALICE) put_cert(i, "x509ca", "middle.pem", &mid);
        mint_done(&m);
        side(s, i, "", "", i == ALICE ? "" : "send_cert = always");
    }
    // Bob knows the root only; alice sends the rest. Bob himself cannot, but alice knows it.
    sim_establish(s);
    CHECK(s->sent > 4); // certificates do not fit into one datagram each
    mint_done(&root);
    mint_done(&mid);
    sim_free(s);
}

static void a_key_on_one_side_only(void **state)
{
    struct sim *s = papers_world(21);
    struct mint ca = AUTHORITY(), bob = host_cert(&ca, BOB, "P-256");
    (void)state;
    put_host(BOB, &bob, &ca);
    put_cert(ALICE, "x509ca", "ca.pem", &ca);
    side(s, BOB, "auth = pubkey", "auth = psk", "");
    side(s, ALICE, "auth = psk", "auth = pubkey", "");
    sim_establish(s);
    CHECK(sim_told(s, BOB, "authentication of 'alice.example.org' with pre-shared key successful"));
    CHECK(sim_told(s, ALICE, "authentication of 'bob.example.org' with ECDSA"));
    mint_done(&bob);
    mint_done(&ca);
    sim_free(s);
}

static void bare_public_keys(void **state)
{
    struct sim *s = papers_world(22);
    struct mint alice = MINT(.name = "CN=a", .key = "ED25519"), bob = MINT(.name = "CN=b");
    (void)state;
    put_key(ALICE, "key.pem", &alice);
    put_key(BOB, "key.pem", &bob);
    for (int i = 0; i < 2; i++) {
        put_pub(i, "alice.pem", &alice);
        put_pub(i, "bob.pem", &bob);
    }
    side(s, BOB, "pubkeys = bob.pem", "pubkeys = alice.pem", "");
    side(s, ALICE, "pubkeys = alice.pem", "pubkeys = bob.pem", "send_cert = never");
    sim_establish(s);
    CHECK(sim_told(s, BOB, "with ED25519 successful"));
    mint_done(&alice);
    mint_done(&bob);
    sim_free(s);
}

static void a_pinned_certificate(void **state)
{
    struct sim *s = papers_world(23);
    struct mint alice = host_cert(NULL, ALICE, NULL), bob = host_cert(NULL, BOB, NULL);
    (void)state;
    put_cert(ALICE, "x509", "alice.pem", &alice);
    put_cert(ALICE, "x509", "bob.pem", &bob);
    put_cert(BOB, "x509", "alice.pem", &alice);
    put_cert(BOB, "x509", "bob.pem", &bob);
    put_key(ALICE, "key.pem", &alice);
    put_key(BOB, "key.pem", &bob);
    side(s, BOB, "certs = bob.pem", "certs = alice.pem", "send_cert = always");
    side(s, ALICE, "certs = alice.pem", "certs = bob.pem", "send_cert = never");
    sim_establish(s);
    mint_done(&alice);
    mint_done(&bob);
    sim_free(s);
}

// Who says no name is known by his key; and a section that names no keys takes all that are here.
static void a_key_is_a_name(void **state)
{
    struct sim *s = papers_world(26);
    struct mint alice = MINT(.name = "CN=a", .key = "ED25519"), bob = MINT(.name = "CN=b");
    (void)state;
    put_key(ALICE, "key.pem", &alice);
    put_key(BOB, "key.pem", &bob);
    for (int i = 0; i < 2; i++) {
        put_pub(i, "alice.pem", &alice);
        put_pub(i, "bob.pem", &bob);
    }
    sim_configure(
        s, BOB,
        "connections { net {\n local {\n pubkeys = bob.pem\n }\n remote {\n auth = pubkey\n }\n"
        "children { net {\n local_ts = 10.2.0.0/16\n remote_ts = 10.1.0.0/16\n } } } }\n");
    sim_configure(
        s, ALICE,
        "connections { net {\n local_addrs = 192.0.2.1\n remote_addrs = 192.0.2.2\n"
        "local {\n pubkeys = alice.pem\n }\n remote {\n pubkeys = bob.pem\n }\n"
        "children { net {\n local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16\n } } } }\n");
    sim_establish(s);
    CHECK(sim_told(s, BOB, "with ED25519 successful"));
    CHECK(!sim_told(s, BOB, "'192.0.2.1'"));
    mint_done(&alice);
    mint_done(&bob);
    sim_free(s);
}

static void a_key_nobody_has_given_is_refused(void **state)
{
    struct sim *s = papers_world(27);
    struct sim_result r;
    struct mint alice = MINT(.name = "CN=a", .key = "ED25519"), bob = MINT(.name = "CN=b");
    (void)state;
    put_key(ALICE, "key.pem", &alice);
    put_key(BOB, "key.pem", &bob);
    put_pub(ALICE, "alice.pem", &alice);
    put_pub(ALICE, "bob.pem", &bob);
    put_pub(BOB, "bob.pem", &bob);
    sim_configure(
        s, BOB,
        "connections { net {\n local {\n pubkeys = bob.pem\n }\n remote {\n auth = pubkey\n }\n"
        "children { net {\n local_ts = 10.2.0.0/16\n remote_ts = 10.1.0.0/16\n } } } }\n");
    sim_configure(
        s, ALICE,
        "connections { net {\n local_addrs = 192.0.2.1\n remote_addrs = 192.0.2.2\n"
        "local {\n pubkeys = alice.pem\n }\n remote {\n pubkeys = bob.pem\n }\n"
        "children { net {\n local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16\n } } } }\n");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 10 * SECOND);
    CHECK_EQ(r.err, ERR_AUTH);
    CHECK(sim_told(s, BOB, "it sent no certificate, and there is none of"));
    mint_done(&alice);
    mint_done(&bob);
    sim_free(s);
}

#define FOR_ALL                                               \
    "local {\n id = bob.example.org\n certs = host.pem\n }\n" \
    "children { net {\n local_ts = 10.2.0.0/16\n remote_ts = 10.1.0.0/16\n } }\n"

// Two connections fit by identity; which one is meant, the authority of the peer's certificate
// tells.
static void another_connection_wants_this_authority(void **state)
{
    struct sim *s = papers_world(24);
    struct mint ca = AUTHORITY(), other = MINT(.name = "CN=Other CA", .ext = {MINT_CA});
    struct mint alice = host_cert(&ca, ALICE, "P-256"), bob = host_cert(&ca, BOB, "P-256");
    (void)state;
    put_host(ALICE, &alice, &ca);
    put_host(BOB, &bob, &ca);
    put_cert(BOB, "x509ca", "other.pem", &other);
    side(s, ALICE, "", "", "");
    sim_configure(s, BOB,
                  "connections {\n wrong {\n" FOR_ALL "remote {\n cacerts = other.pem\n } }\n"
                  "right {\n" FOR_ALL "remote {\n cacerts = ca.pem\n } } }\n");
    sim_establish(s);
    CHECK(sim_told(s, BOB, "selected peer config 'wrong' unacceptable"));
    CHECK(sim_told(s, BOB, "switching to peer config 'right'"));
    CHECK(sim_told(s, BOB, "IKE_SA right[1] established"));
    mint_done(&alice);
    mint_done(&bob);
    mint_done(&other);
    mint_done(&ca);
    sim_free(s);
}

// Likewise what `auth` says of keys and hashes.
static void another_connection_wants_this_signature(void **state)
{
    static const char *const wrong[] = {"ecdsa-384", "pubkey-sha512", "rsa"};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        char conf[1000];
        struct sim *s = pair(170 + i, "P-256", "", "");
        (void)snprintf(conf, sizeof conf,
                       "connections {\n wrong {\n" FOR_ALL "remote {\n auth = ike:%s\n } }\n"
                       "right {\n" FOR_ALL "remote {\n auth = ecdsa-256-sha256\n } } }\n",
                       wrong[i]);
        sim_configure(s, BOB, conf);
        sim_establish(s);
        CHECK(sim_told(s, BOB, "selected peer config 'wrong' unacceptable"));
        CHECK(sim_told(s, BOB, "IKE_SA right[1] established"));
        sim_free(s);
    }
}

// Several certificates here, no identity in the section: the peer says whom it wants.
static void the_peer_says_whom_it_wants(void **state)
{
    struct sim *s = papers_world(27);
    struct mint ca = AUTHORITY(), alice = host_cert(&ca, ALICE, "P-256");
    struct mint bob = host_cert(&ca, BOB, "P-256");
    struct mint first =
        MINT(.name = "CN=another", .by = &ca, .ext = {"subjectAltName=DNS:another"});
    (void)state;
    put_host(ALICE, &alice, &ca);
    put_host(BOB, &bob, &ca);
    put_cert(BOB, "x509", "a-first.pem", &first);
    put_key(BOB, "a-first.pem", &first);
    side(s, ALICE, "", "", "");
    sim_configure(
        s, BOB,
        "connections {\n net {\n local {\n }\n remote {\n id = alice.example.org\n }\n"
        "children { net {\n local_ts = 10.2.0.0/16\n remote_ts = 10.1.0.0/16\n } } } }\n");
    sim_establish(s);
    CHECK(sim_told(s, ALICE, "authentication of 'bob.example.org' with"));
    CHECK(sim_told(s, BOB, "sending end entity cert \"C=CH, CN=bob\""));
    mint_done(&alice);
    mint_done(&bob);
    mint_done(&first);
    mint_done(&ca);
    sim_free(s);
}

// ---- who is refused ----------------------------------------------------------------------------

// alert: what BOB raises; ALERTS: whatever.
static void refused_for(struct sim *s, int by, const char *said, enum alert alert)
{
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_AUTH);
    if (by == BOB) CHECK(strstr(r.sentence, "AUTHENTICATION_FAILED"));
    if (!sim_told(s, by, said)) fail_msg("not told: %s\n%s", said, text_str(&s->node[by].story));
    if (alert != ALERTS) {
        CHECK_EQ(s->node[BOB].alerts[alert], 1);
        CHECK_EQ(s->node[BOB].alerts[ALERT_PEER_AUTH_FAILED], 1);
    }
    sim_expect_nothing(s);
    sim_run(s, 60 * SECOND);
    CHECK_EQ(sim_stats(s, BOB).half_open, 0);
    CHECK_EQ(s->works, 0);
    sim_free(s);
}

static void refused(struct sim *s, int by, const char *said)
{
    refused_for(s, by, said, ALERTS);
}

static struct sim *with_alice(uint64_t seed, const struct mint *alice, const struct mint *ca)
{
    struct sim *s = papers_world(seed);
    struct mint bob = host_cert(ca, BOB, NULL);
    put_host(ALICE, alice, ca);
    put_host(BOB, &bob, ca);
    side(s, BOB, "", "", "");
    side(s, ALICE, "", "", "");
    mint_done(&bob);
    return s;
}

static void another_authority(void **state)
{
    struct mint ca = AUTHORITY(), other = MINT(.name = "CN=Other", .ext = {MINT_CA});
    struct mint alice = host_cert(&other, ALICE, NULL);
    (void)state;
    struct sim *s = with_alice(30, &alice, &ca);
    heard_begin();
    refused_for(s, BOB, "no authority that we trust has signed certificate \"C=CH, CN=alice\"",
                ALERT_CERT_NO_ISSUER);
    heard("no trusted ECDSA public key found for 'alice.example.org'");
    mint_done(&alice);
    mint_done(&other);
    mint_done(&ca);
}

static void an_old_certificate(void **state)
{
    struct mint ca = AUTHORITY();
    struct mint alice = MINT(.name = "CN=alice", .by = &ca, .from = MINT_NOW - 200,
                             .to = MINT_NOW - 100, .ext = {"subjectAltName=DNS:alice.example.org"});
    (void)state;
    struct sim *s = with_alice(31, &alice, &ca);
    refused_for(s, BOB, "expired", ALERT_CERT_EXPIRED);
    mint_done(&alice);
    mint_done(&ca);
}

static void an_identity_that_is_not_in_it(void **state)
{
    struct sim *s = papers_world(32);
    struct mint ca = AUTHORITY(), bob = host_cert(&ca, BOB, NULL);
    struct mint alice =
        MINT(.name = "CN=alice", .by = &ca, .ext = {"subjectAltName=DNS:carol.example.org"});
    (void)state;
    put_host(ALICE, &alice, &ca);
    put_host(BOB, &bob, &ca);
    side(s, BOB, "", "", "");
    side(s, ALICE, "certs = host.pem", "", ""); // its subject will be said instead
    refused(s, BOB, "none expects by public key (remote.auth) the identity CN=alice");
    mint_done(&alice);
    mint_done(&bob);
    mint_done(&ca);
}

static void a_responder_of_another_authority(void **state)
{
    struct sim *s = papers_world(33);
    struct mint ca = AUTHORITY(), other = MINT(.name = "CN=Other", .ext = {MINT_CA});
    struct mint alice = host_cert(&ca, ALICE, NULL), bob = host_cert(&other, BOB, NULL);
    (void)state;
    put_host(ALICE, &alice, &ca);
    put_host(BOB, &bob, &ca);
    put_cert(BOB, "x509ca", "other.pem", &other);
    side(s, BOB, "", "", "");
    side(s, ALICE, "", "", "");
    refused(s, ALICE, "no authority that we trust has signed certificate \"C=CH, CN=bob\"");
    mint_done(&alice);
    mint_done(&bob);
    mint_done(&other);
    mint_done(&ca);
}

static void an_unknown_key(void **state)
{
    struct sim *s = papers_world(34);
    struct mint alice = MINT(.name = "CN=a"), bob = MINT(.name = "CN=b"),
                carol = MINT(.name = "CN=c");
    (void)state;
    put_key(ALICE, "key.pem", &alice);
    put_pub(ALICE, "us.pem", &alice);
    put_pub(ALICE, "peer.pem", &bob);
    put_key(BOB, "key.pem", &bob);
    put_pub(BOB, "us.pem", &bob);
    put_pub(BOB, "peer.pem", &carol);
    side(s, BOB, "pubkeys = us.pem", "pubkeys = peer.pem", "");
    side(s, ALICE, "pubkeys = us.pem", "pubkeys = peer.pem", "");
    refused(s, BOB, "not one of those that `pubkeys` names");
    mint_done(&alice);
    mint_done(&bob);
    mint_done(&carol);
}

static void a_short_key(void **state)
{
    struct sim *s = pair(35, "RSA", "", "auth = rsa-3072");
    (void)state;
    refused(s, BOB, "3072 bits are the least allowed");
}

static void a_secret_instead_of_a_key(void **state)
{
    struct sim *s = pair(36, NULL, "", "");
    (void)state;
    sim_configure(
        s, ALICE,
        "connections { net {\n remote_addrs = 192.0.2.2\n local {\n auth = psk\n id = "
        "alice.example.org\n }\n remote {\n auth = psk\n id = bob.example.org\n }\n "
        "children { net { } } } }\nsecrets { ike-1 {\n secret = \"correct horse\"\n } }\n");
    refused(s, BOB, "none expects by pre-shared key (remote.auth)");
}

// ---- works that take their time ----

// The peer repeats its IKE_AUTH meanwhile; that is heard and does no harm.
static void a_slow_key(void **state)
{
    struct sim *s = pair(40, NULL, "", "");
    struct sim_result r;
    (void)state;
    s->work_takes = 9 * SECOND;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 25 * SECOND);
    CHECK_EQ(r.told, 0);
    CHECK(sim_told(s, BOB, "we are still at work on it"));
    sim_run(s, 25 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(s->works_run, 4);
    sim_expect_clean(s);
    sim_free(s);
}

static void closed_while_somebody_signs(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 40; at += 4) {
        struct sim *s = pair(41, NULL, "", "");
        struct sim_result r, gone;
        s->work_takes = 10 * SECOND;
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, at * SECOND + SECOND);
        sim_terminate_ike(s, ALICE, &gone);
        sim_run(s, 200 * SECOND);
        CHECK_EQ(r.told, 1);
        CHECK_EQ(gone.told, 1);
        CHECK_EQ(s->works, 0);
        sim_expect_nothing(s);
        CHECK_EQ(sim_stats(s, BOB).half_open, 0);
        sim_free(s);
    }
}

static void switched_off_while_somebody_signs(void **state)
{
    struct sim *s = pair(42, NULL, "", "");
    struct sim_result r;
    (void)state;
    s->work_takes = 10 * SECOND;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 15 * SECOND); // bob is verifying
    CHECK_EQ(s->works, 1);
    sim_switch_off(s, BOB);
    CHECK_EQ(s->works, 0);
    sim_free(s);
}

// A responder with too much to do says nothing; the initiator comes again.
static void too_much_to_do(void **state)
{
    struct sim *s = pair(43, NULL, "", "");
    struct sim_result r;
    (void)state;
    sim_initiate(s, ALICE, "net", &r);
    // Alice has signed, and bob not heard of it yet.
    for (unsigned i = 0; i < 1000 && !s->works_run; i++) sim_run(s, NSEC_PER_MSEC);
    CHECK_EQ(s->works_run, 1);
    s->works_max = 0;
    sim_run(s, 3 * SECOND);
    CHECK_EQ(r.told, 0);
    CHECK(sim_told(s, BOB, "too much to do; it will come again"));
    s->works_max = SIM_WORKS;
    sim_run(s, 10 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    sim_expect_clean(s);
    sim_free(s);
}

static void each_message_lost_or_twice(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct sim *s = pair(50 + i, NULL, "", "");
        sim_establish_despite(s, i < 6 ? sim_fate_nth_lost : sim_fate_nth_twice, i % 6);
        sim_free(s);
    }
}

static void the_configuration_changes_meanwhile(void **state)
{
    struct sim *s = pair(70, NULL, "", "");
    struct sim_result r;
    (void)state;
    s->work_takes = 5 * SECOND;
    sim_initiate(s, ALICE, "net", &r);
    for (unsigned i = 0; i < 6; i++) {
        sim_run(s, 4 * SECOND);
        side(s, BOB, "", "", "");
        side(s, ALICE, "", "", "");
    }
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_key),
        cmocka_unit_test(a_chain_is_sent),
        cmocka_unit_test(a_key_on_one_side_only),
        cmocka_unit_test(bare_public_keys),
        cmocka_unit_test(a_pinned_certificate),
        cmocka_unit_test(another_connection_wants_this_authority),
        cmocka_unit_test(another_connection_wants_this_signature),
        cmocka_unit_test(a_key_is_a_name),
        cmocka_unit_test(the_peer_says_whom_it_wants),
        cmocka_unit_test(a_key_nobody_has_given_is_refused),
        cmocka_unit_test(another_authority),
        cmocka_unit_test(an_old_certificate),
        cmocka_unit_test(an_identity_that_is_not_in_it),
        cmocka_unit_test(a_responder_of_another_authority),
        cmocka_unit_test(an_unknown_key),
        cmocka_unit_test(a_short_key),
        cmocka_unit_test(a_secret_instead_of_a_key),
        cmocka_unit_test(a_slow_key),
        cmocka_unit_test(closed_while_somebody_signs),
        cmocka_unit_test(switched_off_while_somebody_signs),
        cmocka_unit_test(too_much_to_do),
        cmocka_unit_test(each_message_lost_or_twice),
        cmocka_unit_test(the_configuration_changes_meanwhile),
    };
    return cmocka_run_group_tests(tests, papers_begin, papers_end);
}
