// AES-CBC or NULL with HMAC by intel-ipsec-mb: the messages of a burst side by side in the lanes
// of the vector unit.
#include <stdlib.h>

#include "base/secret.h"
#include "crypto/ipsecmb/machine.h"
#include "crypto/provider.h"

#define LANES_MAX 32 // jobs handed over at once; the library has up to 16 lanes
// Below it most lanes are idle and OpenSSL is faster, one message after another (measured with
// SHA extensions; the exact value matters little).
#define LANES_MIN 6
#define LANE_LEN_MAX 65000 // bytes covered by the MAC; lengths in the lanes have 16 bits
#define SHA_BLOCK_MAX 128

struct pair_sealer {
    struct sealer base;
    struct sealer *small; // OpenSSL, for bursts below LANES_MIN
    IMB_HASH_ALG hash;
    uint32_t key_len; // 0 = NULL cipher
    uint32_t mac_len; // before truncation
    uint32_t enc_keys[60] __attribute__((aligned(16))), dec_keys[60];
    // HMAC: the hash's state after the first block, inner and outer
    uint8_t inner[MAC_MAX] __attribute__((aligned(16))), outer[MAC_MAX];
};

static struct pair_sealer *self(struct sealer *s)
{
    return (struct pair_sealer *)s;
}

static bool pair_can(const struct sealer_plan *plan)
{
    return plan->integ && machine_table();
}

// ---- making ----

static const struct hash {
    uint16_t integ;
    uint16_t block; // bytes
    IMB_HASH_ALG alg;
} hashes[] = {
    {INTEG_HMAC_SHA1_96, 64, IMB_AUTH_HMAC_SHA_1},
    {INTEG_HMAC_SHA2_256_128, 64, IMB_AUTH_HMAC_SHA_256},
    {INTEG_HMAC_SHA2_384_192, 128, IMB_AUTH_HMAC_SHA_384},
    {INTEG_HMAC_SHA2_512_256, 128, IMB_AUTH_HMAC_SHA_512},
};

static const struct hash *hash_find(uint16_t integ)
{
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        if (hashes[i].integ == integ) return &hashes[i];
    }
    return NULL;
}

static hash_one_block_t hash_block(const IMB_MGR *m, uint16_t integ)
{
    switch (integ) {
    case INTEG_HMAC_SHA1_96:
        return m->sha1_one_block;
    case INTEG_HMAC_SHA2_256_128:
        return m->sha256_one_block;
    case INTEG_HMAC_SHA2_384_192:
        return m->sha384_one_block;
    default:
        return m->sha512_one_block;
    }
}

// RFC 2104: the state of the hash after the block key ^ pad.
static void hmac_prepare(hash_one_block_t block, span_t key, uint8_t pad, uint8_t state[MAC_MAX])
{
    uint8_t padded[SHA_BLOCK_MAX];
    memset(padded, pad, sizeof padded);
    for (size_t i = 0; i < key.len; i++) padded[i] ^= key.at[i]; // never longer than a block
    block(padded, state);
    wipe(padded, sizeof padded);
}

static void keys_prepare(struct pair_sealer *s, const struct sealer_plan *plan)
{
    const IMB_MGR *m = machine_table();
    hash_one_block_t block = hash_block(m, plan->integ->id);
    hmac_prepare(block, plan->integ_key, 0x36, s->inner);
    hmac_prepare(block, plan->integ_key, 0x5c, s->outer);
    if (s->key_len == 16)
        m->keyexp_128(plan->encr_key.at, s->enc_keys, s->dec_keys);
    else if (s->key_len == 24)
        m->keyexp_192(plan->encr_key.at, s->enc_keys, s->dec_keys);
    else if (s->key_len == 32)
        m->keyexp_256(plan->encr_key.at, s->enc_keys, s->dec_keys);
}

static err_t pair_make(const struct sealer_plan *plan, struct sealer **out)
{
    const struct hash *hash = hash_find(plan->integ->id);
    struct sealer *small;
    if (!hash) return ERR_ALGORITHM;
    TRY(provider_openssl.make(plan, &small));
    struct pair_sealer *s = aligned_alloc(_Alignof(struct pair_sealer), sizeof *s);
    if (!s) {
        provider_openssl.drop(small);
        return ERR_NOMEM;
    }
    *s = (struct pair_sealer){.small = small, .hash = hash->alg};
    sealer_init(&s->base, &provider_ipsecmb_pair, plan);
    s->key_len = plan->encr->key_len;
    s->mac_len = plan->integ->key_len; // the same for every HMAC here (RFC 4868 2.1.1)
    keys_prepare(s, plan);
    *out = &s->base;
    return ERR_OK;
}

static void pair_drop(struct sealer *base)
{
    struct pair_sealer *s = self(base);
    provider_openssl.drop(s->small);
    wipe(s, sizeof *s);
    free(s);
}

// ---- lanes ----

// Up to LANES_MAX good jobs of a burst, and what the library wants to know about each.
struct lanes {
    unsigned n;
    struct seal_job *job[LANES_MAX];
    IMB_JOB imb[LANES_MAX];
    uint8_t mac[LANES_MAX][MAC_MAX];
};

static void job_fail(const struct pair_sealer *s, struct seal_job *j)
{
    j->bad = true;
    wipe(job_text(&s->base, j), j->text_len);
}

static uint64_t job_covered(const struct pair_sealer *s, const struct seal_job *j)
{
    return (uint64_t)j->head_len + s->base.iv_len + j->text_len + (j->esn ? 4 : 0);
}

