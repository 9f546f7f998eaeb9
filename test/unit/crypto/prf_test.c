#include "crypto/prf.h"

#include <string.h>

#include "base/text.h"
#include "crypto/alg.h"
#include "test/check.h"
#include "test/unit/crypto/vectors.h"

// ---- HMAC ----

static void expect(uint16_t prf, span_t key, span_t data, span_t want, bool equal)
{
    uint8_t got[PRF_MAX];
    // in three pieces, so that the joining of parts is tested too
    size_t a = data.len / 3, b = data.len / 2;
    const span_t parts[] = {span(data.at, a), span(data.at + a, b - a),
                            span(data.at + b, data.len - b)};
    CHECK_OK(prf_do(prf, key, parts, 3, got));
    CHECK(want.len <= prf_len(prf));
    CHECK_EQ(!memcmp(got, want.at, want.len), equal);
}

static bool wycheproof_mac(const void *ctx, const json_t *group, const json_t *test)
{
    (void)group;
    expect(*(const uint16_t *)ctx, vectors_hex(test, "key"), vectors_hex(test, "msg"),
           vectors_hex(test, "tag"), vectors_is(test, "result", "valid"));
    return true;
}

static void hmac_agrees_with_wycheproof(void **state)
{
    (void)state;
    static const struct {
        uint16_t prf;
        const char *file;
    } files[] = {
        {PRF_HMAC_SHA1, "wycheproof/hmac_sha1_test.json"},
        {PRF_HMAC_SHA2_256, "wycheproof/hmac_sha256_test.json"},
        {PRF_HMAC_SHA2_384, "wycheproof/hmac_sha384_test.json"},
        {PRF_HMAC_SHA2_512, "wycheproof/hmac_sha512_test.json"},
    };
    for (size_t i = 0; i < 4; i++) vectors_wycheproof(files[i].file, wycheproof_mac, &files[i].prf);
    vectors_done();
}

static bool nist_mac(const void *ctx, const json_t *group, const json_t *test)
{
    (void)group;
    expect(*(const uint16_t *)ctx, vectors_hex(test, "Key"), vectors_hex(test, "Msg"),
           vectors_hex(test, "MD"), true);
    return true;
}

static void hmac_agrees_with_rfc_2202_and_4231(void **state)
{
    (void)state;
    static const struct {
        uint16_t prf;
        const char *file;
    } files[] = {
        {PRF_HMAC_SHA1, "nist/HMAC_rfc-2202-sha1.txt"},
        {PRF_HMAC_SHA2_256, "nist/HMAC_rfc-4231-sha256.txt"},
        {PRF_HMAC_SHA2_384, "nist/HMAC_rfc-4231-sha384.txt"},
        {PRF_HMAC_SHA2_512, "nist/HMAC_rfc-4231-sha512.txt"},
    };
    for (size_t i = 0; i < 4; i++) vectors_blocks(files[i].file, nist_mac, &files[i].prf);
    vectors_done();
}

static bool rfc4868_mac(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    static const struct {
        uint16_t prf;
        const char *key;
    } outputs[] = {
        {PRF_HMAC_SHA2_256, "PRF-HMAC-SHA-256"}, {PRF_HMAC_SHA2_384, "PRF-HMAC-SHA-384"},
        {PRF_HMAC_SHA2_512, "PRF-HMAC-SHA-512"}, {PRF_HMAC_SHA2_256, "HMAC-SHA-256-128"},
        {PRF_HMAC_SHA2_384, "HMAC-SHA-384-192"}, {PRF_HMAC_SHA2_512, "HMAC-SHA-512-256"},
    };
    bool ran = false;
    for (size_t i = 0; i < 6; i++) {
        if (!json_object_get(test, outputs[i].key)) continue;
        expect(outputs[i].prf, vectors_hex(test, "Key"), vectors_hex(test, "Data"),
               vectors_hex(test, outputs[i].key), true);
        ran = true;
    }
    return ran;
}

