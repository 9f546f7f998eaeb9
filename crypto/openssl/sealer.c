// The OpenSSL provider: every algorithm, on every CPU.
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "crypto/openssl/mac.h"
#include "crypto/openssl/openssl.h"
#include "crypto/provider.h"

struct openssl_sealer;

// How a kind of cipher treats one message. false: the verdict is bad, or OpenSSL failed.
struct way {
    bool (*seal)(struct openssl_sealer *s, const struct seal_job *j);
    bool (*open)(struct openssl_sealer *s, const struct seal_job *j);
};

// Contexts keep their keys; a message only resets the IV.
struct openssl_sealer {
    struct sealer base;
    const struct way *way;
    EVP_CIPHER_CTX *enc, *dec; // NULL for the NULL cipher
    struct mac *mac;           // NULL for AEAD
    bool counter;              // AES-CTR: the cipher's IV is a counter block
    uint8_t salt[SALT_MAX];
};

static struct openssl_sealer *self(struct sealer *s)
{
    return (struct openssl_sealer *)s;
}

// ---- contexts ----

// OpenSSL's name, in which the key length has its place.
static const char *cipher_name(uint16_t encr)
{
    switch (encr) {
    case ENCR_3DES:
        return "DES-EDE3-CBC";
    case ENCR_AES_CBC:
        return "AES-%u-CBC";
    case ENCR_AES_CTR:
        return "AES-%u-CTR";
    case ENCR_AES_CCM_8:
    case ENCR_AES_CCM_12:
    case ENCR_AES_CCM_16:
        return "AES-%u-CCM";
    case ENCR_CAMELLIA_CBC:
        return "CAMELLIA-%u-CBC";
    case ENCR_CHACHA20_POLY1305:
        return "ChaCha20-Poly1305";
    default:
        return "AES-%u-GCM"; // GMAC, too
    }
}

static EVP_CIPHER *cipher_fetch(const struct alg *a)
{
    char name[32];
    const char *how = cipher_name(a->id), *place = strchr(how, '%');
    int before = place ? (int)(place - how) : (int)strlen(how);
    if (place)
        snprintf(name, sizeof name, "%.*s%u%s", before, how, a->key_len * 8U, place + 2);
    else
        snprintf(name, sizeof name, "%s", how);
    return EVP_CIPHER_fetch(NULL, name, NULL);
}

static bool is_ccm(uint16_t encr)
{
    return encr == ENCR_AES_CCM_8 || encr == ENCR_AES_CCM_12 || encr == ENCR_AES_CCM_16;
}

// CCM computes with the lengths of nonce and tag from its first block on.
static bool ccm_lengths(EVP_CIPHER_CTX *ctx, const struct sealer_plan *plan)
{
    int nonce = plan->encr->salt_len + plan->encr->iv_len;
    return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, nonce, NULL) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)plan->icv_len, NULL) == 1;
}

static EVP_CIPHER_CTX *cipher_make(const struct sealer_plan *plan, int encrypt)
{
    EVP_CIPHER *cipher = cipher_fetch(plan->encr);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool good = cipher && ctx && EVP_CipherInit_ex2(ctx, cipher, NULL, NULL, encrypt, NULL) == 1 &&
                (!is_ccm(plan->encr->id) || ccm_lengths(ctx, plan)) &&
                EVP_CipherInit_ex2(ctx, NULL, plan->encr_key.at, NULL, encrypt, NULL) == 1 &&
                EVP_CIPHER_CTX_set_padding(ctx, 0) == 1;
    EVP_CIPHER_free(cipher);
    if (good) return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

// ---- AEAD ----

// Nonce, additional data and text go in; what remains is the tag.
static bool aead_run(struct openssl_sealer *s, EVP_CIPHER_CTX *ctx, const struct seal_job *j)
{
    uint8_t nonce[NONCE_LEN], esn[ESN_HEAD_LEN + 4];
    uint8_t *text = job_text(&s->base, j);
    span_t aad = job_aad(j, esn);
    int n;
    job_nonce(&s->base, j, s->salt, nonce);
    if (EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, -1, NULL) != 1) return false;
    if (aad.len && EVP_CipherUpdate(ctx, NULL, &n, aad.at, (int)aad.len) != 1) return false;
    return j->text_len == 0 || EVP_CipherUpdate(ctx, text, &n, text, (int)j->text_len) == 1;
}

