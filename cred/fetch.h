// fetch.h - getting a CRL, an OCSP answer or a certificate (hash and URL) by HTTP or LDAP: an
// interface, so that a daemon can decide where the waiting is done, and an implementation with
// libcurl.
#pragma once

#include "base/cursor.h"

#define FETCH_URL_MAX 1024         // bytes; longer ones are not fetched
#define FETCH_TIMEOUT_MS 10000     // name look-up, connecting, and the whole transfer
#define FETCH_CONNECT_MS 4000      // of it, connecting: a host that is down costs no more
#define FETCH_REDIRECTS_MAX 3      // enough for http -> https -> a mirror
#define FETCH_CRL_MAX (16U << 20)  // bytes: half a million revoked certificates
#define FETCH_OCSP_MAX (64U << 10) // bytes: an answer with the signer's chain
#define FETCH_CERT_MAX (32U << 10) // bytes

struct fetch {
    const char *url; // http://, https://; ldap:// and ldaps:// (RFC 4516) with one binary attribute
    const char *type; // Content-Type of post; NULL: it is a GET
    span_t post;
    size_t limit;        // bytes of the answer at most
    unsigned timeout_ms; // 0: FETCH_TIMEOUT_MS
    bool stranger; // the URL is of somebody unknown: nothing is asked of loopback and link-local
                   // addresses, where servers trust whoever can reach them
};

// Bytes on the heap; fetched_done() frees.
struct fetched {
    uint8_t *at;
    size_t len;
};
void fetched_done(struct fetched *f);

// Called on whichever thread trust_verify() runs, and may wait there. out is set on success only.
// Errors: ERR_TIMEOUT, ERR_LIMIT (too long, too many redirects), ERR_NOTFOUND (no such host, or a
// status that is not 200), ERR_UNSUPPORTED (scheme of the URL), ERR_NOMEM.
struct fetcher {
    void *ctx;
    err_t (*get)(void *ctx, const struct fetch *ask, struct fetched *out, struct why *why);
};

// Is it a URL that fetch_http() would try?
bool fetch_can(const char *url);
// A fetcher's get() with libcurl; ctx is not used. Waits; any thread. Call fetch_init() before.
err_t fetch_http(void *ctx, const struct fetch *ask, struct fetched *out, struct why *why);
// Once, before there are threads. ERR_CRYPTO if libcurl cannot start.
err_t fetch_init(void);
