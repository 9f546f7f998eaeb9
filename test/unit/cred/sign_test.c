#include "cred/sign.h"

#include <string.h>

#include "cred/p12.h"
#include "test/check.h"
#include "test/unit/cred/mint.h"

static const char *const kinds[] = {
    "RSA",     "P-256", "P-384", "P-521", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1",
    "ED25519", "ED448"};
#define KINDS (sizeof kinds / sizeof *kinds)

enum form { PKCS8_PEM, PKCS8_DER, SEALED_PEM, SEALED_DER, OLD_PEM, OLD_SEALED_PEM, OLD_DER, FORMS };

static uint8_t file[16384];

static span_t key_file(EVP_PKEY *key, enum form form)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const EVP_CIPHER *aes = EVP_aes_256_cbc();
    const unsigned char pass[] = "secret";
    int ok = 0;
    switch (form) {
    case PKCS8_PEM:
        ok = PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
        break;
    case PKCS8_DER:
        ok = i2d_PKCS8PrivateKey_bio(bio, key, NULL, NULL, 0, NULL, NULL);
        break;
    case SEALED_PEM:
        ok = PEM_write_bio_PKCS8PrivateKey(bio, key, aes, (const char *)pass, 6, NULL, NULL);
        break;
    case SEALED_DER:
        ok = i2d_PKCS8PrivateKey_bio(bio, key, aes, (const char *)pass, 6, NULL, NULL);
        break;
    case OLD_PEM:
        ok = PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
        break;
    case OLD_SEALED_PEM:
        ok = PEM_write_bio_PrivateKey_traditional(bio, key, aes, pass, 6, NULL, NULL);
        break;
    case OLD_DER:
    case FORMS:
    default:
        ok = i2d_PrivateKey_bio(bio, key);
    }
    CHECK(ok);
    int n = BIO_read(bio, file, sizeof file);
    CHECK(n > 0);
    BIO_free(bio);
    return span(file, (size_t)n);
}

static struct secret secret_of(const char *text)
{
    struct secret s = {0};
    CHECK_OK(secret_set(&s, span_str(text)));
    return s;
}

static struct signer *signer_of(const char *kind)
{
    EVP_PKEY *key = mint_key(kind);
    struct signer *s;
    CHECK_OK(signer_read(key_file(key, PKCS8_PEM), NULL, &s, NULL));
    EVP_PKEY_free(key);
    return s;
}

static void every_form_of_file_is_read(void **state)
{
    (void)state;
    struct secret right = secret_of("secret"), wrong = secret_of("Secret");
    for (size_t i = 0; i < KINDS; i++) {
        EVP_PKEY *key = mint_key(kinds[i]);
        for (enum form f = 0; f < FORMS; f++) {
            struct signer *s = NULL;
            struct why why = {""};
            if (f >= OLD_PEM && i >= KINDS - 2) continue; // Ed25519 and Ed448 have no older form
            bool sealed = f == SEALED_PEM || f == SEALED_DER || f == OLD_SEALED_PEM;
            span_t bytes = key_file(key, f);
            CHECK_OK(signer_read(bytes, &right, &s, &why));
            struct signer *other = signer_ref(s);
            signer_free(s);
            signer_free(other);
            CHECK_EQ(signer_read(bytes, NULL, &s, &why), sealed ? ERR_AUTH : ERR_OK);
            if (!sealed) {
                signer_free(s);
                continue;
            }
            CHECK(strstr(why.text, "no passphrase") != NULL);
            CHECK_EQ(signer_read(bytes, &wrong, &s, &why), ERR_AUTH);
            CHECK(strstr(why.text, "does not open") != NULL);
        }
        EVP_PKEY_free(key);
    }
    secret_done(&right);
    secret_done(&wrong);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    struct signer *s = NULL;
    struct why why = {""};
    EVP_PKEY *key = mint_key("P-256");
    CHECK_EQ(signer_read(span_str(""), NULL, &s, &why), ERR_SYNTAX);
    CHECK_EQ(signer_read(span_str("moon"), NULL, &s, &why), ERR_SYNTAX);
    CHECK(strstr(why.text, "no private key") != NULL);
    span_t der = key_file(key, OLD_DER);
    for (size_t n = 0; n < der.len; n++) {
        CHECK_EQ(signer_read(span(der.at, n), NULL, &s, NULL), ERR_SYNTAX);
    }
    file[40] ^= 1; // the private number, not the public point
    CHECK(signer_read(der, NULL, &s, &why) != ERR_OK);
    EVP_PKEY_free(key);
    key = mint_key("RSA 512");
    CHECK_EQ(signer_read(key_file(key, PKCS8_PEM), NULL, &s, &why), ERR_RANGE);
    CHECK(strstr(why.text, "512 bits") != NULL);
    EVP_PKEY_free(key);
    key = mint_key("secp256k1");
    CHECK_EQ(signer_read(key_file(key, PKCS8_PEM), NULL, &s, &why), ERR_UNSUPPORTED);
    CHECK(strstr(why.text, "secp256k1") != NULL);
    EVP_PKEY_free(key);
}

