#include "ike/exchange/open.h"

#include <string.h>

#include "base/words.h"
#include "ike/exchange/close.h"
#include "ike/exchange/request.h"
#include "ike/exchange/terms_cpu.h"
#include "ike/sa/child_sa.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/vip.h"

static void wish_fails(const struct open_wish *w, err_t err, const char *sentence)
{
    struct waiter *one = NULL;
    waiter_add(&one, w->job);
    waiter_end(&one, err, sentence);
}

static struct task *child_task(const struct open_wish *w)
{
    struct task *t = request_task(TASK_CHILD, w->job);
    if (!t) {
        wish_fails(w, ERR_NOMEM, "out of memory");
        return NULL;
    }
    task_set_child(t, w->conn, w->child);
    t->acquired = w->acquired;
    return t;
}

static bool is_for_cpu(const struct task *t, const struct open_wish *w)
{
    bool of_cpu = t && t->kind == TASK_CHILD && t->acquired.of_cpu;
    return of_cpu && t->acquired.cpu == w->acquired.cpu &&
           strcmp(t->conf->name, w->child->name) == 0;
}

// Is a child SA for this CPU being set up already?
static bool asks_for_cpu(const struct ike_sa *sa, const struct open_wish *w)
{
    if (is_for_cpu(sa->active, w)) return true;
    for (const struct task *t = sa->queue.first; t; t = t->next) {
        if (is_for_cpu(t, w)) return true;
    }
    return false;
}

// Is it being set up already, here? Then there is one more who waits for it.
static bool joins(struct ike_sa *sa, const struct open_wish *w)
{
    struct task *t = sa->active;
    bool wanted = t && t->conf && (t->kind == TASK_AUTH || t->kind == TASK_CHILD);
    if (w->acquired.of_cpu) return asks_for_cpu(sa, w);
    if (!wanted || t->acquired.of_cpu || strcmp(t->conf->name, w->child->name) != 0) {
        t = queue_find_child(&sa->queue, w->child->name);
    }
    if (!t) return false;
    if (!t->acquired.seq) t->acquired = w->acquired;
    waiter_add(&t->waiters, w->job);
    return true;
}

static bool is_with(const struct ike_sa *sa, const struct open_wish *w)
{
    return w->to.family == AF_UNSPEC || ip_eq(&sa->remote.ip, &w->to);
}

// An IKE SA of this connection that is there to be used: up, or (initiated by us) on its way.
static struct ike_sa *usable(struct ike *ike, const struct open_wish *w)
{
    struct ike_sa *found = NULL;
    for (struct ike_sa *sa = NULL; (sa = ike_sa_of_name(ike, w->conn->conf.name, sa));) {
        bool coming = sa->initiator && sa->state < IKE_UP;
        if (sa->elder || (sa->reauth_of && !sa->waits) || (found && found->id > sa->id)) continue;
        if (queue_find(&sa->queue, TASK_DELETE_IKE, 0) || !is_with(sa, w)) continue;
        if (sa->state == IKE_UP || coming) found = sa;
    }
    return found;
}

// A packet for which there was no SA asks; an SA older than this, or at its place for longer, does
// not serve it.
#define JUST_NOW_NS (2 * NSEC_PER_SEC)

// The SA that all CPUs share carries the packet: another one is wanted, or not.
static bool cpu_is_served(struct ike *ike, const struct open_wish *w)
{
    for (struct ike_sa *sa = NULL; (sa = ike_sa_of_name(ike, w->conn->conf.name, sa));) {
        bool due = sa->state == IKE_UP && terms_cpu_due(sa, w->child, w->acquired.cpu);
        if (due) return false;
    }
    return true;
}

static bool will_go(const struct child_sa *c)
{
    const struct queue *q = &c->sa->queue;
    return queue_find(q, TASK_DELETE_CHILD, c->id) || queue_find(q, TASK_DELETE_IKE, 0);
}

