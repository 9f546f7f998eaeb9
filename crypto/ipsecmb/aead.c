// AES-GCM and ChaCha20-Poly1305 by intel-ipsec-mb: one message after another, since the library
// works on many blocks of one message at once.
#include <stdlib.h>

#include "base/secret.h"
#include "crypto/ipsecmb/machine.h"
#include "crypto/provider.h"

#define CHACHA_KEY_LEN 32
#define TAG_LEN 16 // before truncation

struct aead_sealer {
    struct sealer base;
    const IMB_MGR *table;
    aes_gcm_enc_dec_t gcm_seal, gcm_open; // NULL for ChaCha20-Poly1305
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
    return plan->encr->aead && machine_table();
}

static void gcm_prepare(struct aead_sealer *s, span_t key)
{
    const IMB_MGR *m = s->table;
    if (key.len == 16) {
        IMB_AES128_GCM_PRE(m, key.at, &s->gcm_key);
        s->gcm_seal = m->gcm128_enc;
        s->gcm_open = m->gcm128_dec;
    } else if (key.len == 24) {
        IMB_AES192_GCM_PRE(m, key.at, &s->gcm_key);
        s->gcm_seal = m->gcm192_enc;
        s->gcm_open = m->gcm192_dec;
    } else {
        IMB_AES256_GCM_PRE(m, key.at, &s->gcm_key);
        s->gcm_seal = m->gcm256_enc;
        s->gcm_open = m->gcm256_dec;
    }
}

static err_t aead_make(const struct sealer_plan *plan, struct sealer **out)
{
    struct aead_sealer *s = aligned_alloc(_Alignof(struct aead_sealer), sizeof *s);
    if (!s) return ERR_NOMEM;
    *s = (struct aead_sealer){.table = machine_table()};
    sealer_init(&s->base, &provider_ipsecmb_aead, plan);
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

// En- or decrypts the text in place and computes the tag.
static void aead_run(struct aead_sealer *s, const struct seal_job *j, bool seal,
                     uint8_t tag[TAG_LEN])
{
    uint8_t nonce[NONCE_LEN], esn[ESN_HEAD_LEN + 4];
    uint8_t *text = job_text(&s->base, j);
    span_t aad = job_aad(j, esn);
    job_nonce(j, s->salt, nonce);
    if (s->gcm_seal) {
        struct gcm_context_data c;
        aes_gcm_enc_dec_t run = seal ? s->gcm_seal : s->gcm_open;
        run(&s->gcm_key, &c, text, text, j->text_len, nonce, aad.at, aad.len, tag, TAG_LEN);
        return;
    }
    struct chacha20_poly1305_context_data c;
    IMB_CHACHA20_POLY1305_INIT(s->table, s->chacha_key, &c, nonce, aad.at, aad.len);
    if (seal)
        IMB_CHACHA20_POLY1305_ENC_UPDATE(s->table, s->chacha_key, &c, text, text, j->text_len);
    else
        IMB_CHACHA20_POLY1305_DEC_UPDATE(s->table, s->chacha_key, &c, text, text, j->text_len);
    IMB_CHACHA20_POLY1305_ENC_FINALIZE(s->table, &c, tag, TAG_LEN);
    wipe(&c, sizeof c); // holds key stream and the one-time key
}

static void aead_seal(struct sealer *base, struct seal_job *jobs, unsigned n)
{
    uint8_t tag[TAG_LEN];
    for (unsigned i = 0; i < n; i++) {
        if (jobs[i].bad) continue;
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
