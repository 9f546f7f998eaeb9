// child.c - CREATE_CHILD_SA for another child SA (RFC 7296 1.3.1).
//
// When both sides want the same one at once, two appear, and nothing in RFC 7296 forbids that. One
// is enough: as in a rekeying (2.8.1) the exchange with the lowest of the four nonces loses, and
// who began it deletes what it made. A peer that knows nothing of this keeps both, and both work.
#include "base/words.h"
#include "ike/exchange/close.h"
#include "ike/exchange/followup.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/rekey.h"
#include "ike/exchange/request.h"
#include "ike/exchange/terms.h"
#include "ike/exchange/terms_cpu.h"
#include "ike/exchange/unlike.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"

err_t child_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    bool of_cpu = t->acquired.of_cpu;
    if (of_cpu && !terms_cpu_due(sa, t->conf, t->acquired.cpu)) return ERR_AGAIN;
    if (!of_cpu && !t->acquired.seq && child_sa_by_name(sa, t->conf->name)) {
        return why_not(why, ERR_AGAIN, "child SA %s is up already", t->conf->name);
    }
    if (followup_rekeys_ike(sa) || followup_makes(sa, t->conf)) return ERR_STATE;
    TRY(terms_offer(sa, t, false, NULL, why));
    terms_put(t, false, m);
    return ERR_OK;
}

// Is ours the one that goes? Otherwise the peer deletes its own, if it knows this rule.
static bool loses(struct turn *t, const struct child_sa *ours)
{
    const struct rival *rival = &t->task->rival;
    struct child_sa *theirs = rival->id ? child_sa_by_id(t->sa, rival->id) : NULL;
    if (rival->known && !rival->id) { // the peer is not done with its key exchanges yet
        bool lost = followup_lost(t->task);
        if (!lost) followup_drop(t->sa);
        return lost;
    }
    if (!theirs || !child_sa_in_use(theirs) || theirs->conf != ours->conf) return false;
    if (!child_sa_has(theirs, ours->local_ts, ours->remote_ts)) return false;
    bool we_win = !followup_lost(t->task);
    tell(t->ike, t->sa, LOG_STORY, "both sides made %s at once: %s stays", ours->conf->name,
         we_win ? "ours" : "the peer's");
    if (we_win) theirs->redundant = true;
    return !we_win;
}

err_t child_on_response(struct turn *t)
{
    struct child_sa *c = NULL;
    // What went wrong has been told, and the peer's half is being deleted.
    err_t err = terms_accept(t, false, NULL, &c);
    if (err == ERR_AGAIN) return followup_go_on(t);
    if (err != ERR_OK) {
        request_end(t->sa, t->task, err, "the peer's terms for the child SA cannot be accepted");
        t->task = NULL;
        return ERR_OK;
    }
    if (c->of_cpu && !terms_cpu_asked(t->in)) terms_cpu_unknown(t->sa, c->conf);
    if (c->of_cpu || !loses(t, c)) {
        terms_ours_up(t, c);
        return ERR_OK;
    }
    waiter_end(&t->task->waiters, ERR_OK, "the child SA is up: the peer has made it");
    c->state = CHILD_REKEYED;
    install_stop_out(c); // the peer's carries what we send
    close_child_ask(c, CLOSED_REPLACED, NULL);
    return ERR_OK;
}

err_t child_on_refusal(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct notify n;
    struct why why;
    char name[40];
    if (notify_find_error(t->in, &n) != ERR_OK) return ERR_SYNTAX;
    if (n.type == N_INVALID_KE_PAYLOAD && terms_other_group(t) == ERR_OK) {
        offer_drop(sa, t->task);
        queue_push_front(&sa->queue, t->task);
        t->task = NULL;
        return ERR_OK;
    }
    tell(t->ike, sa, LOG_STORY, SAY_CHILD_REFUSED, notify_name(n.type, name));
    unlike_offer(t->ike, sa, n.type, t->task->offer);
    err_t err =
        why_not(&why, ERR_CLOSED, "the peer refuses child SA %.60s: %s", t->task->conf->name, name);
    tell(t->ike, sa, LOG_WARN, "%s", why.text);
    bool later = n.type == N_TEMPORARY_FAILURE || n.type == N_STATE_NOT_FOUND;
    if (t->task->acquired.of_cpu && !later) { // the SA that all CPUs share goes on
        terms_cpu_refused(sa, t->task->conf);
        request_end(sa, t->task, err, why.text);
        t->task = NULL;
        return ERR_OK;
    }
    if (later && request_retry(sa, t->task) == ERR_OK) {
        t->task = NULL;
        return ERR_OK;
    }
    request_end(sa, t->task, err, why.text);
    t->task = NULL;
    return ERR_OK;
}

err_t child_on_request(struct turn *t)
{
    struct child_sa *c = NULL;
    struct terms_question q = {0};
    struct nonce ours = {0};
    if (rekey_ike_under_way(t->sa)) {
        // rfc7296 2.25.2: nothing new while it is not settled which IKE SA it would belong to.
        return refuse(t, N_TEMPORARY_FAILURE, ERR_STATE,
                      "the peer wants a child SA while the IKE SA is being rekeyed");
    }
    TRY(terms_answer(t, &q, &ours, &c));
    struct task *mine = t->sa->active;
    const struct conf_child *conf = c ? c->conf : t->sa->pending->conf;
    bool alike = !c || !c->of_cpu;
    if (alike && mine && mine->kind == TASK_CHILD && mine->conf == conf && !mine->acquired.of_cpu) {
        mine->rival.known = true;
        mine->rival.id = c ? c->id : 0;
        mine->rival.lowest = terms_lowest(&ours, t->in);
    }
    if (c) terms_up(c);
    return ERR_OK;
}

err_t child_finish(struct turn *t, struct pending *p)
{
    struct child_sa *c = NULL;
    struct terms_question q = {0};
    TRY(terms_finish(t, &q, p, &c));
    struct task *mine = t->sa->active;
    if (mine && mine->kind == TASK_CHILD && mine->conf == c->conf) mine->rival.id = c->id;
    terms_up(c);
    return ERR_OK;
}
