// auth.c - IKE_AUTH (RFC 7296 1.2, 2.15): identities, proofs, and the first child SA; in several
// rounds where sections say so (RFC 4739).
#include <stdio.h>
#include <string.h>

#include "base/words.h"
#include "ike/auth/choose.h"
#include "ike/auth/eap_round.h"
#include "ike/auth/null.h"
#include "ike/auth/own.h"
#include "ike/auth/ppk.h"
#include "ike/auth/proof.h"
#include "ike/auth/recheck.h"
#include "ike/auth/round.h"
#include "ike/exchange/auth.h"
#include "ike/exchange/childless.h"
#include "ike/exchange/close.h"
#include "ike/exchange/config.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/intermediate.h"
#include "ike/exchange/lease.h"
#include "ike/exchange/lifetime.h"
#include "ike/exchange/message.h"
#include "ike/exchange/mobike.h"
#include "ike/exchange/open.h"
#include "ike/exchange/receive.h"
#include "ike/exchange/redirect.h"
#include "ike/exchange/request.h"
#include "ike/exchange/terms.h"
#include "ike/exchange/unlike.h"
#include "ike/exchange/up.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/stale.h"

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
    t->acquired = child->acquired;
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
    if (sa->opening->theirs_n) return sa->remote_id;
    return conf->type == ID_ANY ? id_from_ip(&sa->remote.ip) : *conf;
}

// What has to be signed is known before the question is written.
err_t auth_prepare(struct ike_sa *sa, struct task *t, struct why *why)
{
    (void)t;
    if (!round_ours(sa)) return ERR_OK;
    if (!sa->opening->our_proof.ready && !sa->work_id) own_choose(sa);
    if (eap_round_is_alone(sa) && !eap_round_is_on(sa)) {
        return why_not(why, ERR_CLOSED,
                       "whoever proves itself by EAP has to call us, and %.60s calls it "
                       "(remote.auth)",
                       ike_sa_name(sa));
    }
    bool by_eap = eap_round_is_on(sa), keyed = sa->opening->eap.phase == EAP_KEYED;
    if (by_eap && !keyed) return ERR_OK; // there is no AUTH in it
    if (round_is_first(sa)) {
        struct id peer = expected_peer(sa);
        TRY(ppk_begin(sa, &peer, request_next, why));
    }
    return proof_make(sa, request_next, why);
}

// What goes with the first IKE_AUTH only.
static void begin(struct ike_sa *sa, struct task *t, struct msgw *m)
{
    peer_put_certreq(sa, m, &sa->conn->conf);
    if (choose_is_exact(&sa->conn->conf.remote.id)) {
        put_id(m, PAYLOAD_IDr, &sa->conn->conf.remote.id);
    }
    round_offer(sa, m);
    config_ask(sa, m);
    if (t->offer) terms_put(t, true, m);
    mobike_put(sa, m);
    // rfc7296 2.4: only if we know of no other IKE SA with this peer.
    if (sa->conn->conf.unique != CONF_UNIQUE_NEVER && up_is_first(sa)) {
        put_notify(m, N_INITIAL_CONTACT, span(NULL, 0));
    }
}

err_t auth_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    struct id peer = expected_peer(sa);
    bool first = round_is_first(sa), by_eap = eap_round_is_on(sa);
    if (by_eap && sa->opening->eap.phase != EAP_NONE) return eap_ask_more(sa, m, why);
    TRY(round_check(sa, why));
    if (first) TRY(childless_check(sa, why));
    if (first && !childless_begins(sa)) {
        want_some_child(sa);
        take_first_child(sa, t);
    }
    if (by_eap) {
        eap_ask_for(sa, m);
    } else if (round_ours(sa)) {
        TRY(proof_put(sa, &peer, m, why));
        round_put(sa, m);
        if (first) ppk_put(sa, m);
        proof_tell_ours(sa);
    }
    if (first) begin(sa, t, m);
    return ERR_OK;
}

