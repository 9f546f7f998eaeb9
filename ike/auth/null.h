// null.h - NULL authentication (RFC 7619): AUTH that binds the messages together and says nothing
// of who has sent them.
#pragma once

#include "ike/sa/ike_sa.h"

// Does whoever is at the other end of this IKE SA prove nothing? Then its identity counts for
// nothing (null_id), it gets its own address only (terms_answer.c), and there is a limit to how
// many of its kind there are.
bool null_is_peer(const struct ike_sa *sa);
#define NULL_PEERS_MAX 4096   // each costs us memory, and proves only that it has an address
#define NULL_PEERS_HOST_MAX 8 // ... from one address
// ERR_AUTH with a sentence.
err_t null_may_come(const struct ike_sa *sa, struct why *why);

// What such a peer bears instead of what it says: never the same twice, so that nothing is found by
// it.
struct id null_id(const struct ike_sa *sa);

// The AUTH data, prf_len bytes. id_body: the ID payload's body, exactly as on the wire. The opening
// must still be there. ERR_CRYPTO.
err_t null_prove(const struct ike_sa *sa, bool initiators, span_t id_body, uint8_t out[64]);
err_t null_check(const struct ike_sa *sa, bool initiators, span_t id_body,
                 span_t proof); // ERR_AUTH
