#include "cred/cert.h"

#include <string.h>

#include "test/check.h"
#include "test/unit/cred/mint.h"

static struct id id(const char *text)
{
    struct id out;
    CHECK_OK(id_parse(text, &out, NULL));
    return out;
}

static struct mint moon_make(void)
{
    return MINT(.name = "C=CH, O=Pavise, CN=moon",
                .ext = {"subjectAltName=DNS:moon.example.org,email:moon@example.org,IP:192.0.2.1,"
                        "IP:2001:db8::1,URI:https://moon.example.org/",
                        "subjectKeyIdentifier=01:02:03"});
}

static bool has(const struct mint *m, const char *text)
{
    struct id wanted = id(text);
    return cert_has_id(m->cert, &wanted);
}

static unsigned fit(const struct mint *m, const char *text)
{
    struct id wanted = id(text);
    return cert_match(m->cert, &wanted);
}

static void identities_are_subject_and_alternative_names(void **state)
{
    (void)state;
    struct mint m = moon_make();
    static const char *const want[] = {"C=CH, O=Pavise, CN=moon", "moon.example.org",
                                       "moon@example.org", "192.0.2.1", "2001:db8::1"};
    char buf[ID_TEXT_MAX];
    CHECK_EQ(cert_id_count(m.cert), 5);
    for (unsigned i = 0; i < 5; i++) CHECK_STR(id_show(cert_id_at(m.cert, i), buf), want[i]);
    CHECK(cert_id_at(m.cert, 5) == NULL);
    mint_done(&m);
}

static void claims_are_held_against_it(void **state)
{
    (void)state;
    struct mint m = moon_make();
    CHECK(has(&m, "C=CH, O=Pavise, CN=moon"));
    CHECK(has(&m, "MOON.example.org"));
    CHECK(has(&m, "moon@example.org"));
    CHECK(has(&m, "192.0.2.1"));
    CHECK(has(&m, "2001:db8::1"));
    CHECK(has(&m, "keyid:#010203"));
    CHECK(has(&m, "asn1gn:#82106d6f6f6e2e6578616d706c652e6f7267"));
    CHECK(has(&m, "asn1gn:#861968747470733a2f2f6d6f6f6e2e6578616d706c652e6f72672f"));
    CHECK(!has(&m, "asn1gn:#82106d6f6f6e2e6578616d706c652e6f7268"));
    CHECK(!has(&m, "CN=moon"));
    CHECK(!has(&m, "sun.example.org"));
    CHECK(!has(&m, "Moon@example.org"));
    CHECK(!has(&m, "@192.0.2.1"));
    CHECK(!has(&m, "192.0.2.2"));
    CHECK(!has(&m, "keyid:#0102"));
    // What a peer says is no pattern.
    CHECK(!has(&m, "*.example.org"));
    CHECK(!has(&m, "C=CH, O=Pavise, CN=*"));
    CHECK(!has(&m, "%any"));
    struct id key = {.type = ID_KEY_ID, .len = KEY_SHA1_LEN};
    memcpy(key.data, pubkey_spki_sha1(cert_pubkey(m.cert)), KEY_SHA1_LEN);
    CHECK(cert_has_id(m.cert, &key));
    memcpy(key.data, pubkey_key_sha1(cert_pubkey(m.cert)), KEY_SHA1_LEN);
    CHECK(cert_has_id(m.cert, &key));
    mint_done(&m);
}

static void the_configuration_may_have_wildcards(void **state)
{
    (void)state;
    struct mint m = moon_make();
    CHECK_EQ(fit(&m, "%any"), 1);
    CHECK_EQ(fit(&m, "*.example.org"), 2);
    CHECK_EQ(fit(&m, "*@example.org"), 2);
    CHECK_EQ(fit(&m, "C=CH, O=Pavise, CN=*"), 2);
    CHECK_EQ(fit(&m, "moon.example.org"), 3);
    CHECK_EQ(fit(&m, "*.example.com"), 0);
    CHECK_EQ(fit(&m, "C=DE, O=Pavise, CN=*"), 0);
    mint_done(&m);
}

// rfc4945 5.1.3.6: a wildcard in a certificate does not stand for other names
static void a_wildcard_certificate_is_nobody_else(void **state)
{
    (void)state;
    struct mint m = MINT(.name = "CN=*", .ext = {"subjectAltName=DNS:*.example.org"});
    CHECK(!has(&m, "moon.example.org"));
    CHECK_EQ(fit(&m, "moon.example.org"), 0);
    CHECK(!has(&m, "CN=moon"));
    CHECK_EQ(fit(&m, "CN=moon"), 0);
    mint_done(&m);
}

