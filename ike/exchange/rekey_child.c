// rekey_child.c - fresh keys for a child SA (RFC 7296 1.3.3, 2.8): the new one is made while the
// old one works, and the old one is deleted by the side that began.
//
// When both sides begin at once (2.8.1), two new ones appear. The exchange with the lowest of the
// four nonces loses: who began it deletes what it made; the other one deletes the old child SA.
#include "ike/exchange/close.h"
#include "ike/exchange/followup.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/message.h"
#include "ike/exchange/rekey.h"
#include "ike/exchange/request.h"
#include "ike/exchange/terms.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"

// ---- we begin ----------------------------------------------------------------------------------

// If it was made in IKE_AUTH, any answer of the peer shows that it has ours.
static void ask_whether_there(struct ike_sa *sa)
{
    if (!sa->auth_answered || queue_find(&sa->queue, TASK_PROBE, 0)) return;
    struct task *probe = request_task(TASK_PROBE, NULL);
    if (probe && queue_push(&sa->queue, probe) != ERR_OK) task_free(probe);
}

err_t rekey_child_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    struct child_sa *old = child_sa_by_id(sa, t->child_id);
    if (!old || !child_sa_in_use(old))
        return ERR_AGAIN; // deleted, or rekeyed by the peer, meanwhile
    // The peer, who made it, may still wait for our answer: it would not know what we speak of.
    if (!install_confirmed(old)) {
        ask_whether_there(sa);
        return ERR_STATE;
    }
    // The peer is at it, or at the IKE SA, with more key exchanges to come.
    if (followup_rekeys_child(sa, old->id) || followup_rekeys_ike(sa)) return ERR_STATE;
    if (!t->conn) task_set_child(t, old->conn, old->conf);
    TRY(terms_offer(sa, t, false, old, why));
    old->state = CHILD_REKEYING;
    // rfc7296 1.3.3 MUST: the SPI is the one that we expect in packets to us.
    put_notify_spi(m, N_REKEY_SA, old->chosen->protocol, old->spi_in);
    terms_put(t, false, m);
    return ERR_OK;
}

static void delete_child(struct child_sa *c)
{
    install_stop_out(c); // the new one carries what we send; the peer stops listening to this
    close_child_ask(c, CLOSED_REPLACED, NULL);
}

// Two new child SAs, and one must go. Both sides see the same four nonces, and nothing else counts:
// the peer's new one may have been deleted or rekeyed itself before this answer found its way.
static void settle(struct turn *t, struct child_sa *ours, struct child_sa *old)
{
    const struct rival *rival = &t->task->rival;
    struct child_sa *theirs = rival->id ? child_sa_by_id(t->sa, rival->id) : NULL;
    bool we_win = !followup_lost(t->task);
    tell(t->ike, t->sa, LOG_STORY, "both sides rekeyed %s at once: %s stays", ours->conf->name,
         we_win ? "ours" : "the peer's");
    if (!we_win) {
        ours->state = CHILD_REKEYED; // redundant from the start
        // Without an SA of the peer's yet, the old one serves until its key exchanges are done.
        if (old) old->state = rival->id ? CHILD_REKEYED : CHILD_INSTALLED;
        delete_child(ours);
        return;
    }
    if (!rival->id) followup_drop(t->sa);
    if (theirs) {
        install_stop_out(theirs); // the peer will delete it
        theirs->state = CHILD_REKEYED;
    }
    if (old) delete_child(old);
}

err_t rekey_child_on_response(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct child_sa *old = child_sa_by_id(sa, t->task->child_id), *c = NULL;
    err_t err = terms_accept(t, false, old, &c);
    if (err == ERR_AGAIN) return followup_go_on(t);
    if (err != ERR_OK) {
        if (old && old->state == CHILD_REKEYING) old->state = CHILD_INSTALLED;
        if (old && err == ERR_CLOSED) close_child_ask(old, CLOSED_BY_PEER, NULL);
        request_end(sa, t->task, err, "the peer's terms for fresh keys cannot be accepted");
        t->task = NULL;
        return ERR_OK;
    }
    c->replaces = t->task->child_id;
    terms_fresh(c);
    if (t->task->rival.known) {
        settle(t, c, old);
    } else if (old) {
        old->state = CHILD_REKEYED;
        delete_child(old);
    }
    return ERR_OK;
}

// rfc7296 2.25: the peer has lost this child SA. It goes here, too, and is made anew.
static void make_anew(struct turn *t, struct child_sa *old)
{
    struct task *fresh = request_task(TASK_CHILD, NULL);
    if (fresh) {
        task_set_child(fresh, old->conn, old->conf);
        waiter_move(&t->task->waiters, &fresh->waiters);
    }
    tell(t->ike, t->sa, LOG_WARN, "the peer does not know child SA %s{%u}: making a new one",
         old->conf->name, old->id);
    if (fresh && queue_push(&t->sa->queue, fresh) != ERR_OK)
        request_end(t->sa, fresh, ERR_LIMIT, NULL);
    close_child(old, CLOSED_REPLACED);
}

