// Attribute certificates (RFC 5755): reading them strictly, and whom to believe about groups.
#include "cred/acert.h"

#include <stdio.h>
#include <string.h>

#include "cred/der.h"
#include "cred/trust.h"
#include "test/check.h"
#include "test/unit/cred/mint_ac.h"

#define DAY 86400

// ---- DER ----

static void lengths_are_minimal(void **state)
{
    (void)state;
    static const struct {
        uint8_t at[8];
        size_t len;
        bool good;
    } tries[] = {
        {{0x30, 0x01, 0x05}, 3, true},
        {{0x30, 0x81, 0x01, 0x05}, 4, false},             // one byte would do
        {{0x30, 0x82, 0x00, 0x01, 0x05}, 5, false},       //
        {{0x30, 0x80, 0x05, 0x00, 0x00}, 5, false},       // indefinite
        {{0x30, 0x84, 0x00, 0x00, 0x00, 0x01}, 6, false}, // longer than anything here
        {{0x30, 0x02, 0x05}, 3, false},                   // cut off
        {{0x30}, 1, false},
        {{0x31, 0x01, 0x05}, 3, false}, // another tag
        {{0}, 0, false},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        rd_t r = rd_from(span(tries[i].at, tries[i].len));
        span_t in = der_take(&r, DER_SEQUENCE);
        CHECK_EQ(!r.bad, tries[i].good);
        CHECK_EQ(in.len, tries[i].good ? 1 : 0);
        // Who was stuck stays so.
        rd_t inner = der_open(&r, DER_SEQUENCE);
        CHECK(inner.bad && !der_is(&inner, DER_SEQUENCE));
    }
}

static void numbers_and_times(void **state)
{
    (void)state;
    static const struct {
        const char *at;
        size_t len, n;
    } numbers[] = {
        {"\x02\x01\x00", 3, 1},     {"\x02\x01\x7f", 3, 1},
        {"\x02\x02\x00\x80", 4, 2}, {"\x02\x01\x80", 3, 0}, // negative
        {"\x02\x02\x00\x7f", 4, 0},                         // a byte too many
        {"\x02\x00", 2, 0},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        rd_t r = rd_from(span(numbers[i].at, numbers[i].len));
        CHECK_EQ(der_unsigned(&r).len, numbers[i].n);
        CHECK_EQ(r.bad, numbers[i].n == 0);
    }
    static const struct {
        const char *text;
        int64_t at; // 0: no such time
    } times[] = {
        {"20260921141320Z", 1790000000}, {"20240229000000Z", 1709164800},
        {"20250229000000Z", 0},          {"20261301000000Z", 0},
        {"20260900000000Z", 0},          {"20260921240000Z", 0},
        {"20260921141320 ", 0},          {"2026092114132xZ", 0},
        {"18000101000000Z", 0},          {"99991231235959Z", 253402300799},
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        uint8_t bytes[17] = {DER_TIME, 15};
        memcpy(bytes + 2, times[i].text, 15);
        rd_t r = rd_from(SPAN(bytes));
        CHECK_EQ(der_time(&r), times[i].at);
        CHECK_EQ(r.bad, times[i].at == 0);
    }
}

// ---- reading ----

struct scene {
    struct trust *store;
    struct mint root, aa, moon, sun;
    struct trust_chain found;
    struct trust_terms terms;
    const char *groups[2];
    struct acert *sent[TRUST_ACERTS_MAX + 2];
    struct why why;
};

static struct scene *scene_with(const char *key)
{
    static struct scene s;
    s = (struct scene){.store = trust_new(), .groups = {"sales"}};
    s.root = MINT(.name = "C=CH, CN=Root", .ext = {MINT_CA});
    s.aa = MINT(.name = "C=CH, CN=AA", .by = &s.root, .key = key);
    s.moon = MINT(.name = "C=CH, CN=moon", .by = &s.root,
                  .ext = {"subjectAltName=DNS:moon.example.org"});
    s.sun =
        MINT(.name = "C=CH, CN=sun", .by = &s.root, .ext = {"subjectAltName=DNS:sun.example.org"});
    CHECK_OK(trust_add_ca(s.store, s.root.cert, &s.why));
    CHECK_OK(trust_add_aa(s.store, s.aa.cert, &s.why));
    s.terms = (struct trust_terms){.groups = s.groups, .n_groups = 1, .acerts = s.sent};
    return &s;
}

