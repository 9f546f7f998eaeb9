#include "ike/exchange/receive.h"

#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "ike/exchange/close.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/intermediate.h"
#include "ike/exchange/message.h"
#include "ike/exchange/move.h"
#include "ike/exchange/rekey.h"
#include "ike/exchange/request.h"
#include "ike/exchange/roam.h"
#include "ike/exchange/stranger.h"
#include "ike/exchange/up.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"
#include "ike/sa/retransmit.h"

static void drop(struct ike *ike, const struct ike_sa *sa, const struct datagram *d,
                 const char *reason)
{
    char from[ENDPOINT_TEXT_MAX];
    ike->stats.dropped++;
    tell(ike, sa, LOG_DEBUG, "dropped a message from %s: %s", endpoint_show(&d->from, from),
         reason);
}

// ---- requests of the peer ----------------------------------------------------------------------

// What a handler's error means to the peer if the handler did not say it itself.
static uint16_t notify_for(const struct turn *t, err_t err)
{
    if (t->refuse) return t->refuse;
    switch ((int)err) {
    case ERR_SHORT:
    case ERR_TRAILING:
    case ERR_SYNTAX:
    case ERR_LIMIT:
    case ERR_STATE:
        return N_INVALID_SYNTAX;
    case ERR_NOCHOICE:
        return N_NO_PROPOSAL_CHOSEN;
    case ERR_AUTH:
        return N_AUTHENTICATION_FAILED;
    case ERR_CRITICAL:
        return N_UNSUPPORTED_CRITICAL_PAYLOAD;
    default:
        return N_TEMPORARY_FAILURE;
    }
}

static void fail(struct turn *t)
{
    t->fatal = true;
    t->why = CLOSED_FAILED;
}

static void write_refusal(struct turn *t, err_t err)
{
    struct notify n = t->about;
    n.type = notify_for(t, err);
    t->refuse = n.type;
    message_begin(t->sa, &t->out, (enum exchange)t->in->h.exchange, true, t->in->h.id);
    if (t->sa->state == IKE_NEW)
        memset(t->ike->reply + 8, 0, 8); // no IKE SA, no SPI (RFC 7296 2.6)
    notify_write(msgw_begin(&t->out, PAYLOAD_N), &n);
    msgw_end(&t->out);
    // rfc7296 2.21.3: INVALID_SYNTAX ends an IKE SA without further words; so does every error of
    // IKE_AUTH itself (2.21.2).
    bool opening =
        t->sa->state == IKE_INIT_DONE || t->sa->state == IKE_AUTH_MORE || t->sa->state == IKE_NEW;
    if (n.type != N_INVALID_SYNTAX && !opening) return;
    fail(t);
}

static void send_reply(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    span_t bytes;
    if (t->new_keys) {
        struct clear clear;
        msgw_clear(&t->out, &clear);
        if (intermediate_cover(sa, false, &clear) != ERR_OK) fail(t);
    }
    if (message_finish(sa, &t->out, &bytes) != ERR_OK) {
        tell(t->ike, sa, LOG_ERROR, "the answer does not fit into a message");
        return;
    }
    if (t->in->h.exchange == X_SA_INIT && blob_set(&sa->opening->ours, bytes) != ERR_OK) {
        fail(t);
        return;
    }
    if (window_reply(&sa->window, t->in->h.id, bytes) != ERR_OK) {
        tell(t->ike, sa, LOG_ERROR, "out of memory: the answer cannot be repeated if it gets lost");
    }
    ike_sa_reply(sa, t->d, bytes);
}

static err_t run_step(struct turn *t, enum task_kind asked)
{
    const struct step *step = NULL;
    if (t->in->unknown_critical) {
        // rfc7296 2.5 MUST: the whole message is rejected, with the type that was not understood.
        t->data[0] = t->in->unknown_critical;
        t->about.data = span(t->data, 1);
        return ERR_CRITICAL;
    }
    TRY(step_find(t->sa, t->in, asked, &step));
    tell(t->ike, t->sa, LOG_DEBUG, "%s", step->says);
    return step->run(t);
}

