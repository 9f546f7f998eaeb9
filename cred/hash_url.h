// hash_url.h - certificates that a CERT payload names by hash and URL instead of carrying them
// (RFC 7296 3.6, encodings 12 and 13).
#pragma once

#include "cred/cert.h"
#include "cred/fetch.h"

#define HASH_URL_CERTS_MAX 16    // of one bundle; those beyond are left
#define HASH_URL_TIMEOUT_MS 4000 // a peer waits for its answer meanwhile

// Gets what url names and holds it against the SHA-1 that the payload carries (KEY_SHA1_LEN bytes),
// so it does not matter who served it. bundle: encoding 13. The url is a peer's of whom nothing is
// known yet, so only http:// is taken, and nobody learns what came of it but by the hash.
// *n is the room in out (HASH_URL_CERTS_MAX suffices), then how many; each is a new reference.
// CRLs in a bundle are passed over. Waits; any thread.
// Errors: ERR_UNSUPPORTED (not http), ERR_AUTH (another hash), those of fetching and of
// cert_read().
err_t hash_url_get(const struct fetcher *f, const char *url, const uint8_t *sha1, bool bundle,
                   struct cert **out, unsigned *n, struct why *why);
