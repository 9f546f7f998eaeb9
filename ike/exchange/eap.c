// eap.c - IKE_AUTH with EAP in it (RFC 7296 2.16, RFC 5998):
//
//     initiator                         responder
//     IDi, SA, TSi, TSr            -->
//                                  <--  IDr, CERT, AUTH, EAP request     no AUTH: EAP alone
//     EAP response                 -->
//                                  <--  EAP request                      as often as it takes
//     EAP response                 -->
//                                  <--  EAP success
//     AUTH, by the key of EAP      -->
//                                  <--  AUTH, likewise; SA, TSi, TSr
#include "base/words.h"
#include "ike/auth/choose.h"
#include "ike/auth/eap_relay.h"
#include "ike/auth/eap_round.h"
#include "ike/auth/own.h"
#include "ike/auth/ppk.h"
#include "ike/auth/proof.h"
#include "ike/auth/round.h"
#include "ike/exchange/auth.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/lease.h"
#include "ike/exchange/message.h"
#include "ike/exchange/receive.h"
#include "ike/sa/diplomat.h"

// However many rounds it takes: nobody types a password meanwhile.
#define EAP_LASTS_NS (120 * NSEC_PER_SEC)
#define EAP_CODE_FAILURE 4

static void put_packet(struct ike_sa *sa, struct msgw *m)
{
    wr_bytes(msgw_begin(m, PAYLOAD_EAP), eap_packet(sa->opening->eap.talk));
    msgw_end(m);
}

// AUTH by the key of EAP, in whatever direction.
static err_t check_auth(struct turn *t, struct why *why)
{
    struct ike_sa *sa = t->sa;
    struct opening *o = sa->opening;
    struct authp a;
    char name[ID_TEXT_MAX];
    TRY(authp_read(msg_body(t->in, PAYLOAD_AUTH), &a));
    if (round_is_first(sa) && !sa->initiator) TRY(ppk_take(sa, t->in, &a.data, why));
    if (round_is_first(sa) && sa->initiator) TRY(ppk_answered(sa, t->in, why));
    err_t err = a.method == AUTH_PSK ? ERR_OK : ERR_AUTH;
    if (err == ERR_OK) err = eap_round_check(sa, !sa->initiator, blob_span(&o->peer_id), a.data);
    if (err != ERR_OK) {
        return why_not(why, err, "the AUTH of %.90s is not by the key that EAP has given",
                       id_show(&sa->remote_id, name));
    }
    tell(sa->ike, sa, LOG_STORY, SAY_THEIR_AUTH, id_show(&sa->remote_id, name), "EAP");
    return ERR_OK;
}

// ---- initiator ---------------------------------------------------------------------------------

void eap_ask_for(struct ike_sa *sa, struct msgw *m)
{
    struct opening *o = sa->opening;
    put_id(m, PAYLOAD_IDi, &sa->local_id);
    if (eap_round_is_alone(sa)) put_notify(m, N_EAP_ONLY_AUTHENTICATION, span(NULL, 0));
    o->eap.phase = EAP_WISHED;
}

err_t eap_ask_more(struct ike_sa *sa, struct msgw *m, struct why *why)
{
    struct opening *o = sa->opening;
    if (o->eap.phase == EAP_TALKS) {
        put_packet(sa, m);
        return ERR_OK;
    }
    TRY(proof_put_auth(sa, &sa->remote_id, m, why));
    round_put(sa, m);
    if (round_is_first(sa)) ppk_put(sa, m);
    proof_tell_ours(sa);
    return ERR_OK;
}

