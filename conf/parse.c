#include "conf/parse.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "conf/include.h"
#include "conf/issue.h"

#define NO_LINE SIZE_MAX // nothing stands on a line of its own

// A section that is open while a file is read.
struct level {
    struct node *node;
    struct place at; // its name
    size_t indent;   // of the line on which it was opened
    size_t body;     // indent of the first line in it, or NO_LINE
    unsigned block;  // number of its pair of braces
};

// One file being read. Braces must balance within each file.
struct reading {
    struct parser *p;
    struct lexer lx;
    bool guess;     // they do not: indentation says where sections end
    unsigned depth; // levels in use; level[0] is the section the file is read into
    struct level level[TREE_DEPTH_MAX + 1];
    struct level closed;  // by the '}' just read; node NULL: something else was read
    size_t closed_indent; // of the line of that '}'
};

static struct level *top(struct reading *r)
{
    return &r->level[r->depth];
}

// What may follow a mistake on the same line is not judged.
static err_t skip_line(struct reading *r)
{
    struct lexer silent = r->lx;
    struct value rest;
    struct conf_issues *issues = r->lx.issues;
    silent.issues = NULL;
    TRY(lex_value(&silent, &rest));
    r->lx = silent;
    r->lx.issues = issues;
    return ERR_OK;
}

static bool check_name(struct reading *r, const struct lex_token *name, const char *what)
{
    if (!strchr(name->text, '.')) return true;
    issue_error(r->p->issues, name->at, name->text, "a %s name cannot contain '.'", what);
    issue_hint(r->p->issues, "use '-' or '_' instead of '.'");
    return false;
}

static err_t read_setting(struct reading *r, const struct lex_token *name)
{
    struct setting s = {.key = name->text, .at = name->at, .block = top(r)->block}, old;
    TRY(lex_value(&r->lx, &s.value));
    if (!check_name(r, name, "key")) return ERR_OK;
    TRY(tree_set(r->p->tree, top(r)->node, &s, &old));
    if (!old.key || old.block != s.block || r->p->issues->n >= ISSUES_MAX) return ERR_OK;
    unsigned line, column;
    place_find(old.at, &line, &column);
    issue_warn(r->p->issues, s.at, s.key,
               "'%s' stands here twice; the value in line %u is not used", s.key, line);
    issue_hint(r->p->issues, "remove one of the two");
    return ERR_OK;
}

static err_t open_section(struct reading *r, const struct lex_token *name, struct node *n)
{
    if (r->depth >= TREE_DEPTH_MAX) {
        issue_error(r->p->issues, name->at, name->text, "sections are nested too deeply");
        issue_hint(r->p->issues, "no more than %u in one another; is a '}' missing before?",
                   TREE_DEPTH_MAX);
        return ERR_LIMIT;
    }
    (void)check_name(r, name, "section");                   // what it holds is still judged
    bool again = r->depth > 0 && n->block == top(r)->block; // at the top it is a habit
    if (again) {
        issue_warn(r->p->issues, name->at, name->text,
                   "section '%s' stands here twice; both are taken as one", name->text);
        issue_hint(r->p->issues, "rename one of the two, or put their settings together");
    }
    n->block = top(r)->block;
    r->depth++;
    *top(r) = (struct level){n, name->at, r->lx.indent, NO_LINE, ++r->p->blocks};
    return ERR_OK;
}

static err_t read_section(struct reading *r, const struct lex_token *name)
{
    struct node *n = tree_open(r->p->tree, top(r)->node, name->text, name->at);
    return n ? open_section(r, name, n) : ERR_LIMIT;
}

// Do names with ',' between them and '{' follow? Else *at is what stands there instead.
static bool references_follow(struct reading *r, struct lex_token *at)
{
    struct lexer ahead = r->lx;
    for (;;) {
        *at = lex_next(&ahead);
        if (at->kind != LEX_NAME) return false;
        *at = lex_next(&ahead);
        if (at->kind == LEX_OPEN) return true;
        if (at->kind != LEX_COMMA) return false;
    }
}

