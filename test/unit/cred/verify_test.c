// Signatures of Wycheproof: good ones, and forgeries that other implementations took.
#include <string.h>

#include "base/text.h"
#include "cred/pubkey.h"
#include "test/check.h"
#include "test/unit/crypto/vectors.h"

static uint8_t hash_of(const json_t *group)
{
    if (!json_object_get(group, "sha")) return HASH_IDENTITY;
    for (uint8_t id = HASH_SHA256; id <= HASH_SHA512; id++) {
        if (!strcmp(vectors_str(group, "sha") + 4, hash_name(id) + 5)) return id;
    }
    return HASH_NONE;
}

static struct scheme scheme_of(uint8_t kind, const json_t *group)
{
    if (kind == SCHEME_PSS) return scheme_pss(hash_of(group));
    return (struct scheme){.kind = kind, .hash = hash_of(group)};
}

// The key of a group serves all its cases.
struct judge {
    uint8_t kind;
    const json_t *group;
    struct pubkey *key;
};

static bool signature_is_judged(const void *ctx, const json_t *group, const json_t *test)
{
    struct judge *j = *(struct judge *const *)ctx;
    struct scheme s = scheme_of(j->kind, group);
    if (group != j->group) {
        pubkey_free(j->key);
        CHECK_OK(pubkey_from_spki(vectors_hex(group, "publicKeyDer"), &j->key, NULL));
        j->group = group;
    }
    CHECK(pubkey_can(j->key, &s));
    err_t e = pubkey_verify(j->key, &s, vectors_hex(test, "msg"), vectors_hex(test, "sig"));
    if (vectors_is(test, "result", "acceptable")) return true;
    if ((e == ERR_OK) != vectors_is(test, "result", "valid")) {
        print_error("case %u: %s\n", vectors_int(test, "tcId"), err_text(e));
    }
    CHECK((e == ERR_OK) == vectors_is(test, "result", "valid"));
    return true;
}

static void forgeries_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        uint8_t kind;
    } files[] = {
        {"wycheproof/rsa_signature_2048_sha256_test.json", SCHEME_RSA},
        {"wycheproof/rsa_signature_3072_sha384_test.json", SCHEME_RSA},
        {"wycheproof/rsa_pss_2048_sha256_mgf1_32_test.json", SCHEME_PSS},
        {"wycheproof/rsa_pss_2048_sha384_mgf1_48_test.json", SCHEME_PSS},
        {"wycheproof/rsa_pss_4096_sha512_mgf1_64_test.json", SCHEME_PSS},
        {"wycheproof/ecdsa_secp256r1_sha256_test.json", SCHEME_ECDSA},
        {"wycheproof/ecdsa_secp384r1_sha384_test.json", SCHEME_ECDSA},
        {"wycheproof/ecdsa_secp521r1_sha512_test.json", SCHEME_ECDSA},
        {"wycheproof/ecdsa_brainpoolP256r1_sha256_test.json", SCHEME_ECDSA},
        {"wycheproof/ed25519_test.json", SCHEME_ED25519},
        {"wycheproof/ed448_test.json", SCHEME_ED448},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct judge j = {.kind = files[i].kind}, *mine = &j;
        vectors_wycheproof(files[i].file, signature_is_judged, &mine);
        pubkey_free(j.key);
    }
    vectors_done();
}

// A key from the numbers: SubjectPublicKeyInfo of a NIST curve.
static struct pubkey *point_key(unsigned method, span_t x, span_t y)
{
    static const char *const heads[] = {
        "3059301306072a8648ce3d020106082a8648ce3d03010703420004",
        "3076301006072a8648ce3d020106052b8104002203620004",
        "30819b301006072a8648ce3d020106052b810400230381860004",
    };
    uint8_t der[256];
    size_t len = sizeof der;
    struct pubkey *key;
    const char *head = heads[method - 9];
    CHECK_OK(hex_read(head, strlen(head), der, &len));
    memcpy(der + len, x.at, x.len);
    memcpy(der + len + x.len, y.at, y.len);
    CHECK_OK(pubkey_from_spki(span(der, len + x.len + y.len), &key, NULL));
    return key;
}

// rfc4754 8
static bool fixed_width_is_verified(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx;
    (void)group;
    unsigned method = vectors_int(test, "auth_method");
    struct pubkey *key = point_key(method, vectors_hex(test, "gwx"), vectors_hex(test, "gwy"));
    struct scheme s, other;
    span_t r = vectors_hex(test, "r"), v = vectors_hex(test, "s"),
           msg = vectors_hex(test, "message");
    uint8_t sig[133];
    size_t n = 2 * r.len;
    CHECK_OK(scheme_from_method((uint8_t)method, &s));
    CHECK_OK(scheme_from_method(method == 9 ? 10 : 9, &other));
    CHECK_EQ(r.len, v.len);
    memcpy(sig, r.at, r.len);
    memcpy(sig + r.len, v.at, v.len);
    CHECK_OK(pubkey_verify(key, &s, msg, span(sig, n)));
    // Curve and hash belong together, and the length is fixed.
    CHECK_EQ(pubkey_verify(key, &other, msg, span(sig, n)), ERR_UNSUPPORTED);
    sig[n] = 0;
    CHECK_EQ(pubkey_verify(key, &s, msg, span(sig, n + 1)), ERR_AUTH);
    CHECK_EQ(pubkey_verify(key, &s, msg, span(sig, n - 1)), ERR_AUTH);
    CHECK_EQ(pubkey_verify(key, &s, msg, span(sig, 0)), ERR_AUTH);
    sig[n - 1] ^= 1;
    CHECK_EQ(pubkey_verify(key, &s, msg, span(sig, n)), ERR_AUTH);
    memset(sig, 0, sizeof sig);
    CHECK_EQ(pubkey_verify(key, &s, msg, span(sig, n)), ERR_AUTH);
    pubkey_free(key);
    return true;
}

static void the_classic_ecdsa_methods_verify(void **state)
{
    (void)state;
    json_t *all = vectors_json("rfc/ike_dh_ecdsa_rfc5903_8031_4754.json");
    vectors_each("RFC 4754", json_object_get(all, "ecdsa_auth"), fixed_width_is_verified, NULL);
    vectors_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forgeries_are_found),
        cmocka_unit_test(the_classic_ecdsa_methods_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