// The first answer says who the responder is, and proves it, unless EAP is to do that.
static err_t meet_responder(struct turn *t, struct why *why)
{
    struct ike_sa *sa = t->sa;
    struct id idr;
    if (sa->opening->eap.taken) return ERR_OK; // it was put aside, and has been met before
    if (sa->opening->eap.phase != EAP_WISHED) {
        return msg_has(t->in, P(AUTH)) || msg_has(t->in, P(IDr)) ? ERR_SYNTAX : ERR_OK;
    }
    if (!eap_round_is_alone(sa)) {
        TRY(auth_check_responder(t, why));
        return eap_round_begin(sa, receive_resume, why);
    }
    TRY(ident_read(msg_body(t->in, PAYLOAD_IDr), &idr));
    TRY(auth_is_meant(sa, &idr, why));
    TRY(blob_set(&sa->opening->peer_id, msg_body(t->in, PAYLOAD_IDr)));
    sa->remote_id = idr;
    tell(sa->ike, sa, LOG_STORY, SAY_EAP_ONLY);
    return eap_round_begin(sa, receive_resume, why);
}

// What becomes of the conversation after the responder's packet.
static void go_on(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct eap *talk = sa->opening->eap.talk;
    span_t packet = msg_body(t->in, PAYLOAD_EAP);
    struct why why = *eap_why(talk);
    eap_round_tell(sa);
    if (eap_state(talk) == EAP_FAILED) {
        bool over = packet.len && packet.at[0] == EAP_CODE_FAILURE;
        if (over) auth_refused(t, ERR_AUTH, why.text);
        if (!over) auth_not_believed(t, ERR_AUTH, &why);
        return;
    }
    if (eap_state(talk) == EAP_SUCCEEDED) sa->opening->eap.phase = EAP_KEYED;
    queue_push_front(&sa->queue, t->task); // the same task again: it keeps the first child's offer
    t->task = NULL;
}

err_t eap_on_request(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct why why = {0};
    if (queue_find(&sa->queue, TASK_DELETE_IKE, 0)) return ERR_OK; // not wanted any more
    enum eap_phase phase = sa->opening->eap.phase;
    if (phase != EAP_WISHED && phase != EAP_TALKS) return ERR_SYNTAX;
    err_t err = meet_responder(t, &why);
    if (err == ERR_OK) err = eap_round_take(sa, msg_body(t->in, PAYLOAD_EAP), receive_resume);
    if (err == ERR_AGAIN) return err;
    if (err == ERR_OK) {
        go_on(t);
    } else {
        auth_not_believed(t, err, &why);
    }
    return ERR_OK;
}

err_t eap_on_answer(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct why why = {0};
    if (queue_find(&sa->queue, TASK_DELETE_IKE, 0)) return ERR_OK; // not wanted any more
    if (sa->opening->eap.phase != EAP_KEYED) return ERR_SYNTAX;
    err_t err = check_auth(t, &why);
    if (err != ERR_OK) {
        auth_not_believed(t, err, &why);
        return ERR_OK;
    }
    eap_round_done(sa);
    return auth_believed(t);
}

// ---- responder ---------------------------------------------------------------------------------

// rfc5998 3: without AUTH of ours only if the initiator can do with that.
static err_t may_be_alone(struct turn *t, struct why *why)
{
    struct notify n;
    if (!eap_round_is_alone(t->sa) || notify_find(t->in, N_EAP_ONLY_AUTHENTICATION, &n) == ERR_OK) {
        return ERR_OK;
    }
    return why_not(why, ERR_AUTH,
                   "the peer wants a proof of ours besides EAP, and %.60s has none (local.auth)",
                   ike_sa_name(t->sa));
}

static err_t begin(struct turn *t, struct why *why)
{
    struct ike_sa *sa = t->sa;
    TRY(auth_meet(t, why));
    if (!eap_round_is_on(sa)) {
        return why_not(why, ERR_AUTH, "the peer wants to prove it by EAP, but %.60s expects %s",
                       ike_sa_name(sa), "something else (remote.auth)");
    }
    TRY(may_be_alone(t, why));
    if (round_is_first(sa)) TRY(auth_hear_first(t));
    TRY(auth_prove_too(t, why));
    TRY(blob_set(&sa->opening->peer_id, msg_body(t->in, PAYLOAD_IDi)));
    return eap_round_begin(sa, receive_resume, why);
}

