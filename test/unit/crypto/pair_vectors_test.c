// Known answers for every cipher with every MAC, through both providers.
#include <string.h>

#include "crypto/alg.h"
#include "crypto/prf.h"
#include "test/check.h"
#include "test/unit/crypto/answer.h"
#include "test/unit/crypto/vectors.h"

static const struct {
    uint16_t integ, prf;
    uint8_t len; // of key and untruncated output
} macs[] = {
    {INTEG_HMAC_SHA1_96, PRF_HMAC_SHA1, 20},
    {INTEG_HMAC_SHA2_256_128, PRF_HMAC_SHA2_256, 32},
    {INTEG_HMAC_SHA2_384_192, PRF_HMAC_SHA2_384, 48},
    {INTEG_HMAC_SHA2_512_256, PRF_HMAC_SHA2_512, 64},
    {INTEG_AES_XCBC_96, PRF_AES128_XCBC, 16},
    {INTEG_AES_CMAC_96, PRF_AES128_CMAC, 16},
};
#define MACS (sizeof macs / sizeof *macs)

// The vectors of a cipher alone get a MAC from prf_do(), which has vectors of its own.
// key: with the salt, if there is one.
static void check_cipher(uint16_t encr, span_t key, span_t iv, span_t clear, span_t sealed)
{
    for (size_t i = 0; i < MACS; i++) {
        uint8_t mac_key[64], mac[PRF_MAX], head[] = "SPI + SN";
        memset(mac_key, 0x5a, sizeof mac_key);
        const span_t parts[] = {span(head, 8), iv, sealed};
        CHECK_OK(prf_do(macs[i].prf, span(mac_key, macs[i].len), parts, 3, mac));
        struct answer a = {
            .spec = {.encr = encr, .integ = macs[i].integ, .encr_key = key},
            .head = parts[0],
            .iv = iv,
            .clear = clear,
            .sealed = sealed,
            .icv = span(mac, alg_find(ALG_INTEG, macs[i].integ, 0)->icv_len),
            .good = true,
        };
        a.spec.integ_key = span(mac_key, macs[i].len);
        answer_check(&a);
    }
}

static bool nist_cbc(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    check_cipher(ENCR_AES_CBC, vectors_hex(test, "KEY"), vectors_hex(test, "IV"),
                 vectors_hex(test, "PLAINTEXT"), vectors_hex(test, "CIPHERTEXT"));
    return true;
}

static void aes_cbc_agrees_with_nist(void **state)
{
    (void)state;
    vectors_blocks("nist/CBC_CBCMMT128.rsp", nist_cbc, NULL);
    vectors_blocks("nist/CBC_CBCMMT192.rsp", nist_cbc, NULL);
    vectors_blocks("nist/CBC_CBCMMT256.rsp", nist_cbc, NULL);
    vectors_done();
}

static bool rfc3602(const void *ctx, const json_t *group, const json_t *test)
{
    (void)group;
    const char *const *names = ctx;
    check_cipher(ENCR_AES_CBC, vectors_hex(test, "key"), vectors_hex(test, "iv"),
                 vectors_hex(test, names[0]), vectors_hex(test, names[1]));
    return true;
}

static void aes_cbc_agrees_with_rfc_3602(void **state)
{
    (void)state;
    const char *file = "rfc/esp_aes_cbc_rfc3602.json";
    vectors_each(file, json_object_get(vectors_json(file), "aes_cbc"), rfc3602,
                 (const char *[]){"plaintext", "ciphertext"});
    vectors_each(file, json_object_get(vectors_json(file), "esp_packets"), rfc3602,
                 (const char *[]){"plaintext_padded", "encrypted"});
    vectors_done();
}

// The padding in there is PKCS #7 and not ours to judge: cases that are invalid for their
// padding do not apply.
static bool wycheproof_cbc(const void *ctx, const json_t *group, const json_t *test)
{
    (void)group;
    if (!vectors_is(test, "result", "valid")) return false;
    uint8_t padded[512];
    span_t msg = vectors_hex(test, "msg"), sealed = vectors_hex(test, "ct");
    CHECK(sealed.len <= sizeof padded && msg.len < sealed.len);
    memset(padded, (int)(sealed.len - msg.len), sizeof padded);
    memcpy(padded, msg.at, msg.len);
    check_cipher(*(const uint16_t *)ctx, vectors_hex(test, "key"), vectors_hex(test, "iv"),
                 span(padded, sealed.len), sealed);
    return true;
}

