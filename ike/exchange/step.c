// step.c - the story of a negotiation.
#include "ike/exchange/step.h"

#include <stdarg.h>
#include <stdio.h>

#include "ike/exchange/handlers.h"
#include "ike/sa/diplomat.h"

// clang-format off: tables keep their columns

// ---- what we ask -------------------------------------------------------------------------------
static const struct question questions[TASK_KINDS] = {
    [TASK_OPEN] = {"we open a conversation", X_SA_INIT, S(NEW) | S(INIT_SENT), IKE_INIT_SENT,
                   .build = sa_init_ask},
    [TASK_INTERMEDIATE] = {"we add another key exchange", X_INTERMEDIATE, S(INIT_SENT) | S(BETWEEN),
                           IKE_BETWEEN, .build = intermediate_ask},
    [TASK_AUTH] = {"we say and prove who we are", X_AUTH, S(INIT_SENT) | S(BETWEEN) | S(AUTH_SENT),
                   IKE_AUTH_SENT, .build = auth_ask, .prepare = auth_prepare},
    [TASK_CHILD] = {"we ask for another child SA", X_CHILD, S(UP), IKE_UP, .build = child_ask},
    [TASK_REKEY_CHILD] = {"we ask to rekey a child SA", X_CHILD, S(UP), IKE_UP,
                          .build = rekey_child_ask},
    [TASK_REKEY_IKE] = {"we ask to rekey the IKE SA", X_CHILD, S(UP), IKE_UP,
                        .build = rekey_ike_ask},
    [TASK_DELETE_CHILD] = {"we close a child SA", X_INFO, S(UP), IKE_UP, .build = delete_child_ask},
    [TASK_DELETE_IKE] = {"we close the IKE SA", X_INFO, S(UP) | S(REKEYED) | S(AUTH_SENT),
                         IKE_DELETING, .build = delete_ike_ask},
    [TASK_PROBE] = {"we ask whether the peer is there", X_INFO, S(UP), IKE_UP, .build = probe_ask},
    [TASK_MOVE] = {"we say which addresses count now", X_INFO, S(UP) | S(REKEYED), IKE_NEW,
                   .build = mobike_move_ask},
    [TASK_WHERE] = {"we ask whether the peer is where it says", X_INFO, S(UP), IKE_UP,
                    .build = mobike_where_ask},
    [TASK_ADDRESSES] = {"we tell our other addresses", X_INFO, S(UP), IKE_UP,
                        .build = mobike_addresses_ask},
    [TASK_REDIRECT] = {"we send the client to another gateway", X_INFO, S(UP), IKE_UP,
                       .build = redirect_ask},
};

// Of a task whose CREATE_CHILD_SA was answered, and which has more key exchanges to do.
static const struct question question_followup = {"we add another key exchange to fresh keys",
                                                  X_FOLLOWUP, S(UP), IKE_UP, .build = followup_ask};

// ---- what we do with each message --------------------------------------------------------------
#define CHILD (P(SA) | P(TSi) | P(TSr)) // a child SA's terms, in IKE_AUTH
#define NOISE (P(N) | P(V))             // may be anywhere

