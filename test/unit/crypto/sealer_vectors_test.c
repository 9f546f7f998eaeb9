// Known answers for every cipher and MAC, through both providers. Each message is sealed and
// opened alone and in a burst, since a provider may treat the two differently.
#include <stdlib.h>
#include <string.h>

#include "crypto/alg.h"
#include "crypto/prf.h"
#include "crypto/sealer.h"
#include "test/check.h"
#include "test/unit/crypto/vectors.h"

#define BURST 8

static const char *const providers[] = {"openssl", "ipsecmb"};
static unsigned ran[2]; // answers checked with each

// A message as a vector has it.
struct answer {
    struct sealer_spec spec; // with keys
    span_t head, iv, clear, sealed, icv;
    bool esn;
    uint32_t esn_hi;
    bool good; // false: must be refused
};

static span_t join(uint8_t *to, span_t a, span_t b)
{
    if (a.len) memcpy(to, a.at, a.len);
    if (b.len) memcpy(to + a.len, b.at, b.len);
    return span(to, a.len + b.len);
}

// head | IV | text | ICV on the heap, exactly as long as it is.
static uint8_t *message(const struct answer *a, span_t text)
{
    size_t at = 0, len = a->head.len + a->iv.len + text.len + a->icv.len;
    uint8_t *m = malloc(len + 1);
    const span_t parts[] = {a->head, a->iv, text, a->icv};
    for (size_t i = 0; i < 4; i++) {
        if (parts[i].len) memcpy(m + at, parts[i].at, parts[i].len);
        at += parts[i].len;
    }
    return m;
}

static void jobs_fill(const struct answer *a, span_t text, struct seal_job *jobs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        jobs[i] = (struct seal_job){
            .head = message(a, text),
            .head_len = (uint32_t)a->head.len,
            .text_len = (uint32_t)text.len,
            .esn = a->esn,
            .esn_hi = a->esn_hi,
        };
    }
}

// Compares IV, text and ICV with what they should be.
static void jobs_check(const struct answer *a, struct seal_job *jobs, unsigned n, span_t text)
{
    uint8_t *want = message(a, text);
    size_t len = a->head.len + a->iv.len + text.len + a->icv.len;
    for (unsigned i = 0; i < n; i++) {
        CHECK_EQ(jobs[i].bad, !a->good);
        if (a->good) CHECK(!memcmp(jobs[i].head, want, len));
        free(jobs[i].head);
    }
    free(want);
}

static void run(const struct answer *a, struct sealer *s, unsigned n)
{
    struct seal_job jobs[BURST];
    if (a->good) {
        static const uint8_t zeros[64];
        struct answer before = *a;
        before.icv = span(zeros, a->icv.len); // to be written
        jobs_fill(&before, a->clear, jobs, n);
        sealer_seal(s, jobs, n);
        jobs_check(a, jobs, n, a->sealed);
    }
    jobs_fill(a, a->sealed, jobs, n);
    sealer_open(s, jobs, n);
    jobs_check(a, jobs, n, a->clear);
}

// Through all providers that this machine has; OpenSSL always.
static void check(struct answer *a)
{
    for (size_t p = 0; p < 2; p++) {
        struct sealer *s = NULL;
        a->spec.provider = providers[p];
        a->spec.icv_len = (uint16_t)a->icv.len;
        err_t e = sealer_new(&a->spec, &s, NULL);
        if (p == 1 && e == ERR_ALGORITHM) continue;
        CHECK_OK(e);
        run(a, s, 1);
        run(a, s, BURST);
        sealer_free(s);
        ran[p]++;
    }
}

// ---- AEAD ----

static bool wycheproof_aead(const void *ctx, const json_t *group, const json_t *test)
{
    uint8_t key[64];
    span_t iv = vectors_hex(test, "iv");
    if (vectors_int(group, "ivSize") != 96 || vectors_int(group, "tagSize") != 128) return false;
    struct answer a = {
        .spec.encr = *(const uint16_t *)ctx,
        .head = vectors_hex(test, "aad"),
        .iv = span(iv.at + 4, 8),
        .clear = vectors_hex(test, "msg"),
        .sealed = vectors_hex(test, "ct"),
        .icv = vectors_hex(test, "tag"),
        .good = vectors_is(test, "result", "valid"),
    };
    a.spec.encr_key = join(key, vectors_hex(test, "key"), span(iv.at, 4));
    check(&a);
    return true;
}

static void aes_gcm_agrees_with_wycheproof(void **state)
{
    (void)state;
    static const uint16_t gcm = ENCR_AES_GCM_16;
    vectors_wycheproof("wycheproof/aes_gcm_test.json", wycheproof_aead, &gcm);
    vectors_done();
}

