// md4.c - MD4 (RFC 1320), which the libraries hide by now.
#include <string.h>

#include "base/secret.h"
#include "crypto/old.h"

#define BLOCK 64
#define WORDS 16

static uint32_t rotate(uint32_t v, unsigned by)
{
    return v << by | v >> (32 - by);
}

static uint32_t get_le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_le(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}

// What a round makes of three words.
static uint32_t mix(unsigned round, uint32_t x, uint32_t y, uint32_t z)
{
    if (round == 0) return (x & y) | (~x & z);
    if (round == 1) return (x & y) | (x & z) | (y & z);
    return x ^ y ^ z;
}

static void block_take(uint32_t state[4], const uint8_t *block)
{
    static const uint8_t order[3][WORDS] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15},
        {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15},
    };
    static const uint8_t turns[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
    static const uint32_t added[3] = {0, 0x5a827999, 0x6ed9eba1};
    uint32_t v[4];
    memcpy(v, state, sizeof v);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < WORDS; i++) {
            unsigned a = (4 - i % 4) % 4;
            uint32_t sum = mix(round, v[(a + 1) % 4], v[(a + 2) % 4], v[(a + 3) % 4]);
            sum += v[a] + get_le(block + (size_t)4 * order[round][i]) + added[round];
            v[a] = rotate(sum, turns[round][i % 4]);
        }
    }
    for (unsigned i = 0; i < 4; i++) state[i] += v[i];
    wipe(v, sizeof v);
}

void hash_md4(span_t in, uint8_t out[MD4_LEN])
{
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    uint8_t end[2 * BLOCK] = {0};
    size_t whole = in.len / BLOCK * BLOCK, left = in.len - whole;
    size_t tail = left < BLOCK - 8 ? BLOCK : sizeof end;
    for (size_t i = 0; i < whole; i += BLOCK) block_take(state, in.at + i);
    if (left) memcpy(end, in.at + whole, left);
    end[left] = 0x80;
    put_le(end + tail - 8, (uint32_t)(in.len << 3));
    put_le(end + tail - 4, (uint32_t)(in.len >> 29));
    for (size_t i = 0; i < tail; i += BLOCK) block_take(state, end + i);
    for (unsigned i = 0; i < 4; i++) put_le(out + (size_t)4 * i, state[i]);
    wipe(state, sizeof state);
    wipe(end, sizeof end);
}
