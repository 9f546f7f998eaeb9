#include "cred/trust.h"

#include <stdio.h>
#include <string.h>

#include "test/check.h"
#include "test/unit/cred/heard.h"
#include "test/unit/cred/mint.h"

#define DAY 86400

static struct id id(const char *text)
{
    struct id out;
    CHECK_OK(id_parse(text, &out, NULL));
    return out;
}

// A root, an authority below it, and moon, as in most tests; and what is asked of them.
struct scene {
    struct trust *store;
    struct mint root, sub, moon;
    struct cert *chain[TRUST_PEER_CERTS_MAX + 2];
    unsigned n;
    struct trust_terms terms;
    struct trust_chain found;
    struct why why;
};

static void scene_store(struct scene *s)
{
    s->store = trust_new();
    CHECK_OK(trust_add_ca(s->store, s->root.cert, &s->why));
    s->terms.revocation = REVOCATION_OFF;
}

static void scene_send(struct scene *s, const struct mint *m)
{
    s->chain[s->n++] = m->cert;
}

// A scene whose three certificates are what the specs say.
static struct scene *scene_of(struct mint_spec root, struct mint_spec sub, struct mint_spec moon)
{
    static struct scene s;
    s = (struct scene){0};
    s.root = mint_new(root);
    sub.by = &s.root;
    s.sub = mint_new(sub);
    moon.by = &s.sub;
    s.moon = mint_new(moon);
    scene_store(&s);
    scene_send(&s, &s.moon);
    scene_send(&s, &s.sub);
    return &s;
}
#define SPEC(...) ((struct mint_spec){__VA_ARGS__})
#define ROOT .name = "CN=Root", .ext = {MINT_CA}
#define SUB .name = "CN=Sub", .ext = {MINT_CA}
#define MOON .name = "CN=moon", .ext = {"subjectAltName=DNS:moon.example.org"}

static struct scene *scene_usual(void)
{
    return scene_of(SPEC(ROOT), SPEC(SUB), SPEC(MOON));
}

static err_t ask(struct scene *s)
{
    trust_chain_done(&s->found);
    s->why.text[0] = 0;
    return trust_verify(s->store, s->chain, s->n, &s->terms, MINT_NOW, &s->found, &s->why);
}

static void believed(struct scene *s)
{
    if (ask(s) != ERR_OK) print_error("%s\n", s->why.text);
    CHECK(s->found.n > 0);
}

static void scene_done(struct scene *s)
{
    trust_chain_done(&s->found);
    trust_free(s->store);
    mint_done(&s->moon);
    mint_done(&s->sub);
    mint_done(&s->root);
}

// The refusal names the certificate and says these words.
static void refused(struct scene *s, const char *whom, const char *says)
{
    CHECK_EQ(ask(s), ERR_AUTH);
    if (!strstr(s->why.text, says) || !strstr(s->why.text, whom)) print_error("%s\n", s->why.text);
    CHECK(strstr(s->why.text, says) != NULL);
    CHECK(strstr(s->why.text, whom) != NULL);
    CHECK(strlen(s->why.text) < sizeof s->why.text - 1);
}

static void refused_and_done(struct scene *s, const char *whom, const char *says)
{
    refused(s, whom, says);
    scene_done(s);
}

static void a_chain_leads_to_the_anchor(void **state)
{
    (void)state;
    struct scene *s = scene_usual();
    believed(s);
    CHECK_EQ(s->found.n, 3);
    CHECK(s->found.cert[0] == s->moon.cert);
    CHECK(s->found.cert[2] == s->root.cert);
    CHECK_EQ(s->found.good_until, MINT_NOW + 365 * DAY);
    // Without the intermediate there is no path, unless it lies here.
    s->n = 1;
    refused(s, "CN=moon", "x509ca");
    CHECK_OK(trust_add_ca(s->store, s->sub.cert, &s->why));
    believed(s);
    CHECK_EQ(s->found.n, 3);
    s->n = 0;
    CHECK_EQ(ask(s), ERR_AUTH);
    scene_done(s);
}

