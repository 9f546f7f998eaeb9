#include "ike/exchange/up.h"

#include <string.h>

#include "base/words.h"
#include "ike/exchange/close.h"
#include "ike/exchange/request.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/granted.h"

// What is left, rounded: clocks of nanoseconds say 19.999 s of 20.
static uint64_t seconds_to(const struct ike_sa *sa, enum ike_timer t)
{
    return (sa->timer[t] - ike_now(sa->ike) + NSEC_PER_SEC / 2) / NSEC_PER_SEC;
}

void up_tell_clocks(const struct ike_sa *sa)
{
    struct ike *ike = sa->ike;
    bool rekeys = sa->timer[TIMER_REKEY] != DUE_NEVER, ends = sa->timer[TIMER_LIFE] != DUE_NEVER;
    bool reauth = sa->timer[TIMER_REAUTH] != DUE_NEVER && sa->conn->conf.reauth_s;
    if (rekeys) tell(ike, sa, LOG_STORY, SAY_REKEY_IN, seconds_to(sa, TIMER_REKEY));
    if (reauth) tell(ike, sa, LOG_STORY, SAY_REAUTH_IN, seconds_to(sa, TIMER_REAUTH));
    if (ends) tell(ike, sa, LOG_STORY, SAY_IKE_LIFE, seconds_to(sa, TIMER_LIFE));
}

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
    if (granted_session_s(sa)) { // and not a second longer, whatever it does
        uint64_t over = in_seconds(sa, granted_session_s(sa));
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
    char us[ID_TEXT_MAX], peer[ID_TEXT_MAX], here[IP_TEXT_MAX], there[IP_TEXT_MAX];
    sa->state = IKE_UP;
    sa->auth_answered = !sa->initiator;
    ike_sa_index(sa);
    table_remove_half_open(&sa->ike->table, sa);
    ike_sa_timer(sa, TIMER_CLOSE, DUE_NEVER);
    up_clocks(sa);
    tell(sa->ike, sa, LOG_STORY, SAY_UP, ike_sa_name(sa), sa->id, ip_show(&sa->local.ip, here),
         id_show(&sa->local_id, us), ip_show(&sa->remote.ip, there), id_show(&sa->remote_id, peer));
    up_tell_clocks(sa);
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

// Is the other one older and in force, between the same two identities? Older: if both sides begin
// at once, neither of the two IKE SAs may end the other.
static bool is_before(const struct ike_sa *other, const struct ike_sa *sa)
{
    bool older = other->id < sa->id && other->state == IKE_UP && !other->elder;
    return older && id_eq(&other->local_id, &sa->local_id);
}

// The next such one; after NULL: the first.
static struct ike_sa *same_peer(const struct ike_sa *sa, struct ike_sa *after)
{
    struct ike_sa *other = after;
    do {
        other = ike_sa_of_peer(sa->ike, ike_sa_whose(sa), other);
    } while (other && !is_before(other, sa));
    return other;
}

bool up_must_refuse(const struct ike_sa *sa, bool initial_contact)
{
    if (sa->conn->conf.unique != CONF_UNIQUE_KEEP || initial_contact) return false;
    // From the same address it is the same peer, who reauthenticates or has lost the old one.
    for (struct ike_sa *other = NULL; (other = same_peer(sa, other));) {
        if (!ip_eq(&other->remote.ip, &sa->remote.ip)) return true;
    }
    return false;
}

bool up_is_first(const struct ike_sa *sa)
{
    for (struct ike_sa *other = NULL; (other = ike_sa_of_name(sa->ike, ike_sa_name(sa), other));) {
        if (other != sa && other->state == IKE_UP) return false;
    }
    // Another connection may lead to the same peer.
    const struct id *peer = &sa->conn->conf.remote.id;
    for (struct ike_sa *other = NULL; (other = ike_sa_of_peer(sa->ike, peer, other));) {
        if (other->state == IKE_UP && id_eq(&other->local_id, &sa->local_id)) return false;
    }
    return true;
}

// Thousands may share one identity, at as many addresses: only those at this one count.
static struct ike_sa *same_end(const struct ike_sa *sa, struct ike_sa *after)
{
    return ike_sa_of_end(sa->ike, ike_sa_whose(sa), &sa->remote.ip, after);
}

bool up_takes_over(const struct ike_sa *sa)
{
    for (struct ike_sa *old = NULL; (old = same_end(sa, old));) {
        if (!is_before(old, sa)) continue;
        for (const struct child_sa *c = old->children; c; c = c->next) {
            if (child_sa_in_use(c) && ip_eq(&c->remote, &sa->remote.ip)) return true;
        }
    }
    return false;
}

// ---- two at once -------------------------------------------------------------------------------

// Longer than an opening can take with all its repetitions: up within this time, and opened by
// different sides, means that neither knew of the other's.
#define TWINS_NS (200 * NSEC_PER_SEC)

static bool are_twins(const struct ike_sa *a, const struct ike_sa *b)
{
    uint64_t apart = a->up_at > b->up_at ? a->up_at - b->up_at : b->up_at - a->up_at;
    bool fresh = a->state == IKE_UP && b->state == IKE_UP && !a->parent && !b->parent;
    fresh = fresh && !queue_find(&a->queue, TASK_DELETE_IKE, 0) &&
            !queue_find(&b->queue, TASK_DELETE_IKE, 0);
    bool kin = a->reauth_of == b->id || b->reauth_of == a->id;
    if (!fresh || kin || a->initiator == b->initiator || apart > TWINS_NS) return false;
    return strcmp(ike_sa_name(a), ike_sa_name(b)) == 0 && id_eq(&a->local_id, &b->local_id) &&
           id_eq(ike_sa_whose(a), ike_sa_whose(b)) && ip_eq(&a->remote.ip, &b->remote.ip);
}

// ... and when this one began, the other was not up yet: the peer's word that it is the first, and
// `unique`, do not speak of the other.
static bool have_crossed(const struct ike_sa *sa, const struct ike_sa *other)
{
    return are_twins(sa, other) && sa->born_at < other->up_at;
}

static void tell_replaced(const struct ike_sa *sa, const struct ike_sa *other, bool contact)
{
    char peer[ID_TEXT_MAX];
    id_show(ike_sa_whose(sa), peer);
    tell(sa->ike, sa, LOG_STORY, contact ? SAY_STALE : SAY_DUPLICATE, peer);
    tell(sa->ike, other, LOG_STORY,
         contact ? "the peer has begun anew: this IKE SA is stale"
                 : "a newer IKE SA of the same peer replaces this");
}

void up_replace_others(struct ike_sa *sa)
{
    enum conf_unique unique = sa->conn->conf.unique;
    bool contact = sa->initial_contact && unique != CONF_UNIQUE_NEVER;
    bool replace = unique == CONF_UNIQUE_REPLACE || unique == CONF_UNIQUE_KEEP;
    if (!contact && !replace) return;
    for (struct ike_sa *other = same_peer(sa, NULL), *next; other; other = next) {
        next = same_peer(sa, other);
        if (other->id == sa->reauth_of) continue; // goes when the new one is complete
        if (have_crossed(sa, other)) continue;    // up_settle_twins()
        tell_alert(sa->ike, other, ALERT_UNIQUE_REPLACE);
        tell_replaced(sa, other, contact);
        // The peer may have forgotten it: nothing is sent through it any more. But packets of the
        // peer may still be on their way, and its executor may not know yet.
        for (struct child_sa *c = other->children; c; c = c->next) retire_child(sa, c);
        close_ike_ask(other, CLOSED_REPLACED, 0, NULL);
    }
}

// Both sides know these numbers, and neither can choose the other's.
static uint64_t lower_spi(const struct ike_sa *sa)
{
    return sa->spi_i < sa->spi_r ? sa->spi_i : sa->spi_r;
}

static void ask_for(struct ike_sa *winner, const struct child_sa *c)
{
    struct task *t = request_task(TASK_CHILD, NULL);
    if (!t) return;
    task_set_child(t, c->conn, c->conf);
    if (queue_push(&winner->queue, t) != ERR_OK) task_free(t);
}

// What the loser carries or was asked for, the winner shall have; and the peer, who opened it, must
// have our answer before the loser goes.
static void succeed(struct ike_sa *loser, struct ike_sa *winner)
{
    struct task *probe = request_task(TASK_PROBE, NULL);
    tell(winner->ike, winner, LOG_STORY, "both sides opened an IKE SA at once: the peer's stays");
    winner->twin = loser->id;
    loser->pointed = true;
    for (const struct child_sa *c = loser->children; c; c = c->next) {
        if (child_sa_in_use(c)) ask_for(winner, c);
    }
    while (loser->queue.first) {
        struct task *t = loser->queue.first;
        queue_drop(&loser->queue, t);
        if (queue_push(&winner->queue, t) != ERR_OK) request_end(loser, t, ERR_LIMIT, NULL);
    }
    if (probe && queue_push(&winner->queue, probe) != ERR_OK) task_free(probe);
    request_next(winner);
}

void up_settle_twins(struct ike_sa *sa)
{
    if (sa->conn->conf.unique == CONF_UNIQUE_NEVER) return;
    for (struct ike_sa *other = NULL; (other = same_end(sa, other));) {
        if (other == sa || !are_twins(sa, other)) continue;
        struct ike_sa *loser = lower_spi(sa) < lower_spi(other) ? sa : other;
        struct ike_sa *winner = loser == sa ? other : sa;
        if (loser->initiator && !winner->twin) succeed(loser, winner);
        return;
    }
}
