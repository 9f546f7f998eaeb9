#include "conf/schema.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "conf/issue.h"
#include "conf/value.h"

#define NAMES_MAX 96 // names of the largest table and its sections, with room

static bool name_is(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);
    if (n && pattern[n - 1] == '*') return strncmp(pattern, name, n - 1) == 0;
    return strcmp(pattern, name) == 0;
}

static const struct key *find_key(const struct schema *s, const char *name)
{
    for (const struct key *k = s->keys; k && k->name; k++) {
        if (name_is(k->name, name)) return k;
    }
    return NULL;
}

static const struct inside *find_inside(const struct schema *s, const char *name)
{
    for (const struct inside *i = s->inside; i && i->name; i++) {
        if (name_is(i->name, name)) return i;
    }
    return NULL;
}

// ---- names that nobody knows ----

// The section kind below `s` (s included) in which the key is known.
static const struct schema *home_of(const struct schema *s, const char *name)
{
    const struct key *k = find_key(s, name);
    if (k && strcmp(k->name, name) == 0) return s;
    for (const struct inside *i = s->inside; i && i->name; i++) {
        const struct schema *home = i->schema ? home_of(i->schema, name) : NULL;
        if (home) return home;
    }
    return NULL;
}

// The name as people write it: "local" for "local*".
static const char *plain_name(struct load *ld, const char *pattern)
{
    const char *plain = arena_str(&ld->tree->arena, pattern, strcspn(pattern, "*"));
    return plain ? plain : pattern;
}

// The nearest of the keys or of the sections that are supported here.
static const char *near_name(struct load *ld, const struct schema *s, const char *name,
                             bool sections)
{
    const char *names[NAMES_MAX + 1];
    size_t n = 0;
    for (const struct key *k = s->keys; !sections && k && k->name && n < NAMES_MAX; k++) {
        names[n++] = plain_name(ld, k->name);
    }
    for (const struct inside *i = s->inside; sections && i && i->name && n < NAMES_MAX; i++) {
        if (!i->note) names[n++] = plain_name(ld, i->name);
    }
    names[n] = NULL;
    const char *near = nearest(name, names);
    return near && *near ? near : NULL;
}

static void hint_names(struct load *ld, const struct schema *s)
{
    AUTO(text) struct text all = {0};
    for (const struct inside *i = s->inside; i && i->name; i++) {
        if (!i->note) text_add(&all, "%s%s", all.len ? ", " : "", plain_name(ld, i->name));
    }
    if (all.len) issue_hint(ld->issues, "the sections known here: %s", text_str(&all));
    if (!all.len) issue_hint(ld->issues, "remove it: no section can stand here");
}

// Mistyped, or at the wrong place? `section`: that is what was written.
static void hint_name(struct load *ld, const struct schema *s, const char *name, bool section)
{
    const struct schema *home = home_of(&schema_top, name);
    if (home && !section) {
        issue_hint(ld->issues, "it belongs into %s { ... }", home->where);
        return;
    }
    for (int other = 0; other < 2; other++) {
        bool as_section = section != (other == 1);
        const char *near = near_name(ld, s, name, as_section);
        if (!near) continue;
        issue_hint(ld->issues, "did you mean '%s%s'?", near, as_section ? " { ... }" : "");
        return;
    }
    if (section) {
        hint_names(ld, s);
        return;
    }
    issue_hint(ld->issues, "remove it; pavise-swanctl.conf(5) lists what %s can say", s->what);
}

static void unknown_key(struct load *ld, const struct schema *s, const struct setting *set)
{
    issue_error(ld->issues, set->at, set->key, "'%s' is not a setting of %s", set->key, s->what);
    for (const struct inside *i = s->inside; i && i->name; i++) {
        size_t n = strcspn(i->name, "*");
        if (n == 0 || strlen(set->key) != n || strncmp(i->name, set->key, n) != 0) continue;
        issue_hint(ld->issues, "it is a section: write '%s { ... }'", set->key);
        return;
    }
    hint_name(ld, s, set->key, false);
}

static void unknown_section(struct load *ld, const struct schema *s, const struct node *n)
{
    if (!*n->name) return; // '{' without a name was reported already
    issue_error(ld->issues, n->at, n->name, "%s holds no section '%s'", s->what, n->name);
    if (find_key(s, n->name)) {
        issue_hint(ld->issues, "it is a setting: write '%s = ...'", n->name);
        return;
    }
    hint_name(ld, s, n->name, true);
}

// ---- what strongSwan knows and we do not do ----

