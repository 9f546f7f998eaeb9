// AES-GCM, AES-GMAC and ChaCha20-Poly1305 by intel-ipsec-mb: one message after another, since the
// library works on many blocks of one message at once.
#include <stdlib.h>

#include "base/secret.h"
#include "crypto/ipsecmb/machine.h"
#include "crypto/provider.h"

#define CHACHA_KEY_LEN 32
#define TAG_LEN 16 // before truncation

// The library's functions for one length of key.
struct gcm {
    aes_gcm_enc_dec_t seal, open;
    aes_gmac_init_t gmac_init;
    aes_gmac_update_t gmac_update;
    aes_gmac_finalize_t gmac_finalize;
};

struct aead_sealer {
    struct sealer base;
    const IMB_MGR *table;
    struct gcm gcm;
    uint16_t encr;
    uint8_t salt[SALT_MAX];
    uint8_t chacha_key[CHACHA_KEY_LEN];
    struct gcm_key_data gcm_key __attribute__((aligned(64)));
};

static struct aead_sealer *self(struct sealer *s)
{
    return (struct aead_sealer *)s;
}

static bool aead_can(const struct sealer_plan *plan)
{
    switch (plan->encr->id) {
    case ENCR_AES_GCM_8:
    case ENCR_AES_GCM_12:
    case ENCR_AES_GCM_16:
    case ENCR_NULL_AES_GMAC:
    case ENCR_CHACHA20_POLY1305:
        return machine_table();
    default:
        return false;
    }
}

static void gcm_prepare(struct aead_sealer *s, span_t key)
{
    const IMB_MGR *m = s->table;
    if (key.len == 16) {
        IMB_AES128_GCM_PRE(m, key.at, &s->gcm_key);
        s->gcm = (struct gcm){m->gcm128_enc, m->gcm128_dec, m->gmac128_init, m->gmac128_update,
                              m->gmac128_finalize};
    } else if (key.len == 24) {
        IMB_AES192_GCM_PRE(m, key.at, &s->gcm_key);
        s->gcm = (struct gcm){m->gcm192_enc, m->gcm192_dec, m->gmac192_init, m->gmac192_update,
                              m->gmac192_finalize};
    } else {
        IMB_AES256_GCM_PRE(m, key.at, &s->gcm_key);
        s->gcm = (struct gcm){m->gcm256_enc, m->gcm256_dec, m->gmac256_init, m->gmac256_update,
                              m->gmac256_finalize};
    }
}

static err_t aead_make(const struct sealer_plan *plan, struct sealer **out)
{
    struct aead_sealer *s = aligned_alloc(_Alignof(struct aead_sealer), sizeof *s);
    if (!s) return ERR_NOMEM;
    *s = (struct aead_sealer){.table = machine_table(), .encr = plan->encr->id};
    sealer_init(&s->base, &provider_ipsecmb_aead, plan);
    bool chacha = plan->encr->id == ENCR_CHACHA20_POLY1305;
    uint32_t keys = offsetof(struct aead_sealer, gcm_key);
    s->base.keys = chacha ? keys : keys + sizeof s->gcm_key.expanded_keys;
    s->base.keys_end = chacha ? keys : keys + sizeof s->gcm_key;
    memcpy(s->salt, plan->salt.at, plan->salt.len);
    if (plan->encr->id == ENCR_CHACHA20_POLY1305)
        memcpy(s->chacha_key, plan->encr_key.at, sizeof s->chacha_key);
    else
        gcm_prepare(s, plan->encr_key);
    *out = &s->base;
    return ERR_OK;
}

static void aead_drop(struct sealer *base)
{
    struct aead_sealer *s = self(base);
    wipe(s, sizeof *s);
    free(s);
}

