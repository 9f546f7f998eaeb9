// trustx.h - what trust.c, chain.c, revoke.c, crl.c and ocsp.c share. Inside cred/ only.
#pragma once

#include <stdatomic.h>

#include "base/log.h"
#include "cred/certx.h"
#include "cred/crl.h"
#include "cred/trust.h"

struct cert_list {
    struct cert **at;
    unsigned n, room;
};

// What swanctl.conf's `authorities` say about one CA.
struct authority {
    struct authority *next;
    uint8_t key[KEY_SHA1_LEN]; // SHA-1 of the CA's SubjectPublicKeyInfo
    unsigned n_crl, n_ocsp;
    char *crl[TRUST_URIS_MAX], *ocsp[TRUST_URIS_MAX];
};

struct trust {
    atomic_uint refs;
    struct cert_list cas, certs, signers, aas;
    struct acert **acerts;
    unsigned n_acerts, room_acerts;
    STACK_OF(X509_CRL) * crls;
    struct authority *authorities;
    const struct fetcher *fetcher;
    struct crl_cache *cache;
    const struct dnssec_source *dnssec;
    bool no_ocsp, no_crl, any_critical, may_lack_blocks, no_verdicts;
    trust_crl_fn *keeper; // NULL: nobody
    void *keeper_ctx;
    struct verdicts *verdicts; // verdict.h
};

#define WALK_MAX 32 // certificates that a peer's one may have been signed by, all levels together

// One verification.
struct walk {
    const struct trust *t;
    const struct trust_terms *terms;
    int64_t now;
    enum log_level level;     // of what is told
    struct cert *const *peer; // what the peer sent; [0] is its own
    unsigned n_peer;
    // Reached from the peer's certificate by signatures that verify: [0] is that certificate.
    struct cert *reached[WALK_MAX];
    unsigned n_reached, tries; // tries: that are left
    bool quick;                // ... or by names that leave no choice: OpenSSL will verify them
    // An issuer by name that did not do: for the sentence.
    const struct cert *miss_child, *miss_issuer;
    unsigned depth;           // where a path was found wanting
    struct trust_chain chain; // borrowed until all is well
};

// chain.c: fills w->chain. Errors as trust_verify().
err_t chain_find(struct walk *w, struct why *why);
// The n-th certificate that may help: the connection's, the store's, the peer's. NULL behind the
// last.
struct cert *walk_source(const struct walk *w, unsigned i);
bool trust_has(const struct cert_list *l, const struct cert *c);
// An OpenSSL context to validate the peer's certificate; helpers and anchors by `fill`.
struct probe {
    X509_STORE *store;
    STACK_OF(X509) * helpers;
    X509_STORE_CTX *ctx;
};
err_t probe_open(struct probe *p, const struct walk *w, unsigned long flags);
void probe_done(struct probe *p);

// blocks_path.c: which addresses the path is good for, in w->chain.blocks. ERR_AUTH, ERR_NOMEM.
err_t blocks_check(struct walk *w, struct why *why);

// groups.c: is the peer in one of the groups that are asked for? ERR_AUTH with a sentence,
// ERR_NOMEM.
err_t groups_check(struct walk *w, struct why *why);
// revoke.c: adds references to the lists at hand that c itself has signed. ERR_NOMEM.
err_t lists_of_issuer(const struct walk *w, const struct cert *c, STACK_OF(X509_CRL) * out);

// refusal.c: the sentence for one of OpenSSL's codes; c is the certificate it is about.
err_t refusal_say(int code, const struct cert *c, const struct walk *w, struct why *why);

// revoke.c: is any of w->chain revoked?
err_t revoke_check(struct walk *w, struct why *why);

// Adds references to the lists at hand, files and fetched, that somebody known has signed.
err_t walk_lists(const struct walk *w, STACK_OF(X509_CRL) * out);

// ---- of one certificate and its issuer ----
enum revoke_state { REVOKE_UNKNOWN, REVOKE_GOOD, REVOKE_REVOKED };
struct status {
    enum revoke_state state;
    bool online;     // OCSP said so
    bool sent;       // ... in an answer that the peer has sent along
    bool failed;     // `why` is about a server
    bool no_lists;   // UNKNOWN: there was no list at all
    bool stale;      // UNKNOWN: there is one, which is out of date
    int64_t until;   // GOOD: seconds since 1970
    int64_t since;   // REVOKED
    unsigned reason; // REVOKED: RFC 5280 5.3.1
    struct why why;  // UNKNOWN: the reason, as the end of a sentence
};

