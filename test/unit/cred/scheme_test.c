#include "cred/scheme.h"

#include <string.h>

#include "base/text.h"
#include "test/check.h"

#define PSS256                                                                               \
    "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f7" \
    "0d010108300d06096086480165030402010500a203020120"

// rfc7427 appendix A
static const struct {
    const char *hex;
    struct scheme scheme;
    const char *text;
} known[] = {
    {"300d06092a864886f70d01010b0500", {SCHEME_RSA, HASH_SHA256, 0, 0}, "RSA_EMSA_PKCS1_SHA2_256"},
    {"300d06092a864886f70d01010e0500", {SCHEME_RSA, HASH_SHA224, 0, 0}, "RSA_EMSA_PKCS1_SHA2_224"},
    {"300a06082a8648ce3d040301", {SCHEME_ECDSA, HASH_SHA224, 0, 0}, "ECDSA_WITH_SHA224_DER"},
    {"300d06092a864886f70d01010c0500", {SCHEME_RSA, HASH_SHA384, 0, 0}, "RSA_EMSA_PKCS1_SHA2_384"},
    {"300d06092a864886f70d01010d0500", {SCHEME_RSA, HASH_SHA512, 0, 0}, "RSA_EMSA_PKCS1_SHA2_512"},
    {"300d06092a864886f70d0101050500", {SCHEME_RSA, HASH_SHA1, 0, 0}, "RSA_EMSA_PKCS1_SHA1"},
    {"300906072a8648ce3d0401", {SCHEME_ECDSA, HASH_SHA1, 0, 0}, "ECDSA_WITH_SHA1_DER"},
    {"300a06082a8648ce3d040302", {SCHEME_ECDSA, HASH_SHA256, 0, 0}, "ECDSA_WITH_SHA256_DER"},
    {"300a06082a8648ce3d040303", {SCHEME_ECDSA, HASH_SHA384, 0, 0}, "ECDSA_WITH_SHA384_DER"},
    {"300a06082a8648ce3d040304", {SCHEME_ECDSA, HASH_SHA512, 0, 0}, "ECDSA_WITH_SHA512_DER"},
    {"300d060960864801650304030e0500",
     {SCHEME_RSA, HASH_SHA3_256, 0, 0},
     "RSA_EMSA_PKCS1_SHA3_256"},
    {"300b060960864801650304030b", {SCHEME_ECDSA, HASH_SHA3_384, 0, 0}, "ECDSA_WITH_SHA3_384_DER"},
    {PSS256, {SCHEME_PSS, HASH_SHA256, HASH_SHA256, 32}, "RSA_EMSA_PSS_SHA2_256_SALT_32"},
    {"300506032b6570", {SCHEME_ED25519, HASH_IDENTITY, 0, 0}, "ED25519"},
    {"300506032b6571", {SCHEME_ED448, HASH_IDENTITY, 0, 0}, "ED448"},
};
#define KNOWN (sizeof known / sizeof *known)

static err_t read_hex(const char *hex, struct scheme *out)
{
    uint8_t der[256];
    size_t len = sizeof der;
    CHECK_OK(hex_read(hex, strlen(hex), der, &len));
    return scheme_read(span(der, len), out);
}

static void identifiers_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < KNOWN; i++) {
        struct scheme got;
        uint8_t der[SCHEME_DER_MAX];
        size_t len = sizeof der;
        char buf[SCHEME_TEXT_MAX];
        AUTO(text) struct text hex = {0};
        CHECK_OK(read_hex(known[i].hex, &got));
        CHECK(scheme_eq(&got, &known[i].scheme));
        CHECK_STR(scheme_show(&got, buf), known[i].text);
        CHECK_OK(scheme_write(&got, der, &len));
        text_hex(&hex, span(der, len));
        CHECK_STR(text_str(&hex), known[i].hex);
        len--;
        CHECK_EQ(scheme_write(&got, der, &len), ERR_SPACE);
    }
}

static void broken_identifiers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        err_t error;
    } bad[] = {
        {"", ERR_SYNTAX},
        {"30", ERR_SYNTAX},
        {"300506032b657000", ERR_SYNTAX},                    // a byte behind it
        {"300706032b65700500", ERR_SYNTAX},                  // rfc8410 3: no parameters
        {"300c06082a8648ce3d0403020500", ERR_SYNTAX},        // rfc5758 3.2: no parameters
        {"300506032b6572", ERR_UNSUPPORTED},                 // an algorithm of nobody
        {"300d06092a864886f70d0101040500", ERR_UNSUPPORTED}, // MD5
        {"300b06092a864886f70d01010a", ERR_SYNTAX},          // PSS without parameters
        // a trailer other than 1; MGF1 with MD5
        {"301206092a864886f70d01010a3005a303020102", ERR_UNSUPPORTED},
        {"302c06092a864886f70d01010a301fa11d301b06092a864886f70d010108300e060a608648016503040201"
         "7f0500",
         ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct scheme got;
        CHECK_EQ(read_hex(bad[i].hex, &got), bad[i].error);
    }
    struct scheme got;
    // Defaults mean SHA-1: understood (it may be refused by name), never written.
    CHECK_OK(read_hex("300d06092a864886f70d01010a3000", &got));
    CHECK_EQ(got.hash, HASH_SHA1);
    CHECK_EQ(got.mgf, HASH_SHA1);
    CHECK_EQ(got.salt, 20);
    uint8_t der[SCHEME_DER_MAX];
    size_t len = sizeof der;
    CHECK_EQ(scheme_write(&got, der, &len), ERR_UNSUPPORTED);
    // rfc4055 2.1: NULL may be absent
    CHECK_OK(read_hex("300b06092a864886f70d01010b", &got));
}

static void classic_methods_have_schemes(void **state)
{
    (void)state;
    struct scheme s;
    uint8_t der[SCHEME_DER_MAX];
    size_t len = sizeof der;
    CHECK_OK(scheme_from_method(1, &s));
    CHECK(s.kind == SCHEME_RSA && s.hash == HASH_SHA1);
    CHECK_OK(scheme_from_method(9, &s));
    CHECK(s.kind == SCHEME_ECDSA_FIXED && s.hash == HASH_SHA256);
    CHECK_OK(scheme_from_method(11, &s));
    CHECK(s.kind == SCHEME_ECDSA_FIXED && s.hash == HASH_SHA512);
    CHECK_EQ(scheme_write(&s, der, &len), ERR_UNSUPPORTED);
    CHECK_EQ(scheme_from_method(2, &s), ERR_UNSUPPORTED);
    CHECK_EQ(scheme_from_method(14, &s), ERR_UNSUPPORTED);
}

static void hash_sets_travel(void **state)
{
    (void)state;
    hash_set_t set = 0;
    uint8_t buf[HASH_SET_MAX];
    wr_t w = wr_into(buf, sizeof buf);
    CHECK_OK(hash_set_read(span("\0\1\0\2\0\5\0\6\xff\xff\0\2", 12), &set));
    CHECK_EQ(set, HASH_BIT(HASH_SHA1) | HASH_BIT(HASH_SHA256) | HASH_BIT(HASH_IDENTITY));
    CHECK_EQ(hash_set_read(span("\0\1\0", 3), &set), ERR_SYNTAX);
    hash_set_write(HASHES_DEFAULT, &w);
    CHECK(span_eq(wr_span(&w), span("\0\2\0\3\0\4\0\5", 8)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identifiers_are_read_and_written),
        cmocka_unit_test(broken_identifiers_are_refused),
        cmocka_unit_test(classic_methods_have_schemes),
        cmocka_unit_test(hash_sets_travel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
