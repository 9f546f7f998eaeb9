// Polynomials as bytes. Bits are laid out from the lowest of the first byte upwards.
#include "crypto/mlkem/poly.h"

// What a coefficient between -q and q is between 0 and q.
static inline uint16_t canonical(int16_t x)
{
    return (uint16_t)(x + (x >> 15 & MLKEM_Q));
}

void poly_encode(const struct poly *p, uint8_t out[POLY_BYTES])
{
    for (unsigned i = 0; i < MLKEM_N / 2; i++, out += 3) {
        unsigned a = canonical(p->c[poly_place(2 * i)]);
        unsigned b = canonical(p->c[poly_place(2 * i + 1)]);
        out[0] = (uint8_t)a;
        out[1] = (uint8_t)(a >> 8 | b << 4);
        out[2] = (uint8_t)(b >> 4);
    }
}

unsigned poly_decode(struct poly *p, const uint8_t in[POLY_BYTES])
{
    unsigned over = 0;
    for (unsigned i = 0; i < MLKEM_N / 2; i++, in += 3) {
        unsigned a = in[0] | (in[1] & 0xfU) << 8, b = in[1] >> 4 | (unsigned)in[2] << 4;
        over |= (MLKEM_Q - 1 - a) | (MLKEM_Q - 1 - b);
        p->c[poly_place(2 * i)] = (int16_t)a;
        p->c[poly_place(2 * i + 1)] = (int16_t)b;
    }
    return over >> 31;
}

// round(2^bits / q * x) modulo 2^bits, by a multiplication: the time of a division would tell x.
#define RECIPROCAL 20642679U // 2^36 / q, rounded up
static inline uint32_t compress(int16_t x, unsigned bits)
{
    uint64_t scaled = ((uint64_t)canonical(x) << bits) + MLKEM_Q / 2;
    return (uint32_t)(scaled * RECIPROCAL >> 36) & ((1U << bits) - 1);
}

void poly_compress(const struct poly *p, unsigned bits, uint8_t *out)
{
    uint64_t waiting = 0;
    unsigned held = 0;
    for (unsigned i = 0; i < MLKEM_N; i++) {
        waiting |= (uint64_t)compress(p->c[i], bits) << held;
        for (held += bits; held >= 8; held -= 8, waiting >>= 8) *out++ = (uint8_t)waiting;
    }
}

void poly_decompress(struct poly *p, unsigned bits, const uint8_t *in)
{
    uint32_t waiting = 0;
    unsigned held = 0;
    for (unsigned i = 0; i < MLKEM_N; i++) {
        for (; held < bits; held += 8) waiting |= (uint32_t)*in++ << held;
        uint32_t value = waiting & ((1U << bits) - 1);
        waiting >>= bits;
        held -= bits;
        p->c[i] = (int16_t)((value * MLKEM_Q + (1U << (bits - 1))) >> bits);
    }
}
