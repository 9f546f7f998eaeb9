// redirect.h - another gateway instead (RFC 5685). Clients say that they can be sent elsewhere; a
// gateway may do so in IKE_SA_INIT, in IKE_AUTH and later. What the connection demands of its peer
// holds for the new gateway, too: whoever forges a redirection gains nothing by it.
#pragma once

#include "ike/exchange/step.h"

// ---- client ----
// Into IKE_SA_INIT: that we can be redirected, or that we were.
void redirect_offer(struct ike_sa *sa, struct msgw *m);
// A REDIRECT in the peer's message, if there is one: a new IKE SA with the gateway that it names
// takes over what this one has, or was asked for. ERR_NOTFOUND: there is none; ERR_SYNTAX: it
// cannot be read, or (IKE_SA_INIT) it is not about our request; ERR_STATE: it is not followed,
// which was told.
err_t redirect_take(struct ike_sa *sa, const struct msg *in);
// TIMER_REDIRECT: the gateway's name may have an address now.
void redirect_look(struct ike_sa *sa);

// ---- gateway ----
// From IKE_SA_INIT: whether the peer can be redirected, and where it comes from.
void redirect_hear(struct ike_sa *sa, const struct msg *in);
// A gateway as users write it: an address, or a name. ERR_SYNTAX.
#define REDIRECT_NAME_MAX 253
struct redirect_to {
    uint8_t len, at[2 + REDIRECT_NAME_MAX]; // as in the Notify
};
err_t redirect_parse(const char *gateway, struct redirect_to *out);
// Sends the client away. ERR_UNSUPPORTED: it cannot be redirected; ERR_NOMEM.
err_t redirect_ask_peer(struct ike_sa *sa, const struct redirect_to *to);
