// provider.h - what a library has to offer to carry a sealer: crypto/openssl, crypto/ipsecmb.
// Between sealer.c and the providers only.
#pragma once

#include <string.h>

#include "base/order.h"
#include "crypto/alg.h"
#include "crypto/sealer.h"

#define SALT_MAX 4
#define NONCE_LEN 12     // salt | IV of a counter mode; AES-CCM has one byte less
#define ESN_HEAD_LEN 8   // ESP: SPI, low half of the sequence number
#define MAC_MAX 64       // bytes of the longest MAC before truncation
#define IV_POOL_LEN 1024 // bytes of randomness fetched at once for CBC
#define CTR_BLOCK_LEN 16 // nonce | IV | counter of AES-CTR

// A struct sealer_spec that has been found good.
struct sealer_plan {
    const struct alg *encr;
    const struct alg *integ; // NULL for AEAD
    uint32_t icv_len;
    span_t encr_key; // without the salt
    span_t salt;
    span_t integ_key;
};

struct iv_pool {
    uint32_t left; // bytes not given out yet, at the end
    uint8_t at[IV_POOL_LEN];
};

// Providers embed it as their first member.
struct sealer {
    const struct provider *by;
    uint32_t salt_len, iv_len, icv_len, block;
    uint32_t block_mask; // block - 1: it is a power of two
    // For hints: bytes from here on that every message needs, and where those end of which a longer
    // message needs more, from the end backwards.
    uint32_t keys, keys_end;
    struct iv_pool *ivs; // CBC only
};

struct provider {
    const char *name;
    bool (*can)(const struct sealer_plan *plan); // this algorithm on this CPU?
    // Calls sealer_init() and allocates all that the sealer needs. ERR_NOMEM, ERR_CRYPTO.
    err_t (*make)(const struct sealer_plan *plan, struct sealer **out);
    // Both skip jobs that are bad already (their shape is wrong) and set bad on others that fail.
    void (*seal)(struct sealer *s, struct seal_job *jobs, unsigned n);
    void (*open)(struct sealer *s, struct seal_job *jobs, unsigned n);
    void (*drop)(struct sealer *s); // wipes and frees
};

extern const struct provider provider_openssl, provider_ipsecmb_aead, provider_ipsecmb_ccm,
    provider_ipsecmb_pair;

static inline void sealer_init(struct sealer *s, const struct provider *by,
                               const struct sealer_plan *plan)
{
    *s = (struct sealer){
        .by = by,
        .salt_len = plan->encr->salt_len,
        .iv_len = plan->encr->iv_len,
        .icv_len = plan->icv_len,
        .block = plan->encr->block,
        .block_mask = plan->encr->block - 1U,
    };
}

static inline uint8_t *job_iv(const struct seal_job *j)
{
    return j->head + j->head_len;
}
static inline uint8_t *job_text(const struct sealer *s, const struct seal_job *j)
{
    return job_iv(j) + s->iv_len;
}
static inline uint8_t *job_icv(const struct sealer *s, const struct seal_job *j)
{
    return job_text(s, j) + j->text_len;
}

// Salt and IV of a counter mode.
static inline void job_nonce(const struct sealer *s, const struct seal_job *j, const uint8_t *salt,
                             uint8_t nonce[NONCE_LEN])
{
    if (s->salt_len == 4 && s->iv_len == 8) { // all but AES-CCM
        memcpy(nonce, salt, 4);
        memcpy(nonce + 4, job_iv(j), 8);
        return;
    }
    memcpy(nonce, salt, s->salt_len);
    memcpy(nonce + s->salt_len, job_iv(j), s->iv_len);
}

// rfc3686 4 MUST: the counter of the first block is one.
static inline void job_counter(const struct sealer *s, const struct seal_job *j,
                               const uint8_t *salt, uint8_t block[CTR_BLOCK_LEN])
{
    job_nonce(s, j, salt, block);
    put32(block + NONCE_LEN, 1);
}

// Additional data of an AEAD. rfc4106 5 MUST: with ESN it is SPI and all 64 bits of the number,
// of which the high half is not on the wire; then the bytes are put together in `esn`.
static inline span_t job_aad(const struct seal_job *j, uint8_t esn[ESN_HEAD_LEN + 4])
{
    if (!j->esn) return span(j->head, j->head_len);
    memcpy(esn, j->head, 4);
    put32(esn + 4, j->esn_hi);
    memcpy(esn + 8, j->head + 4, 4);
    return span(esn, ESN_HEAD_LEN + 4);
}
