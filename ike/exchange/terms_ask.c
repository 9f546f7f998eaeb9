// terms_ask.c - the initiator's half of terms.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "base/words.h"
#include "ike/exchange/message.h"
#include "ike/exchange/request.h"
#include "ike/exchange/terms.h"
#include "ike/exchange/terms_blocks.h"
#include "ike/exchange/terms_comp.h"
#include "ike/exchange/terms_cpu.h"
#include "ike/exchange/terms_label.h"
#include "ike/exchange/terms_mode.h"
#include "ike/exchange/terms_nat.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"
#include "ike/sa/trap.h"
#include "ike/sa/vip.h"

static err_t reqid_for(struct ike_sa *sa, struct task *t, const struct child_sa *old)
{
    struct reqids *r = &sa->ike->reqids;
    if (old) {
        reqid_hold(r, old->reqid);
        t->offer->reqid = old->reqid;
        return ERR_OK;
    }
    bool many = !sa->initiator && !conn_one_peer(t->conn);
    if (!many) trap_inherit_reqid(sa->ike, t->conn, t->conf, &sa->local.ip, &sa->remote.ip);
    t->offer->reqid = reqid_get(r, t->conn, t->conf, many ? &sa->remote : NULL);
    return t->offer->reqid ? ERR_OK : ERR_NOMEM;
}

static err_t offer_ke(struct task *t, const struct child_sa *old, struct why *why)
{
    struct offer *o = t->offer;
    uint16_t method = t->ke_wanted;
    // What worked last time is the best guess.
    if (!method && old && old->ke && propose_has_ke(o->proposals, old->ke)) method = old->ke;
    if (!method) method = propose_ke(o->proposals);
    if (method == KE_NONE) return ERR_OK; // no PFS wanted
    err_t err = ke_new(method, &o->ke);
    return err == ERR_OK ? ERR_OK : why_not(why, err, "key exchange: %s", err_text(err));
}

err_t terms_can_travel(const struct ike_sa *sa, const struct conf_child *f, struct why *why)
{
    bool udp = ike_sa_udp(sa);
    if (udp && f->esp.ah) {
        return why_not(why, ERR_UNSUPPORTED,
                       "AH (ah_proposals of %.60s) does not pass the NAT between us and the peer; "
                       "use esp_proposals",
                       f->name);
    }
    TRY(steering_check(sa->ike, f, why));
    if (udp || sa->ike->opt.executor_has_raw_esp) return ERR_OK;
    return why_not(why, ERR_UNSUPPORTED,
                   "the peer knows no NAT traversal, and our executor only ESP in UDP");
}

static void put_first(struct ts_list *l, const struct ts *t)
{
    memmove(l->ts + 1, l->ts, l->n * sizeof *l->ts);
    l->ts[0] = *t;
    l->n++;
}

// rfc7296 2.9 SHOULD: what the packet that asked for it looks like comes first, so that a responder
// which cannot take all takes what serves that packet.
static void offer_packet(const struct task *t, struct ts_list *tsi, struct ts_list *tsr)
{
    const struct acquired *a = &t->acquired;
    const struct ts_list src = {.n = 1, .ts = {a->src}}, dst = {.n = 1, .ts = {a->dst}};
    if (!a->known || tsi->n == TS_MAX || tsr->n == TS_MAX) return;
    if (!ts_subset(&src, tsi) || !ts_subset(&dst, tsr)) return;
    put_first(tsi, &a->src);
    put_first(tsr, &a->dst);
}

// What the peer's certificate does not let it have is not asked for. In the first IKE_AUTH it is
// not known yet: the answer is held against it.
static err_t offer_within_blocks(const struct ike_sa *sa, const struct task *t, struct ts_list *tsr,
                                 struct why *why)
{
    const struct acquired *a = &t->acquired;
    struct ts_list packet = {.n = 1, .ts = {a->dst}};
    char blocks[BLOCKS_TEXT_MAX];
    if (!sa->blocks) return ERR_OK;
    // A child SA without the packet that asks for it would be asked for again and again.
    if (terms_blocks_cut(sa, tsr) && (!a->known || terms_blocks_cut(sa, &packet))) return ERR_OK;
    return why_not(why, ERR_PERMISSION,
                   "the peer's certificate is good for %s only (RFC 3779); keep remote_ts of %.60s "
                   "within that",
                   blocks_show(sa->blocks, blocks), t->conf->name);
}

