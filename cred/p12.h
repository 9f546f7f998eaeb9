// p12.h - PKCS#12 files (RFC 7292): a private key with its certificates.
#pragma once

#include "cred/cert.h"
#include "cred/sign.h"

#define P12_CERTS_MAX 16 // the key's certificate, its chain, and some more; those beyond are left

// Zero-initialise; p12_done() gives everything back.
struct p12 {
    struct signer *key;                // NULL: there was none
    struct cert *certs[P12_CERTS_MAX]; // the key's own first
    unsigned n;
};

// passphrase may be NULL. Errors: ERR_SYNTAX, ERR_AUTH (wrong passphrase), those of its contents.
err_t p12_read(span_t file, const struct secret *passphrase, struct p12 *out, struct why *why);
void p12_done(struct p12 *p);
