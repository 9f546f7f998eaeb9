#include "ike/exchange/request.h"

#include <stdlib.h>

#include "base/secret.h"
#include "ike/exchange/close.h"
#include "ike/exchange/followup.h"
#include "ike/exchange/intermediate.h"
#include "ike/exchange/message.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"
#include "ike/sa/retransmit.h"

// rfc7296 2.25: after TEMPORARY_FAILURE a peer is left alone for a while, and for several minutes
// it may say so again before its state counts as out of step with ours.
#define RETRY_MIN_NS (5 * NSEC_PER_SEC)
#define RETRY_SPREAD_NS (10 * NSEC_PER_SEC)
#define RETRY_MAX 20
#define NOT_YET_NS (1 * NSEC_PER_SEC) // what a task waits for is a matter of one round trip

struct task *request_task(enum task_kind kind, struct job *job)
{
    struct task *t = task_new(kind);
    if (t) waiter_add(&t->waiters, job);
    return t;
}

void request_add(struct ike_sa *sa, struct task *t)
{
    if (!t) return;
    err_t err = ike_sa_live(sa) ? queue_push(&sa->queue, t) : ERR_CLOSED;
    if (err != ERR_OK) {
        request_end(sa, t, err, err == ERR_LIMIT ? "too many tasks wait for this peer" : NULL);
        return;
    }
    request_next(sa);
}

void request_name_spi(struct task *t, uint8_t protocol, uint32_t spi)
{
    t->protocol = protocol;
    t->spi = spi;
}

void offer_drop(struct ike_sa *sa, struct task *t)
{
    struct offer *o = t->offer;
    agreement_free(t->agreed);
    t->agreed = NULL;
    if (!o) return;
    if (t->kind != TASK_REKEY_IKE) install_spi_back(sa, o->proto, (uint32_t)o->spi);
    install_spi_back(sa, XFRM_PROTO_COMP, o->cpi);
    reqid_put(&sa->ike->reqids, o->reqid);
    offer_free(o);
    t->offer = NULL;
}

void request_end(struct ike_sa *sa, struct task *t, err_t err, const char *sentence)
{
    if (!t) return;
    if (sa->active == t) sa->active = NULL;
    offer_drop(sa, t);
    struct waiter *waiters = t->waiters;
    t->waiters = NULL;
    task_free(t);
    waiter_end(&waiters, err, sentence ? sentence : err_text(err));
}

void request_end_all(struct ike_sa *sa, err_t err, const char *sentence)
{
    followup_drop(sa);
    if (sa->active) request_end(sa, sa->active, err, sentence);
    while (sa->queue.first) {
        struct task *t = sa->queue.first;
        queue_drop(&sa->queue, t);
        request_end(sa, t, err, sentence);
    }
}

err_t request_retry(struct ike_sa *sa, struct task *t)
{
    struct ike *ike = sa->ike;
    if (t->tries >= RETRY_MAX) return ERR_LIMIT;
    t->tries++;
    offer_drop(sa, t);
    t->rival = (struct rival){0};
    // rfc7296 2.25 MUST NOT: not at once; and not at the same moment as the peer.
    t->not_before = ike_now(ike) + RETRY_MIN_NS + ike_random_below(ike, RETRY_SPREAD_NS);
    queue_push_front(&sa->queue, t);
    return ERR_OK;
}

// Writes the task's request. *out borrows ike->out.
static err_t request_write(struct ike_sa *sa, struct task *t, span_t *out, struct why *why)
{
    const struct question *q = step_question_of(t);
    struct msgw m;
    message_begin(sa, &m, q->exchange, false, sa->window.send);
    TRY(q->build(sa, t, &m, why));
    if (q->exchange == X_INTERMEDIATE) {
        struct clear clear;
        msgw_clear(&m, &clear);
        TRY(intermediate_cover(sa, true, &clear));
    }
    TRY(message_finish(sa, &m, out));
    if (q->exchange == X_SA_INIT) TRY(blob_set(&sa->opening->ours, *out));
    return window_sent(&sa->window, *out);
}

static err_t request_prepare(struct ike_sa *sa, struct task *t, struct why *why)
{
    const struct question *q = step_question(t->kind);
    return q->prepare ? q->prepare(sa, t, why) : ERR_OK;
}

static err_t request_start(struct ike_sa *sa, struct task *t, struct why *why)
{
    const struct question *q = step_question_of(t);
    span_t bytes;
    TRY(request_write(sa, t, &bytes, why));
    tell(sa->ike, sa, LOG_DEBUG, "%s", q->says);
    sa->active = t;
    if (q->then != IKE_NEW) sa->state = q->then;
    retransmit_start(sa);
    ike_sa_send(sa, bytes);
    return ERR_OK;
}

// The kinds of tasks that can be asked in this state, as a set.
static unsigned kinds_now(const struct ike_sa *sa)
{
    unsigned kinds = 0;
    for (unsigned k = TASK_NONE + 1; k < TASK_KINDS; k++) {
        if (step_question((enum task_kind)k)->in >> sa->state & 1) kinds |= 1U << k;
    }
    return kinds;
}

static void request_failed(struct ike_sa *sa, struct task *t, err_t err, const struct why *why)
{
    bool opening = t->kind == TASK_OPEN || t->kind == TASK_INTERMEDIATE || t->kind == TASK_AUTH;
    struct why sentence = *why;
    if (err == ERR_AGAIN) { // nothing left to do: what it wanted is so already
        request_end(sa, t, ERR_OK, why->text[0] ? why->text : NULL);
        return;
    }
    if (err == ERR_STATE) {
        t->not_before = ike_now(sa->ike) + NOT_YET_NS;
        queue_push_front(&sa->queue, t);
        return;
    }
    if (!sentence.text[0]) (void)why_not(&sentence, err, "%s", err_text(err));
    tell(sa->ike, sa, LOG_ERROR, "cannot go on: %s: %s", step_question_of(t)->says, sentence.text);
    request_end(sa, t, err, sentence.text);
    if (opening) close_ike(sa, CLOSED_FAILED, err, sentence.text);
}

void request_next(struct ike_sa *sa)
{
    while (ike_sa_live(sa) && !sa->waits && !sa->active && window_may_send(&sa->window)) {
        unsigned kinds = kinds_now(sa);
        struct why why = {0};
        struct task *t = queue_take(&sa->queue, ike_now(sa->ike), kinds);
        ike_sa_timer(sa, TIMER_TASK, t ? DUE_NEVER : queue_due(&sa->queue, kinds));
        if (!t) break;
        err_t err = request_prepare(sa, t, &why);
        if (err == ERR_AGAIN) {
            queue_push_front(&sa->queue, t);
            break;
        }
        if (err == ERR_OK) err = request_start(sa, t, &why);
        if (err != ERR_OK) request_failed(sa, t, err, &why);
    }
    close_if_replaced(sa);
}

void request_answered(struct ike_sa *sa, uint32_t id)
{
    window_answered(&sa->window, id);
    retransmit_stop(sa);
    request_end(sa, sa->active, ERR_OK, NULL);
}

void request_again(struct ike_sa *sa)
{
    struct task *t = sa->active;
    struct why why = {0};
    window_answered(&sa->window, 0);
    sa->window.send = 0; // rfc7296 2.2: a retry with COOKIE or another KE has Message ID 0, too
    sa->active = NULL;
    err_t err = request_start(sa, t, &why);
    if (err != ERR_OK) request_failed(sa, t, err, &why);
}
