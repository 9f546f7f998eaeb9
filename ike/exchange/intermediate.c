#include "ike/exchange/intermediate.h"

#include <string.h>

#include "crypto/prf.h"
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
        const struct transform *t = proposal_get(&sa->chosen, type);
        if (t && t->id != KE_NONE) o->extra[o->extra_n++] = t->id;
    }
}

bool intermediate_is_due(const struct ike_sa *sa)
{
    return sa->opening->extra_done < sa->opening->extra_n;
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

// Covers what has come, and makes keys from the secret that it agreed on: these wait for
// intermediate_turn().
static err_t agree(struct turn *t, struct secret *shared)
{
    struct ike_sa *sa = t->sa;
    struct opening *o = sa->opening;
    struct clear clear;
    msg_clear(t->in, &clear);
    err_t err = intermediate_cover(sa, !sa->initiator, &clear);
    // rfc9370 2.2.2: SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr), as in a rekeying
    if (err == ERR_OK)
        err = ike_keys_rekey(&sa->keys, &sa->chosen, nonce_span(&o->ni), nonce_span(&o->nr),
                             ke_single(shared), sa->spi_i, sa->spi_r, &o->next_keys);
    secret_done(shared);
    return err;
}

err_t intermediate_turn(struct ike_sa *sa)
{
    struct opening *o = sa->opening;
    struct sealer *seal, *open;
    char method[32];
    TRY(ike_keys_sealers(&o->next_keys, &sa->chosen, sa->initiator, &seal, &open));
    sealer_free(sa->seal);
    sealer_free(o->open_before);
    // A request that is repeated because our answer got lost comes under the old keys.
    o->open_before = sa->open;
    sa->seal = seal;
    sa->open = open;
    ike_keys_done(&sa->keys);
    sa->keys = o->next_keys;
    ike_keys_done(&o->next_keys);
    o->rounds++;
    tell(sa->ike, sa, LOG_STORY, "added the keys of %s",
         alg_show(ALG_KE, o->extra[o->extra_done], method));
    o->extra_done++;
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
    TRY(ke_new(o->extra[o->extra_done], &o->ke));
    put_ke(m, ke_method(o->ke), ke_public(o->ke));
    return ERR_OK;
}

err_t intermediate_on_response(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct opening *o = sa->opening;
    struct kex kex;
    struct secret shared = {0};
    TRY(take_ke(t->in, &kex));
    if (kex.method != ke_method(o->ke)) return ERR_NOCHOICE;
    TRY(ke_finish(o->ke, kex.data, &shared));
    TRY(agree(t, &shared));
    TRY(intermediate_turn(sa));
    struct task *next = request_task(intermediate_is_due(sa) ? TASK_INTERMEDIATE : TASK_AUTH, NULL);
    if (!next) return ERR_NOMEM;
    queue_push_front(&sa->queue, next);
    return ERR_OK;
}

// ---- responder ---------------------------------------------------------------------------------

err_t intermediate_on_request(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct opening *o = sa->opening;
    struct kex kex;
    struct secret shared = {0};
    uint8_t value[KE_PUBLIC_MAX];
    size_t len = sizeof value;
    // rfc9370 2.2.2 MUST: in the order of the transform types, each method as agreed on.
    if (!intermediate_is_due(sa)) return ERR_STATE;
    TRY(take_ke(t->in, &kex));
    if (kex.method != o->extra[o->extra_done]) return ERR_SYNTAX;
    TRY(ke_answer(kex.method, kex.data, value, &len, &shared));
    TRY(agree(t, &shared));
    put_ke(&t->out, kex.method, span(value, len));
    t->new_keys = true;
    return ERR_OK;
}
