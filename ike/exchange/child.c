// child.c - CREATE_CHILD_SA for another child SA (RFC 7296 1.3.1).
#include "ike/exchange/close.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/rekey.h"
#include "ike/exchange/request.h"
#include "ike/exchange/terms.h"
#include "ike/sa/diplomat.h"

err_t child_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    if (!t->acquire_seq && child_sa_by_name(sa, t->conf->name)) {
        return why_not(why, ERR_AGAIN, "child SA %s is up already", t->conf->name);
    }
    TRY(terms_offer(sa, t, false, NULL, why));
    terms_put(t, false, m);
    return ERR_OK;
}

err_t child_on_response(struct turn *t)
{
    struct child_sa *c = NULL;
    // What went wrong has been told, and the peer's half is being deleted.
    err_t err = terms_accept(t, false, NULL, &c);
    if (err != ERR_OK) {
        request_end(t->sa, t->task, err, "the peer's terms for the child SA cannot be accepted");
        t->task = NULL;
        return ERR_OK;
    }
    terms_ours_up(t, c);
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
    err_t err = why_not(&why, ERR_CLOSED, "the peer refuses child SA %.60s: %s",
                        t->task->conf->name, notify_name(n.type, name));
    tell(t->ike, sa, LOG_WARN, "%s", why.text);
    if (n.type == N_TEMPORARY_FAILURE && request_retry(sa, t->task) == ERR_OK) {
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
    if (rekey_ike_under_way(t->sa)) {
        // rfc7296 2.25.2: nothing new while it is not settled which IKE SA it would belong to.
        return refuse(t, N_TEMPORARY_FAILURE, ERR_STATE,
                      "the peer wants a child SA while the IKE SA is being rekeyed");
    }
    TRY(terms_answer(t, &q, NULL, &c));
    terms_up(c);
    return ERR_OK;
}
