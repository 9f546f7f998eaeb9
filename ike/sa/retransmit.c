#include "ike/sa/retransmit.h"

#include "ike/sa/diplomat.h"

static void arm(struct ike_sa *sa)
{
    const struct ike_options *opt = &sa->ike->opt;
    double wait = (double)opt->retransmit_ns;
    for (unsigned i = 0; i < sa->retransmits; i++) wait *= opt->retransmit_base;
    ike_sa_timer(sa, TIMER_RETRANSMIT, ike_now(sa->ike) + (uint64_t)wait);
}

void retransmit_start(struct ike_sa *sa)
{
    sa->retransmits = 0;
    arm(sa);
}

void retransmit_stop(struct ike_sa *sa)
{
    sa->retransmits = 0;
    ike_sa_timer(sa, TIMER_RETRANSMIT, DUE_NEVER);
}

err_t retransmit_again(struct ike_sa *sa)
{
    struct ike *ike = sa->ike;
    if (sa->retransmits >= ike->opt.retransmit_tries) return ERR_TIMEOUT;
    sa->retransmits++;
    ike->stats.retransmitted++;
    tell(ike, sa, LOG_INFO, "no answer yet: sending the request again (%u of %u)", sa->retransmits,
         ike->opt.retransmit_tries);
    // rfc7296 2.1 MUST: a retransmission is the same message, bit by bit.
    ike_sa_send(sa, window_last_request(&sa->window));
    arm(sa);
    return ERR_OK;
}
