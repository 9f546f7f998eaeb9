#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/config_type.h"
#include "conf/partsx.h"

const char *key_name(const struct signer *key, char buf[KEY_NAME_MAX])
{
    const uint8_t *id = pubkey_key_sha1(signer_pubkey(key));
    for (unsigned i = 0; i < KEY_SHA1_LEN; i++) (void)snprintf(buf + 2 * i, 3, "%02x", id[i]);
    return buf;
}

// ---- parts ----

static void part_put(struct parts *p, struct part *part)
{
    if (part->items || part->certs) return;
    struct part **at = &p->first;
    while (*at != part) at = &(*at)->next;
    *at = part->next;
    config_free(part->config);
    free(part);
}

struct parts *parts_new(void)
{
    struct conf_issues issues = {0};
    struct parts *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    err_t err = config_load_text("nothing", span(NULL, 0), &p->own, &issues);
    conf_issues_done(&issues);
    if (err == ERR_OK) return p;
    free(p);
    return NULL;
}

void parts_free(struct parts *p)
{
    if (!p) return;
    for (unsigned k = 0; k < PARTS_KINDS; k++) {
        for (unsigned i = 0; i < p->kind[k].n; i++) free(p->kind[k].at[i].name);
        free(p->kind[k].at);
    }
    while (p->first) {
        struct part *part = p->first;
        part->items = 0;
        part->certs = false;
        part_put(p, part);
    }
    trust_free(p->trust);
    config_free(p->own);
    free(p);
}

// ---- items ----

// The place of a name among its kind; n: it is not there.
static unsigned item_find(struct items *l, const char *name)
{
    for (unsigned i = 0; i < l->n; i++) {
        unsigned at = (l->hint + i) % l->n;
        if (strcmp(l->at[at].name, name) != 0) continue;
        l->hint = at + 1 < l->n ? at + 1 : 0;
        return at;
    }
    return l->n;
}

// Does it change whom to believe, or with what we prove ourselves?
static bool about_creds(enum parts_kind kind, const struct part *part)
{
    return kind == PARTS_AUTHORITY || kind == PARTS_KEY ||
           (kind == PARTS_CONN && part->config->creds->certs);
}

static void item_drop(struct parts *p, enum parts_kind kind, unsigned at)
{
    struct items *l = &p->kind[kind];
    struct part *part = l->at[at].part;
    free(l->at[at].name);
    memmove(&l->at[at], &l->at[at + 1], (l->n - at - 1) * sizeof *l->at);
    l->n--;
    l->hint = l->n ? at % l->n : 0;
    part->items--;
    p->creds_count += about_creds(kind, part);
    part_put(p, part);
}

static struct item *item_new(struct items *l, const char *name)
{
    if (l->n == PARTS_MAX) return NULL;
    if (l->n == l->cap) {
        unsigned cap = l->cap ? 2 * l->cap : 16;
        struct item *more = reallocarray(l->at, cap, sizeof *more);
        if (!more) return NULL;
        l->at = more;
        l->cap = cap;
    }
    struct item *i = &l->at[l->n];
    *i = (struct item){.name = strdup(name)};
    if (!i->name) return NULL;
    l->n++;
    return i;
}

static err_t item_set(struct parts *p, enum parts_kind kind, const char *name, struct item is)
{
    struct items *l = &p->kind[kind];
    unsigned at = item_find(l, name);
    struct item *i = at < l->n ? &l->at[at] : item_new(l, name);
    if (!i) return l->n == PARTS_MAX ? ERR_LIMIT : ERR_NOMEM;
    struct part *old = i->part;
    is.name = i->name;
    *i = is;
    is.part->items++;
    p->creds_count += about_creds(kind, is.part) || (old && about_creds(kind, old));
    if (old) old->items--;
    if (old && old != is.part) part_put(p, old);
    return ERR_OK;
}

// ---- adding ----

