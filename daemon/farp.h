// farp.h - clients that have got addresses of the network behind this gateway (strongSwan's plugin
// farp): their neighbours there ask for them by ARP, and the gateway answers in their place. The
// kernel does it (proxy ARP), for the addresses of child SAs that are up and only for these.
#pragma once

#include "daemon/iked.h"

struct farp;

// Errors: ERR_NOMEM, ERR_SYSTEM, with a sentence.
err_t farp_new(struct farp **out, struct why *why);
void farp_free(struct farp *f); // nothing is answered any more; NULL is fine
// A child has come up, or is going.
void farp_child(struct farp *f, const struct child_sa *child, bool up);
