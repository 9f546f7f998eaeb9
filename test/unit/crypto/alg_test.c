#include <string.h>

#include "crypto/alg.h"
#include "test/check.h"

static void keywords_find_their_entry(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        unsigned type, id, key, icv;
    } want[] = {
        {"aes128gcm16", ALG_ENCR, ENCR_AES_GCM_16, 16, 16},
        {"aes256gcm", ALG_ENCR, ENCR_AES_GCM_16, 32, 16},
        {"aes192gcm128", ALG_ENCR, ENCR_AES_GCM_16, 24, 16},
        {"aes128gcm96", ALG_ENCR, ENCR_AES_GCM_12, 16, 12},
        {"aes256gcm64", ALG_ENCR, ENCR_AES_GCM_8, 32, 8},
        {"chacha20poly1305", ALG_ENCR, ENCR_CHACHA20_POLY1305, 32, 16},
        {"aes", ALG_ENCR, ENCR_AES_CBC, 16, 0},
        {"aes192", ALG_ENCR, ENCR_AES_CBC, 24, 0},
        {"null", ALG_ENCR, ENCR_NULL, 0, 0},
        {"aes128ccm64", ALG_ENCR, ENCR_AES_CCM_8, 16, 8},
        {"aes192ccm12", ALG_ENCR, ENCR_AES_CCM_12, 24, 12},
        {"aes256ccm", ALG_ENCR, ENCR_AES_CCM_16, 32, 16},
        {"aes192gmac", ALG_ENCR, ENCR_NULL_AES_GMAC, 24, 16},
        {"aes256ctr", ALG_ENCR, ENCR_AES_CTR, 32, 0},
        {"camellia", ALG_ENCR, ENCR_CAMELLIA_CBC, 16, 0},
        {"camellia256", ALG_ENCR, ENCR_CAMELLIA_CBC, 32, 0},
        {"3des", ALG_ENCR, ENCR_3DES, 24, 0},
        {"aesxcbc", ALG_INTEG, INTEG_AES_XCBC_96, 16, 12},
        {"aescmac", ALG_INTEG, INTEG_AES_CMAC_96, 16, 12},
        {"prfaesxcbc", ALG_PRF, PRF_AES128_XCBC, 0, 0},
        {"prfaescmac", ALG_PRF, PRF_AES128_CMAC, 0, 0},
        {"sha", ALG_INTEG, INTEG_HMAC_SHA1_96, 20, 12},
        {"sha2_256", ALG_INTEG, INTEG_HMAC_SHA2_256_128, 32, 16},
        {"sha384", ALG_INTEG, INTEG_HMAC_SHA2_384_192, 48, 24},
        {"sha512", ALG_INTEG, INTEG_HMAC_SHA2_512_256, 64, 32},
        {"prfsha384", ALG_PRF, PRF_HMAC_SHA2_384, 0, 0},
        {"curve25519", ALG_KE, KE_X25519, 0, 0},
        {"ecp521", ALG_KE, KE_ECP_521, 0, 0},
        {"modp3072", ALG_KE, KE_MODP_3072, 0, 0},
        {"esn", ALG_ESN, ESN_YES, 0, 0},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const struct alg *a = alg_by_keyword(want[i].word);
        CHECK(a != NULL);
        CHECK_EQ(a->type, want[i].type);
        CHECK_EQ(a->id, want[i].id);
        CHECK_EQ(a->key_len, want[i].key);
        CHECK_EQ(a->icv_len, want[i].icv);
    }
    CHECK(alg_by_keyword("aes512") == NULL);
    CHECK(alg_by_keyword("chacha20poly1305compat") == NULL);
    CHECK(alg_by_keyword("") == NULL);
}

static void the_word_list_is_the_table(void **state)
{
    (void)state;
    size_t n, words = 0;
    const struct alg *all = alg_all(&n);
    CHECK(n > 0);
    for (const char *const *w = alg_keywords(); *w; w++, words++) {
        CHECK(alg_by_keyword(*w) != NULL);
        for (const char *const *v = alg_keywords(); v < w; v++) CHECK(strcmp(*v, *w) != 0);
    }
    for (size_t i = 0; i < n; i++) {
        bool listed = false;
        for (const char *const *w = alg_keywords(); *w; w++) {
            listed = listed || !strcmp(*w, all[i].keyword);
        }
        CHECK(listed);
        CHECK(alg_by_keyword(all[i].keyword) == &all[i]);
        CHECK(alg_find(all[i].type, all[i].id, all[i].key_len) == &all[i]);
    }
    CHECK_EQ(words, n + 33); // 33 aliases
}

