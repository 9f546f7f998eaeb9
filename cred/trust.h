// trust.h - whether to believe a peer's certificate: path building and validation (RFC 5280 6, with
// OpenSSL's), the profile for IKE (RFC 4945), the terms of a connection, and revocation (revoke.h).
//
// A store is filled by one thread and then only read; trust_verify() may run on any number of
// threads at once, takes up to some milliseconds, and waits for servers if it may fetch.
#pragma once

#include "cred/acert.h"
#include "cred/blocks.h"
#include "cred/cert.h"
#include "cred/dnssec.h"
#include "cred/fetch.h"
#include "cred/rules.h"

struct trust;     // the store
struct crl_cache; // what was fetched; crl.h

#define TRUST_CHAIN_MAX 8       // certificates of a path, both ends included
#define TRUST_PEER_CERTS_MAX 16 // of those that a peer sent, that are looked at
#define TRUST_TRIES_MAX 64  // signatures verified to find a path; names may be the same on purpose
#define TRUST_URIS_MAX 4    // of one kind in one certificate
#define TRUST_ANSWERS_MAX 4 // OCSP answers of a peer that are looked at
#define TRUST_ACERTS_MAX 8  // attribute certificates of a peer that are looked at

struct trust *trust_new(void);            // NULL: out of memory
struct trust *trust_ref(struct trust *t); // one more holder; returns t
void trust_free(struct trust *t);         // one holder less; NULL is fine

// Authorities: those that sign themselves are anchors, the others help to build paths. Takes a
// reference. ERR_UNSUPPORTED (not a CA), ERR_NOMEM.
err_t trust_add_ca(struct trust *t, struct cert *ca, struct why *why);
// A peer's certificate that is believed as it is, whoever signed it.
err_t trust_add_cert(struct trust *t, struct cert *cert);
// Signers of OCSP answers that are believed as they are.
err_t trust_add_ocsp_signer(struct trust *t, struct cert *cert);
// Attribute authorities: whose attribute certificates say who is in which group, once they are
// believed themselves. rfc5755 4.5 MUST NOT: one of them issues other certificates.
// ERR_UNSUPPORTED (a CA), ERR_NOMEM.
err_t trust_add_aa(struct trust *t, struct cert *aa, struct why *why);
// An attribute certificate at hand, of whomever. Takes a reference. ERR_NOMEM.
err_t trust_add_acert(struct trust *t, struct acert *a);
// PEM or DER; base or delta. ERR_SYNTAX, ERR_SPACE, ERR_NOMEM.
err_t trust_add_crl(struct trust *t, span_t file, struct why *why);
// URLs of swanctl.conf's `authorities` for certificates that ca signed; they come before those in
// the certificates. Copies. ERR_SPACE (more than TRUST_URIS_MAX), ERR_NOMEM.
err_t trust_add_crl_uri(struct trust *t, const struct cert *ca, const char *uri);
err_t trust_add_ocsp_uri(struct trust *t, const struct cert *ca, const char *uri);
// May fetch, and keeps what it fetched there. Both must outlive the store.
void trust_set_fetching(struct trust *t, const struct fetcher *fetcher, struct crl_cache *cache);
const struct fetcher *trust_fetcher(const struct trust *t); // NULL: nothing is fetched
// Who asks DNS for keys and certificates of peers; it must outlive the store. NULL: nobody.
void trust_set_dnssec(struct trust *t, const struct dnssec_source *source);
const struct dnssec_source *trust_dnssec(const struct trust *t);

// Which ways to ask are used at all; both by default.
void trust_set_checks(struct trust *t, bool ocsp, bool crl);
// rfc5280 4.2: a certificate with a critical extension that is not understood is refused; no: it is
// not, and the extension means nothing.
void trust_set_critical(struct trust *t, bool enforce);
// rfc3779 2.3: a certificate without address blocks, below an authority that has some, is refused;
// no: it is good for any address, as are those below it that have none either.
void trust_set_blocks(struct trust *t, bool strict);
// Are verdicts kept (verdict.h)? They are by default.
void trust_set_keeping(struct trust *t, bool keep);
// Who gets each list that was fetched and believed; any thread calls it. key_id: of the key that
// has signed it, as the list says.
typedef void trust_crl_fn(void *ctx, span_t key_id, bool delta, span_t der);
void trust_set_keeper(struct trust *t, trust_crl_fn *fn, void *ctx);

