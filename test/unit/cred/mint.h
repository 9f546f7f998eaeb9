// mint.h - keys and certificates made for a test. Everything fails the test if it does not work.
#pragma once

#include "cred/cert.h"
#include "cred/sign.h"
#include "cred/x509.h"

#define MINT_EXTS 10
#define MINT_NOW 1790000000 // 2026-09-21: the "now" of tests

struct mint_spec {
    const char *name;      // "CN=moon", as dn_parse() reads it; NULL or "": empty
    const struct mint *by; // NULL: signs itself
    const char *key;       // "P-256" (default), "P-384", "RSA", "RSA 1024", "ED25519", "ED448", ...
    const struct mint *rekey;   // take this one's key instead of making one
    const char *hash;           // default "SHA256"
    int64_t from, to;           // seconds; default: a day before MINT_NOW, a year after it
    long serial;                // default: counts
    const char *ext[MINT_EXTS]; // "basicConstraints=critical,CA:TRUE", as in openssl.cnf
};

struct mint {
    EVP_PKEY *key;
    X509 *x;
    struct cert *cert;
};

struct mint mint_new(struct mint_spec spec);
#define MINT(...) mint_new((struct mint_spec){__VA_ARGS__})
#define MINT_CA "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"
void mint_done(struct mint *m);

EVP_PKEY *mint_key(const char *what); // as mint_spec.key; caller frees
struct mint_crl_spec {
    const struct mint *by;
    const struct mint *revoked[4];
    int64_t from, to;  // default: a day before MINT_NOW, a week after it
    long number, base; // base > 0: a delta CRL
    const char *ext[2];
};
X509_CRL *mint_crl(struct mint_crl_spec spec); // caller frees
#define MINT_CRL(...) mint_crl((struct mint_crl_spec){__VA_ARGS__})

// The bytes are good until the 16th next call.
span_t mint_cert_der(X509 *x);
span_t mint_crl_der(X509_CRL *crl);
