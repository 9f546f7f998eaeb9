// Known answers for every cipher that authenticates by itself, through both providers.
#include <stdlib.h>
#include <string.h>

#include "crypto/alg.h"
#include "crypto/sealer.h"
#include "test/check.h"
#include "test/unit/crypto/answer.h"
#include "test/unit/crypto/vectors.h"

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
    a.spec.encr_key = answer_join(key, vectors_hex(test, "key"), span(iv.at, 4));
    answer_check(&a);
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
    a.spec.encr_key = answer_join(key, vectors_hex(test, "key"), span(iv.at, 4));
    answer_check(&a);
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
    struct answer a =
        esp_answer(vectors_hex(test, "esp_packet"), clear, ENCR_AES_GCM_16,
                   answer_join(key, vectors_hex(test, "key"), vectors_hex(test, "salt")));
    uint16_t by_len[] = {[8] = ENCR_AES_GCM_8, [12] = ENCR_AES_GCM_12, [16] = ENCR_AES_GCM_16};
    CHECK(a.icv.len == 8 || a.icv.len == 12 || a.icv.len == 16);
    a.spec.encr = by_len[a.icv.len];
    a.esn = json_is_true(json_object_get(test, "esn"));
    if (a.esn) {
        rd_t r = rd_from(vectors_hex(test, "seq_hi"));
        a.esn_hi = rd_u32(&r);
    }
    answer_check(&a);
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
    span_t k = answer_join(key, vectors_hex(esp, "key"), vectors_hex(esp, "salt"));
    // 20 bytes of IP header
    struct answer a = esp_answer(span(packet.at + 20, packet.len - 20),
                                 vectors_hex(esp, "plaintext_padded"), ENCR_CHACHA20_POLY1305, k);
    answer_check(&a);

    const json_t *ike = json_object_get(file, "ike_informational");
    k = answer_join(key, vectors_hex(ike, "key"), vectors_hex(ike, "salt"));
    a = (struct answer){
        .spec = {.encr = ENCR_CHACHA20_POLY1305, .encr_key = k},
        .head = vectors_hex(ike, "aad"), // rfc5282 5.1: IKE header to Encrypted payload header
        .iv = vectors_hex(ike, "iv"),
        .clear = vectors_hex(ike, "plaintext"),
        .sealed = vectors_hex(ike, "ciphertext"),
        .icv = vectors_hex(ike, "tag"),
        .good = true,
    };
    answer_check(&a);
    vectors_done();
}

// ---- CCM ----

static uint16_t ccm_of(size_t icv)
{
    return icv == 8 ? ENCR_AES_CCM_8 : icv == 12 ? ENCR_AES_CCM_12 : ENCR_AES_CCM_16;
}

// RFC 4309 leaves 11 bytes for the nonce: other lengths do not apply.
static bool wycheproof_ccm(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx;
    uint8_t key[64];
    span_t iv = vectors_hex(test, "iv");
    if (vectors_int(group, "ivSize") != 88 || vectors_int(group, "tagSize") != 128) return false;
    struct answer a = {
        .spec.encr = ENCR_AES_CCM_16,
        .head = vectors_hex(test, "aad"),
        .iv = span(iv.at + 3, 8),
        .clear = vectors_hex(test, "msg"),
        .sealed = vectors_hex(test, "ct"),
        .icv = vectors_hex(test, "tag"),
        .good = vectors_is(test, "result", "valid"),
    };
    a.spec.encr_key = answer_join(key, vectors_hex(test, "key"), span(iv.at, 3));
    answer_check(&a);
    return true;
}

static void aes_ccm_agrees_with_wycheproof(void **state)
{
    (void)state;
    vectors_wycheproof("wycheproof/aes_ccm_test.json", wycheproof_ccm, NULL);
    vectors_done();
}

// The published vectors with short tags have nonces of other lengths. So CCM is computed a second
// time, as SP 800-38C words it, from single blocks of AES; NIST's and Intel's vectors judge that
// computation, and it then judges the sealer.

// One block of AES: AES-CBC with an IV of zeros.
static void block_seal(struct sealer *aes, uint8_t block[16])
{
    uint8_t message[32 + 32] = {0};
    struct seal_job job = {.head = message, .head_len = 0, .text_len = 16};
    memcpy(message + 16, block, 16);
    sealer_seal(aes, &job, 1);
    CHECK(!job.bad);
    memcpy(block, message + 16, 16);
}

static struct sealer *aes_new(span_t key)
{
    static const uint8_t mac_key[20] = {1};
    struct sealer *s = NULL;
    const struct sealer_spec spec = {
        .encr = ENCR_AES_CBC,
        .integ = INTEG_HMAC_SHA1_96,
        .encr_key = key,
        .integ_key = span(mac_key, sizeof mac_key),
        .provider = "openssl",
    };
    CHECK_OK(sealer_new(&spec, &s, NULL));
    return s;
}

