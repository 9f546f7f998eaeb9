// gram.h - a fuzzer's input read as decisions: whatever the bytes are, they mean something, and a
// byte that changes changes a decision, not the framing.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct gram { // decisions that are left
    const uint8_t *at;
    size_t left;
    uint32_t spi; // netlink: the one that was used last, so that later messages can name it
};

static inline uint8_t gram_u8(struct gram *g) // 0 when nothing is left
{
    if (g->left == 0) return 0;
    g->left--;
    return *g->at++;
}

static inline uint16_t gram_u16(struct gram *g)
{
    uint16_t high = gram_u8(g);
    return (uint16_t)(high << 8 | gram_u8(g));
}

static inline uint32_t gram_u32(struct gram *g)
{
    uint32_t high = gram_u16(g);
    return high << 16 | gram_u16(g);
}

static inline void gram_bytes(struct gram *g, void *to, size_t n)
{
    for (size_t i = 0; i < n; i++) ((uint8_t *)to)[i] = gram_u8(g);
}

// Up to `most` bytes of the n at `at` become something else.
static inline void gram_spoil(struct gram *g, uint8_t *at, size_t n, unsigned most)
{
    for (unsigned i = gram_u8(g) % (most + 1); i > 0 && n > 0; i--) {
        size_t where = gram_u16(g) % n;
        at[where] = gram_u8(g);
    }
}
