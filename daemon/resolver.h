// resolver.h - DNS names to addresses without ever holding up the event loop: getaddrinfo(3) runs
// in a few threads, answers are kept. Names come from the configuration only, never from a peer.
#pragma once

#include "base/addr.h"

struct resolver;

// done(ctx) is called from one of the threads when an answer has come in. NULL: no memory or
// threads.
struct resolver *resolver_new(void (*done)(void *ctx), void *ctx);
// Does not wait for look-ups that hang. done() is not called afterwards.
void resolver_free(struct resolver *r);
// The address of a name, from memory. family: AF_INET, AF_INET6, or AF_UNSPEC for the first that
// the system prefers. An unknown or stale name is looked up in the background.
// Errors: ERR_AGAIN (not known yet), ERR_NOTFOUND (there is none), ERR_LIMIT, ERR_NOMEM.
err_t resolver_find(struct resolver *r, const char *name, uint16_t family, ip_t *out);
bool resolver_busy(struct resolver *r); // look-ups are under way
