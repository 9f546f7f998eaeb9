#include "xfrm/db/sa_alg.h"

#include <stdio.h>
#include <string.h>

#include "crypto/alg.h"

// Without XFRMA_ALG_AUTH_TRUNC the kernel cuts hmac(sha256) to 96 bits (a draft of RFC 4868) and
// the others as their RFCs say.
#define SHA256_KERNEL_BITS 96
#define ICV_BITS_MIN 96 // the kernel takes less; but that invites guessing (RFC 8221)

static void name_canonical(struct xfrm_alg *x, const struct alg *a)
{
    (void)snprintf(x->name, sizeof x->name, "%s", a->kernel);
}

static err_t key_check(const struct xfrm_alg *x, struct why *why)
{
    if (x->key_bits % 8 == 0 && x->key_bits / 8 <= XFRM_KEY_MAX) return ERR_OK;
    return why_not(why, ERR_RANGE, "%s: a key of %u bits is no whole number of bytes up to %u",
                   x->name, x->key_bits, XFRM_KEY_MAX);
}

static span_t key_span(const struct xfrm_alg *x)
{
    return span(x->key, x->key_bits / 8);
}

static err_t unknown(const struct xfrm_alg *x, const char *kind, struct why *why)
{
    const char *refusal = alg_refusal(x->name);
    if (refusal) return why_not(why, ERR_ALGORITHM, "%s %s", x->name, refusal);
    return why_not(why, ERR_ALGORITHM, "%s: unknown %s algorithm", x->name, kind);
}

// Names the lengths of key, as `ip xfrm` counts them, that would do.
static err_t key_wrong(const struct xfrm_alg *x, const struct alg *a, struct why *why)
{
    char lens[48];
    return why_not(why, ERR_RANGE, "%s takes a key of %s bits%s, not %u", a->kernel,
                   alg_show_keys(a, 8, lens), a->salt_len ? " (salt included)" : "", x->key_bits);
}

// "128, 96, 64": the ICVs in which an AEAD algorithm comes.
static void icvs_show(const struct alg *any, char *buf, size_t cap)
{
    size_t n, at = 0;
    const struct alg *all = alg_all(&n);
    buf[0] = 0;
    for (size_t i = 0; i < n && at < cap; i++) {
        const struct alg *a = &all[i];
        if (!a->aead || strcmp(a->kernel, any->kernel) != 0 || a->key_len != any->key_len) continue;
        at += (size_t)snprintf(buf + at, cap - at, "%s%u", at ? ", " : "", a->icv_len * 8U);
    }
}

static err_t aead_spec(struct xfrm_alg *x, struct sealer_spec *spec, struct why *why)
{
    char icvs[32];
    const struct alg *any = alg_by_kernel(ALG_ENCR, x->name, 0, 0);
    if (!any || !any->aead) return unknown(x, "AEAD", why);
    const struct alg *variant = alg_by_kernel(ALG_ENCR, x->name, 0, x->icv_bits / 8);
    if (!variant || x->icv_bits % 8) { // the kernel looks an AEAD up by both
        icvs_show(any, icvs, sizeof icvs);
        return why_not(why, ERR_ALGORITHM, "%s comes with an ICV of %s bits, not %u", x->name, icvs,
                       x->icv_bits);
    }
    TRY(key_check(x, why));
    if (!alg_takes_key(variant, x->key_bits / 8)) return key_wrong(x, variant, why);
    name_canonical(x, variant);
    x->icv_bits = (uint16_t)(variant->icv_len * 8);
    spec->encr = variant->id;
    spec->encr_key = key_span(x);
    return ERR_OK;
}

static err_t crypt_spec(struct xfrm_alg *x, struct sealer_spec *spec, struct why *why)
{
    const struct alg *a = alg_by_kernel(ALG_ENCR, x->name, 0, 0);
    if (!a || a->aead) return unknown(x, "encryption", why);
    TRY(key_check(x, why));
    if (!alg_takes_key(a, x->key_bits / 8)) return key_wrong(x, a, why);
    name_canonical(x, a);
    spec->encr = a->id;
    spec->encr_key = key_span(x);
    return ERR_OK;
}