err_t eap_on_wish(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct why why = {0};
    if (sa->opening->eap.phase != EAP_NONE && !sa->opening->eap.taken) return ERR_SYNTAX;
    err_t err = begin(t, &why);
    if (err == ERR_LIMIT) err = ERR_AGAIN; // too much to do: the peer repeats its message
    if (err == ERR_SYNTAX || err == ERR_SHORT || err == ERR_AGAIN || t->refuse) return err;
    if (err != ERR_OK) return auth_fails(t, why.text[0] ? why.text : err_text(err));
    if (eap_state(sa->opening->eap.talk) == EAP_FAILED) { // before it has begun
        return auth_fails(t, eap_why(sa->opening->eap.talk)->text);
    }
    if (eap_round_is_alone(sa)) {
        put_id(&t->out, PAYLOAD_IDr, &sa->local_id);
        tell(t->ike, sa, LOG_STORY, SAY_EAP_ONLY);
    } else if (round_ours(sa)) {
        TRY(proof_put(sa, &sa->remote_id, &t->out, &why));
        proof_tell_ours(sa);
        round_put(sa, &t->out);
    }
    eap_round_tell(sa);
    put_packet(sa, &t->out);
    sa->opening->eap.until = ike_now(t->ike) + EAP_LASTS_NS;
    return auth_wait(t);
}

// ---- whom EAP has named

// Another connection that may have a peer of this name, and in which we prove ourselves in the way
// that we already have.
static err_t next_conn(struct turn *t, const struct choice *want, struct why *why)
{
    struct ike_sa *sa = t->sa;
    struct opening *o = sa->opening;
    tell(t->ike, sa, LOG_STORY, SAY_CONFIG_UNFIT, ike_sa_name(sa));
    bool room = round_is_first(sa) && o->tried_n < sizeof o->tried / sizeof *o->tried;
    if (room) o->tried[o->tried_n++] = sa->conn;
    struct conn *conn = room ? choose_conn(sa, want, why) : NULL;
    if (!conn) {
        tell(t->ike, sa, LOG_STORY, SAY_NO_OTHER_CONFIG);
        return ERR_AUTH;
    }
    conn_get(conn);
    conn_put(sa->conn);
    sa->conn = conn;
    struct id us = sa->local_id;
    own_choose(sa); // what was chosen before was the other one's
    sa->local_id = us;
    tell(t->ike, sa, LOG_STORY, SAY_CONFIG_NEXT, ike_sa_name(sa));
    return ERR_OK;
}

static err_t find_by_name(struct turn *t, const struct id *who, struct why *why)
{
    struct ike_sa *sa = t->sa;
    const struct id *want = &round_theirs(sa)->eap_id;
    char a[ID_TEXT_MAX], b[ID_TEXT_MAX];
    const struct choice by_name = {.idi = &sa->remote_id,
                                   .by = CONF_AUTH_EAP,
                                   .alone = eap_round_is_alone(sa),
                                   .eap_id = who,
                                   .like = sa->conn};
    tell(t->ike, sa, LOG_STORY, SAY_EAP_ID_UNFIT, id_show(want, a), id_type_name(want->type),
         id_show(who, b), id_type_name(who->type));
    if (next_conn(t, &by_name, why) == ERR_OK) return ERR_OK;
    return why_not(why, ERR_AUTH, "no connection wants a peer that is %.100s in EAP (eap_id)", b);
}

