#include "ike/exchange/unlike.h"

#include "base/text.h"

#define SHOWN_MAX 4 // proposals of a list; a peer may send many
#define DIFF_MAX 500

static void show(const struct proposals *ps, struct text *t)
{
    char one[256];
    for (unsigned i = 0; i < ps->n && i < SHOWN_MAX; i++)
        text_add(t, "%s%s", i ? " | " : "", proposal_show(&ps->p[i], one));
    if (ps->n > SHOWN_MAX) text_add(t, " | ... (%u in all)", ps->n);
}

void unlike_proposals(struct ike *ike, const struct ike_sa *sa, const struct proposals *theirs,
                      const struct proposals *ours)
{
    char diff[DIFF_MAX];
    AUTO(text) struct text a = {0};
    AUTO(text) struct text b = {0};
    show(theirs, &a);
    show(ours, &b);
    tell(ike, sa, LOG_STORY, "the peer offers: %s", text_str(&a));
    tell(ike, sa, LOG_STORY, "taken here is:   %s", text_str(&b));
    tell(ike, sa, LOG_STORY, "first difference, theirs and ours: %s",
         proposals_diff(theirs, ours, diff, sizeof diff));
}

void unlike_refused(struct ike *ike, const struct ike_sa *sa, const struct proposals *ours)
{
    AUTO(text) struct text t = {0};
    show(ours, &t);
    tell(ike, sa, LOG_STORY,
         "refused by the peer was our offer: %s; what it would take stands in its own log",
         text_str(&t));
}

void unlike_offer(struct ike *ike, const struct ike_sa *sa, uint16_t notify, const struct offer *o)
{
    char a[200], b[200];
    if (!o) return;
    if (notify == N_NO_PROPOSAL_CHOSEN) unlike_refused(ike, sa, o->proposals);
    if (notify == N_NO_PROPOSAL_CHOSEN) tell_alert(ike, sa, ALERT_PROPOSAL_MISMATCH_CHILD);
    if (notify != N_TS_UNACCEPTABLE) return;
    tell_alert(ike, sa, ALERT_TS_MISMATCH);
    tell(ike, sa, LOG_STORY,
         "refused by the peer were our selectors, local_ts = %s and remote_ts = %s: on its side "
         "they "
         "have to be within those of one child, the other way round",
         ts_show(o->tsi, a, sizeof a), ts_show(o->tsr, b, sizeof b));
}