// "name : a.b, c.d {"
static err_t read_references(struct reading *r, const struct lex_token *name,
                             const struct lex_token *colon)
{
    struct lex_token t;
    if (!references_follow(r, &t)) {
        issue_error(r->p->issues, colon->at, colon->text,
                    "':' must be followed by the sections to inherit from and '{'");
        issue_hint(r->p->issues, "as in '%s : defaults {'; to set a value write '%s = ...'",
                   name->text, name->text);
        if (t.kind != LEX_OPEN) return skip_line(r);
        r->lx.at = t.at.at + 1;
        return read_section(r, name);
    }
    struct node *n = tree_open(r->p->tree, top(r)->node, name->text, name->at);
    if (!n) return ERR_LIMIT;
    do {
        t = lex_next(&r->lx);
        TRY(tree_refer(r->p->tree, n, t.text, t.at));
        t = lex_next(&r->lx);
    } while (t.kind == LEX_COMMA);
    return open_section(r, name, n);
}

static err_t read_include(struct reading *r, const struct lex_token *name)
{
    struct value pattern;
    (void)name;
    TRY(lex_file(&r->lx, &pattern));
    return include_pattern(r->p, top(r)->node, &pattern);
}

// A name that nothing sensible follows. The words behind it are not shown: they might be a secret.
static err_t stray_name(struct reading *r, const struct lex_token *name,
                        const struct lex_token *next)
{
    size_t n = strlen(name->text);
    bool semicolon = n > 0 && name->text[n - 1] == ';';
    issue_error(r->p->issues, name->at, name->text,
                semicolon ? "';' is not part of this grammar"
                          : "neither '=' nor '{' follows this name");
    if (semicolon) issue_hint(r->p->issues, "a setting ends with its line");
    if (!semicolon) {
        issue_hint(r->p->issues, "write '%s = ...' or '%s { ... }'", name->text, name->text);
    }
    r->lx.at = next->at.at;
    bool same_line = name->at.at >= r->lx.line_at && next->kind != LEX_END;
    return same_line && next->kind != LEX_CLOSE ? skip_line(r) : ERR_OK;
}

// A no-break space looks like a blank, and belongs to the name.
static void check_blanks(struct reading *r, const struct lex_token *name)
{
    if (!strstr(name->text, "\u00a0")) return;
    issue_error(r->p->issues, name->at, name->text, "a no-break space stands in this name");
    issue_hint(r->p->issues, "write a plain blank");
}

static err_t read_statement(struct reading *r, const struct lex_token *name)
{
    check_blanks(r, name);
    if (strcmp(name->text, "include") == 0 && lex_file_follows(&r->lx)) {
        return read_include(r, name);
    }
    struct lex_token next = lex_next(&r->lx);
    if (next.kind == LEX_EQUALS) return read_setting(r, name);
    if (next.kind == LEX_OPEN) return read_section(r, name);
    if (next.kind == LEX_COLON) return read_references(r, name, &next);
    return stray_name(r, name, &next);
}

// ---- where sections end ----

static bool begins_line(const struct reading *r, const struct lex_token *t)
{
    return t->at.at == r->lx.line_at + r->lx.indent;
}

static void never_closed(struct reading *r)
{
    const struct level *l = top(r);
    r->p->unbalanced = true;
    issue_error(r->p->issues, l->at, l->node->name, "section '%s' is opened here and never closed",
                l->node->name);
    issue_hint(r->p->issues, "add the '}' that ends it");
    r->depth--;
}

// Is what stands in the section indented deeper than the section itself?
static bool is_indented(const struct level *l)
{
    return l->body != NO_LINE && l->body > l->indent;
}

// A line that is not indented deeper than an open section stands behind it, where people indent.
static bool is_behind(const struct reading *r, size_t indent)
{
    const struct level *l = &r->level[r->depth];
    if (indent > l->indent) return false;
    return is_indented(l) || (l->body == NO_LINE && r->depth > 1 && is_indented(l - 1));
}

static void guess_before(struct reading *r, const struct lex_token *name)
{
    if (!begins_line(r, name)) return;
    while (r->guess && r->depth && is_behind(r, r->lx.indent)) never_closed(r);
    struct level *l = top(r);
    if (r->depth && l->body == NO_LINE) l->body = r->lx.indent;
    if (r->depth && l->body <= l->indent) r->p->flat = true;
}

// The '}' closes the section that begins as far to the left as it stands.
static void guess_closed(struct reading *r)
{
    unsigned d = r->depth;
    while (d && r->level[d].indent > r->lx.indent) d--;
    if (d && r->level[d].indent == r->lx.indent) {
        while (r->depth > d) never_closed(r);
    }
}

