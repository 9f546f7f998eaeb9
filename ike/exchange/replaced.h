// replaced.h - what goes when a connection does, or means something else now: as in strongSwan,
// what start_action has started, under whatever name a user has it; the new one is started after
// that.
#pragma once

#include "ike/sa/diplomat.h"

// Call before `fresh` takes the place of ike->conns. Child SAs whose child has start_action = start
// and is gone, or was written differently, are closed, and their IKE SA if nothing else is in it
// and nothing will be. What is written as before stays as it is, whoever loads it again.
void replaced_close(struct ike *ike, const struct conns *fresh);