// Goes on with the CBC-MAC x over bytes that end with a block.
static void chain(struct sealer *aes, uint8_t x[16], span_t bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        x[i % 16] ^= bytes.at[i];
        if (i % 16 == 15 || i + 1 == bytes.len) block_seal(aes, x);
    }
}

struct ccm {
    span_t key, nonce, aad, clear;
    size_t icv_len;
    uint8_t sealed[512], icv[16];
};

static void counter_block(const struct ccm *c, size_t i, uint8_t block[16])
{
    memset(block, 0, 16);
    block[0] = (uint8_t)(14 - c->nonce.len);
    memcpy(block + 1, c->nonce.at, c->nonce.len);
    block[14] = (uint8_t)(i >> 8);
    block[15] = (uint8_t)i;
}

static void ccm_compute(struct ccm *c)
{
    struct sealer *aes = aes_new(c->key);
    uint8_t x[16], s[16], head[2 + 512] = {(uint8_t)(c->aad.len >> 8), (uint8_t)c->aad.len};
    counter_block(c, c->clear.len, x); // B0 is laid out like a counter: flags, nonce, a number
    x[0] |= (uint8_t)((c->aad.len ? 64 : 0) | (c->icv_len - 2) / 2 << 3);
    block_seal(aes, x);
    if (c->aad.len) memcpy(head + 2, c->aad.at, c->aad.len);
    if (c->aad.len) chain(aes, x, span(head, 2 + c->aad.len));
    chain(aes, x, c->clear);
    for (size_t i = 0; i < c->clear.len; i++) {
        if (i % 16 == 0) counter_block(c, 1 + i / 16, s);
        if (i % 16 == 0) block_seal(aes, s);
        c->sealed[i] = c->clear.at[i] ^ s[i % 16];
    }
    counter_block(c, 0, s);
    block_seal(aes, s);
    for (size_t i = 0; i < c->icv_len; i++) c->icv[i] = x[i] ^ s[i];
    sealer_free(aes);
}

static void sealer_agrees(const struct ccm *like, size_t icv_len)
{
    uint8_t key[64], salt[] = "slt", iv[] = "eight IV", nonce[11];
    struct ccm c = *like;
    c.nonce = answer_join(nonce, span(salt, 3), span(iv, 8));
    c.icv_len = icv_len;
    ccm_compute(&c);
    struct answer a = {
        .spec = {.encr = ccm_of(icv_len), .encr_key = answer_join(key, c.key, span(salt, 3))},
        .head = c.aad,
        .iv = span(iv, 8),
        .clear = c.clear,
        .sealed = span(c.sealed, c.clear.len),
        .icv = span(c.icv, icv_len),
        .good = true,
    };
    answer_check(&a);
}

static void ccm_case(struct ccm *c, span_t sealed, span_t icv)
{
    CHECK(c->clear.len <= sizeof c->sealed && c->aad.len <= 512);
    c->icv_len = icv.len;
    ccm_compute(c);
    CHECK(!memcmp(c->sealed, sealed.at, c->clear.len));
    CHECK(!memcmp(c->icv, icv.at, icv.len));
    for (size_t icv_len = 8; icv_len <= 16; icv_len += 4) sealer_agrees(c, icv_len);
}

static bool ipsec_mb_ccm(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx, (void)group;
    struct ccm c = {
        .key = vectors_hex(test, "key"),
        .nonce = vectors_hex(test, "iv"),
        .aad = vectors_hex(test, "aad"),
        .clear = vectors_hex(test, "msg"),
    };
    ccm_case(&c, vectors_hex(test, "ct"), vectors_hex(test, "tag"));
    return true;
}

// NIST writes lengths and keys once for many cases.
struct vtt {
    span_t key, nonce;
    size_t text_len;
};

static bool nist_ccm(const void *ctx, const json_t *group, const json_t *test)
{
    (void)group;
    struct vtt *v = *(struct vtt *const *)ctx;
    if (json_object_get(test, "Plen")) v->text_len = strtoul(vectors_str(test, "Plen"), NULL, 10);
    if (json_object_get(test, "Key")) v->key = vectors_hex(test, "Key");
    if (json_object_get(test, "Nonce")) v->nonce = vectors_hex(test, "Nonce");
    if (!json_object_get(test, "CT")) return false;
    span_t sealed = vectors_hex(test, "CT");
    struct ccm c = {
        .key = v->key,
        .nonce = v->nonce,
        .aad = vectors_hex(test, "Adata"),
        .clear = vectors_hex(test, "Payload"),
    };
    CHECK_EQ(c.clear.len, v->text_len);
    ccm_case(&c, sealed, span(sealed.at + c.clear.len, sealed.len - c.clear.len));
    return true;
}

