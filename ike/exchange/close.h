// close.h - how SAs end, and what follows from it (close_action, dpd_action, another attempt).
#pragma once

#include "ike/sa/child_sa.h"

// At once, without a word to the peer. c is freed.
void close_child(struct child_sa *c, enum close_why why);
// A child that another one has replaced: outbound goes, inbound lingers for late packets.
void close_child_softly(struct child_sa *c);
// The same, but outbound goes on until a child that takes over is switched to, or linger ends.
void close_child_later(struct child_sa *c);
// With a DELETE; job may be NULL.
void close_child_ask(struct child_sa *c, enum close_why why, struct job *job);

// At once, children included. Those who wait for it to be up hear err and the sentence. The SA
// stays a moment to repeat its last answer if the peer closed it; the memory goes later.
void close_ike(struct ike_sa *sa, enum close_why why, err_t err, const char *sentence);
// With a DELETE, and a Notify (0: none). Children go when it is answered. An SA that is not up yet
// ends at once.
void close_ike_ask(struct ike_sa *sa, enum close_why why, uint16_t notify, struct job *job);
// The opening failed with this task under way: with `keyingtries = 0` its child is tried again
// later.
void close_retry_later(struct ike_sa *sa, const struct task *t);
// Only DELETE is left for this SA; if none comes either, it ends silently after a while.
void close_ike_rekeyed(struct ike_sa *sa);
// The reauthenticated IKE SA goes when the new one has nothing left to set up.
void close_if_replaced(struct ike_sa *sa);
