// mlkem.h - ML-KEM, the key encapsulation of FIPS 203, for libraries that do not have it yet.
//
// Time and memory addresses depend on public values only. All functions are pure: randomness comes
// from the caller. Buffers are of the sizes that mlkem_of() tells.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define MLKEM_SEED 32   // bytes of d, z and m
#define MLKEM_SHARED 32 // bytes of the shared secret
#define MLKEM_EK_MAX 1568
#define MLKEM_DK_MAX 3168
#define MLKEM_CT_MAX 1568

struct mlkem {
    uint16_t k; // 2, 3 or 4: the dimension
    uint16_t eta1, du, dv;
    uint16_t ek_len, dk_len, ct_len; // bytes: encapsulation key, decapsulation key, ciphertext
};

// The parameter set ML-KEM-512, -768 or -1024 (FIPS 203 table 2). NULL for other numbers.
const struct mlkem *mlkem_of(unsigned bits);

// Algorithm 16.
void mlkem_keygen(const struct mlkem *p, const uint8_t d[MLKEM_SEED], const uint8_t z[MLKEM_SEED],
                  uint8_t *ek, uint8_t *dk);
// Algorithm 17 with the checks of 7.2; ek_len is what the peer sent. ERR_SYNTAX: wrong length or a
// number that is not below q.
err_t mlkem_encaps(const struct mlkem *p, const uint8_t *ek, size_t ek_len,
                   const uint8_t m[MLKEM_SEED], uint8_t *ct, uint8_t shared[MLKEM_SHARED]);
// Algorithm 18. A ciphertext of the wrong length is ERR_SYNTAX; a forged one gives a secret that
// nobody else has (implicit rejection).
err_t mlkem_decaps(const struct mlkem *p, const uint8_t *dk, const uint8_t *ct, size_t ct_len,
                   uint8_t shared[MLKEM_SHARED]);
