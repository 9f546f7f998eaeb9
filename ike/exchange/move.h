// move.h - following a peer whose NAT gives it another address or port (RFC 7296 2.23).
#pragma once

#include "ike/sa/ike_sa.h"

// After an authentic and new message: are we to answer somewhere else from now on?
void move_follow(struct ike_sa *sa, const struct datagram *d);
// The executor has seen authentic ESP from elsewhere.
void move_to(struct ike_sa *sa, const endpoint_t *local, const endpoint_t *remote);
