// choose.h - which connection is meant: by addresses, algorithms and identities, best fit first, as
// strongSwan chooses (RFC 7296 2.15, 3.5).
#pragma once

#include "ike/sa/ike_sa.h"

// Our own identity in a connection: the configured one, or our address.
struct id choose_local_id(const struct conf_conn *conf, const ip_t *local);
// Can this identity be named to a peer, or is it a pattern?
bool choose_is_exact(const struct id *id);

// For a responder who has heard IDi and perhaps IDr (NULL: not sent). NULL: none fits, and the
// sentence says what came nearest.
struct conn *choose_conn(const struct ike_sa *sa, const struct id *idi, const struct id *idr,
                         struct why *why);
