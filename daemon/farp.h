// farp.h - clients that have got addresses of the network behind this gateway (strongSwan's plugin
// farp): their neighbours there ask for them by ARP, and the gateway answers in their place, for
// the addresses of child SAs that are up and only for these.
//
// It is not the kernel's proxy ARP: that answers only where the host forwards and has a route to
// the address by another device, lets neighbours wait for up to a second, and what it was told
// outlives a crash of ours.
#pragma once

#include "daemon/iked.h"

struct farp;

// Opens the socket: before the sandbox, which forbids that. NULL: it cannot be had, which was
// logged.
struct farp *farp_open(void);
// Begins to listen, as d->farp. ERR_NOMEM.
err_t farp_start(struct iked *d, struct why *why);
void farp_free(struct farp *f); // nothing is answered any more; NULL is fine
// A child has come up, or is going.
void farp_child(struct farp *f, const struct child_sa *child, bool up);