static void chacha20_poly1305_agrees_with_wycheproof(void **state)
{
    (void)state;
    static const uint16_t chacha = ENCR_CHACHA20_POLY1305;
    vectors_wycheproof("wycheproof/chacha20_poly1305_test.json", wycheproof_aead, &chacha);
    vectors_wycheproof("ipsec_mb/chacha20_poly1305_test.json", wycheproof_aead, &chacha);
    vectors_done();
}

// Shorter tags are the first bytes of the long one.
static bool wycheproof_short_tag(const void *ctx, const json_t *group, const json_t *test)
{
    uint8_t key[64];
    uint16_t encr = *(const uint16_t *)ctx;
    span_t iv = vectors_hex(test, "iv"), tag = vectors_hex(test, "tag");
    if (vectors_int(group, "ivSize") != 96 || !vectors_is(test, "result", "valid")) return false;
    struct answer a = {
        .spec.encr = encr,
        .head = vectors_hex(test, "aad"),
        .iv = span(iv.at + 4, 8),
        .clear = vectors_hex(test, "msg"),
        .sealed = vectors_hex(test, "ct"),
        .icv = span(tag.at, encr == ENCR_AES_GCM_8 ? 8 : 12),
        .good = true,
    };
    a.spec.encr_key = join(key, vectors_hex(test, "key"), span(iv.at, 4));
    check(&a);
    return true;
}

static void short_gcm_tags_are_cut_from_long_ones(void **state)
{
    (void)state;
    static const uint16_t shorter[] = {ENCR_AES_GCM_8, ENCR_AES_GCM_12};
    for (size_t i = 0; i < 2; i++) {
        vectors_wycheproof("wycheproof/aes_gcm_test.json", wycheproof_short_tag, &shorter[i]);
    }
    vectors_done();
}

// SPI | sequence number | IV | ciphertext | ICV, whole.
static struct answer esp_answer(span_t packet, span_t clear, uint16_t encr, span_t key)
{
    return (struct answer){
        .spec = {.encr = encr, .encr_key = key},
        .head = span(packet.at, 8),
        .iv = span(packet.at + 8, 8),
        .clear = clear,
        .sealed = span(packet.at + 16, clear.len),
        .icv = span(packet.at + 16 + clear.len, packet.len - 16 - clear.len),
        .good = true,
    };
}

static bool mcgrew(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    uint8_t key[64];
    span_t clear = vectors_hex(test, "plaintext_padded");
    struct answer a = esp_answer(vectors_hex(test, "esp_packet"), clear, ENCR_AES_GCM_16,
                                 join(key, vectors_hex(test, "key"), vectors_hex(test, "salt")));
    uint16_t by_len[] = {[8] = ENCR_AES_GCM_8, [12] = ENCR_AES_GCM_12, [16] = ENCR_AES_GCM_16};
    CHECK(a.icv.len == 8 || a.icv.len == 12 || a.icv.len == 16);
    a.spec.encr = by_len[a.icv.len];
    a.esn = json_is_true(json_object_get(test, "esn"));
    if (a.esn) {
        rd_t r = rd_from(vectors_hex(test, "seq_hi"));
        a.esn_hi = rd_u32(&r);
    }
    check(&a);
    return true;
}

static void esp_packets_of_draft_mcgrew(void **state)
{
    (void)state;
    const char *file = "rfc/esp_aes_gcm_draft_mcgrew.json";
    vectors_each(file, json_object_get(vectors_json(file), "cases"), mcgrew, NULL);
    vectors_done();
}

static void the_packet_and_the_message_of_rfc_7634(void **state)
{
    (void)state;
    uint8_t key[64];
    const json_t *file = vectors_json("rfc/chacha20poly1305_esp_ike_rfc7634.json");
    const json_t *esp = json_object_get(file, "esp_tunnel");
    span_t packet = vectors_hex(esp, "esp_packet");
    span_t k = join(key, vectors_hex(esp, "key"), vectors_hex(esp, "salt"));
    // 20 bytes of IP header
    struct answer a = esp_answer(span(packet.at + 20, packet.len - 20),
                                 vectors_hex(esp, "plaintext_padded"), ENCR_CHACHA20_POLY1305, k);
    check(&a);

    const json_t *ike = json_object_get(file, "ike_informational");
    k = join(key, vectors_hex(ike, "key"), vectors_hex(ike, "salt"));
    a = (struct answer){
        .spec = {.encr = ENCR_CHACHA20_POLY1305, .encr_key = k},
        .head = vectors_hex(ike, "aad"), // rfc5282 5.1: IKE header to Encrypted payload header
        .iv = vectors_hex(ike, "iv"),
        .clear = vectors_hex(ike, "plaintext"),
        .sealed = vectors_hex(ike, "ciphertext"),
        .icv = vectors_hex(ike, "tag"),
        .good = true,
    };
    check(&a);
    vectors_done();
}

// ---- cipher and MAC ----

