// cursor.h - bounds-checked reading and writing of wire formats.
//
// A cursor never leaves its window. The first overrun makes it stick: later reads give zero,
// later writes do nothing, and rd_done()/wr_done() report it. So a parser reads top to bottom
// like the packet diagram, with one check at the end. All integers are big-endian on the wire.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

// Bytes owned by someone else. at may be NULL when len is 0.
typedef struct {
    const uint8_t *at;
    size_t len;
} span_t;

#define SPAN(array) ((span_t){(const uint8_t *)(array), sizeof(array)})
static inline span_t span(const void *at, size_t len)
{
    return (span_t){at, len};
}
span_t span_str(const char *s);   // the characters without the terminator
bool span_eq(span_t a, span_t b); // not constant time: never for secrets

// ---- reading ----
typedef struct {
    const uint8_t *at, *end;
    bool bad; // an overrun happened
} rd_t;

rd_t rd_from(span_t s);
uint8_t rd_u8(rd_t *r);
uint16_t rd_u16(rd_t *r);
uint32_t rd_u32(rd_t *r);
uint64_t rd_u64(rd_t *r);
span_t rd_bytes(rd_t *r, size_t n);        // borrows; empty after an overrun
void rd_copy(rd_t *r, void *to, size_t n); // zeroes `to` after an overrun
span_t rd_rest(rd_t *r);                   // all that is left
static inline size_t rd_left(const rd_t *r)
{
    return (size_t)(r->end - r->at);
}
// ERR_SHORT after an overrun, ERR_TRAILING when bytes are left, else ERR_OK.
err_t rd_done(const rd_t *r);

// ---- writing ----
typedef struct {
    uint8_t *start, *at, *end;
    bool bad; // something did not fit
} wr_t;

wr_t wr_into(void *buf, size_t cap);
void wr_u8(wr_t *w, uint8_t v);
void wr_u16(wr_t *w, uint16_t v);
void wr_u32(wr_t *w, uint32_t v);
void wr_u64(wr_t *w, uint64_t v);
void wr_bytes(wr_t *w, span_t s);
void wr_zero(wr_t *w, size_t n);
// Leaves n bytes to be filled later and returns where they are; NULL after an overrun.
uint8_t *wr_reserve(wr_t *w, size_t n);
static inline size_t wr_len(const wr_t *w)
{
    return (size_t)(w->at - w->start);
}
static inline span_t wr_span(const wr_t *w)
{
    return span(w->start, wr_len(w));
}
// ERR_SPACE if anything did not fit, else ERR_OK.
err_t wr_done(const wr_t *w);
