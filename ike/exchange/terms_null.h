// terms_null.h - child SAs for peers that have not proved who they are (RFC 7619 2.5, 3.3).
#pragma once

#include "ike/codec/payloads.h"
#include "ike/sa/ike_sa.h"

// Would these selectors take traffic from somebody who has proved who he is, or could, or from
// another such peer? ERR_EXISTS with a sentence.
err_t terms_null_check(struct ike_sa *sa, const struct ts_list *tsi, const struct ts_list *tsr,
                       struct why *why);
