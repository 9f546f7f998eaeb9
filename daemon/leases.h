// leases.h - the leases of the address pools in a file, so that clients get their addresses again
// after a restart of pavise-iked.
#pragma once

#include "daemon/iked.h"

// Takes what an earlier run has left. Before the first ike_configure(). A file that makes no sense
// is put aside, with a sentence.
void leases_restore(struct iked *d);
// Leases may have changed: they are written a little later, many changes at once.
void leases_notice(struct iked *d);
// Writes at once if there is something to write; ends the timer.
void leases_done(struct iked *d);