// Is it the child that is wanted, and does it take the packet that asks? A narrowed one may not.
static bool serves(const struct child_sa *c, const struct open_wish *w)
{
    const struct acquired *a = &w->acquired;
    const struct ts_list src = {.n = 1, .ts = {a->src}}, dst = {.n = 1, .ts = {a->dst}};
    if (!child_sa_in_use(c) || c->of_cpu || strcmp(c->conf->name, w->child->name) != 0)
        return false;
    if (!a->seq || !a->known || !c->narrowed) return true;
    return ts_subset(&src, c->local_ts) && ts_subset(&dst, c->remote_ts);
}

static const struct child_sa *server(const struct ike_sa *sa, const struct open_wish *w)
{
    const struct child_sa *c = sa->state == IKE_UP && is_with(sa, w) ? sa->children : NULL;
    while (c && !serves(c, w)) c = c->next;
    return c;
}

static bool wish_is_true(struct ike *ike, const struct open_wish *w)
{
    if (w->acquired.of_cpu) return cpu_is_served(ike, w);
    uint64_t now = ike_now(ike);
    // With a virtual address the trap holds packets of our other ones: no SA will ever carry those.
    bool never = w->conn->conf.vip_n > 0;
    for (struct ike_sa *sa = NULL; (sa = ike_sa_of_name(ike, w->conn->conf.name, sa));) {
        const struct child_sa *c = server(sa, w);
        if (!c || will_go(c)) continue;
        uint64_t since = c->moved_at > c->installed_at ? c->moved_at : c->installed_at;
        if (!w->acquired.seq || never || now - since < JUST_NOW_NS) return true;
    }
    return false;
}

// to: where the peer is, if not where the connection says; NULL: there.
static struct ike_sa *open_new(struct ike *ike, struct conn *conn, const ip_t *to, struct why *why,
                               err_t *err)
{
    endpoint_t local, remote;
    conn_resolve(conn, &ike->env);
    bool anybody = to && !conn_names_peer(conn);
    *err = anybody
               ? conn_endpoints_to(conn, &ike->env, ike->opt.natt_port, to, &local, &remote, why)
               : conn_endpoints(conn, &ike->env, ike->opt.natt_port, &local, &remote, why);
    if (*err != ERR_OK) return NULL;
    if (to) remote.ip = *to;
    if (to && local.ip.family != to->family) local.ip = ike->env.source_for(ike->env.ctx, to);
    struct ike_sa *sa = ike_sa_new(ike, conn, true, ike_sa_random_spi(ike));
    struct task *t = request_task(TASK_OPEN, NULL);
    if (!sa || !t) {
        *err = why_not(why, ERR_NOMEM, "out of memory");
        task_free(t);
        if (sa) ike_sa_free(sa);
        return NULL;
    }
    sa->local = local;
    sa->remote = remote;
    queue_push_front(&sa->queue, t);
    return sa;
}

static bool plans_again(const struct open_wish *w)
{
    const struct conf_child *f = w->child;
    bool starts = f && (f->start_action == CONF_START || f->start_action == CONF_TRAP_START);
    return starts && w->conn->conf.keyingtries == 0;
}

static void open_first(struct ike *ike, const struct open_wish *w)
{
    struct why why = {0};
    err_t err;
    struct ike_sa *sa = open_new(ike, w->conn, w->to.family ? &w->to : NULL, &why, &err);
    if (!sa) {
        tell(ike, NULL, LOG_ERROR, "%s cannot be initiated: %s", w->conn->conf.name, why.text);
        tell_alert(ike, NULL, ALERT_PEER_ADDR_FAILED);
        if (ike->opt.retry_ns && w->child && err == ERR_NOTFOUND) {
            later_plan_at(&ike->later, w->conn->conf.name, w->child->name,
                          ike_now(ike) + ike->opt.retry_ns);
        } else if (plans_again(w)) {
            later_plan(&ike->later, w->conn->conf.name, w->child->name, ike_now(ike),
                       ike_random_below(ike, UINT64_MAX));
        }
        wish_fails(w, err, why.text);
        return;
    }
    if (!w->child) {
        waiter_add(&sa->waiters, w->job);
        request_next(sa);
        return;
    }
    struct task *t = child_task(w);
    if (t && queue_push(&sa->queue, t) != ERR_OK) task_free(t); // an empty queue has room
    request_next(sa);
}

