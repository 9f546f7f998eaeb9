// unlike.h - the story of a disagreement: what each side wants, and where that differs first.
#pragma once

#include "ike/codec/payloads.h"
#include "ike/codec/proposal.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/queue.h"

// We refuse: what the peer offers, what we take, the first difference.
void unlike_proposals(struct ike *ike, const struct ike_sa *sa, const struct proposals *theirs,
                      const struct proposals *ours);
// The peer refuses: what we have offered. What it would have taken only its own log knows.
void unlike_refused(struct ike *ike, const struct ike_sa *sa, const struct proposals *ours);
// The peer refuses a child SA by this Notify: what we asked for.
void unlike_offer(struct ike *ike, const struct ike_sa *sa, uint16_t notify, const struct offer *o);