// What an OCSP server says of cert, which issuer signed, for a peer that wants to see it (RFC
// 4806): fetched, believed, and kept as long as it is good. *out: fetched_done() frees it. Errors,
// with a sentence: ERR_NOTFOUND (no server, or no good answer), ERR_AUTH (it was revoked),
// ERR_UNSUPPORTED (nothing is fetched).
err_t trust_staple(const struct trust *t, struct cert *cert, struct cert *issuer, int64_t now,
                   struct fetched *out, struct why *why);
bool trust_asks_ocsp(const struct trust *t); // as trust_set_checks() has it

// For CERTREQ: the anchors and the other authorities, in the order they were added; NULL behind
// the last one.
const struct cert *trust_ca_at(const struct trust *t, unsigned i);

enum revocation {
    REVOCATION_RELAXED, // refuse what is known to be revoked
    REVOCATION_IFURI,   // and what could have been checked (a URL is known) but was not
    REVOCATION_STRICT,  // and what cannot be checked
    REVOCATION_OFF,     // do not look: own certificates
};

// What a connection asks for; everything borrowed, zero is "whatever is sound".
struct trust_terms {
    const struct id *id;       // the identity that the peer claims; NULL: not held against it
    const struct id *ca_id;    // an authority in the path must have it; NULL: any
    struct cert *const *certs; // the peer's certificate must be one of these, then believed
    unsigned n_certs;
    struct cert *const *cacerts; // the path must end at one of these
    unsigned n_cacerts;
    const char *const *policies; // OIDs in dots; the path must be valid for every one
    unsigned n_policies;
    const char *const *groups; // the peer must be in one of these
    unsigned n_groups;
    struct acert *const *acerts; // what the peer has sent to show that
    unsigned n_acerts;
    struct key_rules rules; // for the keys and signatures of the path
    enum revocation revocation;
    // Signatures that may still be tried to find a path, over several verifications: what one has
    // tried is taken off. NULL: TRUST_TRIES_MAX for this one.
    unsigned *tries;
    bool quiet;            // what is told on the way is for LOG_DEBUG: strangers come too often
    bool offline;          // nobody is asked: only what is at hand counts, and not knowing is fine
    const span_t *answers; // OCSP answers that the peer sent along (RFC 4806)
    unsigned n_answers;
};

// What was wrong with a path, where a program wants to know.
enum trust_fault {
    TRUST_FAULT_POLICY, // whatever else
    TRUST_FAULT_EXPIRED,
    TRUST_FAULT_REVOKED,
    TRUST_FAULT_STATUS, // whether it was revoked cannot be learnt, and must be
    TRUST_FAULT_NO_ISSUER,
    TRUST_FAULT_ROOT, // it ends at somebody who is not believed
    TRUST_FAULT_PATH_LEN,
};

// The path that was believed: the peer's certificate first, the anchor last. trust_chain_done()
// gives the references back.
struct trust_chain {
    unsigned n;
    enum trust_fault fault; // of one that was refused
    struct cert *cert[TRUST_CHAIN_MAX];
    // Seconds since 1970 until which the verdict may be kept: the earliest end of a certificate, or
    // of what is known of its revocation.
    int64_t good_until;
    bool open; // a server may know more at any time: not to be kept (verdict.h)
    // The addresses that the peer may have by it (RFC 3779); NULL: it says nothing of addresses.
    struct blocks *blocks;
    struct why note; // a reservation to be logged, as "whether ... was revoked is unknown"; or ""
};
void trust_chain_done(struct trust_chain *c);

// chain[0] is the peer's own certificate, the rest may help; now in seconds since 1970. out may be
// NULL. A refusal is a sentence that names the certificate, the rule and the remedy; out->n is 0
// and out->fault its kind. Errors: ERR_AUTH (refused), ERR_LIMIT, ERR_NOMEM, ERR_CRYPTO.
err_t trust_verify(const struct trust *t, struct cert *const *chain, unsigned n,
                   const struct trust_terms *terms, int64_t now, struct trust_chain *out,
                   struct why *why);
// A raw public key (RFC 7670): is it one of those, and do the rules allow it? ERR_AUTH.
err_t trust_verify_key(const struct pubkey *key, struct pubkey *const *known, unsigned n,
                       const struct key_rules *rules, struct why *why);
