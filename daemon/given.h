// given.h - what gateways have given this host, their client: virtual addresses on a device, name
// servers for the resolver. It goes when the IKE SA goes. What a crash has left behind is known
// from a file: the next run takes it over if it is given the same again, and removes it otherwise.
#pragma once

#include "daemon/iked.h"
#include "ike/env.h"

struct given;

// Finds out what an earlier run has left, and gives it a grace. NULL when out of memory or without
// a routing socket (told): then nothing can be installed.
struct given *given_new(struct iked *d);
// Frees. take_away: an end for good; otherwise addresses and servers stay, as the tunnels do.
void given_free(struct given *g, bool take_away);

// struct env's two; an address that two IKE SAs have goes with the last one.
err_t given_put(struct given *g, const struct ike_given *what, struct why *why);
void given_take(struct given *g, const struct ike_given *what);
// The executor's device may be a new one, without addresses.
void given_again(struct given *g);
