// sa_init.c - IKE_SA_INIT (RFC 7296 1.2): algorithms, keys, nonces, NATs.
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "base/words.h"
#include "ike/auth/own.h"
#include "ike/auth/peer.h"
#include "ike/auth/ppk.h"
#include "ike/auth/round.h"
#include "ike/exchange/childless.h"
#include "ike/exchange/close.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/intermediate.h"
#include "ike/exchange/message.h"
#include "ike/exchange/natd.h"
#include "ike/exchange/redirect.h"
#include "ike/exchange/request.h"
#include "ike/exchange/stranger.h"
#include "ike/exchange/unlike.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/keylog.h"

// How often a responder can make us begin anew (COOKIE, INVALID_KE_PAYLOAD): it may have a reason
// for each, an attacker can forge as many as he likes.
#define AGAIN_MAX (sizeof(((struct opening *)0)->ke_tried) / sizeof(uint16_t))

// Both sides: keys from what was agreed on.
static err_t keys_ready(struct ike_sa *sa, const struct secret *shared)
{
    const struct opening *o = sa->opening;
    TRY(ike_keys_initial(sa->chosen, nonce_span(&o->ni), nonce_span(&o->nr), shared, sa->spi_i,
                         sa->spi_r, &sa->keys));
    keylog_ike(sa);
    return ERR_OK;
}

static void tell_suite(struct ike_sa *sa)
{
    char suite[256];
    tell(sa->ike, sa, LOG_STORY, SAY_SELECTED, "IKE", proposal_show(sa->chosen, suite));
}

// rfc7383 2.3: both sides have to say that they can.
static void pieces_agree(struct ike_sa *sa, const struct msg *in)
{
    struct notify n;
    enum conf_fragmentation ours = sa->conn->conf.fragmentation;
    bool theirs = notify_find(in, N_IKEV2_FRAGMENTATION_SUPPORTED, &n) == ERR_OK;
    sa->in_pieces = theirs && ours != CONF_FRAGMENTATION_NO;
    sa->send_pieces = sa->in_pieces && ours != CONF_FRAGMENTATION_ACCEPT;
}

// rfc7427 4: which hashes we can verify.
static void put_hashes(struct msgw *m)
{
    uint8_t data[HASH_SET_MAX];
    wr_t w = wr_into(data, sizeof data);
    hash_set_write(HASHES_DEFAULT, &w);
    put_notify(m, N_SIGNATURE_HASH_ALGORITHMS, wr_span(&w));
}

#define VENDOR "Pavise"

// rfc7296 3.12 MAY: nothing depends on it.
static void put_vendor(const struct ike *ike, struct msgw *m)
{
    if (!ike->opt.vendor_id) return;
    wr_bytes(msgw_begin(m, PAYLOAD_V), span(VENDOR, sizeof VENDOR - 1));
    msgw_end(m);
}

// ---- initiator ---------------------------------------------------------------------------------

static err_t offer_begin(struct ike_sa *sa, struct why *why)
{
    struct opening *o = sa->opening;
    struct proposals offered;
    propose_ike(&sa->conn->conf.ike, 0, &offered);
    o->offered = proposals_keep(&offered);
    if (!o->offered) return ERR_NOMEM;
    uint16_t method = propose_ke(o->offered);
    if (method == KE_NONE) {
        return why_not(why, ERR_ALGORITHM,
                       "the proposals of %s have no key exchange method known here",
                       ike_sa_name(sa));
    }
    ike_random_nonce(sa->ike, &o->ni);
    return ke_new(method, &o->ke);
}

err_t sa_init_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    struct opening *o = sa->opening;
    char peer[IP_TEXT_MAX];
    (void)t;
    if (!o->ke) {
        TRY(offer_begin(sa, why));
        tell(sa->ike, sa, LOG_STORY, SAY_INITIATING, ike_sa_name(sa), sa->id,
             ip_show(&sa->remote.ip, peer));
    }
    // rfc7296 2.6 MUST: the cookie comes back as the first payload, all else unchanged.
    if (o->cookie_len) put_notify(m, N_COOKIE, span(o->cookie, o->cookie_len));
    put_sa(m, o->offered);
    put_ke(m, ke_method(o->ke), ke_public(o->ke));
    put_nonce(m, &o->ni);
    natd_put(sa, m);
    if (propose_has_extra(o->offered) || ppk_needs_intermediate(sa)) {
        put_notify(m, N_INTERMEDIATE_EXCHANGE_SUPPORTED, span(NULL, 0));
    }
    if (sa->conn->conf.fragmentation != CONF_FRAGMENTATION_NO) {
        put_notify(m, N_IKEV2_FRAGMENTATION_SUPPORTED, span(NULL, 0));
    }
    if (!sa->ike->opt.classic_signatures) put_hashes(m);
    redirect_offer(sa, m);
    put_vendor(sa->ike, m);
    ppk_offer(sa, m);
    return ERR_OK;
}