static err_t offer_ts(const struct ike_sa *sa, const struct task *t, bool first,
                      struct ts_list *tsi, struct ts_list *tsr, struct why *why)
{
    struct hosts us = vips_local(sa), them = vips_remote(sa);
    dynamic_ts_hosts(t->conf->local_ts, t->conf->local_n, &us, tsi);
    dynamic_ts_hosts(t->conf->remote_ts, t->conf->remote_n, &them, tsr);
    TRY(offer_within_blocks(sa, t, tsr, why));
    // A client's packets will have an address that it does not know yet.
    bool packet = !sa->ike->opt.whole_selectors && (!first || !t->conn->conf.vip_n);
    if (packet) offer_packet(t, tsi, tsr);
    return ERR_OK;
}

// Its lists wait for the answer, and take no more room than they have to.
static err_t offer_fill(const struct ike_sa *sa, struct task *t, bool first,
                        const struct child_sa *old, struct why *why)
{
    struct offer *o = t->offer;
    struct proposals ps;
    struct ts_list tsi, tsr;
    propose_child(&t->conf->esp, (uint32_t)o->spi, !first, &ps);
    if (!old) TRY(offer_ts(sa, t, first, &tsi, &tsr, why));
    o->proposals = proposals_keep(&ps);
    o->tsi = ts_keep(old ? old->local_ts : &tsi);
    o->tsr = ts_keep(old ? old->remote_ts : &tsr);
    if (o->proposals && o->tsi && o->tsr) return ERR_OK;
    return why_not(why, ERR_NOMEM, "out of memory");
}

err_t terms_offer(struct ike_sa *sa, struct task *t, bool first, const struct child_sa *old,
                  struct why *why)
{
    uint32_t spi;
    TRY(terms_can_travel(sa, t->conf, why));
    struct offer *o = t->offer = calloc(1, sizeof *t->offer);
    if (!o) return why_not(why, ERR_NOMEM, "out of memory");
    TRY(reqid_for(sa, t, old));
    o->proto = child_sa_proto_wanted(t->conf);
    o->mode = old ? old->mode : child_sa_mode(sa->ike, t->conf);
    TRY(install_spi(sa, o->reqid, o->proto, o->mode, &spi, why));
    o->spi = spi;
    o->whole = !sa->ike->opt.iptfs.accept_fragments;
    o->cpi = terms_comp_cpi(sa, t->conf, o->reqid);
    TRY(offer_fill(sa, t, first, old, why));
    if (old) {
        t->acquired.of_cpu = old->of_cpu; // the new one is for the same
        t->acquired.cpu = old->cpu;
    }
    if (first) return ERR_OK;
    ike_random_nonce(sa->ike, &o->nonce);
    return offer_ke(t, old, why);
}

void terms_put(const struct task *t, bool first, struct msgw *m)
{
    const struct offer *o = t->offer;
    put_sa(m, o->proposals);
    if (!first) put_nonce(m, &o->nonce);
    if (o->ke) put_ke(m, ke_method(o->ke), ke_public(o->ke));
    put_ts(m, PAYLOAD_TSi, o->tsi, terms_label(t->conf));
    put_ts(m, PAYLOAD_TSr, o->tsr, terms_label(t->conf));
    terms_mode_put(m, o->mode, o->whole);
    terms_comp_put(m, o->cpi);
    terms_cpu_put(m, t->acquired.of_cpu, t->acquired.cpu);
}

// ---- the peer's answer -------------------------------------------------------------------------

