// hex.h - bytes of a test written as hex digits; blanks between them are for the reader.
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "test/check.h"

// Fills buf, which must be large enough, and returns what it holds.
static inline span_t hex_into(const char *s, uint8_t *buf, size_t cap)
{
    char digits[8192];
    size_t n = 0, len = cap;
    for (; *s; s++) {
        assert_true(n < sizeof digits);
        if (*s != ' ' && *s != '\n') digits[n++] = *s;
    }
    assert_int_equal(hex_read(digits, n, buf, &len), ERR_OK);
    return span(buf, len);
}

// A copy on the heap of exactly the right size, so that a sanitizer sees an overrun by one byte.
// Freed by the caller (the pointer is .at without its const).
static inline uint8_t *hex_new(const char *s, size_t *len)
{
    uint8_t buf[4096];
    span_t b = hex_into(s, buf, sizeof buf);
    uint8_t *p = malloc(b.len ? b.len : 1);
    assert_non_null(p);
    memcpy(p, b.at, b.len);
    *len = b.len;
    return p;
}

#define HEX(s) hex_into(s, (uint8_t[4096]){0}, 4096)
#define CHECK_SPAN(got, want)                                           \
    do {                                                                \
        span_t got_ = (got), want_ = (want);                            \
        assert_int_equal(got_.len, want_.len);                          \
        if (got_.len) assert_memory_equal(got_.at, want_.at, got_.len); \
    } while (0)