// tell.c: into the log.
void tell_path(const struct walk *w);
void tell_revoked(const struct walk *w, const struct status *s);
void tell_crl(const struct walk *w, const struct status *s); // until when it is, or was, good
void tell_ocsp(const struct walk *w, const struct status *s);
void tell_ocsp_stale(const struct walk *w, int64_t since);
void tell_times(const struct walk *w, const struct cert *c);     // when it is valid, and now is not
void tell_no_issuer(const struct walk *w, const struct cert *c); // that we know and believe
void tell_name(const X509_NAME *n, char out[CERT_NAME_MAX]);

// ocsp.c: asks the responders that the certificate and the authorities name.
void ocsp_check(const struct walk *w, unsigned depth, struct status *out);
// ... one of them. keep: gets the answer if it is GOOD, and the question has no nonce then; may be
// NULL.
void ocsp_ask(const struct walk *w, unsigned depth, const char *url, struct fetched *keep,
              struct status *out);
OCSP_CERTID *ocsp_certid(const struct walk *w, unsigned depth); // caller frees; NULL: no memory
// staple.c: what the peer has sent along about this certificate.
void staple_check(const struct walk *w, unsigned depth, struct status *out);
// For the tests and the fuzzer: judges the bytes of an answer; request may be NULL (no nonce
// asked).
err_t ocsp_judge(const struct walk *w, unsigned depth, span_t answer, OCSP_REQUEST *request,
                 struct status *out);

// crl.c: one list of PEM or DER. ERR_SYNTAX, ERR_SPACE.
err_t crl_read(span_t file, X509_CRL **out, struct why *why);
// Counts the lists that came, the certificates that OCSP calls revoked, and what was flushed.
uint64_t crl_cache_generation(struct crl_cache *c);
// Adds references to all that is cached.
err_t crl_cache_list(struct crl_cache *c, STACK_OF(X509_CRL) * out);
enum crl_need { CRL_FRESH, CRL_FETCH, CRL_WAIT }; // at hand; to be fetched; failed a moment ago
// CRL_WAIT: with the reason of the failure.
enum crl_need crl_cache_need(struct crl_cache *c, const char *url, int64_t now, struct why *why);
void crl_cache_fail(struct crl_cache *c, const char *url, int64_t now, const struct why *why);
// Takes a reference of crl, which has len bytes. ERR_NOMEM.
err_t crl_cache_put(struct crl_cache *c, const char *url, X509_CRL *crl, size_t len, int64_t now);
// A verdict of OCSP that is still good?
bool crl_cache_status(struct crl_cache *c, const struct cert *cert, int64_t now,
                      struct status *out);
// Answers to be sent, as bytes: a copy that is still good, or false.
bool crl_cache_answer(struct crl_cache *c, const struct cert *cert, int64_t now,
                      struct fetched *out);
// ERR_NOMEM.
err_t crl_cache_put_answer(struct crl_cache *c, const struct cert *cert, int64_t until,
                           const struct fetched *answer);
// Remembers what a server has said, for crl_cache_each_answer(); without memory it does not.
void crl_cache_put_heard(struct crl_cache *c, const struct cert *cert, span_t answer);
void crl_cache_put_status(struct crl_cache *c, const struct cert *cert, const struct status *s);

// uris.c: where to ask about depth's certificate, the user's URLs first. uris_done() frees.
#define URIS_MAX (4 * TRUST_URIS_MAX)
struct uris {
    unsigned n;
    char *at[URIS_MAX];
    unsigned group[URIS_MAX]; // of a group one suffices
    bool good[URIS_MAX];      // for the caller
};
void uris_of_crl(const struct walk *w, unsigned depth, struct uris *out);
// What has changed since the base: as the certificate and the lists of its issuer name it.
void uris_of_delta(const struct walk *w, unsigned depth, STACK_OF(X509_CRL) * lists,
                   struct uris *out);
void uris_of_ocsp(const struct walk *w, unsigned depth, struct uris *out);
void uris_done(struct uris *u);
