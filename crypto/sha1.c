// sha1.c - the compression function of SHA-1, which libraries hide behind the whole hash.
#include "base/order.h"
#include "base/secret.h"
#include "crypto/old.h"

#define ROUNDS 80

const uint32_t sha1_start[SHA1_WORDS] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                                         0xc3d2e1f0};

static uint32_t rotate(uint32_t v, unsigned by)
{
    return v << by | v >> (32 - by);
}

// FIPS 180-4 4.1.1 and 4.2.1: the function of a round's quarter, and its constant.
static uint32_t mix(unsigned quarter, const uint32_t v[SHA1_WORDS])
{
    if (quarter == 0) return ((v[1] & v[2]) | (~v[1] & v[3])) + 0x5a827999;
    if (quarter == 1) return (v[1] ^ v[2] ^ v[3]) + 0x6ed9eba1;
    if (quarter == 2) return ((v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3])) + 0x8f1bbcdc;
    return (v[1] ^ v[2] ^ v[3]) + 0xca62c1d6;
}

static void schedule(const uint8_t *block, uint32_t w[ROUNDS])
{
    for (unsigned i = 0; i < 16; i++) w[i] = get32(block + (size_t)4 * i);
    for (unsigned i = 16; i < ROUNDS; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
}

void sha1_block(uint32_t state[SHA1_WORDS], const uint8_t block[SHA1_BLOCK_LEN])
{
    uint32_t v[SHA1_WORDS], w[ROUNDS];
    memcpy(v, state, sizeof v);
    schedule(block, w);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t next = rotate(v[0], 5) + mix(i / 20, v) + v[4] + w[i];
        v[4] = v[3];
        v[3] = v[2];
        v[2] = rotate(v[1], 30);
        v[1] = v[0];
        v[0] = next;
    }
    for (unsigned i = 0; i < SHA1_WORDS; i++) state[i] += v[i];
    wipe(v, sizeof v);
    wipe(w, sizeof w);
}
