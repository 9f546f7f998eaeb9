// rekey_ike.c - fresh keys for the IKE SA (RFC 7296 1.3.2, 2.18): a new IKE SA inherits the child
// SAs, and who began deletes the old one.
//
// When both sides begin at once (2.8.2), two new IKE SAs appear, and the exchange with the lowest
// of the four nonces loses. Until that is known the child SAs stay with the old IKE SA.
#include <stdlib.h>

#include "base/order.h"
#include "base/words.h"
#include "ike/auth/recheck.h"
#include "ike/exchange/close.h"
#include "ike/exchange/followup.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/message.h"
#include "ike/exchange/rekey.h"
#include "ike/exchange/request.h"
#include "ike/exchange/roam.h"
#include "ike/exchange/terms.h"
#include "ike/exchange/up.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/granted.h"
#include "ike/sa/install.h"
#include "ike/sa/keylog.h"
#include "ike/sa/vip.h"

bool rekey_ike_under_way(const struct ike_sa *sa)
{
    bool ours = sa->active && sa->active->kind == TASK_REKEY_IKE;
    return ours || sa->elder || followup_rekeys_ike(sa);
}

// ---- the new IKE SA ----------------------------------------------------------------------------

// What makes an IKE SA out of an old one.
struct birth {
    bool initiator;
    uint64_t our_spi, peer_spi;
    const struct proposal *chosen;
    const struct nonce *ni, *nr;
    struct ke_secrets shared;
};

static err_t birth_keys(struct ike_sa *sa, const struct ike_sa *old, const struct birth *b)
{
    TRY(ike_sa_choose(sa, b->chosen));
    return ike_keys_rekey(&old->keys, b->chosen, nonce_span(b->ni), nonce_span(b->nr), b->shared,
                          sa->spi_i, sa->spi_r, &sa->keys);
}

// The name that EAP has given the peer: leases and who may be there go by it.
static err_t birth_name(struct ike_sa *sa, const struct ike_sa *old)
{
    if (!old->eap_id) return ERR_OK;
    sa->eap_id = malloc(sizeof *sa->eap_id);
    if (!sa->eap_id) return ERR_NOMEM;
    *sa->eap_id = *old->eap_id;
    return ERR_OK;
}

static struct ike_sa *birth_sa(struct ike_sa *old, const struct birth *b)
{
    struct ike_sa *sa = ike_sa_new(old->ike, old->conn, b->initiator, b->our_spi);
    if (!sa) return NULL;
    *(b->initiator ? &sa->spi_r : &sa->spi_i) = b->peer_spi;
    err_t err = birth_keys(sa, old, b);
    if (err == ERR_OK) err = birth_name(sa, old);
    if (err != ERR_OK) {
        close_ike(sa, CLOSED_REPLACED, err, NULL);
        return NULL;
    }
    sa->local = old->local;
    sa->remote = old->remote;
    sa->local_id = old->local_id;
    sa->remote_id = old->remote_id;
    sa->nat_local = old->nat_local;
    sa->nat_remote = old->nat_remote;
    sa->encap_forced = old->encap_forced;
    sa->no_natt = old->no_natt;
    sa->cert_from = old->cert_from;
    sa->cert_until = old->cert_until;
    sa->blocks = blocks_ref(old->blocks);
    sa->in_pieces = old->in_pieces;
    sa->send_pieces = old->send_pieces;
    sa->if_id_in = old->if_id_in;
    sa->if_id_out = old->if_id_out;
    sa->ppk_way = old->ppk_way; // rfc8784 3: what is derived from its keys has it, too
    IGNORE(blob_set(&sa->ppk_name, blob_span(&old->ppk_name))); // only for people
    opening_free(sa->opening);
    sa->opening = NULL;
    sa->state = IKE_UP;
    ike_sa_index(sa);
    sa->elder = sa->parent = old->id;
    // Authentication is as old as it was: a rekeying does not renew it (RFC 7296 2.8.3).
    ike_sa_timer(sa, TIMER_REAUTH, old->timer[TIMER_REAUTH]);
    up_clocks(sa);
    bool bounded = old->conn->conf.reauth_s || granted_session_s(old);
    if (bounded && old->timer[TIMER_LIFE] < sa->timer[TIMER_LIFE]) {
        ike_sa_timer(sa, TIMER_LIFE, old->timer[TIMER_LIFE]);
    }
    keylog_ike(sa);
    return sa;
}

