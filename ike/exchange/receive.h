// receive.h - the way of a datagram to its handler.
#pragma once

#include "ike/ike.h"

// Anything may be in d. What is not authentic changes nothing.
void receive(struct ike *ike, const struct datagram *d);
