// eap_round.h - a round of authentication that EAP proves (RFC 7296 2.16): the initiator is EAP's
// peer, the responder its server. The conversation itself is in eap/; here is how the diplomat has
// it, and AUTH by the key that comes out of it.
//
// Usually the responder proves itself first, by its key or a shared secret. Where its section says
// EAP, too, the conversation proves both sides (RFC 5998), and only methods that do are taken.
#pragma once

#include "eap/eap.h"
#include "ike/auth/peer.h"

// Conversations with initiators at a time: who has proved nothing makes us keep some 60 kB of TLS.
#define EAP_TALKS_MAX 2000

// Does EAP prove the initiator in the round under way? And the responder, too?
bool eap_round_is_on(const struct ike_sa *sa);
bool eap_round_is_alone(const struct ike_sa *sa);

// Initiator, when the responder's identity is known; responder, when it has a connection. Errors
// with a sentence: ERR_NOCHOICE (responder: none of the methods can be used), ERR_LIMIT, ERR_NOMEM.
// ERR_AGAIN: a RADIUS server is asked, after which `done` is called and this once more.
err_t eap_round_begin(struct ike_sa *sa, void (*done)(struct ike_sa *sa), struct why *why);
// A packet of the other side: handled in another thread, after which `done` is called and this once
// more. ERR_OK: opening->eap.talk has taken it. Errors: ERR_AGAIN, ERR_LIMIT, ERR_NOMEM.
err_t eap_round_take(struct ike_sa *sa, span_t packet, void (*done)(struct ike_sa *sa));
// Responder: goes on when it is known whom the initiator calls itself in EAP; the connection may
// have become another one. Errors as eap_round_begin(); after ERR_AGAIN eap_round_take() follows.
err_t eap_round_go_on(struct ike_sa *sa, void (*done)(struct ike_sa *sa), struct why *why);
// May the connection's section have a peer of this name in EAP? 0: no.
unsigned eap_round_fits(const struct conf_side *side, const struct id *who);
void eap_round_tell(struct ike_sa *sa); // the sentences of the last step
// It was proved: the IKE SA bears the name that EAP gave the peer. ERR_NOMEM.
err_t eap_round_known(struct ike_sa *sa);
void eap_round_done(struct ike_sa *sa); // wipes

// The AUTH data, prf_len bytes, by the key of the conversation. ERR_CRYPTO.
err_t eap_round_prove(const struct ike_sa *sa, bool initiators, span_t id_body, uint8_t out[64]);
err_t eap_round_check(const struct ike_sa *sa, bool initiators, span_t id_body,
                      span_t proof); // ERR_AUTH
