#include "ike/exchange/close.h"

#include <stdio.h>

#include "base/words.h"
#include "ike/exchange/open.h"
#include "ike/exchange/rekey.h"
#include "ike/exchange/request.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"
#include "ike/sa/traffic.h"
#include "ike/sa/vip.h"

// A peer that missed our last answer repeats its request after 4 and 11 s.
#define CLOSED_STAYS_NS (12 * NSEC_PER_SEC)
// Longer than a peer's DELETE can be under way with all its retransmissions.
#define REKEYED_STAYS_NS (180 * NSEC_PER_SEC)

static void set_trap(struct ike *ike, struct ike_sa *sa, struct conn *conn,
                     const struct conf_child *conf)
{
    struct why why = {0};
    if (trap_install(ike, conn, conf, &why) == ERR_OK) return;
    tell(ike, sa, LOG_ERROR, "cannot install a trap for %s: %s", conf->name, why.text);
}

static bool starts(const struct conf_child *f)
{
    return f->start_action == CONF_START || f->start_action == CONF_TRAP_START;
}

// What the configuration wants after this end. Only connections that are still in force count.
static void follow_up(struct child_sa *c, enum close_why why)
{
    struct ike *ike = c->sa->ike;
    struct conn *conn = ike_conn(ike, c->conn->conf.name);
    const struct conf_child *f = conn ? conn_child(conn, c->conf->name) : NULL;
    bool again = false, trap = false;
    if (!f || ike->shutdown.on) return;
    if (why == CLOSED_BY_PEER) {
        again = f->close_action == CONF_START || f->close_action == CONF_TRAP_START;
        trap = f->close_action == CONF_TRAP || f->close_action == CONF_TRAP_START;
    } else if (why == CLOSED_DEAD) {
        again = f->dpd_action == CONF_RESTART;
        if (again) tell(ike, c->sa, LOG_STORY, SAY_RESTARTING, f->name);
        trap = f->dpd_action == CONF_DPD_TRAP;
    } else if (why == CLOSED_EXPIRED || why == CLOSED_FAILED) {
        again = starts(f);
    }
    if (trap) set_trap(ike, c->sa, conn, f);
    if (again)
        later_plan(&ike->later, conn->conf.name, f->name, ike_now(ike),
                   ike_random_below(ike, UINT64_MAX));
}

static void child_gone(struct child_sa *c)
{
    struct waiter *enders = c->enders;
    char said[128];
    c->enders = NULL;
    (void)snprintf(said, sizeof said, "child SA %.100s is closed", c->conf->name);
    install_sweep_early(c);
    traffic_keep(c);
    install_remove(c);
    child_sa_free(c);
    waiter_end(&enders, ERR_OK, said);
}

// Nothing may be kept back for the sake of an SA that is gone.
static void switch_successor(const struct child_sa *c)
{
    for (struct child_sa *s = c->sa->ike->held, *next; s; s = next) {
        next = s->held_next;
        bool waits = s->reqid == c->reqid && ip_eq(&s->remote, &c->remote) && !s->takes_over;
        if (s->replaces == c->id || (waits && !s->replaces && s != c)) install_switch(s);
    }
}

static void tell_closing(const struct child_sa *c)
{
    char local[200], remote[200];
    uint64_t in = 0, out = 0, packets;
    (void)install_counted(c, false, &in, &packets);
    (void)install_counted(c, true, &out, &packets);
    tell(c->sa->ike, c->sa, LOG_STORY, SAY_CHILD_CLOSING, c->conf->name, c->id, c->spi_in, in,
         c->spi_out, out, ts_show(c->local_ts, local, sizeof local),
         ts_show(c->remote_ts, remote, sizeof remote));
}

void close_child(struct child_sa *c, enum close_why why)
{
    switch_successor(c);
    bool was_used = child_sa_in_use(c) || c->state == CHILD_DELETING;
    if (was_used) {
        tell_closing(c);
        tell_event(CHILD_EV_DOWN, c->sa, c);
        follow_up(c, c->state == CHILD_DELETING ? c->why : why);
        tell(c->sa->ike, c->sa, LOG_STORY, SAY_CHILD_CLOSED, c->conf->name, c->id);
    }
    child_gone(c);
}

