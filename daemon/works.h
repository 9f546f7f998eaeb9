// works.h - the daemon's threads for public-key work and look-ups, and how they reach servers.
#pragma once

#include "cred/crl.h"
#include "daemon/iked.h"

// After the sandbox, before the diplomat. ERR_NOMEM, ERR_CRYPTO (libcurl cannot start).
err_t works_start(struct iked *d, struct why *why);
void works_stop(struct iked *d);
// Lets a new configuration fetch CRLs and ask about certificates.
void works_serve(struct iked *d, struct config *c);
// Forgets what was fetched.
void works_flush(struct iked *d);
// The CRLs that were fetched and are kept, as DER of at most max bytes (cred/crl.h).
void works_each_crl(struct iked *d, size_t max, crl_fn *fn, void *ctx);
void works_each_answer(struct iked *d, size_t max, crl_fn *fn, void *ctx); // of OCSP servers
// In the loop: hands what is done to the diplomat.
void works_deliver(struct iked *d);
// Where lists that were fetched are kept (crl_keep.h): beside the configuration. The caller frees
// it; NULL: out of memory.
char *works_crl_folder(const struct iked_options *o);
// For struct env.
err_t works_add(void *ctx, struct ike_work *w);