// A request that is new and, but for IKE_SA_INIT, authentic.
static void answer(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    message_begin(sa, &t->out, (enum exchange)t->in->h.exchange, true, t->in->h.id);
    err_t err = run_step(t, TASK_NONE);
    if (err == ERR_AGAIN) {
        // Its Message ID is not used up: what cannot be kept is repeated by the peer.
        if (!sa->work_id || held_put(&sa->held, t->in, t->d) != ERR_OK) {
            drop(t->ike, sa, t->d, "too much to do; it will come again");
        }
        return;
    }
    if (err == ERR_STATE && !t->refuse && sa->state < IKE_UP) {
        // It may be a message of later that has overtaken an earlier one: it will come again.
        drop(t->ike, sa, t->d, "not expected yet");
        return;
    }
    if (err != ERR_OK) write_refusal(t, err);
    send_reply(t);
    if (t->new_keys && !t->fatal && intermediate_turn(sa) != ERR_OK) fail(t);
    if (t->newly_up) {
        up_replace_others(sa);
        up_settle_twins(sa);
    }
    if (t->heir) rekey_ike_hand_over(sa, t->heir);
    if (t->fatal) close_ike(sa, t->why, ERR_CLOSED, "after what was just answered");
    if (ike_sa_live(sa)) request_next(sa);
}

// The peer's next request shows that it got the answer to the one before: what waited for that can
// be done.
static void answers_arrived(struct ike_sa *sa)
{
    sa->auth_answered = false;
    for (struct child_sa *c = sa->children; c; c = c->next) {
        c->unconfirmed = false;
        install_switch(c);
    }
}

// Who sends us our own words back could make us believe ourselves: a shared secret is the same in
// both directions. With another SPI they would not be what AUTH covers.
static bool is_echo(const struct ike *ike, const struct ike_header *h)
{
    const struct ike_sa *ours = table_find(&ike->table, h->spi_i);
    return ours && ours->initiator;
}

// First contact: an IKE SA is made, and goes again if the request leads nowhere.
static void receive_init(struct ike *ike, const struct datagram *d, struct msg *m)
{
    if (ike->opt.initiator_only) return drop(ike, NULL, d, "nobody may call us");
    struct ike_sa *sa = table_find_half_open(&ike->table, &d->from, m->h.spi_i);
    if (sa) {
        // rfc7296 2.1: a repeated IKE_SA_INIT gets the same answer, and makes no second SA.
        bool same = sa->state == IKE_INIT_DONE && span_eq(blob_span(&sa->opening->theirs), m->wire);
        if (!same) return drop(ike, sa, d, "another IKE_SA_INIT with the same SPI");
        ike_sa_reply(sa, d, window_reply_to(&sa->window, 0));
        return;
    }
    if (is_echo(ike, &m->h)) return drop(ike, NULL, d, "our own IKE_SA_INIT has come back");
    if (stranger_must_wait(ike, d, m)) return;
    sa = ike_sa_new(ike, NULL, false, ike_sa_random_spi(ike));
    if (!sa) return drop(ike, NULL, d, "out of memory");
    sa->spi_i = m->h.spi_i;
    sa->local = d->to;
    sa->remote = d->from;
    struct turn t = {.ike = ike, .sa = sa, .in = m, .d = d};
    message_tell(sa, m, false);
    answer(&t);
    if (sa->state == IKE_NEW) close_ike(sa, CLOSED_FAILED, ERR_STATE, NULL);
}

// ---- requests and responses within an IKE SA ---------------------------------------------------

// Who has proved nothing may keep pieces here as long as he leaves as much to others: each of an
// address's half-open IKE SAs has its part of what is left.
static bool pieces_fit(const struct ike_sa *sa, const struct reassembly *r, size_t more)
{
    const struct ike *ike = sa->ike;
    if (!sa->half_open) return true;
    size_t left = REASSEMBLING_MAX - ike->reassembling;
    return r->bytes + more <= left / table_half_open_from(&ike->table, &sa->came_from.ip);
}

// What a message says inside. ERR_AGAIN: nothing yet, it is a piece and others are missing (or, of
// a request that we have answered, there is nothing to be done for this piece).
static err_t open_protected(struct ike_sa *sa, struct msg *m, bool repeated)
{
    struct ike *ike = sa->ike;
    struct fragment f;
    // The last IKE_INTERMEDIATE brought new keys: repeated, it still comes under those before them.
    bool before = repeated && sa->opening && sa->opening->rounds && m->h.id == sa->opening->rounds;
    struct sealer *open = before ? sa->opening->open_before : ike_sa_open(sa);
    if (!open) return ERR_AUTH; // out of memory: it will come again
    if (!msg_has(m, P(SKF)) || !sa->in_pieces) return msg_open(m, ike->in, open);
    TRY(msg_open_fragment(m, ike->in, open, &f));
    // rfc7383 2.6.1 MUST: the answer is repeated for the first piece only.
    if (repeated) return f.number == 1 ? ERR_OK : ERR_AGAIN;
    struct reassembly *r = &sa->pieces[m->h.flags & IKE_FLAG_RESPONSE ? 1 : 0];
    if (!pieces_fit(sa, r, f.content.len)) return ERR_AGAIN; // it will come again
    err_t err = reassembly_add(r, &ike->reassembling, m->h.id, &f);
    if (err == ERR_LIMIT) tell(ike, sa, LOG_WARN, "a message in too many or too long pieces");
    if (err != ERR_OK) {
        tell(ike, sa, LOG_STORY, SAY_FRAGMENT, f.number, f.total);
        return ERR_AGAIN;
    }
    uint8_t first;
    span_t content = reassembly_take(r, &ike->reassembling, ike->in, &first);
    tell(ike, sa, LOG_STORY, SAY_REASSEMBLED, f.number, f.total, content.len);
    return msg_inside(m, first, content);
}

