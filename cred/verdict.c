#include "cred/verdict.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cred/trustx.h"

struct verdict {
    uint8_t key[VERDICT_KEY_LEN];
    int64_t from, until; // seconds since 1970: when it was made; the last second that it is good
    struct cert *cert;
    struct blocks *blocks;
    struct why note;
};

struct verdicts {
    pthread_mutex_t lock;
    struct verdict *at[VERDICTS_MAX]; // by the key; a later one takes the place
};

struct verdicts *verdicts_new(void)
{
    struct verdicts *v = calloc(1, sizeof *v);
    if (v) (void)pthread_mutex_init(&v->lock, NULL);
    return v;
}

static void drop(struct verdict *v)
{
    if (!v) return;
    cert_free(v->cert);
    blocks_free(v->blocks);
    free(v);
}

void verdicts_free(struct verdicts *v)
{
    if (!v) return;
    for (unsigned i = 0; i < VERDICTS_MAX; i++) drop(v->at[i]);
    (void)pthread_mutex_destroy(&v->lock);
    free(v);
}

// ---- the key -----------------------------------------------------------------------------------

// Each part with its length before it, so that no two questions have the same bytes.
struct key {
    EVP_MD_CTX *md;
    bool bad;
};

static void put(struct key *k, const void *at, size_t n)
{
    uint64_t len = n;
    k->bad = k->bad || EVP_DigestUpdate(k->md, &len, sizeof len) != 1 ||
             (n && EVP_DigestUpdate(k->md, at, n) != 1);
}

static void put_number(struct key *k, uint64_t n)
{
    put(k, &n, sizeof n);
}

static void put_id(struct key *k, const struct id *id)
{
    put_number(k, id ? id->type : UINT64_MAX);
    put(k, id ? id->data : NULL, id ? id->len : 0);
}

static void put_certs(struct key *k, struct cert *const *certs, unsigned n)
{
    put_number(k, n);
    for (unsigned i = 0; i < n; i++) put(k, cert_der(certs[i]).at, cert_der(certs[i]).len);
}

static void put_terms(struct key *k, const struct trust_terms *t)
{
    put_id(k, t->id);
    put_id(k, t->ca_id);
    put_certs(k, t->certs, t->n_certs);
    put_certs(k, t->cacerts, t->n_cacerts);
    put_number(k, t->n_policies);
    for (unsigned i = 0; i < t->n_policies; i++) put(k, t->policies[i], strlen(t->policies[i]));
    put_number(k, t->n_groups);
    for (unsigned i = 0; i < t->n_groups; i++) put(k, t->groups[i], strlen(t->groups[i]));
    put_number(k, t->n_acerts);
    for (unsigned i = 0; i < t->n_acerts; i++)
        put(k, acert_der(t->acerts[i]).at, acert_der(t->acerts[i]).len);
    put_number(k, t->rules.keys);
    put_number(k, t->rules.hashes);
    put_number(k, t->rules.pss);
    put_number(k, t->rules.rsa_bits);
    put_number(k, t->rules.ecdsa_bits);
    put_number(k, t->revocation);
}

// Whoever holds the store holds its verdicts, so what was read from files need not be said.
static void put_store(struct key *k, const struct trust *t)
{
    put_number(k, t->no_ocsp);
    put_number(k, t->no_crl);
    put_number(k, t->any_critical);
    put_number(k, t->may_lack_blocks);
    put_number(k, (uintptr_t)t->fetcher);
    put_number(k, (uintptr_t)t->cache);
    put_number(k, t->cache ? crl_cache_generation(t->cache) : 0);
}

bool verdict_key(const struct trust *t, const span_t *sent, unsigned n,
                 const struct trust_terms *terms, uint8_t key[VERDICT_KEY_LEN])
{
    if (t->no_verdicts) return false;
    struct key k = {.md = EVP_MD_CTX_new()};
    k.bad = !k.md || EVP_DigestInit_ex(k.md, EVP_sha256(), NULL) != 1;
    put_number(&k, n);
    for (unsigned i = 0; i < n; i++) put(&k, sent[i].at, sent[i].len);
    put_terms(&k, terms);
    put_store(&k, t);
    bool good = !k.bad && EVP_DigestFinal_ex(k.md, key, NULL) == 1;
    EVP_MD_CTX_free(k.md);
    if (!good) ERR_clear_error();
    return good;
}

// ---- what is kept ------------------------------------------------------------------------------

static struct verdict **place_of(struct verdicts *v, const uint8_t key[VERDICT_KEY_LEN])
{
    return &v->at[(key[0] | key[1] << 8) % VERDICTS_MAX];
}

struct cert *verdict_find(const struct trust *t, const uint8_t key[VERDICT_KEY_LEN], int64_t now,
                          struct blocks **blocks, struct why *note)
{
    struct cert *found = NULL;
    (void)pthread_mutex_lock(&t->verdicts->lock);
    const struct verdict *v = *place_of(t->verdicts, key);
    // A clock that was set back knows nothing of what came later.
    if (v && !memcmp(v->key, key, sizeof v->key) && v->from <= now && now <= v->until) {
        found = cert_ref(v->cert);
        *blocks = blocks_ref(v->blocks);
        *note = v->note;
    }
    (void)pthread_mutex_unlock(&t->verdicts->lock);
    return found;
}

void verdict_keep(const struct trust *t, const uint8_t key[VERDICT_KEY_LEN],
                  const struct trust_chain *chain, int64_t now)
{
    if (chain->open || chain->n == 0 || chain->good_until < now) return;
    struct verdict *v = calloc(1, sizeof *v);
    if (!v) return;
    memcpy(v->key, key, sizeof v->key);
    v->from = now;
    v->until = chain->good_until - now < VERDICT_KEEP_S ? chain->good_until : now + VERDICT_KEEP_S;
    v->cert = cert_ref(chain->cert[0]);
    v->blocks = blocks_ref(chain->blocks);
    v->note = chain->note;
    (void)pthread_mutex_lock(&t->verdicts->lock);
    struct verdict **place = place_of(t->verdicts, key), *before = *place;
    *place = v;
    (void)pthread_mutex_unlock(&t->verdicts->lock);
    drop(before);
}