// Everything that can be wrong with the answer is found out before the IKE SA changes.
static err_t answer_check(struct ike_sa *sa, const struct msg *in, struct proposal *chosen,
                          struct kex *kex)
{
    struct opening *o = sa->opening;
    struct proposals answer;
    if (in->h.spi_r == 0) return ERR_SYNTAX;
    TRY(take_sa(in, &answer));
    TRY(proposal_check_answer(o->offered, &answer, chosen));
    TRY(take_ke(in, kex));
    const struct transform *ke = proposal_get(chosen, ALG_KE);
    // rfc7296 1.3 MUST: the group in KE is the one agreed on; and only ours has a private key here.
    if (!ke || ke->id != kex->method || kex->method != ke_method(o->ke)) return ERR_NOCHOICE;
    return take_nonce(in, &o->nr);
}

err_t sa_init_on_response(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct opening *o = sa->opening;
    struct proposal chosen;
    struct kex kex;
    struct secret shared;
    struct notify n;
    TRY(answer_check(sa, t->in, &chosen, &kex));
    bool between = notify_find(t->in, N_INTERMEDIATE_EXCHANGE_SUPPORTED, &n) == ERR_OK;
    // rfc9370 2.2.1: additional key exchanges need IKE_INTERMEDIATE.
    if (proposal_has_extra(&chosen) && !between) return ERR_NOCHOICE;
    ppk_hear(sa, t->in);
    bool more = proposal_has_extra(&chosen) || ppk_is_due(sa);
    struct task *next = request_task(more ? TASK_INTERMEDIATE : TASK_AUTH, NULL);
    if (!next) return ERR_NOMEM;
    err_t err = ke_finish(o->ke, kex.data, &shared);
    if (err == ERR_OK) err = ike_sa_choose(sa, &chosen);
    sa->spi_r = t->in->h.spi_r;
    if (err == ERR_OK) err = keys_ready(sa, &shared);
    if (err == ERR_OK) err = blob_set(&o->theirs, t->in->wire);
    wipe(&shared, sizeof shared);
    if (err != ERR_OK) {
        task_free(next);
        sa->spi_r = 0;
        return err;
    }
    tell_suite(sa);
    own_hear(sa, t->in);
    if (sa->ike->opt.classic_signatures) o->peer_hashes = 0;
    round_hear(sa, t->in);
    o->peer_childless = notify_find(t->in, N_CHILDLESS_IKEV2_SUPPORTED, &n) == ERR_OK;
    pieces_agree(sa, t->in);
    natd_take(sa, t->in, t->d);
    natd_float(sa);
    ike_sa_timer(sa, TIMER_CLOSE, DUE_NEVER); // doubts, if there were any, are over
    request_answered(sa, t->in->h.id);
    intermediate_plan(sa);
    queue_push_front(&sa->queue, next);
    request_next(sa);
    return ERR_OK;
}

static err_t again_with_cookie(struct ike_sa *sa, const struct notify *n)
{
    struct opening *o = sa->opening;
    if (n->data.len == 0 || n->data.len > sizeof o->cookie) return ERR_SYNTAX;
    if (o->again >= AGAIN_MAX) return ERR_LIMIT;
    o->ke_tried[o->again++] = KE_NONE;
    memcpy(o->cookie, n->data.at, n->data.len);
    o->cookie_len = (unsigned)n->data.len;
    tell(sa->ike, sa, LOG_STORY, "the responder is busy and wants a cookie back first");
    request_again(sa);
    return ERR_OK;
}

static bool ke_was_tried(const struct opening *o, uint16_t method)
{
    if (ke_method(o->ke) == method) return true;
    for (unsigned i = 0; i < o->again; i++) {
        if (o->ke_tried[i] == method) return true;
    }
    return false;
}

static err_t again_with_group(struct ike_sa *sa, const struct notify *n)
{
    struct opening *o = sa->opening;
    struct ke *ke;
    char name[32], guess[32];
    if (n->data.len != 2) return ERR_SYNTAX;
    uint16_t method = get16(n->data.at);
    // rfc7296 2.7: only a group that we had offered; each one once, so that it comes to an end.
    if (!propose_has_ke(o->offered, method) || ke_was_tried(o, method)) return ERR_NOCHOICE;
    if (o->again >= AGAIN_MAX) return ERR_LIMIT;
    TRY(ke_new(method, &ke));
    alg_show(ALG_KE, ke_method(o->ke), guess);
    o->ke_tried[o->again++] = ke_method(o->ke);
    ke_free(o->ke);
    o->ke = ke;
    tell(sa->ike, sa, LOG_STORY, SAY_OTHER_KE, guess, alg_show(ALG_KE, method, name));
    request_again(sa);
    return ERR_OK;
}

