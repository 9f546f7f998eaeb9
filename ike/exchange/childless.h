// childless.h - IKE SAs that begin without a child SA (RFC 6023): whether, by the connection's
// `childless`.
#pragma once

#include "ike/exchange/step.h"

// Initiator, at IKE_AUTH. ERR_CLOSED: the responder cannot, and we insist.
err_t childless_check(const struct ike_sa *sa, struct why *why);
bool childless_begins(const struct ike_sa *sa); // the first child SA comes later, by itself
// Responder: do we say that it may be?
bool childless_is_offered(const struct ike_sa *sa);
// ... and is this IKE_AUTH as the connection wants it? An error has been said (refuse()).
err_t childless_judge(struct turn *t);
