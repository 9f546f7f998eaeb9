#include "conf/config.h"

#include <stdlib.h>
#include <string.h>

#include "conf/check.h"
#include "conf/config_type.h"
#include "conf/creds_load.h"
#include "conf/inherit.h"
#include "conf/issue.h"
#include "conf/parse.h"
#include "conf/top.h"

#define CONFIG_ARENA_MAX (2UL * 1024UL * 1024UL * 1024UL) // bytes: some 60000 connections

// The folder that a file is in; NULL when out of memory.
static const char *folder_of(struct tree *t, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return ".";
    return arena_str(&t->arena, path, slash == path ? 1 : (size_t)(slash - path));
}

err_t config_type(struct load *ld)
{
    top_read(ld);
    if (!ld->nomem) creds_load(ld);
    if (!ld->nomem) check_all(ld);
    return ld->nomem ? ERR_NOMEM : ERR_OK;
}

static err_t type_tree(const struct parser *p, const char *path, struct config *c)
{
    struct load ld = {.tree = p->tree, .issues = p->issues, .out = c};
    if (p->may_include) {
        ld.folder = folder_of(p->tree, path);
        if (!ld.folder) return ERR_NOMEM;
    }
    return config_type(&ld);
}

// Text is in the tree: inherit, type, check. Where nobody knows what stands where nothing is
// judged.
static err_t finish(struct parser *p, const char *path, struct config *c)
{
    if (p->unbalanced && p->flat) return ERR_SYNTAX;
    TRY(inherit_all(p->tree, p->issues));
    TRY(type_tree(p, path, c));
    return p->issues->errors || p->unbalanced ? ERR_SYNTAX : ERR_OK;
}

static err_t load_into(struct parser *p, const char *path, span_t text, struct config *c)
{
    TRY(parse_all(p, path, text));
    return finish(p, path, c);
}

// No files of credentials, and nothing is judged.
static err_t outline_into(struct parser *p, const char *path, struct config *c)
{
    struct load ld = {.tree = p->tree, .issues = p->issues, .out = c};
    TRY(parse_all(p, path, span(NULL, 0)));
    if (p->unbalanced) return ERR_SYNTAX;
    TRY(inherit_all(p->tree, p->issues));
    ld.folder = folder_of(p->tree, path);
    if (ld.folder) top_read(&ld);
    return ld.nomem || !ld.folder ? ERR_NOMEM : ERR_OK;
}

static void say_limit(struct conf_issues *issues, const char *path, err_t e)
{
    if (issues->errors || e == ERR_OK) return;
    struct source whole = {.name = path};
    issue_error(issues, (struct place){&whole, 0}, path, "cannot load %s: %s", path, err_text(e));
    issue_hint(issues, "split the configuration, or use ranges and fewer connections");
}

struct config *config_new(void)
{
    struct config *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->arena.limit = CONFIG_ARENA_MAX;
    c->creds = creds_new();
    if (c->creds) return c;
    free(c);
    return NULL;
}

static err_t load(struct parser *p, const char *path, span_t text, struct config **out)
{
    struct tree tree;
    struct config *c = config_new();
    if (!c) return ERR_NOMEM;
    err_t e = tree_init(&tree);
    if (e == ERR_OK) {
        p->tree = &tree;
        e = load_into(p, path, text, c);
        say_limit(p->issues, path, e);
        tree_done(&tree);
    }
    issue_sort(p->issues);
    if (e != ERR_OK) {
        config_free(c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

err_t config_load(const char *path, struct config **out, struct conf_issues *issues)
{
    struct parser p = {.issues = issues, .may_include = true};
    return load(&p, path, span(NULL, 0), out);
}

err_t config_load_outline(const char *path, struct config **out)
{
    struct tree tree;
    struct conf_issues issues = {.legacy = true};
    struct parser p = {.tree = &tree, .issues = &issues, .may_include = true};
    struct config *c = config_new();
    if (!c) return ERR_NOMEM;
    err_t e = tree_init(&tree);
    if (e == ERR_OK) {
        e = outline_into(&p, path, c);
        tree_done(&tree);
    }
    conf_issues_done(&issues);
    if (e != ERR_OK) config_free(c);
    if (e == ERR_OK) *out = c;
    return e;
}

err_t config_load_text(const char *name, span_t text, struct config **out,
                       struct conf_issues *issues)
{
    struct parser p = {.issues = issues};
    return load(&p, name, text, out);
}

struct config *config_hold(struct config *c)
{
    c->holds++;
    return c;
}

void config_free(struct config *c)
{
    if (!c) return;
    if (c->holds) {
        c->holds--;
        return;
    }
    for (unsigned i = 0; i < c->held_n; i++) config_free(c->held[i]);
    creds_free(c->creds);
    arena_done(&c->arena); // wipes
    free(c);
}

const struct conf_conn *config_conn(const struct config *c, const char *name)
{
    for (unsigned i = 0; i < c->conn_n; i++) {
        if (strcmp(c->conn[i].name, name) == 0) return &c->conn[i];
    }
    return NULL;
}

const char *config_kernel_only(const struct conf_child *c, const char **why)
{
    *why = "its sockets do not tell the marks of ESP packets";
    return c->mark_in_sa ? "mark_in_sa" : NULL;
}

bool conf_conn_asks_dhcp(const struct conf_conn *c, unsigned *before)
{
    for (unsigned i = 0; i < c->pool_n; i++) {
        if (strcmp(c->pool[i], CONF_POOL_DHCP) != 0) continue;
        if (before) *before = i;
        return true;
    }
    return false;
}

bool config_asks_dhcp(const struct config *c)
{
    for (unsigned i = 0; i < c->conn_n; i++) {
        if (conf_conn_asks_dhcp(&c->conn[i], NULL)) return true;
    }
    return false;
}

const struct conf_pool *config_pool(const struct config *c, const char *name)
{
    for (unsigned i = 0; i < c->pool_n; i++) {
        if (strcmp(c->pool[i].name, name) == 0) return &c->pool[i];
    }
    return NULL;
}
