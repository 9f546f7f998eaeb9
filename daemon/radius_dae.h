// radius_dae.h - RADIUS servers that put somebody out (RFC 5176): a socket for Disconnect-Request.
#pragma once

#include "daemon/iked.h"

struct radius_dae;

// Listens as d->strongswan.radius.dae says, instead of where it did before; says so if it cannot.
void dae_settings(struct iked *d);
void dae_stop(struct iked *d);
