#include "conf/issue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define TOKEN_MAX 60    // bytes of a token shown
#define QUOTED_MAX 160u // bytes of a source line shown
#define WHAT_MAX 240    // bytes of a sentence

// One issue more, or NULL when the list is full.
static struct conf_issue *issue_new(struct conf_issues *l)
{
    if (l->n >= ISSUES_MAX) return NULL;
    if (l->n == l->cap) {
        unsigned cap = l->cap ? 2 * l->cap : 16;
        struct conf_issue *more = arena_array(&l->arena, cap, sizeof *more);
        if (!more) return NULL;
        if (l->n) memcpy(more, l->issue, l->n * sizeof *more);
        l->issue = more;
        l->cap = cap;
    }
    return &l->issue[l->n++];
}

static const char *keep(struct conf_issues *l, const char *s, size_t n)
{
    const char *copy = arena_str(&l->arena, s, n);
    return copy ? copy : "(out of memory)";
}

static const char *printable(struct conf_issues *l, const char *s, size_t n, size_t max)
{
    AUTO(text) struct text t = {0};
    for (size_t i = 0; i < n && i < max; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == 0x7f) {
            text_add(&t, "\\x%02x", c);
        } else {
            text_add(&t, "%c", c);
        }
    }
    if (n > max) text_add(&t, "...");
    return keep(l, text_str(&t), t.len);
}

// A line that might show a secret is not quoted, and nothing behind a '=' that follows the mistake:
// that may be the value of a mistyped "secret".
static const char *quotable_line(struct conf_issues *l, struct place at)
{
    span_t line = place_line(at);
    const char *s = (const char *)line.at;
    if (!s || line.len > QUOTED_MAX) return NULL;
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = line.at[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) return NULL;
        if (line.len - i >= 6 && strncasecmp(s + i, "secret", 6) == 0) return NULL;
    }
    const char *token = (const char *)at.src->text.at + at.at;
    const char *equals = memchr(token, '=', (size_t)(s + line.len - token));
    if (!equals) return keep(l, s, line.len);
    AUTO(text) struct text t = {0};
    text_add(&t, "%.*s= ...", (int)(equals - s), s);
    return keep(l, text_str(&t), t.len);
}

__attribute__((format(printf, 5, 0))) static void issue_addv(struct conf_issues *l, struct place at,
                                                             const char *token, bool warning,
                                                             const char *fmt, va_list ap)
{
    l->errors += !warning;
    struct conf_issue *i = issue_new(l);
    if (!i) return;
    AUTO(text) struct text t = {0};
    bool last = l->n == ISSUES_MAX;
    if (last) text_add(&t, "too many mistakes; those behind this place are not shown");
    if (!last) text_addv(&t, fmt, ap);
    *i = (struct conf_issue){.warning = warning,
                             .what = printable(l, text_str(&t), t.len, WHAT_MAX)};
    place_find(at, &i->line, &i->column);
    i->file = at.src ? keep(l, at.src->name, strlen(at.src->name)) : "(default)";
    i->file_no = last ? UINT32_MAX : at.src ? at.src->no : 0;
    i->token = printable(l, token, strlen(token), TOKEN_MAX);
    i->source = quotable_line(l, at);
}

void issue_error(struct conf_issues *l, struct place at, const char *token, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    issue_addv(l, at, token, false, fmt, ap);
    va_end(ap);
}

void issue_warn(struct conf_issues *l, struct place at, const char *token, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    issue_addv(l, at, token, true, fmt, ap);
    va_end(ap);
}

void issue_hint(struct conf_issues *l, const char *fmt, ...)
{
    if (l->n == 0 || l->n >= ISSUES_MAX) return;
    AUTO(text) struct text t = {0};
    va_list ap;
    va_start(ap, fmt);
    text_addv(&t, fmt, ap);
    va_end(ap);
    l->issue[l->n - 1].hint = printable(l, text_str(&t), t.len, WHAT_MAX);
}

static int issue_order(const void *a, const void *b)
{
    const struct conf_issue *x = a, *y = b;
    if (x->file_no != y->file_no) return x->file_no < y->file_no ? -1 : 1;
    if (x->line != y->line) return x->line < y->line ? -1 : 1;
    if (x->column != y->column) return x->column < y->column ? -1 : 1;
    return strcmp(x->what, y->what);
}

void issue_sort(struct conf_issues *l)
{
    if (l->n > 1) qsort(l->issue, l->n, sizeof *l->issue, issue_order);
}

void conf_issues_done(struct conf_issues *l)
{
    arena_done(&l->arena);
    *l = (struct conf_issues){0};
}