static struct scene *scene(void)
{
    return scene_with(NULL);
}

static void scene_done(struct scene *s)
{
    trust_chain_done(&s->found);
    for (unsigned i = 0; i < s->terms.n_acerts; i++) acert_free(s->sent[i]);
    trust_free(s->store);
    mint_done(&s->root);
    mint_done(&s->aa);
    mint_done(&s->moon);
    mint_done(&s->sun);
}

static void what_it_says(void **state)
{
    (void)state;
    struct scene *s = scene();
    char name[ACERT_NAME_MAX];
    struct acert *a = MINT_AC(.by = &s->aa, .holder = &s->moon, .named = &s->moon, .serial = 0x17,
                              .groups = {"sales", "finance"}, .oid_group = "2a0304", .final = true);
    CHECK(acert_is_of(a, s->moon.cert) && !acert_is_of(a, s->sun.cert));
    CHECK(acert_has_group(a, "sales") && acert_has_group(a, "finance"));
    CHECK(acert_has_group(a, "1.2.3.4"));
    CHECK(!acert_has_group(a, "sale") && !acert_has_group(a, "sales ") && !acert_has_group(a, ""));
    CHECK(acert_is_final(a) && !acert_has_list(a) && !acert_critical(a));
    CHECK_EQ(acert_not_before(a), MINT_NOW - DAY);
    CHECK_EQ(acert_not_after(a), MINT_NOW + 365 * DAY);
    CHECK_STR(acert_name(a, name), "17 of \"C=CH, CN=AA\"");
    CHECK(acert_is_issued_by(a, s->aa.cert, NULL) && !acert_is_issued_by(a, s->root.cert, NULL));
    struct acert *same = acert_ref(a);
    acert_free(a);
    CHECK_EQ(acert_serial(same).at[0], 0x17);
    acert_free(same);
    scene_done(s);
}

static void holders(void **state)
{
    (void)state;
    struct scene *s = scene();
    const struct {
        struct mint_ac_spec spec;
        bool moon, sun;
    } tries[] = {
        {{.holder = &s->moon}, true, false},
        {{.no_base = true, .named = &s->moon}, true, false},
        {{.no_base = true, .dns = "moon.example.org"}, true, false},
        {{.no_base = true, .dns = "elsewhere.example.org"}, false, false},
        {{.no_base = true, .named = &s->moon, .dns = "sun.example.org"}, true, true},
        // All that is said has to fit.
        {{.holder = &s->moon, .named = &s->sun}, false, false},
        {{.holder = &s->sun, .dns = "moon.example.org"}, false, false},
        {{.holder = &s->moon, .dns = "moon.example.org"}, true, false},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        struct mint_ac_spec spec = tries[i].spec;
        spec.by = &s->aa;
        spec.groups[0] = "sales";
        struct acert *a = mint_ac(spec);
        CHECK_EQ(acert_is_of(a, s->moon.cert), tries[i].moon);
        CHECK_EQ(acert_is_of(a, s->sun.cert), tries[i].sun);
        acert_free(a);
    }
    // The same number of another authority is another certificate.
    struct mint other = MINT(.name = "CN=Other", .ext = {MINT_CA});
    struct mint twin = MINT(.name = "C=CH, CN=moon", .by = &other, .serial = 77);
    struct mint mine = MINT(.name = "C=CH, CN=moon", .by = &s->root, .serial = 77);
    struct acert *a = MINT_AC(.by = &s->aa, .holder = &mine, .named = &mine, .groups = {"sales"});
    CHECK(acert_is_of(a, mine.cert) && !acert_is_of(a, twin.cert));
    acert_free(a);
    mint_done(&other);
    mint_done(&twin);
    mint_done(&mine);
    scene_done(s);
}