// As far to the left as the one before it, which was the right one there?
static bool is_surplus(const struct reading *r)
{
    const struct level *was = &r->closed;
    size_t indent = r->lx.indent;
    return was->node && was->indent == indent && r->closed_indent == indent &&
           (r->depth == 0 || indent > r->level[r->depth].indent);
}

static void stray_close(struct reading *r, const struct lex_token *brace)
{
    r->p->unbalanced = true;
    issue_error(r->p->issues, brace->at, brace->text, "no section is open that '}' could close");
    issue_hint(r->p->issues, "remove it, or look for a '{' that is missing before");
}

static void close_section(struct reading *r, const struct lex_token *brace)
{
    bool first = begins_line(r, brace);
    if (r->depth == 0 || (r->guess && first && is_surplus(r))) {
        stray_close(r, brace);
        return;
    }
    if (r->guess && first) guess_closed(r);
    r->closed = *top(r);
    r->closed_indent = first ? r->lx.indent : NO_LINE;
    r->depth--;
}

static err_t stray_mark(struct reading *r, const struct lex_token *t)
{
    issue_error(r->p->issues, t->at, t->text, "'%s' without a name before it", t->text);
    issue_hint(r->p->issues, "a setting is 'key = value', a section is 'name { ... }'");
    if (t->kind == LEX_QUOTE) lex_skip_line(&r->lx);
    if (t->kind != LEX_OPEN) return skip_line(r);
    struct lex_token nameless = {LEX_NAME, t->at, ""};
    return read_section(r, &nameless);
}

static err_t read_statements(struct reading *r)
{
    for (;;) {
        struct lex_token t = lex_next(&r->lx);
        if (t.kind == LEX_END) break;
        if (t.kind == LEX_CLOSE) {
            close_section(r, &t);
            continue;
        }
        guess_before(r, &t);
        r->closed.node = NULL;
        TRY(t.kind == LEX_NAME ? read_statement(r, &t) : stray_mark(r, &t));
    }
    while (r->depth) never_closed(r);
    return ERR_OK;
}

// ---- files ----

// What is no text in UTF-8, or has a mark of *skip bytes before it. false: it cannot be read.
static bool check_encoding(struct parser *p, struct source *src, size_t *skip)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    span_t t = src->text;
    bool marked = t.len >= sizeof mark && memcmp(t.at, mark, sizeof mark) == 0;
    *skip = marked ? sizeof mark : 0;
    bool wide = t.len >= 2 && (t.at[0] ^ t.at[1]) == 1 && t.at[0] >= 0xfe;
    const uint8_t *nul = t.len ? memchr(t.at, 0, t.len) : NULL;
    struct place at = {src, nul && !wide ? (uint32_t)(nul - t.at) : 0};
    if (marked) {
        issue_warn(p->issues, at, "", "the file begins with a byte order mark");
        issue_hint(p->issues, "strongSwan takes it for a name: save the file without it");
    }
    if (wide) {
        issue_error(p->issues, at, "", "this file is written in UTF-16");
        issue_hint(p->issues, "save it as UTF-8");
    } else if (nul) {
        issue_error(p->issues, at, "", "this is not a text file: it holds a zero byte");
        issue_hint(p->issues, "name a swanctl.conf");
    }
    return !wide && !nul;
}

static err_t parse_source(struct parser *p, struct node *in, struct source *src)
{
    size_t skip;
    if (!check_encoding(p, src, &skip)) return ERR_OK;
    struct reading *r = arena_get(&p->tree->arena, sizeof *r);
    if (!r) return ERR_NOMEM;
    *r = (struct reading){
        .p = p,
        .lx = {.src = src, .arena = &p->tree->arena, .issues = p->issues, .new_line = true},
        .guess = p->guess && (p->odd[src->no / 64] >> src->no % 64 & 1)};
    r->lx.at = r->lx.line_at = skip;
    r->level[0] = (struct level){.node = in, .block = ++p->blocks};
    bool before = p->unbalanced;
    p->unbalanced = false;
    TRY(read_statements(r));
    if (p->unbalanced) p->odd[src->no / 64] |= UINT64_C(1) << src->no % 64;
    p->unbalanced |= before;
    return ERR_OK;
}

static err_t source_new(struct parser *p, const char *name, span_t text, struct source **out)
{
    struct source *src = arena_get(&p->tree->arena, sizeof *src);
    const char *copy = arena_str(&p->tree->arena, name, strlen(name));
    if (!src || !copy) return ERR_NOMEM;
    *src = (struct source){copy, text, p->files++};
    p->bytes += text.len;
    *out = src;
    return ERR_OK;
}

