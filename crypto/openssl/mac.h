// mac.h - the MACs of the INTEG transforms, untruncated: HMAC (RFC 2104), AES-CMAC (RFC 4493) and
// AES-XCBC-MAC (RFC 3566). They carry the sealer and the PRFs. For crypto/openssl/ only.
#pragma once

#include "base/cursor.h"
#include "crypto/provider.h"

struct mac; // holds the key, and one message at a time

// integ: enum alg_integ; any key that alg_takes_key() grants, and the empty one for an HMAC.
// NULL: OpenSSL has not got it, or no memory.
struct mac *mac_new(uint16_t integ, span_t key);
void mac_free(struct mac *m); // wipes; NULL is fine

// A message: begin, add what it consists of, end. out has room for MAC_MAX bytes. false: OpenSSL
// failed, and nothing of out may be used.
bool mac_begin(struct mac *m);
bool mac_add(struct mac *m, const uint8_t *at, size_t len);
bool mac_end(struct mac *m, uint8_t out[MAC_MAX]);