static const struct step steps[] = {
    // IKE_SA_INIT: strangers agree on keys                                       RFC 7296 1.2
    {"a peer opens a conversation", S(NEW), X_SA_INIT, REQUEST, RESPONDER,
     .need = P(SA) | P(KE) | P(Nonce), .may = NOISE | P(CERTREQ), .run = sa_init_on_request},
    {"the responder agrees on algorithms and keys", S(INIT_SENT), X_SA_INIT, RESPONSE, INITIATOR,
     TASK_OPEN, .need = P(SA) | P(KE) | P(Nonce), .may = NOISE | P(CERTREQ),
     .run = sa_init_on_response},
    {"the responder wants a cookie or another group first, or refuses", S(INIT_SENT), X_SA_INIT,
     RESPONSE, INITIATOR, TASK_OPEN, .need = P(N), .may = NOISE, .run = sa_init_on_notify},

    // IKE_INTERMEDIATE: keys of other kinds on top                          RFC 9242, 9370, 9867
    {"the initiator adds another key exchange, or offers PPKs", S(INIT_DONE), X_INTERMEDIATE,
     REQUEST, RESPONDER, .may = P(KE) | NOISE, .run = intermediate_on_request},
    {"the responder adds its half of it", S(BETWEEN), X_INTERMEDIATE, RESPONSE, INITIATOR,
     TASK_INTERMEDIATE, .need = P(KE), .may = NOISE, .run = intermediate_on_response},
    {"the responder takes one of our PPKs, or none, or refuses", S(BETWEEN), X_INTERMEDIATE,
     RESPONSE, INITIATOR, TASK_INTERMEDIATE, .may = ANY_PAYLOAD, .run = intermediate_on_nod},

    // IKE_AUTH: they say and prove who they are, and agree on a first child SA   RFC 7296 1.2, 2.15
    {"the initiator says and proves who it is", S(INIT_DONE), X_AUTH, REQUEST, RESPONDER,
     .need = P(IDi) | P(AUTH), .may = CHILD | NOISE | P(IDr) | P(CERT) | P(CERTREQ) | P(CP),
     .run = auth_on_request},
    {"the initiator proves who else it is", S(AUTH_MORE), X_AUTH, REQUEST, RESPONDER,
     .need = P(IDi) | P(AUTH), .may = NOISE | P(IDr) | P(CERT) | P(CERTREQ),
     .run = auth_on_request},
    {"the initiator waits for another proof of ours", S(AUTH_MORE), X_AUTH, REQUEST, RESPONDER,
     .may = NOISE, .run = auth_on_request},
    {"the initiator answers in EAP", S(AUTH_MORE), X_AUTH, REQUEST, RESPONDER, .need = P(EAP),
     .may = NOISE, .run = eap_on_response},
    {"the initiator proves it by the key of EAP", S(AUTH_MORE), X_AUTH, REQUEST, RESPONDER,
     .need = P(AUTH), .may = NOISE, .run = eap_on_proof},
    {"the initiator gives up", S(AUTH_MORE), X_INFO, REQUEST, RESPONDER, .may = NOISE | P(D),
     .run = auth_on_giving_up},
    {"the initiator wants to prove it by EAP", S(INIT_DONE) | S(AUTH_MORE), X_AUTH, REQUEST,
     RESPONDER, .need = P(IDi), .may = CHILD | NOISE | P(IDr) | P(CERT) | P(CERTREQ) | P(CP),
     .run = eap_on_wish},
    {"the responder asks us in EAP", S(AUTH_SENT), X_AUTH, RESPONSE, INITIATOR, TASK_AUTH,
     .need = P(EAP), .may = NOISE | P(IDr) | P(CERT) | P(AUTH), .run = eap_on_request},
    {"the responder proves it by the key of EAP, too", S(AUTH_SENT), X_AUTH, RESPONSE, INITIATOR,
     TASK_AUTH, .need = P(AUTH), .may = CHILD | NOISE | P(CP), .run = eap_on_answer},
    {"the responder says and proves who it is", S(AUTH_SENT), X_AUTH, RESPONSE, INITIATOR,
     TASK_AUTH, .need = P(IDr) | P(AUTH), .may = CHILD | NOISE | P(CERT) | P(CERTREQ) | P(CP),
     .run = auth_on_response},
    {"the responder believes another proof of ours, or does not", S(AUTH_SENT), X_AUTH, RESPONSE,
     INITIATOR, TASK_AUTH, .may = CHILD | NOISE | P(CP), .run = auth_on_nod},
    {"the responder refuses us", S(AUTH_SENT), X_AUTH, RESPONSE, INITIATOR, TASK_AUTH, .need = P(N),
     .may = ANY_PAYLOAD, .run = auth_on_refusal},

    // CREATE_CHILD_SA: more child SAs, and fresh keys for old ones               RFC 7296 1.3, 2.8
    {"the peer asks to rekey a child SA", S(UP), X_CHILD, REQUEST, EITHER, .about = N_REKEY_SA,
     .need = P(SA) | P(Nonce) | P(TSi) | P(TSr) | P(N), .may = P(KE) | NOISE | P(CP),
     .run = rekey_child_on_request},
    {"the peer asks for another child SA", S(UP), X_CHILD, REQUEST, EITHER,
     .need = P(SA) | P(Nonce) | P(TSi) | P(TSr), .may = P(KE) | NOISE | P(CP),
     .run = child_on_request},
    {"the peer asks to rekey the IKE SA", S(UP), X_CHILD, REQUEST, EITHER,
     .need = P(SA) | P(Nonce) | P(KE), .may = NOISE, .run = rekey_ike_on_request},
    {"the peer asks for something of an IKE SA that is on its way out", S(REKEYED) | S(DELETING),
     X_CHILD, REQUEST, EITHER, .may = ANY_PAYLOAD, .run = not_now_on_request},
    {"the peer agrees on another child SA", S(UP), X_CHILD, RESPONSE, EITHER, TASK_CHILD,
     .need = P(SA) | P(Nonce) | P(TSi) | P(TSr), .may = P(KE) | NOISE | P(CP),
     .run = child_on_response},
    {"the peer refuses the child SA", S(UP), X_CHILD, RESPONSE, EITHER, TASK_CHILD, .need = P(N),
     .may = ANY_PAYLOAD, .run = child_on_refusal},
    {"the peer agrees on fresh keys for a child SA", S(UP), X_CHILD, RESPONSE, EITHER,
     TASK_REKEY_CHILD, .need = P(SA) | P(Nonce) | P(TSi) | P(TSr), .may = P(KE) | NOISE | P(CP),
     .run = rekey_child_on_response},
    {"the peer refuses to rekey a child SA", S(UP), X_CHILD, RESPONSE, EITHER, TASK_REKEY_CHILD,
     .need = P(N), .may = ANY_PAYLOAD, .run = rekey_child_on_refusal},
    {"the peer agrees on fresh keys for the IKE SA", S(UP) | S(REKEYED), X_CHILD, RESPONSE, EITHER,
     TASK_REKEY_IKE, .need = P(SA) | P(Nonce) | P(KE), .may = NOISE, .run = rekey_ike_on_response},
    {"the peer refuses to rekey the IKE SA", S(UP) | S(REKEYED), X_CHILD, RESPONSE, EITHER,
     TASK_REKEY_IKE, .need = P(N), .may = ANY_PAYLOAD, .run = rekey_ike_on_refusal},

    // IKE_FOLLOWUP_KE: more key exchanges for what CREATE_CHILD_SA began                 RFC 9370
    {"the peer adds another key exchange to fresh keys", S(UP), X_FOLLOWUP, REQUEST, EITHER,
     .about = N_ADDITIONAL_KEY_EXCHANGE, .need = P(KE) | P(N), .may = NOISE,
     .run = followup_on_request},
    {"the peer adds a key exchange for an IKE SA that is on its way out", S(REKEYED) | S(DELETING),
     X_FOLLOWUP, REQUEST, EITHER, .may = ANY_PAYLOAD, .run = not_now_on_request},
    {"the peer adds its half of it to fresh keys", S(UP) | S(REKEYED), X_FOLLOWUP, RESPONSE, EITHER,
     .need = P(KE), .may = NOISE, .run = followup_on_response},
    {"the peer refuses another key exchange for fresh keys", S(UP) | S(REKEYED), X_FOLLOWUP,
     RESPONSE, EITHER, .need = P(N), .may = ANY_PAYLOAD, .run = followup_on_refusal},

    // INFORMATIONAL: ends, news and signs of life                                RFC 7296 1.4
    {"the peer closes SAs", S(UP) | S(REKEYED) | S(DELETING), X_INFO, REQUEST, EITHER, .need = P(D),
     .may = ANY_PAYLOAD, .run = delete_on_request},
    {"the peer asks whether we are there, or has news", S(UP) | S(REKEYED) | S(DELETING), X_INFO,
     REQUEST, EITHER, .may = ANY_PAYLOAD, .run = info_on_request},
    {"the peer has closed a child SA, too", S(UP), X_INFO, RESPONSE, EITHER, TASK_DELETE_CHILD,
     .may = ANY_PAYLOAD, .run = delete_child_on_response},
    {"the peer has closed the IKE SA, too", S(DELETING), X_INFO, RESPONSE, EITHER, TASK_DELETE_IKE,
     .may = ANY_PAYLOAD, .run = delete_ike_on_response},
    {"the peer is there", S(UP) | S(REKEYED), X_INFO, RESPONSE, EITHER, TASK_PROBE,
     .may = ANY_PAYLOAD, .run = probe_on_response},

    // INFORMATIONAL: they change networks                                        RFC 4555 3.5-3.7
    {"the peer knows which addresses count now", S(UP) | S(REKEYED), X_INFO, RESPONSE, EITHER,
     TASK_MOVE, .may = ANY_PAYLOAD, .run = mobike_move_on_response},
    {"the peer is where it says", S(UP) | S(REKEYED), X_INFO, RESPONSE, EITHER, TASK_WHERE,
     .may = ANY_PAYLOAD, .run = mobike_where_on_response},
    {"the peer knows our other addresses", S(UP) | S(REKEYED), X_INFO, RESPONSE, EITHER,
     TASK_ADDRESSES, .may = ANY_PAYLOAD, .run = mobike_addresses_on_response},

    // INFORMATIONAL: another gateway                                              RFC 5685 5
    {"the client knows that it shall go elsewhere", S(UP) | S(REKEYED), X_INFO, RESPONSE, EITHER,
     TASK_REDIRECT, .may = ANY_PAYLOAD, .run = redirect_on_response},
};
// clang-format on

