// cookie.h - stateless proof that an initiator can receive at its address (RFC 7296 2.6):
// COOKIE = version | HMAC-SHA-256(secret, Ni | IPi | SPIi), with a secret that changes.
#pragma once

#include "base/addr.h"

#define COOKIE_LEN 33
#define COOKIE_SECRET_LEN 32

struct env;

struct cookies {
    uint8_t secret[2][COOKIE_SECRET_LEN]; // [version % 2]: the current one and the one before
    uint8_t version;
    uint64_t made_at; // monotonic ns; 0 = no secret yet
};

struct cookie_claim { // what the cookie is bound to
    span_t nonce;
    ip_t ip;
    uint64_t spi_i;
};

err_t cookie_make(struct cookies *c, const struct env *env, const struct cookie_claim *claim,
                  uint8_t out[COOKIE_LEN]);
// ERR_AUTH: not one of ours, or too old.
err_t cookie_check(struct cookies *c, const struct env *env, const struct cookie_claim *claim,
                   span_t cookie);
