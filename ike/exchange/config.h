// config.h - the Configuration payload (RFC 7296 2.19, 3.15; RFC 8598): a client asks for addresses
// and what belongs to them, a gateway answers from its pools.
#pragma once

#include "ike/exchange/step.h"

// Client: the request, in IKE_AUTH, if the connection has `vips`.
void config_ask(const struct ike_sa *sa, struct msgw *m);
// Client: the answer; addresses come into force. After an error the IKE SA is being closed and
// everybody who waits has been told.
err_t config_answered(struct turn *t);

// Gateway: addresses for the peer, and the reply. After an error there can be no child SA:
// t->refuse says why.
err_t config_answer(struct turn *t);

// Both: a Configuration payload in an INFORMATIONAL request, if there is one.
err_t config_on_info(struct turn *t);
