#include "ike/exchange/intermediate.h"

#include <string.h>

#include "crypto/prf.h"
#include "ike/auth/ppk.h"
#include "ike/exchange/close.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/message.h"
#include "ike/exchange/request.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/keylog.h"

void intermediate_plan(struct ike_sa *sa)
{
    struct opening *o = sa->opening;
    o->extra_n = 0;
    for (uint8_t type = ALG_ADDKE1; type <= ALG_ADDKE7; type++) {
        const struct transform *t = proposal_get(sa->chosen, type);
        if (t && t->id != KE_NONE) o->extra[o->extra_n++] = t->id;
    }
}

static bool ke_is_due(const struct opening *o)
{
    return o->extra_done < o->extra_n;
}

bool intermediate_is_due(const struct ike_sa *sa)
{
    return ke_is_due(sa->opening) || ppk_is_due(sa);
}

// rfc9867 3.1 MUST: the PPK is settled in the last exchange, and mixed in behind everything else.
static bool ppk_is_now(const struct ike_sa *sa)
{
    return ppk_is_due(sa) && sa->opening->extra_done + 1 >= sa->opening->extra_n;
}

err_t intermediate_cover(struct ike_sa *sa, bool initiators, const struct clear *c)
{
    struct opening *o = sa->opening;
    uint8_t *sum = o->covered[initiators ? 0 : 1];
    size_t len = prf_len(sa->keys.prf);
    const struct secret_key *key = initiators ? &sa->keys.pi : &sa->keys.pr;
    const span_t parts[] = {span(sum, o->rounds ? len : 0), SPAN(c->head), c->inside};
    uint8_t next[PRF_MAX];
    TRY(prf_do(sa->keys.prf, secret_key_span(key), parts, 3, next));
    memcpy(sum, next, len);
    return ERR_OK;
}

// Keys from what was agreed on: they wait for intermediate_turn(). Neither secret nor key: the same
// again.
static err_t keys_next(struct ike_sa *sa, const struct secret *shared, const struct conf_psk *ppk)
{
    struct opening *o = sa->opening;
    span_t ni = nonce_span(&o->ni), nr = nonce_span(&o->nr);
    struct ike_keys k = sa->keys;
    err_t err = ERR_OK;
    // rfc9370 2.2.2: SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr), as in a rekeying
    if (shared)
        err = ike_keys_rekey(&sa->keys, sa->chosen, ni, nr, ke_single(shared), sa->spi_i, sa->spi_r,
                             &k);
    if (err == ERR_OK && ppk)
        err = ike_keys_refresh(&k, sa->chosen, ni, nr, ppk->secret, sa->spi_i, sa->spi_r, &k);
    if (err == ERR_OK) o->next_keys = k;
    ike_keys_done(&k);
    return err;
}

// Covers what has come under the keys that it came under.
static err_t cover_theirs(struct turn *t)
{
    struct clear clear;
    msg_clear(t->in, &clear);
    return intermediate_cover(t->sa, !t->sa->initiator, &clear);
}

static void tell_turn(struct ike_sa *sa, bool ke)
{
    struct opening *o = sa->opening;
    char method[32];
    if (ke) {
        tell(sa->ike, sa, LOG_STORY, "added the keys of %s",
             alg_show(ALG_KE, o->extra[o->extra_done], method));
    }
    if (o->ppk.settled && sa->ppk_way == PPK_IN_INTERMEDIATE) {
        tell(sa->ike, sa, LOG_STORY, "all keys have a PPK in them from here on (RFC 9867)");
    }
}

err_t intermediate_turn(struct ike_sa *sa)
{
    struct opening *o = sa->opening;
    struct sealer *before;
    bool ke = ke_is_due(o);
    // A request that is repeated because our answer got lost comes under the old keys.
    TRY(ike_keys_sealer(&sa->keys, sa->chosen, !sa->initiator, &before));
    sealer_free(o->open_before);
    o->open_before = before;
    ike_sa_rest(sa);
    ike_keys_done(&sa->keys);
    sa->keys = o->next_keys;
    ike_keys_done(&o->next_keys);
    o->rounds++;
    tell_turn(sa, ke);
    o->extra_done += ke;
    keylog_ike(sa);
    return ERR_OK;
}

