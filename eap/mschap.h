// mschap.h - what MS-CHAP-V2 computes (RFC 2759 8, RFC 3079 3), without its messages.
#pragma once

#include "base/cursor.h"

#define MSCHAP_CHALLENGE_LEN 16
#define MSCHAP_HASH_LEN 16
#define MSCHAP_RESPONSE_LEN 24
#define MSCHAP_PROOF_LEN 20
#define MSCHAP_KEY_LEN 16
#define MSCHAP_PASSWORD_MAX 256 // characters (RFC 2759 8.1)

// What one exchange is about.
struct mschap {
    const uint8_t *server, *peer; // challenges
    span_t user;                  // without its domain
    const uint8_t *hash;          // of the password
};

// NtPasswordHash() of a password in UTF-8. ERR_SYNTAX, ERR_SPACE.
err_t mschap_hash(span_t password, uint8_t out[MSCHAP_HASH_LEN]);
// GenerateNTResponse(). ERR_CRYPTO.
err_t mschap_response(const struct mschap *m, uint8_t out[MSCHAP_RESPONSE_LEN]);
// The server's proof, before it is written in hex digits. ERR_CRYPTO.
err_t mschap_proof(const struct mschap *m, const uint8_t response[MSCHAP_RESPONSE_LEN],
                   uint8_t out[MSCHAP_PROOF_LEN]);
// Of RFC 3079: what the server receives with, and then what it sends with. ERR_CRYPTO.
err_t mschap_keys(const struct mschap *m, const uint8_t response[MSCHAP_RESPONSE_LEN],
                  uint8_t out[2 * MSCHAP_KEY_LEN]);
