// timers.h - what is to be done when time has passed.
#pragma once

#include "ike/sa/ike_sa.h"

// Runs every timer of every IKE SA that is due.
void timers_run(struct ike *ike);
// What the executor reports (struct xfrm_event).
void timers_xfrm_event(struct ike *ike, const struct xfrm_event *ev);
// Rekeys now; no harm if it is under way already.
void timers_rekey_child(struct child_sa *c);
void timers_rekey_ike(struct ike_sa *sa);
