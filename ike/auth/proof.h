// proof.h - one side's proof of who it is, in one round (round.h): whatever the method of its
// section is, made, written and checked.
#pragma once

#include "ike/auth/peer.h"

// Ours for the round under way, before its message is written. Errors: ERR_AGAIN (a work was
// started, which calls `done` at its end), any other with a sentence.
err_t proof_make(struct ike_sa *sa, void (*done)(struct ike_sa *sa), struct why *why);
// Its AUTH data, after proof_make(), for elsewhere than AUTH. peer: as below.
err_t proof_data(struct ike_sa *sa, const struct id *peer, struct blob *out, struct why *why);
// ID, CERT and AUTH. peer: whom we take the other side for.
err_t proof_put(struct ike_sa *sa, const struct id *peer, struct msgw *m, struct why *why);
// AUTH alone: at the end of a round by EAP.
err_t proof_put_auth(struct ike_sa *sa, const struct id *peer, struct msgw *m, struct why *why);
// The peer's. Errors as peer_check().
err_t proof_check(struct ike_sa *sa, const struct peer_claim *c, void (*done)(struct ike_sa *sa),
                  struct why *why);

// How it was proved, into the log; valid after proof_make(), proof_check().
void proof_tell_ours(const struct ike_sa *sa);
void proof_tell_theirs(const struct ike_sa *sa);
