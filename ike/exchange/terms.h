// terms.h - the terms of a child SA: algorithms, traffic selectors, mode, SPIs, key exchange. The
// same in IKE_AUTH and CREATE_CHILD_SA, new or rekeyed (RFC 7296 1.2, 1.3, 2.9, 2.17).
#pragma once

#include "ike/exchange/step.h"

// ---- we ask ----
// Makes t->offer for t->conn and t->conf. first: in IKE_AUTH, without nonce and key exchange of its
// own. old: the child SA that shall be replaced, whose selectors are asked for again; or NULL.
err_t terms_offer(struct ike_sa *sa, struct task *t, bool first, const struct child_sa *old,
                  struct why *why);
// Can packets of this child reach the IKE SA's peer at all? ERR_UNSUPPORTED.
err_t terms_can_travel(const struct ike_sa *sa, const struct conf_child *f, struct why *why);
void terms_put(const struct task *t, bool first, struct msgw *m);
// The peer agreed: the child SA is made and installed. ERR_AGAIN: what was agreed on is in the
// task, and more key exchanges follow before it is made (followup.h); call again then. After
// another error the peer is told to delete its half; but for ERR_CLOSED: it has done so already.
err_t terms_accept(struct turn *t, bool first, const struct child_sa *old, struct child_sa **out);
// INVALID_KE_PAYLOAD in the peer's refusal: the group it wants goes into the task. ERR_NOTFOUND: it
// refuses for another reason; ERR_NOCHOICE: it wants one that we do not offer.
err_t terms_other_group(struct turn *t);

// ---- the peer asks ----
struct terms_question {
    bool first;
    const struct child_sa *old; // rekeying: what is replaced; else NULL
    bool hold_out;              // install outbound only when the peer is known to be ready
    bool takes_over;            // ... and let a child of an earlier IKE SA serve until then
};
// Decides, installs, and only then writes into the reply: an error leaves the reply as it was and
// t->refuse, t->about say why. nonce (may be NULL): ours. *out is NULL if more key exchanges must
// come first: the reply says so, and what was agreed on is kept (followup.h).
err_t terms_answer(struct turn *t, const struct terms_question *q, struct nonce *nonce,
                   struct child_sa **out);

// They have come: the child SA is made of the deal, which is still the caller's.
struct pending;
err_t terms_finish(struct turn *t, const struct terms_question *q, struct pending *p,
                   struct child_sa **out);
struct deal;
void terms_deal_free(struct ike_sa *sa, struct deal *d); // gives back what it holds; NULL is fine

// The lower nonce of an exchange, for RFC 7296 2.8.1: of ours and the peer's message.
struct nonce terms_lowest(const struct nonce *ours, const struct msg *in);
// A child SA of the peer's asking is up: the story, the event.
void terms_up(struct child_sa *c);
// One of ours is: likewise, and who waited for it is told; t->task is done.
void terms_ours_up(struct turn *t, struct child_sa *c);
// It replaces an older one.
void terms_fresh(struct child_sa *c);
