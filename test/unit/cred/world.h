// world.h - a chain of three, and a made-up network that serves lists and answers about it.
#pragma once

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cred/crl.h"
#include "cred/trust.h"
#include "cred/trustx.h"
#include "test/check.h"
#include "test/unit/cred/mint.h"

#define DAY 86400

// ---- a network ----

struct page {
    const char *url;
    span_t bytes;
    bool ocsp; // an answer is made for each question
    err_t error;
    atomic_uint asked;
};

enum answer { ANSWER_GOOD, ANSWER_REVOKED, ANSWER_UNKNOWN, ANSWER_REFUSED };

struct world {
    struct mint root, sub, moon, responder;
    struct trust *store;
    struct crl_cache *cache;
    struct fetcher fetcher;
    struct page page[8];
    unsigned n_pages;
    enum answer answer;
    bool replay, no_nonce;
    bool ahead;                // questions without nonce, for answers that are handed on
    const struct mint *signer; // of OCSP answers
    int64_t from, to;
    struct trust_terms terms;
    struct trust_chain found;
    struct why why;
    int64_t now;
};

static inline ASN1_TIME *at_time(int64_t t)
{
    return t ? ASN1_GENERALIZEDTIME_adj(NULL, (time_t)t, 0, 0) : NULL;
}

static inline void basic_fill(struct world *w, OCSP_REQUEST *ask, OCSP_BASICRESP *basic)
{
    OCSP_CERTID *id = OCSP_onereq_get0_id(OCSP_request_onereq_get0(ask, 0));
    ASN1_TIME *from = at_time(w->from), *to = at_time(w->to), *when = at_time(MINT_NOW - DAY);
    int state = w->answer == ANSWER_GOOD      ? V_OCSP_CERTSTATUS_GOOD
                : w->answer == ANSWER_REVOKED ? V_OCSP_CERTSTATUS_REVOKED
                                              : V_OCSP_CERTSTATUS_UNKNOWN;
    CHECK(OCSP_basic_add1_status(basic, id, state, 1, when, from, to) != NULL);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    ASN1_TIME_free(when);
    if (w->replay)
        OCSP_basic_add1_nonce(basic, NULL, 32);
    else if (!w->no_nonce)
        OCSP_copy_nonce(basic, ask);
}

static inline struct fetched ocsp_answer(struct world *w, span_t question)
{
    const unsigned char *at = question.at;
    OCSP_REQUEST *ask = d2i_OCSP_REQUEST(NULL, &at, (long)question.len);
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    CHECK(ask && OCSP_request_onereq_count(ask) == 1);
    CHECK_EQ(OCSP_REQUEST_get_ext_by_NID(ask, NID_id_pkix_OCSP_Nonce, -1), w->ahead ? -1 : 0);
    basic_fill(w, ask, basic);
    CHECK(OCSP_basic_sign(basic, w->signer->x, w->signer->key, EVP_sha256(), NULL, 0));
    OCSP_RESPONSE *r = w->answer == ANSWER_REFUSED
                           ? OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL)
                           : OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int n = i2d_OCSP_RESPONSE(r, NULL);
    struct fetched out = {malloc((size_t)n), (size_t)n};
    unsigned char *to = out.at;
    i2d_OCSP_RESPONSE(r, &to);
    OCSP_RESPONSE_free(r);
    OCSP_BASICRESP_free(basic);
    OCSP_REQUEST_free(ask);
    return out;
}

static inline err_t world_get(void *ctx, const struct fetch *ask, struct fetched *out,
                              struct why *why)
{
    struct world *w = ctx;
    for (unsigned i = 0; i < w->n_pages; i++) {
        struct page *p = &w->page[i];
        if (strcmp(p->url, ask->url)) continue;
        p->asked++;
        if (p->error) return why_not(why, p->error, "fetching %s failed", ask->url);
        CHECK_EQ(p->ocsp, ask->type != NULL);
        if (p->ocsp) {
            *out = ocsp_answer(w, ask->post);
            return ERR_OK;
        }
        CHECK(p->bytes.len <= ask->limit);
        *out = (struct fetched){malloc(p->bytes.len), p->bytes.len};
        memcpy(out->at, p->bytes.at, p->bytes.len);
        return ERR_OK;
    }
    return why_not(why, ERR_NOTFOUND, "fetching %s failed: no such host", ask->url);
}

static inline struct page *serve(struct world *w, const char *url, X509_CRL *crl)
{
    struct page *p = &w->page[w->n_pages++];
    *p = (struct page){.url = url, .ocsp = !crl};
    if (crl) p->bytes = mint_crl_der(crl);
    X509_CRL_free(crl);
    return p;
}

// ---- what is judged ----

static inline struct world *world_new(const char *ext1, const char *ext2)
{
    static struct world w;
    w = (struct world){.now = MINT_NOW, .from = MINT_NOW - 60, .to = MINT_NOW + DAY};
    w.root = MINT(.name = "CN=Root", .ext = {MINT_CA});
    w.sub = MINT(.name = "CN=Sub", .by = &w.root, .ext = {MINT_CA, "subjectKeyIdentifier=hash"});
    w.moon = MINT(.name = "CN=moon", .by = &w.sub, .ext = {ext1, ext2});
    w.responder = MINT(.name = "CN=responder", .by = &w.sub,
                       .ext = {"extendedKeyUsage=OCSPSigning", "noCheck=ignored"});
    w.signer = &w.responder;
    w.store = trust_new();
    w.cache = crl_cache_new();
    w.fetcher = (struct fetcher){&w, world_get};
    CHECK_OK(trust_add_ca(w.store, w.root.cert, &w.why));
    trust_set_fetching(w.store, &w.fetcher, w.cache);
    return &w;
}

static inline void world_done(struct world *w)
{
    trust_chain_done(&w->found);
    trust_free(w->store);
    crl_cache_free(w->cache);
    mint_done(&w->responder);
    mint_done(&w->moon);
    mint_done(&w->sub);
    mint_done(&w->root);
}

static inline void at_hand(struct world *w, X509_CRL *crl)
{
    CHECK_OK(trust_add_crl(w->store, mint_crl_der(crl), &w->why));
    X509_CRL_free(crl);
}

static inline err_t ask(struct world *w, enum revocation rule)
{
    struct cert *chain[] = {w->moon.cert, w->sub.cert};
    w->terms.revocation = rule;
    w->why.text[0] = 0;
    trust_chain_done(&w->found);
    w->found = (struct trust_chain){0};
    return trust_verify(w->store, chain, 2, &w->terms, w->now, &w->found, &w->why);
}

#define POINT "crlDistributionPoints=URI:http://crl.example.org/sub.crl"
#define ASK_AT "authorityInfoAccess=OCSP;URI:http://ocsp.example.org/"

static inline struct world *ocsp_world(void)
{
    struct world *w = world_new(ASK_AT, NULL);
    at_hand(w, MINT_CRL(.by = &w->root));
    serve(w, "http://ocsp.example.org/", NULL);
    return w;
}