static void chacha_run(struct aead_sealer *s, const struct seal_job *j, bool seal,
                       uint8_t tag[TAG_LEN])
{
    uint8_t nonce[NONCE_LEN], esn[ESN_HEAD_LEN + 4];
    uint8_t *text = job_text(&s->base, j);
    span_t aad = job_aad(j, esn);
    struct chacha20_poly1305_context_data c;
    job_nonce(&s->base, j, s->salt, nonce);
    IMB_CHACHA20_POLY1305_INIT(s->table, s->chacha_key, &c, nonce, aad.at, aad.len);
    if (seal)
        IMB_CHACHA20_POLY1305_ENC_UPDATE(s->table, s->chacha_key, &c, text, text, j->text_len);
    else
        IMB_CHACHA20_POLY1305_DEC_UPDATE(s->table, s->chacha_key, &c, text, text, j->text_len);
    IMB_CHACHA20_POLY1305_ENC_FINALIZE(s->table, &c, tag, TAG_LEN);
    wipe(&c, sizeof c); // holds key stream and the one-time key
}

// The text is additional data, too, and so is the IV (RFC 4543 3.3).
static void gmac_run(const struct aead_sealer *s, const struct seal_job *j, uint8_t tag[TAG_LEN])
{
    uint8_t nonce[NONCE_LEN], esn[ESN_HEAD_LEN + 4];
    span_t aad = job_aad(j, esn);
    struct gcm_context_data c;
    job_nonce(&s->base, j, s->salt, nonce);
    s->gcm.gmac_init(&s->gcm_key, &c, nonce, NONCE_LEN);
    if (aad.len) s->gcm.gmac_update(&s->gcm_key, &c, aad.at, aad.len);
    s->gcm.gmac_update(&s->gcm_key, &c, job_iv(j), s->base.iv_len + j->text_len);
    s->gcm.gmac_finalize(&s->gcm_key, &c, tag, TAG_LEN);
}

static void gcm_run(const struct aead_sealer *s, const struct seal_job *j, bool seal,
                    uint8_t tag[TAG_LEN])
{
    uint8_t nonce[NONCE_LEN], esn[ESN_HEAD_LEN + 4];
    uint8_t *text = job_text(&s->base, j);
    span_t aad = job_aad(j, esn);
    struct gcm_context_data c;
    aes_gcm_enc_dec_t run = seal ? s->gcm.seal : s->gcm.open;
    job_nonce(&s->base, j, s->salt, nonce);
    run(&s->gcm_key, &c, text, text, j->text_len, nonce, aad.at, aad.len, tag, TAG_LEN);
}

// En- or decrypts the text in place and computes the tag.
static void aead_run(struct aead_sealer *s, const struct seal_job *j, bool seal,
                     uint8_t tag[TAG_LEN])
{
    if (s->encr == ENCR_CHACHA20_POLY1305)
        chacha_run(s, j, seal, tag);
    else if (s->encr == ENCR_NULL_AES_GMAC)
        gmac_run(s, j, tag);
    else
        gcm_run(s, j, seal, tag);
}

static void aead_seal(struct sealer *base, struct seal_job *jobs, unsigned n)
{
    uint8_t tag[TAG_LEN];
    for (unsigned i = 0; i < n; i++) {
        if (jobs[i].bad) continue;
        if (base->icv_len == TAG_LEN) {
            aead_run(self(base), &jobs[i], true, job_icv(base, &jobs[i]));
            continue;
        }
        aead_run(self(base), &jobs[i], true, tag);
        memcpy(job_icv(base, &jobs[i]), tag, base->icv_len);
    }
}

static void aead_open(struct sealer *base, struct seal_job *jobs, unsigned n)
{
    uint8_t tag[TAG_LEN];
    for (unsigned i = 0; i < n; i++) {
        if (jobs[i].bad) continue;
        aead_run(self(base), &jobs[i], false, tag);
        jobs[i].bad = !equal_ct(tag, job_icv(base, &jobs[i]), base->icv_len);
        if (jobs[i].bad) wipe(job_text(base, &jobs[i]), jobs[i].text_len);
    }
}

const struct provider provider_ipsecmb_aead = {
    .name = "ipsecmb",
    .can = aead_can,
    .make = aead_make,
    .seal = aead_seal,
    .open = aead_open,
    .drop = aead_drop,
};
