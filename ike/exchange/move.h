// move.h - following a peer whose NAT gives it another address or port (RFC 7296 2.23).
#pragma once

#include "ike/sa/ike_sa.h"

// The IKE SA's ends are elsewhere from now on, its child SAs not yet.
void move_ends(struct ike_sa *sa, const endpoint_t *local, const endpoint_t *remote);
// After an authentic and new message: are we to answer somewhere else from now on?
void move_follow(struct ike_sa *sa, const struct datagram *d);
// The child SAs follow the IKE SA's addresses and ports: INSTALL_IN, INSTALL_OUT (install.h).
void move_children(struct ike_sa *sa, unsigned which);
// The executor has seen authentic ESP from elsewhere.
void move_to(struct ike_sa *sa, const endpoint_t *local, const endpoint_t *remote);
