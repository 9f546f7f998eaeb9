// The OpenSSL provider: every algorithm, on every CPU.
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "crypto/openssl/openssl.h"
#include "crypto/provider.h"

// Contexts keep their keys; a message only resets the IV.
struct openssl_sealer {
    struct sealer base;
    EVP_CIPHER_CTX *enc, *dec; // NULL for the NULL cipher
    EVP_MAC_CTX *mac;          // NULL for AEAD
    uint8_t salt[SALT_MAX];
};

static struct openssl_sealer *self(struct sealer *s)
{
    return (struct openssl_sealer *)s;
}

static const char *cipher_name(const struct alg *a)
{
    if (a->id == ENCR_CHACHA20_POLY1305) return "ChaCha20-Poly1305";
    bool gcm = a->aead;
    if (a->key_len == 16) return gcm ? "AES-128-GCM" : "AES-128-CBC";
    if (a->key_len == 24) return gcm ? "AES-192-GCM" : "AES-192-CBC";
    return gcm ? "AES-256-GCM" : "AES-256-CBC";
}

static const char *digest_name(const struct alg *a)
{
    switch (a->id) {
    case INTEG_HMAC_SHA1_96:
        return "SHA1";
    case INTEG_HMAC_SHA2_256_128:
        return "SHA256";
    case INTEG_HMAC_SHA2_384_192:
        return "SHA384";
    default:
        return "SHA512";
    }
}

// ---- making ----

static bool openssl_can(const struct sealer_plan *plan)
{
    (void)plan;
    return true;
}

static EVP_CIPHER_CTX *cipher_make(const struct sealer_plan *plan, int encrypt)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, cipher_name(plan->encr), NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool good = cipher && ctx &&
                EVP_CipherInit_ex2(ctx, cipher, plan->encr_key.at, NULL, encrypt, NULL) == 1 &&
                EVP_CIPHER_CTX_set_padding(ctx, 0) == 1;
    EVP_CIPHER_free(cipher);
    if (good) return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

static EVP_MAC_CTX *mac_make(const struct sealer_plan *plan)
{
    char digest[8]; // OpenSSL wants to be able to write to it
    snprintf(digest, sizeof digest, "%s", digest_name(plan->integ));
    OSSL_PARAM how[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    if (ctx && EVP_MAC_init(ctx, plan->integ_key.at, plan->integ_key.len, how) == 1) return ctx;
    EVP_MAC_CTX_free(ctx);
    return NULL;
}

static void openssl_drop(struct sealer *base)
{
    struct openssl_sealer *s = self(base);
    EVP_CIPHER_CTX_free(s->enc);
    EVP_CIPHER_CTX_free(s->dec);
    EVP_MAC_CTX_free(s->mac);
    wipe(s, sizeof *s);
    free(s);
}

static err_t openssl_make(const struct sealer_plan *plan, struct sealer **out)
{
    struct openssl_sealer *s = calloc(1, sizeof *s);
    if (!s) return ERR_NOMEM;
    bool cipher = plan->encr->id != ENCR_NULL;
    sealer_init(&s->base, &provider_openssl, plan);
    if (plan->salt.len) memcpy(s->salt, plan->salt.at, plan->salt.len);
    if (cipher) {
        s->enc = cipher_make(plan, 1);
        s->dec = cipher_make(plan, 0);
    }
    if (plan->integ) s->mac = mac_make(plan);
    if ((cipher && (!s->enc || !s->dec)) || (plan->integ && !s->mac)) {
        ERR_clear_error();
        openssl_drop(&s->base);
        return ERR_CRYPTO;
    }
    *out = &s->base;
    return ERR_OK;
}

// ---- AEAD ----

// Nonce, additional data and text go in; what remains is the tag.
static bool aead_run(struct openssl_sealer *s, EVP_CIPHER_CTX *ctx, const struct seal_job *j)
{
    uint8_t nonce[NONCE_LEN], esn[ESN_HEAD_LEN + 4];
    uint8_t *text = job_text(&s->base, j);
    span_t aad = job_aad(j, esn);
    int n;
    job_nonce(j, s->salt, nonce);
    if (EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, -1, NULL) != 1) return false;
    if (aad.len && EVP_CipherUpdate(ctx, NULL, &n, aad.at, (int)aad.len) != 1) return false;
    return j->text_len == 0 || EVP_CipherUpdate(ctx, text, &n, text, (int)j->text_len) == 1;
}

