#include "crypto/mlkem/poly.h"

#include <string.h>

#include "crypto/mlkem/simd.h"

#define Q_INVERSE (-3327)   // q^-1 modulo 2^16
#define BARRETT 20159       // 2^26 / q, rounded
#define SQUARE_BY_128 1441  // 2^32 / 128 modulo q
#define MONTGOMERY_TWO 1353 // 2^32 modulo q

#define INLINE static inline __attribute__((always_inline))

// ---- one coefficient ----

INLINE int16_t high(int16_t a, int16_t b)
{
    return (int16_t)((int32_t)a * b >> 16);
}
INLINE int16_t low(int16_t a, int16_t b)
{
    return (int16_t)((uint16_t)a * (uint32_t)(uint16_t)b);
}
// x * z / 2^16 modulo q, between -q and q; zq is z / q modulo 2^16.
INLINE int16_t times(int16_t x, int16_t z, int16_t zq)
{
    return (int16_t)(high(x, z) - high(low(x, zq), MLKEM_Q));
}
INLINE int16_t product(int16_t a, int16_t b)
{
    return times(a, b, low(b, Q_INVERSE));
}
// The same modulo q, between -q/2 and q/2.
INLINE int16_t centre(int16_t x)
{
    int16_t quotient = (int16_t)((high(x, BARRETT) + (1 << 9)) >> 10);
    return (int16_t)(x - low(quotient, MLKEM_Q));
}

// ---- rows ----

INLINE void split(int16_t *lo, int16_t *hi, const struct zeta_row *zeta)
{
    for (unsigned i = 0; i < 16; i++) {
        int16_t t = times(hi[i], zeta->z[i], zeta->zq[i]);
        hi[i] = (int16_t)(lo[i] - t);
        lo[i] = (int16_t)(lo[i] + t);
    }
}

INLINE void join(int16_t *lo, int16_t *hi, const struct zeta_row *zeta)
{
    for (unsigned i = 0; i < 16; i++) {
        int16_t t = (int16_t)(lo[i] - hi[i]);
        lo[i] = centre((int16_t)(lo[i] + hi[i]));
        hi[i] = times(t, zeta->z[i], zeta->zq[i]);
    }
}

INLINE void turn(int16_t *restrict to, const int16_t *restrict from)
{
    for (unsigned r = 0; r < 16; r++) {
        for (unsigned i = 0; i < 16; i++) to[16 * r + i] = from[16 * i + r];
    }
}
INLINE void transpose(int16_t *c)
{
    int16_t t[MLKEM_N];
    memcpy(t, c, sizeof t);
    turn(c, t);
}

// The layers whose butterflies span from `first` down to `last` rows.
INLINE const struct zeta_row *split_rows(int16_t *c, unsigned first, unsigned last,
                                         const struct zeta_row *zeta)
{
    for (unsigned span = first; span >= last; span /= 2) {
        for (unsigned start = 0; start < 16; start += 2 * span, zeta++) {
            for (unsigned r = start; r < start + span; r++) {
                split(c + 16 * r, c + 16 * (r + span), zeta);
            }
        }
    }
    return zeta;
}

// The same backwards; `zeta` stands behind the factors of these layers.
INLINE const struct zeta_row *join_rows(int16_t *c, unsigned first, unsigned last,
                                        const struct zeta_row *zeta)
{
    for (unsigned span = first; span <= last; span *= 2) {
        zeta -= 8 / span;
        for (unsigned start = 0, n = 0; start < 16; start += 2 * span, n++) {
            for (unsigned r = start; r < start + span; r++) {
                join(c + 16 * r, c + 16 * (r + span), zeta + n);
            }
        }
    }
    return zeta;
}

// ---- polynomials ----

SIMD_BODY reduce_body(int16_t *c)
{
    for (unsigned i = 0; i < MLKEM_N; i++) c[i] = centre(c[i]);
}
SIMD_BODY ntt_body(int16_t *c)
{
    const struct zeta_row *zeta = split_rows(c, 8, 1, zeta_forward);
    transpose(c);
    (void)split_rows(c, 8, 2, zeta);
    reduce_body(c);
}
SIMD_BODY ntt_inverse_body(int16_t *c)
{
    const int16_t f = SQUARE_BY_128, fq = low(f, Q_INVERSE);
    const struct zeta_row *zeta = join_rows(c, 2, 8, zeta_inverse + 22);
    transpose(c);
    (void)join_rows(c, 1, 8, zeta);
    for (unsigned i = 0; i < MLKEM_N; i++) c[i] = centre(times(c[i], f, fq));
}

