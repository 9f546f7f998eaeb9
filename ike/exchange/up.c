#include "ike/exchange/up.h"

#include <string.h>

#include "ike/exchange/close.h"
#include "ike/sa/diplomat.h"

static uint64_t in_seconds(const struct ike_sa *sa, uint64_t s)
{
    return ike_now(sa->ike) + s * NSEC_PER_SEC;
}

// Limit minus up to `rand` seconds, so that both sides do not come at once.
static uint64_t jittered(struct ike_sa *sa, uint64_t limit, uint64_t rand)
{
    uint64_t minus = ike_random_below(sa->ike, rand + 1);
    return in_seconds(sa, limit > minus ? limit - minus : 1);
}

void up_clocks(struct ike_sa *sa)
{
    const struct conf_conn *c = &sa->conn->conf;
    uint64_t life = DUE_NEVER;
    sa->up_at = ike_now(sa->ike);
    sa->heard_at = sa->said_at = sa->up_at;
    if (c->rekey_s) {
        ike_sa_timer(sa, TIMER_REKEY, jittered(sa, c->rekey_s, c->rand_s));
        life = in_seconds(sa, c->rekey_s + c->over_s);
    }
    if (c->reauth_s && sa->timer[TIMER_REAUTH] == DUE_NEVER) {
        ike_sa_timer(sa, TIMER_REAUTH, jittered(sa, c->reauth_s, c->rand_s));
        uint64_t over = in_seconds(sa, c->reauth_s + c->over_s);
        if (over < life) life = over;
    }
    ike_sa_timer(sa, TIMER_LIFE, life);
    if (c->dpd_delay_s) ike_sa_timer(sa, TIMER_PROBE, in_seconds(sa, c->dpd_delay_s));
    if (sa->nat_local && sa->ike->opt.keepalive_ns) {
        ike_sa_timer(sa, TIMER_KEEPALIVE, sa->up_at + sa->ike->opt.keepalive_ns);
    }
}

void up_now(struct ike_sa *sa)
{
    char us[ID_TEXT_MAX], peer[ID_TEXT_MAX];
    sa->state = IKE_UP;
    table_remove_half_open(&sa->ike->table, sa);
    ike_sa_timer(sa, TIMER_CLOSE, DUE_NEVER);
    up_clocks(sa);
    tell(sa->ike, sa, LOG_STORY, "IKE SA %s[%u] is up between %.200s and %.200s", ike_sa_name(sa),
         sa->id, id_show(&sa->local_id, us), id_show(&sa->remote_id, peer));
    tell_event(IKE_EV_UP, sa, NULL);
    waiter_end(&sa->waiters, ERR_OK, "the IKE SA is up");
}

// Does a child of the new IKE SA wait to take over from this one?
static bool has_heir(const struct ike_sa *sa, const struct child_sa *old)
{
    for (const struct child_sa *c = sa->children; c; c = c->next) {
        if (c->takes_over && c->out_waiting && c->reqid == old->reqid) return true;
    }
    return false;
}

static void retire_child(const struct ike_sa *sa, struct child_sa *c)
{
    if (!child_sa_in_use(c)) return;
    tell_event(CHILD_EV_DOWN, c->sa, c);
    if (has_heir(sa, c)) {
        close_child_later(c);
    } else {
        close_child_softly(c);
    }
}

// The next other IKE SA, older and in force, between the same two identities. Older: if both sides
// begin at once, neither of the two IKE SAs may end the other.
static struct ike_sa *same_peer(const struct ike_sa *sa, struct ike_sa *from)
{
    for (; from; from = from->next) {
        if (from->id >= sa->id || from->state != IKE_UP || from->elder) continue;
        if (!id_eq(&from->local_id, &sa->local_id) || !id_eq(&from->remote_id, &sa->remote_id)) {
            continue;
        }
        return from;
    }
    return NULL;
}

bool up_must_refuse(const struct ike_sa *sa, bool initial_contact)
{
    if (sa->conn->conf.unique != CONF_UNIQUE_KEEP || initial_contact) return false;
    const struct ike_sa *other = same_peer(sa, sa->ike->all);
    // From the same address it is the same peer, who reauthenticates or has lost the old one.
    return other && !ip_eq(&other->remote.ip, &sa->remote.ip);
}

bool up_is_first(const struct ike_sa *sa)
{
    for (const struct ike_sa *other = sa->ike->all; other; other = other->next) {
        if (other == sa || !other->conn || other->state != IKE_UP) continue;
        if (strcmp(ike_sa_name(other), ike_sa_name(sa)) == 0) return false;
    }
    return true;
}

bool up_takes_over(const struct ike_sa *sa)
{
    for (struct ike_sa *old = same_peer(sa, sa->ike->all); old; old = same_peer(sa, old->next)) {
        for (const struct child_sa *c = old->children; c; c = c->next) {
            if (child_sa_in_use(c) && ip_eq(&c->remote, &sa->remote.ip)) return true;
        }
    }
    return false;
}

void up_replace_others(struct ike_sa *sa)
{
    enum conf_unique unique = sa->conn->conf.unique;
    bool contact = sa->initial_contact && unique != CONF_UNIQUE_NEVER;
    bool replace = unique == CONF_UNIQUE_REPLACE || unique == CONF_UNIQUE_KEEP;
    if (!contact && !replace) return;
    for (struct ike_sa *other = same_peer(sa, sa->ike->all), *next; other; other = next) {
        next = same_peer(sa, other->next);
        if (other->id == sa->reauth_of) continue; // goes when the new one is complete
        tell(sa->ike, other, LOG_STORY,
             contact ? "the peer has begun anew: this IKE SA is stale"
                     : "a newer IKE SA of the same peer replaces this");
        // The peer may have forgotten it: nothing is sent through it any more. But packets of the
        // peer may still be on their way, and its executor may not know yet.
        for (struct child_sa *c = other->children; c; c = c->next) retire_child(sa, c);
        close_ike_ask(other, CLOSED_REPLACED, 0, NULL);
    }
}