static bool job_fits_lane(const struct pair_sealer *s, const struct seal_job *j)
{
    uint64_t covered = job_covered(s, j);
    return covered > 0 && covered <= LANE_LEN_MAX;
}

// Sets lanes to the next good jobs from *at on.
static void lanes_fill(const struct pair_sealer *s, struct lanes *l, struct seal_job *jobs,
                       unsigned n, unsigned *at)
{
    for (l->n = 0; *at < n && l->n < LANES_MAX; (*at)++) {
        if (!jobs[*at].bad && job_fits_lane(s, &jobs[*at])) l->job[l->n++] = &jobs[*at];
    }
}

static void lanes_cipher(const struct pair_sealer *s, IMB_MGR *m, struct lanes *l,
                         IMB_CIPHER_DIRECTION direction)
{
    struct seal_job *job[LANES_MAX];
    uint32_t n = 0;
    for (unsigned i = 0; i < l->n; i++) {
        struct seal_job *j = l->job[i];
        if (j->bad || j->text_len == 0) continue;
        job[n] = j;
        l->imb[n++] = (IMB_JOB){
            .enc_keys = s->enc_keys,
            .dec_keys = s->dec_keys,
            .key_len_in_bytes = s->key_len,
            .src = job_text(&s->base, j),
            .dst = job_text(&s->base, j),
            .msg_len_to_cipher_in_bytes = j->text_len,
            .iv = job_iv(j),
            .iv_len_in_bytes = s->base.iv_len,
        };
    }
    if (n == 0 || s->key_len == 0) return;
    IMB_SUBMIT_CIPHER_BURST(m, l->imb, n, IMB_CIPHER_CBC, direction, s->key_len);
    for (uint32_t i = 0; i < n; i++) {
        if (l->imb[i].status != IMB_STATUS_COMPLETED) job_fail(s, job[i]);
    }
}

// Computes the MACs. The high half of an extended sequence number stands behind the text for as
// long as that takes (RFC 4303 2.2.1), in the place of the ICV.
static void lanes_mac(const struct pair_sealer *s, IMB_MGR *m, struct lanes *l)
{
    uint8_t saved[LANES_MAX][4];
    for (unsigned i = 0; i < l->n; i++) {
        const struct seal_job *j = l->job[i];
        uint8_t *icv = job_icv(&s->base, j);
        memcpy(saved[i], icv, 4);
        if (j->esn) put32(icv, j->esn_hi);
        l->imb[i] = (IMB_JOB){
            .src = j->head,
            .msg_len_to_hash_in_bytes = job_covered(s, j),
            .u.HMAC._hashed_auth_key_xor_ipad = s->inner,
            .u.HMAC._hashed_auth_key_xor_opad = s->outer,
            .auth_tag_output = l->mac[i],
            .auth_tag_output_len_in_bytes = s->mac_len,
        };
    }
    IMB_SUBMIT_HASH_BURST(m, l->imb, l->n, s->hash);
    for (unsigned i = 0; i < l->n; i++) {
        memcpy(job_icv(&s->base, l->job[i]), saved[i], 4);
        if (l->imb[i].status != IMB_STATUS_COMPLETED) job_fail(s, l->job[i]);
    }
}

static void lanes_seal(const struct pair_sealer *s, IMB_MGR *m, struct lanes *l)
{
    lanes_cipher(s, m, l, IMB_DIR_ENCRYPT);
    lanes_mac(s, m, l);
    for (unsigned i = 0; i < l->n; i++) {
        if (!l->job[i]->bad) memcpy(job_icv(&s->base, l->job[i]), l->mac[i], s->base.icv_len);
    }
}

static void lanes_open(const struct pair_sealer *s, IMB_MGR *m, struct lanes *l)
{
    lanes_mac(s, m, l);
    for (unsigned i = 0; i < l->n; i++) {
        struct seal_job *j = l->job[i];
        if (!j->bad && !equal_ct(l->mac[i], job_icv(&s->base, j), s->base.icv_len)) job_fail(s, j);
    }
    lanes_cipher(s, m, l, IMB_DIR_DECRYPT); // rfc4303 3.4.4.1 MUST: only what is genuine
}

// ---- bursts ----

static void small_run(struct pair_sealer *s, struct seal_job *jobs, unsigned n, bool seal)
{
    if (seal)
        provider_openssl.seal(s->small, jobs, n);
    else
        provider_openssl.open(s->small, jobs, n);
}

static void pair_run(struct sealer *base, struct seal_job *jobs, unsigned n, bool seal)
{
    struct pair_sealer *s = self(base);
    IMB_MGR *m = n < LANES_MIN ? NULL : machine_scratch();
    if (!m) {
        small_run(s, jobs, n, seal);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!job_fits_lane(s, &jobs[i])) small_run(s, &jobs[i], 1, seal);
    }
    struct lanes l;
    for (unsigned at = 0; at < n;) {
        lanes_fill(s, &l, jobs, n, &at);
        if (l.n == 0) continue;
        if (seal)
            lanes_seal(s, m, &l);
        else
            lanes_open(s, m, &l);
    }
}

static void pair_seal(struct sealer *base, struct seal_job *jobs, unsigned n)
{
    pair_run(base, jobs, n, true);
}

static void pair_open(struct sealer *base, struct seal_job *jobs, unsigned n)
{
    pair_run(base, jobs, n, false);
}

const struct provider provider_ipsecmb_pair = {
    .name = "ipsecmb",
    .can = pair_can,
    .make = pair_make,
    .seal = pair_seal,
    .open = pair_open,
    .drop = pair_drop,
};
