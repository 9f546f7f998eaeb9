// ppk.h - post-quantum preshared keys (RFC 8784): mixed into SK_d, SK_pi and SK_pr, so that who
// breaks the key exchange later reads no traffic. Who opens names the key of its connection
// (ppk_id); who answers takes any that it has, or the connection's only.
#pragma once

#include "ike/codec/msg.h"
#include "ike/sa/ike_sa.h"

// IKE_SA_INIT: USE_PPK, as far as we have one for this.
void ppk_offer(const struct ike_sa *sa, struct msgw *m);        // initiator
void ppk_hear(struct ike_sa *sa, const struct msg *in);         // both
void ppk_answer_offer(const struct ike_sa *sa, struct msgw *m); // responder, after ppk_hear()

// Initiator, before its first IKE_AUTH: makes the proof that holds without the key, if that is
// enough for our user, and mixes the key in. Errors: ERR_AGAIN (a work was started, which calls
// `done`); ERR_NOTFOUND, ERR_CLOSED with a sentence: the connection requires one, and there is
// none.
err_t ppk_begin(struct ike_sa *sa, const struct id *peer, void (*done)(struct ike_sa *sa),
                struct why *why);
void ppk_put(const struct ike_sa *sa, struct msgw *m); // ... in it
// ... and when it is answered, before the responder's proof is looked at: was the key used?
// ERR_AUTH.
err_t ppk_answered(struct ike_sa *sa, const struct msg *in, struct why *why);

// Responder, before it looks at the initiator's proof. Without the key *proof becomes what was made
// without it. May be called again for the same message. ERR_AUTH with a sentence.
err_t ppk_take(struct ike_sa *sa, const struct msg *in, span_t *proof, struct why *why);
// Another connection is tried: what was decided for the one before is void.
void ppk_forget(struct ike_sa *sa);
void ppk_confirm(struct ike_sa *sa, struct msgw *m); // in its first IKE_AUTH