static void cbc_agrees_with_wycheproof(void **state)
{
    (void)state;
    static const uint16_t aes = ENCR_AES_CBC, camellia = ENCR_CAMELLIA_CBC;
    vectors_wycheproof("wycheproof/aes_cbc_pkcs5_test.json", wycheproof_cbc, &aes);
    vectors_wycheproof("wycheproof/camellia_cbc_pkcs5_test.json", wycheproof_cbc, &camellia);
    vectors_done();
}

static bool openssl_camellia(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    if (!json_object_get(test, "KEY")) return false; // a headline
    check_cipher(ENCR_CAMELLIA_CBC, vectors_hex(test, "KEY"), vectors_hex(test, "IV"),
                 vectors_hex(test, "PLAINTEXT"), vectors_hex(test, "CIPHERTEXT"));
    return true;
}

static void camellia_cbc_agrees_with_openssl(void **state)
{
    (void)state;
    vectors_blocks("nist/camellia-cbc.txt", openssl_camellia, NULL);
    vectors_done();
}

// SP 800-67 B.1, chained by hand: C = E(P ^ IV), so the IV takes the first block to a known one.
static void triple_des_cbc_agrees_with_sp800_67(void **state)
{
    (void)state;
    const json_t *v = vectors_json("nist/tdes_sp800_67.json");
    check_cipher(ENCR_3DES, vectors_hex(v, "key"), vectors_hex(v, "iv"),
                 vectors_hex(v, "plaintext"), vectors_hex(v, "ciphertext"));
    vectors_done();
}

// ---- AES-CTR ----

// block: nonce, IV, and the counter, which starts with one (RFC 3686 4).
static void check_ctr(span_t key, span_t block, const json_t *test, const char *clear,
                      const char *sealed)
{
    uint8_t salted[64];
    check_cipher(ENCR_AES_CTR, answer_join(salted, key, span(block.at, 4)), span(block.at + 4, 8),
                 vectors_hex(test, clear), vectors_hex(test, sealed));
}

static bool rfc3686(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    uint8_t block[12];
    check_ctr(vectors_hex(test, "key"),
              answer_join(block, vectors_hex(test, "nonce"), vectors_hex(test, "iv")), test,
              "plaintext", "ciphertext");
    return true;
}

static bool pyca_ctr(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    if (!json_object_get(test, "KEY")) return false; // a headline
    span_t block = vectors_hex(test, "IV");
    CHECK(block.len == 16 && block.at[15] == 1);
    check_ctr(vectors_hex(test, "KEY"), block, test, "PLAINTEXT", "CIPHERTEXT");
    return true;
}

static bool ipsec_mb_ctr(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx;
    if (vectors_int(group, "ivSize") != 96) return false; // starts with another counter
    check_ctr(vectors_hex(test, "key"), vectors_hex(test, "iv"), test, "msg", "ct");
    return true;
}

static void aes_ctr_agrees_with_rfc_3686(void **state)
{
    (void)state;
    const char *file = "rfc/aes_ctr_rfc3686.json";
    vectors_each(file, json_object_get(vectors_json(file), "cases"), rfc3686, NULL);
    vectors_blocks("nist/CTR_aes-128-ctr.txt", pyca_ctr, NULL);
    vectors_blocks("nist/CTR_aes-192-ctr.txt", pyca_ctr, NULL);
    vectors_blocks("nist/CTR_aes-256-ctr.txt", pyca_ctr, NULL);
    vectors_wycheproof("ipsec_mb/ctr_test.json", ipsec_mb_ctr, NULL);
    vectors_done();
}

// ---- MACs ----

// With the NULL cipher what remains is the MAC over head and text.
static void check_mac(uint16_t integ, span_t key, span_t msg, span_t icv, bool good)
{
    size_t head = msg.len < 8 ? msg.len : 8;
    struct answer a = {
        .spec = {.encr = ENCR_NULL, .integ = integ, .integ_key = key},
        .head = span(msg.at, head),
        .clear = span(msg.at + head, msg.len - head),
        .sealed = span(msg.at + head, msg.len - head),
        .icv = icv,
        .good = good,
    };
    answer_check(&a);
}