void auth_know_peer(struct ike_sa *sa, const struct id *id)
{
    char name[ID_TEXT_MAX];
    if (null_is_peer(sa)) {
        // rfc7619 2.2 MUST NOT: what it says of itself is for the log, and for nothing else.
        sa->remote_id = null_id(sa);
        tell(sa->ike, sa, LOG_STORY, "the peer says that it is %.200s, and proves nothing",
             id_show(id, name));
        return;
    }
    sa->remote_id = *id;
    proof_tell_theirs(sa);
}

err_t auth_is_meant(const struct ike_sa *sa, const struct id *idr, struct why *why)
{
    const struct conf_side *side = round_theirs(sa);
    char name[ID_TEXT_MAX], want[ID_TEXT_MAX];
    if (!side || id_match(&side->id, idr)) return ERR_OK;
    return why_not(why, ERR_AUTH, "the responder is %.90s, but remote.id expects %.90s",
                   id_show(idr, name), id_show(&side->id, want));
}

err_t auth_check_responder(struct turn *t, struct why *why)
{
    struct ike_sa *sa = t->sa;
    const struct conf_side *side = round_theirs(sa);
    struct id idr;
    struct peer_claim c = {.in = t->in, .id = &idr, .id_body = msg_body(t->in, PAYLOAD_IDr)};
    TRY(round_expects(sa, t->in, why));
    if (!side) return ERR_OK;
    TRY(ident_read(c.id_body, &idr));
    TRY(authp_read(msg_body(t->in, PAYLOAD_AUTH), &c.auth));
    TRY(auth_is_meant(sa, &idr, why));
    TRY(blob_set(&sa->opening->peer_id, c.id_body));
    // With EAP the proof is made before a PPK is settled (RFC 8784 3).
    if (round_is_first(sa) && !eap_round_is_on(sa)) TRY(ppk_answered(sa, t->in, why));
    TRY(proof_check(sa, &c, receive_resume, why));
    auth_know_peer(sa, &idr);
    return ERR_OK;
}

static void first_child_failed(struct turn *t, err_t err, const char *reason)
{
    struct why why;
    IGNORE(why_not(&why, err, "the IKE SA is up, but child SA %.60s is not: %s",
                   t->task->conf->name, reason)); // only the sentence
    tell(t->ike, t->sa, LOG_STORY, SAY_CHILD_FAILED);
    tell_alert(t->ike, t->sa, ALERT_KEEP_ON_CHILD_SA_FAILURE);
    tell(t->ike, t->sa, LOG_ERROR, "%s", why.text);
    waiter_end(&t->task->waiters, err, why.text);
    if (t->ike->opt.failed_child_closes_ike) close_ike_ask(t->sa, CLOSED_FAILED, 0, NULL);
}

