// eap_judge.h - certificates that are shown inside EAP (eap/tls.c) are judged as those of IKE are,
// by what the connection's section says; in the thread that runs the conversation.
#pragma once

#include "eap/eap.h"
#include "ike/auth/peer_work.h"

struct eap_judge;

// For the peer's section of the round under way. NULL: out of memory.
struct eap_judge *eap_judge_new(const struct ike_sa *sa, const struct conf_side *side);
void eap_judge_free(struct eap_judge *j); // one holder less; NULL is fine
// The terms for TLS, of which it is the holder.
void eap_judge_terms(struct eap_judge *j, const struct ike_sa *sa, struct tls_terms *out);
// What is to be told and kept, in the protocol's thread, when a step is over. ERR_NOMEM.
err_t eap_judge_tell(struct eap_judge *j, struct ike_sa *sa);