static const char *name_at(const struct config *c, enum parts_kind kind, unsigned i)
{
    switch (kind) {
    case PARTS_CONN:
        return i < c->conn_n ? c->conn[i].name : NULL;
    case PARTS_SHARED:
        return i < c->psk_n ? c->psk[i].name : NULL;
    case PARTS_PPK:
        return i < c->ppk_n ? c->ppk[i].name : NULL;
    case PARTS_EAP:
        return i < c->eap_n ? c->eap[i].name : NULL;
    case PARTS_NTLM:
        return i < c->ntlm_n ? c->ntlm[i].name : NULL;
    case PARTS_POOL:
        return i < c->pool_n ? c->pool[i].name : NULL;
    case PARTS_AUTHORITY:
    case PARTS_KEY:
        break;
    }
    return NULL;
}

static err_t add_named(struct parts *p, struct part *part)
{
    static const enum parts_kind kinds[] = {PARTS_CONN, PARTS_SHARED, PARTS_PPK,
                                            PARTS_EAP,  PARTS_NTLM,   PARTS_POOL};
    for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const char *name;
        for (unsigned i = 0; (name = name_at(part->config, kinds[k], i)); i++) {
            TRY(item_set(p, kinds[k], name,
                         (struct item){.part = part, .index = i, .since = p->count}));
        }
    }
    return ERR_OK;
}

static err_t add_listed(struct parts *p, struct part *part)
{
    char name[KEY_NAME_MAX];
    struct item is = {.part = part, .since = p->count};
    const struct creds *c = part->config->creds;
    for (const struct cred_authority *a = c->authorities; a; a = a->next, is.index++) {
        TRY(item_set(p, PARTS_AUTHORITY, a->name, is));
    }
    is.index = 0;
    for (const struct cred_key *k = c->keys; k; k = k->next, is.index++) {
        TRY(item_set(p, PARTS_KEY, key_name(k->key, name), is));
    }
    return ERR_OK;
}

static err_t part_add(struct parts *p, struct config *c, bool file)
{
    struct part *part = calloc(1, sizeof *part), **at = &p->first;
    if (!part) {
        config_free(c);
        return ERR_NOMEM;
    }
    while (*at) at = &(*at)->next;
    *at = part;
    part->config = c;
    part->file = file;
    part->items = 1; // ours, until all are in
    // What comes with a connection or an authority stays as long as that.
    bool bare = !c->conn_n && !c->creds->authorities;
    part->certs = file || (bare && !parts_know_certs(p, c));
    p->creds_count += part->certs;
    p->count++;
    err_t err = add_named(p, part);
    if (err == ERR_OK) err = add_listed(p, part);
    part->items--;
    part_put(p, part);
    return err;
}

static void drop_all_of(struct parts *p, const struct part *part)
{
    for (enum parts_kind k = 0; k < PARTS_KINDS; k++) {
        for (unsigned i = p->kind[k].n; i-- > 0;) {
            if (p->kind[k].at[i].part == part) item_drop(p, k, i);
        }
    }
}

err_t parts_set_file(struct parts *p, struct config *c)
{
    struct part *old = p->first;
    while (old && !old->file) old = old->next;
    if (old) {
        old->items++; // until we are through
        drop_all_of(p, old);
        old->items--;
        old->certs = false;
        part_put(p, old);
    }
    return part_add(p, c, true);
}

err_t parts_add(struct parts *p, struct config *c)
{
    return part_add(p, c, false);
}

// ---- asking, dropping ----

bool parts_drop(struct parts *p, enum parts_kind kind, const char *name)
{
    unsigned at = item_find(&p->kind[kind], name);
    if (at == p->kind[kind].n) return false;
    item_drop(p, kind, at);
    return true;
}

bool parts_have(const struct parts *p, enum parts_kind kind, const char *name)
{
    const struct items *l = &p->kind[kind];
    unsigned i = 0;
    while (i < l->n && strcmp(l->at[i].name, name) != 0) i++;
    return i < l->n;
}

