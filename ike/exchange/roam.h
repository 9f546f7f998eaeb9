// roam.h - changing networks (RFC 4555 3.5, 3.6, 3.10): which ways there are to the peer, which of
// them work, and who has to be told.
#pragma once

#include "ike/exchange/step.h"

// Addresses or routes of this host have changed, or the peer's addresses: is the way still good?
void roam_look(struct ike_sa *sa);
void roam_look_all(struct ike *ike);
// Our request was not answered for a while: it goes over every way there is.
void roam_doubt(struct ike_sa *sa);
// An authentic answer arrived: it shows a way that works.
void roam_answered(struct ike_sa *sa, const struct datagram *d);
// The peer says that it is at other addresses, and speaks from there now.
void roam_peer_moved(struct ike_sa *sa, const ip_t *from);
// The peer refuses the addresses that we have chosen. false: there are no others.
bool roam_refused(struct ike_sa *sa);
// Puts a task before all others, unless one of its kind waits already.
void roam_ask_first(struct ike_sa *sa, enum task_kind kind);
// "These addresses count now" is to be said (again).
void roam_announce(struct ike_sa *sa);
// Our addresses besides the one in use, as the peer may know them; at most ROAM_ADDRS_MAX.
unsigned roam_others(const struct ike_sa *sa, ip_t *out);
// May we be at this address? local_addrs says where, as long as this host has any of these.
bool roam_may_be_here(const struct ike_sa *sa, const ip_t *ip);
// An IKE SA that was made by rekeying goes on from where the old one is.
void roam_inherit(const struct ike_sa *old, struct ike_sa *heir);
