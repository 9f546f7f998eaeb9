#include "xfrm/port/checksum.h"

// Sums of 32-bit words in 64-bit lanes: no carry is lost, and compilers make vectors of it.
#define LANES 8

static uint64_t add_rest(uint64_t sum, const uint8_t *at, uint32_t n)
{
    for (; n >= 4; at += 4, n -= 4) {
        uint32_t word;
        memcpy(&word, at, sizeof word);
        sum += word;
    }
    uint32_t last = 0;
    memcpy(&last, at, n); // the missing bytes count as zero
    return sum + last;
}

uint64_t checksum_add(uint64_t sum, const void *from, uint32_t n)
{
    const uint8_t *at = from;
    uint64_t lane[LANES] = {0};
    for (; n >= 4 * LANES; at += 4 * LANES, n -= 4 * LANES) {
        uint32_t word[LANES];
        memcpy(word, at, sizeof word);
        for (unsigned i = 0; i < LANES; i++) lane[i] += word[i];
    }
    for (unsigned i = 0; i < LANES; i++) sum += lane[i];
    return add_rest(sum, at, n);
}
