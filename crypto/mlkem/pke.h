// pke.h - K-PKE, the public-key encryption inside ML-KEM (FIPS 203 section 5). Not to be used by
// itself.
#pragma once

#include "crypto/mlkem/mlkem.h"

#define PKE_SEED 32
#define PKE_K_MAX 4

// Algorithm 13: the first k * 384 bytes of dk and the whole of ek.
void pke_keygen(const struct mlkem *p, const uint8_t d[PKE_SEED], uint8_t *ek, uint8_t *dk);
// Algorithm 14. ERR_SYNTAX: a number in ek is not below q.
err_t pke_encrypt(const struct mlkem *p, const uint8_t *ek, const uint8_t m[32],
                  const uint8_t r[PKE_SEED], uint8_t *ct);
// Algorithm 15.
void pke_decrypt(const struct mlkem *p, const uint8_t *dk, const uint8_t *ct, uint8_t m[32]);
