// auth.c - IKE_AUTH (RFC 7296 1.2, 2.15): identities, proofs, and the first child SA.
#include <stdio.h>
#include <string.h>

#include "crypto/prf.h"
#include "ike/auth/choose.h"
#include "ike/auth/own.h"
#include "ike/auth/peer.h"
#include "ike/auth/psk.h"
#include "ike/exchange/childless.h"
#include "ike/exchange/close.h"
#include "ike/exchange/config.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/intermediate.h"
#include "ike/exchange/lifetime.h"
#include "ike/exchange/message.h"
#include "ike/exchange/mobike.h"
#include "ike/exchange/receive.h"
#include "ike/exchange/request.h"
#include "ike/exchange/terms.h"
#include "ike/exchange/up.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"

#define ID_BODY_MAX (4 + ID_MAX)

// The body of an ID payload as we send it: AUTH covers it.
static span_t id_body(const struct id *id, uint8_t buf[ID_BODY_MAX])
{
    wr_t w = wr_into(buf, ID_BODY_MAX);
    ident_write(&w, id);
    return wr_span(&w);
}

static void put_auth(struct msgw *m, uint8_t method, span_t proof)
{
    struct authp a = {.method = method, .data = proof};
    authp_write(msgw_begin(m, PAYLOAD_AUTH), &a);
    msgw_end(m);
}

static bool by_key(const struct conf_side *side)
{
    return side->auth == CONF_AUTH_PUBKEY;
}

static err_t prove_psk(struct ike_sa *sa, const struct id *peer, struct msgw *m, struct why *why)
{
    uint8_t body[ID_BODY_MAX], proof[64];
    char us[ID_TEXT_MAX], them[ID_TEXT_MAX];
    struct psk_claim claim = {.initiators = sa->initiator, .us = &sa->local_id, .peer = peer};
    claim.id_body = id_body(&sa->local_id, body);
    err_t err = psk_prove(sa, &claim, proof);
    if (err == ERR_OK) {
        put_auth(m, AUTH_PSK, span(proof, prf_len(sa->keys.prf)));
        return ERR_OK;
    }
    return why_not(why, err, "no pre-shared key for %.80s and %.80s (secrets)",
                   id_show(&sa->local_id, us), id_show(peer, them));
}

// CERT and AUTH; a signature must have been made before.
static err_t prove(struct ike_sa *sa, const struct id *peer, struct msgw *m, struct why *why)
{
    const struct proof *p = &sa->opening->our_proof;
    if (!by_key(&sa->conn->conf.local)) return prove_psk(sa, peer, m, why);
    put_auth(m, p->method, blob_span(&p->data));
    return ERR_OK;
}

static void told_how(struct ike_sa *sa, char buf[300])
{
    bool key = by_key(&sa->conn->conf.remote);
    (void)snprintf(buf, 300, "%s", key ? peer_how(sa) : "pre-shared key");
}

// ---- the peer's proof --------------------------------------------------------------------------

static err_t check_psk(struct ike_sa *sa, const struct peer_claim *c, struct why *why)
{
    char name[ID_TEXT_MAX];
    struct psk_claim claim = {
        .initiators = !sa->initiator, .us = &sa->local_id, .peer = c->id, .id_body = c->id_body};
    if (c->auth.method != AUTH_PSK) {
        return why_not(why, ERR_AUTH,
                       "%.90s proves itself with method %u, not with a pre-shared key",
                       id_show(c->id, name), c->auth.method);
    }
    err_t err = psk_check(sa, &claim, c->auth.data);
    if (err == ERR_OK) return ERR_OK;
    return why_not(why, err, "%.90s %s", id_show(c->id, name),
                   err == ERR_NOTFOUND ? "has no pre-shared key with us (secrets)"
                                       : "has not proved it: is the pre-shared key the same?");
}

// ERR_AGAIN: somebody else is at work on it.
static err_t check_peer(struct turn *t, const struct peer_claim *c, struct why *why)
{
    struct ike_sa *sa = t->sa;
    struct why reason = {0};
    char name[ID_TEXT_MAX];
    if (!by_key(&sa->conn->conf.remote)) return check_psk(sa, c, why);
    err_t err = peer_check(sa, c, receive_resume, &reason);
    if (err == ERR_OK || err == ERR_AGAIN) return err;
    const char *text = reason.text[0] ? reason.text : err_text(err);
    // The reason names the certificate; the identity comes before it where there is room.
    bool fits = strlen(id_show(c->id, name)) + strlen(text) + 2 < sizeof why->text;
    return fits ? why_not(why, err, "%s: %s", name, text) : why_not(why, err, "%s", text);
}