static void strangers_are_refused(void **state)
{
    (void)state;
    struct scene *s = scene_usual();
    struct mint other = MINT(ROOT), self = MINT(.name = "CN=me");
    struct trust *empty = trust_new();
    CHECK_EQ(trust_verify(empty, s->chain, s->n, &s->terms, MINT_NOW, NULL, &s->why), ERR_AUTH);
    // An anchor of the same name that did not sign it
    CHECK_OK(trust_add_ca(empty, other.cert, &s->why));
    CHECK_EQ(trust_verify(empty, s->chain, s->n, &s->terms, MINT_NOW, NULL, &s->why), ERR_AUTH);
    CHECK(strstr(s->why.text, "signature of certificate \"CN=Sub\" does not verify") != NULL);
    // Both are there: the one that did is found.
    CHECK_OK(trust_add_ca(empty, s->root.cert, &s->why));
    CHECK_OK(trust_verify(empty, s->chain, s->n, &s->terms, MINT_NOW, NULL, &s->why));
    trust_free(empty);
    // The peer sends its own anchor along.
    s->n = 0;
    scene_send(s, &self);
    refused(s, "CN=me", "signs itself");
    mint_done(&self);
    mint_done(&other);
    scene_done(s);
}

static void time_is_kept(void **state)
{
    (void)state;
    refused_and_done(scene_of(SPEC(ROOT), SPEC(SUB), SPEC(MOON, .to = MINT_NOW - 1)), "CN=moon",
                     "expired at 2026-09-21");
    refused_and_done(scene_of(SPEC(ROOT), SPEC(SUB), SPEC(MOON, .from = MINT_NOW + 5)), "CN=moon",
                     "is not valid before 2026-09-21");
    refused_and_done(scene_of(SPEC(ROOT), SPEC(SUB, .to = MINT_NOW - 1), SPEC(MOON)), "CN=Sub",
                     "expired");
    refused_and_done(scene_of(SPEC(ROOT, .to = MINT_NOW - 1), SPEC(SUB), SPEC(MOON)), "CN=Root",
                     "expired");
}

static void only_authorities_sign(void **state)
{
    (void)state;
    refused_and_done(scene_of(SPEC(ROOT), SPEC(.name = "CN=Sub"), SPEC(MOON)), "CN=Sub", "CA:TRUE");
    refused_and_done(scene_of(SPEC(ROOT),
                              SPEC(.name = "CN=Sub", .ext = {"basicConstraints=CA:FALSE"}),
                              SPEC(MOON)),
                     "CN=Sub", "CA:TRUE");
    refused_and_done(scene_of(SPEC(ROOT),
                              SPEC(.name = "CN=Sub", .ext = {"basicConstraints=critical,CA:TRUE",
                                                             "keyUsage=critical,cRLSign"}),
                              SPEC(MOON)),
                     "CN=Sub", "keyCertSign");
    refused_and_done(
        scene_of(SPEC(.name = "CN=Root", .ext = {"basicConstraints=critical,CA:TRUE,pathlen:0"}),
                 SPEC(SUB), SPEC(MOON)),
        "CN=Root", "path length");
    struct scene *s = scene_usual();
    CHECK_EQ(trust_add_ca(s->store, s->moon.cert, &s->why), ERR_UNSUPPORTED);
    CHECK(strstr(s->why.text, "CN=moon") != NULL);
    scene_done(s);
}

static void name_constraints_bind(void **state)
{
    (void)state;
    static const struct {
        const char *constraint, *name, *san, *says; // says: NULL = accepted
    } tries[] = {
        {"permitted;DNS:example.org", "CN=moon", "DNS:moon.example.org", NULL},
        {"permitted;DNS:example.com", "CN=moon", "DNS:moon.example.org", "do not permit"},
        {"excluded;DNS:example.org", "CN=moon", "DNS:moon.example.org", "exclude"},
        {"permitted;email:example.org", "CN=moon", "email:moon@example.org", NULL},
        {"permitted;email:example.org", "CN=moon", "email:moon@example.com", "do not permit"},
        {"permitted;IP:192.0.2.0/255.255.255.0", "CN=moon", "IP:192.0.2.7", NULL},
        {"permitted;IP:192.0.2.0/255.255.255.0", "CN=moon", "IP:192.0.3.7", "do not permit"},
        {"excluded;IP:192.0.2.0/255.255.255.0", "CN=moon", "IP:192.0.2.7", "exclude"},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        char constraint[80], san[80];
        (void)snprintf(constraint, sizeof constraint, "nameConstraints=critical,%s",
                       tries[i].constraint);
        (void)snprintf(san, sizeof san, "subjectAltName=%s", tries[i].san);
        struct scene *s = scene_of(SPEC(ROOT), SPEC(.name = "CN=Sub", .ext = {MINT_CA, constraint}),
                                   SPEC(.name = tries[i].name, .ext = {san}));
        if (tries[i].says)
            refused(s, "CN=moon", tries[i].says);
        else
            believed(s);
        scene_done(s);
    }
}

