#include "ike/exchange/followup.h"

#include <stdlib.h>
#include <string.h>

#include "ike/exchange/handlers.h"
#include "ike/exchange/message.h"
#include "ike/exchange/rekey.h"
#include "ike/exchange/request.h"
#include "ike/exchange/terms.h"
#include "ike/sa/diplomat.h"

// An initiator goes on at once; one that is silent for longer has given up, or its network has, and
// begins anew when it hears that we have forgotten.
#define PENDING_NS (60 * NSEC_PER_SEC)
// The peer's exchange has won: by then it is over, whatever its end.
#define YIELD_NS (10 * NSEC_PER_SEC)

// ---- the peer asked ----------------------------------------------------------------------------

static void pending_free(struct ike_sa *sa, struct pending *p)
{
    if (!p) return;
    terms_deal_free(sa, p->deal);
    rekey_ike_deal_free(p->ike);
    chain_done(&p->chain);
    conn_put(p->conn);
    free(p);
}

void followup_drop(struct ike_sa *sa)
{
    pending_free(sa, sa->pending);
    sa->pending = NULL;
    ike_sa_timer(sa, TIMER_PENDING, DUE_NEVER);
}

static void put_link(struct turn *t, struct chain *c)
{
    uint8_t link[CHAIN_LINK_OURS];
    struct ike *ike = t->ike;
    ike->env.random(ike->env.ctx, link, sizeof link);
    IGNORE(chain_link(c, SPAN(link))); // one of ours has room
    put_notify(&t->out, N_ADDITIONAL_KEY_EXCHANGE, SPAN(link));
    ike_sa_timer(t->sa, TIMER_PENDING, ike_now(ike) + PENDING_NS);
}

void followup_keep(struct turn *t, struct pending *p)
{
    followup_drop(t->sa);
    t->sa->pending = p;
    put_link(t, &p->chain);
}

bool followup_rekeys_ike(const struct ike_sa *sa)
{
    return sa->pending && sa->pending->ike;
}

bool followup_rekeys_child(const struct ike_sa *sa, uint32_t id)
{
    const struct pending *p = sa->pending;
    return p && p->deal && (!id || p->old == id);
}

bool followup_makes(const struct ike_sa *sa, const struct conf_child *conf)
{
    const struct pending *p = sa->pending;
    return p && p->deal && !p->old && p->conf == conf;
}

static err_t answer_exchange(struct turn *t, struct chain *c)
{
    struct kex kex;
    struct secret shared = {0};
    uint8_t value[KE_PUBLIC_MAX];
    size_t len = sizeof value;
    TRY(take_ke(t->in, &kex));
    // rfc9370 2.2.4 MUST: in the order of the transform types, each method as agreed on.
    if (kex.method != c->method[c->done]) return ERR_SYNTAX;
    TRY(ke_answer(kex.method, kex.data, value, &len, &shared));
    err_t err = chain_add(c, &shared);
    secret_done(&shared);
    if (err == ERR_OK) put_ke(&t->out, kex.method, span(value, len));
    return err;
}

static err_t pending_finish(struct turn *t, struct pending *p)
{
    if (p->ike) return rekey_ike_finish(t, p);
    return p->old ? rekey_child_finish(t, p) : child_finish(t, p);
}

err_t followup_on_request(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct pending *p = sa->pending;
    struct notify n;
    TRY(notify_find(t->in, N_ADDITIONAL_KEY_EXCHANGE, &n));
    if (!p || !span_eq(n.data, span(p->chain.link, p->chain.link_len))) {
        // rfc9370 2.2.4 MUST: whoever has forgotten says so.
        return refuse(t, N_STATE_NOT_FOUND, ERR_NOTFOUND,
                      "the peer goes on with a key exchange that we know nothing of");
    }
    TRY(answer_exchange(t, &p->chain));
    if (chain_is_due(&p->chain)) {
        put_link(t, &p->chain);
        return ERR_OK;
    }
    sa->pending = NULL;
    ike_sa_timer(sa, TIMER_PENDING, DUE_NEVER);
    err_t err = pending_finish(t, p);
    pending_free(sa, p);
    return err;
}

