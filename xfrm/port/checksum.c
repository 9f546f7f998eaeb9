#include "xfrm/port/checksum.h"

// Vectors of 64-bit lanes, to each of which the two 32-bit halves of a word are added: no carry is
// lost. Two accumulators, so that additions need not wait for each other.
typedef uint64_t lanes_t __attribute__((vector_size(32)));
typedef uint64_t packet_lanes_t __attribute__((vector_size(32), aligned(1), may_alias));
#define STEP (2 * (uint32_t)sizeof(lanes_t)) // bytes

static inline __attribute__((always_inline)) uint64_t add_lanes(uint64_t sum, const uint8_t *at,
                                                                uint32_t n)
{
    lanes_t even = {0}, odd = {0};
    for (; n >= STEP; at += STEP, n -= STEP) {
        const packet_lanes_t *word = (const packet_lanes_t *)at;
        even += (word[0] & 0xffffffff) + (word[0] >> 32);
        odd += (word[1] & 0xffffffff) + (word[1] >> 32);
    }
    even += odd;
    return sum + even[0] + even[1] + even[2] + even[3];
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static uint64_t add_wide(uint64_t sum, const uint8_t *at,
                                                         uint32_t n)
{
    return add_lanes(sum, at, n);
}

static bool has_wide(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
static uint64_t add_wide(uint64_t sum, const uint8_t *at, uint32_t n)
{
    return add_lanes(sum, at, n);
}

static bool has_wide(void)
{
    return true;
}
#endif

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
    uint32_t lanes = n / STEP * STEP;
    if (lanes > 0) sum = has_wide() ? add_wide(sum, at, lanes) : add_lanes(sum, at, lanes);
    return add_rest(sum, at + lanes, n - lanes);
}
