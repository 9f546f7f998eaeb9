#include "cred/crl.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cred/trustx.h"

err_t crl_read(span_t file, X509_CRL **out, struct why *why)
{
    const unsigned char *at = file.at;
    if (file.len > FETCH_CRL_MAX) {
        return why_not(why, ERR_SPACE, "the CRL is longer than %u bytes", FETCH_CRL_MAX);
    }
    X509_CRL *crl = NULL;
    if (file.len > 0 && file.at[0] == 0x30) {
        crl = d2i_X509_CRL(NULL, &at, (long)file.len);
    } else {
        BIO *bio = BIO_new_mem_buf(file.at, (int)file.len);
        crl = bio ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
        BIO_free(bio);
    }
    ERR_clear_error();
    if (!crl) return why_not(why, ERR_SYNTAX, "this is no CRL, neither PEM nor DER");
    *out = crl;
    return ERR_OK;
}

// ---- what was fetched ----

struct crl_entry {
    struct crl_entry *next; // the one used last comes first
    X509_CRL *crl;          // NULL: never came
    size_t len;
    int64_t until;  // good so long, seconds since 1970
    int64_t failed; // when; 0: it did not
    struct why why;
    char url[];
};

struct status_entry {
    uint8_t cert[SHA256_DIGEST_LENGTH]; // of the DER
    enum revoke_state state;
    int64_t until, since;
};

struct answer_entry {
    uint8_t cert[SHA256_DIGEST_LENGTH];
    int64_t until;
    uint8_t *at;
    size_t len;
};

struct crl_cache {
    pthread_mutex_t lock;
    struct crl_entry *first;
    unsigned n;
    size_t bytes;
    uint64_t generation;
    struct status_entry *status; // CRL_STATUS_MAX, written in turn
    unsigned n_status, next_status;
    struct answer_entry answer[CRL_ANSWERS_MAX]; // written in turn
    unsigned next_answer;
    struct answer_entry heard[CRL_HEARD_MAX]; // written in turn
    unsigned next_heard;
};

