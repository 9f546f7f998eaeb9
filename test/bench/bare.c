#include "test/bench/bare.h"

#include <intel-ipsec-mb.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define TAG 16
#define HEAD 8

struct bare {
    struct bare_spec spec;
    IMB_MGR *mgr;
    struct gcm_key_data gcm;
    uint32_t enc[60] __attribute__((aligned(16))), dec[60] __attribute__((aligned(16)));
    uint8_t ipad[64], opad[64];
    EVP_CIPHER_CTX *cipher;
    EVP_MAC *hmac;
    EVP_MAC_CTX *mac;
};

// ---- making ----

static void hmac_state(const struct bare *b, uint8_t pad, uint8_t *state)
{
    uint8_t block[64];
    memset(block, pad, sizeof block);
    for (unsigned i = 0; i < 32; i++) block[i] ^= b->spec.integ_key[i];
    IMB_SHA256_ONE_BLOCK(b->mgr, block, state);
}

static bool mb_make(struct bare *b)
{
    b->mgr = alloc_mb_mgr(0);
    if (!b->mgr) return false;
    init_mb_mgr_auto(b->mgr, NULL);
    if (b->spec.kind == BARE_AES128_GCM) IMB_AES128_GCM_PRE(b->mgr, b->spec.key, &b->gcm);
    if (b->spec.kind == BARE_AES256_GCM) IMB_AES256_GCM_PRE(b->mgr, b->spec.key, &b->gcm);
    if (b->spec.kind == BARE_CBC_HMAC) {
        IMB_AES_KEYEXP_128(b->mgr, b->spec.key, b->enc, b->dec);
        hmac_state(b, 0x36, b->ipad);
        hmac_state(b, 0x5c, b->opad);
    }
    return true;
}

static const EVP_CIPHER *evp_of(enum bare_kind kind)
{
    if (kind == BARE_AES128_GCM) return EVP_aes_128_gcm();
    if (kind == BARE_AES256_GCM) return EVP_aes_256_gcm();
    return kind == BARE_CHACHA ? EVP_chacha20_poly1305() : EVP_aes_128_cbc();
}

static bool evp_make(struct bare *b)
{
    b->cipher = EVP_CIPHER_CTX_new();
    if (!b->cipher) return false;
    if (!EVP_EncryptInit_ex(b->cipher, evp_of(b->spec.kind), NULL, b->spec.key, NULL)) return false;
    if (b->spec.kind != BARE_CBC_HMAC) return true;
    char sha256[] = "SHA256";
    const OSSL_PARAM digest[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
                                 OSSL_PARAM_construct_end()};
    b->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    b->mac = b->hmac ? EVP_MAC_CTX_new(b->hmac) : NULL;
    EVP_CIPHER_CTX_set_padding(b->cipher, 0);
    return b->mac && EVP_MAC_init(b->mac, b->spec.integ_key, 32, digest);
}

struct bare *bare_new(const struct bare_spec *spec)
{
    struct bare *b = aligned_alloc(64, sizeof *b);
    if (!b) return NULL;
    memset(b, 0, sizeof *b);
    b->spec = *spec;
    if (spec->openssl ? evp_make(b) : mb_make(b)) return b;
    bare_free(b);
    return NULL;
}

void bare_free(struct bare *b)
{
    if (b->mgr) free_mb_mgr(b->mgr);
    EVP_CIPHER_CTX_free(b->cipher);
    EVP_MAC_CTX_free(b->mac);
    EVP_MAC_free(b->hmac);
    free(b);
}

// ---- intel-ipsec-mb, direct calls ----

static void nonce_of(const struct bare *b, const struct bare_message *m, uint8_t nonce[12])
{
    memcpy(nonce, b->spec.salt, 4);
    memcpy(nonce + 4, m->iv, 8);
}

