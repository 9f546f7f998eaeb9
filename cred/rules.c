#include "cred/rules.h"

#include <stdio.h>

static unsigned least_bits(const struct key_rules *r, uint8_t kind)
{
    if (kind == KEY_RSA) return r->rsa_bits ? r->rsa_bits : RULES_RSA_BITS_MIN;
    return kind == KEY_ECDSA ? r->ecdsa_bits : 0;
}

err_t rules_key(const struct key_rules *r, const struct pubkey *k, struct why *why)
{
    char text[PUBKEY_TEXT_MAX];
    uint8_t kind = pubkey_kind(k);
    if (r->keys && !(r->keys & (1U << kind))) {
        return why_not(why, ERR_PERMISSION, "a key of the kind %s, which `auth` does not allow",
                       pubkey_show(k, text));
    }
    if (pubkey_bits(k) >= least_bits(r, kind)) return ERR_OK;
    return why_not(why, ERR_PERMISSION, "a key of the kind %s, and %u bits are the least allowed",
                   pubkey_show(k, text), least_bits(r, kind));
}

err_t rules_scheme(const struct key_rules *r, const struct scheme *s, struct why *why)
{
    char text[SCHEME_TEXT_MAX];
    hash_set_t hashes = r->hashes ? r->hashes : HASHES_SOUND;
    // EdDSA has no hash to choose; a list of hashes says nothing about it.
    if (s->hash != HASH_IDENTITY && !(hashes & HASH_BIT(s->hash))) {
        return why_not(why, ERR_PERMISSION, "the signature is %s, and %s is not allowed%s",
                       scheme_show(s, text), hash_name(s->hash),
                       r->hashes ? " by `auth`" : " unless `auth` names it");
    }
    if (s->kind == SCHEME_PSS && !(hashes & HASH_BIT(s->mgf))) {
        return why_not(why, ERR_PERMISSION, "the mask of the PSS signature is made with %s",
                       hash_name(s->mgf));
    }
    if (!r->pss || s->kind != SCHEME_RSA) return ERR_OK;
    return why_not(why, ERR_PERMISSION, "the signature is %s, and `auth` asks for RSA with PSS",
                   scheme_show(s, text));
}