// The text of GMAC is additional data, too, and so is its IV (RFC 4543 3.3).
static bool gmac_run(struct openssl_sealer *s, EVP_CIPHER_CTX *ctx, const struct seal_job *j)
{
    uint8_t nonce[NONCE_LEN], esn[ESN_HEAD_LEN + 4];
    span_t aad = job_aad(j, esn);
    int n;
    job_nonce(&s->base, j, s->salt, nonce);
    return EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, -1, NULL) == 1 &&
           (aad.len == 0 || EVP_CipherUpdate(ctx, NULL, &n, aad.at, (int)aad.len) == 1) &&
           EVP_CipherUpdate(ctx, NULL, &n, job_iv(j), (int)(s->base.iv_len + j->text_len)) == 1;
}

static bool tag_get(struct openssl_sealer *s, const struct seal_job *j)
{
    int n;
    uint8_t none[16];
    return EVP_CipherFinal_ex(s->enc, none, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(s->enc, EVP_CTRL_AEAD_GET_TAG, (int)s->base.icv_len,
                               job_icv(&s->base, j)) == 1;
}

static bool tag_check(struct openssl_sealer *s, const struct seal_job *j)
{
    int n;
    uint8_t none[16];
    return EVP_CIPHER_CTX_ctrl(s->dec, EVP_CTRL_AEAD_SET_TAG, (int)s->base.icv_len,
                               job_icv(&s->base, j)) == 1 &&
           EVP_CipherFinal_ex(s->dec, none, &n) == 1; // compares in constant time
}

static bool aead_seal(struct openssl_sealer *s, const struct seal_job *j)
{
    return aead_run(s, s->enc, j) && tag_get(s, j);
}

static bool aead_open(struct openssl_sealer *s, const struct seal_job *j)
{
    return aead_run(s, s->dec, j) && tag_check(s, j);
}

static bool gmac_seal(struct openssl_sealer *s, const struct seal_job *j)
{
    return gmac_run(s, s->enc, j) && tag_get(s, j);
}

static bool gmac_open(struct openssl_sealer *s, const struct seal_job *j)
{
    return gmac_run(s, s->dec, j) && tag_check(s, j);
}

// CCM wants to know the tag that is expected, then the length of the text, then everything else;
// its verdict comes with the text.
static bool ccm_run(struct openssl_sealer *s, EVP_CIPHER_CTX *ctx, const struct seal_job *j,
                    uint8_t *tag)
{
    uint8_t nonce[NONCE_LEN], esn[ESN_HEAD_LEN + 4];
    uint8_t *text = job_text(&s->base, j);
    span_t aad = job_aad(j, esn);
    int n, icv = (int)s->base.icv_len, len = (int)j->text_len;
    job_nonce(&s->base, j, s->salt, nonce);
    return EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, -1, NULL) == 1 &&
           (!tag || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, icv, tag) == 1) &&
           EVP_CipherUpdate(ctx, NULL, &n, NULL, len) == 1 &&
           (aad.len == 0 || EVP_CipherUpdate(ctx, NULL, &n, aad.at, (int)aad.len) == 1) &&
           EVP_CipherUpdate(ctx, text, &n, text, len) == 1;
}

static bool ccm_seal(struct openssl_sealer *s, const struct seal_job *j)
{
    return ccm_run(s, s->enc, j, NULL) &&
           EVP_CIPHER_CTX_ctrl(s->enc, EVP_CTRL_AEAD_GET_TAG, (int)s->base.icv_len,
                               job_icv(&s->base, j)) == 1;
}

static bool ccm_open(struct openssl_sealer *s, const struct seal_job *j)
{
    return ccm_run(s, s->dec, j, job_icv(&s->base, j)); // compares in constant time
}

// ---- cipher and MAC ----

