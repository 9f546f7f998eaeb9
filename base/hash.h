// hash.h - a quick keyed hash for the tables of the packet path: one multiplication for 16 bytes.
// The key is secret and random, made once per table. That keeps others from choosing colliding
// keys; it is no MAC.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hash_key {
    uint64_t k[2];
};

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// n words of 64 bits.
static inline uint64_t hash_words(const struct hash_key *key, const uint64_t *w, size_t n)
{
    uint64_t h = key->k[0];
    size_t i = 0;
    for (; i + 1 < n; i += 2) h = hash_fold(w[i] ^ h, w[i + 1] ^ key->k[1]);
    if (i < n) h = hash_fold(w[i] ^ h, key->k[1]);
    return hash_fold(h ^ key->k[1], 0x9e3779b97f4a7c15ULL); // the last word reaches every bit
}