void close_child_softly(struct child_sa *c)
{
    switch_successor(c);
    traffic_keep_out(c);
    install_remove_out(c);
    close_child_later(c);
}

void close_child_later(struct child_sa *c)
{
    install_sweep_early(c);
    c->state = CHILD_LINGER;
    c->switch_look = c->sweep_at = DUE_NEVER;
    c->linger_until = ike_now(c->sa->ike) + c->sa->ike->opt.linger_ns;
    child_sa_timers(c->sa);
    waiter_end(&c->enders, ERR_OK, "the child SA is closed");
}

void close_child_ask(struct child_sa *c, enum close_why why, struct job *job)
{
    waiter_add(&c->enders, job);
    if (c->state == CHILD_DELETING || c->state == CHILD_LINGER) return;
    c->why = why;
    if (queue_find(&c->sa->queue, TASK_DELETE_CHILD, c->id)) return;
    struct task *t = request_task(TASK_DELETE_CHILD, NULL);
    if (!t) {
        close_child(c, why); // without memory for words
        return;
    }
    t->child_id = c->id;
    request_add(c->sa, t);
}

void close_retry_later(struct ike_sa *sa, const struct task *t)
{
    if (!t || !t->conf || (t->kind != TASK_CHILD && t->kind != TASK_AUTH)) return;
    if (t->conn->conf.keyingtries != 0 || sa->ike->shutdown.on || !starts(t->conf)) return;
    if (!ike_conn(sa->ike, t->conn->conf.name)) return;
    later_plan(&sa->ike->later, t->conn->conf.name, t->conf->name, ike_now(sa->ike),
               ike_random_below(sa->ike, UINT64_MAX));
}

static void before_up_failed(struct ike_sa *sa)
{
    close_retry_later(sa, sa->active);
    for (struct task *t = sa->queue.first; t; t = t->next) close_retry_later(sa, t);
    struct ike_sa *old = sa->reauth_of ? ike_sa_by_id(sa->ike, sa->reauth_of) : NULL;
    if (!old || old->state != IKE_UP) return;
    // The old one carries on; its lifetime will tell how long we may go on trying.
    ike_sa_timer(old, TIMER_REAUTH, ike_now(sa->ike) + 60 * NSEC_PER_SEC);
}

// Our rekeying was under way, and the peer's was answered: its result lives on where the old IKE SA
// just ran out of answers, and ends with it otherwise.
static void settle_heir(struct ike_sa *sa, enum close_why why)
{
    struct ike_sa *heir = rekey_ike_heir(sa);
    if (!heir) return;
    if (why == CLOSED_DEAD || why == CLOSED_BY_PEER) {
        rekey_ike_hand_over(sa, heir);
    } else {
        close_ike(heir, why, ERR_CLOSED, NULL);
    }
}

// While it is still known which virtual addresses the peer had.
static void tell_down(struct ike_sa *sa, const char *sentence)
{
    if (!sa->up_at || sa->rekeyed || sa->elder) return;
    tell(sa->ike, sa, LOG_STORY, SAY_IKE_DELETED ": %s", sentence);
    tell_event(IKE_EV_DOWN, sa, NULL);
}

// Everybody who waits for something of this IKE SA hears how it ended.
static void dismiss(struct ike_sa *sa, err_t err, const char *sentence)
{
    if (err == ERR_OK) err = ERR_CLOSED;
    request_end_all(sa, err, sentence);
    waiter_end(&sa->waiters, err, sentence);
    waiter_end(&sa->enders, ERR_OK, sentence);
}

// A refused initiator repeats its IKE_AUTH like any other request; it stays counted as half-open.
static bool has_refused(const struct ike_sa *sa, enum close_why why, err_t err)
{
    bool begun = sa->state == IKE_AUTH_MORE || (sa->state == IKE_INIT_DONE && sa->window.recv > 1);
    return begun && why == CLOSED_FAILED && err != ERR_TIMEOUT;
}

