#include "conf/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"

#define INDEX_SIZE 65536u // chains; a large site has some 100000 names

struct tree_slot {
    const struct node *in;
    struct node *node;
    struct setting *setting;
    struct tree_slot *next;
};

// FNV-1a; the file is the administrator's own, so the hash needs no key.
static size_t index_hash(const struct node *in, const char *name)
{
    uint64_t h = 14695981039346656037ULL ^ (uint64_t)(uintptr_t)in >> 4;
    for (; *name; name++) h = (h ^ (uint8_t)*name) * 1099511628211ULL;
    return (size_t)(h ^ h >> 32) % INDEX_SIZE;
}

static struct node *node_new(struct tree *t, const char *name, struct place at)
{
    if (t->nodes >= TREE_NODES_MAX) return NULL;
    struct node *n = arena_get(&t->arena, sizeof *n);
    if (!n) return NULL;
    t->nodes++;
    *n = (struct node){.name = name, .at = at};
    n->settings_end = &n->settings;
    n->subs_end = &n->subs;
    n->refs_end = &n->refs;
    return n;
}

err_t tree_init(struct tree *t)
{
    *t = (struct tree){.arena.limit = TREE_ARENA_MAX};
    t->index = arena_array(&t->arena, INDEX_SIZE, sizeof *t->index);
    t->root = node_new(t, "", (struct place){0});
    if (t->index && t->root) return ERR_OK;
    tree_done(t);
    return ERR_NOMEM;
}

void tree_done(struct tree *t)
{
    arena_done(&t->arena);
}

static struct tree_slot *index_add(struct tree *t, const struct node *in, const char *name)
{
    struct tree_slot *s = arena_get(&t->arena, sizeof *s);
    if (!s) return NULL;
    size_t h = index_hash(in, name);
    *s = (struct tree_slot){.in = in, .next = t->index[h]};
    t->index[h] = s;
    return s;
}

struct node *tree_sub(const struct tree *t, const struct node *in, const char *name)
{
    const struct tree_slot *s = t->index[index_hash(in, name)];
    for (; s; s = s->next) {
        if (s->in == in && s->node && strcmp(s->node->name, name) == 0) return s->node;
    }
    return NULL;
}

struct setting *tree_setting(const struct tree *t, const struct node *in, const char *key)
{
    const struct tree_slot *s = t->index[index_hash(in, key)];
    for (; s; s = s->next) {
        if (s->in == in && s->setting && strcmp(s->setting->key, key) == 0) return s->setting;
    }
    return NULL;
}

struct node *tree_open(struct tree *t, struct node *in, const char *name, struct place at)
{
    struct node *n = tree_sub(t, in, name);
    if (n) return n;
    n = node_new(t, name, at);
    struct tree_slot *slot = n ? index_add(t, in, name) : NULL;
    if (!slot) return NULL;
    slot->node = n;
    *in->subs_end = n;
    in->subs_end = &n->next;
    return n;
}

err_t tree_set(struct tree *t, struct node *in, const struct setting *s, struct setting *old)
{
    struct setting *have = tree_setting(t, in, s->key);
    if (have) {
        *old = *have;
        struct setting *next = have->next;
        *have = *s;
        have->next = next;
        return ERR_OK;
    }
    *old = (struct setting){0};
    struct setting *n = arena_get(&t->arena, sizeof *n);
    struct tree_slot *slot = n ? index_add(t, in, s->key) : NULL;
    if (!slot) return ERR_NOMEM;
    *n = *s;
    n->next = NULL;
    slot->setting = n;
    *in->settings_end = n;
    in->settings_end = &n->next;
    return ERR_OK;
}

err_t tree_refer(struct tree *t, struct node *in, const char *path, struct place at)
{
    struct reference *r = arena_get(&t->arena, sizeof *r);
    if (!r) return ERR_NOMEM;
    *r = (struct reference){.path = path, .at = at};
    *in->refs_end = r;
    in->refs_end = &r->next;
    return ERR_OK;
}

// The administrator's own words: nobody else can choose them, and make two of them alike.
static const uint8_t print_key[16];

static uint64_t pair_print(const char *name, uint64_t what)
{
    const uint64_t pair[] = {siphash(print_key, name, strlen(name)), what};
    return siphash(print_key, pair, sizeof pair);
}

// Without blanks: swanctl sends the elements of a list, and files have them with blanks between.
static uint64_t value_print(const struct value *v)
{
    uint64_t h = 14695981039346656037ULL;
    for (size_t i = 0; i < v->len; i++) {
        if (v->text[i] != ' ' && v->text[i] != '\t')
            h = (h ^ (uint8_t)v->text[i]) * 1099511628211ULL;
    }
    return h;
}

uint64_t tree_print(const struct node *in, const char *but)
{
    uint64_t print = 0;
    for (const struct setting *s = in->settings; s; s = s->next) {
        print += pair_print(s->key, value_print(&s->value));
    }
    for (const struct node *sub = in->subs; sub; sub = sub->next) {
        if (but && strcmp(sub->name, but) == 0) continue;
        print += pair_print(sub->name, ~tree_print(sub, NULL));
    }
    return print;
}
