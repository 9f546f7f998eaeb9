// octets.h - what AUTH covers (RFC 7296 2.15, RFC 9242 3.3.2), whatever the method.
#pragma once

#include "ike/sa/ike_sa.h"

#define INTAUTH_MAX (2 * PRF_MAX + 4)

// The octets that the IKE SA's initiator, or its responder, has to sign. id_body: its ID payload's
// body, exactly as on the wire. The parts borrow from sa, id_body and `between`; the opening must
// still be there. Errors: ERR_CRYPTO, ERR_ALGORITHM.
err_t octets_of(const struct ike_sa *sa, bool initiators, span_t id_body,
                uint8_t between[INTAUTH_MAX], struct octets *out);
// The parts one behind the other, for somebody else's thread. ERR_NOMEM.
err_t octets_copy(const struct octets *o, struct blob *out);
