#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

static bool text_grow(struct text *t, size_t more)
{
    if (t->cap - t->len > more) return true;
    size_t cap = t->cap ? t->cap : 256;
    while (cap - t->len <= more) cap *= 2;
    char *p = realloc(t->at, cap);
    if (!p) return false;
    t->at = p;
    t->cap = cap;
    return true;
}

void text_addv(struct text *t, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n >= 0 && text_grow(t, (size_t)n + 1)) {
        (void)vsnprintf(t->at + t->len, (size_t)n + 1, fmt, again);
        t->len += (size_t)n;
    }
    va_end(again);
}

void text_add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text_addv(t, fmt, ap);
    va_end(ap);
}

void text_hex(struct text *t, span_t bytes)
{
    static const char digit[] = "0123456789abcdef";
    if (!text_grow(t, 2 * bytes.len + 1)) return;
    for (size_t i = 0; i < bytes.len; i++) {
        t->at[t->len++] = digit[bytes.at[i] >> 4];
        t->at[t->len++] = digit[bytes.at[i] & 15];
    }
    t->at[t->len] = 0;
}

const char *text_str(const struct text *t)
{
    return t->at ? t->at : "";
}

void text_done(struct text *t)
{
    if (t->at) wipe(t->at, t->len); // key logs pass through here
    free(t->at);
    *t = (struct text){0};
}

struct clip clip_on(char *buf, size_t cap)
{
    buf[0] = 0;
    return (struct clip){buf, cap};
}

void clip_add(struct clip *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(c->at, c->left, fmt, ap);
    va_end(ap);
    size_t took = n < 0 ? 0 : (size_t)n < c->left ? (size_t)n : c->left - 1;
    c->at += took;
    c->left -= took;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

err_t hex_read(const char *s, size_t n, uint8_t *out, size_t *len)
{
    if (n % 2) return ERR_SYNTAX;
    if (n / 2 > *len) return ERR_SPACE;
    for (size_t i = 0; i < n / 2; i++) {
        int hi = hex_digit(s[2 * i]), lo = hex_digit(s[2 * i + 1]);
        if (hi < 0 || lo < 0) return ERR_SYNTAX;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    *len = n / 2;
    return ERR_OK;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

err_t base64_read(const char *s, size_t n, uint8_t *out, size_t *len)
{
    while (n && s[n - 1] == '=') n--;
    if (n % 4 == 1) return ERR_SYNTAX;
    if (n * 3 / 4 > *len) return ERR_SPACE;
    uint32_t bits = 0;
    unsigned have = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        int v = base64_digit(s[i]);
        if (v < 0) return ERR_SYNTAX;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        out[at++] = (uint8_t)(bits >> have);
    }
    *len = at;
    return ERR_OK;
}

#define NEAREST_MAX 64 // longer words are not compared

// Levenshtein distance, one row at a time.
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NEAREST_MAX + 1];
    size_t na = strlen(a), nb = strlen(b);
    if (na > NEAREST_MAX || nb > NEAREST_MAX) return NEAREST_MAX;
    for (unsigned j = 0; j <= nb; j++) row[j] = j;
    for (unsigned i = 1; i <= na; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= nb; j++) {
            unsigned swap = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            unsigned step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = swap < step ? swap : step;
        }
    }
    return row[nb];
}

const char *nearest(const char *s, const char *const *names)
{
    const char *best = NULL;
    unsigned limit = (unsigned)strlen(s) / 3 + 1;
    for (; *names; names++) {
        unsigned d = distance(s, *names);
        if (d > limit) continue;
        best = *names;
        limit = d ? d - 1 : 0;
        if (d == 0) break;
    }
    return best;
}
