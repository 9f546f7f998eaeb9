// auth.h - what IKE_AUTH with and without EAP have in common (auth.c, eap.c).
#pragma once

#include "ike/exchange/step.h"

// ---- initiator
// The proof in t->in of who the responder is; it is from then on. Errors as peer_check().
err_t auth_check_responder(struct turn *t, struct why *why);
// Is that whom the connection calls? ERR_AUTH with a sentence.
err_t auth_is_meant(const struct ike_sa *sa, const struct id *idr, struct why *why);
// Both proofs of the round were given and taken: on to the next one, or it is up.
err_t auth_believed(struct turn *t);
// Says so, and ends the IKE SA. t->task is over.
void auth_not_believed(struct turn *t, err_t err, struct why *why);
// The responder has ended it already.
void auth_refused(struct turn *t, err_t err, const char *sentence);

// eap.c, in place of a proof: that it shall be by EAP, and whatever follows that.
void eap_ask_for(struct ike_sa *sa, struct msgw *m);
err_t eap_ask_more(struct ike_sa *sa, struct msgw *m, struct why *why);

// ---- responder
// Whom the initiator says that it is: looks for its connection (first round), or compares with it.
// May be called again for the same message. Errors with a sentence.
err_t auth_meet(struct turn *t, struct why *why);
// What only the first message says.
err_t auth_hear_first(struct turn *t);
// Our half of the round. ERR_AGAIN: somebody is at work on it.
err_t auth_prove_too(struct turn *t, struct why *why);
// More IKE_AUTH follow: keeps what the first of them has asked for, until the last is here.
err_t auth_wait(struct turn *t);
// The round is over: all that was asked for is answered after the last one.
err_t auth_end_round(struct turn *t);
// ... before that: ERR_AGAIN while a DHCP server is asked for the peer's address.
err_t auth_wait_for_lease(struct turn *t);
// Refuses, in the same words whatever the reason is.
err_t auth_fails(struct turn *t, const char *sentence);

// ---- both
// Who it is from now on.
void auth_know_peer(struct ike_sa *sa, const struct id *id);
