// ke.h - key exchange, shaped like a KEM so that Diffie-Hellman and ML-KEM are one interface:
//
//     initiator                              responder
//     ke_new(method)  -- public value -->    ke_answer(method, value)
//     ke_finish(ke)  <-- answer value --     answer value + shared secret
//
// Peers' public values are checked (RFC 6989; 8031 section 2.2 all-zero result refused).
#pragma once

#include "base/cursor.h"
#include "base/secret.h"

#define KE_PUBLIC_MAX 1568 // bytes of the longest public value

struct ke; // an initiator's unfinished exchange; holds the private key

bool ke_known(uint16_t method);
// Who does it on this machine: "openssl", "pavise"; NULL: nobody.
const char *ke_provider(uint16_t method);
// Errors: ERR_ALGORITHM (unknown method), ERR_NOMEM, ERR_CRYPTO.
err_t ke_new(uint16_t method, struct ke **out);
uint16_t ke_method(const struct ke *ke);
span_t ke_public(const struct ke *ke); // as it goes into the KE payload (RFC 7296 3.4, 5903, 8031)
// Errors: ERR_SYNTAX (bad length or value from the peer), ERR_CRYPTO.
err_t ke_finish(struct ke *ke, span_t peer, struct secret *shared);
void ke_free(struct ke *ke); // wipes; NULL is fine

// Responder's half in one call. `answer` has room for KE_PUBLIC_MAX bytes.
err_t ke_answer(uint16_t method, span_t peer, uint8_t *answer, size_t *answer_len,
                struct secret *shared);
