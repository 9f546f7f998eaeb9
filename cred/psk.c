#include "cred/psk.h"

#include <stdlib.h>
#include <string.h>

struct psk {
    struct psk *next;
    struct secret key;
    unsigned n;
    struct id owners[];
};

struct psk_store {
    struct psk *first, **last; // in the order of psk_add: of equals the first wins
};

struct psk_store *psk_store_new(void)
{
    struct psk_store *s = calloc(1, sizeof *s);
    if (s) s->last = &s->first;
    return s;
}

void psk_store_free(struct psk_store *s)
{
    if (!s) return;
    while (s->first) {
        struct psk *p = s->first;
        s->first = p->next;
        secret_done(&p->key);
        free(p);
    }
    free(s);
}

err_t psk_add(struct psk_store *s, span_t key, const struct id *owners, unsigned n)
{
    if (key.len > SECRET_MAX) return ERR_SPACE;
    struct psk *p = calloc(1, sizeof *p + n * sizeof *owners);
    if (!p) return ERR_NOMEM;
    err_t e = secret_set(&p->key, key);
    if (e != ERR_OK) {
        free(p);
        return e;
    }
    p->n = n;
    if (n) memcpy(p->owners, owners, n * sizeof *owners);
    *s->last = p;
    s->last = &p->next;
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

err_t psk_find(const struct psk_store *s, const struct id *us, const struct id *peer,
               struct secret *out)
{
    const struct psk *best = NULL;
    unsigned best_rank = 0;
    for (const struct psk *p = s->first; p; p = p->next) {
        unsigned rank = psk_rank(p, us, peer);
        if (rank <= best_rank) continue;
        best = p;
        best_rank = rank;
    }
    return best ? secret_set(out, secret_span(&best->key)) : ERR_NOTFOUND;
}
