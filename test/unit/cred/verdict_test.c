// Verdicts that are kept: found by all that they were made of, and no longer than that holds.
#include "cred/verdict.h"

#include <string.h>

#include "cred/crl.h"
#include "cred/trustx.h"
#include "test/check.h"
#include "test/unit/cred/mint.h"

#define DAY 86400

struct scene {
    struct trust *store;
    struct crl_cache *cache;
    struct fetcher fetcher;
    struct mint root, moon, sun;
    struct id id;
    struct trust_terms terms;
    struct why why;
};

static err_t nobody(void *ctx, const struct fetch *ask, struct fetched *out, struct why *why)
{
    (void)ctx, (void)ask, (void)out;
    return why_not(why, ERR_TIMEOUT, "no answer");
}

static void scene_with(struct scene *s, int64_t to, const char *ext)
{
    *s = (struct scene){.cache = crl_cache_new(), .fetcher = {.get = nobody}};
    s->root = MINT(.name = "CN=Root", .ext = {MINT_CA});
    s->moon = MINT(.name = "CN=moon", .by = &s->root, .to = to,
                   .ext = {"subjectAltName=DNS:moon.example.org", ext});
    s->sun = MINT(.name = "CN=sun", .by = &s->root, .ext = {"subjectAltName=DNS:sun.example.org"});
    s->store = trust_new();
    CHECK_OK(trust_add_ca(s->store, s->root.cert, &s->why));
    CHECK_OK(id_parse("moon.example.org", &s->id, NULL));
    s->terms = (struct trust_terms){.id = &s->id};
    trust_set_fetching(s->store, &s->fetcher, s->cache);
}
// One authority, and two whom it has certified: moon until `to` (0: for long), with what `ext`
// says.
#define SCENE(s, to, ext) \
    struct scene s;       \
    scene_with(&s, to, ext)

static void scene_done(struct scene *s)
{
    trust_free(s->store);
    crl_cache_free(s->cache);
    mint_done(&s->root);
    mint_done(&s->moon);
    mint_done(&s->sun);
}

static void key_of(struct scene *s, uint8_t key[VERDICT_KEY_LEN])
{
    const span_t sent = cert_der(s->moon.cert);
    CHECK(verdict_key(s->store, &sent, 1, &s->terms, key));
}

// Is there a verdict?
static bool known(struct scene *s, int64_t now)
{
    uint8_t key[VERDICT_KEY_LEN];
    struct why note;
    key_of(s, key);
    struct blocks *blocks = NULL;
    struct cert *c = verdict_find(s->store, key, now, &blocks, &note);
    if (c) CHECK(cert_eq(c, s->moon.cert));
    blocks_free(blocks);
    cert_free(c);
    return c != NULL;
}

static err_t judge(struct scene *s, int64_t now)
{
    uint8_t key[VERDICT_KEY_LEN];
    struct trust_chain found = {0};
    struct cert *chain[] = {s->moon.cert};
    key_of(s, key);
    err_t e = trust_verify(s->store, chain, 1, &s->terms, now, &found, &s->why);
    if (e != ERR_OK) return e;
    verdict_keep(s->store, key, &found, now);
    trust_chain_done(&found);
    return ERR_OK;
}

static void kept_for_a_while(void **state)
{
    SCENE(s, 0, NULL);
    (void)state;
    CHECK(!known(&s, MINT_NOW));
    CHECK_OK(judge(&s, MINT_NOW));
    CHECK(known(&s, MINT_NOW) && known(&s, MINT_NOW + VERDICT_KEEP_S));
    CHECK(!known(&s, MINT_NOW + VERDICT_KEEP_S + 1));
    CHECK(!known(&s, MINT_NOW - 1)); // the clock was set back
    scene_done(&s);
}

// What is kept is kept with its bounds.
static void kept_with_its_addresses(void **state)
{
    uint8_t key[VERDICT_KEY_LEN];
    char text[BLOCKS_TEXT_MAX];
    struct blocks *blocks = NULL;
    struct why note;
    SCENE(s, 0, NULL);
    (void)state;
    mint_done(&s.moon);
    s.moon = MINT(.name = "CN=moon", .ext = {"subjectAltName=DNS:moon.example.org",
                                             "sbgp-ipAddrBlock=IPv4:10.1.0.0/16"});
    CHECK_OK(trust_add_cert(s.store, s.moon.cert));
    CHECK_OK(judge(&s, MINT_NOW));
    key_of(&s, key);
    struct cert *c = verdict_find(s.store, key, MINT_NOW, &blocks, &note);
    CHECK(c && blocks);
    CHECK_STR(blocks_show(blocks, text), "10.1.0.0/16");
    blocks_free(blocks);
    cert_free(c);
    scene_done(&s);
}

static void not_beyond_a_certificate(void **state)
{
    SCENE(s, MINT_NOW + 10, NULL);
    (void)state;
    CHECK_OK(judge(&s, MINT_NOW));
    CHECK(known(&s, MINT_NOW + 10) && !known(&s, MINT_NOW + 11));
    scene_done(&s);
}