// Not a word about these to anybody.
static bool is_silent(err_t err)
{
    return err == ERR_AUTH || err == ERR_NOTFOUND;
}

static void receive_request(struct ike_sa *sa, const struct datagram *d, struct msg *m)
{
    struct ike *ike = sa->ike;
    enum window_verdict v = window_request(&sa->window, m->h.id);
    if (v == WINDOW_OUTSIDE) return drop(ike, sa, d, "its Message ID is outside the window");
    if (v == WINDOW_NEW && sa->state == IKE_CLOSED) return drop(ike, sa, d, "the IKE SA is closed");
    err_t err = open_protected(sa, m, v == WINDOW_AGAIN);
    if (is_silent(err)) return drop(ike, sa, d, "not authentic");
    if (err == ERR_AGAIN) return;
    if (v == WINDOW_NEW && sa->held.full) return drop(ike, sa, d, "we are still at work on it");
    if (v == WINDOW_AGAIN) {
        span_t again = window_reply_to(&sa->window, m->h.id);
        if (again.len) tell_alert(ike, sa, ALERT_RETRANSMIT_RECEIVE);
        if (again.len) ike_sa_reply(sa, d, again);
        return;
    }
    sa->heard_at = ike_now(ike);
    move_follow(sa, d);
    answers_arrived(sa);
    if (err == ERR_OK && sa->elder) rekey_ike_heard(sa, m);
    message_tell(sa, m, false);
    struct turn t = {.ike = ike, .sa = sa, .in = m, .d = d};
    if (err != ERR_OK) { // authentic, but malformed inside
        tell_alert(ike, sa, ALERT_PARSE_ERROR_BODY);
        write_refusal(&t, ERR_SYNTAX);
        send_reply(&t);
        close_ike(sa, CLOSED_FAILED, ERR_SYNTAX, "the peer sent a malformed message");
        return;
    }
    answer(&t);
}

// The answer made no sense (RFC 7296 2.21): what was asked has failed, and where the two of us
// may now think differently about what exists, the IKE SA goes.
static void response_failed(struct turn *t, err_t err)
{
    struct ike_sa *sa = t->sa;
    struct why why;
    err = why_not(&why, err, "the peer's answer cannot be used: %s", err_text(err));
    tell(t->ike, sa, LOG_ERROR, "%s", why.text);
    request_end(sa, t->task, err, why.text);
    t->task = NULL;
    if (!ike_sa_live(sa)) return;
    if (sa->state == IKE_UP && err != ERR_CRITICAL && err != ERR_SYNTAX && err != ERR_SHORT) return;
    if (sa->state == IKE_UP) {
        close_ike_ask(sa, CLOSED_FAILED, 0, NULL);
    } else {
        close_ike(sa, CLOSED_FAILED, err, why.text);
    }
}

// One that is authentic. Its task is the active one.
static void take_response(struct ike_sa *sa, const struct datagram *d, const struct msg *m,
                          err_t err)
{
    struct turn t = {.ike = sa->ike, .sa = sa, .in = m, .d = d, .task = sa->active};
    bool opening = sa->state == IKE_AUTH_SENT;
    sa->active = NULL;
    if (err == ERR_OK) err = run_step(&t, t.task->kind);
    if (err == ERR_AGAIN && sa->work_id) {
        sa->active = t.task;
        err = held_put(&sa->held, m, d);
        if (err == ERR_OK) return;
        sa->active = NULL;
    }
    if (err != ERR_OK) response_failed(&t, err);
    request_end(sa, t.task, ERR_OK, NULL);
    if (opening && sa->state == IKE_UP) up_settle_twins(sa);
    if (ike_sa_live(sa)) request_next(sa);
}

static void receive_protected_response(struct ike_sa *sa, const struct datagram *d, struct msg *m)
{
    struct ike *ike = sa->ike;
    err_t err = open_protected(sa, m, false);
    if (is_silent(err)) return drop(ike, sa, d, "not authentic");
    if (err == ERR_AGAIN) return;
    if (m->h.exchange != step_question_of(sa->active)->exchange) {
        return drop(ike, sa, d, "the answer to something else");
    }
    message_tell(sa, m, false);
    sa->heard_at = ike_now(ike);
    move_follow(sa, d);
    roam_answered(sa, d);
    window_answered(&sa->window, m->h.id);
    if (sa->retransmits) tell_alert(ike, sa, ALERT_RETRANSMIT_SEND_CLEARED);
    retransmit_stop(sa);
    // Nobody answers requests before IKE_AUTH is over: its answer has come.
    if (sa->auth_answered) answers_arrived(sa);
    take_response(sa, d, m, err);
}

