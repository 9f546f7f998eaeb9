// updown.h - tells a child's updown script that the child has come up or is going: one call for
// each pair of its selectors, with strongSwan's PLUTO_* variables.
#pragma once

#include "daemon/iked.h"

void updown_event(struct iked *d, const struct child_sa *child, bool up);
