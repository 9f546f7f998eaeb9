// round.h - authentication in rounds (RFC 4739): each side proves one identity after the other, as
// its local and remote sections say. Usually there is one of each.
//
// A round of ours is the next local section, one of the peer's the next remote one; the two go
// side by side, in the same IKE_AUTH exchanges, as long as both have one.
#pragma once

#include "ike/codec/msg.h"
#include "ike/sa/ike_sa.h"

// The section under way; NULL: all are through. The opening must still be there.
const struct conf_side *round_ours(const struct ike_sa *sa);
const struct conf_side *round_theirs(const struct ike_sa *sa);
// The last section: whose identity the IKE SA bears.
const struct conf_side *round_last(const struct conf_side *first);
bool round_any_by_key(const struct conf_side *first); // is one of them a public key?

bool round_is_first(const struct ike_sa *sa);
bool round_is_last(const struct ike_sa *sa);

// MULTIPLE_AUTH_SUPPORTED, in the responder's IKE_SA_INIT and in the initiator's first IKE_AUTH.
void round_offer(const struct ike_sa *sa, struct msgw *m);
void round_hear(struct ike_sa *sa, const struct msg *in);
// Can the peer do what the connection asks for? ERR_CLOSED with a sentence.
err_t round_check(const struct ike_sa *sa, struct why *why);
// ANOTHER_AUTH_FOLLOWS behind our proof, if one more of ours follows.
void round_put(const struct ike_sa *sa, struct msgw *m);
// Does the peer prove itself in this message, and say that it will again, as often as it has to?
// ERR_AUTH with a sentence.
err_t round_expects(const struct ike_sa *sa, const struct msg *in, struct why *why);

// The same of the AUTH at the end of a round by EAP.
err_t round_expects_more(const struct ike_sa *sa, const struct msg *in, struct why *why);

// Both proofs of an exchange were given and taken: on to the next. true: there is none.
bool round_over(struct ike_sa *sa);
