// eap_relay.h - EAP whose methods a RADIUS server has (RFC 3579, strongSwan's eap-radius): the
// responder's part of it. A round by EAP (eap_round.h) goes on here where the section says so.
#pragma once

#include "ike/sa/ike_sa.h"

// Does a RADIUS server have the methods of the round under way?
bool eap_relay_is_on(const struct ike_sa *sa);
// Asks it for its first request to opening->eap.talk. ERR_AGAIN: `done` is called when it has
// answered, or will not; ERR_OK: it cannot be asked, and the conversation has failed. ERR_LIMIT,
// ERR_NOMEM: nothing has happened.
err_t eap_relay_start(struct ike_sa *sa, void (*done)(struct ike_sa *sa));
// The peer's next packet. Results likewise.
err_t eap_relay_go_on(struct ike_sa *sa, span_t packet, void (*done)(struct ike_sa *sa));
// Is the client in one of the groups that this section wants, if it wants any? After the server has
// accepted it.
bool eap_relay_fits(const struct ike_sa *sa, const struct conf_side *side);
// The peer has proved itself: what the server has granted it is the IKE SA's.
void eap_relay_known(struct ike_sa *sa);
void eap_relay_done(struct eap_part *part); // wipes
