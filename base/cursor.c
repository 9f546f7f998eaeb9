#include "base/cursor.h"

#include <string.h>

#include "base/order.h"

span_t span_str(const char *s)
{
    return span(s, strlen(s));
}

bool span_eq(span_t a, span_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

rd_t rd_from(span_t s)
{
    static const uint8_t nothing[1];
    const uint8_t *at = s.at ? s.at : nothing;
    return (rd_t){at, at + (s.at ? s.len : 0), false};
}

// The next n bytes, or NULL once the cursor is stuck.
static const uint8_t *rd_take(rd_t *r, size_t n)
{
    if (r->bad || n > rd_left(r)) {
        r->bad = true;
        r->at = r->end;
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += n;
    return p;
}

uint8_t rd_u8(rd_t *r)
{
    const uint8_t *p = rd_take(r, 1);
    return p ? *p : 0;
}

uint16_t rd_u16(rd_t *r)
{
    const uint8_t *p = rd_take(r, 2);
    return p ? get16(p) : 0;
}

uint32_t rd_u32(rd_t *r)
{
    const uint8_t *p = rd_take(r, 4);
    return p ? get32(p) : 0;
}

uint64_t rd_u64(rd_t *r)
{
    const uint8_t *p = rd_take(r, 8);
    return p ? get64(p) : 0;
}

span_t rd_bytes(rd_t *r, size_t n)
{
    const uint8_t *p = rd_take(r, n);
    return p ? span(p, n) : span(NULL, 0);
}

void rd_copy(rd_t *r, void *to, size_t n)
{
    const uint8_t *p = rd_take(r, n);
    if (n == 0) return;
    if (p) {
        memcpy(to, p, n);
    } else {
        memset(to, 0, n);
    }
}

span_t rd_rest(rd_t *r)
{
    return rd_bytes(r, rd_left(r));
}

err_t rd_done(const rd_t *r)
{
    if (r->bad) return ERR_SHORT;
    return r->at == r->end ? ERR_OK : ERR_TRAILING;
}

wr_t wr_into(void *buf, size_t cap)
{
    uint8_t *at = buf;
    return (wr_t){at, at, at + cap, false};
}

uint8_t *wr_reserve(wr_t *w, size_t n)
{
    if (w->bad || n > (size_t)(w->end - w->at)) {
        w->bad = true;
        return NULL;
    }
    uint8_t *p = w->at;
    w->at += n;
    return p;
}

void wr_u8(wr_t *w, uint8_t v)
{
    uint8_t *p = wr_reserve(w, 1);
    if (p) *p = v;
}

void wr_u16(wr_t *w, uint16_t v)
{
    uint8_t *p = wr_reserve(w, 2);
    if (p) put16(p, v);
}

void wr_u32(wr_t *w, uint32_t v)
{
    uint8_t *p = wr_reserve(w, 4);
    if (p) put32(p, v);
}

void wr_u64(wr_t *w, uint64_t v)
{
    uint8_t *p = wr_reserve(w, 8);
    if (p) put64(p, v);
}

void wr_bytes(wr_t *w, span_t s)
{
    uint8_t *p = wr_reserve(w, s.len);
    if (p && s.len) memcpy(p, s.at, s.len);
}

void wr_zero(wr_t *w, size_t n)
{
    uint8_t *p = wr_reserve(w, n);
    if (p && n) memset(p, 0, n);
}

err_t wr_done(const wr_t *w)
{
    return w->bad ? ERR_SPACE : ERR_OK;
}
