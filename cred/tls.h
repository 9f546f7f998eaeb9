// tls.h - TLS 1.2 and 1.3 whose messages travel by other means than a socket: what the methods of
// EAP need (eap/tls.c). Certificates are judged by whoever has it, and not by OpenSSL's rules.
//
// One thread at a time; a step takes some milliseconds, or as long as the judge does.
#pragma once

#include "cred/cert.h"
#include "cred/sign.h"

#define TLS_V12 0x0303
#define TLS_V13 0x0304
#define TLS_CHAIN_MAX 8    // certificates that go with ours
#define TLS_PEER_MAX 16    // ... of the other side's, that are looked at
#define TLS_SUITES_MAX 512 // characters of a list

struct tls_terms {
    // What it all lives in, counted by these two; NULL: it outlives every session.
    void *holder;
    void (*hold)(void *holder), (*release)(void *holder);
    uint16_t min, max; // versions; 0: 1.2, and 1.3
    const char
        *suites; // IANA's names with commas, as in strongSwan's libtls.suites; NULL: sound ones
    // What we prove ourselves with; key NULL: a client does not.
    struct signer *key;
    struct cert *cert, *chain[TLS_CHAIN_MAX];
    unsigned chain_n;
    bool one_sided; // server: the client proves itself in another way, inside
    // Whether to believe the other side's certificates, its own first, to be this one. A refusal is
    // a sentence.
    err_t (*judge)(void *holder, const struct id *who, struct cert *const *chain, unsigned n,
                   struct why *why);
};
void tls_terms_hold(const struct tls_terms *t);
void tls_terms_release(const struct tls_terms *t);

struct tls;

// who: the other side must be this one. Copies nothing of the terms, which must stay.
// Errors, with a sentence: ERR_CRYPTO (OpenSSL does not take the key, or knows no such suite).
err_t tls_new(const struct tls_terms *terms, bool server, const struct id *who, struct tls **out,
              struct why *why);
void tls_free(struct tls *t); // wipes; NULL is fine

// Adds what has come to what has not been looked at yet. ERR_NOMEM.
err_t tls_feed(struct tls *t, span_t bytes);
// Goes as far as it can. ERR_AUTH with a sentence: TLS has failed, and there may be an alert to
// send.
err_t tls_step(struct tls *t, struct why *why);
// What is to be sent: borrowed until the next call; tls_sent() takes it off.
span_t tls_unsent(const struct tls *t);
void tls_sent(struct tls *t, size_t n);

bool tls_is_up(const struct tls *t); // the handshake is over
uint16_t tls_version(const struct tls *t);
const char *tls_suite(const struct tls *t); // IANA's name
// RFC 5705, RFC 8446 7.5; context.at NULL: without one. ERR_CRYPTO.
err_t tls_export(const struct tls *t, const char *label, span_t context, uint8_t *out, size_t len);
// What is inside. Errors: ERR_CRYPTO; of the second ERR_AGAIN (nothing there yet).
err_t tls_write(struct tls *t, span_t bytes);
err_t tls_read(struct tls *t, uint8_t *out, size_t *len); // the room, then the length
