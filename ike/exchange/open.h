// open.h - new IKE SAs of ours: called for by users, traps, start actions, and again after
// failures.
#pragma once

#include "ike/sa/ike_sa.h"

// What a child SA is wanted for.
struct open_wish {
    struct conn *conn;
    const struct conf_child *child; // NULL: the IKE SA only
    struct acquired acquired;       // all zero: no packet waits
    ip_t to; // where the peer is, if the connection does not say; AF_UNSPEC: where that says
    struct job *job; // may be NULL; a hold of its own is taken
};
// Sees to it that the wish comes true: nothing to do if it has, one more waiter if it is on its
// way, another child SA of an IKE SA that is up, or a new IKE SA.
void open_wish(struct ike *ike, const struct open_wish *wish);
// IKE_SA_INIT or IKE_AUTH got no answer: another attempt, as far as `keyingtries` allows. true: a
// new IKE SA has taken over the tasks of sa.
bool open_retry(struct ike_sa *sa);
// IKE_AUTH carries a child SA, which has not come about: it is a task of its own again.
void open_give_back(struct ike_sa *sa, struct task *auth);
// What this IKE SA has, or was asked for, another one shall have with the peer at this address; it
// goes when that is up.
void open_elsewhere(struct ike_sa *sa, const ip_t *to, const struct redirect *redirect);
// A new IKE SA with the same child SAs (TIMER_REAUTH); the old one goes when it is complete.
// The IKE SA is over: what shall take over from it and has waited for that begins.
void open_after(struct ike_sa *old);
void open_reauth(struct ike_sa *old);
