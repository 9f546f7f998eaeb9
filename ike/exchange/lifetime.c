#include "ike/exchange/lifetime.h"

#include <inttypes.h>

#include "base/order.h"
#include "ike/exchange/message.h"
#include "ike/sa/diplomat.h"

// A peer that wants it more often than this gets a busy line, not us.
#define LIFETIME_MIN_S 30

void lifetime_put(const struct ike_sa *sa, struct msgw *out)
{
    uint8_t seconds[4];
    uint64_t s = sa->conn->conf.reauth_s;
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
    // rfc4478 3 MUST: before it is over; a tenth is left for attempts that fail.
    uint64_t early = now + (s - s / 10 - ike_random_below(sa->ike, s / 20 + 1)) * NSEC_PER_SEC;
    tell(sa->ike, sa, LOG_INFO, "the peer wants us to authenticate again within %" PRIu64 " s", s);
    if (early < sa->timer[TIMER_REAUTH]) ike_sa_timer(sa, TIMER_REAUTH, early);
    if (now + s * NSEC_PER_SEC < sa->timer[TIMER_LIFE])
        ike_sa_timer(sa, TIMER_LIFE, now + s * NSEC_PER_SEC);
}