// Cases with keys of no AES and with less than 96 bits of ICV do not apply.
static bool wycheproof_mac(const void *ctx, const json_t *group, const json_t *test)
{
    uint16_t integ = *(const uint16_t *)ctx;
    span_t key = vectors_hex(test, "key");
    if (!alg_takes_key(alg_find(ALG_INTEG, integ, 0), key.len)) return false;
    if (vectors_int(group, "tagSize") < 96) return false;
    check_mac(integ, key, vectors_hex(test, "msg"), vectors_hex(test, "tag"),
              vectors_is(test, "result", "valid"));
    return true;
}

static void hmac_agrees_with_wycheproof(void **state)
{
    (void)state;
    static const char *const files[] = {
        "wycheproof/hmac_sha1_test.json",
        "wycheproof/hmac_sha256_test.json",
        "wycheproof/hmac_sha384_test.json",
        "wycheproof/hmac_sha512_test.json",
    };
    for (size_t i = 0; i < 4; i++) vectors_wycheproof(files[i], wycheproof_mac, &macs[i].integ);
    vectors_done();
}

static void aes_cmac_agrees_with_wycheproof(void **state)
{
    (void)state;
    static const uint16_t cmac = INTEG_AES_CMAC_96;
    vectors_wycheproof("wycheproof/aes_cmac_test.json", wycheproof_mac, &cmac);
    vectors_wycheproof("ipsec_mb/cmac_128_test.json", wycheproof_mac, &cmac);
    vectors_wycheproof("ipsec_mb/cmac_256_test.json", wycheproof_mac, &cmac);
    vectors_done();
}

static bool nist_cmac(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    if (!json_object_get(test, "MESSAGE")) return false; // the empty one is written otherwise
    check_mac(INTEG_AES_CMAC_96, vectors_hex(test, "KEY"), vectors_hex(test, "MESSAGE"),
              vectors_hex(test, "OUTPUT"), true);
    return true;
}

static void aes_cmac_agrees_with_sp800_38b(void **state)
{
    (void)state;
    vectors_blocks("nist/CMAC_nist-800-38b-aes128.txt", nist_cmac, NULL);
    vectors_blocks("nist/CMAC_nist-800-38b-aes256.txt", nist_cmac, NULL);
    vectors_done();
}

// The whole MAC, and its first 96 bits.
static bool rfc_mac(const void *ctx, const json_t *group, const json_t *test)
{
    (void)group;
    uint16_t integ = *(const uint16_t *)ctx;
    span_t key = vectors_hex(test, "key"), msg = vectors_hex(test, "msg");
    span_t mac = vectors_hex(test, "mac");
    check_mac(integ, key, msg, mac, true);
    check_mac(integ, key, msg, span(mac.at, 12), true);
    return true;
}

static void aes_macs_agree_with_rfc_3566_and_4493(void **state)
{
    (void)state;
    static const uint16_t xcbc = INTEG_AES_XCBC_96, cmac = INTEG_AES_CMAC_96;
    const char *file = "rfc/aes_xcbc_rfc3566_cmac_rfc4493.json";
    vectors_each(file, json_object_get(vectors_json(file), "xcbc"), rfc_mac, &xcbc);
    vectors_each(file, json_object_get(vectors_json(file), "cmac"), rfc_mac, &cmac);
    vectors_wycheproof("ipsec_mb/xcbc_test.json", wycheproof_mac, &xcbc);
    vectors_done();
}

static void every_answer_was_asked_for(void **state)
{
    (void)state;
    answer_counts(2509, 1887);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aes_cbc_agrees_with_nist),
        cmocka_unit_test(aes_cbc_agrees_with_rfc_3602),
        cmocka_unit_test(cbc_agrees_with_wycheproof),
        cmocka_unit_test(camellia_cbc_agrees_with_openssl),
        cmocka_unit_test(triple_des_cbc_agrees_with_sp800_67),
        cmocka_unit_test(aes_ctr_agrees_with_rfc_3686),
        cmocka_unit_test(hmac_agrees_with_wycheproof),
        cmocka_unit_test(aes_cmac_agrees_with_wycheproof),
        cmocka_unit_test(aes_cmac_agrees_with_sp800_38b),
        cmocka_unit_test(aes_macs_agree_with_rfc_3566_and_4493),
        cmocka_unit_test(every_answer_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