// ---- initiator ---------------------------------------------------------------------------------

err_t intermediate_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    struct opening *o = sa->opening;
    (void)t, (void)why;
    ke_free(o->ke);
    o->ke = NULL;
    if (ke_is_due(o)) {
        TRY(ke_new(o->extra[o->extra_done], &o->ke));
        put_ke(m, ke_method(o->ke), ke_public(o->ke));
    }
    return ppk_is_now(sa) ? ppk_put_offers(sa, m) : ERR_OK;
}

static err_t answer_ke(struct turn *t, struct secret *shared)
{
    const struct opening *o = t->sa->opening;
    struct kex kex;
    TRY(take_ke(t->in, &kex));
    if (kex.method != ke_method(o->ke)) return ERR_NOCHOICE;
    return ke_finish(o->ke, kex.data, shared);
}

// The connection wants a PPK, and this responder has none: it hears no more of us, neither who we
// are.
static err_t not_without(struct turn *t, err_t err, const struct why *why)
{
    const char *text = why->text[0] ? why->text : err_text(err);
    tell(t->ike, t->sa, LOG_ERROR, "%s", text);
    close_retry_later(t->sa, t->task);
    request_end(t->sa, t->task, err, text);
    t->task = NULL;
    close_ike(t->sa, CLOSED_FAILED, err, text);
    return ERR_OK;
}

err_t intermediate_on_response(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    const struct conf_psk *ppk = NULL;
    struct secret shared = {0};
    struct why why = {0};
    bool ke = sa->opening->ke != NULL;
    // rfc9370 2.2.2 MUST: what was agreed on is done, and nothing else.
    if (ke != msg_has(t->in, P(KE))) return ERR_SYNTAX;
    if (ppk_is_now(sa)) {
        err_t taken = ppk_taken(sa, t->in, &ppk, &why);
        if (taken != ERR_OK) return not_without(t, taken, &why);
    }
    err_t err = ke ? answer_ke(t, &shared) : ERR_OK;
    if (err == ERR_OK) err = cover_theirs(t);
    if (err == ERR_OK) err = keys_next(sa, ke ? &shared : NULL, ppk);
    secret_done(&shared);
    TRY(err);
    TRY(intermediate_turn(sa));
    struct task *next = request_task(intermediate_is_due(sa) ? TASK_INTERMEDIATE : TASK_AUTH, NULL);
    if (!next) return ERR_NOMEM;
    queue_push_front(&sa->queue, next);
    return ERR_OK;
}

// Without KE.
err_t intermediate_on_nod(struct turn *t)
{
    struct notify n;
    bool refused = notify_find_error(t->in, &n) == ERR_OK;
    return refused ? auth_on_refusal(t) : intermediate_on_response(t);
}

// ---- responder ---------------------------------------------------------------------------------

static err_t give_ke(struct turn *t, struct secret *shared)
{
    const struct opening *o = t->sa->opening;
    struct kex kex;
    uint8_t value[KE_PUBLIC_MAX];
    size_t len = sizeof value;
    TRY(take_ke(t->in, &kex));
    if (kex.method != o->extra[o->extra_done]) return ERR_SYNTAX;
    TRY(ke_answer(kex.method, kex.data, value, &len, shared));
    put_ke(&t->out, kex.method, span(value, len));
    return ERR_OK;
}

err_t intermediate_on_request(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    const struct conf_psk *ppk = NULL;
    struct secret shared = {0};
    bool ke = ke_is_due(sa->opening);
    // rfc9370 2.2.2 MUST: in the order of the transform types, each method as agreed on.
    if (!intermediate_is_due(sa)) return ERR_STATE;
    if (ke != msg_has(t->in, P(KE))) return ERR_SYNTAX;
    err_t err = ke ? give_ke(t, &shared) : ERR_OK;
    if (err == ERR_OK && ppk_is_now(sa)) err = ppk_take_offer(sa, t->in, &t->out, &ppk);
    if (err == ERR_OK) err = cover_theirs(t);
    if (err == ERR_OK) err = keys_next(sa, ke ? &shared : NULL, ppk);
    secret_done(&shared);
    TRY(err);
    t->new_keys = true;
    return ERR_OK;
}
