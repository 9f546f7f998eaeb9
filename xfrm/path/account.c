#include "xfrm/db/counter.h"
#include "xfrm/path/stages.h"

static void tell_expire(struct worker *w, const struct sa_conf *conf, bool hard)
{
    struct xfrm_event ev = {.kind = XFRM_EV_EXPIRE, .hard = hard, .sa = &conf->x};
    w->exits.event(w->exits.ctx, &ev);
}

static void note_use(const struct worker *w, struct sa *sa)
{
    if (sa->use_time) return;
    count_set(&sa->use_time, w->wall);
    count_set(&sa->used_mono, w->now);
}

static enum lifetime review(struct worker *w, struct sa *sa)
{
    const struct sa_conf *conf = rcu_dereference(sa->conf);
    enum lifetime life = lifetime_by_traffic(&conf->x.limit, sa->bytes, sa->packets);
    if (life == LIFETIME_HARD && sa_raise(&sa->dead)) tell_expire(w, conf, true);
    if (life == LIFETIME_SOFT && sa_raise(&sa->dying)) tell_expire(w, conf, false);
    return life;
}

bool account_packet(struct worker *w, struct sa *sa, uint32_t bytes)
{
    // rfc4301 4.4.2.1 MUST: no packet after the hard lifetime; UPDSA may have lowered it meanwhile
    if (sa_flag(&sa->dead) || review(w, sa) == LIFETIME_HARD) return false;
    note_use(w, sa);
    count_add(&sa->bytes, bytes);
    count_add(&sa->packets, 1);
    (void)review(w, sa); // told with the packet that reaches the limit, not with the next one
    return true;
}
