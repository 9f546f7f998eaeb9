#include "xfrm/db/sa_alg.h"

#include <stdio.h>
#include <string.h>

#include "crypto/alg.h"

// Without XFRMA_ALG_AUTH_TRUNC the kernel cuts hmac(sha256) to 96 bits (a draft of RFC 4868) and
// the others as their RFCs say.
#define SHA256_KERNEL_BITS 96

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

static err_t aead_spec(struct xfrm_alg *x, struct sealer_spec *spec, struct why *why)
{
    const struct alg *any = alg_by_kernel(ALG_ENCR, x->name, 0, 0);
    if (!any || !any->aead) {
        return why_not(why, ERR_ALGORITHM, "%s: unknown AEAD algorithm", x->name);
    }
    TRY(key_check(x, why));
    int key = x->key_bits / 8 - any->salt_len;
    const struct alg *a =
        key > 0 ? alg_by_kernel(ALG_ENCR, x->name, (uint16_t)key, x->icv_bits / 8) : NULL;
    if (!a || x->icv_bits % 8) {
        return why_not(why, ERR_RANGE,
                       "%s: no variant with a key of %u bits (salt included) and an ICV of %u",
                       x->name, x->key_bits, x->icv_bits);
    }
    name_canonical(x, a);
    x->icv_bits = (uint16_t)(a->icv_len * 8);
    spec->encr = a->id;
    spec->encr_key = key_span(x);
    return ERR_OK;
}

static err_t crypt_spec(struct xfrm_alg *x, struct sealer_spec *spec, struct why *why)
{
    const struct alg *any = alg_by_kernel(ALG_ENCR, x->name, 0, 0);
    if (!any || any->aead) {
        return why_not(why, ERR_ALGORITHM, "%s: unknown encryption algorithm", x->name);
    }
    TRY(key_check(x, why));
    uint16_t key = x->key_bits / 8;
    const struct alg *a = alg_by_kernel(ALG_ENCR, x->name, key, 0);
    if (!a || a->key_len != key) {
        return why_not(why, ERR_RANGE, "%s: no variant with a key of %u bits", x->name,
                       x->key_bits);
    }
    name_canonical(x, a);
    spec->encr = a->id;
    spec->encr_key = key_span(x);
    return ERR_OK;
}

static err_t auth_spec(struct xfrm_alg *x, struct sealer_spec *spec, struct why *why)
{
    const struct alg *a = alg_by_kernel(ALG_INTEG, x->name, 0, 0);
    if (!a) return why_not(why, ERR_ALGORITHM, "%s: unknown integrity algorithm", x->name);
    TRY(key_check(x, why));
    name_canonical(x, a);
    if (!x->trunc_given || x->icv_bits == 0) {
        x->icv_bits =
            a->id == INTEG_HMAC_SHA2_256_128 ? SHA256_KERNEL_BITS : (uint16_t)(a->icv_len * 8);
    }
    // For HMAC the IKEv2 key length is the length of the whole hash.
    if (x->icv_bits % 8 || x->icv_bits > a->key_len * 8) {
        return why_not(why, ERR_RANGE, "%s: cannot be truncated to %u bits", x->name, x->icv_bits);
    }
    spec->integ = a->id;
    spec->icv_len = x->icv_bits / 8;
    spec->integ_key = key_span(x);
    return ERR_OK;
}

err_t sa_alg_spec(struct xfrm_sa *x, struct sealer_spec *spec, struct why *why)
{
    bool aead = x->aead.name[0], crypt = x->crypt.name[0], auth = x->auth.name[0];

    *spec = (struct sealer_spec){.encr = ENCR_NONE, .integ = INTEG_NONE};
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
