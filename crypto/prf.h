// prf.h - pseudo-random functions and prf+ (RFC 7296 2.13), hashes, and the MAC for cookies.
#pragma once

#include "base/cursor.h"
#include "base/secret.h"

#define PRF_MAX 64 // bytes of the longest output

uint32_t prf_len(uint16_t prf); // output (and preferred key) bytes; 0 = unknown
// rfc7296 2.14: a PRF that takes only the first 64 bits of each nonce as the key of SKEYSEED.
bool prf_takes_short_nonces(uint16_t prf);
// out receives prf_len(prf) bytes of prf(key, parts[0] | parts[1] | ...).
// Errors: ERR_ALGORITHM, ERR_CRYPTO.
err_t prf_do(uint16_t prf, span_t key, const span_t *parts, unsigned n, uint8_t *out);
// prf+(key, seed): len bytes (at most 255 * prf_len). Errors: also ERR_SPACE.
err_t prf_plus(uint16_t prf, span_t key, span_t seed, uint8_t *out, size_t len);

#define SHA1_LEN 20
#define SHA256_LEN 32
err_t hash_sha1(const span_t *parts, unsigned n,
                uint8_t out[SHA1_LEN]); // NAT detection, RFC 7296 2.23
err_t hash_sha256(const span_t *parts, unsigned n, uint8_t out[SHA256_LEN]);