static void other_forms_are_refused(void **state)
{
    (void)state;
    struct scene *s = scene();
    const struct {
        struct mint_ac_spec spec;
        const char *says;
    } tries[] = {
        {{.holder = &s->moon, .version = 2}, "version 2"},
        {{.holder = &s->moon, .issuer_v1 = true}, "first form"},
        {{.holder = &s->moon, .digest = true}, "by a digest"},
        {{.no_base = true}, "who its holder is"},
        {{.holder = &s->moon, .other_algorithm = true}, "no attribute certificate"},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        struct mint_ac_spec spec = tries[i].spec;
        struct acert *a;
        spec.by = &s->aa;
        spec.groups[0] = "sales";
        CHECK(acert_read(mint_ac_der(spec), &a, &s->why) != ERR_OK);
        if (!strstr(s->why.text, tries[i].says)) fail_msg("%zu: %s", i, s->why.text);
    }
    scene_done(s);
}

// Cut anywhere, lengthened, or with any byte changed: refused, or another's, or unsigned.
static void spoilt_ones_are_found(void **state)
{
    (void)state;
    struct scene *s = scene_with("ED25519");
    uint8_t bytes[2048];
    span_t der = MINT_AC_DER(.by = &s->aa, .holder = &s->moon, .named = &s->moon,
                             .groups = {"sales", "finance"}, .final = true, .list = true);
    CHECK(der.len < sizeof bytes);
    struct acert *a;
    for (size_t n = 0; n < der.len; n++) CHECK(acert_read(span(der.at, n), &a, &s->why) != ERR_OK);
    memcpy(bytes, der.at, der.len);
    bytes[der.len] = 0;
    CHECK(acert_read(span(bytes, der.len + 1), &a, &s->why) != ERR_OK);
    for (size_t n = 0; n < der.len; n++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(bytes, der.at, der.len);
            bytes[n] ^= (uint8_t)(1U << bit);
            if (acert_read(span(bytes, der.len), &a, &s->why) != ERR_OK) continue;
            CHECK(!acert_is_issued_by(a, s->aa.cert, NULL));
            acert_free(a);
        }
    }
    scene_done(s);
}

static void files_may_be_pem(void **state)
{
    (void)state;
    struct scene *s = scene();
    span_t der = MINT_AC_DER(.by = &s->aa, .holder = &s->moon, .groups = {"sales"});
    static const char *const names[] = {"ATTRIBUTE CERTIFICATE", "CERTIFICATE"};
    for (unsigned i = 0; i < 2; i++) {
        struct acert *a = NULL;
        char *text;
        BIO *bio = BIO_new(BIO_s_mem());
        CHECK(PEM_write_bio(bio, names[i], "", der.at, (long)der.len) > 0);
        long n = BIO_get_mem_data(bio, &text);
        CHECK_EQ(acert_read(span(text, (size_t)n), &a, &s->why) == ERR_OK, i == 0);
        if (a) CHECK(span_eq(acert_der(a), der));
        acert_free(a);
        BIO_free(bio);
    }
    static uint8_t much[2 * ACERT_DER_MAX + 1] = {0x30};
    struct acert *a;
    CHECK_EQ(acert_read(SPAN(much), &a, &s->why), ERR_SPACE);
    CHECK_EQ(acert_read(span(much, ACERT_DER_MAX + 1), &a, &s->why), ERR_SPACE);
    CHECK_EQ(acert_read(span(NULL, 0), &a, &s->why), ERR_SYNTAX);
    scene_done(s);
}

// ---- believing ----

static void sent(struct scene *s, struct mint_ac_spec spec)
{
    s->sent[s->terms.n_acerts++] = mint_ac(spec);
}
#define SENT(s, ...) sent(s, (struct mint_ac_spec){__VA_ARGS__})