static void opening_done(struct ike_sa *sa)
{
    opening_free(sa->opening);
    sa->opening = NULL;
}

// ---- initiator ---------------------------------------------------------------------------------

// The first child SA travels with IKE_AUTH. One that cannot be offered does not keep the IKE SA
// from being set up.
static void take_first_child(struct ike_sa *sa, struct task *t)
{
    struct why why = {0};
    struct task *child = queue_take(&sa->queue, UINT64_MAX, 1U << TASK_CHILD);
    if (!child) return;
    task_set_child(t, child->conn, child->conf);
    t->acquire_seq = child->acquire_seq;
    waiter_move(&child->waiters, &t->waiters);
    request_end(sa, child, ERR_OK, NULL);
    err_t err = terms_offer(sa, t, true, NULL, &why);
    if (err == ERR_OK) return;
    tell(sa->ike, sa, LOG_ERROR, "child SA %s cannot be offered: %s", t->conf->name, why.text);
    offer_drop(sa, t);
    conn_put(t->conn);
    t->conn = NULL;
    t->conf = NULL;
    waiter_end(&t->waiters, err, why.text);
}

// rfc6023 4 MUST NOT: no IKE SA without a child SA unless the responder has said that it may be.
static void want_some_child(struct ike_sa *sa)
{
    if (sa->opening->peer_childless || queue_due(&sa->queue, 1U << TASK_CHILD) != UINT64_MAX) {
        return;
    }
    for (unsigned i = 0; i < sa->conn->conf.child_n; i++) {
        const struct conf_child *f = &sa->conn->conf.child[i];
        struct task *t = trap_is_shunt(f) ? NULL : request_task(TASK_CHILD, NULL);
        if (!t) continue;
        task_set_child(t, sa->conn, f);
        if (queue_push(&sa->queue, t) != ERR_OK) task_free(t);
        return;
    }
}

// Whose key to take while the responder's identity is only a guess.
static struct id expected_peer(const struct ike_sa *sa)
{
    const struct id *conf = &sa->conn->conf.remote.id;
    return conf->type == ID_ANY ? id_from_ip(&sa->remote.ip) : *conf;
}

// What has to be signed is known before the question is written.
err_t auth_prepare(struct ike_sa *sa, struct task *t, struct why *why)
{
    (void)t;
    if (!sa->opening->our_proof.ready && !sa->work_id) own_choose(sa);
    return by_key(&sa->conn->conf.local) ? own_sign(sa, request_next, why) : ERR_OK;
}

err_t auth_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    struct id peer = expected_peer(sa);
    char us[ID_TEXT_MAX];
    bool key = by_key(&sa->conn->conf.local);
    TRY(childless_check(sa, why));
    if (!childless_begins(sa)) {
        want_some_child(sa);
        take_first_child(sa, t);
    }
    put_id(m, PAYLOAD_IDi, &sa->local_id);
    own_put_certs(sa, m);
    peer_put_certreq(m, &sa->conn->conf);
    if (choose_is_exact(&sa->conn->conf.remote.id)) {
        put_id(m, PAYLOAD_IDr, &sa->conn->conf.remote.id);
    }
    TRY(prove(sa, &peer, m, why));
    tell(sa->ike, sa, LOG_STORY, "saying that we are %.200s, and proving it by %s",
         id_show(&sa->local_id, us), key ? sa->opening->our_proof.how.text : "pre-shared key");
    config_ask(sa, m);
    if (t->offer) terms_put(t, true, m);
    mobike_put(sa, m);
    // rfc7296 2.4: only if we know of no other IKE SA with this peer.
    if (sa->conn->conf.unique != CONF_UNIQUE_NEVER && up_is_first(sa)) {
        put_notify(m, N_INITIAL_CONTACT, span(NULL, 0));
    }
    return ERR_OK;
}

static err_t check_responder(struct turn *t, struct why *why)
{
    struct ike_sa *sa = t->sa;
    struct id idr;
    char name[ID_TEXT_MAX], want[ID_TEXT_MAX], how[300];
    struct peer_claim c = {.in = t->in, .id = &idr, .id_body = msg_body(t->in, PAYLOAD_IDr)};
    TRY(ident_read(c.id_body, &idr));
    TRY(authp_read(msg_body(t->in, PAYLOAD_AUTH), &c.auth));
    if (!id_match(&sa->conn->conf.remote.id, &idr)) {
        return why_not(why, ERR_AUTH, "the responder is %.90s, but remote.id expects %.90s",
                       id_show(&idr, name), id_show(&sa->conn->conf.remote.id, want));
    }
    TRY(check_peer(t, &c, why));
    sa->remote_id = idr;
    told_how(sa, how);
    tell(t->ike, sa, LOG_STORY, "%.200s proved who it is: %s", id_show(&idr, name), how);
    return ERR_OK;
}

