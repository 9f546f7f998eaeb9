// checksum.h - the Internet checksum in pieces (RFC 1071).
//
// A sum is made of the bytes as they lie in memory; byte order does not matter to it, so nothing is
// swapped. "Raw" 16-bit values are such memory images. Start with 0, add pieces, fold at the end.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/order.h"

// Adds n bytes. A piece of odd length must be the last. Up to 1 MiB in all.
uint64_t checksum_add(uint64_t sum, const void *at, uint32_t n);

// A number that stands in the packet, or in the pseudo-header, in network order.
static inline uint64_t checksum_add16(uint64_t sum, uint16_t host)
{
    return sum + be16(host).raw;
}

// The 16-bit one's complement sum, raw, not yet inverted.
static inline uint16_t checksum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

// RFC 1624: the checksum after one 16-bit word of what it covers has changed. All three as numbers,
// not raw.
static inline uint16_t checksum_after(uint16_t sum, uint16_t old, uint16_t new)
{
    uint32_t s = (uint16_t)~sum + (uint32_t)(uint16_t)~old + new;
    s = (s & 0xffff) + (s >> 16);
    s = (s & 0xffff) + (s >> 16);
    return (uint16_t)~s;
}

static inline uint16_t checksum_read(const void *at)
{
    uint16_t raw;
    memcpy(&raw, at, sizeof raw);
    return raw;
}

static inline void checksum_write(void *at, uint16_t raw)
{
    memcpy(at, &raw, sizeof raw);
}
