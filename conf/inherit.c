#include "conf/inherit.h"

#include <string.h>

#include "base/text.h"
#include "conf/issue.h"

#define NAMES_MAX 64 // sections offered to "did you mean"

#define CHAIN_MAX 64 // references that lead to references: deeper chains are a mistake

struct heir {
    struct tree *tree;
    struct conf_issues *issues;
    unsigned chain;                  // references being followed
    const struct reference *culprit; // the one that broke a limit
};

static err_t resolve(struct heir *h, struct node *n);

// Adds to `to` what only `from` has.
static err_t merge(struct heir *h, struct node *to, const struct node *from, unsigned depth)
{
    struct setting old;
    if (depth > TREE_DEPTH_MAX) return ERR_LIMIT;
    for (const struct setting *s = from->settings; s; s = s->next) {
        if (!tree_setting(h->tree, to, s->key)) TRY(tree_set(h->tree, to, s, &old));
    }
    for (const struct node *sub = from->subs; sub; sub = sub->next) {
        struct node *into = tree_open(h->tree, to, sub->name, sub->at);
        if (!into) return ERR_LIMIT;
        if (into->state == NODE_RAW) into->state = NODE_RESOLVED;
        TRY(merge(h, into, sub, depth + 1));
    }
    return ERR_OK;
}

// The n bytes of r->path at `from` name nothing in `in`.
static void unknown_reference(struct heir *h, const struct node *in, const struct reference *r,
                              const char *from, const char *name)
{
    const char *names[NAMES_MAX + 1];
    size_t n = 0;
    for (const struct node *s = in->subs; s && n < NAMES_MAX; s = s->next) names[n++] = s->name;
    names[n] = NULL;
    issue_error(h->issues, r->at, r->path, "there is no section '%s' to inherit from", r->path);
    const char *near = nearest(name, names);
    if (near) {
        issue_hint(h->issues, "did you mean '%.*s%s%s'?", (int)(from - r->path), r->path, near,
                   from + strlen(name));
        return;
    }
    issue_hint(h->issues, "a reference is the whole path from the top, as in connections.gateway");
}

// Walks a dotted path from the root. *out is NULL (reported) if it leads nowhere.
static err_t target(struct heir *h, const struct reference *r, struct node **out)
{
    struct node *at = h->tree->root;
    *out = NULL;
    for (const char *s = r->path; *s;) {
        size_t n = strcspn(s, ".");
        const char *name = arena_str(&h->tree->arena, s, n);
        if (!name) return ERR_NOMEM;
        struct node *sub = tree_sub(h->tree, at, name);
        if (!sub && at->state == NODE_RAW) {
            TRY(resolve(h, at));
            sub = tree_sub(h->tree, at, name); // inherited itself
        }
        if (!sub) {
            unknown_reference(h, at, r, s, name);
            return ERR_OK;
        }
        at = sub;
        s += n + (s[n] == '.');
    }
    *out = at;
    return ERR_OK;
}

static err_t inherit(struct heir *h, struct node *n, const struct reference *r)
{
    struct node *from;
    if (h->chain >= CHAIN_MAX) return ERR_LIMIT;
    TRY(target(h, r, &from));
    if (!from) return ERR_OK;
    if (from->state == NODE_BUSY) {
        issue_error(h->issues, r->at, r->path, "'%s' inherits from itself through '%s'", n->name,
                    r->path);
        issue_hint(h->issues, "move what both share into a section of its own");
        return ERR_OK;
    }
    h->chain++;
    TRY(resolve(h, from));
    h->chain--;
    return merge(h, n, from, 0);
}

static err_t resolve(struct heir *h, struct node *n)
{
    if (n->state != NODE_RAW) return ERR_OK;
    n->state = NODE_BUSY;
    for (struct node *sub = n->subs; sub; sub = sub->next) TRY(resolve(h, sub));
    for (const struct reference *r = n->refs; r; r = r->next) {
        err_t e = inherit(h, n, r);
        if (e != ERR_OK && !h->culprit) h->culprit = r;
        TRY(e);
    }
    n->state = NODE_RESOLVED;
    return ERR_OK;
}

err_t inherit_all(struct tree *t, struct conf_issues *issues)
{
    struct heir h = {.tree = t, .issues = issues};
    err_t e = resolve(&h, t->root);
    if (e == ERR_OK || !h.culprit) return e;
    issue_error(issues, h.culprit->at, h.culprit->path,
                "'%s' brings in too many sections, or too many in one another", h.culprit->path);
    issue_hint(issues, "inherit from fewer and flatter sections");
    return e;
}
