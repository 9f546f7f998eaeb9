// poly.h - polynomials of 256 coefficients modulo q = 3329: the arithmetic of ML-KEM (FIPS 203 4.3)
// and how they are written down (4.2.1). No branch and no address depends on a coefficient.
//
// A polynomial is a square of 16 rows of 16. In normal order coefficient i stands at row i/16,
// column i%16; in the NTT domain the square lies on its side (row i%16, column i/16). So every
// butterfly of the transform takes two whole rows, which compilers make vector code of.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MLKEM_Q 3329
#define MLKEM_N 256

struct poly {
    int16_t c[MLKEM_N];
} __attribute__((aligned(64)));

struct zeta_row {
    int16_t z[16], zq[16];
};
extern const struct zeta_row zeta_forward[22], zeta_inverse[22];

// Where coefficient i of a polynomial in the NTT domain stands.
static inline unsigned poly_place(unsigned i)
{
    return i % 16 * 16 + i / 16;
}

// Coefficients in order -> a polynomial in the NTT domain.
void poly_place_all(struct poly *p, const int16_t *c);

// Bounds: what goes in is below q in size, what comes out below q/2.
void poly_ntt(struct poly *p);
// The result is multiplied by 2^16, which undoes what poly_multiply_add leaves behind.
void poly_ntt_inverse(struct poly *p);
// sum += a * b / 2^16, all in the NTT domain. At most four products may be added before
// poly_reduce.
void poly_multiply_add(struct poly *sum, const struct poly *a, const struct poly *b);
void poly_montgomery(struct poly *p); // times 2^16
void poly_reduce(struct poly *p);
void poly_add(struct poly *sum, const struct poly *a);
void poly_subtract(struct poly *p, const struct poly *a);

// Centred binomial distribution (algorithm 8) from 64 * eta bytes; eta is 2 or 3.
void poly_noise(struct poly *p, const uint8_t *bytes, unsigned eta);

// Twelve bits a coefficient (algorithms 5 and 6), for polynomials in the NTT domain.
#define POLY_BYTES 384
void poly_encode(const struct poly *p, uint8_t out[POLY_BYTES]);
// Tells whether every coefficient was below q (FIPS 203 7.2, the modulus check): 0 = yes.
unsigned poly_decode(struct poly *p, const uint8_t in[POLY_BYTES]);
// `bits` bits a coefficient, rounded (4.2.1, Compress and Decompress): 32 * bits bytes.
void poly_compress(const struct poly *p, unsigned bits, uint8_t *out);
void poly_decompress(struct poly *p, unsigned bits, const uint8_t *in);