static void tell_rekeyed(const struct ike_sa *sa)
{
    char us[ID_TEXT_MAX], peer[ID_TEXT_MAX], here[IP_TEXT_MAX], there[IP_TEXT_MAX];
    up_tell_clocks(sa);
    tell(sa->ike, sa, LOG_STORY, SAY_IKE_REKEYED, ike_sa_name(sa), sa->id,
         ip_show(&sa->local.ip, here), id_show(&sa->local_id, us), ip_show(&sa->remote.ip, there),
         id_show(&sa->remote_id, peer));
}

static void inherit(struct ike_sa *old, struct ike_sa *heir)
{
    heir->elder = 0;
    heir->reauth_of = old->reauth_of;
    heir->twin = old->twin;
    old->reauth_of = old->twin = 0;
    heir->pointed = old->pointed;
    for (struct ike_sa *sa = old->pointed ? old->ike->all : NULL; sa; sa = sa->next) {
        if (sa->reauth_of == old->id) sa->reauth_of = heir->id;
        if (sa->twin == old->id) sa->twin = heir->id;
    }
    while (old->children) child_sa_move(old->children, heir);
    while (old->queue.first) {
        struct task *t = old->queue.first;
        queue_drop(&old->queue, t);
        if (t->kind == TASK_REKEY_IKE) {
            request_end(old, t, ERR_OK, "rekeyed");
        } else if (queue_push(&heir->queue, t) != ERR_OK) {
            request_end(old, t, ERR_LIMIT, NULL);
        }
    }
    roam_inherit(old, heir);
    recheck_move(old, heir);
    heir->redirect = old->redirect;
    old->redirect = (struct redirect){0};
    if (heir->redirect.client && heir->redirect.name.len)
        ike_sa_timer(heir, TIMER_REDIRECT, ike_now(heir->ike));
    vips_move(old, heir);
    granted_move(old, heir);
    heir->past = old->past;
    waiter_move(&old->enders, &heir->enders);
    tell_rekeyed(heir);
    tell(heir->ike, heir, LOG_STORY, "IKE SA %s[%u] goes on as [%u], with fresh keys",
         ike_sa_name(heir), old->id, heir->id);
    tell_event(IKE_EV_REKEYED, heir, NULL);
}

// Nobody needs it: who made it closes it, the other side waits for that.
static void redundant(struct ike_sa *sa)
{
    sa->elder = 0;
    close_ike_rekeyed(sa);
}

static void give_up(struct ike_sa *ours)
{
    redundant(ours);
    close_ike_ask(ours, CLOSED_REPLACED, 0, NULL);
}

static void close_old(struct ike_sa *old)
{
    close_ike_rekeyed(old);
    close_ike_ask(old, CLOSED_REPLACED, 0, NULL);
}

void rekey_ike_hand_over(struct ike_sa *old, struct ike_sa *heir)
{
    inherit(old, heir);
    close_ike_rekeyed(old);
    request_next(heir);
}

struct ike_sa *rekey_ike_heir(struct ike_sa *old)
{
    struct task *mine = old->active;
    if (!mine || mine->kind != TASK_REKEY_IKE || !mine->rival.id) return NULL;
    struct ike_sa *heir = ike_sa_by_id(old->ike, mine->rival.id);
    return heir && heir->state == IKE_UP && heir->elder == old->id ? heir : NULL;
}

static bool deletes_ike(const struct msg *in)
{
    struct delete_payload d;
    const struct payload *p = msg_nth(in, PAYLOAD_D, 0);
    return p && delete_read(p->body, &d) == ERR_OK && d.protocol == PROTO_IKE;
}

