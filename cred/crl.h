// crl.h - certificate revocation lists (RFC 5280 5) and OCSP verdicts that were fetched, kept for
// as long as they are good. One cache serves a whole daemon and outlives its stores; any thread.
#pragma once

#include "base/cursor.h"

struct crl_cache;

#define CRL_CACHE_MAX 256               // lists; the oldest goes first
#define CRL_CACHE_BYTES_MAX (64U << 20) // bytes of all of them
#define CRL_STATUS_MAX 4096             // OCSP verdicts
#define CRL_ANSWERS_MAX 32              // OCSP answers about our own certificates
#define CRL_HEARD_MAX 64                // OCSP answers about peers and authorities, for people
#define CRL_RETRY_S 60                  // a server that failed is not asked again for so long
#define CRL_KEEP_S 3600                 // a list or verdict that names no next one is kept so long

struct crl_cache *crl_cache_new(void); // NULL: out of memory
void crl_cache_free(struct crl_cache *c);
void crl_cache_flush(struct crl_cache *c);     // forgets everything (swanctl --flush-certs)
unsigned crl_cache_count(struct crl_cache *c); // lists in it
// The lists as DER, while the cache is locked: fn only copies. Those longer than max are left out.
typedef void crl_fn(void *ctx, span_t der);
void crl_cache_each(struct crl_cache *c, size_t max, crl_fn *fn, void *ctx);
// The same for OCSP answers, as OCSPResponse: those that servers gave, about whomever.
void crl_cache_each_answer(struct crl_cache *c, size_t max, crl_fn *fn, void *ctx);
// The same for the list in a file, PEM or DER; one that makes no sense is left out.
void crl_file_der(span_t file, size_t max, crl_fn *fn, void *ctx);