static void unknown_critical_extensions_are_refused(void **state)
{
    (void)state;
    refused_and_done(scene_of(SPEC(ROOT), SPEC(SUB),
                              SPEC(.name = "CN=moon", .ext = {"1.2.3.4=critical,DER:0500"})),
                     "CN=moon", "critical extension");
    // The user may have it so (charon.x509.enforce_critical).
    struct scene *any = scene_of(SPEC(ROOT), SPEC(SUB),
                                 SPEC(.name = "CN=moon", .ext = {"1.2.3.4=critical,DER:0500"}));
    char oid[CERT_OID_MAX];
    CHECK_STR(cert_critical(any->moon.cert, oid), "1.2.3.4");
    CHECK(!cert_critical(any->sub.cert, oid));
    trust_set_critical(any->store, false);
    believed(any);
    scene_done(any);
    struct scene *s =
        scene_of(SPEC(ROOT), SPEC(SUB), SPEC(.name = "CN=moon", .ext = {"1.2.3.4=DER:0500"}));
    believed(s);
    scene_done(s);
}

// rfc4945 5.1.3.2, 5.1.3.12
static void certificates_are_for_ike(void **state)
{
    (void)state;
    static const struct {
        const char *ext, *says;
    } tries[] = {
        {"keyUsage=digitalSignature", NULL},
        {"keyUsage=nonRepudiation", NULL},
        {"keyUsage=keyEncipherment,dataEncipherment", "digitalSignature"},
        {"extendedKeyUsage=1.3.6.1.5.5.7.3.17", NULL},
        {"extendedKeyUsage=anyExtendedKeyUsage", NULL},
        {"extendedKeyUsage=serverAuth", NULL},
        {"extendedKeyUsage=clientAuth,emailProtection", NULL},
        {"extendedKeyUsage=1.3.6.1.5.5.8.2.2", NULL},
        {"extendedKeyUsage=critical,codeSigning", "extended key usage"},
        {"extendedKeyUsage=OCSPSigning", "extended key usage"},
        {"extendedKeyUsage=DER:0500", "malformed"},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        struct scene *s =
            scene_of(SPEC(ROOT), SPEC(SUB), SPEC(.name = "CN=moon", .ext = {tries[i].ext}));
        if (tries[i].says)
            refused(s, "CN=moon", tries[i].says);
        else
            believed(s);
        scene_done(s);
    }
}

static void the_claimed_identity_stands_in_it(void **state)
{
    (void)state;
    struct scene *s = scene_usual();
    struct id moon = id("moon.example.org"), sun = id("sun.example.org");
    s->terms.id = &moon;
    believed(s);
    s->terms.id = &sun;
    refused(s, "CN=moon", "sun.example.org");
    scene_done(s);
}

static void policies_are_asked_for(void **state)
{
    (void)state;
    struct scene *s = scene_of(
        SPEC(ROOT), SPEC(.name = "CN=Sub", .ext = {MINT_CA, "certificatePolicies=1.2.3.4,1.2.3.5"}),
        SPEC(.name = "CN=moon", .ext = {"certificatePolicies=1.2.3.4,1.2.3.6"}));
    static const char *const good[] = {"1.2.3.4"}, *const half[] = {"1.2.3.4", "1.2.3.5"},
                             *const leaf_only[] = {"1.2.3.6"}, *const broken[] = {"moon"};
    believed(s);
    s->terms.n_policies = 1;
    s->terms.policies = good;
    believed(s);
    s->terms.policies = leaf_only;
    refused(s, "CN=moon", "policy");
    s->terms.policies = broken;
    CHECK(ask(s) != ERR_OK);
    s->terms.policies = half;
    s->terms.n_policies = 2;
    refused(s, "CN=moon", "1.2.3.5");
    scene_done(s);
    // An authority may demand one, too.
    refused_and_done(scene_of(SPEC(ROOT),
                              SPEC(.name = "CN=Sub",
                                   .ext = {MINT_CA, "certificatePolicies=1.2.3.4",
                                           "policyConstraints=critical,requireExplicitPolicy:0"}),
                              SPEC(MOON)),
                     "certificate", "policy");
}