static void kernel_names_find_their_entry(void **state)
{
    (void)state;
    const struct alg *a = alg_by_kernel(ALG_ENCR, "rfc4106(gcm(aes))", 32, 12);
    CHECK_STR(a->keyword, "aes256gcm12");
    a = alg_by_kernel(ALG_ENCR, "rfc4106(gcm(aes))", 0, 0);
    CHECK_STR(a->keyword, "aes128gcm16");
    CHECK(alg_by_kernel(ALG_ENCR, "rfc4106(gcm(aes))", 20, 16) == NULL);
    CHECK(alg_by_kernel(ALG_ENCR, "rfc4106(gcm(aes))", 16, 10) == NULL);
    CHECK(alg_by_kernel(ALG_ENCR, "cbc(aes)", 24, 0)->key_len == 24);
    CHECK(alg_by_kernel(ALG_ENCR, "aes", 32, 0)->id == ENCR_AES_CBC);
    CHECK(alg_by_kernel(ALG_ENCR, "cipher_null", 0, 0)->id == ENCR_NULL);
    CHECK(alg_by_kernel(ALG_ENCR, "rfc7539esp(chacha20,poly1305)", 32, 16) != NULL);
    a = alg_by_kernel(ALG_ENCR, "rfc4309(ccm(aes))", 24, 8);
    CHECK_STR(a->keyword, "aes192ccm8");
    CHECK_STR(alg_by_kernel(ALG_ENCR, "rfc4543(gcm(aes))", 16, 16)->keyword, "aes128gmac");
    CHECK(alg_by_kernel(ALG_ENCR, "rfc4543(gcm(aes))", 16, 12) == NULL);
    CHECK_STR(alg_by_kernel(ALG_ENCR, "rfc3686(ctr(aes))", 32, 0)->keyword, "aes256ctr");
    CHECK_STR(alg_by_kernel(ALG_ENCR, "camellia", 24, 0)->keyword, "camellia192");
    CHECK_STR(alg_by_kernel(ALG_ENCR, "des3_ede", 0, 0)->keyword, "3des");
    CHECK_STR(alg_by_kernel(ALG_INTEG, "xcbc(aes)", 0, 0)->keyword, "aesxcbc");
    CHECK_STR(alg_by_kernel(ALG_INTEG, "cmac(aes)", 0, 0)->keyword, "aescmac");
    // `ip xfrm state add ... auth hmac(sha256)` has 96 bits
    CHECK(alg_by_kernel(ALG_INTEG, "hmac(sha256)", 32, 12)->id == INTEG_HMAC_SHA2_256_128);
    CHECK(alg_by_kernel(ALG_INTEG, "sha1", 20, 12)->id == INTEG_HMAC_SHA1_96);
    CHECK(alg_by_kernel(ALG_INTEG, "cbc(aes)", 16, 0) == NULL);
    CHECK(alg_by_kernel(ALG_ENCR, "sha1", 20, 0) == NULL);
    CHECK(alg_by_kernel(ALG_INTEG, "sha384", 48, 0) == NULL); // the kernel has no such alias
}

static void numbers_have_names(void **state)
{
    (void)state;
    char buf[32];
    CHECK_STR(alg_show(ALG_ENCR, ENCR_AES_GCM_16, buf), "AES_GCM_16");
    CHECK_STR(alg_show(ALG_INTEG, INTEG_HMAC_SHA2_256_128, buf), "HMAC_SHA2_256_128");
    CHECK_STR(alg_show(ALG_PRF, PRF_HMAC_SHA2_512, buf), "PRF_HMAC_SHA2_512");
    CHECK_STR(alg_show(ALG_KE, KE_X25519, buf), "CURVE_25519");
    CHECK_STR(alg_show(ALG_KE, 2, buf), "MODP_1024");
    CHECK_STR(alg_show(ALG_ENCR, 2, buf), "DES_CBC");
    CHECK_STR(alg_show(ALG_ESN, ESN_NO, buf), "NO_EXT_SEQ");
    CHECK_STR(alg_show(ALG_ENCR, 65535, buf), "UNKNOWN_65535");
}