static void not_beyond_a_list(void **state)
{
    SCENE(s, 0, NULL);
    (void)state;
    X509_CRL *crl = MINT_CRL(.by = &s.root, .to = MINT_NOW + 20);
    CHECK_OK(trust_add_crl(s.store, mint_crl_der(crl), &s.why));
    CHECK_OK(judge(&s, MINT_NOW));
    CHECK(known(&s, MINT_NOW + 20) && !known(&s, MINT_NOW + 21));
    X509_CRL_free(crl);
    scene_done(&s);
}

// One that lies ready and has not begun may say otherwise.
static void not_beyond_the_next_list(void **state)
{
    SCENE(s, 0, NULL);
    (void)state;
    X509_CRL *now = MINT_CRL(.by = &s.root), *next = MINT_CRL(.by = &s.root, .from = MINT_NOW + 30);
    CHECK_OK(trust_add_crl(s.store, mint_crl_der(now), &s.why));
    CHECK_OK(trust_add_crl(s.store, mint_crl_der(next), &s.why));
    CHECK_OK(judge(&s, MINT_NOW));
    CHECK(!known(&s, MINT_NOW + 31));
    X509_CRL_free(now);
    X509_CRL_free(next);
    scene_done(&s);
}

// Whatever it was held against: with anything else it is another question.
static void other_terms_another_verdict(void **state)
{
    SCENE(s, 0, NULL);
    struct id other;
    const char *policy = "1.2.3.4";
    (void)state;
    CHECK_OK(judge(&s, MINT_NOW));
    const struct trust_terms before = s.terms;
    CHECK_OK(id_parse("sun.example.org", &other, NULL));
    s.terms.id = &other;
    CHECK(!known(&s, MINT_NOW));
    s.terms = before;
    s.terms.ca_id = &other;
    CHECK(!known(&s, MINT_NOW));
    s.terms = before;
    s.terms.certs = &s.sun.cert;
    s.terms.n_certs = 1;
    CHECK(!known(&s, MINT_NOW));
    s.terms = before;
    s.terms.cacerts = &s.sun.cert;
    s.terms.n_cacerts = 1;
    CHECK(!known(&s, MINT_NOW));
    s.terms = before;
    s.terms.policies = &policy;
    s.terms.n_policies = 1;
    CHECK(!known(&s, MINT_NOW));
    s.terms = before;
    s.terms.rules.ecdsa_bits = 384;
    CHECK(!known(&s, MINT_NOW));
    s.terms = before;
    s.terms.revocation = REVOCATION_STRICT;
    CHECK(!known(&s, MINT_NOW));
    s.terms = before;
    trust_set_checks(s.store, false, true);
    CHECK(!known(&s, MINT_NOW));
    trust_set_checks(s.store, true, true);
    CHECK(known(&s, MINT_NOW));
    trust_set_blocks(s.store, false);
    CHECK(!known(&s, MINT_NOW));
    trust_set_blocks(s.store, true);
    CHECK(known(&s, MINT_NOW));
    scene_done(&s);
}

static void other_certificates_another_verdict(void **state)
{
    SCENE(s, 0, NULL);
    uint8_t key[VERDICT_KEY_LEN];
    struct blocks *blocks = NULL;
    struct why note;
    (void)state;
    CHECK_OK(judge(&s, MINT_NOW));
    const span_t two[] = {cert_der(s.moon.cert), cert_der(s.sun.cert)};
    CHECK(verdict_key(s.store, two, 2, &s.terms, key));
    CHECK(!verdict_find(s.store, key, MINT_NOW, &blocks, &note));
    // The same bytes, cut elsewhere.
    const span_t cut[] = {span(two[0].at, 10), span(two[0].at + 10, two[0].len - 10)};
    CHECK(verdict_key(s.store, cut, 2, &s.terms, key));
    CHECK(!verdict_find(s.store, key, MINT_NOW, &blocks, &note));
    scene_done(&s);
}

static void none_are_kept_where_nobody_wants_them(void **state)
{
    SCENE(s, 0, NULL);
    uint8_t key[VERDICT_KEY_LEN];
    const span_t sent = cert_der(s.moon.cert);
    (void)state;
    trust_set_keeping(s.store, false);
    CHECK(!verdict_key(s.store, &sent, 1, &s.terms, key));
    trust_set_keeping(s.store, true);
    CHECK(verdict_key(s.store, &sent, 1, &s.terms, key));
    scene_done(&s);
}

// What comes to be known of revocations is known to the next one, too.
static void a_new_list_ends_it(void **state)
{
    SCENE(s, 0, NULL);
    (void)state;
    CHECK_OK(judge(&s, MINT_NOW));
    X509_CRL *crl = MINT_CRL(.by = &s.root, .revoked = {&s.moon});
    CHECK_OK(crl_cache_put(s.cache, "http://crl", crl, 100, MINT_NOW));
    CHECK(!known(&s, MINT_NOW));
    CHECK_EQ(judge(&s, MINT_NOW), ERR_AUTH);
    CHECK(!known(&s, MINT_NOW));
    X509_CRL_free(crl);
    scene_done(&s);
}

