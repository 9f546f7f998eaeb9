#include "conf/parse.h"

#include <errno.h>
#include <string.h>

#include "conf/include.h"
#include "conf/issue.h"

// A section that is open while a file is read.
struct level {
    struct node *node;
    struct place at; // its name
    size_t indent;   // of the line on which it was opened
    unsigned block;  // number of its pair of braces
};

// One file being read. Braces must balance within each file.
struct reading {
    struct parser *p;
    struct lexer lx;
    unsigned depth; // levels in use; level[0] is the section the file is read into
    struct level level[TREE_DEPTH_MAX + 1];
    struct place suspect; // the first section whose '}' seems to be missing
    const char *suspect_name;
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
    *top(r) = (struct level){n, name->at, r->lx.indent, ++r->p->blocks};
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

static err_t read_statement(struct reading *r, const struct lex_token *name)
{
    if (strcmp(name->text, "include") == 0 && lex_file_follows(&r->lx)) {
        return read_include(r, name);
    }
    struct lex_token next = lex_next(&r->lx);
    if (next.kind == LEX_EQUALS) return read_setting(r, name);
    if (next.kind == LEX_OPEN) return read_section(r, name);
    if (next.kind == LEX_COLON) return read_references(r, name, &next);
    return stray_name(r, name, &next);
}

static void close_section(struct reading *r, const struct lex_token *brace)
{
    if (r->depth == 0) {
        r->p->unbalanced = true;
        issue_error(r->p->issues, brace->at, brace->text,
                    "no section is open that '}' could close");
        issue_hint(r->p->issues, "remove it, or look for a '{' that is missing before");
        return;
    }
    // Indentation betrays which section the author meant to close.
    bool first = brace->at.at == r->lx.line_at + r->lx.indent;
    bool odd = first && r->lx.indent < top(r)->indent;
    if (odd && !r->suspect_name) {
        r->suspect = top(r)->at;
        r->suspect_name = top(r)->node->name;
    }
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

static void check_closed(struct reading *r)
{
    if (r->depth == 0) return;
    r->p->unbalanced = true;
    struct place at = r->suspect_name ? r->suspect : top(r)->at;
    const char *name = r->suspect_name ? r->suspect_name : top(r)->node->name;
    issue_error(r->p->issues, at, name, "section '%s' is opened here and never closed", name);
    if (r->depth == 1) issue_hint(r->p->issues, "add the '}' that ends it");
    if (r->depth > 1) {
        issue_hint(r->p->issues, "add the '}' that ends it; %u are missing in this file", r->depth);
    }
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
        TRY(t.kind == LEX_NAME ? read_statement(r, &t) : stray_mark(r, &t));
    }
    check_closed(r);
    return ERR_OK;
}

static err_t parse_source(struct parser *p, struct node *in, const struct source *src)
{
    const uint8_t *nul = src->text.len ? memchr(src->text.at, 0, src->text.len) : NULL;
    if (nul) {
        struct place at = {src, (uint32_t)(nul - src->text.at)};
        issue_error(p->issues, at, "", "this is not a text file: it holds a zero byte");
        issue_hint(p->issues, "name a swanctl.conf");
        return ERR_OK;
    }
    struct reading *r = arena_get(&p->tree->arena, sizeof *r);
    if (!r) return ERR_NOMEM;
    *r = (struct reading){
        .p = p,
        .lx = {.src = src, .arena = &p->tree->arena, .issues = p->issues, .new_line = true}};
    r->level[0] = (struct level){.node = in, .block = ++p->blocks};
    return read_statements(r);
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

err_t parse_included(struct parser *p, struct node *in, const char *path, struct place at)
{
    span_t text;
    struct source *src;
    if (p->nesting >= PARSE_INCLUDES_MAX || p->files >= PARSE_FILES_MAX) {
        issue_error(p->issues, at, path, "too many files include one another");
        issue_hint(p->issues, "does a file include itself?");
        return ERR_LIMIT;
    }
    err_t e = include_read(p->tree, path, PARSE_BYTES_MAX - p->bytes, &text);
    if (e != ERR_OK) {
        IGNORE(cannot_read(p, path, at, e)); // the other files are still checked
        return e == ERR_LIMIT || e == ERR_NOMEM ? e : ERR_OK;
    }
    TRY(source_new(p, path, text, &src));
    p->nesting++;
    e = parse_source(p, in, src);
    p->nesting--;
    return e;
}

err_t parse_file(struct parser *p, const char *path)
{
    span_t text;
    struct source *src;
    TRY(source_new(p, path, span(NULL, 0), &src));
    err_t e = include_read(p->tree, path, PARSE_BYTES_MAX, &text);
    if (e != ERR_OK) return cannot_read(p, path, (struct place){src, 0}, e);
    src->text = text;
    p->bytes += text.len;
    return parse_source(p, p->tree->root, src);
}

err_t parse_text(struct parser *p, const char *name, span_t text)
{
    struct source *src;
    if (text.len > PARSE_BYTES_MAX) return ERR_LIMIT;
    span_t copy = arena_copy(&p->tree->arena, text);
    if (!copy.at) return ERR_NOMEM;
    TRY(source_new(p, name, copy, &src));
    return parse_source(p, p->tree->root, src);
}
