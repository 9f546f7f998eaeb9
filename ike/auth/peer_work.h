// peer_work.h - the part of peer.h that runs in another thread.
#pragma once

#include "conf/creds.h"
#include "cred/trust.h"
#include "ike/codec/payloads.h"
#include "ike/sa/blob.h"
#include "ike/sa/conn.h"
#include "ike/sa/work.h"

// Certificates that a stranger can make us fetch: its own, and the authorities above it.
#define PEER_URLS_MAX 3

struct peer_work {
    struct ike_work w; // first: a pointer to it is one to the whole
    void (*then)(struct ike_sa *sa);
    // What is to be judged:
    struct conn *conn;            // holds what follows
    const struct conf_side *side; // what the peer must be
    struct id id;
    uint8_t method;
    struct blob auth, octets;
    uint64_t now_s;
    enum log_level level; // how loud to be about what a stranger shows
    unsigned tries;       // signatures of certificates that may still be tried; what is left of it
    bool offline;         // nobody is asked about revocations, and not knowing is fine; and then
    bool again;           // the path only, and everybody is asked (recheck.h)
    bool looks_up;        // certificates that are named by hash and URL
    unsigned url_n;       // ... of those
    bool takes_ocsp;      // OCSP answers beside certificates (RFC 4806)
    unsigned answer_n;    // ... of those
    unsigned groups_n;    // attribute certificates (RFC 5755), where groups are asked for
    struct cert *proven;  // by DNSSEC: the only one that counts while it is judged; borrowed
    unsigned cert_n;
    struct {
        uint8_t encoding;
        struct blob data;
    } cert[TRUST_PEER_CERTS_MAX];
    unsigned acert_n; // of them, read
    struct acert *acert[TRUST_ACERTS_MAX];
    // The verdict:
    err_t err;
    bool key_is_right; // the signature has verified
    bool distrusted;   // a certificate was not believed; `fault` says why
    enum trust_fault fault;
    uint8_t lacks; // of which kind (KEY_RSA) no key of the peer is believed; 0: it is not that
    struct why why, how, note, fetched;
    int64_t from, until;   // when its certificate is valid, seconds since 1970; 0: it has none
    struct blocks *blocks; // the addresses that its certificate is good for (RFC 3779); NULL: all
    uint64_t early_s;      // refused only because it begins so much later; 0: it is not so
    unsigned kept_n;       // offline: the certificates that were believed, and those about groups
    struct {
        uint8_t encoding;
        struct blob data;
    } kept[TRUST_PEER_CERTS_MAX];
    bool judged;               // `note` is about this certificate
    uint8_t who[KEY_SHA1_LEN]; // SHA-1 of it
};

void peer_work_run(struct ike_work *w);
void peer_work_done(struct peer_work *p); // frees what it holds, and not itself
// A chain that was shown elsewhere, and whose key has proved it there, to be p->id's. p: conn,
// side, id, now_s, level, tries, offline. Errors and p->why as trust_verify()'s.
err_t peer_work_judge(struct peer_work *p, struct cert *const *chain, unsigned n);
