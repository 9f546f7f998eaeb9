// recheck.h - reauthentication that makes before it breaks: nobody is asked about revoked
// certificates while it is under way, since the answer may have to come through the very tunnel
// that is being replaced, or late. What is at hand counts; the rest is asked when the new IKE SA is
// up, which goes if the answer is bad.
#pragma once

#include "ike/sa/ike_sa.h"

struct peer_work;

// Is the peer of this IKE SA, which is not up yet, judged by what is at hand?
bool recheck_is_due(const struct ike_sa *sa);
// It was: remembers its certificates. ERR_NOMEM.
err_t recheck_keep(struct ike_sa *sa, struct peer_work *judged);
// The IKE SA is up: asks. Nothing if there is nothing to ask.
void recheck_start(struct ike_sa *sa);
// Another IKE SA with the same peer takes over.
void recheck_move(struct ike_sa *from, struct ike_sa *to);
void recheck_drop(struct ike_sa *sa);
