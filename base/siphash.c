#include "base/siphash.h"

#include <string.h>

struct sip {
    uint64_t a, b, c, d;
};

static uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(struct sip *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = rotl(s->b, 13) ^ s->a;
    s->d = rotl(s->d, 16) ^ s->c;
    s->a = rotl(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = rotl(s->b, 17) ^ s->c;
    s->d = rotl(s->d, 21) ^ s->a;
    s->c = rotl(s->c, 32);
}

uint64_t siphash(const uint8_t key[16], const void *data, size_t n)
{
    uint64_t k0, k1, m;
    memcpy(&k0, key, 8);
    memcpy(&k1, key + 8, 8);
    struct sip s = {k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL,
                    k0 ^ 0x6c7967656e657261ULL, k1 ^ 0x7465646279746573ULL};
    const uint8_t *p = data;
    size_t left = n;
    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&m, p, 8);
        s.d ^= m;
        sip_round(&s);
        sip_round(&s);
        s.a ^= m;
    }
    m = (uint64_t)n << 56;
    for (size_t i = 0; i < left; i++) m |= (uint64_t)p[i] << (8 * i);
    s.d ^= m;
    sip_round(&s);
    sip_round(&s);
    s.a ^= m;
    s.c ^= 0xff;
    for (int i = 0; i < 4; i++) sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}
