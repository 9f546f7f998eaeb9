#include "cred/psk.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096 // of owners; gateways have thousands of secrets

// An owner who is one identity, and a secret of his.
struct owner {
    struct owner *next; // of the bucket
    struct psk *psk;
    const struct id *id;
};

struct psk {
    struct psk *next;
    struct psk *any_next; // of those that anybody, or all of a pattern, may have
    unsigned place;       // of equals the first wins
    struct secret key;
    struct owner *refs; // as many as owners
    unsigned n;
    struct id owners[];
};

struct psk_store {
    atomic_uint refs;  // holders beside the first
    struct psk *first; // the latest first
    struct psk *any;
    unsigned n;
    struct owner *bucket[BUCKETS];
};

// Owners are the administrator's, so nobody else can make the chains long.
static const uint8_t hash_key[16];

static unsigned bucket_of(const struct id *id)
{
    return (unsigned)(id_hash(id, hash_key) % BUCKETS);
}

struct psk_store *psk_store_new(void)
{
    return calloc(1, sizeof(struct psk_store));
}

struct psk_store *psk_store_ref(struct psk_store *s)
{
    if (s) atomic_fetch_add(&s->refs, 1);
    return s;
}

void psk_store_free(struct psk_store *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) > 0) return;
    while (s->first) {
        struct psk *p = s->first;
        s->first = p->next;
        secret_done(&p->key);
        free(p->refs);
        free(p);
    }
    free(s);
}

static void owners_index(struct psk_store *s, struct psk *p)
{
    bool any = p->n == 0;
    for (unsigned i = 0; i < p->n; i++) {
        struct owner **bucket = &s->bucket[bucket_of(&p->owners[i])];
        if (id_is_pattern(&p->owners[i])) {
            any = true;
            continue;
        }
        p->refs[i] = (struct owner){.next = *bucket, .psk = p, .id = &p->owners[i]};
        *bucket = &p->refs[i];
    }
    if (!any) return;
    p->any_next = s->any;
    s->any = p;
}

err_t psk_add(struct psk_store *s, span_t key, const struct id *owners, unsigned n)
{
    if (key.len > SECRET_MAX) return ERR_SPACE;
    struct psk *p = calloc(1, sizeof *p + n * sizeof *owners);
    if (p && n) p->refs = calloc(n, sizeof *p->refs);
    err_t e = p && (p->refs || !n) ? secret_set(&p->key, key) : ERR_NOMEM;
    if (e != ERR_OK) {
        if (p) free(p->refs);
        free(p);
        return e;
    }
    p->n = n;
    if (n) memcpy(p->owners, owners, n * sizeof *owners);
    p->place = s->n++;
    p->next = s->first;
    s->first = p;
    owners_index(s, p);
    return ERR_OK;
}

// How well `who` fits the best of the owners. A key without owners is anybody's.
static unsigned psk_fit(const struct psk *p, const struct id *who)
{
    unsigned best = p->n == 0;
    for (unsigned i = 0; i < p->n; i++) {
        unsigned fit = id_match(&p->owners[i], who);
        if (fit > best) best = fit;
    }
    return best;
}

// 0 = not shared by these two. How many of them the key names comes first, then the peer.
static unsigned psk_rank(const struct psk *p, const struct id *us, const struct id *peer)
{
    unsigned mine = psk_fit(p, us), theirs = psk_fit(p, peer);
    unsigned named = (mine > 1 ? 1U : 0U) + (theirs > 1 ? 1U : 0U);
    return named << 8 | theirs << 4 | mine;
}

#define NAMES_BOTH (2U << 8) // the least rank of a key that names both

struct search {
    const struct id *us, *peer;
    const struct psk *best;
    unsigned rank;
};

static void search_try(struct search *w, const struct psk *p)
{
    unsigned rank = psk_rank(p, w->us, w->peer);
    if (rank == 0 || rank < w->rank) return;
    if (rank == w->rank && w->best->place <= p->place) return;
    w->best = p;
    w->rank = rank;
}

// Those that name this one.
static void search_of(const struct psk_store *s, struct search *w, const struct id *who)
{
    for (const struct owner *o = s->bucket[bucket_of(who)]; o; o = o->next) {
        if (id_eq(o->id, who)) search_try(w, o->psk);
    }
}

err_t psk_find(const struct psk_store *s, const struct id *us, const struct id *peer,
               struct secret *out)
{
    struct search w = {.us = us, .peer = peer};
    for (const struct psk *p = s->any; p; p = p->any_next) search_try(&w, p);
    search_of(s, &w, peer);
    // All that may be left names only us: there may be thousands.
    if (w.rank < NAMES_BOTH) search_of(s, &w, us);
    return w.best ? secret_set(out, secret_span(&w.best->key)) : ERR_NOTFOUND;
}