static err_t ask(struct scene *s)
{
    trust_chain_done(&s->found);
    s->why.text[0] = 0;
    return trust_verify(s->store, &s->moon.cert, 1, &s->terms, MINT_NOW, &s->found, &s->why);
}

static void refused(struct scene *s, const char *says)
{
    CHECK_EQ(ask(s), ERR_AUTH);
    if (!strstr(s->why.text, says)) fail_msg("not said: %s\n%s", says, s->why.text);
    scene_done(s);
}

static void groups_open_doors(void **state)
{
    (void)state;
    static const char *const keys[] = {"P-256", "ED25519", "RSA"};
    for (unsigned i = 0; i < 3; i++) {
        struct scene *s = scene_with(keys[i]);
        SENT(s, .by = &s->aa, .holder = &s->sun, .groups = {"sales"}); // another's
        SENT(s, .by = &s->aa, .holder = &s->moon, .groups = {"finance"});
        SENT(s, .by = &s->aa, .holder = &s->moon, .groups = {"finance", "sales"},
             .to = MINT_NOW + 9);
        CHECK_OK(ask(s));
        CHECK_EQ(s->found.good_until, MINT_NOW + 9);
        s->groups[0] = "management";
        s->groups[1] = "finance";
        s->terms.n_groups = 2;
        CHECK_OK(ask(s)); // one of them is enough
        scene_done(s);
    }
    // From what is at hand.
    struct scene *s = scene();
    struct acert *a = MINT_AC(.by = &s->aa, .holder = &s->moon, .groups = {"sales"});
    CHECK_OK(trust_add_acert(s->store, a));
    acert_free(a);
    CHECK_OK(ask(s));
    s->terms.n_groups = 0;
    CHECK_OK(ask(s));
    scene_done(s);
}

static void what_keeps_them_shut(void **state)
{
    (void)state;
    struct scene *s = scene();
    refused(s, "there is no attribute certificate for \"C=CH, CN=moon\"");
    s = scene();
    SENT(s, .by = &s->aa, .holder = &s->sun, .groups = {"sales"});
    refused(s, "asks for one that says sales");
    s = scene();
    SENT(s, .by = &s->aa, .holder = &s->moon, .groups = {"marketing"});
    refused(s, "it names other groups");
    s = scene();
    SENT(s, .by = &s->aa, .holder = &s->moon, .groups = {"sales"}, .to = MINT_NOW - 1);
    refused(s, "it has expired");
    s = scene();
    SENT(s, .by = &s->aa, .holder = &s->moon, .groups = {"sales"}, .from = MINT_NOW + 1);
    refused(s, "it is not valid yet");
    s = scene();
    SENT(s, .by = &s->aa, .holder = &s->moon, .groups = {"sales"}, .critical = true);
    refused(s, "its critical extension 1.2.3.4 is not understood");
    // The ninth is not looked at.
    s = scene();
    for (unsigned i = 0; i < TRUST_ACERTS_MAX; i++)
        SENT(s, .by = &s->aa, .holder = &s->moon, .groups = {"marketing"});
    SENT(s, .by = &s->aa, .holder = &s->moon, .groups = {"sales"});
    refused(s, "it names other groups");
}