static void sizes_are_the_rfcs(void **state)
{
    (void)state;
    size_t n;
    const struct alg *all = alg_all(&n);
    for (size_t i = 0; i < n; i++) {
        const struct alg *a = &all[i];
        CHECK(a->block >= 1);
        CHECK(a->name != NULL);
        CHECK_EQ(a->aead, a->type == ALG_ENCR && a->icv_len > 0);
        if (a->aead) CHECK(a->salt_len == (strstr(a->name, "CCM") ? 3 : 4) && a->iv_len == 8);
        CHECK_EQ(a->mac_len > 0, a->type == ALG_INTEG);
        CHECK(a->icv_len <= a->mac_len || a->type != ALG_INTEG);
    }
}

static void keys_have_the_kernels_lengths(void **state)
{
    (void)state;
    static const struct {
        const char *word, *bytes, *bits;
    } want[] = {
        {"aes128gcm16", "20, 28 or 36", "160, 224 or 288"},
        {"aes128ccm8", "19, 27 or 35", "152, 216 or 280"},
        {"aes256ctr", "20, 28 or 36", "160, 224 or 288"},
        {"camellia128", "16, 24 or 32", "128, 192 or 256"},
        {"3des", "24", "192"},
        {"null", "0", "0"},
        {"chacha20poly1305", "36", "288"},
        {"aescmac", "16, 24 or 32", "128, 192 or 256"},
        {"sha256", "1 or more", "8 or more"},
    };
    char buf[48];
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const struct alg *a = alg_by_keyword(want[i].word);
        CHECK_STR(alg_show_keys(a, 1, buf), want[i].bytes);
        CHECK_STR(alg_show_keys(a, 8, buf), want[i].bits);
        CHECK(alg_takes_key(a, (size_t)a->key_len + a->salt_len));
        CHECK_EQ(alg_takes_key(a, 0), a->id == ENCR_NULL && a->type == ALG_ENCR);
        CHECK_EQ(alg_takes_key(a, 200), a->hmac);
    }
}

static void what_is_left_out_is_left_out_for_a_reason(void **state)
{
    (void)state;
    static const char *const refused[] = {"cbc(des)", "des", "cbc(twofish)"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        CHECK(alg_refusal(refused[i]) != NULL);
        CHECK(alg_by_kernel(ALG_ENCR, refused[i], 0, 0) == NULL);
        CHECK(alg_by_kernel(ALG_INTEG, refused[i], 0, 0) == NULL);
    }
    CHECK(strstr(alg_refusal("cbc(des)"), "RFC 8221") != NULL);
    CHECK(alg_refusal("rot13") == NULL);
    size_t n;
    const struct alg *all = alg_all(&n);
    for (size_t i = 0; i < n; i++) {
        if (all[i].kernel) CHECK(alg_refusal(all[i].kernel) == NULL);
    }
}

// rfc8247 2.1 - 2.4, rfc8221 5, 6: SHOULD NOT and MUST NOT
static void what_is_old_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        bool broken;
    } old[] = {{"3des", false},         {"md5", true},          {"md5_128", true},
               {"prfmd5", true},        {"modp768", true},      {"modp1024", false},
               {"modp1536", false},     {"modp1024s160", true}, {"modp2048s224", false},
               {"modp2048s256", false}, {"ecp192", false},      {"ecp224", false},
               {"ecp224bp", false}};
    size_t n, found = 0;
    const struct alg *all = alg_all(&n);
    for (size_t i = 0; i < n; i++) {
        size_t k = 0, count = sizeof old / sizeof *old;
        while (k < count && strcmp(all[i].keyword, old[k].word) != 0) k++;
        CHECK_EQ(all[i].legacy, k < count);
        CHECK_EQ(all[i].broken, k < count && old[k].broken);
        found += k < count;
    }
    CHECK_EQ(found, sizeof old / sizeof *old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keywords_find_their_entry),
        cmocka_unit_test(the_word_list_is_the_table),
        cmocka_unit_test(kernel_names_find_their_entry),
        cmocka_unit_test(numbers_have_names),
        cmocka_unit_test(sizes_are_the_rfcs),
        cmocka_unit_test(keys_have_the_kernels_lengths),
        cmocka_unit_test(what_is_left_out_is_left_out_for_a_reason),
        cmocka_unit_test(what_is_old_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
