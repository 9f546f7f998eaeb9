#include "crypto/mlkem/shake4.h"

#include <endian.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/mlkem/simd.h"

#define ROUNDS 24
#define SHAKE_SUFFIX 0x1f // with the first bit of the padding
#define SHA3_SUFFIX 0x06
#define SHA3_512_RATE 72

// clang-format off: FIPS 202 3.2, in the order of the state
static const uint64_t round_constant[ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};
static const uint8_t rotation[25] = {
    0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14,
};
// clang-format on

// A macro, since how a function takes a vector depends on the instruction set.
#define ROTATE(v, n) ((v) << (n) | (v) >> (-(n)&63))

static inline __attribute__((always_inline)) void keccak_round(lane4 *a, uint64_t constant)
{
    lane4 c[5], b[25];
    for (unsigned x = 0; x < 5; x++) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
#pragma GCC unroll 25
    for (unsigned i = 0; i < 25; i++) {
        unsigned x = i % 5, y = i / 5;
        lane4 next = c[(x + 1) % 5], theta = a[i] ^ c[(x + 4) % 5] ^ ROTATE(next, 1);
        b[y + 5 * ((2 * x + 3 * y) % 5)] = ROTATE(theta, (unsigned)rotation[i]);
    }
#pragma GCC unroll 25
    for (unsigned i = 0; i < 25; i++) {
        unsigned x = i % 5, row = i - x;
        a[i] = b[i] ^ (~b[row + (x + 1) % 5] & b[row + (x + 2) % 5]);
    }
    a[0] ^= (lane4){constant, constant, constant, constant};
}

SIMD_BODY keccak4_body(lane4 *state)
{
    lane4 a[25];
    memcpy(a, state, sizeof a);
    for (unsigned r = 0; r < ROUNDS; r++) keccak_round(a, round_constant[r]);
    memcpy(state, a, sizeof a);
}

SIMD_VERSIONS(keccak4, (lane4 * state), (state))

static void block_add(struct shake4 *s, unsigned lane, const uint8_t *block)
{
    for (unsigned i = 0; i < s->rate / 8; i++) {
        uint64_t word;
        memcpy(&word, block + 8 * i, 8);
        s->state[i][lane] ^= le64toh(word);
    }
}

void shake4_absorb(struct shake4 *s, unsigned rate, const uint8_t *const in[4], size_t len)
{
    memset(s->state, 0, sizeof s->state);
    s->rate = rate;
    for (unsigned lane = 0; lane < 4; lane++) {
        uint8_t block[SHAKE_RATE_MAX] = {0};
        memcpy(block, in[lane], len);
        block[len] = SHAKE_SUFFIX;
        block[rate - 1] |= 0x80;
        block_add(s, lane, block);
        wipe(block, sizeof block);
    }
}

void shake4_squeeze(struct shake4 *s, uint8_t out[4][SHAKE_RATE_MAX])
{
    keccak4(s->state);
    for (unsigned i = 0; i < s->rate / 8; i++) {
        for (unsigned lane = 0; lane < 4; lane++) {
            uint64_t word = htole64(s->state[i][lane]);
            memcpy(out[lane] + 8 * i, &word, 8);
        }
    }
}

// ---- one at a time ----

static void hash(unsigned rate, uint8_t suffix, const span_t *parts, unsigned n, uint8_t *out,
                 size_t out_len)
{
    struct shake4 s = {.rate = rate};
    uint8_t block[SHAKE_RATE_MAX] = {0};
    size_t held = 0;
    for (unsigned i = 0; i < n; i++) {
        for (size_t done = 0, step; done < parts[i].len; done += step) {
            step = parts[i].len - done < rate - held ? parts[i].len - done : rate - held;
            memcpy(block + held, parts[i].at + done, step);
            held += step;
            if (held < rate) continue;
            block_add(&s, 0, block);
            keccak4(s.state);
            held = 0;
        }
    }
    memset(block + held, 0, rate - held);
    block[held] = suffix;
    block[rate - 1] |= 0x80;
    block_add(&s, 0, block);
    keccak4(s.state);
    for (unsigned i = 0; i < out_len / 8; i++) {
        uint64_t word = htole64(s.state[i][0]);
        memcpy(out + 8 * i, &word, 8);
    }
    wipe(&s, sizeof s);
    wipe(block, sizeof block);
}

void sha3_256(const span_t *parts, unsigned n, uint8_t out[32])
{
    hash(SHAKE256_RATE, SHA3_SUFFIX, parts, n, out, 32);
}
void sha3_512(const span_t *parts, unsigned n, uint8_t out[64])
{
    hash(SHA3_512_RATE, SHA3_SUFFIX, parts, n, out, 64);
}
void shake256(const span_t *parts, unsigned n, uint8_t out[32])
{
    hash(SHAKE256_RATE, SHAKE_SUFFIX, parts, n, out, 32);
}
