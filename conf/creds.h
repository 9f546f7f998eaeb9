// creds.h - certificates and private keys that a configuration names, or that lie in the folders
// beside it: x509, x509ca, x509ocsp, x509crl, x509aa, x509ac, pubkey, private, rsa, ecdsa, pkcs8,
// pkcs12.
//
// Immutable once loaded, and reference-counted: any thread may use it while it holds it.
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "cred/cert.h"
#include "cred/id.h"
#include "cred/sign.h"
#include "cred/trust.h"

#define CREDS_ACERTS_MAX 8 // attribute certificates that are sent with one
#define CREDS_CHAIN_MAX 8  // authorities between a certificate and one that signs itself

// Lists, in the order of folders and of names in them.
struct cred_cert {
    struct cred_cert *next;
    struct cert *cert;
    const char *file;
};
struct cred_key {
    struct cred_key *next;
    struct signer *key;
    const char *file;
};
struct cred_pub {
    struct cred_pub *next;
    struct pubkey *key;
    const char *file;
};
struct cred_blob { // a CRL, not looked at
    struct cred_blob *next;
    span_t der;
    const char *file;
};

struct cred_acert {
    struct cred_acert *next;
    struct acert *acert;
    const char *file;
};

// What we can prove ourselves with.
struct cred_own {
    struct cred_own *next;
    struct cert *cert;     // NULL: a raw public key
    struct pubkey *pubkey; // of the certificate, or raw
    struct signer *key;
    unsigned chain_n;
    struct cert *chain[CREDS_CHAIN_MAX]; // authorities from the issuer up, without the last one
    struct cert *root;                   // that last one; NULL: not at hand
    unsigned acert_n;                    // attribute certificates that speak of it
    struct acert *acert[CREDS_ACERTS_MAX];
    // Where a peer may get them (cert_uri_base); NULL: from us.
    const char *url, *chain_url[CREDS_CHAIN_MAX];
};

// One local or remote section. Everything borrowed from struct creds.
struct side_creds {
    struct cred_own *own;              // local
    struct cred_cert *certs, *cacerts; // remote: the peer's, and those it must come from
    struct cred_pub *pubkeys;          // remote: raw keys
};

// One section of `authorities`.
struct cred_authority {
    struct cred_authority *next;
    const char *name;
    struct cert *cert;
    unsigned crl_n, ocsp_n;
    const char *crl[CREDS_CHAIN_MAX], *ocsp[CREDS_CHAIN_MAX]; // URLs
    const char *cert_uri_base;                                // NULL: none
};

struct creds {
    atomic_uint refs;
    struct arena arena;
    struct cred_cert *certs, *cas, *ocsp; // x509 and what pkcs12 brings along; x509ca; x509ocsp
    struct cred_cert *aas;                // x509aa
    struct cred_acert *acerts;            // x509ac
    struct cred_cert *named;              // authorities that connections name, from elsewhere
    struct cred_key *keys;
    struct cred_pub *pubkeys;
    struct cred_blob *crls;
    struct cred_own *own; // certificates that have a key here
    struct cred_authority *authorities;
    unsigned cert_n, ca_n, key_n;
    struct trust *trust; // made of it; NULL without files. The daemon says how it fetches
};

struct creds *creds_new(void);                  // empty; NULL: out of memory
struct creds *creds_ref(const struct creds *c); // one more holder; NULL is fine
void creds_free(struct creds *c);               // one holder less; the last frees all
