// up.h - what happens when an IKE SA comes into force: its clocks start, older ones of the same
// peer are looked at (RFC 7296 2.4; swanctl.conf `unique`).
#pragma once

#include "ike/sa/ike_sa.h"

// The peer is authenticated. Sets IKE_UP and the timers, tells everybody.
void up_now(struct ike_sa *sa);
// Only the clocks: for an IKE SA that takes over from a rekeyed one.
void up_clocks(struct ike_sa *sa);
// Says when they are due.
void up_tell_clocks(const struct ike_sa *sa);
// `unique = keep`: is there another IKE SA of this peer, at another address?
bool up_must_refuse(const struct ike_sa *sa, bool initial_contact);
// Ends what the new IKE SA replaces. Call when its first child SA is in use.
void up_replace_others(struct ike_sa *sa);
// Both sides opened one at the same moment: we close ours if it is the one to go, as soon as the
// peer's does all that ours did. Call after up_replace_others().
void up_settle_twins(struct ike_sa *sa);
// Does an earlier IKE SA with the same peer carry traffic that must not stop while this one begins?
bool up_takes_over(const struct ike_sa *sa);
// May we say INITIAL_CONTACT: is there no other IKE SA with this peer?
bool up_is_first(const struct ike_sa *sa);