void close_ike(struct ike_sa *sa, enum close_why why, err_t err, const char *sentence)
{
    struct ike *ike = sa->ike;
    if (!ike_sa_live(sa)) return;
    settle_heir(sa, why);
    bool refused = has_refused(sa, why, err);
    bool answers = (why == CLOSED_BY_PEER && ike_sa_has_keys(sa)) || refused;
    bool asked = sa->state == IKE_DELETING || queue_find(&sa->queue, TASK_DELETE_IKE, 0);
    if (asked) why = sa->why;
    sa->why = why;
    if (!sa->up_at && why == CLOSED_FAILED) before_up_failed(sa);
    if (!sentence) sentence = "the IKE SA is closed";
    while (sa->children) close_child(sa->children, why);
    tell_down(sa, sentence);
    vips_drop(sa);
    ike_sa_timers_off(sa);
    if (!refused) table_remove_half_open(&ike->table, sa);
    if (answers) {
        sa->state = IKE_CLOSED;
        ike_sa_timer(sa, TIMER_CLOSE, ike_now(ike) + CLOSED_STAYS_NS);
    } else {
        ike_sa_gone(sa);
    }
    dismiss(sa, err, sentence);
    open_after(sa);
}

void close_ike_ask(struct ike_sa *sa, enum close_why why, uint16_t notify, struct job *job)
{
    waiter_add(&sa->enders, job);
    if (sa->state == IKE_DELETING || !ike_sa_live(sa)) return;
    if (queue_find(&sa->queue, TASK_DELETE_IKE, 0)) return;
    bool speaks = sa->state == IKE_UP || sa->state == IKE_REKEYED || sa->state == IKE_AUTH_SENT;
    struct task *t = speaks ? request_task(TASK_DELETE_IKE, NULL) : NULL;
    if (!t) {
        close_ike(sa, why, ERR_CLOSED, "ended before it was up");
        return;
    }
    t->notify = notify;
    sa->why = why;
    // Whatever else waits has become pointless; what is under way must be answered first.
    while (sa->queue.first) {
        struct task *other = sa->queue.first;
        queue_drop(&sa->queue, other);
        request_end(sa, other, ERR_CLOSED, "the IKE SA is being closed");
    }
    bool cancelled = sa->state == IKE_AUTH_SENT && sa->active;
    request_add(sa, t);
    if (!cancelled) return;
    // The peer may be setting it up at this moment; it is told after its answer. Nobody waits.
    waiter_end(&sa->active->waiters, ERR_CLOSED, "ended before it was up");
    waiter_end(&sa->waiters, ERR_CLOSED, "ended before it was up");
    waiter_end(&sa->enders, ERR_OK, "ended before it was up");
}

void close_ike_rekeyed(struct ike_sa *sa)
{
    sa->state = IKE_REKEYED;
    sa->rekeyed = true;
    ike_sa_timer(sa, TIMER_REKEY, DUE_NEVER);
    ike_sa_timer(sa, TIMER_REAUTH, DUE_NEVER);
    ike_sa_timer(sa, TIMER_LIFE, DUE_NEVER);
    ike_sa_timer(sa, TIMER_PROBE, DUE_NEVER);
    ike_sa_timer(sa, TIMER_KEEPALIVE, DUE_NEVER);
    ike_sa_timer(sa, TIMER_CLOSE, ike_now(sa->ike) + REKEYED_STAYS_NS);
}

static struct ike_sa *take_up(struct ike_sa *sa, uint32_t *id)
{
    struct ike_sa *old = *id ? ike_sa_by_id(sa->ike, *id) : NULL;
    *id = 0;
    return old && old->state == IKE_UP ? old : NULL;
}

void close_if_replaced(struct ike_sa *sa)
{
    if (!(sa->reauth_of || sa->twin) || sa->state != IKE_UP || sa->active || sa->queue.first)
        return;
    struct ike_sa *old = take_up(sa, &sa->reauth_of), *twin = take_up(sa, &sa->twin);
    if (old) {
        tell(sa->ike, sa, LOG_STORY, "reauthenticated: the old IKE SA #%u goes", old->id);
        close_ike_ask(old, CLOSED_REPLACED, 0, NULL);
    }
    if (!twin) return;
    // What we send takes the other one's child SAs before the peer hears that these go.
    for (struct child_sa *c = twin->children; c; c = c->next) {
        struct child_sa *heir = child_sa_by_name(sa, c->conf->name);
        if (!heir) continue;
        install_switch(heir); // the peer has answered us: it is ready
        install_stop_out(c);
    }
    close_ike_ask(twin, CLOSED_REPLACED, 0, NULL);
}
