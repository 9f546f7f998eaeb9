#include "ike/sa/retransmit.h"

#include "base/words.h"
#include "ike/sa/diplomat.h"

#define PAUSE_MAX (1e6 * NSEC_PER_SEC) // what a timer can be set to, whatever the settings say

// rfc4555 3.11 SHOULD: who only follows leaves the one who decides time to find a way that works;
// one repetition more makes 5 minutes of the usual 2 3/4.
static unsigned tries(const struct ike_sa *sa)
{
    return sa->ike->opt.retransmit_tries + (sa->roam.on && !sa->roam.decides);
}

static void arm(struct ike_sa *sa)
{
    const struct ike_options *opt = &sa->ike->opt;
    double wait = (double)opt->retransmit_ns;
    double most = opt->retransmit_limit_ns ? (double)opt->retransmit_limit_ns : PAUSE_MAX;
    for (unsigned i = 0; i < sa->retransmits && wait < most; i++) wait *= opt->retransmit_base;
    if (wait > most) wait = most;
    // A little earlier each time: many who wait for the same peer do not speak up as one.
    uint64_t early = ike_random_below(sa->ike, (uint64_t)(wait / 100 * opt->retransmit_jitter) + 1);
    ike_sa_timer(sa, TIMER_RETRANSMIT, ike_now(sa->ike) + (uint64_t)wait - early);
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

void retransmit_anew(struct ike_sa *sa)
{
    span_t request = window_last_request(&sa->window);
    if (!request.len) return;
    ike_sa_send(sa, request);
    retransmit_start(sa);
}

err_t retransmit_again(struct ike_sa *sa)
{
    struct ike *ike = sa->ike;
    if (sa->retransmits >= tries(sa)) return ERR_TIMEOUT;
    sa->retransmits++;
    ike->stats.retransmitted++;
    tell(ike, sa, LOG_STORY, SAY_RETRANSMIT, sa->retransmits, sa->window.send - 1);
    tell_alert(ike, sa, ALERT_RETRANSMIT_SEND);
    // rfc7296 2.1 MUST: a retransmission is the same message, bit by bit.
    ike_sa_send(sa, window_last_request(&sa->window));
    arm(sa);
    return ERR_OK;
}