static void first_child_answered(struct turn *t)
{
    struct child_sa *c = NULL;
    struct notify n;
    char name[40];
    if (!t->task->offer) return;
    if (!msg_has(t->in, P(SA) | P(TSi) | P(TSr))) {
        bool said = notify_find_error(t->in, &n) == ERR_OK;
        if (said) tell(t->ike, t->sa, LOG_STORY, SAY_CHILD_REFUSED, notify_name(n.type, name));
        if (said) unlike_offer(t->ike, t->sa, n.type, t->task->offer);
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

// rfc5685 6: the gateway has proved who it is, and serves us elsewhere.
static bool is_sent_away(struct turn *t)
{
    struct notify n;
    if (notify_find(t->in, N_REDIRECT, &n) != ERR_OK || msg_has(t->in, P(SA))) return false;
    open_give_back(t->sa, t->task);
    if (redirect_take(t->sa, t->in) != ERR_OK) return false;
    opening_done(t->sa);
    return true;
}

// The peer goes on using an earlier run's SAs until it knows that the new ones are in place here:
// any request tells it (up_takes_over is its side of this).
static void hasten_switch(struct ike_sa *sa)
{
    for (struct child_sa *c = sa->children; c; c = c->next) {
        if (!stale_serves(c)) continue;
        request_add(sa, request_task(TASK_PROBE, NULL));
        return;
    }
}

void auth_not_believed(struct turn *t, err_t err, struct why *why)
{
    struct ike_sa *sa = t->sa;
    if (!why->text[0]) IGNORE(why_not(why, err, "malformed IDr or AUTH")); // only the sentence
    tell(t->ike, sa, LOG_ERROR, "not authenticated: %s", why->text);
    tell_alert(t->ike, sa, ALERT_PEER_AUTH_FAILED);
    close_retry_later(sa, t->task);
    request_end(sa, t->task, ERR_AUTH, why->text);
    t->task = NULL;
    waiter_end(&sa->waiters, ERR_AUTH, why->text);
    close_ike_ask(sa, CLOSED_FAILED, N_AUTHENTICATION_FAILED, NULL);
}

// rfc7296 2.15 MUST: nothing the responder says is believed before its proof was checked.
err_t auth_on_response(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct why why = {0};
    if (queue_find(&sa->queue, TASK_DELETE_IKE, 0)) return ERR_OK; // not wanted any more
    if (eap_round_is_on(sa)) return ERR_SYNTAX;                    // it goes on without asking us
    err_t err = auth_check_responder(t, &why);
    if (err == ERR_AGAIN) return err;
    if (err != ERR_OK) {
        auth_not_believed(t, err, &why);
        return ERR_OK;
    }
    return auth_believed(t);
}

err_t auth_believed(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    if (!round_over(sa)) {
        // The same task again: it keeps the offer of the first child SA.
        queue_push_front(&sa->queue, t->task);
        t->task = NULL;
        return ERR_OK;
    }
    mobike_agree(sa, t->in);
    up_now(sa);
    lifetime_take(sa, t->in);
    recheck_start(sa);
    if (is_sent_away(t)) return ERR_OK;
    if (config_answered(t) != ERR_OK) return ERR_OK; // it has seen to the end of the IKE SA
    first_child_answered(t);
    opening_done(sa); // its nonces made the child SA's keys
    up_replace_others(sa);
    hasten_switch(sa);
    return ERR_OK;
}

// Errors that are about the first child SA leave the IKE SA alone, once everybody is authenticated
// (RFC 7296 1.2, 2.21.2).
static bool is_refusal(const struct turn *t)
{
    const struct conf_side *ours = round_ours(t->sa);
    struct notify n;
    if (notify_find_error(t->in, &n) != ERR_OK) return false;
    if (round_theirs(t->sa) || (ours && ours->next)) return true;
    return n.type == N_AUTHENTICATION_FAILED || n.type == N_INVALID_SYNTAX ||
           n.type == N_UNSUPPORTED_CRITICAL_PAYLOAD;
}

err_t auth_on_nod(struct turn *t)
{
    return is_refusal(t) ? auth_on_refusal(t) : auth_on_response(t);
}

void auth_refused(struct turn *t, err_t err, const char *sentence)
{
    struct ike_sa *sa = t->sa;
    tell(t->ike, sa, LOG_ERROR, "%s", sentence);
    close_retry_later(sa, t->task);
    request_end(sa, t->task, err, sentence);
    t->task = NULL;
    close_ike(sa, CLOSED_FAILED, err, sentence);
}

// What can be done about it.
static const char *refusal_hint(uint16_t type)
{
    switch (type) {
    case N_AUTHENTICATION_FAILED:
        return "; its log says why: a secret, a certificate, or an identity that is not the same "
               "on both sides";
    case N_UNEXPECTED_NAT_DETECTED:
        return MOBIKE_NAT_HINT;
    default:
        return "";
    }
}

err_t auth_on_refusal(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct notify n;
    struct why why;
    char name[40];
    if (notify_find_error(t->in, &n) != ERR_OK) return ERR_SYNTAX;
    const char *hint = refusal_hint(n.type);
    err_t err = n.type == N_AUTHENTICATION_FAILED ? ERR_AUTH : ERR_CLOSED;
    if (err == ERR_AUTH) tell_alert(t->ike, sa, ALERT_LOCAL_AUTH_FAILED);
    tell(t->ike, sa, LOG_STORY, SAY_ERROR_NOTIFY, notify_name(n.type, name));
    err = why_not(&why, err, "the responder refuses: %s%s", name, hint);
    auth_refused(t, err, why.text);
    return ERR_OK;
}

// ---- responder ---------------------------------------------------------------------------------

err_t auth_fails(struct turn *t, const char *sentence)
{
    tell_alert(t->ike, t->sa, ALERT_PEER_AUTH_FAILED);
    // The peer hears the same whatever the reason is: it has not proved that it may know more.
    return refuse(t, N_AUTHENTICATION_FAILED, ERR_AUTH, "%s", sentence);
}

static void tell_search(struct ike_sa *sa, const struct choice *want)
{
    char here[IP_TEXT_MAX], there[IP_TEXT_MAX], us[ID_TEXT_MAX] = "%any", them[ID_TEXT_MAX];
    if (want->idr) id_show(want->idr, us);
    tell(sa->ike, sa, LOG_STORY, SAY_LOOKING, ip_show(&sa->local.ip, here), us,
         ip_show(&sa->remote.ip, there), id_show(want->idi, them));
}

static void take_conn(struct ike_sa *sa, struct conn *conn)
{
    conn_get(conn);
    conn_put(sa->conn);
    sa->conn = conn;
}

static void choose_own(struct turn *t)
{
    struct id idr;
    own_choose(t->sa);
    if (!round_is_first(t->sa) || !msg_has(t->in, P(IDr))) return;
    if (ident_read(msg_body(t->in, PAYLOAD_IDr), &idr) == ERR_OK) own_wish(t->sa, &idr);
}

static err_t find_conn(struct turn *t, const struct id *idi, struct why *why)
{
    struct ike_sa *sa = t->sa;
    struct id idr;
    struct authp auth;
    struct notify n;
    bool named = msg_has(t->in, P(IDr)), by_eap = !msg_has(t->in, P(AUTH));
    if (named) TRY(ident_read(msg_body(t->in, PAYLOAD_IDr), &idr));
    if (!by_eap) TRY(authp_read(msg_body(t->in, PAYLOAD_AUTH), &auth));
    struct choice want = {.idi = idi,
                          .idr = named ? &idr : NULL,
                          .by = by_eap ? CONF_AUTH_EAP : choose_kind(auth.method),
                          .alone = notify_find(t->in, N_EAP_ONLY_AUTHENTICATION, &n) == ERR_OK,
                          .more = notify_find(t->in, N_ANOTHER_AUTH_FOLLOWS, &n) == ERR_OK};
    tell_search(sa, &want);
    struct conn *conn = choose_conn(sa, &want, why);
    // Some peers name our address although another identity is configured; it is only a wish.
    want.idr = NULL;
    if (!conn && named) conn = choose_conn(sa, &want, why);
    if (!conn) {
        tell(t->ike, sa, LOG_STORY, "%s",
             sa->opening->tried_n ? SAY_NO_OTHER_CONFIG : SAY_NO_CONFIG);
        return ERR_NOTFOUND;
    }
    take_conn(sa, conn);
    sa->remote_id = *idi;
    round_hear(sa, t->in);
    own_hear(sa, t->in);
    choose_own(t);
    if (sa->opening->tried_n) {
        tell(t->ike, sa, LOG_STORY, SAY_CONFIG_NEXT, ike_sa_name(sa));
    } else {
        tell(t->ike, sa, LOG_STORY, SAY_CONFIG, ike_sa_name(sa));
    }
    return round_check(sa, why);
}

err_t auth_meet(struct turn *t, struct why *why)
{
    struct ike_sa *sa = t->sa;
    struct id idi;
    char name[ID_TEXT_MAX], want[ID_TEXT_MAX];
    // What was put aside and is looked at again has been met before.
    if (sa->opening->their_proof.ready || sa->opening->our_proof.ready) return ERR_OK;
    if (intermediate_is_due(sa)) {
        return why_not(
            why, ERR_AUTH,
            "the peer left out a key exchange, or the choice of a PPK, that was agreed on");
    }
    if (msg_has(t->in, P(IDi))) TRY(ident_read(msg_body(t->in, PAYLOAD_IDi), &idi));
    if (round_is_first(sa)) return find_conn(t, &idi, why);
    bool by_eap = eap_round_is_on(sa) && !msg_has(t->in, P(AUTH));
    if (!by_eap) TRY(round_expects(sa, t->in, why));
    const struct conf_side *side = round_theirs(sa);
    if (!side) return ERR_OK;
    if (!id_match(&side->id, &idi)) {
        return why_not(why, ERR_AUTH, "the peer says next that it is %.90s, but %s expects %.90s",
                       id_show(&idi, name), ike_sa_name(sa), id_show(&side->id, want));
    }
    sa->remote_id = idi;
    return ERR_OK;
}

// The peer has the key that it shows, but this connection wants another: is there one that fits?
// ERR_OK: there is, and nothing is checked yet. As many are tried as there is room to note; each
// costs a verification, so a peer without the key gets none.
static err_t next_conn(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct opening *o = sa->opening;
    struct proof *theirs = &o->their_proof;
    struct id idi = sa->remote_id;
    struct why why;
    bool room = o->tried_n < sizeof o->tried / sizeof *o->tried;
    if (!theirs->ready || !theirs->key_is_right || !round_is_first(sa) || !room) return ERR_AUTH;
    tell(t->ike, sa, LOG_STORY, SAY_CONFIG_UNFIT, ike_sa_name(sa));
    o->tried[o->tried_n++] = sa->conn;
    TRY(find_conn(t, &idi, &why));
    theirs->ready = theirs->key_is_right = false;
    return ERR_OK;
}

static err_t check_proof(struct turn *t, struct peer_claim *c, struct why *why)
{
    TRY(authp_read(msg_body(t->in, PAYLOAD_AUTH), &c->auth));
    if (round_is_first(t->sa)) TRY(ppk_take(t->sa, t->in, &c->auth.data, why));
    return proof_check(t->sa, c, receive_resume, why);
}

static err_t check_initiator(struct turn *t, struct why *why)
{
    struct ike_sa *sa = t->sa;
    struct peer_claim c = {.in = t->in, .id = &sa->remote_id};
    TRY(round_expects(sa, t->in, why));
    if (!round_theirs(sa)) return ERR_OK;
    c.id_body = msg_body(t->in, PAYLOAD_IDi);
    err_t err = check_proof(t, &c, why);
    while (err == ERR_AUTH && next_conn(t) == ERR_OK) {
        ppk_forget(sa);
        err = check_proof(t, &c, why);
    }
    TRY(err);
    if (sa->opening->our_proof.ready) return ERR_OK; // told before
    struct id said = sa->remote_id;
    auth_know_peer(sa, &said);
    return ERR_OK;
}

err_t auth_hear_first(struct turn *t)
{
    struct notify n;
    t->sa->initial_contact = notify_find(t->in, N_INITIAL_CONTACT, &n) == ERR_OK;
    TRY(childless_judge(t));
    return mobike_judge(t);
}

static err_t authenticate(struct turn *t, struct why *why)
{
    struct ike_sa *sa = t->sa;
    TRY(auth_meet(t, why));
    // A section that says EAP is not satisfied with anything else.
    if (eap_round_is_on(sa)) return why_not(why, ERR_AUTH, "%.60s expects EAP", ike_sa_name(sa));
    TRY(check_initiator(t, why));
    return round_is_first(sa) ? auth_hear_first(t) : ERR_OK;
}

err_t auth_prove_too(struct turn *t, struct why *why)
{
    struct ike_sa *sa = t->sa;
    if (!round_ours(sa)) return ERR_OK;
    if (!sa->opening->our_proof.ready && !sa->work_id) choose_own(t);
    return proof_make(sa, receive_resume, why);
}

err_t auth_wait(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    if (sa->state == IKE_INIT_DONE) TRY(held_put(&sa->opening->asked, t->in, t->d));
    sa->state = IKE_AUTH_MORE;
    ike_sa_timer(sa, TIMER_CLOSE, ike_now(t->ike) + t->ike->opt.half_open_ns);
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
    tell_alert(t->ike, t->sa, ALERT_KEEP_ON_CHILD_SA_FAILURE);
    tell(t->ike, t->sa, LOG_STORY, SAY_CHILD_FAILED);
    tell(t->ike, t->sa, LOG_WARN, "the IKE SA is up, but its first child SA is not: %s",
         notify_name(type, name));
}

// t->in: the message that has asked for it all.
static void all_proved(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    mobike_agree(sa, t->in);
    if (sa->roam.on) mobike_put(sa, &t->out);
    lifetime_put(sa, &t->out);
    up_now(sa);
    answer_first_child(t);
    opening_done(sa); // its nonces made the child SA's keys
    t->newly_up = true;
}

// By the name that the round under way has proved: where that was EAP, the one IKE has is
// anybody's.
static const struct id *listed_as(const struct ike_sa *sa)
{
    return eap_round_is_on(sa) && sa->eap_id ? sa->eap_id : &sa->remote_id;
}

static bool is_listed(const struct ike_sa *sa)
{
    const struct whitelist *list = &sa->ike->whitelist;
    return !list->on || !round_theirs(sa) || whitelist_has(list, listed_as(sa));
}

static err_t judge_listed(const struct turn *t, struct why *why)
{
    const struct ike_sa *sa = t->sa;
    const struct id *who = listed_as(sa);
    char name[ID_TEXT_MAX];
    if (is_listed(sa)) return ERR_OK;
    tell(t->ike, sa, LOG_STORY, SAY_NOT_LISTED, id_show(who, name));
    return why_not(why, ERR_AUTH,
                   "%.90s has proved who it is, but is not in the list of those who may come in "
                   "('pavise whitelist list')",
                   name);
}

err_t auth_wait_for_lease(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    const struct held *asked = &sa->opening->asked;
    struct datagram d;
    struct msg first;
    if (!round_is_last(sa) || !is_listed(sa)) return ERR_OK;
    if (up_must_refuse(sa, sa->initial_contact)) return ERR_OK;
    if (!asked->full) return lease_wait(t, t->in);
    return held_get(asked, &first, &d) == ERR_OK ? lease_wait(t, &first) : ERR_OK;
}

err_t auth_end_round(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct why why;
    struct held asked = sa->opening->asked;
    struct datagram d;
    struct msg first;
    const struct msg *last = t->in;
    if (judge_listed(t, &why) != ERR_OK) return auth_fails(t, why.text);
    if (!round_over(sa)) return auth_wait(t);
    if (up_must_refuse(sa, sa->initial_contact)) {
        tell(t->ike, sa, LOG_STORY, SAY_UNIQUE_REFUSED);
        return auth_fails(t, "the peer has an IKE SA already (unique = keep)");
    }
    sa->opening->asked = (struct held){0};
    if (asked.full && held_get(&asked, &first, &d) == ERR_OK) t->in = &first;
    all_proved(t);
    t->in = last;
    held_done(&asked);
    return ERR_OK;
}

err_t auth_on_request(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct why why = {0};
    if (sa->opening->eap.phase != EAP_NONE) return ERR_SYNTAX; // in the middle of it
    err_t err = lease_waited(sa) ? ERR_OK : authenticate(t, &why);
    if (err == ERR_OK) err = auth_prove_too(t, &why);
    if (err == ERR_OK) err = auth_wait_for_lease(t);
    // Too much to do: the peer repeats its message.
    if (err == ERR_LIMIT) err = ERR_AGAIN;
    if (err == ERR_SYNTAX || err == ERR_SHORT || err == ERR_AGAIN || t->refuse) return err;
    if (err != ERR_OK) return auth_fails(t, why.text[0] ? why.text : err_text(err));
    if (round_ours(sa)) {
        TRY(proof_put(sa, &sa->remote_id, &t->out, &why));
        proof_tell_ours(sa);
        round_put(sa, &t->out);
        if (round_is_first(sa)) ppk_confirm(sa, &t->out);
    }
    return auth_end_round(t);
}

// The initiator does not believe us, or has had enough, before the last round.
err_t auth_on_giving_up(struct turn *t)
{
    struct notify n;
    bool over = msg_has(t->in, P(D)) || notify_find_error(t->in, &n) == ERR_OK;
    if (!over) return ERR_STATE;
    tell(t->ike, t->sa, LOG_WARN, "the initiator gives up between two rounds of authentication");
    t->fatal = true;
    t->why = CLOSED_BY_PEER;
    return ERR_OK;
}
