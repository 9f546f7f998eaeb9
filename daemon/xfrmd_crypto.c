#include "daemon/xfrmd_crypto.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/alg.h"
#include "crypto/sealer.h"
#include "xfrm/db/sa.h"

// How many SAs use the cipher of one row of the table with the MAC of another.
struct uses {
    const struct alg *table;
    size_t n;
    uint32_t *count; // n * n, by cipher and MAC; an AEAD's MAC is itself
};

static uint32_t *uses_of(const struct uses *u, const struct alg *encr, const struct alg *integ)
{
    const struct alg *mac = integ ? integ : encr;
    return &u->count[(size_t)(encr - u->table) * u->n + (size_t)(mac - u->table)];
}

// NULL: an AH SA, which encrypts nothing, or one of IPComp.
static const struct alg *cipher_of(const struct xfrm_sa *x)
{
    const struct xfrm_alg *named = x->aead.name[0] ? &x->aead : &x->crypt;
    if (!named->name[0]) return x->auth.name[0] ? alg_find(ALG_ENCR, ENCR_NULL, 0) : NULL;
    const struct alg *a = alg_by_kernel(ALG_ENCR, named->name, 0, named->icv_bits / 8);
    return a ? alg_find(ALG_ENCR, a->id, (uint16_t)(named->key_bits / 8 - a->salt_len)) : NULL;
}

static bool same(const struct xfrm_alg *a, const struct xfrm_alg *b)
{
    return a->key_bits == b->key_bits && a->icv_bits == b->icv_bits &&
           strcmp(a->name, b->name) == 0;
}

// SAs mostly come in rows of the same algorithms, and there may be 100,000 of them.
static void uses_count(struct uses *u, struct sad *sad)
{
    const struct sa *sa;
    const struct xfrm_sa *last = NULL;
    uint32_t *use = NULL;
    cds_list_for_each_entry(sa, sad_all(sad), all)
    {
        const struct xfrm_sa *x = &sa->conf->x;
        if (!sa->sealer) continue;
        if (!last || !same(&x->aead, &last->aead) || !same(&x->crypt, &last->crypt) ||
            !same(&x->auth, &last->auth)) {
            const struct alg *encr = cipher_of(x);
            const struct alg *integ =
                x->auth.name[0] ? alg_by_kernel(ALG_INTEG, x->auth.name, 0, x->auth.icv_bits / 8)
                                : NULL;
            use = encr ? uses_of(u, encr, integ) : NULL;
            last = x;
        }
        if (use) ++*use;
    }
}

static void add(json_t *all, const struct uses *u, const struct alg *encr, const struct alg *integ)
{
    json_t *one =
        json_pack("{s:s, s:i, s:o, s:s?, s:I}", "encr", encr->name, "key_bits", encr->key_len * 8,
                  "integ", integ ? json_string(integ->name) : json_null(), "provider",
                  sealer_would(encr, integ), "sas", (json_int_t)*uses_of(u, encr, integ));
    (void)json_array_append_new(all, one);
}

json_t *xfrmd_crypto_json(struct sad *sad)
{
    struct uses u = {0};
    u.table = alg_all(&u.n);
    u.count = calloc(u.n * u.n, sizeof *u.count);
    json_t *all = u.count ? json_array() : NULL;
    if (all) uses_count(&u, sad);
    for (const struct alg *e = u.table; all && e < u.table + u.n; e++) {
        if (e->type != ALG_ENCR) continue;
        if (e->aead) add(all, &u, e, NULL);
        for (const struct alg *i = u.table; !e->aead && i < u.table + u.n; i++)
            if (i->type == ALG_INTEG) add(all, &u, e, i);
    }
    free(u.count);
    return all;
}
