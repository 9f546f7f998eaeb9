#include "cred/der.h"

#include <time.h>

static void stick(rd_t *r)
{
    r->bad = true;
    r->at = r->end;
}

bool der_is(const rd_t *r, uint8_t tag)
{
    return !r->bad && rd_left(r) > 0 && *r->at == tag;
}

// X.690 10.1: definite, and in as few bytes as possible.
static size_t length_read(rd_t *r)
{
    size_t first = rd_u8(r), len = 0;
    if (first < 0x80) return first;
    unsigned n = (unsigned)(first & 0x7f);
    if (n == 0 || n > 3) {
        stick(r);
        return 0;
    }
    for (unsigned i = 0; i < n; i++) len = len << 8 | rd_u8(r);
    if (len < 0x80 || len >> (8 * (n - 1)) == 0) stick(r);
    return len;
}

span_t der_take(rd_t *r, uint8_t tag)
{
    if (!der_is(r, tag)) {
        stick(r);
        return span(NULL, 0);
    }
    (void)rd_u8(r);
    size_t len = length_read(r);
    return rd_bytes(r, r->bad ? 0 : len);
}

rd_t der_open(rd_t *r, uint8_t tag)
{
    rd_t in = rd_from(der_take(r, tag));
    if (r->bad) stick(&in);
    return in;
}

span_t der_whole(rd_t *r, uint8_t tag)
{
    const uint8_t *at = r->at;
    (void)der_take(r, tag);
    return r->bad ? span(NULL, 0) : span(at, (size_t)(r->at - at));
}

bool der_skip(rd_t *r, uint8_t tag)
{
    if (!der_is(r, tag)) return false;
    (void)der_take(r, tag);
    return !r->bad;
}

span_t der_unsigned(rd_t *r)
{
    span_t s = der_take(r, DER_INTEGER);
    bool good = s.len > 0 && s.at[0] < 0x80;
    if (good && s.len > 1 && s.at[0] == 0) good = s.at[1] >= 0x80;
    if (good) return s;
    stick(r);
    return span(NULL, 0);
}

span_t der_bits(rd_t *r)
{
    span_t s = der_take(r, DER_BITS);
    if (s.len > 0 && s.at[0] == 0) return span(s.at + 1, s.len - 1);
    stick(r);
    return span(NULL, 0);
}

static int digits(const uint8_t *at, unsigned n)
{
    int v = 0;
    for (unsigned i = 0; i < n; i++) {
        if (at[i] < '0' || at[i] > '9') return -1;
        v = 10 * v + at[i] - '0';
    }
    return v;
}

int64_t der_time(rd_t *r)
{
    span_t s = der_take(r, DER_TIME);
    if (s.len != 15 || s.at[14] != 'Z') {
        stick(r);
        return 0;
    }
    struct tm tm = {.tm_year = digits(s.at, 4) - 1900,
                    .tm_mon = digits(s.at + 4, 2) - 1,
                    .tm_mday = digits(s.at + 6, 2),
                    .tm_hour = digits(s.at + 8, 2),
                    .tm_min = digits(s.at + 10, 2),
                    .tm_sec = digits(s.at + 12, 2)};
    const struct tm said = tm;
    int64_t t = (int64_t)timegm(&tm);
    // What timegm() had to set right was no such day or hour.
    bool good = said.tm_year >= 0 && tm.tm_mon == said.tm_mon && tm.tm_mday == said.tm_mday &&
                tm.tm_hour == said.tm_hour && tm.tm_min == said.tm_min && tm.tm_sec == said.tm_sec;
    if (!good) stick(r);
    return good ? t : 0;
}