static bool step_fits(const struct step *s, const struct ike_sa *sa, const struct msg *m,
                      enum task_kind asked)
{
    enum direction d = m->h.flags & IKE_FLAG_RESPONSE ? RESPONSE : REQUEST;
    enum role role = sa->initiator ? INITIATOR : RESPONDER;
    if (!(s->in >> sa->state & 1) || s->exchange != m->h.exchange || s->direction != d)
        return false;
    if (!(s->role & role)) return false;
    return d == REQUEST || s->asked == TASK_NONE || s->asked == asked;
}

static bool payloads_fit(const struct step *s, const struct msg *m)
{
    struct notify n;
    // Around SK there is nothing to judge; what was inside it is in `have`, too.
    uint64_t have = m->h.exchange == X_SA_INIT ? m->have : m->have & ~P(SK);
    if ((have & s->need) != s->need || (have & ~(s->need | s->may))) return false;
    return !s->about || notify_find(m, s->about, &n) == ERR_OK;
}

err_t step_find(const struct ike_sa *sa, const struct msg *m, enum task_kind asked,
                const struct step **out)
{
    err_t why = ERR_STATE;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (!step_fits(&steps[i], sa, m, asked)) continue;
        why = ERR_SYNTAX;
        if (!payloads_fit(&steps[i], m)) continue;
        *out = &steps[i];
        return ERR_OK;
    }
    return why;
}

const struct question *step_question(enum task_kind kind)
{
    return &questions[kind];
}

const struct question *step_question_of(const struct task *t)
{
    return t->agreed ? &question_followup : &questions[t->kind];
}

err_t refuse(struct turn *t, uint16_t notify, err_t err, const char *fmt, ...)
{
    char sentence[512], name[40];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    t->refuse = notify;
    tell(t->ike, t->sa, LOG_WARN, "%s; answered with %s", sentence, notify_name(notify, name));
    return err;
}