static const struct {
    uint16_t integ, prf;
    uint8_t len; // of key and untruncated output
} macs[] = {
    {INTEG_HMAC_SHA1_96, PRF_HMAC_SHA1, 20},
    {INTEG_HMAC_SHA2_256_128, PRF_HMAC_SHA2_256, 32},
    {INTEG_HMAC_SHA2_384_192, PRF_HMAC_SHA2_384, 48},
    {INTEG_HMAC_SHA2_512_256, PRF_HMAC_SHA2_512, 64},
};

// The vectors of a cipher alone get a MAC from prf_do(), which has vectors of its own.
static void check_cbc(span_t key, span_t iv, span_t clear, span_t sealed)
{
    for (size_t i = 0; i < 4; i++) {
        uint8_t mac_key[64], mac[PRF_MAX], head[] = "SPI + SN";
        memset(mac_key, 0x5a, sizeof mac_key);
        const span_t parts[] = {span(head, 8), iv, sealed};
        CHECK_OK(prf_do(macs[i].prf, span(mac_key, macs[i].len), parts, 3, mac));
        struct answer a = {
            .spec = {.encr = ENCR_AES_CBC, .integ = macs[i].integ, .encr_key = key},
            .head = parts[0],
            .iv = iv,
            .clear = clear,
            .sealed = sealed,
            .icv = span(mac, macs[i].len / 2U),
            .good = true,
        };
        if (macs[i].integ == INTEG_HMAC_SHA1_96) a.icv.len = 12;
        a.spec.integ_key = span(mac_key, macs[i].len);
        check(&a);
    }
}

static bool nist_cbc(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    check_cbc(vectors_hex(test, "KEY"), vectors_hex(test, "IV"), vectors_hex(test, "PLAINTEXT"),
              vectors_hex(test, "CIPHERTEXT"));
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
    check_cbc(vectors_hex(test, "key"), vectors_hex(test, "iv"), vectors_hex(test, names[0]),
              vectors_hex(test, names[1]));
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
    (void)ctx, (void)group;
    if (!vectors_is(test, "result", "valid")) return false;
    uint8_t padded[512];
    span_t msg = vectors_hex(test, "msg"), sealed = vectors_hex(test, "ct");
    CHECK(sealed.len <= sizeof padded && msg.len < sealed.len);
    memset(padded, (int)(sealed.len - msg.len), sizeof padded);
    memcpy(padded, msg.at, msg.len);
    check_cbc(vectors_hex(test, "key"), vectors_hex(test, "iv"), span(padded, sealed.len), sealed);
    return true;
}

static void aes_cbc_agrees_with_wycheproof(void **state)
{
    (void)state;
    vectors_wycheproof("wycheproof/aes_cbc_pkcs5_test.json", wycheproof_cbc, NULL);
    vectors_done();
}

// With the NULL cipher what remains is the MAC over head and text.
static bool wycheproof_mac(const void *ctx, const json_t *group, const json_t *test)
{
    uint8_t mac = *(const uint8_t *)ctx;
    span_t key = vectors_hex(test, "key"), msg = vectors_hex(test, "msg");
    // rfc4868 2.1.1: keys of one length only; and no ICV below 96 bits
    if (key.len != macs[mac].len || vectors_int(group, "tagSize") < 96) return false;
    size_t head = msg.len < 8 ? msg.len : 8;
    struct answer a = {
        .spec = {.encr = ENCR_NULL, .integ = macs[mac].integ, .integ_key = key},
        .head = span(msg.at, head),
        .clear = span(msg.at + head, msg.len - head),
        .sealed = span(msg.at + head, msg.len - head),
        .icv = vectors_hex(test, "tag"),
        .good = vectors_is(test, "result", "valid"),
    };
    check(&a);
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
    for (uint8_t i = 0; i < 4; i++) vectors_wycheproof(files[i], wycheproof_mac, &i);
    vectors_done();
}

// A machine may lack ipsecmb; where it is, nothing was left out.
static void providers_had_the_same_questions(void **state)
{
    (void)state;
    print_message("# %u answers from openssl, %u from ipsecmb\n", ran[0], ran[1]);
    CHECK(ran[0] > 0);
    CHECK(ran[1] == 0 || ran[1] == ran[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aes_gcm_agrees_with_wycheproof),
        cmocka_unit_test(chacha20_poly1305_agrees_with_wycheproof),
        cmocka_unit_test(short_gcm_tags_are_cut_from_long_ones),
        cmocka_unit_test(esp_packets_of_draft_mcgrew),
        cmocka_unit_test(the_packet_and_the_message_of_rfc_7634),
        cmocka_unit_test(aes_cbc_agrees_with_nist),
        cmocka_unit_test(aes_cbc_agrees_with_rfc_3602),
        cmocka_unit_test(aes_cbc_agrees_with_wycheproof),
        cmocka_unit_test(hmac_agrees_with_wycheproof),
        cmocka_unit_test(providers_had_the_same_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
