// mobike.h - MOBIKE's words (RFC 4555): who can, other addresses, "these addresses count now", and
// the check that a peer is where it says. What to say when is decided in roam.h.
#pragma once

#include "ike/exchange/step.h"

// What UNEXPECTED_NAT_DETECTED asks of the user.
#define MOBIKE_NAT_HINT                                                                       \
    "; a NAT on the way changes our addresses, and the peer takes no part in NAT traversal: " \
    "switch that on there, or reach it without a NAT"

// In IKE_AUTH: MOBIKE_SUPPORTED and our other addresses, if the connection lets us.
void mobike_put(struct ike_sa *sa, struct msgw *m);
// ... and the peer's: from here on both speak MOBIKE, or not.
void mobike_agree(struct ike_sa *sa, const struct msg *in);
// Responder, at IKE_AUTH: are its addresses as the peer insists (NO_NATS_ALLOWED)? An error has
// been said (refuse()).
err_t mobike_judge(struct turn *t);
// Does the initiator have to go on from port 4500, NAT or not?
bool mobike_floats(const struct ike_sa *sa);
// What a request of the peer says about addresses, and the answer to it.
void mobike_on_request(struct turn *t);
// Dead-peer detection tells behind a NAT whether its mapping is still the same (RFC 4555 3.8).
void mobike_put_probe(struct ike_sa *sa, struct msgw *m);
void mobike_on_probe(struct turn *t);