static void a_connection_names_its_authorities(void **state)
{
    (void)state;
    struct scene *s = scene_usual();
    struct mint other = MINT(.name = "CN=Other", .ext = {MINT_CA});
    struct cert *wanted[] = {other.cert};
    struct id sub = id("CN=Sub"), wild = id("CN=S*"), any = id("CN=*"), nobody = id("CN=Other");
    CHECK_OK(trust_add_ca(s->store, other.cert, &s->why));
    s->terms.cacerts = wanted;
    s->terms.n_cacerts = 1;
    refused(s, "CN=", "`cacerts`");
    wanted[0] = s->root.cert;
    believed(s);
    CHECK_EQ(s->found.n, 3);
    wanted[0] = s->sub.cert; // in the middle of a path that goes on to the root
    believed(s);
    CHECK_EQ(s->found.n, 3);
    s->terms.n_cacerts = 0;
    s->terms.ca_id = &sub;
    believed(s);
    s->terms.ca_id = &any;
    believed(s);
    s->terms.ca_id = &wild; // no wildcard: a star stands for a whole value
    refused(s, "CN=moon", "`ca_id`");
    s->terms.ca_id = &nobody;
    refused(s, "CN=Other", "`ca_id`");
    mint_done(&other);
    scene_done(s);
}

static void a_connection_names_the_certificate(void **state)
{
    (void)state;
    struct scene *s = scene_usual();
    struct mint self = MINT(MOON), late = MINT(.name = "CN=late", .to = MINT_NOW - 1);
    struct cert *wanted[] = {self.cert, late.cert};
    s->terms.certs = wanted;
    s->terms.n_certs = 2;
    refused(s, "CN=moon", "`certs`");
    s->n = 0;
    scene_send(s, &self);
    believed(s);
    CHECK_EQ(s->found.n, 1);
    s->n = 0;
    scene_send(s, &late);
    refused(s, "CN=late", "expired");
    // Issued by an authority that nobody knows: believed as it is.
    trust_free(s->store);
    s->store = trust_new();
    wanted[0] = s->moon.cert;
    s->n = 0;
    scene_send(s, &s->moon);
    believed(s);
    s->terms.n_certs = 0;
    CHECK_EQ(ask(s), ERR_AUTH);
    CHECK_OK(trust_add_cert(s->store, s->moon.cert));
    believed(s);
    // But authorities that are asked for are not passed by.
    wanted[0] = s->root.cert;
    s->terms.cacerts = wanted;
    s->terms.n_cacerts = 1;
    CHECK_EQ(ask(s), ERR_AUTH);
    mint_done(&late);
    mint_done(&self);
    scene_done(s);
}

