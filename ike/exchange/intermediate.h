// intermediate.h - between IKE_SA_INIT and IKE_AUTH: IKE_INTERMEDIATE (RFC 9242) with additional
// key exchanges (RFC 9370 2.2.2) and, in the last one, a PPK (RFC 9867). Each goes under the keys
// of the one before it, and AUTH covers all.
#pragma once

#include "ike/exchange/step.h"

// Notes which additional key exchanges `chosen` asks for.
void intermediate_plan(struct ike_sa *sa);
// Is one of them, or a PPK, still to be done?
bool intermediate_is_due(const struct ike_sa *sa);
// A message of IKE_INTERMEDIATE, complete and in clear, joins what AUTH will cover. initiators: the
// request.
err_t intermediate_cover(struct ike_sa *sa, bool initiators, const struct clear *c);
// The keys that the last exchange made come into force: its answer has been sent, or received. On
// an error (ERR_NOMEM, or what the provider says) those before them stay.
err_t intermediate_turn(struct ike_sa *sa);