void receive_resume(struct ike_sa *sa)
{
    struct held held = sa->held;
    struct datagram d;
    struct msg m;
    sa->held = (struct held){0};
    err_t err = held.full ? held_get(&held, &m, &d) : ERR_STATE;
    if (err == ERR_OK && m.h.flags & IKE_FLAG_RESPONSE) {
        if (sa->active) take_response(sa, &d, &m, ERR_OK);
    } else if (err == ERR_OK) {
        struct turn t = {.ike = sa->ike, .sa = sa, .in = &m, .d = &d};
        answer(&t);
    }
    held_done(&held);
}

// IKE_SA_INIT: nothing proves where it comes from. An answer that is no good is forgotten; a better
// one may follow.
static void receive_init_response(struct ike_sa *sa, const struct datagram *d, struct msg *m)
{
    struct ike *ike = sa->ike;
    if (sa->state != IKE_INIT_SENT || m->h.exchange != X_SA_INIT) {
        return drop(ike, sa, d, "not expected now");
    }
    if (!endpoint_eq(&d->from, &sa->remote)) return drop(ike, sa, d, "from somewhere else");
    struct turn t = {.ike = ike, .sa = sa, .in = m, .d = d, .task = sa->active};
    message_tell(sa, m, false);
    err_t err = run_step(&t, TASK_OPEN);
    if (err != ERR_OK) {
        stranger_doubt(sa, err, "the answer to IKE_SA_INIT cannot be used: %s", err_text(err));
    }
}

static void receive_response(struct ike_sa *sa, const struct datagram *d, struct msg *m)
{
    if (!sa->active || !window_awaits(&sa->window, m->h.id)) {
        return drop(sa->ike, sa, d, "nobody waits for this answer");
    }
    if (ike_sa_has_keys(sa)) {
        receive_protected_response(sa, d, m);
    } else {
        receive_init_response(sa, d, m);
    }
}

static struct ike_sa *find_sa(struct ike *ike, const struct ike_header *h)
{
    bool from_initiator = h->flags & IKE_FLAG_INITIATOR;
    struct ike_sa *sa = table_find(&ike->table, from_initiator ? h->spi_r : h->spi_i);
    if (!sa || sa->initiator == from_initiator || sa->state == IKE_GONE) return NULL;
    uint64_t theirs = from_initiator ? h->spi_i : h->spi_r;
    uint64_t known = sa->initiator ? sa->spi_r : sa->spi_i;
    return known == 0 || known == theirs ? sa : NULL; // 0: the responder has not told its SPI yet
}

void receive(struct ike *ike, const struct datagram *d)
{
    struct ike_header h;
    struct msg m;
    ike->stats.received++;
    if (d->bytes.len > sizeof ike->in || ike_header_read(d->bytes, &h) != ERR_OK) {
        return drop(ike, NULL, d, "too short or too long for an IKE message");
    }
    if (h.version >> 4 != 2) return stranger_version(ike, d, &h);
    memcpy(ike->in, d->bytes.at, d->bytes.len);
    if (msg_read(span(ike->in, d->bytes.len), &m) != ERR_OK) {
        counters_add(&ike->counters, NULL, COUNTER_INVALID);
        tell_alert(ike, NULL, ALERT_PARSE_ERROR_HEADER);
        return drop(ike, NULL, d, "malformed");
    }
    bool response = h.flags & IKE_FLAG_RESPONSE;
    bool init = h.exchange == X_SA_INIT && !response;
    if (init) {
        bool sane = h.flags & IKE_FLAG_INITIATOR && h.spi_i && !h.spi_r && h.id == 0;
        return sane ? receive_init(ike, d, &m) : drop(ike, NULL, d, "no sane IKE_SA_INIT");
    }
    struct ike_sa *sa = find_sa(ike, &h);
    if (!sa) {
        counters_add(&ike->counters, NULL, COUNTER_INVALID_SPI);
        tell_alert(ike, NULL, ALERT_INVALID_IKE_SPI);
        return stranger_unknown(ike, d, &h);
    }
    if (response) return receive_response(sa, d, &m);
    if (!ike_sa_has_keys(sa)) return drop(ike, sa, d, "no keys for it yet");
    receive_request(sa, d, &m);
}