void rekey_ike_heard(struct ike_sa *heir, const struct msg *in)
{
    struct ike_sa *old = heir->elder ? ike_sa_by_id(heir->ike, heir->elder) : NULL;
    if (!old || old->state != IKE_UP || deletes_ike(in)) return;
    rekey_ike_hand_over(old, heir);
}

// ---- we begin ----------------------------------------------------------------------------------

err_t rekey_ike_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    if (sa->pending) return ERR_STATE; // the peer is not done with its own key exchanges
    struct offer *o = t->offer = calloc(1, sizeof *t->offer);
    if (!o) return why_not(why, ERR_NOMEM, "out of memory");
    o->spi = ike_sa_random_spi(sa->ike);
    struct proposals ours;
    propose_ike(&sa->conn->conf.ike, o->spi, &ours);
    o->proposals = proposals_keep(&ours);
    if (!o->proposals) return why_not(why, ERR_NOMEM, "out of memory");
    // The group that both know from last time is the best guess.
    const struct transform *last = proposal_get(sa->chosen, ALG_KE);
    uint16_t method = t->ke_wanted;
    if (!method && last && propose_has_ke(o->proposals, last->id)) method = last->id;
    if (!method) method = propose_ke(o->proposals);
    TRY(ke_new(method, &o->ke));
    ike_random_nonce(sa->ike, &o->nonce);
    put_sa(m, o->proposals);
    put_nonce(m, &o->nonce);
    put_ke(m, ke_method(o->ke), ke_public(o->ke));
    return ERR_OK;
}

static err_t answer_read(struct turn *t, struct agreement *a)
{
    const struct offer *o = t->task->offer;
    struct proposals ps;
    struct kex kex;
    TRY(take_sa(t->in, &ps));
    TRY(proposal_check_answer(o->proposals, &ps, &a->chosen));
    TRY(take_nonce(t->in, &a->nonce));
    TRY(take_ke(t->in, &kex));
    const struct transform *ke = proposal_get(&a->chosen, ALG_KE);
    if (a->chosen.spi_len != 8 || a->chosen.spi == 0) return ERR_SYNTAX;
    if (!ke || ke->id != kex.method || kex.method != ke_method(o->ke)) return ERR_NOCHOICE;
    chain_plan(&a->chain, &a->chosen);
    return ke_finish(o->ke, kex.data, &a->shared);
}

// ERR_AGAIN: more key exchanges must come first.
static err_t answer_make(struct turn *t, struct ike_sa **out)
{
    const struct offer *o = t->task->offer;
    struct agreement *a = t->task->agreed;
    if (!a) {
        a = t->task->agreed = calloc(1, sizeof *a);
        if (!a) return ERR_NOMEM;
        TRY(answer_read(t, a));
        if (chain_is_due(&a->chain)) return ERR_AGAIN;
    }
    struct ke_secrets shared = {&a->shared, chain_secrets(&a->chain)};
    struct birth b = {true, o->spi, a->chosen.spi, &a->chosen, &o->nonce, &a->nonce, shared};
    *out = birth_sa(t->sa, &b);
    return *out ? ERR_OK : ERR_CRYPTO;
}

static void settle(struct turn *t, struct ike_sa *ours, struct ike_sa *theirs)
{
    struct ike_sa *old = t->sa;
    bool we_win = !followup_lost(t->task);
    tell(t->ike, old, LOG_STORY, "both sides rekeyed the IKE SA at once: %s stays",
         we_win ? "ours" : "the peer's");
    if (we_win) {
        inherit(old, ours);
        redundant(theirs); // the peer deletes it
        close_old(old);
        return;
    }
    give_up(ours);
    rekey_ike_hand_over(old, theirs); // the peer deletes the old one
}

// More key exchanges, unless the peer's rekeying is done already, and stands.
static err_t go_on(struct turn *t)
{
    const struct task *task = t->task;
    struct ike_sa *theirs = task->rival.id ? ike_sa_by_id(t->ike, task->rival.id) : NULL;
    bool stands = theirs && theirs->state == IKE_UP && theirs->elder == t->sa->id;
    if (!stands || !followup_lost(task)) return followup_go_on(t);
    rekey_ike_hand_over(t->sa, theirs);
    return ERR_OK;
}

