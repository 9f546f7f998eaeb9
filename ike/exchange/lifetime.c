#include "ike/exchange/lifetime.h"

#include "base/order.h"
#include "base/words.h"
#include "ike/exchange/message.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/granted.h"

// A peer that wants it more often than this gets a busy line, not us.
#define LIFETIME_MIN_S 30

void lifetime_put(const struct ike_sa *sa, struct msgw *out)
{
    uint8_t seconds[4];
    uint64_t s = sa->conn->conf.reauth_s, granted = granted_session_s(sa);
    if (granted && (!s || granted < s)) s = granted;
    if (!s) return;
    put32(seconds, s > UINT32_MAX ? UINT32_MAX : (uint32_t)s);
    put_notify(out, N_AUTH_LIFETIME, SPAN(seconds));
}

void lifetime_take(struct ike_sa *sa, const struct msg *in)
{
    struct notify n;
    if (!sa->initiator || notify_find(in, N_AUTH_LIFETIME, &n) != ERR_OK) return;
    if (n.data.len != 4) return; // rfc4478 3: seconds in four bytes, or nothing that we understand
    uint64_t s = get32(n.data.at), now = ike_now(sa->ike);
    if (s < LIFETIME_MIN_S) s = LIFETIME_MIN_S;
    // rfc4478 3 MUST: before it is over; over_time, or a tenth, is left for attempts that fail.
    uint64_t over = sa->conn->conf.over_s;
    if (over == 0 || over >= s) over = s / 10;
    uint64_t due = now + (s - over) * NSEC_PER_SEC, planned = sa->timer[TIMER_REAUTH];
    // Who reauthenticates knows it from before.
    const struct ike_sa *old = sa->reauth_of ? ike_sa_by_id(sa->ike, sa->reauth_of) : NULL;
    if (old && old->lifetime_s == s && due < planned) ike_sa_timer(sa, TIMER_REAUTH, planned = due);
    sa->lifetime_s = (uint32_t)s;
    if (due < planned) {
        ike_sa_timer(sa, TIMER_REAUTH, due);
        tell(sa->ike, sa, LOG_STORY, SAY_AUTH_LIFETIME, s, s - over);
    } else {
        tell(sa->ike, sa, LOG_STORY, SAY_AUTH_LATER, s,
             (uint64_t)((planned - now + NSEC_PER_SEC / 2) / NSEC_PER_SEC));
    }
    if (now + s * NSEC_PER_SEC < sa->timer[TIMER_LIFE])
        ike_sa_timer(sa, TIMER_LIFE, now + s * NSEC_PER_SEC);
}
