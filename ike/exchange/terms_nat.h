// terms_nat.h - transport mode through a NAT: each side knows other addresses, and the selectors
// must speak of those that this side's packets carry (RFC 7296 2.23.1).
#pragma once

#include "ike/sa/ike_sa.h"

// Responder: the selectors as asked for, in our view of the addresses.
void terms_nat_in(const struct ike_sa *sa, struct ts_list *tsi, struct ts_list *tsr);
// Initiator: the selectors as answered, in our view.
void terms_nat_back(const struct ike_sa *sa, struct ts_list *tsi, struct ts_list *tsr);
// Responder: another host behind the same NAT whose packets in transport mode could not be told
// from those of this child SA, which is to be f: from outside both have one address, and no marks
// tell them apart. NULL: there is none.
const struct ike_sa *terms_nat_rival(const struct ike_sa *sa, const struct conf_child *f,
                                     const struct ts_list *tsi, const struct ts_list *tsr);
