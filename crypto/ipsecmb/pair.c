// AES-CBC, AES-CTR, 3DES-CBC or NULL with a MAC by intel-ipsec-mb: the messages of a burst side by
// side in the lanes of the vector unit.
#include <stdlib.h>

#include "base/secret.h"
#include "crypto/ipsecmb/pair_keys.h"
#include "crypto/provider.h"

#define LANES_MAX 32 // jobs handed over at once; the library has up to 16 lanes
// Below it most lanes are idle and OpenSSL is faster, one message after another (measured with
// SHA extensions; the exact value matters little).
#define LANES_MIN 6
#define LANE_LEN_MAX 65000 // bytes covered by the MAC; lengths in the lanes have 16 bits

struct pair_sealer {
    struct sealer base;
    struct sealer *small; // OpenSSL, for bursts below LANES_MIN
    struct pair_keys keys;
};

static struct pair_sealer *self(struct sealer *s)
{
    return (struct pair_sealer *)s;
}

// ---- making ----

static void pair_drop(struct sealer *base)
{
    struct pair_sealer *s = self(base);
    provider_openssl.drop(s->small);
    wipe(s, sizeof *s);
    free(s);
}

static err_t pair_make(const struct sealer_plan *plan, struct sealer **out)
{
    struct sealer *small;
    TRY(provider_openssl.make(plan, &small));
    struct pair_sealer *s = aligned_alloc(_Alignof(struct pair_sealer), sizeof *s);
    if (!s) {
        provider_openssl.drop(small);
        return ERR_NOMEM;
    }
    *s = (struct pair_sealer){.small = small};
    sealer_init(&s->base, &provider_ipsecmb_pair, plan);
    err_t e = pair_keys_make(&s->keys, plan);
    if (e == ERR_OK)
        *out = &s->base;
    else
        pair_drop(&s->base);
    return e;
}

// ---- lanes ----

// Up to LANES_MAX good jobs of a burst, and what the library wants to know about each.
struct lanes {
    unsigned n;
    struct seal_job *job[LANES_MAX];
    IMB_JOB imb[LANES_MAX];
    uint8_t counter[LANES_MAX][CTR_BLOCK_LEN];
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

static IMB_JOB cipher_job(const struct pair_sealer *s, const struct seal_job *j,
                          IMB_CIPHER_DIRECTION direction)
{
    return (IMB_JOB){
        .enc_keys = s->keys.enc,
        .dec_keys = s->keys.dec,
        .key_len_in_bytes = s->keys.cipher_len,
        .src = job_text(&s->base, j),
        .dst = job_text(&s->base, j),
        .msg_len_to_cipher_in_bytes = j->text_len,
        .iv = job_iv(j),
        .iv_len_in_bytes = s->base.iv_len,
        .cipher_mode = s->keys.cipher,
        .cipher_direction = direction,
        .hash_alg = IMB_AUTH_NULL,
        .chain_order = direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER,
    };
}

static void lanes_cipher(const struct pair_sealer *s, IMB_MGR *m, struct lanes *l,
                         IMB_CIPHER_DIRECTION direction)
{
    struct seal_job *job[LANES_MAX];
    uint32_t n = 0;
    for (unsigned i = 0; i < l->n; i++) {
        struct seal_job *j = l->job[i];
        if (j->bad || j->text_len == 0) continue;
        l->imb[n] = cipher_job(s, j, direction);
        if (s->keys.cipher == IMB_CIPHER_CNTR) {
            job_counter(&s->base, j, s->keys.salt, l->counter[n]);
            l->imb[n].iv = l->counter[n];
            l->imb[n].iv_len_in_bytes = CTR_BLOCK_LEN;
        }
        job[n++] = j;
    }
    if (n == 0 || s->keys.cipher_len == 0) return;
    if (s->keys.cipher == IMB_CIPHER_CBC)
        IMB_SUBMIT_CIPHER_BURST(m, l->imb, n, IMB_CIPHER_CBC, direction, s->keys.cipher_len);
    else
        machine_run(m, l->imb, n);
    for (uint32_t i = 0; i < n; i++) {
        if (l->imb[i].status != IMB_STATUS_COMPLETED) job_fail(s, job[i]);
    }
}

static bool hash_is_hmac(IMB_HASH_ALG hash)
{
    return hash == IMB_AUTH_HMAC_SHA_1 || hash == IMB_AUTH_HMAC_SHA_256 ||
           hash == IMB_AUTH_HMAC_SHA_384 || hash == IMB_AUTH_HMAC_SHA_512;
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
            .auth_tag_output = l->mac[i],
            .auth_tag_output_len_in_bytes = s->keys.mac_len,
            .cipher_mode = IMB_CIPHER_NULL,
            .cipher_direction = IMB_DIR_DECRYPT,
            .chain_order = IMB_ORDER_HASH_CIPHER,
        };
        pair_keys_mac(&s->keys, &l->imb[i]);
    }
    if (hash_is_hmac(s->keys.hash))
        IMB_SUBMIT_HASH_BURST(m, l->imb, l->n, s->keys.hash);
    else
        machine_run(m, l->imb, l->n);
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
    .can = pair_keys_can,
    .make = pair_make,
    .seal = pair_seal,
    .open = pair_open,
    .drop = pair_drop,
};
