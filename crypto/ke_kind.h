// ke_kind.h - what a key exchange method has to offer. Between ke.c and the methods only.
#pragma once

#include "crypto/ke.h"

struct ke {
    const struct ke_kind *kind;
    uint16_t method; // enum alg_ke
    uint16_t public_len;
    uint8_t public[KE_PUBLIC_MAX];
    void *private; // the kind's own
};

struct ke_kind {
    const char *name; // whose work it is: "openssl", "pavise"
    bool (*can)(uint16_t method);
    // Fills public and private of a new exchange. Errors: ERR_NOMEM, ERR_CRYPTO.
    err_t (*make)(struct ke *ke);
    // Errors: ERR_SYNTAX, ERR_CRYPTO.
    err_t (*finish)(struct ke *ke, span_t peer, struct secret *shared);
    // The responder's half, as ke_answer(). NULL: it is the same as the initiator's.
    err_t (*answer)(uint16_t method, span_t peer, uint8_t *answer, size_t *answer_len,
                    struct secret *shared);
    void (*drop)(struct ke *ke); // wipes and frees private
};

extern const struct ke_kind ke_openssl;     // Diffie-Hellman
extern const struct ke_kind ke_openssl_kem; // ML-KEM, where OpenSSL has it
extern const struct ke_kind ke_mlkem;       // our own

// Like ke_new() with a private value that is already chosen (as a test vector prints it): an
// integer in network order, or the bytes of X25519 or X448. Only known answers need it; the public
// value is not computed. Errors: ERR_ALGORITHM, ERR_NOMEM, ERR_CRYPTO.
err_t ke_from_private(uint16_t method, span_t private, struct ke **out);