static void first_child_failed(struct turn *t, err_t err, const char *reason)
{
    struct why why;
    IGNORE(why_not(&why, err, "the IKE SA is up, but child SA %.60s is not: %s",
                   t->task->conf->name, reason)); // only the sentence
    tell(t->ike, t->sa, LOG_ERROR, "%s", why.text);
    waiter_end(&t->task->waiters, err, why.text);
}

static void first_child_answered(struct turn *t)
{
    struct child_sa *c = NULL;
    struct notify n;
    char name[40];
    if (!t->task->offer) return;
    if (!msg_has(t->in, P(SA) | P(TSi) | P(TSr))) {
        bool said = notify_find_error(t->in, &n) == ERR_OK;
        first_child_failed(t, ERR_NOCHOICE, said ? notify_name(n.type, name) : "no answer to it");
        return;
    }
    err_t err = terms_accept(t, true, NULL, &c);
    if (err != ERR_OK) {
        first_child_failed(t, err, err_text(err));
        return;
    }
    terms_ours_up(t, c);
}

// rfc7296 2.15 MUST: nothing the responder says is believed before its proof was checked.
// The peer goes on using an earlier run's SAs until it knows that the new ones are in place here:
// any request tells it (up_takes_over is its side of this).
static void hasten_switch(struct ike_sa *sa)
{
    for (struct child_sa *c = sa->children; c; c = c->next) {
        if (!install_stale(c)) continue;
        request_add(sa, request_task(TASK_PROBE, NULL));
        return;
    }
}

err_t auth_on_response(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct why why = {0};
    if (queue_find(&sa->queue, TASK_DELETE_IKE, 0)) return ERR_OK; // not wanted any more
    err_t err = check_responder(t, &why);
    if (err == ERR_AGAIN) return err;
    if (err != ERR_OK) {
        if (!why.text[0]) IGNORE(why_not(&why, err, "malformed IDr or AUTH")); // only the sentence
        tell(t->ike, sa, LOG_ERROR, "not authenticated: %s", why.text);
        close_retry_later(sa, t->task);
        request_end(sa, t->task, ERR_AUTH, why.text);
        t->task = NULL;
        waiter_end(&sa->waiters, ERR_AUTH, why.text);
        close_ike_ask(sa, CLOSED_FAILED, N_AUTHENTICATION_FAILED, NULL);
        return ERR_OK;
    }
    mobike_agree(sa, t->in);
    up_now(sa);
    lifetime_take(sa, t->in);
    if (config_answered(t) != ERR_OK) return ERR_OK; // it has seen to the end of the IKE SA
    first_child_answered(t);
    opening_done(sa); // its nonces made the child SA's keys
    up_replace_others(sa);
    hasten_switch(sa);
    return ERR_OK;
}

err_t auth_on_refusal(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct notify n;
    struct why why;
    char name[40];
    if (notify_find_error(t->in, &n) != ERR_OK) return ERR_SYNTAX;
    const char *hint = n.type == N_AUTHENTICATION_FAILED
                           ? "; its log says why: a secret, a certificate, or an identity"
                             " that is not the same on both sides"
                           : "";
    err_t err = n.type == N_AUTHENTICATION_FAILED ? ERR_AUTH : ERR_CLOSED;
    err = why_not(&why, err, "the responder refuses: %s%s", notify_name(n.type, name), hint);
    tell(t->ike, sa, LOG_ERROR, "%s", why.text);
    close_retry_later(sa, t->task);
    request_end(sa, t->task, err, why.text);
    t->task = NULL;
    close_ike(sa, CLOSED_FAILED, err, why.text);
    return ERR_OK;
}

// ---- responder ---------------------------------------------------------------------------------

static err_t unauthenticated(struct turn *t, const char *sentence)
{
    // The peer hears the same whatever the reason is: it has not proved that it may know more.
    return refuse(t, N_AUTHENTICATION_FAILED, ERR_AUTH, "%s", sentence);
}