struct crl_cache *crl_cache_new(void)
{
    struct crl_cache *c = calloc(1, sizeof *c);
    if (c) c->status = calloc(CRL_STATUS_MAX, sizeof *c->status);
    if (!c || !c->status) {
        free(c);
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void entry_free(struct crl_cache *c, struct crl_entry *e)
{
    c->n--;
    c->bytes -= e->len;
    X509_CRL_free(e->crl);
    free(e);
}

void crl_cache_flush(struct crl_cache *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->first) {
        struct crl_entry *e = c->first;
        c->first = e->next;
        entry_free(c, e);
    }
    c->n_status = c->next_status = 0;
    for (unsigned i = 0; i < CRL_ANSWERS_MAX; i++) {
        free(c->answer[i].at);
        c->answer[i] = (struct answer_entry){0};
    }
    for (unsigned i = 0; i < CRL_HEARD_MAX; i++) {
        free(c->heard[i].at);
        c->heard[i] = (struct answer_entry){0};
    }
    c->generation++;
    pthread_mutex_unlock(&c->lock);
}

void crl_cache_free(struct crl_cache *c)
{
    if (!c) return;
    crl_cache_flush(c);
    pthread_mutex_destroy(&c->lock);
    free(c->status);
    free(c);
}

unsigned crl_cache_count(struct crl_cache *c)
{
    unsigned n = 0;
    pthread_mutex_lock(&c->lock);
    for (const struct crl_entry *e = c->first; e; e = e->next) n += e->crl != NULL;
    pthread_mutex_unlock(&c->lock);
    return n;
}

static void der_give(X509_CRL *crl, size_t max, crl_fn *fn, void *ctx)
{
    unsigned char *der = NULL;
    int n = i2d_X509_CRL(crl, NULL);
    if (n <= 0 || (size_t)n > max || i2d_X509_CRL(crl, &der) != n) return;
    fn(ctx, span(der, (size_t)n));
    OPENSSL_free(der);
}

void crl_cache_each(struct crl_cache *c, size_t max, crl_fn *fn, void *ctx)
{
    pthread_mutex_lock(&c->lock);
    for (const struct crl_entry *e = c->first; e; e = e->next) {
        if (e->crl) der_give(e->crl, max, fn, ctx);
    }
    pthread_mutex_unlock(&c->lock);
}

void crl_file_der(span_t file, size_t max, crl_fn *fn, void *ctx)
{
    struct why why;
    X509_CRL *crl;
    if (crl_read(file, &crl, &why) != ERR_OK) return;
    der_give(crl, max, fn, ctx);
    X509_CRL_free(crl);
}

uint64_t crl_cache_generation(struct crl_cache *c)
{
    pthread_mutex_lock(&c->lock);
    uint64_t g = c->generation;
    pthread_mutex_unlock(&c->lock);
    return g;
}

// The entry goes to the front. NULL: there is none.
static struct crl_entry *entry_find(struct crl_cache *c, const char *url)
{
    for (struct crl_entry **at = &c->first; *at; at = &(*at)->next) {
        struct crl_entry *e = *at;
        if (strcmp(e->url, url)) continue;
        *at = e->next;
        e->next = c->first;
        c->first = e;
        return e;
    }
    return NULL;
}

static struct crl_entry *entry_get(struct crl_cache *c, const char *url)
{
    struct crl_entry *e = entry_find(c, url);
    size_t n = strlen(url) + 1;
    if (e) return e;
    e = calloc(1, sizeof *e + n);
    if (!e) return NULL;
    memcpy(e->url, url, n);
    e->next = c->first;
    c->first = e;
    c->n++;
    return e;
}

// Entries behind the limits go, the longest unused first.
static void entries_cut(struct crl_cache *c)
{
    while (c->n > CRL_CACHE_MAX || (c->n > 1 && c->bytes > CRL_CACHE_BYTES_MAX)) {
        struct crl_entry **at = &c->first;
        while ((*at)->next) at = &(*at)->next;
        struct crl_entry *last = *at;
        *at = NULL;
        entry_free(c, last);
    }
}

enum crl_need crl_cache_need(struct crl_cache *c, const char *url, int64_t now, struct why *why)
{
    pthread_mutex_lock(&c->lock);
    const struct crl_entry *e = entry_find(c, url);
    enum crl_need need = CRL_FETCH;
    if (e && e->crl && e->until >= now)
        need = CRL_FRESH;
    else if (e && e->failed && now >= e->failed && now < e->failed + CRL_RETRY_S)
        need = CRL_WAIT;
    if (need == CRL_WAIT) *why = e->why;
    pthread_mutex_unlock(&c->lock);
    return need;
}

static int64_t crl_until(const X509_CRL *crl, int64_t now)
{
    int64_t next;
    const ASN1_TIME *t = X509_CRL_get0_nextUpdate(crl);
    return t && time_from_asn1(t, &next) == ERR_OK ? next : now + CRL_KEEP_S;
}

err_t crl_cache_put(struct crl_cache *c, const char *url, X509_CRL *crl, size_t len, int64_t now)
{
    pthread_mutex_lock(&c->lock);
    struct crl_entry *e = entry_get(c, url);
    if (e) {
        X509_CRL_up_ref(crl);
        X509_CRL_free(e->crl);
        c->bytes += len - e->len;
        e->crl = crl;
        e->len = len;
        e->until = crl_until(crl, now);
        c->generation++;
        // One that is out of date when it comes is not asked for again at once.
        e->failed = e->until < now ? now : 0;
        IGNORE(why_not(&e->why, ERR_OK, "the CRL from %.100s is out of date", url)); // stored
    }
    entries_cut(c);
    pthread_mutex_unlock(&c->lock);
    return e ? ERR_OK : ERR_NOMEM;
}

void crl_cache_fail(struct crl_cache *c, const char *url, int64_t now, const struct why *why)
{
    pthread_mutex_lock(&c->lock);
    struct crl_entry *e = entry_get(c, url);
    if (e) {
        e->failed = now;
        e->why = *why;
    }
    entries_cut(c);
    pthread_mutex_unlock(&c->lock);
}

err_t crl_cache_list(struct crl_cache *c, STACK_OF(X509_CRL) * out)
{
    err_t err = ERR_OK;
    pthread_mutex_lock(&c->lock);
    for (const struct crl_entry *e = c->first; e && err == ERR_OK; e = e->next) {
        if (!e->crl) continue;
        if (sk_X509_CRL_push(out, e->crl) > 0)
            X509_CRL_up_ref(e->crl);
        else
            err = ERR_NOMEM;
    }
    pthread_mutex_unlock(&c->lock);
    return err;
}

// ---- verdicts of OCSP ----

static struct status_entry *status_find(struct crl_cache *c, const uint8_t *digest)
{
    for (unsigned i = 0; i < c->n_status; i++) {
        if (!memcmp(c->status[i].cert, digest, sizeof c->status[i].cert)) return &c->status[i];
    }
    return NULL;
}

static bool digest_of(const struct cert *cert, uint8_t out[SHA256_DIGEST_LENGTH])
{
    span_t der = cert_der(cert);
    return EVP_Digest(der.at, der.len, out, NULL, EVP_sha256(), NULL) == 1;
}

bool crl_cache_status(struct crl_cache *c, const struct cert *cert, int64_t now, struct status *out)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    if (!digest_of(cert, digest)) return false;
    pthread_mutex_lock(&c->lock);
    const struct status_entry *e = status_find(c, digest);
    bool good = e && e->until >= now;
    if (good) *out = (struct status){.state = e->state, .until = e->until, .since = e->since};
    pthread_mutex_unlock(&c->lock);
    return good;
}