err_t rekey_child_on_refusal(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct notify n;
    struct why why;
    char name[40];
    struct child_sa *old = child_sa_by_id(sa, t->task->child_id);
    if (notify_find_error(t->in, &n) != ERR_OK) return ERR_SYNTAX;
    if (old && old->state == CHILD_REKEYING) old->state = CHILD_INSTALLED;
    if (t->task->rival.id || !old) {
        // The peer has rekeyed or deleted it already, and did not see that we were at it as well.
        if (old) old->state = CHILD_REKEYED;
        return ERR_OK;
    }
    bool group = n.type == N_INVALID_KE_PAYLOAD && terms_other_group(t) == ERR_OK;
    if (group) {
        offer_drop(sa, t->task);
        queue_push_front(&sa->queue, t->task);
        t->task = NULL;
        return ERR_OK;
    }
    err_t err = why_not(&why, ERR_CLOSED, "the peer refuses to rekey child SA %.60s: %s",
                        old->conf->name, notify_name(n.type, name));
    tell(t->ike, sa, LOG_WARN, "%s", why.text);
    if (n.type == N_CHILD_SA_NOT_FOUND) {
        make_anew(t, old);
        return ERR_OK;
    }
    // Whatever the reason, it is asked again: when the lifetime is over there must be a new one.
    if (request_retry(sa, t->task) == ERR_OK) {
        t->task = NULL;
        return ERR_OK;
    }
    request_end(sa, t->task, err, why.text);
    t->task = NULL;
    if (n.type != N_TEMPORARY_FAILURE) return ERR_OK; // its lifetime will end it
    tell(t->ike, sa, LOG_ERROR, "the peer has said so for minutes: our states differ, closing");
    close_ike_ask(sa, CLOSED_FAILED, 0, NULL);
    return ERR_OK;
}

// ---- the peer begins ---------------------------------------------------------------------------

static err_t refuse_ending(struct turn *t, const struct child_sa *old)
{
    return refuse(t, N_TEMPORARY_FAILURE, ERR_STATE,
                  "the peer wants to rekey child SA %s{%u}, which is being closed", old->conf->name,
                  old->id);
}

static bool is_ending(const struct child_sa *old)
{
    return old->state == CHILD_DELETING || old->state == CHILD_REKEYED ||
           queue_find(&old->sa->queue, TASK_DELETE_CHILD, old->id);
}

static err_t find_old(struct turn *t, struct child_sa **out)
{
    struct ike_sa *sa = t->sa;
    struct notify n;
    TRY(notify_find(t->in, N_REKEY_SA, &n));
    struct child_sa *old =
        n.spi_len == 4 ? child_sa_by_spi_out(sa, n.protocol, (uint32_t)n.spi) : NULL;
    if (!old) {
        t->about = (struct notify){.protocol = n.protocol, .spi_len = n.spi_len, .spi = n.spi};
        return refuse(t, N_CHILD_SA_NOT_FOUND, ERR_NOTFOUND,
                      "the peer wants to rekey a child SA that is not there (SPI %08x)",
                      (uint32_t)n.spi);
    }
    if (is_ending(old)) return refuse_ending(t, old);
    *out = old;
    return ERR_OK;
}

// Our own attempt to rekey the same, if one is under way.
static struct task *mine_of(struct ike_sa *sa, const struct child_sa *old)
{
    struct task *mine = sa->active;
    return mine && mine->kind == TASK_REKEY_CHILD && mine->child_id == old->id ? mine : NULL;
}

// The peer's new one is there.
static void came(struct ike_sa *sa, struct child_sa *old, struct child_sa *c)
{
    struct task *mine = mine_of(sa, old);
    terms_fresh(c);
    if (mine) {
        mine->rival.id = c->id;
        return;
    }
    old->state = CHILD_REKEYED; // the peer deletes it when it has our answer
}

err_t rekey_child_on_request(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct child_sa *old = NULL, *c = NULL;
    if (rekey_ike_under_way(sa)) {
        return refuse(t, N_TEMPORARY_FAILURE, ERR_STATE,
                      "the peer wants to rekey a child SA while the IKE SA is being rekeyed");
    }
    TRY(find_old(t, &old));
    // The peer can read the new SA only when our answer has arrived.
    struct terms_question q = {.old = old, .hold_out = true};
    struct nonce ours = {0};
    TRY(terms_answer(t, &q, &ours, &c));
    struct task *mine = mine_of(sa, old);
    if (mine) {
        mine->rival.known = true;
        mine->rival.lowest = terms_lowest(&ours, t->in);
    }
    if (c) came(sa, old, c);
    return ERR_OK;
}

err_t rekey_child_finish(struct turn *t, struct pending *p)
{
    struct ike_sa *sa = t->sa;
    struct child_sa *old = child_sa_by_id(sa, p->old), *c = NULL;
    if (!old || old->state == CHILD_LINGER) {
        return refuse(t, N_CHILD_SA_NOT_FOUND, ERR_NOTFOUND,
                      "the child SA that the peer wants to rekey has gone meanwhile");
    }
    if (is_ending(old)) return refuse_ending(t, old);
    struct terms_question q = {.old = old, .hold_out = true};
    TRY(terms_finish(t, &q, p, &c));
    came(sa, old, c);
    return ERR_OK;
}

bool rekey_child_under_way(const struct ike_sa *sa)
{
    if (!sa->active) return false;
    return sa->active->kind == TASK_CHILD || sa->active->kind == TASK_REKEY_CHILD ||
           sa->active->kind == TASK_DELETE_CHILD;
}
