// psk.h - AUTH with a pre-shared key (RFC 7296 2.15).
#pragma once

#include "ike/sa/ike_sa.h"

// One side's proof: whose it is, and the identity in it.
struct psk_claim {
    bool initiators;     // AUTH of the IKE SA's initiator, else of its responder
    const struct id *us; // to look the key up
    const struct id *peer;
    span_t id_body; // the ID payload's body, exactly as on the wire
};

// The AUTH data, prf_len bytes. The opening must still be there.
// Errors: ERR_NOTFOUND (no key for this pair of identities), ERR_CRYPTO.
err_t psk_prove(const struct ike_sa *sa, const struct psk_claim *claim, uint8_t out[64]);
// Compares in constant time. Errors: ERR_AUTH (wrong), ERR_NOTFOUND (no key).
err_t psk_check(const struct ike_sa *sa, const struct psk_claim *claim, span_t proof);