static bool listed(const char *list, const char *value)
{
    if (!list) return false;
    if (strcmp(list, "*") == 0) return true;
    for (size_t n; *list; list += n + (list[n] == ' ')) {
        n = strcspn(list, " ");
        if (strlen(value) == n && strncasecmp(list, value, n) == 0) return true;
        if (n == 2 && strncmp(list, "no", 2) == 0 && value_is_no(value)) return true;
        if (n == 3 && strncmp(list, "yes", 3) == 0 && value_is_yes(value)) return true;
    }
    return false;
}

static void not_supported(const struct arg *a)
{
    const struct key *k = a->key;
    if (listed(k->fine, a->v->text)) return;
    struct place at = value_place(a->v, 0);
    if (listed(k->mild, a->v->text)) {
        issue_warn(a->ld->issues, at, a->v->text, "%s", k->note);
        issue_hint(a->ld->issues, "remove it, or write %s = %.*s", k->name,
                   (int)strcspn(k->fine, " "), k->fine);
        return;
    }
    issue_error(a->ld->issues, at, a->v->text, "%s", k->note);
    if (k->hint) {
        issue_hint(a->ld->issues, "%s", k->hint);
        return;
    }
    bool offer = k->fine && strcmp(k->fine, "*") != 0;
    if (offer) {
        issue_hint(a->ld->issues, "remove it or write %s = %.*s", k->name,
                   (int)strcspn(k->fine, " "), k->fine);
        return;
    }
    issue_hint(a->ld->issues, "remove it");
}

static void refuse_section(struct load *ld, const struct inside *i, const struct node *n)
{
    if (!n->settings && !n->subs) return;
    issue_error(ld->issues, n->at, n->name, "%s", i->note);
    issue_hint(ld->issues, "remove this section");
}

// ---- reading ----

static void set_key(struct load *ld, const struct key *k, const struct value *v, void *to,
                    const char *written)
{
    struct arg a = {ld, k, v, (char *)to + k->to, written};
    if (k->set) k->set(&a);
    if (!k->set) not_supported(&a);
}

static void set_default(struct load *ld, const struct key *k, void *to)
{
    struct value v = {.text = k->dflt, .len = strlen(k->dflt)};
    set_key(ld, k, &v, to, k->name);
}

const struct setting *schema_written(struct load *ld, const struct node *n, const char *key)
{
    const struct setting *s = n ? tree_setting(ld->tree, n, key) : NULL;
    return s && s->value.len ? s : NULL;
}

struct place schema_place(struct load *ld, const struct node *n, const char *key)
{
    const struct setting *s = schema_written(ld, n, key);
    return s ? value_place(&s->value, 0) : n->at;
}

static void read_defaults(struct load *ld, const struct schema *s, const struct node *n, void *to)
{
    for (const struct key *k = s->keys; k && k->name; k++) {
        if (k->dflt && !schema_written(ld, n, k->name)) set_default(ld, k, to);
    }
}

static void read_settings(struct load *ld, const struct schema *s, const struct node *n, void *to)
{
    for (const struct setting *set = n->settings; set; set = set->next) {
        const struct key *k = find_key(s, set->key);
        if (!k) unknown_key(ld, s, set);
        if (k && set->value.len && !set->value.bad) set_key(ld, k, &set->value, to, set->key);
    }
}

void schema_read(struct load *ld, const struct schema *s, const struct node *n, void *to)
{
    read_defaults(ld, s, n, to);
    read_settings(ld, s, n, to);
    for (const struct node *sub = n->subs; sub; sub = sub->next) {
        const struct inside *i = find_inside(s, sub->name);
        if (!i) unknown_section(ld, s, sub);
        if (i && !i->read) refuse_section(ld, i, sub);
        if (i && i->read) i->read(ld, sub, to);
    }
}

// "<conn>" in a path stands for any name, as "*" does in a table.
static bool path_is(const char *pattern, const char *part, size_t n)
{
    char name[64];
    if (n >= sizeof name) return false;
    memcpy(name, part, n);
    name[n] = 0;
    return name_is(pattern, name);
}

static bool knows(const struct schema *s, const char *path)
{
    size_t n = strcspn(path, ".");
    if (path[n] == 0) {
        for (const struct key *k = s->keys; k && k->name; k++) {
            if (path_is(k->name, path, n)) return true;
        }
    }
    for (const struct inside *i = s->inside; i && i->name; i++) {
        if (!path_is(i->name, path, n)) continue;
        return path[n] == 0 || (i->schema && knows(i->schema, path + n + 1));
    }
    return false;
}

bool schema_knows(const char *path)
{
    return knows(&schema_top, path);
}