// ---- we asked ----------------------------------------------------------------------------------

bool followup_lost(const struct task *t)
{
    if (!t->rival.known) return false;
    const struct nonce *ours = nonce_lower(&t->offer->nonce, &t->agreed->nonce);
    return nonce_lower(ours, &t->rival.lowest) != &t->rival.lowest;
}

// The child SA that was to be replaced is an ordinary one again; or the peer has replaced it.
static void release_old(struct ike_sa *sa, const struct task *t)
{
    struct child_sa *old = t->kind == TASK_REKEY_CHILD ? child_sa_by_id(sa, t->child_id) : NULL;
    if (!old || old->state != CHILD_REKEYING) return;
    old->state = t->rival.id ? CHILD_REKEYED : CHILD_INSTALLED;
}

void followup_yield(struct turn *t)
{
    struct task *task = t->task;
    tell(t->ike, t->sa, LOG_STORY, "both sides began the same at once: the peer's goes on");
    release_old(t->sa, task);
    offer_drop(t->sa, task);
    task->rival = (struct rival){0};
    task->not_before = ike_now(t->ike) + YIELD_NS;
    queue_push_front(&t->sa->queue, task);
    t->task = NULL;
}

err_t followup_go_on(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct task *task = t->task;
    struct notify n;
    // An IKE SA that ends, or has been replaced, needs no more keys.
    bool over = sa->state != IKE_UP || queue_find(&sa->queue, TASK_DELETE_IKE, 0);
    if (over) return ERR_OK;
    if (notify_find(t->in, N_ADDITIONAL_KEY_EXCHANGE, &n) != ERR_OK) return ERR_SYNTAX;
    TRY(chain_link(&task->agreed->chain, n.data));
    if (followup_lost(task)) {
        followup_yield(t);
        return ERR_OK;
    }
    // rfc7296 2.8.1: the lowest nonce is the peer's. It sees that, too, and does not go on.
    if (task->rival.known && !task->rival.id) followup_drop(sa);
    queue_push_front(&sa->queue, task);
    t->task = NULL;
    return ERR_OK;
}

err_t followup_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    struct chain *c = &t->agreed->chain;
    ke_free(c->ke);
    c->ke = NULL;
    err_t err = ke_new(c->method[c->done], &c->ke);
    if (err != ERR_OK) {
        release_old(sa, t);
        return why_not(why, err, "key exchange: %s", err_text(err));
    }
    put_ke(m, ke_method(c->ke), ke_public(c->ke));
    put_notify(m, N_ADDITIONAL_KEY_EXCHANGE, span(c->link, c->link_len));
    return ERR_OK;
}

static err_t take_exchange(struct turn *t, struct chain *c)
{
    struct kex kex;
    struct secret shared = {0};
    TRY(take_ke(t->in, &kex));
    if (kex.method != ke_method(c->ke)) return ERR_SYNTAX;
    TRY(ke_finish(c->ke, kex.data, &shared));
    err_t err = chain_add(c, &shared);
    secret_done(&shared);
    return err;
}

err_t followup_on_response(struct turn *t)
{
    err_t err = take_exchange(t, &t->task->agreed->chain);
    if (err != ERR_OK) {
        release_old(t->sa, t->task);
        return err;
    }
    if (chain_is_due(&t->task->agreed->chain)) return followup_go_on(t);
    if (t->task->kind == TASK_REKEY_IKE) return rekey_ike_on_response(t);
    if (t->sa->state != IKE_UP) return ERR_OK; // a child SA belongs to the one that took over
    return t->task->kind == TASK_CHILD ? child_on_response(t) : rekey_child_on_response(t);
}

err_t followup_on_refusal(struct turn *t)
{
    agreement_free(t->task->agreed);
    t->task->agreed = NULL;
    if (t->task->kind == TASK_REKEY_IKE) return rekey_ike_on_refusal(t);
    return t->task->kind == TASK_CHILD ? child_on_refusal(t) : rekey_child_on_refusal(t);
}