static void aes_ccm_agrees_with_its_definition(void **state)
{
    (void)state;
    struct vtt v = {0}, *at = &v;
    vectors_wycheproof("ipsec_mb/ccm_128_test.json", ipsec_mb_ccm, NULL);
    vectors_wycheproof("ipsec_mb/ccm_256_test.json", ipsec_mb_ccm, NULL);
    vectors_blocks("nist/CCM_VTT128.rsp", nist_ccm, &at);
    vectors_blocks("nist/CCM_VTT256.rsp", nist_ccm, &at);
    vectors_done();
}

// ---- GMAC ----

// A GMAC over bytes of one's own choice is AES-GCM with nothing to seal; ENCR_NULL_AUTH_AES_GMAC
// always covers its IV, too (RFC 4543 3.3). So the vectors are put to the first, and the first is
// asked for what the second must give.
static bool gmac(const void *ctx, const json_t *group, const json_t *test)
{
    (void)ctx;
    uint8_t key[64];
    span_t iv = vectors_hex(test, "iv");
    if (vectors_int(group, "ivSize") != 96 || vectors_int(group, "tagSize") != 128) return false;
    struct answer a = {
        .spec.encr = ENCR_AES_GCM_16,
        .head = vectors_hex(test, "msg"),
        .iv = span(iv.at + 4, 8),
        .icv = vectors_hex(test, "tag"),
        .good = vectors_is(test, "result", "valid"),
    };
    a.spec.encr_key = answer_join(key, vectors_hex(test, "key"), span(iv.at, 4));
    answer_check(&a);
    return true;
}

// The tag of AES-GCM over additional data alone.
static void gcm_tag(span_t key, span_t iv, span_t aad, uint8_t tag[16])
{
    uint8_t m[2048];
    struct sealer *s = NULL;
    struct seal_job job = {.head = m, .head_len = (uint32_t)aad.len};
    CHECK(aad.len + 8 + 16 <= sizeof m);
    memcpy(m, aad.at, aad.len);
    memcpy(m + aad.len, iv.at, 8);
    CHECK_OK(sealer_new(&(struct sealer_spec){.encr = ENCR_AES_GCM_16, .encr_key = key}, &s, NULL));
    sealer_seal(s, &job, 1);
    CHECK(!job.bad);
    memcpy(tag, m + aad.len + 8, 16);
    sealer_free(s);
}

static void gmac_covers(size_t key_len, size_t text_len, bool esn)
{
    static const uint8_t hi[] = {0, 0, 0, 9};
    uint8_t bytes[1024], aad[1100], tag[16];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 5 + key_len);
    span_t head = span(bytes, 8), iv = span(bytes + 8, 8), text = span(bytes + 16, text_len);
    // rfc4543 3.3: SPI, the whole sequence number, IV, payload
    wr_t w = wr_into(aad, sizeof aad);
    wr_bytes(&w, span(head.at, 4));
    if (esn) wr_bytes(&w, span(hi, 4));
    wr_bytes(&w, span(head.at + 4, 4));
    wr_bytes(&w, iv);
    wr_bytes(&w, text);
    span_t key = span(bytes + 900, key_len + 4);
    gcm_tag(key, iv, wr_span(&w), tag);
    struct answer a = {
        .spec = {.encr = ENCR_NULL_AES_GMAC, .encr_key = key},
        .head = head,
        .iv = iv,
        .clear = text,
        .sealed = text,
        .icv = span(tag, 16),
        .esn = esn,
        .esn_hi = 9,
        .good = true,
    };
    answer_check(&a);
}

static void aes_gmac_agrees_with_wycheproof_and_covers_what_rfc_4543_says(void **state)
{
    (void)state;
    vectors_wycheproof("wycheproof/aes_gmac_test.json", gmac, NULL);
    vectors_wycheproof("ipsec_mb/gmac_test.json", gmac, NULL);
    for (size_t key = 16; key <= 32; key += 8) {
        for (size_t text = 0; text <= 100; text++) {
            gmac_covers(key, text, false);
            gmac_covers(key, text, true);
        }
    }
    vectors_done();
}

static void every_answer_was_asked_for(void **state)
{
    (void)state;
    answer_counts(2171, 2165);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aes_gcm_agrees_with_wycheproof),
        cmocka_unit_test(chacha20_poly1305_agrees_with_wycheproof),
        cmocka_unit_test(short_gcm_tags_are_cut_from_long_ones),
        cmocka_unit_test(esp_packets_of_draft_mcgrew),
        cmocka_unit_test(the_packet_and_the_message_of_rfc_7634),
        cmocka_unit_test(aes_ccm_agrees_with_wycheproof),
        cmocka_unit_test(aes_ccm_agrees_with_its_definition),
        cmocka_unit_test(aes_gmac_agrees_with_wycheproof_and_covers_what_rfc_4543_says),
        cmocka_unit_test(every_answer_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