static void facts_are_told(void **state)
{
    (void)state;
    struct mint ca = MINT(.name = "CN=CA", .ext = {MINT_CA});
    struct mint m = MINT(.name = "CN=moon", .by = &ca, .key = "RSA", .serial = 0x12ab,
                         .from = 1000000000, .to = 2500000000);
    struct mint other = MINT(.name = "CN=CA", .ext = {MINT_CA}); // same name, other key
    char buf[CERT_NAME_MAX], serial[CERT_SERIAL_MAX], key[PUBKEY_TEXT_MAX];
    CHECK_STR(cert_name(m.cert, buf), "CN=moon");
    CHECK_STR(cert_serial(m.cert, serial), "12ab");
    CHECK_STR(pubkey_show(cert_pubkey(m.cert), key), "RSA 2048");
    CHECK_STR(pubkey_show(cert_pubkey(ca.cert), key), "ECDSA secp256r1");
    CHECK_EQ(cert_not_before(m.cert), 1000000000);
    CHECK_EQ(cert_not_after(m.cert), 2500000000);
    CHECK(cert_is_ca(ca.cert) && !cert_is_ca(m.cert));
    CHECK(cert_is_self_signed(ca.cert) && !cert_is_self_signed(m.cert));
    CHECK(cert_is_issued_by(m.cert, ca.cert));
    CHECK(!cert_is_issued_by(m.cert, other.cert));
    CHECK(span_eq(cert_issuer(m.cert), cert_subject(ca.cert)));
    mint_done(&other);
    mint_done(&m);
    mint_done(&ca);
}

static void names_for_people_fit_a_line(void **state)
{
    (void)state;
    char buf[CERT_NAME_MAX];
    struct mint nobody = MINT(.serial = 7);
    struct mint alias = MINT(.ext = {"subjectAltName=critical,DNS:moon.example.org"});
    struct mint longer =
        MINT(.name = "C=CH, O=oooooooooooooooooooooooooooooooooooooooooooooooooooo, "
                     "OU=uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu, "
                     "CN=moon");
    CHECK_STR(cert_name(nobody.cert, buf), "serial 07");
    CHECK_STR(cert_name(alias.cert, buf), "moon.example.org");
    CHECK_EQ(strlen(cert_name(longer.cert, buf)), CERT_NAME_MAX - 1);
    CHECK_STR(buf + CERT_NAME_MAX - 4, "...");
    mint_done(&nobody);
    mint_done(&alias);
    mint_done(&longer);
}

static void der_and_pem_are_read_and_nothing_else(void **state)
{
    (void)state;
    struct mint m = moon_make();
    struct cert *c = NULL;
    uint8_t bytes[8192];
    span_t der = mint_cert_der(m.x);
    memcpy(bytes, der.at, der.len);
    CHECK_EQ(cert_read(span(bytes, der.len + 1), &c, NULL), ERR_SYNTAX);
    for (size_t n = 0; n < der.len; n++) {
        CHECK_EQ(cert_read(span(bytes, n), &c, NULL), ERR_SYNTAX);
    }
    BIO *bio = BIO_new(BIO_s_mem());
    BIO_puts(bio, "Certificate of moon\n");
    PEM_write_bio_X509(bio, m.x);
    int n = BIO_read(bio, bytes, sizeof bytes);
    BIO_free(bio);
    CHECK_OK(cert_read(span(bytes, (size_t)n), &c, NULL));
    CHECK(cert_eq(c, m.cert));
    struct cert *same = cert_ref(c);
    cert_free(c);
    cert_free(same);
    static uint8_t huge[2 * CERT_DER_MAX + 1];
    CHECK_EQ(cert_read(SPAN(huge), &c, NULL), ERR_SPACE);
    mint_done(&m);
}

static void keys_alone_are_read(void **state)
{
    (void)state;
    struct mint m = MINT(.name = "CN=moon", .key = "RSA");
    struct pubkey *k = NULL;
    struct why why = {""};
    uint8_t bytes[4096];
    span_t spki = pubkey_spki(cert_pubkey(m.cert));
    CHECK_OK(pubkey_from_spki(spki, &k, &why));
    CHECK(pubkey_eq(k, cert_pubkey(m.cert)));
    pubkey_free(k);
    CHECK_OK(pubkey_read(spki, &k, &why));
    pubkey_free(k);
    memcpy(bytes, spki.at, spki.len);
    CHECK_EQ(pubkey_from_spki(span(bytes, spki.len + 1), &k, &why), ERR_SYNTAX);
    for (size_t n = 0; n < spki.len; n++) {
        CHECK_EQ(pubkey_from_spki(span(bytes, n), &k, NULL), ERR_SYNTAX);
    }
    for (int old = 0; old < 2; old++) {
        BIO *bio = BIO_new(BIO_s_mem());
        unsigned char *pkcs1 = NULL;
        int n = i2d_PublicKey(m.key, &pkcs1);
        if (old)
            PEM_write_bio(bio, PEM_STRING_RSA_PUBLIC, "", pkcs1, n);
        else
            PEM_write_bio_PUBKEY(bio, m.key);
        OPENSSL_free(pkcs1);
        n = BIO_read(bio, bytes, sizeof bytes);
        BIO_free(bio);
        CHECK_OK(pubkey_read(span(bytes, (size_t)n), &k, &why));
        CHECK(pubkey_eq(k, cert_pubkey(m.cert)));
        pubkey_free(k);
    }
    CHECK_EQ(pubkey_read(span_str("moon"), &k, &why), ERR_SYNTAX);
    mint_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities_are_subject_and_alternative_names),
        cmocka_unit_test(claims_are_held_against_it),
        cmocka_unit_test(the_configuration_may_have_wildcards),
        cmocka_unit_test(a_wildcard_certificate_is_nobody_else),
        cmocka_unit_test(facts_are_told),
        cmocka_unit_test(names_for_people_fit_a_line),
        cmocka_unit_test(der_and_pem_are_read_and_nothing_else),
        cmocka_unit_test(keys_alone_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