static void hmac_agrees_with_rfc_4868(void **state)
{
    (void)state;
    const char *file = "rfc/prf_mac_rfc4434_4615_4868.json";
    vectors_each(file, json_object_get(vectors_json(file), "hmac_sha2"), rfc4868_mac, NULL);
    vectors_done();
}

static bool aes_prf(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    bool xcbc = vectors_is(test, "prf", "AES-XCBC-PRF-128");
    CHECK(xcbc || vectors_is(test, "prf", "AES-CMAC-PRF-128"));
    uint16_t prf = xcbc ? PRF_AES128_XCBC : PRF_AES128_CMAC;
    expect(prf, vectors_hex(test, "key"), vectors_hex(test, "msg"), vectors_hex(test, "out"), true);
    return true;
}

// Keys that are short, long, and just right.
static void aes_prfs_agree_with_rfc_4434_and_4615(void **state)
{
    (void)state;
    const char *file = "rfc/prf_mac_rfc4434_4615_4868.json";
    const json_t *cases = json_object_get(vectors_json(file), "aes_prf");
    CHECK_EQ(json_array_size(cases), 6);
    vectors_each(file, cases, aes_prf, NULL);
    vectors_done();
}

// ---- prf and prf+ ----

static uint16_t prf_by_name(const char *name)
{
    for (uint16_t id = 1; id < 16; id++) {
        char text[32];
        if (!strcmp(alg_show(ALG_PRF, id, text), name)) return id;
    }
    return 0;
}

static bool cavp(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    uint16_t prf = prf_by_name(vectors_str(test, "prf"));
    span_t key = vectors_hex(test, "key"), salt = vectors_hex(test, "salt");
    span_t want = vectors_hex(test, "out");
    uint8_t got[1024];
    CHECK(want.len <= sizeof got);
    if (vectors_is(test, "kdf", "KDF_PRF")) {
        CHECK_OK(prf_do(prf, salt, &key, 1, got)); // SKEYSEED: the nonces are the key
        CHECK_EQ(want.len, prf_len(prf));
    } else {
        CHECK_OK(prf_plus(prf, key, salt, got, want.len));
    }
    CHECK(!memcmp(got, want.at, want.len));
    return true;
}

static void prf_and_prf_plus_agree_with_cavp(void **state)
{
    (void)state;
    const char *file = "rfc/ikev2_kdf_sp800_135.json";
    vectors_each(file, json_object_get(vectors_json(file), "prf_plus_cavp"), cavp, NULL);
    vectors_done();
}

static span_t join(uint8_t *to, const json_t *test, const char *const *keys, unsigned n)
{
    size_t len = 0;
    for (unsigned i = 0; i < n; i++) {
        span_t s = vectors_hex(test, keys[i]);
        memcpy(to + len, s.at, s.len);
        len += s.len;
    }
    return span(to, len);
}

// The key schedule of RFC 7296 2.14, 2.17 and 2.18 in prf and prf+ only.
static bool chain(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    uint16_t prf = vectors_is(test, "prf", "sha1") ? PRF_HMAC_SHA1 : PRF_HMAC_SHA2_256;
    uint8_t a[2048], b[2048], got[1024];
    span_t nonces = join(a, test, (const char *const[]){"ni", "nr"}, 2);
    span_t gir = vectors_hex(test, "gir"), seed = vectors_hex(test, "skeyseed");
    CHECK_OK(prf_do(prf, nonces, &gir, 1, got));
    CHECK(!memcmp(got, seed.at, prf_len(prf)));

    span_t all = join(b, test, (const char *const[]){"ni", "nr", "spii", "spir"}, 4);
    span_t dkm = vectors_hex(test, "dkm");
    CHECK_OK(prf_plus(prf, seed, all, got, dkm.len));
    CHECK(!memcmp(got, dkm.at, dkm.len));

    span_t sk_d = span(dkm.at, prf_len(prf)), child = vectors_hex(test, "dkm_child");
    CHECK_OK(prf_plus(prf, sk_d, nonces, got, child.len));
    CHECK(!memcmp(got, child.at, child.len));

    all = join(b, test, (const char *const[]){"gir_new", "ni", "nr"}, 3);
    child = vectors_hex(test, "dkm_child_dh");
    CHECK_OK(prf_plus(prf, sk_d, all, got, child.len));
    CHECK(!memcmp(got, child.at, child.len));
    CHECK_OK(prf_do(prf, sk_d, &all, 1, got));
    CHECK(!memcmp(got, vectors_hex(test, "skeyseed_rekey").at, prf_len(prf)));
    return true;
}