static void keys_and_hashes_are_strong_enough(void **state)
{
    (void)state;
    struct scene *s = scene_of(SPEC(ROOT), SPEC(SUB, .hash = "SHA384"), SPEC(MOON, .key = "RSA"));
    believed(s);
    s->terms.rules.rsa_bits = 3072;
    refused(s, "CN=moon", "3072 bits are the least");
    s->terms.rules = (struct key_rules){.ecdsa_bits = 384};
    refused(s, "CN=Sub", "384 bits");
    s->terms.rules = (struct key_rules){.keys = 1U << KEY_RSA};
    refused(s, "CN=Sub", "`auth`");
    s->terms.rules = (struct key_rules){.hashes = HASH_BIT(HASH_SHA384)};
    refused(s, "CN=moon", "SHA2-256");
    s->terms.rules.hashes |= HASH_BIT(HASH_SHA256);
    believed(s);
    scene_done(s);
    // What is weak has to be asked for by name.
    s = scene_of(SPEC(ROOT), SPEC(SUB), SPEC(MOON, .hash = "SHA1"));
    refused(s, "CN=moon", "SHA1");
    s->terms.rules.hashes = HASH_BIT(HASH_SHA1) | HASH_BIT(HASH_SHA256);
    believed(s);
    scene_done(s);
    s = scene_of(SPEC(ROOT), SPEC(SUB), SPEC(MOON, .key = "RSA 1024"));
    refused(s, "CN=moon", "2048 bits are the least");
    s->terms.rules.rsa_bits = 1024;
    believed(s);
    scene_done(s);
    s = scene_of(SPEC(ROOT), SPEC(SUB, .key = "RSA"), SPEC(MOON));
    s->terms.rules.pss = true;
    refused(s, "CN=moon", "PSS");
    scene_done(s);
    s = scene_of(SPEC(ROOT, .key = "RSA"), SPEC(SUB, .key = "RSA", .hash = "SHA3-256"),
                 SPEC(MOON, .hash = "SHA3-512"));
    believed(s);
    scene_done(s);
    s = scene_of(SPEC(ROOT, .key = "RSA"), SPEC(SUB, .key = "RSA", .hash = "SHA224"),
                 SPEC(MOON, .hash = "SHA224"));
    believed(s);
    s->terms.rules.hashes = HASH_BIT(HASH_SHA256);
    refused(s, "CN=moon", "SHA2-224");
    scene_done(s);
    refused_and_done(scene_of(SPEC(ROOT), SPEC(SUB, .key = "RSA"), SPEC(MOON, .hash = "MD5")),
                     "CN=moon", "algorithm");
}

static void every_kind_of_key_signs_chains(void **state)
{
    (void)state;
    static const char *const kinds[] = {"RSA", "P-521", "brainpoolP384r1", "ED25519", "ED448"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct scene *s = scene_of(SPEC(ROOT, .key = kinds[i]), SPEC(SUB, .key = kinds[i]),
                                   SPEC(MOON, .key = kinds[i]));
        believed(s);
        scene_done(s);
    }
}

static void long_chains_end(void **state)
{
    (void)state;
    struct scene *s = scene_usual();
    struct mint link[TRUST_CHAIN_MAX];
    for (unsigned i = 0; i < TRUST_CHAIN_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "CN=Link %u", i);
        link[i] = MINT(.name = name, .by = i ? &link[i - 1] : &s->root, .ext = {MINT_CA});
    }
    for (unsigned n = TRUST_CHAIN_MAX - 2; n < TRUST_CHAIN_MAX; n++) { // between the ends
        struct mint leaf = MINT(MOON, .by = &link[n - 1]);
        s->n = 0;
        scene_send(s, &leaf);
        for (unsigned i = n; i-- > 0;) scene_send(s, &link[i]);
        if (n == TRUST_CHAIN_MAX - 2)
            believed(s);
        else
            refused(s, "CN=", "too long");
        mint_done(&leaf);
    }
    for (unsigned i = 0; i < TRUST_CHAIN_MAX; i++) mint_done(&link[i]);
    scene_done(s);
}

// Many certificates of the issuer's name: the search ends at a limit.
static void searches_end(void **state)
{
    (void)state;
    struct scene *s = scene_usual();
    struct mint fake[TRUST_TRIES_MAX + 1];
    trust_free(s->store);
    s->store = trust_new();
    for (unsigned i = 0; i <= TRUST_TRIES_MAX; i++) {
        fake[i] = MINT(SUB);
        CHECK_OK(trust_add_ca(s->store, fake[i].cert, &s->why));
    }
    CHECK_EQ(ask(s), ERR_LIMIT);
    CHECK(strstr(s->why.text, "CN=moon") != NULL);
    // Or at one that several verifications share.
    unsigned tries = TRUST_TRIES_MAX + 20;
    s->terms.tries = &tries;
    CHECK_EQ(ask(s), ERR_AUTH);
    CHECK(tries > 0 && tries < 20);
    CHECK_EQ(ask(s), ERR_LIMIT);
    CHECK_EQ(tries, 0);
    for (unsigned i = 0; i <= TRUST_TRIES_MAX; i++) mint_done(&fake[i]);
    scene_done(s);
}