static void what_ocsp_revokes_ends_it(void **state)
{
    SCENE(s, 0, NULL);
    const struct status revoked = {.state = REVOKE_REVOKED, .until = MINT_NOW + DAY},
                        good = {.state = REVOKE_GOOD, .until = MINT_NOW + DAY};
    (void)state;
    CHECK_OK(judge(&s, MINT_NOW));
    crl_cache_put_status(s.cache, s.sun.cert, &good); // no reason to judge anybody anew
    CHECK(known(&s, MINT_NOW));
    crl_cache_put_status(s.cache, s.sun.cert, &revoked);
    CHECK(!known(&s, MINT_NOW));
    scene_done(&s);
}

static void flushing_ends_it(void **state)
{
    SCENE(s, 0, NULL);
    (void)state;
    CHECK_OK(judge(&s, MINT_NOW));
    crl_cache_flush(s.cache);
    CHECK(!known(&s, MINT_NOW));
    scene_done(&s);
}

// A server that does not answer now may do so the next time.
static void what_is_open_is_not_kept(void **state)
{
    static const char *const asks[] = {"crlDistributionPoints=URI:http://crl.example.org/",
                                       "authorityInfoAccess=OCSP;URI:http://ocsp.example.org/"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        SCENE(s, 0, asks[i]);
        CHECK_OK(judge(&s, MINT_NOW)); // relaxed
        CHECK(!known(&s, MINT_NOW));
        scene_done(&s);
    }
}

// ---- what else the cache keeps, for people ----

static void count_answer(void *ctx, span_t der)
{
    CHECK(der.len == 5 && der.at[0] == 0x30);
    ++*(unsigned *)ctx;
}

static unsigned answers(struct scene *s, size_t max)
{
    unsigned n = 0;
    crl_cache_each_answer(s->cache, max, count_answer, &n);
    return n;
}

static void what_servers_said_is_kept(void **state)
{
    SCENE(s, 0, NULL);
    static const uint8_t bytes[] = {0x30, 0x03, 0x0a, 0x01, 0x00};
    (void)state;
    CHECK_EQ(answers(&s, SIZE_MAX), 0);
    crl_cache_put_heard(s.cache, s.moon.cert, SPAN(bytes));
    crl_cache_put_heard(s.cache, s.moon.cert, SPAN(bytes)); // about the same certificate
    crl_cache_put_heard(s.cache, s.sun.cert, SPAN(bytes));
    CHECK_EQ(answers(&s, SIZE_MAX), 2);
    CHECK_EQ(answers(&s, 4), 0); // longer than is wanted
    for (unsigned i = 0; i < CRL_HEARD_MAX + 2; i++) {
        struct mint m = MINT(.name = "CN=one of many", .key = "ED25519");
        crl_cache_put_heard(s.cache, m.cert, SPAN(bytes));
        mint_done(&m);
    }
    CHECK_EQ(answers(&s, SIZE_MAX), CRL_HEARD_MAX);
    crl_cache_flush(s.cache);
    CHECK_EQ(answers(&s, SIZE_MAX), 0);
    scene_done(&s);
}

static void note_words(void *ctx, enum log_level level, const char *subject, const char *line)
{
    (void)level, (void)subject;
    if (strstr(line, "crl is stale: since Sep 21")) *(bool *)ctx = true;
}

static void a_list_out_of_date_is_told(void **state)
{
    SCENE(s, 0, NULL);
    bool said = false;
    (void)state;
    X509_CRL *crl = MINT_CRL(.by = &s.root, .to = MINT_NOW - 1);
    CHECK_OK(trust_add_crl(s.store, mint_crl_der(crl), &s.why));
    log_add_sink(note_words, &said);
    CHECK_OK(judge(&s, MINT_NOW));
    log_remove_sink(note_words, &said);
    CHECK(said);
    X509_CRL_free(crl);
    scene_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_servers_said_is_kept),
        cmocka_unit_test(a_list_out_of_date_is_told),
        cmocka_unit_test(kept_for_a_while),
        cmocka_unit_test(kept_with_its_addresses),
        cmocka_unit_test(not_beyond_a_certificate),
        cmocka_unit_test(not_beyond_a_list),
        cmocka_unit_test(not_beyond_the_next_list),
        cmocka_unit_test(other_terms_another_verdict),
        cmocka_unit_test(other_certificates_another_verdict),
        cmocka_unit_test(none_are_kept_where_nobody_wants_them),
        cmocka_unit_test(a_new_list_ends_it),
        cmocka_unit_test(what_ocsp_revokes_ends_it),
        cmocka_unit_test(flushing_ends_it),
        cmocka_unit_test(what_is_open_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