static void not_everybody_may_say_so(void **state)
{
    (void)state;
    // Whoever holds a certificate of ours, the authority itself, and who only bears the name.
    struct scene *s = scene();
    SENT(s, .by = &s->moon, .holder = &s->moon, .groups = {"sales"});
    refused(s, "no attribute authority of ours (x509aa) has signed it");
    s = scene();
    SENT(s, .by = &s->root, .holder = &s->moon, .groups = {"sales"});
    refused(s, "no attribute authority of ours");
    s = scene();
    struct mint liar = MINT(.name = "C=CH, CN=AA");
    SENT(s, .by = &liar, .holder = &s->moon, .groups = {"sales"});
    refused(s, "no attribute authority of ours");
    // One that is not believed any more, or never was.
    s = scene();
    struct mint old = MINT(.name = "C=CH, CN=Old", .by = &s->root, .to = MINT_NOW - 1);
    CHECK_OK(trust_add_aa(s->store, old.cert, &s->why));
    SENT(s, .by = &old, .holder = &s->moon, .groups = {"sales"});
    refused(s, "\"C=CH, CN=Old\" expired");
    s = scene();
    struct mint far = MINT(.name = "CN=Far", .ext = {MINT_CA});
    struct mint strange = MINT(.name = "CN=Strange", .by = &far);
    CHECK_OK(trust_add_aa(s->store, strange.cert, &s->why));
    SENT(s, .by = &strange, .holder = &s->moon, .groups = {"sales"});
    refused(s, "no authority that we trust");
    s = scene();
    CHECK_EQ(trust_add_aa(s->store, s->root.cert, &s->why), ERR_UNSUPPORTED);
    CHECK(strstr(s->why.text, "RFC 5755"));
    scene_done(s);
    // One that signs itself was put there by the user.
    s = scene();
    CHECK_OK(trust_add_aa(s->store, liar.cert, &s->why));
    SENT(s, .by = &liar, .holder = &s->moon, .groups = {"sales"});
    CHECK_OK(ask(s));
    scene_done(s);
    mint_done(&liar);
    mint_done(&old);
    mint_done(&far);
    mint_done(&strange);
}

static void what_was_taken_back(void **state)
{
    (void)state;
    // The attribute authority.
    struct scene *s = scene();
    SENT(s, .by = &s->aa, .holder = &s->moon, .groups = {"sales"}, .final = true);
    X509_CRL *crl = MINT_CRL(.by = &s->root, .revoked = {&s->aa});
    CHECK_OK(trust_add_crl(s->store, mint_crl_der(crl), &s->why));
    X509_CRL_free(crl);
    refused(s, "\"C=CH, CN=AA\" was revoked");
    // What it has issued.
    s = scene();
    struct mint number = MINT(.name = "CN=-", .serial = 5);
    SENT(s, .by = &s->aa, .holder = &s->moon, .groups = {"sales"}, .serial = 5);
    crl = MINT_CRL(.by = &s->aa, .revoked = {&number});
    CHECK_OK(trust_add_crl(s->store, mint_crl_der(crl), &s->why));
    X509_CRL_free(crl);
    refused(s, "it was revoked by its issuer");
    // Strict: it promises not to be, or a list says that it was not.
    for (unsigned i = 0; i < 3; i++) {
        s = scene();
        s->terms.revocation = REVOCATION_STRICT;
        crl = MINT_CRL(.by = &s->root);
        CHECK_OK(trust_add_crl(s->store, mint_crl_der(crl), &s->why));
        X509_CRL_free(crl);
        SENT(s, .by = &s->aa, .holder = &s->moon, .groups = {"sales"}, .final = i == 1,
             .list = true);
        crl = MINT_CRL(.by = &s->aa, .revoked = {&number});
        if (i == 2) CHECK_OK(trust_add_crl(s->store, mint_crl_der(crl), &s->why));
        X509_CRL_free(crl);
        CHECK_EQ(ask(s) == ERR_OK, i > 0);
        if (i == 0) CHECK(strstr(s->why.text, "`revocation` is strict"));
        s->terms.revocation = REVOCATION_IFURI;
        CHECK_EQ(ask(s) == ERR_OK, i > 0);
        s->terms.revocation = REVOCATION_RELAXED;
        CHECK_OK(ask(s));
        scene_done(s);
    }
    mint_done(&number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_minimal),
        cmocka_unit_test(numbers_and_times),
        cmocka_unit_test(what_it_says),
        cmocka_unit_test(holders),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(spoilt_ones_are_found),
        cmocka_unit_test(files_may_be_pem),
        cmocka_unit_test(groups_open_doors),
        cmocka_unit_test(what_keeps_them_shut),
        cmocka_unit_test(not_everybody_may_say_so),
        cmocka_unit_test(what_was_taken_back),
    };
    return cmocka_run_group_tests_name("cred/acert", tests, NULL, NULL);
}