static void the_key_schedule_agrees_with_sp800_135(void **state)
{
    (void)state;
    const char *file = "rfc/ikev2_kdf_sp800_135.json";
    vectors_each(file, json_object_get(vectors_json(file), "skeyseed_chain"), chain, NULL);
    vectors_done();
}

static void prf_plus_ends_after_255_blocks(void **state)
{
    (void)state;
    static uint8_t out[256 * PRF_MAX + 1], again[100];
    span_t key = span_str("key"), seed = span_str("seed");
    CHECK_OK(prf_plus(PRF_HMAC_SHA2_256, key, seed, out, 255 * 32));
    CHECK_EQ(prf_plus(PRF_HMAC_SHA2_256, key, seed, out, 255 * 32 + 1), ERR_SPACE);
    CHECK_EQ(prf_plus(PRF_HMAC_SHA2_512, key, seed, out, 255 * 64 + 1), ERR_SPACE);
    CHECK_OK(prf_plus(PRF_HMAC_SHA2_256, key, seed, again, sizeof again));
    CHECK(!memcmp(out, again, sizeof again)); // a longer output begins with the shorter
    CHECK_OK(prf_plus(PRF_HMAC_SHA2_256, key, seed, out, 0));
    CHECK_OK(prf_plus(PRF_AES128_XCBC, key, seed, out, 255 * 16));
    CHECK_EQ(prf_plus(PRF_AES128_CMAC, key, seed, out, 255 * 16 + 1), ERR_SPACE);
}

static void unknown_functions_are_refused(void **state)
{
    (void)state;
    uint8_t out[PRF_MAX];
    CHECK_EQ(prf_len(3), 0);
    CHECK_EQ(prf_do(3, span_str("k"), NULL, 0, out), ERR_ALGORITHM);
    CHECK_EQ(prf_plus(3, span_str("k"), span_str("s"), out, 1), ERR_ALGORITHM);
    // An empty key and an empty message are unusual, not wrong.
    CHECK_OK(prf_do(PRF_HMAC_SHA2_256, span(NULL, 0), NULL, 0, out));
    CHECK(!memcmp(out, "\xb6\x13\x67\x9a\x08\x14\xd9\xec", 8));
}

static void hashes_join_their_parts(void **state)
{
    (void)state;
    const span_t parts[] = {span_str("a"), span(NULL, 0), span_str("bc")};
    uint8_t out[SHA256_LEN];
    AUTO(text) struct text hex = {0};
    CHECK_OK(hash_sha1(parts, 3, out));
    text_hex(&hex, span(out, SHA1_LEN));
    text_add(&hex, " ");
    CHECK_OK(hash_sha256(parts, 3, out));
    text_hex(&hex, span(out, SHA256_LEN));
    CHECK_STR(text_str(&hex), "a9993e364706816aba3e25717850c26c9cd0d89d "
                              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_agrees_with_wycheproof),
        cmocka_unit_test(hmac_agrees_with_rfc_2202_and_4231),
        cmocka_unit_test(hmac_agrees_with_rfc_4868),
        cmocka_unit_test(aes_prfs_agree_with_rfc_4434_and_4615),
        cmocka_unit_test(prf_and_prf_plus_agree_with_cavp),
        cmocka_unit_test(the_key_schedule_agrees_with_sp800_135),
        cmocka_unit_test(prf_plus_ends_after_255_blocks),
        cmocka_unit_test(unknown_functions_are_refused),
        cmocka_unit_test(hashes_join_their_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
