// AES-CCM by intel-ipsec-mb: its CBC-MAC is one long chain, so the messages of a burst go side by
// side through the lanes of the vector unit.
#include <stdlib.h>

#include "base/secret.h"
#include "crypto/ipsecmb/machine.h"
#include "crypto/provider.h"

#define LANES_MAX 32       // jobs handed over at once; the library has up to 16 lanes
#define LANES_MIN 4        // below it OpenSSL is as fast, one message after another
#define LANE_LEN_MAX 65000 // bytes of text; lengths in the lanes have 16 bits
#define AAD_MAX 46         // bytes: the library's limit
#define TAG_MAX 16

struct ccm_sealer {
    struct sealer base;
    struct sealer *small; // OpenSSL, for what does not go into the lanes
    uint32_t key_len;
    uint8_t salt[SALT_MAX];
    uint32_t enc_keys[60] __attribute__((aligned(16))), dec_keys[60];
};

static struct ccm_sealer *self(struct sealer *s)
{
    return (struct ccm_sealer *)s;
}

static bool ccm_can(const struct sealer_plan *plan)
{
    uint16_t id = plan->encr->id, key = plan->encr->key_len;
    bool ccm = id == ENCR_AES_CCM_8 || id == ENCR_AES_CCM_12 || id == ENCR_AES_CCM_16;
    return ccm && key != 24 && machine_table();
}

static err_t ccm_make(const struct sealer_plan *plan, struct sealer **out)
{
    const IMB_MGR *m = machine_table();
    struct sealer *small;
    TRY(provider_openssl.make(plan, &small));
    struct ccm_sealer *s = aligned_alloc(_Alignof(struct ccm_sealer), sizeof *s);
    if (!s) {
        provider_openssl.drop(small);
        return ERR_NOMEM;
    }
    *s = (struct ccm_sealer){.small = small, .key_len = plan->encr->key_len};
    sealer_init(&s->base, &provider_ipsecmb_ccm, plan);
    memcpy(s->salt, plan->salt.at, plan->salt.len);
    if (s->key_len == 16)
        IMB_AES_KEYEXP_128(m, plan->encr_key.at, s->enc_keys, s->dec_keys);
    else
        IMB_AES_KEYEXP_256(m, plan->encr_key.at, s->enc_keys, s->dec_keys);
    *out = &s->base;
    return ERR_OK;
}

static void ccm_drop(struct sealer *base)
{
    struct ccm_sealer *s = self(base);
    provider_openssl.drop(s->small);
    wipe(s, sizeof *s);
    free(s);
}

// ---- lanes ----

struct lanes {
    unsigned n;
    struct seal_job *job[LANES_MAX];
    IMB_JOB imb[LANES_MAX];
    uint8_t nonce[LANES_MAX][NONCE_LEN], esn[LANES_MAX][ESN_HEAD_LEN + 4], tag[LANES_MAX][TAG_MAX];
};

static bool job_fits_lane(const struct seal_job *j)
{
    return j->text_len > 0 && j->text_len <= LANE_LEN_MAX && j->head_len <= AAD_MAX;
}

static void lane_fill(const struct ccm_sealer *s, struct lanes *l, struct seal_job *j, bool seal)
{
    unsigned i = l->n++;
    span_t aad = job_aad(j, l->esn[i]);
    l->job[i] = j;
    job_nonce(&s->base, j, s->salt, l->nonce[i]);
    l->imb[i] = (IMB_JOB){
        .enc_keys = s->enc_keys,
        .dec_keys = s->dec_keys,
        .key_len_in_bytes = s->key_len,
        .src = job_text(&s->base, j),
        .dst = job_text(&s->base, j),
        .msg_len_to_cipher_in_bytes = j->text_len,
        .msg_len_to_hash_in_bytes = j->text_len,
        .iv = l->nonce[i],
        .iv_len_in_bytes = s->base.salt_len + s->base.iv_len,
        .auth_tag_output = l->tag[i],
        .auth_tag_output_len_in_bytes = s->base.icv_len,
        .u.CCM.aad = aad.at,
        .u.CCM.aad_len_in_bytes = aad.len,
        .cipher_mode = IMB_CIPHER_CCM,
        .cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
        .hash_alg = IMB_AUTH_AES_CCM,
        .chain_order = seal ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH,
    };
}

// The verdicts. What is not genuine has been decrypted by now and shall not be used by mistake.
static void lanes_finish(const struct ccm_sealer *s, struct lanes *l, bool seal)
{
    for (unsigned i = 0; i < l->n; i++) {
        struct seal_job *j = l->job[i];
        uint8_t *icv = job_icv(&s->base, j);
        bool done = l->imb[i].status == IMB_STATUS_COMPLETED;
        if (done && seal) memcpy(icv, l->tag[i], s->base.icv_len);
        j->bad = !done || (!seal && !equal_ct(l->tag[i], icv, s->base.icv_len));
        if (j->bad) wipe(job_text(&s->base, j), j->text_len);
    }
    l->n = 0;
}

// ---- bursts ----

static void small_run(struct ccm_sealer *s, struct seal_job *jobs, unsigned n, bool seal)
{
    if (seal)
        provider_openssl.seal(s->small, jobs, n);
    else
        provider_openssl.open(s->small, jobs, n);
}

static void ccm_run(struct sealer *base, struct seal_job *jobs, unsigned n, bool seal)
{
    struct ccm_sealer *s = self(base);
    IMB_MGR *m = n < LANES_MIN ? NULL : machine_scratch();
    struct lanes l;
    if (!m) {
        small_run(s, jobs, n, seal);
        return;
    }
    l.n = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!job_fits_lane(&jobs[i]))
            small_run(s, &jobs[i], 1, seal);
        else if (!jobs[i].bad)
            lane_fill(s, &l, &jobs[i], seal);
        if (l.n < LANES_MAX && i + 1 < n) continue;
        machine_run(m, l.imb, l.n);
        lanes_finish(s, &l, seal);
    }
}

static void ccm_seal(struct sealer *base, struct seal_job *jobs, unsigned n)
{
    ccm_run(base, jobs, n, true);
}

static void ccm_open(struct sealer *base, struct seal_job *jobs, unsigned n)
{
    ccm_run(base, jobs, n, false);
}

const struct provider provider_ipsecmb_ccm = {
    .name = "ipsecmb",
    .can = ccm_can,
    .make = ccm_make,
    .seal = ccm_seal,
    .open = ccm_open,
    .drop = ccm_drop,
};
