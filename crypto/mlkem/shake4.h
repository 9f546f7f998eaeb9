// shake4.h - four SHAKE computations side by side (FIPS 202): ML-KEM needs many short ones that do
// not depend on each other, and four of them take the time of one. The hashes that come alone use
// one of the four and leave the others idle.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

#define SHAKE128_RATE 168 // bytes that one permutation takes or gives
#define SHAKE256_RATE 136
#define SHAKE_RATE_MAX SHAKE128_RATE

typedef uint64_t lane4 __attribute__((vector_size(32)));

struct shake4 {
    lane4 state[25]; // word i of all four
    unsigned rate;
};

// Begins with four messages of the same length, which is less than the rate.
void shake4_absorb(struct shake4 *s, unsigned rate, const uint8_t *const in[4], size_t len);
// The next `rate` bytes of each.
void shake4_squeeze(struct shake4 *s, uint8_t out[4][SHAKE_RATE_MAX]);

// The parts one after the other: SHA3-256 (32 bytes), SHA3-512 (64 bytes), SHAKE256 (32 bytes).
void sha3_256(const span_t *parts, unsigned n, uint8_t out[32]);
void sha3_512(const span_t *parts, unsigned n, uint8_t out[64]);
void shake256(const span_t *parts, unsigned n, uint8_t out[32]);