static err_t auth_spec(struct xfrm_alg *x, struct sealer_spec *spec, struct why *why)
{
    const struct alg *a = alg_by_kernel(ALG_INTEG, x->name, 0, 0);
    if (!a) return unknown(x, "integrity", why);
    TRY(key_check(x, why));
    if (!alg_takes_key(a, x->key_bits / 8)) return key_wrong(x, a, why);
    name_canonical(x, a);
    if (!x->trunc_given || x->icv_bits == 0) {
        x->icv_bits =
            a->id == INTEG_HMAC_SHA2_256_128 ? SHA256_KERNEL_BITS : (uint16_t)(a->icv_len * 8);
    }
    // Like the kernel, a part of a byte is dropped from the ICV and kept in the SA's description.
    if (x->icv_bits < ICV_BITS_MIN || x->icv_bits > a->mac_len * 8) {
        return why_not(why, ERR_RANGE, "%s can be truncated to %u to %u bits, not %u", x->name,
                       ICV_BITS_MIN, a->mac_len * 8U, x->icv_bits);
    }
    spec->integ = a->id;
    spec->icv_len = x->icv_bits / 8;
    spec->integ_key = key_span(x);
    return ERR_OK;
}

err_t sa_alg_refuse_legacy(const struct xfrm_sa *x, struct why *why)
{
    const struct alg *a = x->crypt.name[0] ? alg_by_kernel(ALG_ENCR, x->crypt.name, 0, 0) : NULL;
    if ((!a || !a->legacy) && x->auth.name[0]) a = alg_by_kernel(ALG_INTEG, x->auth.name, 0, 0);
    if (!a || !a->legacy) return ERR_OK;
    if (a->broken) {
        return why_not(why, ERR_ALGORITHM,
                       "%s is broken and must not be used (RFC 8221): pavise-xfrmd takes it only "
                       "when started with --legacy",
                       a->kernel);
    }
    return why_not(why, ERR_ALGORITHM,
                   "%s is for old peers only: pavise-xfrmd takes it when started with --legacy",
                   a->kernel);
}

err_t sa_alg_check_comp(const struct xfrm_sa *x, struct why *why)
{
    if (x->aead.name[0] || x->crypt.name[0] || x->auth.name[0]) {
        return why_not(why, ERR_SYNTAX, "IPComp compresses: comp only");
    }
    if (!x->comp[0]) return why_not(why, ERR_SYNTAX, "IPComp needs comp");
    if (strcmp(x->comp, "deflate") == 0) return ERR_OK;
    return why_not(why, ERR_ALGORITHM, "%s: unknown compression algorithm; deflate is known",
                   x->comp);
}

// AH is a MAC alone: for the sealer, encryption with NULL (RFC 4302 3.3.3).
static err_t ah_spec(struct xfrm_sa *x, struct sealer_spec *spec, struct why *why)
{
    if (x->aead.name[0] || x->crypt.name[0]) {
        return why_not(why, ERR_SYNTAX, "AH encrypts nothing: auth only");
    }
    if (!x->auth.name[0]) return why_not(why, ERR_SYNTAX, "AH needs auth");
    spec->encr = ENCR_NULL;
    return auth_spec(&x->auth, spec, why);
}

err_t sa_alg_spec(struct xfrm_sa *x, struct sealer_spec *spec, struct why *why)
{
    bool aead = x->aead.name[0], crypt = x->crypt.name[0], auth = x->auth.name[0];

    *spec = (struct sealer_spec){.encr = ENCR_NONE, .integ = INTEG_NONE};
    if (x->proto == XFRM_PROTO_AH) return ah_spec(x, spec, why);
    if (aead && (crypt || auth)) {
        return why_not(why, ERR_SYNTAX,
                       "an AEAD algorithm stands alone: no enc, no auth beside it");
    }
    if (aead) return aead_spec(&x->aead, spec, why);
    if (!crypt) {
        return why_not(why, ERR_SYNTAX, "ESP needs aead, or enc (\"ecb(cipher_null)\" for none)");
    }
    TRY(crypt_spec(&x->crypt, spec, why));
    if (auth) return auth_spec(&x->auth, spec, why);
    if (spec->encr != ENCR_NULL) return ERR_OK;
    return why_not(why, ERR_SYNTAX, "neither encryption nor integrity");
}