void parts_clear_creds(struct parts *p)
{
    static const enum parts_kind secrets[] = {PARTS_SHARED, PARTS_PPK, PARTS_EAP, PARTS_NTLM};
    while (p->kind[PARTS_KEY].n) item_drop(p, PARTS_KEY, p->kind[PARTS_KEY].n - 1);
    for (unsigned k = 0; k < sizeof secrets / sizeof *secrets; k++) {
        struct items *l = &p->kind[secrets[k]];
        while (l->n) item_drop(p, secrets[k], l->n - 1);
    }
    for (struct part *part = p->first, *next; part; part = next) {
        next = part->next;
        part->certs = false;
        part_put(p, part);
    }
    p->creds_count++;
}

void parts_each(const struct parts *p, enum parts_kind kind, parts_name_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < p->kind[kind].n; i++) fn(ctx, p->kind[kind].at[i].name);
}

const struct conf_pool *parts_pool_at(const struct parts *p, const struct conf_pool *pool)
{
    const struct items *l = &p->kind[PARTS_POOL];
    if (pool->lo.family == AF_UNSPEC) return NULL;
    for (unsigned i = 0; i < l->n; i++) {
        const struct conf_pool *q = &l->at[i].part->config->pool[l->at[i].index];
        if (strcmp(q->name, pool->name) == 0 || q->lo.family != pool->lo.family) continue;
        if (ip_cmp(&pool->lo, &q->hi) <= 0 && ip_cmp(&q->lo, &pool->hi) <= 0) return q;
    }
    return NULL;
}

// ---- the whole ----

static bool hold_parts(struct parts *p, struct config *c)
{
    unsigned n = 1;
    for (const struct part *part = p->first; part; part = part->next) n++;
    c->held = arena_array(&c->arena, n, sizeof *c->held);
    if (!c->held) return false;
    c->held[c->held_n++] = config_hold(p->own); // what no file says
    for (const struct part *part = p->first; part; part = part->next) {
        c->held[c->held_n++] = config_hold(part->config);
    }
    return true;
}

#define PUT_ITEMS(kind_, array, count)                               \
    do {                                                             \
        const struct items *l_ = &p->kind[kind_];                    \
        c->array = arena_array(&c->arena, l_->n, sizeof *c->array);  \
        if (!c->array) return ERR_NOMEM;                             \
        for (c->count = 0; c->count < l_->n; c->count++) {           \
            const struct item *i_ = &l_->at[c->count];               \
            c->array[c->count] = i_->part->config->array[i_->index]; \
        }                                                            \
    } while (0)

static err_t put_all(struct parts *p, struct config *c)
{
    if (!hold_parts(p, c)) return ERR_NOMEM;
    PUT_ITEMS(PARTS_CONN, conn, conn_n);
    PUT_ITEMS(PARTS_SHARED, psk, psk_n);
    PUT_ITEMS(PARTS_PPK, ppk, ppk_n);
    PUT_ITEMS(PARTS_EAP, eap, eap_n);
    PUT_ITEMS(PARTS_NTLM, ntlm, ntlm_n);
    PUT_ITEMS(PARTS_POOL, pool, pool_n);
    for (unsigned i = 0; i < c->conn_n; i++) c->conn[i].since = p->kind[PARTS_CONN].at[i].since;
    return parts_join_creds(p, c);
}

// The section `pavise` is the file's.
static void put_own(const struct parts *p, struct config *c)
{
    const struct config *from = p->own;
    for (const struct part *part = p->first; part; part = part->next) {
        if (part->file) from = part->config;
    }
    struct config fresh = *c;
    *c = *from;
    c->arena = fresh.arena;
    c->creds = fresh.creds;
    c->holds = c->held_n = 0;
    c->held = NULL;
}

err_t parts_join(struct parts *p, struct config **out)
{
    struct config *c = config_new();
    if (!c) return ERR_NOMEM;
    put_own(p, c);
    err_t err = put_all(p, c);
    if (err != ERR_OK) {
        config_free(c);
        return err;
    }
    *out = c;
    return ERR_OK;
}
