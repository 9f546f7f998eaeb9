// unloaded.h - what goes with a connection that is unloaded: as in strongSwan, what the daemon has
// started by itself (start_action = start), and the IKE SA if nothing else is in it.
#pragma once

#include "daemon/iked.h"

struct unloaded; // IKE SAs and child SAs that will go

// Finds them while the connection is still in force. NULL: there are none, or out of memory.
struct unloaded *unloaded_find(struct iked *d, const char *conn);
// Ends them, when the connection is in force no more. Takes u; NULL is fine.
void unloaded_end(struct iked *d, struct unloaded *u);
void unloaded_free(struct unloaded *u); // does nothing to them; NULL is fine