static void mb_aead(struct bare *b, struct bare_message *m)
{
    uint8_t nonce[12];
    struct gcm_context_data g;
    struct chacha20_poly1305_context_data c;
    nonce_of(b, m, nonce);
    if (b->spec.kind == BARE_AES128_GCM) {
        IMB_AES128_GCM_ENC(b->mgr, &b->gcm, &g, m->text, m->text, m->len, nonce, m->head, HEAD,
                           m->icv, TAG);
    } else if (b->spec.kind == BARE_AES256_GCM) {
        IMB_AES256_GCM_ENC(b->mgr, &b->gcm, &g, m->text, m->text, m->len, nonce, m->head, HEAD,
                           m->icv, TAG);
    } else {
        IMB_CHACHA20_POLY1305_INIT(b->mgr, b->spec.key, &c, nonce, m->head, HEAD);
        IMB_CHACHA20_POLY1305_ENC_UPDATE(b->mgr, b->spec.key, &c, m->text, m->text, m->len);
        IMB_CHACHA20_POLY1305_ENC_FINALIZE(b->mgr, &c, m->icv, TAG);
    }
}

// Both halves in one job, as many at once as the library takes.
static void mb_cbc_hmac(struct bare *b, struct bare_message *m, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        IMB_JOB *j = IMB_GET_NEXT_JOB(b->mgr);
        *j = (IMB_JOB){
            .enc_keys = b->enc,
            .dec_keys = b->dec,
            .key_len_in_bytes = 16,
            .src = m[i].head,
            .dst = m[i].text,
            .cipher_start_src_offset_in_bytes = (uint64_t)(m[i].text - m[i].head),
            .msg_len_to_cipher_in_bytes = m[i].len,
            .hash_start_src_offset_in_bytes = 0,
            .msg_len_to_hash_in_bytes = (uint64_t)(m[i].icv - m[i].head),
            .iv = m[i].iv,
            .iv_len_in_bytes = 16,
            .auth_tag_output = m[i].icv,
            .auth_tag_output_len_in_bytes = TAG,
            .cipher_mode = IMB_CIPHER_CBC,
            .cipher_direction = IMB_DIR_ENCRYPT,
            .hash_alg = IMB_AUTH_HMAC_SHA_256,
            .chain_order = IMB_ORDER_CIPHER_HASH,
        };
        j->u.HMAC._hashed_auth_key_xor_ipad = b->ipad;
        j->u.HMAC._hashed_auth_key_xor_opad = b->opad;
        (void)IMB_SUBMIT_JOB(b->mgr);
        while (IMB_GET_COMPLETED_JOB(b->mgr)) continue;
    }
    while (IMB_FLUSH_JOB(b->mgr)) continue;
}

// ---- OpenSSL ----

static void evp_aead(struct bare *b, const struct bare_message *m)
{
    uint8_t nonce[12];
    int len;
    nonce_of(b, m, nonce);
    EVP_EncryptInit_ex(b->cipher, NULL, NULL, NULL, nonce);
    EVP_EncryptUpdate(b->cipher, NULL, &len, m->head, HEAD);
    EVP_EncryptUpdate(b->cipher, m->text, &len, m->text, (int)m->len);
    EVP_EncryptFinal_ex(b->cipher, m->text + m->len, &len);
    EVP_CIPHER_CTX_ctrl(b->cipher, EVP_CTRL_AEAD_GET_TAG, TAG, m->icv);
}

static void evp_cbc_hmac(struct bare *b, const struct bare_message *m)
{
    uint8_t mac[32];
    size_t got;
    int len;
    EVP_EncryptInit_ex(b->cipher, NULL, NULL, NULL, m->iv);
    EVP_EncryptUpdate(b->cipher, m->text, &len, m->text, (int)m->len);
    EVP_MAC_init(b->mac, NULL, 0, NULL);
    EVP_MAC_update(b->mac, m->head, (size_t)(m->icv - m->head));
    EVP_MAC_final(b->mac, mac, &got, sizeof mac);
    memcpy(m->icv, mac, TAG);
}

void bare_seal(struct bare *b, struct bare_message *m, unsigned n)
{
    if (!b->spec.openssl && b->spec.kind == BARE_CBC_HMAC) {
        mb_cbc_hmac(b, m, n);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!b->spec.openssl)
            mb_aead(b, &m[i]);
        else if (b->spec.kind == BARE_CBC_HMAC)
            evp_cbc_hmac(b, &m[i]);
        else
            evp_aead(b, &m[i]);
    }
}