static err_t answer_read_ke(struct turn *t, struct agreement *a)
{
    struct offer *o = t->task->offer;
    const struct transform *ke = proposal_get(&a->chosen, ALG_KE);
    struct kex kex;
    chain_plan(&a->chain, &a->chosen);
    // rfc9370 2.2.1: additional key exchanges come on top of a first one.
    if (!ke || ke->id == KE_NONE) return a->chain.n ? ERR_NOCHOICE : ERR_OK;
    TRY(take_ke(t->in, &kex));
    if (!o->ke || kex.method != ke->id || ke_method(o->ke) != ke->id) return ERR_NOCHOICE;
    a->with_ke = true;
    return ke_finish(o->ke, kex.data, &a->shared);
}

// We asked for all addresses, since ours was not known yet. Now it is: whatever the responder says,
// no other is protected.
static err_t answer_own_address(const struct turn *t, struct agreement *a)
{
    const struct conf_child *f = t->task->conf;
    struct ts_list ours;
    if (!t->sa->vips) return ERR_OK;
    struct hosts us = vips_local(t->sa);
    dynamic_ts_hosts(f->local_ts, f->local_n, &us, &ours);
    return ts_narrow(&ours, &a->tsi, &a->tsi);
}

// Virtual addresses are narrower than what was asked for before there were any.
static bool is_narrowed(const struct turn *t, const struct agreement *a)
{
    const struct offer *o = t->task->offer;
    bool less = !ts_subset(o->tsi, &a->tsi) || !ts_subset(o->tsr, &a->tsr);
    return less && !t->sa->vips;
}

// Will packets come that the trap holds and this child SA must not carry?
static bool leaves_trap_more(const struct turn *t, const struct agreement *a)
{
    const struct task *task = t->task;
    return is_narrowed(t, a) &&
           trap_is_there(t->ike, task->conn->conf.name, task->conf->name, NULL);
}

// The responder may decline any mode for tunnel mode, but not choose another.
static err_t answer_mode(struct turn *t, struct agreement *a, struct why *why)
{
    const struct terms_mode said = terms_mode_take(t->in);
    char text[TERMS_MODE_TEXT_MAX];
    struct notify n;
    a->mode = said.mode;
    a->peer_whole = said.whole;
    a->peer_no_tfc = notify_find(t->in, N_ESP_TFC_PADDING_NOT_SUPPORTED, &n) == ERR_OK;
    // The peer has an SA that demands more than we can do.
    if (said.unmet) return why_not(why, ERR_NOCHOICE, "%s", terms_mode_show(&said, text));
    if (a->mode == XFRM_TUNNEL || a->mode == t->task->offer->mode) return ERR_OK;
    return why_not(why, ERR_NOCHOICE, "the peer's mode is not the one that was asked for");
}

// What the answer says, checked against what was offered.
static err_t answer_read(struct turn *t, bool first, struct agreement *a, struct why *why)
{
    const struct offer *o = t->task->offer;
    struct proposals ps;
    TRY(take_sa(t->in, &ps));
    TRY(proposal_check_answer(o->proposals, &ps, &a->chosen));
    if (a->chosen.spi_len != 4 || a->chosen.spi <= 255) return ERR_SYNTAX; // RFC 4303 2.1
    if (!first) TRY(take_nonce(t->in, &a->nonce));
    if (a->chosen.spi == t->task->deleted_spi) return ERR_CLOSED;
    TRY(take_ts(t->in, PAYLOAD_TSi, &a->tsi));
    TRY(take_ts(t->in, PAYLOAD_TSr, &a->tsr));
    TRY(terms_label_check(t->in, t->task->conf, why));
    TRY(answer_mode(t, a, why));
    a->cpi = o->cpi ? terms_comp_take(t->in) : 0;
    if (a->mode == XFRM_TRANSPORT) terms_nat_back(t->sa, &a->tsi, &a->tsr);
    if (first) TRY(answer_own_address(t, a));
    // Both the packet's selectors and wider ones: the wider ones say it all.
    IGNORE(ts_narrow(&a->tsi, &a->tsi, &a->tsi));
    IGNORE(ts_narrow(&a->tsr, &a->tsr, &a->tsr));
    // rfc7296 2.9 MUST: the responder may narrow what was asked for, never widen it.
    bool narrower =
        a->tsi.n && a->tsr.n && ts_subset(&a->tsi, o->tsi) && ts_subset(&a->tsr, o->tsr);
    if (!narrower) return ERR_NOCHOICE;
    TRY(terms_blocks_check(t->sa, &a->tsr, why));
    if (is_narrowed(t, a)) tell_alert(t->ike, t->sa, ALERT_TS_NARROWED);
    return answer_read_ke(t, a);
}

