// text.h - a growing string, for output that people or programs read.
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/cursor.h"

// Zero-initialise; text_done() frees. Out of memory makes it stick at what it holds.
struct text {
    char *at; // always terminated once anything was added; NULL before
    size_t len, cap;
};

void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_addv(struct text *t, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void text_hex(struct text *t, span_t bytes); // lower case, no separators
const char *text_str(const struct text *t);  // "" when empty
void text_done(struct text *t);

// A string in a buffer of the caller's that is cut when it is full; always terminated.
struct clip {
    char *at;    // the terminator
    size_t left; // bytes from there
};

struct clip clip_on(char *buf, size_t cap); // empty; cap at least 1
void clip_add(struct clip *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Hex digits (even count) to bytes; *len is the capacity, then the length. ERR_SYNTAX, ERR_SPACE.
err_t hex_read(const char *s, size_t n, uint8_t *out, size_t *len);
// Standard base64 with padding. ERR_SYNTAX, ERR_SPACE.
err_t base64_read(const char *s, size_t n, uint8_t *out, size_t *len);
// The entry of names[] (NULL-terminated) nearest to s by edit distance, or NULL if none is near:
// "did you mean ...".
const char *nearest(const char *s, const char *const *names);
