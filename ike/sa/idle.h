// idle.h - child SAs that nobody uses any more (inactivity).
#pragma once

#include "ike/sa/child_sa.h"

// The clock of a child SA that was just installed; one that replaces another inherits its silence.
void idle_start(struct child_sa *c);
// The time allowed: the configuration's, or what a RADIUS server has said (Idle-Timeout); 0: any.
uint64_t idle_limit_s(const struct child_sa *c);
// Time to look. true: it has been silent for as long as the configuration allows.
bool idle_is_over(struct child_sa *c);