err_t sa_init_on_notify(struct turn *t)
{
    struct notify n;
    char name[40];
    if (notify_find(t->in, N_COOKIE, &n) == ERR_OK) return again_with_cookie(t->sa, &n);
    if (notify_find(t->in, N_INVALID_KE_PAYLOAD, &n) == ERR_OK) {
        return again_with_group(t->sa, &n);
    }
    // rfc5685 3 MUST: one that is not about our request is as if it had not come
    if (redirect_take(t->sa, t->in) != ERR_NOTFOUND) return ERR_OK;
    if (notify_find_error(t->in, &n) != ERR_OK) return ERR_SYNTAX;
    const char *hint = n.type == N_NO_PROPOSAL_CHOSEN
                           ? "; do `proposals`, and the addresses, fit on both sides?"
                           : "";
    tell(t->ike, t->sa, LOG_STORY, SAY_ERROR_NOTIFY, notify_name(n.type, name));
    if (n.type == N_NO_PROPOSAL_CHOSEN && t->sa->conn) {
        tell_alert(t->ike, t->sa, ALERT_PROPOSAL_MISMATCH_IKE);
        struct proposals ours;
        propose_ike(&t->sa->conn->conf.ike, 0, &ours);
        unlike_refused(t->ike, t->sa, &ours);
    }
    stranger_doubt(t->sa, n.type == N_NO_PROPOSAL_CHOSEN ? ERR_NOCHOICE : ERR_CLOSED,
                   "the responder refuses: %s%s", name, hint);
    return ERR_OK;
}

// ---- responder ---------------------------------------------------------------------------------

// The connection whose addresses fit best, among those that agree on a proposal. *any: did the
// addresses of any connection fit?
static struct conn *conn_choose(struct ike *ike, const struct datagram *d,
                                const struct proposals *theirs, struct proposal *chosen, bool *any)
{
    struct conn *best = NULL;
    unsigned best_fit = 0;
    *any = false;
    struct conns_walk w;
    struct conn *c = conns_for_peer(&ike->conns, &d->from.ip, &w);
    for (; c; c = conns_next(&w)) {
        struct proposals ours;
        struct proposal p;
        unsigned fit = conn_fit(c, &d->to.ip, &d->from.ip);
        *any = *any || fit;
        if (fit <= best_fit) continue;
        propose_ike(&c->conf.ike, 0, &ours);
        if (propose_choose(ike, &ours, theirs, false, &p) != ERR_OK) continue;
        best = c;
        best_fit = fit;
        *chosen = p;
    }
    return best;
}

static err_t refuse_group(struct turn *t, uint16_t offered, uint16_t wanted)
{
    char a[32], b[32];
    put16(t->data, wanted);
    t->about.data = span(t->data, 2);
    return refuse(t, N_INVALID_KE_PAYLOAD, ERR_NOCHOICE, "the peer guessed %s, but we choose %s",
                  alg_show(ALG_KE, offered, a), alg_show(ALG_KE, wanted, b));
}

// Against the connection whose addresses fit best: it was meant.
static void tell_unlike(struct turn *t, const struct proposals *theirs)
{
    const struct conn *meant = NULL;
    struct proposals ours;
    unsigned best = 0;
    struct conns_walk w;
    const struct conn *c = conns_for_peer(&t->ike->conns, &t->d->from.ip, &w);
    for (; c; c = conns_next(&w)) {
        unsigned fit = conn_fit(c, &t->d->to.ip, &t->d->from.ip);
        if (fit > best) meant = c;
        if (fit > best) best = fit;
    }
    if (!meant) return;
    propose_ike(&meant->conf.ike, 0, &ours);
    unlike_proposals(t->ike, t->sa, theirs, &ours);
}

