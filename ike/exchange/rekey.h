// rekey.h - what rekeying of IKE SAs and of child SAs must know of each other (RFC 7296 2.25).
#pragma once

#include "ike/exchange/step.h"

// Is this IKE SA being rekeyed by us, or is it undecided whether it stays?
bool rekey_ike_under_way(const struct ike_sa *sa);
// The additional key exchanges of the peer's CREATE_CHILD_SA are done (followup.h): what was agreed
// on is made. p is still the caller's.
struct pending;
struct ike_deal;
err_t child_finish(struct turn *t, struct pending *p);
err_t rekey_child_finish(struct turn *t, struct pending *p);
err_t rekey_ike_finish(struct turn *t, struct pending *p);
void rekey_ike_deal_free(struct ike_deal *d); // wipes; NULL is fine
// Are we creating, rekeying or closing a child SA of it?
bool rekey_child_under_way(const struct ike_sa *sa);
// The IKE SA is closed while our rekeying of it is under way: if the peer's own rekeying was
// answered, that one stands (2.8.2). Returns the IKE SA that takes over, or NULL.
struct ike_sa *rekey_ike_heir(struct ike_sa *old);
// A request came on an IKE SA of which it is undecided whether it stays. The peer has all nonces:
// if it goes on with this one, for anything but its DELETE, this one stays.
void rekey_ike_heard(struct ike_sa *heir, const struct msg *in);
// The peer's rekeying stands: children, tasks and those who wait go over to the new IKE SA, and the
// old one waits for the peer's DELETE.
void rekey_ike_hand_over(struct ike_sa *old, struct ike_sa *heir);