static err_t answer_keys(struct turn *t, bool first, const struct agreement *a,
                         struct child_keys *keys)
{
    const struct opening *open = t->sa->opening;
    const struct nonce *ni = first ? &open->ni : &t->task->offer->nonce;
    const struct nonce *nr = first ? &open->nr : &a->nonce;
    struct ke_secrets shared = {a->with_ke ? &a->shared : NULL, chain_secrets(&a->chain)};
    return child_keys_make(&t->sa->keys, &a->chosen, nonce_span(ni), nonce_span(nr), shared, keys);
}

static err_t answer_install(struct turn *t, const struct agreement *a,
                            const struct child_keys *keys, const struct child_sa *old,
                            struct child_sa **out, struct why *why)
{
    struct task *task = t->task;
    struct child_spec spec = {
        .conn = task->conn,
        .conf = task->conf,
        .chosen = &a->chosen,
        .local_ts = &a->tsi,
        .remote_ts = &a->tsr,
        .spi_in = (uint32_t)task->offer->spi,
        .spi_out = (uint32_t)a->chosen.spi,
        .cpi_in = a->cpi ? task->offer->cpi : 0,
        .cpi_out = a->cpi,
        .acquire_seq = task->acquired.seq,
        .of_cpu = task->acquired.of_cpu,
        .cpu = task->acquired.cpu,
        .replaces = old ? old->id : 0,
        .mode = a->mode,
        .peer_no_tfc = a->peer_no_tfc,
        .peer_whole = a->peer_whole,
        .narrowed = old ? old->narrowed : leaves_trap_more(t, a),
        .initiator = true,
        .ke = a->with_ke ? ke_method(task->offer->ke) : KE_NONE,
    };
    struct child_sa *c = child_sa_new(t->sa, &spec);
    if (!c) return why_not(why, ERR_LIMIT, "too many child SAs, or out of memory");
    c->reqid = task->offer->reqid;
    task->offer->reqid = 0; // both belong to the child now
    task->offer->spi = 0;
    if (a->cpi) task->offer->cpi = 0;
    err_t err = install_child(c, keys, false, why);
    if (err == ERR_OK) {
        *out = c;
        return ERR_OK;
    }
    child_sa_free(c);
    tell_alert(t->ike, t->sa, ALERT_INSTALL_CHILD_SA_FAILED);
    return err;
}

// The peer has the child SA already, we have not: it must go there, too.
static void delete_at_peer(struct ike_sa *sa, uint8_t protocol, uint32_t our_spi)
{
    struct task *t = request_task(TASK_DELETE_CHILD, NULL);
    if (!t) return;
    request_name_spi(t, protocol, our_spi);
    if (queue_push(&sa->queue, t) != ERR_OK) task_free(t);
}

static err_t answer_take(struct turn *t, bool first, struct why *why)
{
    struct task *task = t->task;
    if (task->agreed) { // and its additional key exchanges are done
        return task->agreed->chosen.spi == task->deleted_spi ? ERR_CLOSED : ERR_OK;
    }
    task->agreed = calloc(1, sizeof *task->agreed);
    if (!task->agreed) return ERR_NOMEM;
    TRY(answer_read(t, first, task->agreed, why));
    return chain_is_due(&task->agreed->chain) ? ERR_AGAIN : ERR_OK;
}

static err_t answer_make(struct turn *t, bool first, const struct child_sa *old,
                         struct child_sa **out, struct why *why)
{
    struct child_keys keys = {0};
    const struct agreement *a = t->task->agreed;
    TRY(answer_keys(t, first, a, &keys));
    err_t err = answer_install(t, a, &keys, old, out, why);
    child_keys_done(&keys);
    return err;
}

