// tree.h - the syntax tree of swanctl.conf: named sections of settings and sections, every name and
// value with its place. Repeated sections are merged as they are read; a later value replaces an
// earlier one. Knows nothing of what the names mean. Everything lives in the tree's arena, secrets
// included, which is wiped when it goes.
#pragma once

#include "base/arena.h"
#include "conf/lex.h"

#define TREE_DEPTH_MAX 16                        // sections in sections; the schema needs five
#define TREE_NODES_MAX 250000                    // sections, inherited copies included
#define TREE_ARENA_MAX (512UL * 1024UL * 1024UL) // bytes

struct setting {
    const char *key;
    struct place at;
    struct value value;
    struct setting *next;
    unsigned block; // which pair of braces it stands in
};

struct reference { // "section : this.one"
    const char *path;
    struct place at;
    struct reference *next;
};

enum node_state { NODE_RAW, NODE_BUSY, NODE_RESOLVED };

struct node {
    const char *name;
    struct place at;
    struct setting *settings, **settings_end;
    struct node *subs, **subs_end, *next;
    struct reference *refs, **refs_end;
    enum node_state state; // of inheritance
    unsigned block;        // where it was opened last
};

struct tree {
    struct arena arena;
    struct node *root;
    struct tree_slot **index; // (node, name) -> setting or section
    size_t nodes;
};

err_t tree_init(struct tree *t); // ERR_NOMEM
void tree_done(struct tree *t);  // wipes

// The section `name` in `in`, made if it is not there. NULL: a limit was reached.
struct node *tree_open(struct tree *t, struct node *in, const char *name, struct place at);
// Stores or replaces. Returns the value that was there before through *old (may be empty).
err_t tree_set(struct tree *t, struct node *in, const struct setting *s, struct setting *old);
err_t tree_refer(struct tree *t, struct node *in, const char *path, struct place at);

struct node *tree_sub(const struct tree *t, const struct node *in, const char *name);
struct setting *tree_setting(const struct tree *t, const struct node *in, const char *key);

// A number for all that is written in a section and those in it, whatever the order and the blanks;
// without the section `but` (NULL: with all). Two that are written differently have different ones.
// What is in files that are named there does not count.
uint64_t tree_print(const struct node *in, const char *but);
