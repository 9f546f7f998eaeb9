#include "conf/lex.h"

#include <string.h>

#include "conf/issue.h"

static int peek(const struct lexer *lx)
{
    return lx->at < lx->src->text.len ? lx->src->text.at[lx->at] : -1;
}

static struct place here(const struct lexer *lx)
{
    return (struct place){lx->src, (uint32_t)lx->at};
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

void lex_skip_line(struct lexer *lx)
{
    while (peek(lx) >= 0 && peek(lx) != '\n') lx->at++;
}

static void skip_space(struct lexer *lx)
{
    for (;; lx->at++) {
        if (peek(lx) == '#') lex_skip_line(lx);
        if (peek(lx) == '\n') {
            lx->line_at = lx->at + 1;
            lx->new_line = true;
        } else if (!is_blank(peek(lx))) {
            break;
        }
    }
    if (lx->new_line) lx->indent = lx->at - lx->line_at;
    lx->new_line = false;
}

static bool is_name(int c)
{
    return c >= 0 && !is_blank(c) && !strchr("#{}:,=\"\n", c);
}

static struct lex_token lex_name(struct lexer *lx)
{
    struct lex_token t = {.kind = LEX_NAME, .at = here(lx)};
    size_t from = lx->at;
    while (is_name(peek(lx))) lx->at++;
    const char *copy = arena_str(lx->arena, (const char *)lx->src->text.at + from, lx->at - from);
    t.text = copy ? copy : "";
    return t;
}

struct lex_token lex_next(struct lexer *lx)
{
    static const struct {
        char c;
        enum lex_kind kind;
        const char *text;
    } mark[] = {{'{', LEX_OPEN, "{"},  {'}', LEX_CLOSE, "}"}, {'=', LEX_EQUALS, "="},
                {':', LEX_COLON, ":"}, {',', LEX_COMMA, ","}, {'"', LEX_QUOTE, "\""}};
    skip_space(lx);
    int c = peek(lx);
    if (c < 0) return (struct lex_token){LEX_END, here(lx), "end of file"};
    for (size_t i = 0; i < sizeof mark / sizeof *mark; i++) {
        if (mark[i].c != c) continue;
        struct lex_token t = {mark[i].kind, here(lx), mark[i].text};
        lx->at++;
        return t;
    }
    return lex_name(lx);
}

// ---- values: one pass to count, one to write, so that no copy of a secret stays behind ----

struct sink {
    char *text; // NULL: count only
    uint32_t *pos;
    size_t n;
    bool quoted, bad;
    struct conf_issues *issues; // NULL in the first pass: each mistake is reported once
};

static void emit(struct sink *k, char c, size_t at)
{
    if (k->text) {
        k->text[k->n] = c;
        k->pos[k->n] = (uint32_t)at;
    }
    k->n++;
}

// Where the string that begins behind `at` ends (its closing quote); the end of the text if none.
static size_t string_end(const struct lexer *lx, size_t at)
{
    span_t s = lx->src->text;
    while (at < s.len && s.at[at] != '"') at += s.at[at] == '\\' ? 2 : 1;
    return at < s.len ? at : s.len;
}

// A line that looks like "name =" or "name {" inside a string: its closing quote is missing.
static bool looks_like_statement(const uint8_t *s, const uint8_t *end)
{
    const uint8_t *name = s;
    while (s < end && is_blank(*s)) name = ++s;
    while (s < end && is_name(*s)) s++;
    if (s == name) return false;
    while (s < end && is_blank(*s)) s++;
    return s < end && (*s == '=' || *s == '{');
}

static bool swallows(const struct lexer *lx, size_t open, size_t end)
{
    const uint8_t *s = lx->src->text.at + open, *stop = lx->src->text.at + end;
    while ((s = memchr(s, '\n', (size_t)(stop - s)))) {
        bool joined = s[-1] == '\\' || (s[-1] == '\r' && s[-2] == '\\');
        if (!joined && looks_like_statement(++s, stop)) return true;
        s += joined;
    }
    return false;
}

// Escapes: \n \r \t \b \f, an escaped newline joins two lines, any other character is itself.
static void emit_escape(struct lexer *lx, struct sink *k)
{
    static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
    size_t at = lx->at++;
    int c = peek(lx);
    if (c == '\r' && lx->at + 1 < lx->src->text.len && lx->src->text.at[lx->at + 1] == '\n') {
        lx->at += 2;
        return;
    }
    lx->at++;
    if (c == '\n') return;
    const char *known = strchr(from, c);
    emit(k, known ? to[known - from] : (char)c, at);
}

static void lex_string(struct lexer *lx, struct sink *k)
{
    size_t open = lx->at++, end = string_end(lx, lx->at);
    k->quoted = true;
    if (end == lx->src->text.len || swallows(lx, open, end)) {
        k->bad = true;
        if (k->issues) {
            issue_error(k->issues, (struct place){lx->src, (uint32_t)open}, "\"",
                        "this string is not closed");
            issue_hint(k->issues,
                       "add '\"' at its end; '\\' before the end of a line joins it with "
                       "the next");
        }
        lex_skip_line(lx); // what follows on other lines is still checked
        return;
    }
    while (lx->at < end) {
        if (peek(lx) == '\\') {
            emit_escape(lx, k);
            continue;
        }
        emit(k, (char)peek(lx), lx->at);
        lx->at++;
    }
    lx->at = end + 1;
}

static void warn_comment(struct lexer *lx, struct sink *k)
{
    if (!k->issues || lx->at == 0 || is_blank(lx->src->text.at[lx->at - 1])) return;
    if (k->n == 0) return;
    issue_warn(k->issues, here(lx), "#", "'#' starts a comment: the value ends before it");
    issue_hint(k->issues, "put the value in quotes to keep the '#', or a blank before it");
}

static void scan_value(struct lexer *lx, struct sink *k)
{
    for (;;) {
        size_t blank = lx->at;
        while (is_blank(peek(lx))) lx->at++;
        int c = peek(lx);
        if (c == '#') warn_comment(lx, k);
        if (c < 0 || c == '\n' || c == '}' || c == '#') break;
        if (k->n && lx->at > blank) emit(k, ' ', blank);
        if (c == '"') {
            lex_string(lx, k);
            continue;
        }
        while ((c = peek(lx)) >= 0 && !is_blank(c) && !strchr("#}\"\n", c)) {
            emit(k, (char)c, lx->at++);
        }
    }
    if (peek(lx) == '#') lex_skip_line(lx);
}

static void scan_file(struct lexer *lx, struct sink *k)
{
    while (is_blank(peek(lx))) lx->at++;
    for (int c; (c = peek(lx)) >= 0 && !is_blank(c) && !strchr("#}\n", c);) {
        if (c == '"') {
            lex_string(lx, k);
            continue;
        }
        bool escaped = c == '\\' && lx->at + 1 < lx->src->text.len &&
                       strchr("\"#} ", lx->src->text.at[lx->at + 1]);
        lx->at += escaped;
        emit(k, (char)peek(lx), lx->at);
        lx->at++;
    }
}

static err_t scan_twice(struct lexer *lx, void (*scan)(struct lexer *, struct sink *),
                        struct value *out)
{
    struct lexer again = *lx;
    struct sink count = {0};
    scan(lx, &count);
    struct sink k = {.text = arena_array(lx->arena, count.n + 1, 1),
                     .pos = arena_array(lx->arena, count.n + 1, sizeof(uint32_t)),
                     .issues = lx->issues};
    if (!k.text || !k.pos) return ERR_NOMEM;
    scan(&again, &k);
    k.pos[k.n] = (uint32_t)again.at;
    *out = (struct value){lx->src, k.text, k.pos, k.n, k.quoted, k.bad};
    return ERR_OK;
}

// What word processors and web pages put in the place of " and of blanks. It is shown by its name:
// what follows may be a secret.
static void warn_typography(struct lexer *lx, const struct value *v)
{
    static const char *const marks[] = {"\u201c", "\u201d", "\u201e", "\u2018",
                                        "\u2019", "\u00ab", "\u00a0"};
    for (size_t i = 0; lx->issues && !v->quoted && i < sizeof marks / sizeof *marks; i++) {
        if (strncmp(v->text, marks[i], strlen(marks[i])) != 0) continue;
        bool blank = strcmp(marks[i], "\u00a0") == 0;
        issue_warn(lx->issues, value_place(v, 0), marks[i], "this %s is part of the value",
                   blank ? "no-break space" : "quotation mark");
        issue_hint(lx->issues, blank ? "write a plain blank" : "quotes are plain ones: \"...\"");
    }
}

err_t lex_value(struct lexer *lx, struct value *out)
{
    TRY(scan_twice(lx, scan_value, out));
    warn_typography(lx, out);
    return ERR_OK;
}

err_t lex_file(struct lexer *lx, struct value *out)
{
    return scan_twice(lx, scan_file, out);
}

bool lex_file_follows(const struct lexer *lx)
{
    struct lexer ahead = *lx;
    if (!is_blank(peek(&ahead))) return false;
    while (is_blank(peek(&ahead))) ahead.at++;
    int c = peek(&ahead);
    return c >= 0 && !strchr("={:#\n", c);
}

struct place value_place(const struct value *v, size_t i)
{
    if (!v->src) return (struct place){0};
    if (!v->pos) return (struct place){v->src, 0};
    return (struct place){v->src, v->pos[i <= v->len ? i : v->len]};
}