err_t terms_accept(struct turn *t, bool first, const struct child_sa *old, struct child_sa **out)
{
    struct why why = {0};
    uint32_t spi = (uint32_t)t->task->offer->spi;
    err_t err = answer_take(t, first, &why);
    if (err == ERR_AGAIN) return err;
    if (err == ERR_OK) err = answer_make(t, first, old, out, &why);
    if (err == ERR_OK) return ERR_OK;
    if (err == ERR_CLOSED) {
        tell(t->ike, t->sa, LOG_STORY, "the peer has closed child SA %s again",
             t->task->conf->name);
        return err;
    }
    tell(t->ike, t->sa, LOG_ERROR, "child SA %s cannot be used: %s; deleting it at the peer",
         t->task->conf->name, why.text[0] ? why.text : err_text(err));
    delete_at_peer(t->sa, t->task->conf->esp.ah ? PROTO_AH : PROTO_ESP, spi);
    return err;
}

err_t terms_other_group(struct turn *t)
{
    struct task *task = t->task;
    struct notify n;
    char name[32];
    TRY(notify_find(t->in, N_INVALID_KE_PAYLOAD, &n));
    uint16_t wanted = n.data.len == 2 ? get16(n.data.at) : KE_NONE;
    bool offered = task->offer && propose_has_ke(task->offer->proposals, wanted);
    // One change of mind; a peer who then wants yet another does not know what it wants.
    if (!offered || task->ke_wanted || !ke_known(wanted)) return ERR_NOCHOICE;
    tell(t->ike, t->sa, LOG_STORY, "the peer wants %s; trying again with that",
         alg_show(ALG_KE, wanted, name));
    task->ke_wanted = wanted;
    return ERR_OK;
}

struct nonce terms_lowest(const struct nonce *ours, const struct msg *in)
{
    struct nonce theirs;
    if (take_nonce(in, &theirs) != ERR_OK) return *ours;
    return *nonce_lower(ours, &theirs);
}

static void tell_terms(const struct child_sa *c)
{
    char local[200], remote[200], suite[256];
    struct ike *ike = c->sa->ike;
    tell(ike, c->sa, LOG_STORY, SAY_SELECTED, c->chosen->protocol == PROTO_AH ? "AH" : "ESP",
         proposal_show(c->chosen, suite));
    tell(ike, c->sa, LOG_STORY, SAY_CHILD_UP, c->conf->name, c->id, c->spi_in, c->spi_out,
         ts_show(c->local_ts, local, sizeof local), ts_show(c->remote_ts, remote, sizeof remote));
    if (c->cpi_in) {
        tell(ike, c->sa, LOG_STORY, "%s is compressed: IPComp, CPIs %04x in, %04x out",
             c->conf->name, c->cpi_in, c->cpi_out);
    }
    terms_mode_tell(c);
    if (c->peer_no_tfc && c->conf->tfc_padding) {
        tell(c->sa->ike, c->sa, LOG_STORY, SAY_NO_TFC);
    }
}

void terms_up(struct child_sa *c)
{
    tell_terms(c);
    tell_event(CHILD_EV_UP, c->sa, c);
}

void terms_ours_up(struct turn *t, struct child_sa *c)
{
    char sentence[160];
    terms_up(c);
    (void)snprintf(sentence, sizeof sentence, "child SA %.100s{%u} is up", c->conf->name, c->id);
    waiter_end(&t->task->waiters, ERR_OK, sentence);
}

static void tell_replaced(const struct child_sa *c, const struct child_sa *old)
{
    if (!old) return;
    tell(c->sa->ike, c->sa, LOG_STORY, SAY_REKEYED_CHILD, old->conf->name, old->id, old->spi_in,
         old->spi_out, c->conf->name, c->id, c->spi_in, c->spi_out);
}

void terms_fresh(struct child_sa *c)
{
    tell_terms(c);
    tell_replaced(c, child_sa_by_id(c->sa, c->replaces));
    tell(c->sa->ike, c->sa, LOG_STORY, "child SA %s{%u} has fresh keys", c->conf->name, c->id);
    tell_event(CHILD_EV_REKEYED, c->sa, c);
}
