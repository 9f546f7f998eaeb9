// relay.h - a conversation whose methods are a RADIUS server's (RFC 3579): we ask at most who the
// peer is, and carry packets both ways. Its state, packet, key and sentences are those of eap.h.
#pragma once

#include "eap/eap.h"

#define EAP_RELAY_MAX 3072U // bytes of a peer's packet: RADIUS has 4096 for all

// What the peer has said of itself, or would have if it had been asked, for the server.
struct eap_name_is {
    size_t len;
    uint8_t packet[5 + 64 + ID_TEXT_MAX];
};

// Server, instead of eap_begin(): from now on nothing is decided here. `prefix` (64 bytes at most)
// stands before the name. ERR_SPACE.
err_t eap_relay_begin(struct eap *e, const char *prefix, struct eap_name_is *out);
bool eap_is_relayed(const struct eap *e);
// The peer's next packet: is it to be sent on? If not, the conversation has failed.
bool eap_relay_take(struct eap *e, span_t packet);
// What the server answers: EAP_RUNS with a request; EAP_SUCCEEDED, perhaps with a key; EAP_FAILED.
// What is to be sent to the peer is eap_packet(). Who accepts a client that it has not asked
// anything fails.
void eap_relay_give(struct eap *e, enum eap_state what, span_t packet, span_t msk);
void eap_relay_lose(struct eap *e, const char *why); // there is no answer
uint8_t eap_relayed_type(const struct eap *e);       // the method under way; EAP_ANY: none yet