static err_t choose_all(struct turn *t, const struct kex *kex)
{
    struct ike_sa *sa = t->sa;
    struct proposals theirs;
    struct proposal chosen;
    char peer[ENDPOINT_TEXT_MAX];
    bool any;
    TRY(take_sa(t->in, &theirs));
    struct conn *conn = conn_choose(t->ike, t->d, &theirs, &chosen, &any);
    if (!conn && !any) {
        return refuse(t, N_NO_PROPOSAL_CHOSEN, ERR_NOTFOUND,
                      "no connection is configured for %s (remote_addrs, local_addrs)",
                      endpoint_show(&t->d->from, peer));
    }
    if (!conn) {
        tell_unlike(t, &theirs);
        tell_alert(t->ike, sa, ALERT_PROPOSAL_MISMATCH_IKE);
        return refuse(t, N_NO_PROPOSAL_CHOSEN, ERR_NOCHOICE,
                      "none of the algorithms that %s offers is in our `proposals`",
                      endpoint_show(&t->d->from, peer));
    }
    const struct transform *ke = proposal_get(&chosen, ALG_KE);
    if (!ke || !ke_known(ke->id)) return ERR_NOCHOICE;
    struct notify n;
    if (proposal_has_extra(&chosen) &&
        notify_find(t->in, N_INTERMEDIATE_EXCHANGE_SUPPORTED, &n) != ERR_OK) {
        return refuse(t, N_NO_PROPOSAL_CHOSEN, ERR_NOCHOICE,
                      "%s wants additional key exchanges without IKE_INTERMEDIATE",
                      endpoint_show(&t->d->from, peer));
    }
    if (ke->id != kex->method) return refuse_group(t, kex->method, ke->id);
    TRY(ike_sa_choose(sa, &chosen));
    sa->conn = conn_get(conn);
    return ERR_OK;
}

static err_t answer_keys(struct ike_sa *sa, const struct kex *kex, struct msgw *out)
{
    uint8_t value[KE_PUBLIC_MAX];
    size_t len = sizeof value;
    struct secret shared;
    TRY(ke_answer(kex->method, kex->data, value, &len, &shared));
    err_t err = keys_ready(sa, &shared);
    wipe(&shared, sizeof shared);
    TRY(err);
    put_one_sa(out, sa->chosen);
    put_ke(out, kex->method, span(value, len));
    put_nonce(out, &sa->opening->nr);
    return ERR_OK;
}

// Whoever it turns out to be: the first connection for this address that wants a certificate asks.
static void ask_certs(struct turn *t)
{
    struct conns_walk w;
    const struct conn *c = conns_for_peer(&t->ike->conns, &t->d->from.ip, &w);
    for (; c; c = conns_next(&w)) {
        if (!round_any_by_key(&c->conf.remote)) continue;
        if (!conn_fit(c, &t->d->to.ip, &t->d->from.ip)) continue;
        peer_put_certreq(t->sa, &t->out, &c->conf);
        return;
    }
}

err_t sa_init_on_request(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct opening *o = sa->opening;
    struct kex kex;
    char peer[IP_TEXT_MAX];
    TRY(take_nonce(t->in, &o->ni));
    TRY(take_ke(t->in, &kex));
    TRY(choose_all(t, &kex));
    ike_random_nonce(t->ike, &o->nr);
    TRY(answer_keys(sa, &kex, &t->out));
    TRY(blob_set(&o->theirs, t->in->wire));
    TRY(table_add_half_open(&t->ike->table, sa));
    tell(t->ike, sa, LOG_STORY, SAY_IS_INITIATING, ip_show(&sa->remote.ip, peer));
    redirect_hear(sa, t->in);
    natd_take(sa, t->in, t->d);
    natd_put(sa, &t->out);
    if (childless_is_offered(sa)) {
        put_notify(&t->out, N_CHILDLESS_IKEV2_SUPPORTED, span(NULL, 0));
    }
    pieces_agree(sa, t->in);
    if (sa->in_pieces) put_notify(&t->out, N_IKEV2_FRAGMENTATION_SUPPORTED, span(NULL, 0));
    own_hear(sa, t->in);
    // rfc7427 4: said by both, or by none.
    if (t->ike->opt.classic_signatures) o->peer_hashes = 0;
    if (o->peer_hashes) put_hashes(&t->out);
    put_vendor(t->ike, &t->out);
    ppk_hear(sa, t->in);
    ppk_answer_offer(sa, &t->out);
    ask_certs(t);
    // rfc4739 2.1: said here, and by the initiator in IKE_AUTH.
    round_offer(sa, &t->out);
    intermediate_plan(sa);
    if (intermediate_is_due(sa)) {
        put_notify(&t->out, N_INTERMEDIATE_EXCHANGE_SUPPORTED, span(NULL, 0));
    }
    tell_suite(sa);
    sa->state = IKE_INIT_DONE;
    ike_sa_timer(sa, TIMER_CLOSE, ike_now(t->ike) + t->ike->opt.half_open_ns);
    return ERR_OK;
}
