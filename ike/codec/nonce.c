#include "ike/codec/payloads.h"

// The writer is wr_bytes(): the body is the nonce itself.
err_t nonce_read(span_t body, span_t *out)
{
    // rfc7296 3.9 MUST: between 16 and 256 octets inclusive
    if (body.len < NONCE_MIN || body.len > NONCE_MAX) return ERR_SYNTAX;
    *out = body;
    return ERR_OK;
}