static err_t meet_initiator(struct turn *t, struct why *why)
{
    struct ike_sa *sa = t->sa;
    // What was put aside and is looked at again has been met before.
    if (sa->opening->their_proof.ready || sa->opening->our_proof.ready) return ERR_OK;
    if (intermediate_is_due(sa)) {
        return why_not(why, ERR_AUTH, "the peer left out a key exchange that was agreed on");
    }
    struct id idi, idr;
    struct authp auth;
    bool named = msg_has(t->in, P(IDr));
    char us[ID_TEXT_MAX];
    TRY(ident_read(msg_body(t->in, PAYLOAD_IDi), &idi));
    if (named) TRY(ident_read(msg_body(t->in, PAYLOAD_IDr), &idr));
    TRY(authp_read(msg_body(t->in, PAYLOAD_AUTH), &auth));
    struct choice want = {&idi, named ? &idr : NULL, auth.method == AUTH_PSK};
    struct conn *conn = choose_conn(sa, &want, why);
    // Some peers name our address although another identity is configured; it is only a wish.
    want.idr = NULL;
    if (!conn && named) conn = choose_conn(sa, &want, why);
    if (!conn) return ERR_NOTFOUND;
    conn_put(sa->conn);
    sa->conn = conn_get(conn);
    sa->remote_id = idi;
    own_hear(sa, t->in);
    own_choose(sa);
    tell(t->ike, sa, LOG_INFO, "connection %s fits; we are %.200s", ike_sa_name(sa),
         id_show(&sa->local_id, us));
    return ERR_OK;
}

static err_t check_initiator(struct turn *t, struct why *why)
{
    struct peer_claim c = {.in = t->in, .id = &t->sa->remote_id};
    c.id_body = msg_body(t->in, PAYLOAD_IDi);
    TRY(authp_read(msg_body(t->in, PAYLOAD_AUTH), &c.auth));
    return check_peer(t, &c, why);
}

static err_t authenticate(struct turn *t, struct why *why)
{
    struct ike_sa *sa = t->sa;
    struct notify n;
    TRY(meet_initiator(t, why));
    TRY(check_initiator(t, why));
    sa->initial_contact = notify_find(t->in, N_INITIAL_CONTACT, &n) == ERR_OK;
    if (up_must_refuse(sa, sa->initial_contact)) {
        return why_not(why, ERR_EXISTS, "the peer has an IKE SA already (unique = keep)");
    }
    return ERR_OK;
}

// A child SA that cannot be made does not undo the authentication (RFC 7296 1.2, 2.21.2).
static void answer_first_child(struct turn *t)
{
    // The initiator cannot read what the new child SA sends before it has our answer.
    bool serves = up_takes_over(t->sa); // an earlier one, until then
    bool takes_over = t->sa->initial_contact && serves;
    struct terms_question q = {.first = true, .hold_out = serves, .takes_over = takes_over};
    struct child_sa *c = NULL;
    char name[40];
    err_t err = config_answer(t);
    if (!msg_has(t->in, P(SA) | P(TSi) | P(TSr))) {
        tell(t->ike, t->sa, LOG_INFO, "the peer wants no child SA yet");
        if (err != ERR_OK) put_notify(&t->out, t->refuse, span(NULL, 0));
        return;
    }
    if (err == ERR_OK && terms_answer(t, &q, NULL, &c) == ERR_OK) {
        terms_up(c);
        return;
    }
    uint16_t type = t->refuse ? t->refuse : N_INVALID_SYNTAX;
    put_notify(&t->out, type, span(NULL, 0));
    tell(t->ike, t->sa, LOG_WARN, "the IKE SA is up, but its first child SA is not: %s",
         notify_name(type, name));
}

err_t auth_on_request(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct why why = {0};
    char peer[ID_TEXT_MAX], how[300];
    err_t err = authenticate(t, &why);
    if (err == ERR_OK) TRY(childless_judge(t));
    if (err == ERR_OK) TRY(mobike_judge(t));
    if (err == ERR_OK && by_key(&sa->conn->conf.local)) err = own_sign(sa, receive_resume, &why);
    // Too much to do: the peer repeats its message.
    if (err == ERR_LIMIT) err = ERR_AGAIN;
    if (err == ERR_SYNTAX || err == ERR_SHORT || err == ERR_AGAIN) return err;
    if (err != ERR_OK) return unauthenticated(t, why.text[0] ? why.text : err_text(err));
    told_how(sa, how);
    tell(t->ike, sa, LOG_STORY, "%.200s proved who it is: %s", id_show(&sa->remote_id, peer), how);
    put_id(&t->out, PAYLOAD_IDr, &sa->local_id);
    own_put_certs(sa, &t->out);
    TRY(prove(sa, &sa->remote_id, &t->out, &why));
    mobike_agree(sa, t->in);
    if (sa->roam.on) mobike_put(sa, &t->out);
    lifetime_put(sa, &t->out);
    up_now(sa);
    answer_first_child(t);
    opening_done(sa); // its nonces made the child SA's keys
    t->newly_up = true;
    return ERR_OK;
}

err_t auth_on_eap(struct turn *t)
{
    return unauthenticated(t, "the peer wants to authenticate by EAP, which is not supported");
}