// The server has named the client's groups, and what it may do in one it may not in another.
static err_t find_by_group(struct turn *t, struct why *why)
{
    struct ike_sa *sa = t->sa;
    struct id who = *eap_peer(sa->opening->eap.talk);
    const struct choice by_group = {.idi = &sa->remote_id,
                                    .by = CONF_AUTH_EAP,
                                    .alone = eap_round_is_alone(sa),
                                    .eap_id = &who,
                                    .like = sa->conn,
                                    .relayed = true};
    while (eap_relay_is_on(sa) && !eap_relay_fits(sa, round_theirs(sa))) {
        tell(t->ike, sa, LOG_STORY, SAY_GROUPS, round_theirs(sa)->group[0]);
        if (next_conn(t, &by_group, why) == ERR_OK) continue;
        return why_not(why, ERR_AUTH,
                       "the RADIUS server names no group of the client that the connection wants "
                       "(groups)");
    }
    return ERR_OK;
}

static err_t name_known(struct turn *t, struct why *why)
{
    struct ike_sa *sa = t->sa;
    struct id who = *eap_peer(sa->opening->eap.talk);
    if (!eap_round_fits(round_theirs(sa), &who)) TRY(find_by_name(t, &who, why));
    TRY(eap_round_go_on(sa, receive_resume, why));
    eap_round_tell(sa);
    return ERR_OK;
}

// rfc7296 2.16: the initiator hears it in EAP's words, and the IKE SA is gone.
static err_t failed(struct turn *t, const char *sentence)
{
    struct eap *talk = t->sa->opening->eap.talk;
    if (eap_state(talk) != EAP_FAILED || !eap_packet(talk).len) return auth_fails(t, sentence);
    put_packet(t->sa, &t->out);
    tell(t->ike, t->sa, LOG_WARN, "%s; answered with EAP Failure", sentence);
    tell_alert(t->ike, t->sa, ALERT_PEER_AUTH_FAILED);
    t->fatal = true;
    t->why = CLOSED_FAILED;
    return ERR_OK;
}

err_t eap_on_response(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct opening *o = sa->opening;
    struct why why = {0};
    if (o->eap.phase != EAP_TALKS) return ERR_SYNTAX;
    if (ike_now(t->ike) > o->eap.until) return auth_fails(t, "EAP takes too long");
    err_t err = eap_round_take(sa, msg_body(t->in, PAYLOAD_EAP), receive_resume);
    if (err == ERR_LIMIT) err = ERR_AGAIN;
    if (err != ERR_OK) return err;
    eap_round_tell(sa);
    if (eap_state(o->eap.talk) == EAP_KNOWS) err = name_known(t, &why);
    if (err == ERR_AGAIN) return err; // a RADIUS server is asked
    if (err != ERR_OK) return auth_fails(t, why.text[0] ? why.text : err_text(err));
    if (eap_state(o->eap.talk) == EAP_FAILED) return failed(t, eap_why(o->eap.talk)->text);
    if (eap_state(o->eap.talk) == EAP_SUCCEEDED) o->eap.phase = EAP_KEYED;
    put_packet(sa, &t->out);
    return auth_wait(t);
}

static err_t hear_proof(struct turn *t, struct why *why)
{
    TRY(find_by_group(t, why));
    TRY(round_expects_more(t->sa, t->in, why));
    TRY(check_auth(t, why));
    return eap_round_known(t->sa);
}

err_t eap_on_proof(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct opening *o = sa->opening;
    struct why why = {0};
    if (o->eap.phase != EAP_KEYED) return ERR_SYNTAX;
    err_t err = lease_waited(sa) ? ERR_OK : hear_proof(t, &why);
    if (err == ERR_OK) err = auth_wait_for_lease(t);
    if (err == ERR_SYNTAX || err == ERR_SHORT || err == ERR_AGAIN) return err;
    if (err == ERR_OK) err = proof_put_auth(sa, &sa->remote_id, &t->out, &why);
    if (err != ERR_OK) return auth_fails(t, why.text[0] ? why.text : err_text(err));
    if (round_is_first(sa)) ppk_confirm(sa, &t->out);
    eap_round_done(sa);
    return auth_end_round(t);
}
