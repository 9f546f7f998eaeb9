// scheme.h - signature schemes: how AUTH payloads and certificates are signed.
// RFC 7296 3.8 (method 1), RFC 4754 (methods 9, 10, 11), RFC 7427 (method 14), RFC 8420 (EdDSA).
// Pure data; any thread.
#pragma once

#include "base/cursor.h"

// IANA "IKEv2 Hash Algorithms", as in SIGNATURE_HASH_ALGORITHMS (RFC 7427 4).
enum hash_id {
    HASH_NONE = 0,
    HASH_SHA1 = 1,
    HASH_SHA256 = 2,
    HASH_SHA384 = 3,
    HASH_SHA512 = 4,
    HASH_IDENTITY = 5, // EdDSA hashes by itself (RFC 8420)
    // Of certificates only (RFC 8692, RFC 4055): IKE has no numbers for them.
    HASH_SHA3_256 = 8,
    HASH_SHA3_384 = 9,
    HASH_SHA3_512 = 10,
    HASH_SHA224 = 11,
};

// A set of them: bit 1 << id.
typedef uint16_t hash_set_t;
#define HASH_BIT(id) ((hash_set_t)(1U << (id)))
// What we take from peers: SHA-1 stays out of method 14 (rfc8247 4.1.1 MUST NOT).
#define HASHES_DEFAULT                                                                    \
    ((hash_set_t)(HASH_BIT(HASH_SHA256) | HASH_BIT(HASH_SHA384) | HASH_BIT(HASH_SHA512) | \
                  HASH_BIT(HASH_IDENTITY)))

// ... and in the certificates that they show.
#define HASHES_SOUND                                                                 \
    ((hash_set_t)(HASHES_DEFAULT | HASH_BIT(HASH_SHA224) | HASH_BIT(HASH_SHA3_256) | \
                  HASH_BIT(HASH_SHA3_384) | HASH_BIT(HASH_SHA3_512)))

enum scheme_kind {
    SCHEME_NONE = 0,
    SCHEME_RSA,         // RSASSA-PKCS1-v1_5
    SCHEME_PSS,         // RSASSA-PSS, MGF1
    SCHEME_ECDSA,       // signature is DER: SEQUENCE { r, s }
    SCHEME_ECDSA_FIXED, // signature is r | s, each as long as the field; methods 9, 10, 11
    SCHEME_ED25519,
    SCHEME_ED448,
};

// Copied by value.
struct scheme {
    uint8_t kind;  // enum scheme_kind
    uint8_t hash;  // enum hash_id; HASH_IDENTITY for EdDSA
    uint8_t mgf;   // PSS: hash of MGF1
    uint16_t salt; // PSS: bytes of salt
};

#define SCHEME_DER_MAX 72 // bytes of the longest AlgorithmIdentifier we write (PSS)
#define SCHEME_TEXT_MAX 48

// AlgorithmIdentifier (the whole DER, nothing behind it) -> scheme. Never gives SCHEME_ECDSA_FIXED.
// Errors: ERR_SYNTAX; ERR_UNSUPPORTED (unknown algorithm or hash, PSS with another mask function).
err_t scheme_read(span_t der, struct scheme *out);
// The other way, as RFC 7427 appendix A has it. *len is the room, then the length.
// ERR_SPACE; ERR_UNSUPPORTED (SCHEME_ECDSA_FIXED has none).
err_t scheme_write(const struct scheme *s, uint8_t *out, size_t *len);
// The scheme of one of the classic authentication methods: 1 (RSA with SHA-1), 9, 10, 11.
// ERR_UNSUPPORTED for others.
err_t scheme_from_method(uint8_t method, struct scheme *out);
// PSS with the same hash in MGF1 and a salt as long as the hash.
struct scheme scheme_pss(enum hash_id hash);
bool scheme_eq(const struct scheme *a, const struct scheme *b);
// As strongSwan names it: "RSA_EMSA_PSS_SHA2_256_SALT_32"; buf is returned.
const char *scheme_show(const struct scheme *s, char buf[SCHEME_TEXT_MAX]);

// The data of SIGNATURE_HASH_ALGORITHMS: 16 bits each; those we do not know are passed over.
// ERR_SYNTAX for an odd length.
err_t hash_set_read(span_t data, hash_set_t *out);
#define HASH_SET_MAX 10 // bytes
void hash_set_write(hash_set_t set, wr_t *w);
const char *hash_name(uint8_t id); // "SHA2-256"
unsigned hash_len(uint8_t id);     // bytes; 0 for HASH_IDENTITY