void crl_cache_put_status(struct crl_cache *c, const struct cert *cert, const struct status *s)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    if (!digest_of(cert, digest)) return;
    pthread_mutex_lock(&c->lock);
    struct status_entry *e = status_find(c, digest);
    if (!e) {
        e = &c->status[c->next_status];
        c->next_status = (c->next_status + 1) % CRL_STATUS_MAX;
        if (c->n_status < CRL_STATUS_MAX) c->n_status++;
    }
    memcpy(e->cert, digest, sizeof e->cert);
    e->state = s->state;
    e->until = s->until;
    e->since = s->since;
    if (s->state == REVOKE_REVOKED) c->generation++;
    pthread_mutex_unlock(&c->lock);
}

// ---- answers of OCSP, to be sent ----

static struct answer_entry *answer_find(struct crl_cache *c, const uint8_t *digest)
{
    for (unsigned i = 0; i < CRL_ANSWERS_MAX; i++) {
        struct answer_entry *e = &c->answer[i];
        if (e->at && !memcmp(e->cert, digest, sizeof e->cert)) return e;
    }
    return NULL;
}

static err_t bytes_copy(const uint8_t *at, size_t len, uint8_t **out)
{
    *out = malloc(len ? len : 1);
    if (!*out) return ERR_NOMEM;
    if (len) memcpy(*out, at, len);
    return ERR_OK;
}

bool crl_cache_answer(struct crl_cache *c, const struct cert *cert, int64_t now,
                      struct fetched *out)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    if (!digest_of(cert, digest)) return false;
    pthread_mutex_lock(&c->lock);
    const struct answer_entry *e = answer_find(c, digest);
    bool good = e && e->until >= now && bytes_copy(e->at, e->len, &out->at) == ERR_OK;
    if (good) out->len = e->len;
    pthread_mutex_unlock(&c->lock);
    return good;
}

err_t crl_cache_put_answer(struct crl_cache *c, const struct cert *cert, int64_t until,
                           const struct fetched *answer)
{
    struct answer_entry new = {.until = until, .len = answer->len};
    if (!digest_of(cert, new.cert)) return ERR_CRYPTO;
    TRY(bytes_copy(answer->at, answer->len, &new.at));
    pthread_mutex_lock(&c->lock);
    struct answer_entry *e = answer_find(c, new.cert);
    if (!e) {
        e = &c->answer[c->next_answer];
        c->next_answer = (c->next_answer + 1) % CRL_ANSWERS_MAX;
    }
    free(e->at);
    *e = new;
    pthread_mutex_unlock(&c->lock);
    return ERR_OK;
}

// ---- answers of OCSP, to be looked at ----

#define HEARD_LEN_MAX 16384 // bytes: an answer with the signer's certificate has 2,000

void crl_cache_put_heard(struct crl_cache *c, const struct cert *cert, span_t answer)
{
    struct answer_entry new = {.len = answer.len}, *e = NULL;
    if (answer.len > HEARD_LEN_MAX || !digest_of(cert, new.cert)) return;
    if (bytes_copy(answer.at, answer.len, &new.at) != ERR_OK) return;
    pthread_mutex_lock(&c->lock);
    for (unsigned i = 0; i < CRL_HEARD_MAX && !e; i++) {
        bool same = c->heard[i].at && !memcmp(c->heard[i].cert, new.cert, sizeof new.cert);
        if (same) e = &c->heard[i];
    }
    if (!e) {
        e = &c->heard[c->next_heard];
        c->next_heard = (c->next_heard + 1) % CRL_HEARD_MAX;
    }
    free(e->at);
    *e = new;
    pthread_mutex_unlock(&c->lock);
}

void crl_cache_each_answer(struct crl_cache *c, size_t max, crl_fn *fn, void *ctx)
{
    pthread_mutex_lock(&c->lock);
    for (unsigned i = 0; i < CRL_HEARD_MAX; i++) {
        const struct answer_entry *e = &c->heard[i];
        if (e->at && e->len <= max) fn(ctx, span(e->at, e->len));
    }
    pthread_mutex_unlock(&c->lock);
}
