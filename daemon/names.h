// names.h - keeps the addresses of the configuration's DNS names fresh: a peer with dynamic DNS
// moves, and at boot the name server may come up later than we do.
#pragma once

#include "daemon/iked.h"

#define NAMES_AGAIN_NS (60 * NSEC_PER_SEC)   // between looks at names that have an address
#define NAMES_MISSING_NS (10 * NSEC_PER_SEC) // ... and at names that have none yet

// Has every name of c looked up in the background.
void names_ask(struct iked *d, const struct config *c);
// d->config has come into force with the addresses known now: watches for changes from here on.
void names_watch(struct iked *d);
// An answer has come in: if an address has changed, the configuration comes into force anew.
void names_on_answer(struct iked *d);
void names_done(struct iked *d);
