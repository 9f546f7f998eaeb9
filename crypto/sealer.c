#include "crypto/sealer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/pages.h"
#include "base/secret.h"
#include "crypto/provider.h"
#include "crypto/rng.h"

// One message; a 64 KiB super-packet fits many times. Keeps every length inside OpenSSL's int.
#define TEXT_MAX (1U << 24)
#define ICV_MIN 12 // bytes; less than 96 bits invites guessing

// The fastest first.
static const struct provider *const providers[] = {
    &provider_ipsecmb_aead,
    &provider_ipsecmb_ccm,
    &provider_ipsecmb_pair,
    &provider_openssl,
};

// ---- making ----

// The entry that fits the key, or a sentence that names the lengths that would.
static err_t alg_choose(enum alg_type type, uint16_t id, size_t key_len, const struct alg **out,
                        struct why *why)
{
    char text[48];
    const struct alg *a = alg_find(type, id, 0);
    if (!a) {
        return why_not(why, ERR_ALGORITHM, "%s algorithm %u (%s) is not known here",
                       type == ALG_ENCR ? "encryption" : "integrity", id, alg_show(type, id, text));
    }
    if (!alg_takes_key(a, key_len)) {
        return why_not(why, ERR_ALGORITHM, "%s takes a key of %s bytes%s, not %zu", a->name,
                       alg_show_keys(a, 1, text), a->salt_len ? " (salt included)" : "", key_len);
    }
    *out = type == ALG_INTEG ? a : alg_find(type, id, (uint16_t)(key_len - a->salt_len));
    return ERR_OK;
}

static err_t icv_choose(const struct sealer_plan *plan, uint16_t wanted, uint32_t *out,
                        struct why *why)
{
    const struct alg *a = plan->integ ? plan->integ : plan->encr;
    uint32_t max = plan->integ ? a->mac_len : a->icv_len;
    uint32_t min = plan->integ ? ICV_MIN : a->icv_len;
    *out = wanted ? wanted : a->icv_len;
    if (*out >= min && *out <= max) return ERR_OK;
    if (min == max)
        return why_not(why, ERR_ALGORITHM, "%s has an ICV of %u bytes, not %u", a->name, max, *out);
    return why_not(why, ERR_ALGORITHM, "%s has an ICV of %u to %u bytes, not %u", a->name, min, max,
                   *out);
}

static err_t plan_make(const struct sealer_spec *spec, struct sealer_plan *plan, struct why *why)
{
    *plan = (struct sealer_plan){0};
    TRY(alg_choose(ALG_ENCR, spec->encr, spec->encr_key.len, &plan->encr, why));
    const struct alg *a = plan->encr;
    plan->encr_key = span(spec->encr_key.at, a->key_len);
    if (a->salt_len) plan->salt = span(spec->encr_key.at + a->key_len, a->salt_len);
    if (a->aead && (spec->integ != INTEG_NONE || spec->integ_key.len)) {
        return why_not(why, ERR_ALGORITHM, "%s authenticates by itself and takes no MAC", a->name);
    }
    if (!a->aead && spec->integ == INTEG_NONE) {
        return why_not(why, ERR_ALGORITHM, "%s needs a MAC beside it", a->name);
    }
    if (!a->aead) {
        TRY(alg_choose(ALG_INTEG, spec->integ, spec->integ_key.len, &plan->integ, why));
        plan->integ_key = spec->integ_key;
    }
    return icv_choose(plan, spec->icv_len, &plan->icv_len, why);
}

static const struct provider *provider_choose(const struct sealer_plan *plan, const char *name)
{
    for (size_t i = 0; i < sizeof providers / sizeof *providers; i++) {
        if (name && strcmp(providers[i]->name, name) != 0) continue;
        if (providers[i]->can(plan)) return providers[i];
    }
    return NULL;
}