static void what_is_signed_verifies(void **state)
{
    (void)state;
    static const uint8_t tbs[] = "octets";
    for (size_t i = 0; i < KINDS; i++) {
        struct signer *s = signer_of(kinds[i]);
        struct scheme list[SIGN_SCHEMES_MAX + 1];
        hash_set_t all = HASHES_DEFAULT | HASH_BIT(HASH_SHA1);
        unsigned n = signer_schemes(s, all, list);
        CHECK(n > 0);
        uint8_t method = signer_method(s);
        if (method) CHECK_OK(scheme_from_method(method, &list[n++]));
        for (unsigned k = 0; k < n; k++) {
            uint8_t sig[SIGN_MAX];
            size_t len = sizeof sig, none = 8;
            CHECK(list[k].hash != HASH_SHA1 || list[k].kind == SCHEME_RSA);
            CHECK_OK(signer_sign(s, &list[k], SPAN(tbs), sig, &len));
            CHECK_OK(pubkey_verify(signer_pubkey(s), &list[k], SPAN(tbs), span(sig, len)));
            sig[len / 2] ^= 1;
            CHECK_EQ(pubkey_verify(signer_pubkey(s), &list[k], SPAN(tbs), span(sig, len)),
                     ERR_AUTH);
            CHECK_EQ(signer_sign(s, &list[k], SPAN(tbs), sig, &none), ERR_SPACE);
        }
        signer_free(s);
    }
}

static void schemes_come_best_first(void **state)
{
    (void)state;
    struct scheme list[SIGN_SCHEMES_MAX];
    struct signer *s = signer_of("RSA");
    CHECK_EQ(signer_schemes(s, HASHES_DEFAULT, list), 6);
    CHECK(list[0].kind == SCHEME_PSS && list[0].hash == HASH_SHA256 && list[0].salt == 32);
    CHECK(list[3].kind == SCHEME_RSA && list[3].hash == HASH_SHA256);
    CHECK_EQ(signer_schemes(s, HASH_BIT(HASH_SHA512), list), 2);
    CHECK_EQ(signer_schemes(s, HASH_BIT(HASH_SHA1), list), 0);
    CHECK_EQ(signer_method(s), 1);
    signer_free(s);
    s = signer_of("P-384");
    CHECK_EQ(signer_schemes(s, HASHES_DEFAULT, list), 3);
    CHECK_EQ(list[0].hash, HASH_SHA384);
    CHECK_EQ(list[1].hash, HASH_SHA512);
    CHECK_EQ(list[2].hash, HASH_SHA256);
    CHECK_EQ(signer_method(s), 10);
    struct scheme pss = scheme_pss(HASH_SHA256);
    uint8_t sig[SIGN_MAX];
    size_t len = sizeof sig;
    CHECK_EQ(signer_sign(s, &pss, span_str("x"), sig, &len), ERR_UNSUPPORTED);
    signer_free(s);
    s = signer_of("ED25519");
    CHECK_EQ(signer_schemes(s, HASHES_DEFAULT, list), 1);
    CHECK_EQ(signer_schemes(s, HASH_BIT(HASH_SHA256), list), 0);
    CHECK_EQ(signer_method(s), 0);
    signer_free(s);
}

static span_t p12_file(const struct mint *own, STACK_OF(X509) * more, const char *pass)
{
    PKCS12 *p = PKCS12_create(pass, "moon", own->key, own->x, more, 0, 0, 0, 0, 0);
    unsigned char *to = file;
    CHECK(p && i2d_PKCS12(p, NULL) < (int)sizeof file);
    int n = i2d_PKCS12(p, &to);
    PKCS12_free(p);
    return span(file, (size_t)n);
}

static void pkcs12_gives_key_and_chain(void **state)
{
    (void)state;
    struct mint ca = MINT(.name = "CN=CA", .ext = {MINT_CA});
    struct mint moon = MINT(.name = "CN=moon", .by = &ca, .key = "RSA");
    STACK_OF(X509) *more = sk_X509_new_null();
    struct secret pass = secret_of("secret"), wrong = secret_of("x");
    struct p12 got = {0};
    struct why why = {""};
    sk_X509_push(more, ca.x);
    span_t bytes = p12_file(&moon, more, "secret");
    CHECK_OK(p12_read(bytes, &pass, &got, &why));
    CHECK_EQ(got.n, 2);
    CHECK(cert_eq(got.certs[0], moon.cert));
    CHECK(cert_eq(got.certs[1], ca.cert));
    CHECK(pubkey_eq(signer_pubkey(got.key), cert_pubkey(moon.cert)));
    p12_done(&got);
    CHECK_EQ(p12_read(bytes, &wrong, &got, &why), ERR_AUTH);
    CHECK(strstr(why.text, "passphrase") != NULL);
    CHECK_EQ(p12_read(bytes, NULL, &got, &why), ERR_AUTH);
    CHECK_EQ(p12_read(span(bytes.at, bytes.len / 2), &pass, &got, &why), ERR_SYNTAX);
    CHECK_OK(p12_read(p12_file(&moon, NULL, ""), NULL, &got, &why));
    CHECK_EQ(got.n, 1);
    p12_done(&got);
    sk_X509_free(more);
    mint_done(&moon);
    mint_done(&ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_file_is_read), cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(what_is_signed_verifies),    cmocka_unit_test(schemes_come_best_first),
        cmocka_unit_test(pkcs12_gives_key_and_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
