// stale.h - SAs that an earlier run of the diplomat has left in the executor. They serve until the
// peers have negotiated anew, and go then. The executor is asked for them once, before the first
// one of this run: thousands of new child SAs must not make it list everything for each of them.
#pragma once

#include "ike/sa/child_sa.h"

struct stale {
    bool known; // the rest holds
    struct stale_sa *first;
    struct index by_hosts;
};

err_t stale_init(struct stale *s); // ERR_NOMEM
void stale_done(struct stale *s);  // forgets all; leaves the executor alone

// Before an SA is put into the executor.
void stale_look(struct ike *ike);
// The executor has begun anew.
void stale_ask_again(struct stale *s);

// Is there one between the same hosts and for the same traffic as this child SA?
bool stale_serves(const struct child_sa *c);
// Removes those from the executor. Returns how many.
unsigned stale_sweep(const struct child_sa *c);
