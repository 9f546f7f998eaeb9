// sign.h - private keys. All that can be done with one is to ask for a signature: a request (scheme
// and bytes) and an answer (bytes), so that keys can live in another thread or process.
// Immutable and reference-counted: any thread may use one that it holds.
#pragma once

#include "base/secret.h"
#include "cred/pubkey.h"

struct signer;

#define SIGN_FILE_MAX 65536 // bytes of a key file; PKCS#12 files carry certificates, too
#define SIGN_MAX 2048       // bytes of the longest signature (RSA with 16384 bits)

// A private key: PEM or DER; PKCS#1, SEC1, PKCS#8, encrypted ones too. passphrase may be NULL. The
// key is tried once. Errors: ERR_SYNTAX, ERR_AUTH (encrypted, and the passphrase is missing or
// wrong), ERR_UNSUPPORTED and ERR_RANGE as for public keys, ERR_NOMEM.
err_t signer_read(span_t file, const struct secret *passphrase, struct signer **out,
                  struct why *why);
struct signer *signer_ref(struct signer *s); // one more holder; returns s
void signer_free(struct signer *s);          // one holder less; the last wipes. NULL is fine

struct pubkey *signer_pubkey(const struct signer *s); // borrowed; its digests are the key's name

#define SIGN_SCHEMES_MAX 8
// The schemes of method 14 (RFC 7427) the key can do with hashes the peer knows, best first: PSS
// before PKCS#1, and the hash that suits the key's size before longer ones, these before shorter.
// Returns how many.
unsigned signer_schemes(const struct signer *s, hash_set_t hashes,
                        struct scheme out[SIGN_SCHEMES_MAX]);
// The classic method of this key: 9, 10, 11 by its curve, 1 for RSA; 0 if there is none.
uint8_t signer_method(const struct signer *s);
// *len is the room in sig (SIGN_MAX suffices), then the length. Slow: up to several milliseconds.
// Errors: ERR_UNSUPPORTED (not a scheme of this key), ERR_SPACE, ERR_CRYPTO, ERR_NOMEM.
err_t signer_sign(const struct signer *s, const struct scheme *scheme, span_t tbs, uint8_t *sig,
                  size_t *len);