err_t rekey_ike_on_response(struct turn *t)
{
    struct ike_sa *ours = NULL;
    err_t err = answer_make(t, &ours);
    if (err == ERR_AGAIN) return go_on(t);
    if (err != ERR_OK) return err;
    struct ike_sa *theirs = t->task->rival.id ? ike_sa_by_id(t->ike, t->task->rival.id) : NULL;
    if (t->sa->state == IKE_REKEYED) {
        give_up(ours); // the peer's has taken over already
        return ERR_OK;
    }
    if (theirs && theirs->state == IKE_UP) {
        settle(t, ours, theirs);
    } else if (followup_lost(t->task)) {
        give_up(ours); // the peer is not done with its key exchanges yet
        followup_yield(t);
    } else {
        followup_drop(t->sa);
        inherit(t->sa, ours);
        close_old(t->sa);
    }
    request_next(ours);
    return ERR_OK;
}

// Our request led to nothing, but the peer's did.
static bool rival_takes_over(struct turn *t)
{
    struct ike_sa *theirs = t->task->rival.id ? ike_sa_by_id(t->ike, t->task->rival.id) : NULL;
    if (!theirs || theirs->state != IKE_UP) return false;
    rekey_ike_hand_over(t->sa, theirs);
    return true;
}

err_t rekey_ike_on_refusal(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct notify n;
    struct why why;
    char name[40];
    if (notify_find_error(t->in, &n) != ERR_OK) return ERR_SYNTAX;
    if (sa->state == IKE_REKEYED || rival_takes_over(t)) return ERR_OK;
    if (n.type == N_INVALID_KE_PAYLOAD && terms_other_group(t) == ERR_OK) {
        offer_drop(sa, t->task);
        queue_push_front(&sa->queue, t->task);
        t->task = NULL;
        return ERR_OK;
    }
    err_t err = why_not(&why, ERR_CLOSED, "the peer refuses to rekey the IKE SA: %s",
                        notify_name(n.type, name));
    tell(t->ike, sa, LOG_WARN, "%s", why.text);
    if (request_retry(sa, t->task) != ERR_OK) request_end(sa, t->task, err, why.text);
    t->task = NULL; // after minutes of this TIMER_LIFE ends the IKE SA
    return ERR_OK;
}

// ---- the peer begins ---------------------------------------------------------------------------

static err_t refuse_group(struct turn *t, uint16_t wanted)
{
    char name[32];
    put16(t->data, wanted);
    t->about.data = span(t->data, 2);
    return refuse(t, N_INVALID_KE_PAYLOAD, ERR_NOCHOICE, "for the new IKE SA we choose %s",
                  alg_show(ALG_KE, wanted, name));
}

// What was agreed on with the peer.
struct ike_deal {
    struct proposal chosen;
    struct nonce ni, nr;
    uint64_t spi; // ours
    struct secret shared;
};

void rekey_ike_deal_free(struct ike_deal *d)
{
    if (!d) return;
    wipe(d, sizeof *d);
    free(d);
}

static err_t request_read(struct turn *t, struct ike_deal *d, struct kex *kex)
{
    struct proposals ours, theirs;
    struct proposal *chosen = &d->chosen;
    TRY(take_sa(t->in, &theirs));
    TRY(take_nonce(t->in, &d->ni));
    TRY(take_ke(t->in, kex));
    propose_ike(&t->sa->conn->conf.ike, 0, &ours);
    if (propose_choose(t->ike, &ours, &theirs, false, chosen) != ERR_OK) {
        return refuse(t, N_NO_PROPOSAL_CHOSEN, ERR_NOCHOICE,
                      "none of the algorithms for a new IKE SA is in our `proposals`");
    }
    if (chosen->spi_len != 8 || chosen->spi == 0) return ERR_SYNTAX;
    const struct transform *ke = proposal_get(chosen, ALG_KE);
    if (!ke || !ke_known(ke->id)) return ERR_NOCHOICE;
    return ke->id == kex->method ? ERR_OK : refuse_group(t, ke->id);
}

