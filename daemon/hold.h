// hold.h - what is said only after the updown scripts that were asked for before it have run: who
// asked for a tunnel, and the peer who built it with us, take an answer as leave to use it, so the
// scripts must have opened the firewall by then. Nothing else waits for scripts.
#pragma once

#include "daemon/iked.h"

#define HOLD_MAX 1024              // messages; what comes when so many wait is sent at once
#define HOLD_NS (2 * NSEC_PER_SEC) // less than peers wait before they ask again

// For d->scripts, which there must be; sets d->hold. ERR_NOMEM.
err_t hold_start(struct iked *d);
// Sends what is held. NULL is fine.
void hold_end(struct iked *d);
// A script has been asked for: answers to peers that are sent in this turn of the loop wait for it.
void hold_asked(struct iked *d);
// What was on the loop's hands is done.
void hold_turn_over(struct iked *d);
// true: it is sent later. The bytes are copied.
bool hold_message(struct iked *d, const struct datagram *datagram);
// What to wait for now, for hold_is_over(); 0: nothing.
uint64_t hold_mark(const struct iked *d);
bool hold_is_over(const struct iked *d, uint64_t mark);
