// network.h - pavise-iked watches this host's addresses and routes, so that IKE SAs can follow a
// change of network (MOBIKE, RFC 4555). Event loop's thread.
#pragma once

#include "daemon/iked.h"

// Changes come in bunches (an address goes, its routes follow, others appear): the diplomat is told
// when so much time has passed since the first.
#define NETWORK_SETTLE_NS (200 * NSEC_PER_MSEC)

#define NETWORK_ADDRESSES_MAX 256 // of this host, that the diplomat is told of

struct network;

// Tells the diplomat of changes (ike_network_changed) from now on; before there is one, nobody.
// Errors: ERR_NOMEM, ERR_SYSTEM, with a sentence.
err_t network_new(struct iked *d, struct network **out, struct why *why);
void network_free(struct network *n); // NULL is fine
// All addresses but loopback and link-local ones, and those that settings leave out, at most max;
// how many they are.
unsigned network_addresses(struct network *n, ip_t *out, unsigned max);
// Is it on an interface that settings leave out (charon.interfaces_use, charon.interfaces_ignore)?
bool network_leaves_out(struct network *n, const ip_t *ip);
// The settings are others.
void network_settings(struct network *n);