void open_wish(struct ike *ike, const struct open_wish *w)
{
    struct why why = {0};
    if (w->child && wish_is_true(ike, w)) {
        wish_fails(w, ERR_OK, "it is up already");
        return;
    }
    if (w->child && steering_check(ike, w->child, &why) != ERR_OK) {
        tell(ike, NULL, LOG_ERROR, "%s", why.text);
        wish_fails(w, ERR_UNSUPPORTED, why.text);
        return;
    }
    struct ike_sa *sa = usable(ike, w);
    bool apart = ike->opt.each_child_apart && w->child && sa;
    if (apart && joins(sa, w)) return;
    if (!sa || apart) {
        open_first(ike, w);
    } else if (!w->child && sa->state == IKE_UP) {
        wish_fails(w, ERR_OK, "the IKE SA is up already");
    } else if (!w->child) {
        waiter_add(&sa->waiters, w->job);
    } else if (!joins(sa, w)) {
        request_add(sa, child_task(w));
    }
}

// ---- again -------------------------------------------------------------------------------------

void open_give_back(struct ike_sa *sa, struct task *t)
{
    if (!t || t->kind != TASK_AUTH || !t->conf) return;
    struct task *child = request_task(TASK_CHILD, NULL);
    if (!child) return;
    task_set_child(child, t->conn, t->conf);
    child->acquired = t->acquired;
    waiter_move(&t->waiters, &child->waiters);
    queue_push_front(&sa->queue, child);
}

// Of an IKE SA that is not up.
static void hand_over(struct ike_sa *sa, struct ike_sa *again)
{
    again->reauth_of = sa->reauth_of;
    sa->reauth_of = 0;
    vips_move(sa, again);
    open_give_back(sa, sa->active);
    while (sa->queue.first) {
        struct task *t = sa->queue.first;
        queue_drop(&sa->queue, t);
        if (queue_push(&again->queue, t) != ERR_OK) request_end(sa, t, ERR_LIMIT, NULL);
    }
    waiter_move(&sa->waiters, &again->waiters);
    request_next(again);
}

bool open_retry(struct ike_sa *sa)
{
    struct ike *ike = sa->ike;
    uint32_t tries = sa->conn->conf.keyingtries;
    struct why why = {0};
    err_t err;
    if (!sa->initiator || (tries && sa->tries + 1 >= tries) || ike->shutdown.on) return false;
    struct ike_sa *again = open_new(ike, sa->conn, NULL, &why, &err);
    if (!again) return false;
    tell(ike, sa, LOG_STORY, SAY_TRYING_AGAIN, sa->tries + 2, tries);
    tell(ike, sa, LOG_INFO, "no answer: trying again from the beginning (attempt %u)",
         sa->tries + 2);
    again->tries = sa->tries + 1;
    hand_over(sa, again);
    return true;
}

// charon's way of old (make_before_break = no): DELETE first. Our virtual address stays at this
// host meanwhile, and is asked for again.
static void break_first(struct ike_sa *old, struct ike_sa *sa)
{
    sa->waits = true;
    old->awaited_by = sa->id;
    if (old->vips && old->vips->given) vips_move(old, sa);
    close_ike_ask(old, CLOSED_REPLACED, 0, NULL);
}

void open_after(struct ike_sa *old)
{
    struct ike_sa *sa = old->awaited_by ? ike_sa_by_id(old->ike, old->awaited_by) : NULL;
    old->awaited_by = 0;
    if (!sa || !sa->waits) return;
    sa->waits = false;
    sa->reauth_of = 0;
    request_next(sa);
}

