// lifetime.h - AUTH_LIFETIME (RFC 4478): a responder, whose peer it often cannot call, says how
// long it holds the authentication good; the initiator authenticates again before that is over.
#pragma once

#include "ike/exchange/step.h"

// Responder, in the answer that ends IKE_AUTH: `reauth_time`, if there is one.
void lifetime_put(const struct ike_sa *sa, struct msgw *out);
// Initiator, in that answer or in INFORMATIONAL later: the earlier of the peer's wish and ours
// counts. Call when the clocks run (up_now).
void lifetime_take(struct ike_sa *sa, const struct msg *in);