static void two_that_sign_each_other_end_nowhere(void **state)
{
    (void)state;
    struct mint a = MINT(.name = "CN=A", .ext = {MINT_CA});
    struct mint b = MINT(.name = "CN=B", .by = &a, .ext = {MINT_CA});
    struct mint a2 = MINT(.name = "CN=A", .by = &b, .rekey = &a, .ext = {MINT_CA});
    struct mint moon = MINT(MOON, .by = &b);
    struct scene *s = scene_usual();
    s->n = 0;
    scene_send(s, &moon);
    scene_send(s, &b);
    scene_send(s, &a2);
    refused(s, "CN=", "authorities in a circle");
    mint_done(&moon);
    mint_done(&a2);
    mint_done(&b);
    mint_done(&a);
    scene_done(s);
}

// strongSwan's sentences, which people's scripts wait for.
static void what_is_found_is_told(void **state)
{
    (void)state;
    static const char *const policy[] = {"1.2.3.6"};
    struct mint other = MINT(.name = "CN=Other", .ext = {MINT_CA});
    struct scene *s = scene_usual();
    s->terms.revocation = REVOCATION_RELAXED;
    heard_begin();
    believed(s);
    heard("using untrusted intermediate certificate \"CN=Sub\"");
    CHECK_OK(trust_add_ca(s->store, s->sub.cert, &s->why));
    heard_begin();
    believed(s);
    heard("using trusted intermediate ca certificate \"CN=Sub\"");
    not_heard("untrusted");
    s->terms.policies = policy;
    s->terms.n_policies = 1;
    refused(s, "CN=moon", "policy");
    heard("constraint requires cert policy 1.2.3.6");
    scene_done(s);

    s = scene_usual();
    s->n = 1; // the authority between is not sent
    heard_begin();
    refused(s, "CN=moon", "no authority");
    heard("no issuer certificate found for \"CN=moon\"\nissuer is \"CN=Sub\"\n");
    scene_done(s);

    s = scene_of(SPEC(ROOT), SPEC(SUB), SPEC(MOON, .to = MINT_NOW - 1));
    heard_begin();
    refused(s, "CN=moon", "expired");
    heard("subject certificate invalid (valid from ");
    scene_done(s);

    s = scene_usual();
    s->chain[0] = other.cert;
    s->n = 1;
    heard_begin();
    refused(s, "CN=Other", "signs itself");
    heard("self-signed certificate \"CN=Other\" is not trusted");
    scene_done(s);
    mint_done(&other);
}

static void raw_keys_are_compared(void **state)
{
    (void)state;
    struct mint m = MINT(.name = "CN=moon", .key = "RSA"), other = MINT(.name = "CN=sun");
    struct pubkey *known[] = {cert_pubkey(m.cert)};
    struct key_rules rules = {0};
    struct why why = {""};
    CHECK_OK(trust_verify_key(cert_pubkey(m.cert), known, 1, &rules, &why));
    CHECK_EQ(trust_verify_key(cert_pubkey(other.cert), known, 1, &rules, &why), ERR_AUTH);
    CHECK(strstr(why.text, "`pubkeys`") != NULL);
    rules.rsa_bits = 4096;
    CHECK_EQ(trust_verify_key(cert_pubkey(m.cert), known, 1, &rules, &why), ERR_AUTH);
    CHECK(strstr(why.text, "4096") != NULL);
    mint_done(&m);
    mint_done(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_leads_to_the_anchor),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(time_is_kept),
        cmocka_unit_test(only_authorities_sign),
        cmocka_unit_test(name_constraints_bind),
        cmocka_unit_test(unknown_critical_extensions_are_refused),
        cmocka_unit_test(certificates_are_for_ike),
        cmocka_unit_test(the_claimed_identity_stands_in_it),
        cmocka_unit_test(policies_are_asked_for),
        cmocka_unit_test(a_connection_names_its_authorities),
        cmocka_unit_test(a_connection_names_the_certificate),
        cmocka_unit_test(keys_and_hashes_are_strong_enough),
        cmocka_unit_test(every_kind_of_key_signs_chains),
        cmocka_unit_test(long_chains_end),
        cmocka_unit_test(searches_end),
        cmocka_unit_test(two_that_sign_each_other_end_nowhere),
        cmocka_unit_test(what_is_found_is_told),
        cmocka_unit_test(raw_keys_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
