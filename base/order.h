// order.h - byte order is a type: a big-endian field cannot be mixed with a host integer by
// mistake, because the compiler refuses it. The code generated is a plain byte swap.
#pragma once

#include <stdint.h>
#include <string.h>

typedef struct {
    uint16_t raw;
} be16_t;
typedef struct {
    uint32_t raw;
} be32_t;
typedef struct {
    uint64_t raw;
} be64_t;

static inline be16_t be16(uint16_t host)
{
    return (be16_t){__builtin_bswap16(host)};
}
static inline be32_t be32(uint32_t host)
{
    return (be32_t){__builtin_bswap32(host)};
}
static inline be64_t be64(uint64_t host)
{
    return (be64_t){__builtin_bswap64(host)};
}
static inline uint16_t host16(be16_t wire)
{
    return __builtin_bswap16(wire.raw);
}
static inline uint32_t host32(be32_t wire)
{
    return __builtin_bswap32(wire.raw);
}
static inline uint64_t host64(be64_t wire)
{
    return __builtin_bswap64(wire.raw);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Pavise runs on little-endian machines");

// Unaligned reads and writes of big-endian values at p.
static inline uint16_t get16(const void *p)
{
    be16_t v;
    memcpy(&v, p, sizeof v);
    return host16(v);
}
static inline uint32_t get32(const void *p)
{
    be32_t v;
    memcpy(&v, p, sizeof v);
    return host32(v);
}
static inline uint64_t get64(const void *p)
{
    be64_t v;
    memcpy(&v, p, sizeof v);
    return host64(v);
}
static inline void put16(void *p, uint16_t host)
{
    be16_t v = be16(host);
    memcpy(p, &v, sizeof v);
}
static inline void put32(void *p, uint32_t host)
{
    be32_t v = be32(host);
    memcpy(p, &v, sizeof v);
}
static inline void put64(void *p, uint64_t host)
{
    be64_t v = be64(host);
    memcpy(p, &v, sizeof v);
}
