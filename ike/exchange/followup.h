// followup.h - IKE_FOLLOWUP_KE (RFC 9370 2.2.4): further key exchanges after CREATE_CHILD_SA,
// before anything is made of it.
//
// Who asked keeps what was agreed on in its task (struct agreement), and the task asks on until the
// chain is done. Who answers keeps it here, for one CREATE_CHILD_SA of an IKE SA at a time and not
// for long; a link, random and new in each answer, says that a request belongs to it.
#pragma once

#include "ike/exchange/step.h"
#include "ike/sa/chain.h"

struct deal;     // terms_answer.c: a child SA
struct ike_deal; // rekey_ike.c

// What the peer has begun with CREATE_CHILD_SA.
struct pending {
    struct chain chain;
    struct deal *deal; // one of the two; owned
    struct ike_deal *ike;
    struct conn *conn; // counted
    const struct conf_child *conf;
    uint32_t old; // id of the child SA that shall be replaced; 0 = none
};

// ---- the peer asked ----
// The reply, complete but for this, says that more must follow: p is kept, in the place of an
// earlier one. Takes p.
void followup_keep(struct turn *t, struct pending *p);
void followup_drop(struct ike_sa *sa); // if there is one
// Is the peer rekeying this IKE SA; or this child SA (any: 0)?
bool followup_rekeys_ike(const struct ike_sa *sa);
bool followup_makes(const struct ike_sa *sa, const struct conf_child *conf); // ... a new one
bool followup_rekeys_child(const struct ike_sa *sa, uint32_t id);

// ---- we asked ----
// The answer in t wants the next exchange: the task goes on with it; or it yields, where the peer
// has begun the same and its exchange wins.
err_t followup_go_on(struct turn *t);
// Did our exchange lose against the peer's (RFC 7296 2.8.1)? Its answer must have been read.
bool followup_lost(const struct task *t);
// ... then it is given up, and looked at again when the peer's should be done.
void followup_yield(struct turn *t);