static bool cipher_run(struct openssl_sealer *s, EVP_CIPHER_CTX *ctx, const struct seal_job *j)
{
    uint8_t *text = job_text(&s->base, j), counter[CTR_BLOCK_LEN];
    int n;
    if (!ctx || j->text_len == 0) return true;
    if (s->counter) job_counter(&s->base, j, s->salt, counter);
    return EVP_CipherInit_ex2(ctx, NULL, NULL, s->counter ? counter : job_iv(j), -1, NULL) == 1 &&
           EVP_CipherUpdate(ctx, text, &n, text, (int)j->text_len) == 1 && n == (int)j->text_len;
}

static bool mac_run(struct openssl_sealer *s, const struct seal_job *j, uint8_t mac[MAC_MAX])
{
    uint8_t hi[4];
    size_t covered = (size_t)j->head_len + s->base.iv_len + j->text_len;
    put32(hi, j->esn_hi);
    return mac_begin(s->mac) && mac_add(s->mac, j->head, covered) &&
           // rfc4303 2.2.1 MUST: the high half takes part in the ICV though it is not sent
           (!j->esn || mac_add(s->mac, hi, sizeof hi)) && mac_end(s->mac, mac);
}

static bool pair_seal(struct openssl_sealer *s, const struct seal_job *j)
{
    uint8_t mac[MAC_MAX];
    if (!cipher_run(s, s->enc, j) || !mac_run(s, j, mac)) return false;
    memcpy(job_icv(&s->base, j), mac, s->base.icv_len);
    return true;
}

static bool pair_open(struct openssl_sealer *s, const struct seal_job *j)
{
    uint8_t mac[MAC_MAX];
    // rfc4303 3.4.4.1 MUST: verify first, decrypt only what is genuine
    return mac_run(s, j, mac) && equal_ct(mac, job_icv(&s->base, j), s->base.icv_len) &&
           cipher_run(s, s->dec, j);
}

static const struct way *way_of(const struct alg *encr)
{
    static const struct way aead = {aead_seal, aead_open}, gmac = {gmac_seal, gmac_open},
                            ccm = {ccm_seal, ccm_open}, pair = {pair_seal, pair_open};
    if (!encr->aead) return &pair;
    if (encr->id == ENCR_NULL_AES_GMAC) return &gmac;
    return is_ccm(encr->id) ? &ccm : &aead;
}

// ---- making ----

static bool openssl_can(const struct sealer_plan *plan)
{
    (void)plan;
    return true;
}

static void openssl_drop(struct sealer *base)
{
    struct openssl_sealer *s = self(base);
    EVP_CIPHER_CTX_free(s->enc);
    EVP_CIPHER_CTX_free(s->dec);
    mac_free(s->mac);
    wipe(s, sizeof *s);
    free(s);
}

static err_t openssl_make(const struct sealer_plan *plan, struct sealer **out)
{
    struct openssl_sealer *s = calloc(1, sizeof *s);
    if (!s) return ERR_NOMEM;
    bool cipher = plan->encr->id != ENCR_NULL;
    sealer_init(&s->base, &provider_openssl, plan);
    s->way = way_of(plan->encr);
    s->counter = plan->encr->id == ENCR_AES_CTR;
    if (plan->salt.len) memcpy(s->salt, plan->salt.at, plan->salt.len);
    if (cipher) {
        s->enc = cipher_make(plan, 1);
        s->dec = cipher_make(plan, 0);
    }
    if (plan->integ) s->mac = mac_new(plan->integ->id, plan->integ_key);
    if ((cipher && (!s->enc || !s->dec)) || (plan->integ && !s->mac)) {
        ERR_clear_error();
        openssl_drop(&s->base);
        return ERR_CRYPTO;
    }
    *out = &s->base;
    return ERR_OK;
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
        if (!s->way->seal(s, &jobs[i])) job_fail(base, &jobs[i]);
    }
}

static void openssl_open(struct sealer *base, struct seal_job *jobs, unsigned n)
{
    struct openssl_sealer *s = self(base);
    for (unsigned i = 0; i < n; i++) {
        if (jobs[i].bad) continue;
        if (!s->way->open(s, &jobs[i])) job_fail(base, &jobs[i]);
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
