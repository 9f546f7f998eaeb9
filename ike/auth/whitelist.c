#include "ike/auth/whitelist.h"

#include <stdlib.h>
#include <string.h>

struct whitelist_entry {
    struct index_place place;
    struct whitelist_entry *next, **link;
    bool pattern;
    struct id id;
};

err_t whitelist_init(struct whitelist *w, const uint8_t key[16])
{
    memcpy(w->key, key, sizeof w->key);
    return index_init(&w->index);
}

static struct whitelist_entry *find(const struct whitelist *w, const struct id *id)
{
    struct index_place *p = index_first(&w->index, id_hash(id, w->key));
    for (; p; p = index_next(p)) {
        struct whitelist_entry *e = p->what;
        if (id_eq(&e->id, id)) return e;
    }
    return NULL;
}

err_t whitelist_add(struct whitelist *w, const struct id *id)
{
    const bool pattern = id_is_pattern(id);
    if (find(w, id)) return ERR_OK;
    if (w->n >= WHITELIST_MAX) return ERR_LIMIT;
    if (pattern && w->patterns >= WHITELIST_PATTERNS_MAX) return ERR_LIMIT;
    struct whitelist_entry *e = calloc(1, sizeof *e);
    if (!e) return ERR_NOMEM;
    e->id = *id;
    e->pattern = pattern;
    e->link = pattern ? &w->pattern : &w->plain;
    e->next = *e->link;
    if (e->next) e->next->link = &e->next;
    *e->link = e;
    index_add(&w->index, &e->place, id_hash(id, w->key), e);
    w->n++;
    w->patterns += pattern;
    return ERR_OK;
}

static void forget(struct whitelist *w, struct whitelist_entry *e)
{
    index_remove(&w->index, &e->place);
    *e->link = e->next;
    if (e->next) e->next->link = e->link;
    w->n--;
    w->patterns -= e->pattern;
    free(e);
}

bool whitelist_remove(struct whitelist *w, const struct id *id)
{
    struct whitelist_entry *e = find(w, id);
    if (e) forget(w, e);
    return e != NULL;
}

static void flush(struct whitelist *w, struct whitelist_entry *e, const struct id *pattern)
{
    for (struct whitelist_entry *next; e; e = next) {
        next = e->next;
        if (!pattern || id_match(pattern, &e->id)) forget(w, e);
    }
}

unsigned whitelist_flush(struct whitelist *w, const struct id *pattern)
{
    const unsigned before = w->n;
    flush(w, w->pattern, pattern);
    flush(w, w->plain, pattern);
    return before - w->n;
}

void whitelist_done(struct whitelist *w)
{
    (void)whitelist_flush(w, NULL);
    index_done(&w->index);
}

bool whitelist_has(const struct whitelist *w, const struct id *wire)
{
    if (find(w, wire)) return true;
    const struct whitelist_entry *e = w->pattern;
    while (e && !id_match(&e->id, wire)) e = e->next;
    return e != NULL;
}

void whitelist_each(const struct whitelist *w, whitelist_fn *fn, void *ctx)
{
    for (const struct whitelist_entry *e = w->pattern; e; e = e->next) fn(ctx, &e->id);
    for (const struct whitelist_entry *e = w->plain; e; e = e->next) fn(ctx, &e->id);
}