static bool aead_seal(struct openssl_sealer *s, const struct seal_job *j)
{
    int n;
    uint8_t none[16];
    return aead_run(s, s->enc, j) && EVP_CipherFinal_ex(s->enc, none, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(s->enc, EVP_CTRL_AEAD_GET_TAG, (int)s->base.icv_len,
                               job_icv(&s->base, j)) == 1;
}

static bool aead_open(struct openssl_sealer *s, const struct seal_job *j)
{
    int n;
    uint8_t none[16];
    return aead_run(s, s->dec, j) &&
           EVP_CIPHER_CTX_ctrl(s->dec, EVP_CTRL_AEAD_SET_TAG, (int)s->base.icv_len,
                               job_icv(&s->base, j)) == 1 &&
           EVP_CipherFinal_ex(s->dec, none, &n) == 1; // compares in constant time
}

// ---- cipher and MAC ----

static bool cbc_run(struct openssl_sealer *s, EVP_CIPHER_CTX *ctx, const struct seal_job *j)
{
    uint8_t *text = job_text(&s->base, j);
    int n;
    if (!ctx || j->text_len == 0) return true;
    return EVP_CipherInit_ex2(ctx, NULL, NULL, job_iv(j), -1, NULL) == 1 &&
           EVP_CipherUpdate(ctx, text, &n, text, (int)j->text_len) == 1 && n == (int)j->text_len;
}

static bool mac_run(struct openssl_sealer *s, const struct seal_job *j, uint8_t mac[MAC_MAX])
{
    uint8_t hi[4];
    size_t n, covered = (size_t)j->head_len + s->base.iv_len + j->text_len;
    put32(hi, j->esn_hi);
    return EVP_MAC_init(s->mac, NULL, 0, NULL) == 1 &&
           EVP_MAC_update(s->mac, j->head, covered) == 1 &&
           // rfc4303 2.2.1 MUST: the high half takes part in the ICV though it is not sent
           (!j->esn || EVP_MAC_update(s->mac, hi, sizeof hi) == 1) &&
           EVP_MAC_final(s->mac, mac, &n, MAC_MAX) == 1;
}

static bool pair_seal(struct openssl_sealer *s, const struct seal_job *j)
{
    uint8_t mac[MAC_MAX];
    if (!cbc_run(s, s->enc, j) || !mac_run(s, j, mac)) return false;
    memcpy(job_icv(&s->base, j), mac, s->base.icv_len);
    return true;
}

static bool pair_open(struct openssl_sealer *s, const struct seal_job *j)
{
    uint8_t mac[MAC_MAX];
    // rfc4303 3.4.4.1 MUST: verify first, decrypt only what is genuine
    return mac_run(s, j, mac) && equal_ct(mac, job_icv(&s->base, j), s->base.icv_len) &&
           cbc_run(s, s->dec, j);
}

// ---- bursts ----

static void job_fail(const struct sealer *s, struct seal_job *j)
{
    j->bad = true;
    wipe(job_text(s, j), j->text_len); // what is not genuine shall not be used by mistake
    ERR_clear_error();
}

static void openssl_seal(struct sealer *base, struct seal_job *jobs, unsigned n)
{
    struct openssl_sealer *s = self(base);
    for (unsigned i = 0; i < n; i++) {
        if (jobs[i].bad) continue;
        bool good = s->mac ? pair_seal(s, &jobs[i]) : aead_seal(s, &jobs[i]);
        if (!good) job_fail(base, &jobs[i]);
    }
}

static void openssl_open(struct sealer *base, struct seal_job *jobs, unsigned n)
{
    struct openssl_sealer *s = self(base);
    for (unsigned i = 0; i < n; i++) {
        if (jobs[i].bad) continue;
        bool good = s->mac ? pair_open(s, &jobs[i]) : aead_open(s, &jobs[i]);
        if (!good) job_fail(base, &jobs[i]);
    }
}

const struct provider provider_openssl = {
    .name = "openssl",
    .can = openssl_can,
    .make = openssl_make,
    .seal = openssl_seal,
    .open = openssl_open,
    .drop = openssl_drop,
};