static err_t cannot_read(struct parser *p, const char *path, struct place at, err_t e)
{
    const char *reason = e == ERR_LIMIT   ? "too large"
                         : e == ERR_NOMEM ? err_text(e)
                                          : strerror(errno);
    issue_error(p->issues, at, path, "cannot read %s: %s", path, reason);
    if (e == ERR_NOTFOUND) issue_hint(p->issues, "check the path; a missing folder counts as well");
    if (e == ERR_SYSTEM) issue_hint(p->issues, "name a file, or a pattern as in conf.d/*.conf");
    if (e == ERR_PERMISSION) issue_hint(p->issues, "run as a user who may read it");
    if (e == ERR_LIMIT)
        issue_hint(p->issues, "all files together hold at most %lu MiB", PARSE_BYTES_MAX >> 20);
    return e;
}

// Is this file being read already?
static bool is_open(const struct parser *p, const char *path)
{
    char whole[PATH_MAX];
    if (!realpath(path, whole)) return false;
    for (unsigned i = 0; i <= p->nesting; i++) {
        if (p->open[i] && strcmp(p->open[i], whole) == 0) return true;
    }
    return false;
}

static void note_open(struct parser *p, const char *path)
{
    char whole[PATH_MAX];
    if (realpath(path, whole)) {
        p->open[p->nesting] = arena_str(&p->tree->arena, whole, strlen(whole));
    }
}

err_t parse_included(struct parser *p, struct node *in, const char *path, struct place at)
{
    span_t text;
    struct source *src;
    if (is_open(p, path)) {
        issue_error(p->issues, at, path, "%s includes itself", path);
        issue_hint(p->issues, "remove this line, or name another file");
        return ERR_OK;
    }
    if (p->nesting >= PARSE_INCLUDES_MAX || p->files >= PARSE_FILES_MAX) {
        issue_error(p->issues, at, path, "too many files include one another");
        issue_hint(p->issues, "at most %u in one another, and %u in all", PARSE_INCLUDES_MAX,
                   PARSE_FILES_MAX);
        return ERR_LIMIT;
    }
    err_t e = include_read(p->tree, path, PARSE_BYTES_MAX - p->bytes, &text);
    if (e != ERR_OK) {
        IGNORE(cannot_read(p, path, at, e)); // the other files are still checked
        return e == ERR_LIMIT || e == ERR_NOMEM ? e : ERR_OK;
    }
    TRY(source_new(p, path, text, &src));
    p->nesting++;
    note_open(p, path);
    e = parse_source(p, in, src);
    p->open[p->nesting] = NULL;
    p->nesting--;
    return e;
}

static err_t parse_file(struct parser *p, const char *path)
{
    span_t text;
    struct source *src;
    TRY(source_new(p, path, span(NULL, 0), &src));
    err_t e = include_read(p->tree, path, PARSE_BYTES_MAX, &text);
    if (e != ERR_OK) return cannot_read(p, path, (struct place){src, 0}, e);
    src->text = text;
    p->bytes += text.len;
    note_open(p, path);
    return parse_source(p, p->tree->root, src);
}

static err_t parse_text(struct parser *p, const char *name, span_t text)
{
    struct source *src;
    if (text.len > PARSE_BYTES_MAX) return ERR_LIMIT;
    span_t copy = arena_copy(&p->tree->arena, text);
    if (!copy.at) return ERR_NOMEM;
    TRY(source_new(p, name, copy, &src));
    return parse_source(p, p->tree->root, src);
}

static err_t parse_once(struct parser *p, const char *name, span_t text)
{
    return p->may_include ? parse_file(p, name) : parse_text(p, name, text);
}

err_t parse_all(struct parser *p, const char *name, span_t text)
{
    TRY(parse_once(p, name, text));
    if (!p->unbalanced) return ERR_OK;
    // The second look finds what the first has found, and all that braces had hidden.
    struct parser again = {.tree = p->tree, .issues = p->issues, .may_include = p->may_include};
    again.guess = true;
    memcpy(again.odd, p->odd, sizeof again.odd);
    *p = again;
    conf_issues_done(p->issues);
    tree_done(p->tree);
    TRY(tree_init(p->tree));
    err_t e = parse_once(p, name, text);
    p->unbalanced = true;
    return e;
}