static err_t request_answer(struct turn *t, struct ike_deal *d, const struct kex *kex)
{
    uint8_t value[KE_PUBLIC_MAX];
    size_t len = sizeof value;
    struct proposal ours = d->chosen;
    TRY(ke_answer(kex->method, kex->data, value, &len, &d->shared));
    d->spi = ours.spi = ike_sa_random_spi(t->ike);
    ike_random_nonce(t->ike, &d->nr);
    put_one_sa(&t->out, &ours);
    put_nonce(&t->out, &d->nr);
    put_ke(&t->out, kex->method, span(value, len));
    return ERR_OK;
}

// A peer who rekeys again and again, and never deletes what it has replaced, would fill our memory.
static bool parent_lives(const struct ike_sa *sa)
{
    const struct ike_sa *parent = sa->parent ? ike_sa_by_id(sa->ike, sa->parent) : NULL;
    return parent && ike_sa_live(parent);
}

// Not now: something else is under way that must be done, or has its way, first.
static bool is_busy(const struct ike_sa *sa)
{
    bool closing = queue_find(&sa->queue, TASK_DELETE_IKE, 0);
    return rekey_child_under_way(sa) || followup_rekeys_child(sa, 0) || sa->elder || closing ||
           parent_lives(sa);
}

static err_t refuse_busy(struct turn *t)
{
    return refuse(t, N_TEMPORARY_FAILURE, ERR_STATE,
                  "the peer wants to rekey the IKE SA while something else is under way");
}

// The new IKE SA takes over once the answer, which still belongs to the old one, is out; or it is
// seen later whether it does.
static err_t deal_make(struct turn *t, const struct ike_deal *d, const struct chain *chain)
{
    struct ike_sa *sa = t->sa;
    struct ke_secrets shared = {&d->shared, chain_secrets(chain)};
    struct birth b = {false, d->spi, d->chosen.spi, &d->chosen, &d->ni, &d->nr, shared};
    struct ike_sa *heir = birth_sa(sa, &b);
    if (!heir) return ERR_NOMEM;
    if (sa->active && sa->active->kind == TASK_REKEY_IKE) {
        sa->active->rival.id = heir->id;
    } else {
        t->heir = heir;
    }
    return ERR_OK;
}

static err_t deal_keep(struct turn *t, struct ike_deal *d, const struct chain *chain)
{
    struct pending *p = calloc(1, sizeof *p);
    if (!p) return ERR_NOMEM;
    *p = (struct pending){.ike = d, .chain = *chain};
    followup_keep(t, p);
    return ERR_OK;
}

static err_t deal_begin(struct turn *t, struct ike_deal *d, bool *kept)
{
    struct kex kex;
    struct chain chain = {0};
    TRY(request_read(t, d, &kex));
    TRY(request_answer(t, d, &kex));
    chain_plan(&chain, &d->chosen);
    struct task *mine = t->sa->active;
    *kept = chain_is_due(&chain);
    TRY(*kept ? deal_keep(t, d, &chain) : deal_make(t, d, &chain));
    if (!mine || mine->kind != TASK_REKEY_IKE) return ERR_OK;
    mine->rival.known = true;
    mine->rival.lowest = *nonce_lower(&d->ni, &d->nr);
    return ERR_OK;
}

err_t rekey_ike_on_request(struct turn *t)
{
    bool kept = false;
    if (is_busy(t->sa)) return refuse_busy(t);
    struct ike_deal *d = calloc(1, sizeof *d);
    if (!d) return ERR_NOMEM;
    err_t err = deal_begin(t, d, &kept);
    if (err != ERR_OK || !kept) rekey_ike_deal_free(d);
    return err;
}

err_t rekey_ike_finish(struct turn *t, struct pending *p)
{
    if (is_busy(t->sa)) return refuse_busy(t);
    return deal_make(t, p->ike, &p->chain);
}