// (a0 + a1 X)(b0 + b1 X) modulo X^2 - zeta, for the 16 columns of four rows: the second pair has
// the negative zeta (FIPS 203 algorithm 12).
INLINE void multiply_rows(int16_t *sum, const int16_t *a, const int16_t *b,
                          const struct zeta_row *zeta)
{
    for (unsigned i = 0; i < 16; i++) {
        int16_t z = zeta->z[i], zq = zeta->zq[i];
        int16_t even = times(product(a[16 + i], b[16 + i]), z, zq);
        int16_t odd = times(product(a[48 + i], b[48 + i]), z, zq);
        sum[i] = (int16_t)(sum[i] + product(a[i], b[i]) + even);
        sum[16 + i] = (int16_t)(sum[16 + i] + product(a[i], b[16 + i]) + product(a[16 + i], b[i]));
        sum[32 + i] = (int16_t)(sum[32 + i] + product(a[32 + i], b[32 + i]) - odd);
        sum[48 + i] =
            (int16_t)(sum[48 + i] + product(a[32 + i], b[48 + i]) + product(a[48 + i], b[32 + i]));
    }
}
SIMD_BODY multiply_add_body(int16_t *sum, const int16_t *a, const int16_t *b)
{
    for (unsigned r = 0; r < 4; r++) {
        multiply_rows(sum + 64 * r, a + 64 * r, b + 64 * r, &zeta_forward[18 + r]);
    }
}

SIMD_VERSIONS(reduce, (int16_t * c), (c))
SIMD_VERSIONS(ntt, (int16_t * c), (c))
SIMD_VERSIONS(ntt_inverse, (int16_t * c), (c))
SIMD_VERSIONS(multiply_add, (int16_t * sum, const int16_t *a, const int16_t *b), (sum, a, b))

void poly_place_all(struct poly *p, const int16_t *c)
{
    turn(p->c, c);
}
void poly_reduce(struct poly *p)
{
    reduce(p->c);
}
void poly_ntt(struct poly *p)
{
    ntt(p->c);
}
void poly_ntt_inverse(struct poly *p)
{
    ntt_inverse(p->c);
}
void poly_multiply_add(struct poly *sum, const struct poly *a, const struct poly *b)
{
    multiply_add(sum->c, a->c, b->c);
}
void poly_montgomery(struct poly *p)
{
    const int16_t f = MONTGOMERY_TWO, fq = low(f, Q_INVERSE);
    for (unsigned i = 0; i < MLKEM_N; i++) p->c[i] = times(p->c[i], f, fq);
}
void poly_add(struct poly *sum, const struct poly *a)
{
    for (unsigned i = 0; i < MLKEM_N; i++) sum->c[i] = (int16_t)(sum->c[i] + a->c[i]);
}
void poly_subtract(struct poly *p, const struct poly *a)
{
    for (unsigned i = 0; i < MLKEM_N; i++) p->c[i] = (int16_t)(p->c[i] - a->c[i]);
}

// ---- noise ----

// Sums of two bits against two bits: four bits a coefficient.
static void noise_2(struct poly *p, const uint8_t *bytes)
{
    for (unsigned i = 0; i < MLKEM_N / 2; i++) {
        unsigned pairs = (bytes[i] & 0x55) + (bytes[i] >> 1 & 0x55);
        p->c[2 * i] = (int16_t)((int)(pairs & 3) - (int)(pairs >> 2 & 3));
        p->c[2 * i + 1] = (int16_t)((int)(pairs >> 4 & 3) - (int)(pairs >> 6 & 3));
    }
}

// Sums of three bits against three bits: six bits a coefficient, four of them in three bytes.
static void noise_3(struct poly *p, const uint8_t *bytes)
{
    for (unsigned i = 0; i < MLKEM_N / 4; i++) {
        const uint8_t *b = bytes + 3 * i;
        uint32_t t = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16;
        uint32_t sums = (t & 0x249249) + (t >> 1 & 0x249249) + (t >> 2 & 0x249249);
        for (unsigned j = 0; j < 4; j++) {
            int plus = (int)(sums >> 6 * j & 7), minus = (int)(sums >> (6 * j + 3) & 7);
            p->c[4 * i + j] = (int16_t)(plus - minus);
        }
    }
}

void poly_noise(struct poly *p, const uint8_t *bytes, unsigned eta)
{
    if (eta == 3) {
        noise_3(p, bytes);
        return;
    }
    noise_2(p, bytes);
}
