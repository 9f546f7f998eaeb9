// receive.h - the way of a datagram to its handler.
#pragma once

#include "ike/ike.h"

// Anything may be in d. What is not authentic changes nothing.
void receive(struct ike *ike, const struct datagram *d);
// The work that the message put aside has waited for is done (ike/sa/work.h): its handler runs
// again, from the beginning.
void receive_resume(struct ike_sa *sa);