err_t sealer_new(const struct sealer_spec *spec, struct sealer **out, struct why *why)
{
    struct sealer_plan plan;
    TRY(plan_make(spec, &plan, why));
    const struct provider *by = provider_choose(&plan, spec->provider);
    if (!by) {
        return why_not(why, ERR_ALGORITHM, "provider \"%s\" does not do %s here",
                       spec->provider ? spec->provider : "any", plan.encr->name);
    }
    struct iv_pool *ivs = NULL;
    bool random = plan.encr->block > 1; // CBC; counter modes have no blocks to fill
    if (random && !(ivs = calloc(1, sizeof *ivs))) return ERR_NOMEM;
    struct sealer *s;
    err_t e = by->make(&plan, &s);
    if (e != ERR_OK) {
        free(ivs);
        return why_not(why, e, "%s cannot prepare %s", by->name, plan.encr->name);
    }
    s->ivs = ivs;
    *out = s;
    return ERR_OK;
}

void sealer_free(struct sealer *s)
{
    if (!s) return;
    if (s->ivs) wipe(s->ivs, sizeof *s->ivs);
    free(s->ivs);
    s->by->drop(s);
}

uint32_t sealer_iv_len(const struct sealer *s)
{
    return s->iv_len;
}

uint32_t sealer_icv_len(const struct sealer *s)
{
    return s->icv_len;
}

uint32_t sealer_block(const struct sealer *s)
{
    return s->block;
}

const char *sealer_provider(const struct sealer *s)
{
    return s->by->name;
}

const char *sealer_would(const struct alg *encr, const struct alg *integ)
{
    const uint16_t mac_key = integ ? integ->key_len : 0;
    const struct sealer_plan plan = {.encr = encr,
                                     .integ = integ,
                                     .icv_len = integ ? integ->icv_len : encr->icv_len,
                                     .encr_key.len = encr->key_len,
                                     .salt.len = encr->salt_len,
                                     .integ_key.len = mac_key};
    const struct provider *by = provider_choose(&plan, NULL);
    return by ? by->name : NULL;
}

// ---- using ----

void sealer_iv(struct sealer *s, uint64_t unique, uint8_t *iv)
{
    struct iv_pool *pool = s->ivs;
    if (!pool) {
        // rfc4106 3.1, rfc4309 3.1, rfc3686 3.1, rfc7634 2 MUST: never the same IV twice under one
        // key
        if (s->iv_len) put64(iv, unique);
        return;
    }
    // rfc3602 3, rfc4312 3 MUST: chosen at random, not to be foreseen
    if (pool->left < s->iv_len) {
        rng_fill(pool->at, sizeof pool->at);
        pool->left = sizeof pool->at;
    }
    memcpy(iv, pool->at + sizeof pool->at - pool->left, s->iv_len);
    pool->left -= s->iv_len;
}

static void hint(const struct sealer *s, uint32_t from, uint32_t to)
{
    for (uint32_t at = from; at < to; at += CACHE_LINE) __builtin_prefetch((const char *)s + at);
}

void sealer_hint(const struct sealer *s, uint32_t text_len)
{
    // GHASH has a power of its key for each block of a message, the first one last; two blocks are
    // not text
    uint32_t powers = text_len + 2 * 16, most = s->keys_end - s->keys;
    hint(s, 0, s->keys);
    hint(s, s->keys_end - (powers < most ? powers : most), s->keys_end);
}

static void jobs_judge_shape(const struct sealer *s, struct seal_job *jobs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const struct seal_job *j = &jobs[i];
        jobs[i].bad = j->text_len > TEXT_MAX || j->head_len > TEXT_MAX ||
                      (j->text_len & s->block_mask) != 0 || (j->esn && j->head_len != ESN_HEAD_LEN);
    }
}

void sealer_seal(struct sealer *s, struct seal_job *jobs, unsigned n)
{
    jobs_judge_shape(s, jobs, n);
    s->by->seal(s, jobs, n);
}

void sealer_open(struct sealer *s, struct seal_job *jobs, unsigned n)
{
    jobs_judge_shape(s, jobs, n);
    s->by->open(s, jobs, n);
}