static void ask_for_children(const struct ike_sa *old, struct ike_sa *sa)
{
    for (const struct child_sa *c = old->children; c; c = c->next) {
        const struct conf_child *f = conn_child(sa->conn, c->conf->name);
        if (!child_sa_in_use(c) || !f || queue_find_child(&sa->queue, f->name)) continue;
        struct open_wish w = {.conn = sa->conn, .child = f};
        struct task *t = child_task(&w);
        if (t && queue_push(&sa->queue, t) != ERR_OK) task_free(t);
    }
}

// Who proves itself by EAP, or has an address of ours, has to begin itself.
static bool is_up_to_peer(const struct ike_sa *sa)
{
    return sa->eap_id || (sa->vips && !sa->vips->given);
}

static void tell_up_to_peer(const struct ike_sa *sa)
{
    const uint64_t end = sa->timer[TIMER_LIFE], now = ike_now(sa->ike);
    if (end == DUE_NEVER) { // the peer's wish alone (AUTH_LIFETIME): nothing ends it here
        tell(sa->ike, sa, LOG_INFO, "time to authenticate again, which is up to the peer");
        return;
    }
    const uint64_t left = end > now ? (end - now) / NSEC_PER_SEC : 0;
    tell(sa->ike, sa, LOG_STORY, SAY_NO_REAUTH, ike_sa_name(sa), sa->id, left);
}

void open_reauth(struct ike_sa *old)
{
    if (old->state != IKE_UP || queue_find(&old->queue, TASK_DELETE_IKE, 0)) return;
    struct ike *ike = old->ike;
    struct why why = {0};
    err_t err;
    if (is_up_to_peer(old)) {
        tell_up_to_peer(old);
        return;
    }
    struct conn *conn = ike_conn(ike, ike_sa_name(old));
    bool elsewhere = old->redirect.from.family != AF_UNSPEC;
    struct ike_sa *sa =
        open_new(ike, conn ? conn : old->conn, elsewhere ? &old->remote.ip : NULL, &why, &err);
    if (!sa) {
        tell(ike, old, LOG_ERROR, "cannot reauthenticate: %s", why.text);
        return;
    }
    tell(ike, old, LOG_STORY, SAY_REAUTH, ike_sa_name(old), old->id);
    tell(ike, old, LOG_INFO, "time to authenticate again: a new IKE SA [%u] will take over",
         sa->id);
    sa->reauth_of = old->id;
    old->pointed = true;
    sa->redirect = (struct redirect){
        .from = old->redirect.from, .n = old->redirect.n, .since = old->redirect.since};
    ask_for_children(old, sa);
    if (ike->opt.break_before_make) {
        break_first(old, sa);
    } else {
        request_next(sa);
    }
}

// What waits to be asked for, the other one asks for.
static void hand_children_over(struct ike_sa *old, struct ike_sa *sa)
{
    for (struct task *t = old->queue.first, *next; t; t = next) {
        next = t->next;
        if (t->kind != TASK_CHILD) continue;
        queue_drop(&old->queue, t);
        if (queue_push(&sa->queue, t) != ERR_OK) request_end(old, t, ERR_LIMIT, NULL);
    }
}

void open_elsewhere(struct ike_sa *old, const ip_t *to, const struct redirect *redirect)
{
    struct ike *ike = old->ike;
    struct why why = {0};
    err_t err;
    bool up = old->state == IKE_UP;
    if (old->state > IKE_UP || queue_find(&old->queue, TASK_DELETE_IKE, 0)) return;
    struct ike_sa *sa = open_new(ike, old->conn, to, &why, &err);
    if (!sa) {
        tell(ike, old, LOG_ERROR, "cannot go to another gateway: %s", why.text);
        return;
    }
    sa->redirect = *redirect;
    if (!up) {
        hand_over(old, sa);
        close_ike(old, CLOSED_REPLACED, ERR_CLOSED, "the peer has sent us to another gateway");
        return;
    }
    sa->reauth_of = old->id;
    old->pointed = true;
    hand_children_over(old, sa);
    ask_for_children(old, sa);
    request_next(sa);
}
