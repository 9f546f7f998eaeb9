#include "crypto/mlkem/mlkem.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/mlkem/pke.h"
#include "crypto/mlkem/poly.h"
#include "crypto/mlkem/shake4.h"

#define HASH 32 // bytes of H(ek)

static const struct mlkem sets[] = {
    {2, 3, 10, 4, 800, 1632, 768},
    {3, 2, 10, 4, 1184, 2400, 1088},
    {4, 2, 11, 5, 1568, 3168, 1568},
};

const struct mlkem *mlkem_of(unsigned bits)
{
    return bits == 512 ? &sets[0] : bits == 768 ? &sets[1] : bits == 1024 ? &sets[2] : NULL;
}

void mlkem_keygen(const struct mlkem *p, const uint8_t d[MLKEM_SEED], const uint8_t z[MLKEM_SEED],
                  uint8_t *ek, uint8_t *dk)
{
    pke_keygen(p, d, ek, dk);
    dk += p->k * POLY_BYTES;
    memcpy(dk, ek, p->ek_len);
    sha3_256((span_t[]){span(ek, p->ek_len)}, 1, dk + p->ek_len);
    memcpy(dk + p->ek_len + HASH, z, MLKEM_SEED);
}

// (K, r) = G(m | H(ek)).
static void derive(const uint8_t m[MLKEM_SEED], const uint8_t hash[HASH],
                   uint8_t out[MLKEM_SHARED + PKE_SEED])
{
    sha3_512((span_t[]){span(m, MLKEM_SEED), span(hash, HASH)}, 2, out);
}

err_t mlkem_encaps(const struct mlkem *p, const uint8_t *ek, size_t ek_len,
                   const uint8_t m[MLKEM_SEED], uint8_t *ct, uint8_t shared[MLKEM_SHARED])
{
    uint8_t hash[HASH], keys[MLKEM_SHARED + PKE_SEED];
    if (ek_len != p->ek_len) return ERR_SYNTAX;
    sha3_256((span_t[]){span(ek, ek_len)}, 1, hash);
    derive(m, hash, keys);
    err_t e = pke_encrypt(p, ek, m, keys + MLKEM_SHARED, ct);
    if (e == ERR_OK) memcpy(shared, keys, MLKEM_SHARED);
    wipe(keys, sizeof keys);
    return e;
}

err_t mlkem_decaps(const struct mlkem *p, const uint8_t *dk, const uint8_t *ct, size_t ct_len,
                   uint8_t shared[MLKEM_SHARED])
{
    uint8_t m[MLKEM_SEED], keys[MLKEM_SHARED + PKE_SEED], again[MLKEM_CT_MAX];
    const uint8_t *ek = dk + p->k * POLY_BYTES, *hash = ek + p->ek_len, *z = hash + HASH;
    if (ct_len != p->ct_len) return ERR_SYNTAX;
    pke_decrypt(p, dk, ct, m);
    derive(m, hash, keys);
    err_t e = pke_encrypt(p, ek, m, keys + MLKEM_SHARED, again);
    shake256((span_t[]){span(z, MLKEM_SEED), span(ct, ct_len)}, 2, shared);
    // All ones if the ciphertext is the one that m makes. No branch: which it was is the secret.
    uint8_t same = (uint8_t)-equal_ct(ct, again, ct_len);
    for (unsigned i = 0; i < MLKEM_SHARED; i++) {
        shared[i] = (uint8_t)((keys[i] & same) | (shared[i] & ~same));
    }
    wipe(m, sizeof m);
    wipe(keys, sizeof keys);
    wipe(again, sizeof again);
    return e;
}
