// pubkey.h - public keys: of certificates, raw ones (RFC 7670), and what they verify.
// Immutable and reference-counted: any thread may use one that it holds.
#pragma once

#include "cred/scheme.h"

struct pubkey;

enum key_kind {
    KEY_RSA = 1,
    KEY_ECDSA,
    KEY_ED25519,
    KEY_ED448,
};

#define PUBKEY_DER_MAX 4096 // bytes of a SubjectPublicKeyInfo; RSA with 16384 bits has 2100
// Smaller moduli are broken; larger ones let a peer make us compute for long.
#define PUBKEY_RSA_BITS_MIN 1024
#define PUBKEY_RSA_BITS_MAX 16384
#define PUBKEY_RSA_EXPONENT_BITS_MAX 64 // for the same reason
#define KEY_SHA1_LEN 20

// SubjectPublicKeyInfo, DER and nothing behind it: RSA, ECDSA on P-256/384/521 and
// brainpoolP256r1/384r1/512r1, Ed25519, Ed448. Errors: ERR_SYNTAX, ERR_UNSUPPORTED (kind, curve),
// ERR_RANGE (key too short or too long), ERR_NOMEM.
err_t pubkey_from_spki(span_t der, struct pubkey **out, struct why *why);
// A file: PEM ("PUBLIC KEY", "RSA PUBLIC KEY") or DER of either. Errors as above.
err_t pubkey_read(span_t file, struct pubkey **out, struct why *why);
struct pubkey *pubkey_ref(struct pubkey *k); // one more holder; returns k
void pubkey_free(struct pubkey *k);          // one holder less; NULL is fine

uint8_t pubkey_kind(const struct pubkey *k);  // enum key_kind
unsigned pubkey_bits(const struct pubkey *k); // RSA: modulus, otherwise: size of the field
span_t pubkey_spki(const struct pubkey *k);   // SubjectPublicKeyInfo, borrowed
// SHA-1 of the SubjectPublicKeyInfo: what CERTREQ carries (RFC 7296 3.7). KEY_SHA1_LEN bytes.
const uint8_t *pubkey_spki_sha1(const struct pubkey *k);
// SHA-1 of the key's bits: the usual subjectKeyIdentifier (RFC 5280 4.2.1.2). KEY_SHA1_LEN bytes.
const uint8_t *pubkey_key_sha1(const struct pubkey *k);
bool pubkey_eq(const struct pubkey *a, const struct pubkey *b);
#define PUBKEY_TEXT_MAX 40
// "RSA 2048", "ECDSA secp256r1", "Ed25519"
const char *pubkey_show(const struct pubkey *k, char buf[PUBKEY_TEXT_MAX]);

// Is this a scheme of such a key? Methods 9, 10, 11 tie curve and hash together.
bool pubkey_can(const struct pubkey *k, const struct scheme *s);
// Is sig the signature of tbs? Slow (tens of microseconds up to a millisecond).
// Errors: ERR_AUTH; ERR_UNSUPPORTED (not a scheme of this key); ERR_NOMEM.
err_t pubkey_verify(const struct pubkey *k, const struct scheme *s, span_t tbs, span_t sig);
