// terms_answer.c - the responder's half of terms.h.
#include <stdlib.h>

#include "base/order.h"
#include "base/words.h"
#include "ike/exchange/followup.h"
#include "ike/exchange/message.h"
#include "ike/exchange/terms.h"
#include "ike/exchange/terms_blocks.h"
#include "ike/exchange/terms_comp.h"
#include "ike/exchange/terms_cpu.h"
#include "ike/exchange/terms_label.h"
#include "ike/exchange/terms_mode.h"
#include "ike/exchange/terms_nat.h"
#include "ike/exchange/terms_null.h"
#include "ike/exchange/unlike.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"
#include "ike/sa/trap.h"
#include "ike/sa/vip.h"

// What is being agreed on.
struct deal {
    struct proposals theirs;
    struct proposal chosen;
    struct ts_list tsi, tsr; // as asked for, then as granted
    struct terms_mode asked;
    enum xfrm_mode mode; // as asked for, then as granted
    bool peer_no_tfc;
    struct conn *conn;
    const struct conf_child *conf;
    uint32_t reqid, spi;
    uint16_t cpi, peer_cpi; // of IPComp: both, or 0
    bool of_cpu;            // for one CPU of each side
    uint32_t cpu;           // ... of ours
    struct nonce ni, nr;
    uint16_t ke;
    uint8_t value[KE_PUBLIC_MAX]; // our KE answer
    size_t value_len;
    struct secret shared;
    struct child_keys keys;
    uint32_t said;      // our SPI, as the answer names it
    uint16_t said_cpi;  // likewise
    struct chain chain; // additional key exchanges that were agreed on
};

static err_t deal_read(struct turn *t, const struct terms_question *q, struct deal *d)
{
    struct notify n;
    TRY(take_sa(t->in, &d->theirs));
    TRY(take_ts(t->in, PAYLOAD_TSi, &d->tsi));
    TRY(take_ts(t->in, PAYLOAD_TSr, &d->tsr));
    d->asked = terms_mode_take(t->in);
    d->mode = d->asked.mode;
    d->peer_no_tfc = notify_find(t->in, N_ESP_TFC_PADDING_NOT_SUPPORTED, &n) == ERR_OK;
    if (q->first) {
        d->ni = t->sa->opening->ni;
        d->nr = t->sa->opening->nr;
        return ERR_OK;
    }
    ike_random_nonce(t->ike, &d->nr);
    return take_nonce(t->in, &d->ni);
}

// Has the peer anything to offer for how this child is protected?
static bool suits(const struct conf_child *f, const struct deal *d)
{
    uint8_t wanted = f->esp.ah ? PROTO_AH : PROTO_ESP;
    for (unsigned i = 0; i < d->theirs.n; i++) {
        if (d->theirs.p[i].protocol == wanted) return true;
    }
    return false;
}

static bool list_begins_in(const struct ts_list *l, const struct ts_list *ours)
{
    const struct ts_list first = {.n = 1, .ts = {l->ts[0]}};
    return l->n && ts_subset(&first, ours);
}

// The selectors that both want. 0: none in common; more: the closer to what was asked for.
static unsigned ts_fit(const struct ike_sa *sa, const struct conf_child *f, const struct deal *d,
                       struct ts_list *tsi, struct ts_list *tsr)
{
    struct ts_list local, remote;
    struct hosts us = vips_local(sa), them = vips_remote(sa);
    dynamic_ts_hosts(f->local_ts, f->local_n, &us, &local);
    dynamic_ts_hosts(f->remote_ts, f->remote_n, &them, &remote);
    *tsi = d->tsi;
    *tsr = d->tsr;
    if (d->mode == XFRM_TRANSPORT && f->mode == CONF_TRANSPORT) terms_nat_in(sa, tsi, tsr);
    if (!terms_blocks_cut(sa, tsi)) return 0;
    bool whole = ts_subset(tsi, &remote) && ts_subset(tsr, &local);
    bool equal = whole && ts_subset(&remote, tsi) && ts_subset(&local, tsr);
    bool first = list_begins_in(tsi, &remote) && list_begins_in(tsr, &local);
    if (ts_narrow(&remote, tsi, tsi) != ERR_OK) return 0;
    if (ts_narrow(&local, tsr, tsr) != ERR_OK) return 0;
    unsigned same_mode = d->mode == child_sa_mode(sa->ike, f);
    // rfc7296 2.9 MUST: the first selectors are in the answer if any policy of ours allows that
    return 1 + same_mode + 2 * whole + 4 * equal + 8 * first + 16 * suits(f, d);
}

static err_t refuse_blocks(struct turn *t, const char *tsi, const char *tsr)
{
    char blocks[BLOCKS_TEXT_MAX];
    return refuse(t, N_TS_UNACCEPTABLE, ERR_NOCHOICE,
                  "the peer wants %s to reach %s: its certificate is good for %s only (RFC 3779), "
                  "and no child of %s allows that (local_ts, remote_ts)",
                  tsi, tsr, blocks_show(t->sa->blocks, blocks), ike_sa_name(t->sa));
}

static err_t refuse_ts(struct turn *t, const struct deal *d)
{
    char a[200], b[200], label[TERMS_LABEL_TEXT_MAX];
    tell_alert(t->ike, t->sa, ALERT_TS_MISMATCH);
    tell(t->ike, t->sa, LOG_STORY, SAY_BAD_TS, ts_show(&d->tsr, a, sizeof a),
         ts_show(&d->tsi, b, sizeof b));
    ts_show(&d->tsi, a, sizeof a);
    ts_show(&d->tsr, b, sizeof b);
    if (t->sa->blocks) return refuse_blocks(t, a, b);
    return refuse(
        t, N_TS_UNACCEPTABLE, ERR_NOCHOICE,
        "the peer wants %s to reach %s%s, which no child of %s allows (local_ts, remote_ts, label)",
        a, b, terms_label_show(t->in, label), ike_sa_name(t->sa));
}

// rfc7296 2.23.1: transport mode behind one NAT works for as many hosts as their ports tell apart.
static err_t check_rival(struct turn *t, const struct deal *d)
{
    char id[ID_TEXT_MAX], ip[IP_TEXT_MAX];
    const struct ike_sa *rival = terms_nat_rival(t->sa, d->conf, &d->tsi, &d->tsr);
    if (!rival) return ERR_OK;
    return refuse(
        t, N_TS_UNACCEPTABLE, ERR_EXISTS,
        "%.90s, behind the same NAT (%s), uses transport mode for the same ports: nobody "
        "could tell the two apart (give clients virtual addresses, ports of their own, or marks: "
        "mark_in and mark_out = %%unique with the plugin connmark)",
        id_show(&rival->remote_id, id), ip_show(&rival->remote.ip, ip));
}

static err_t check_null(struct turn *t, const struct deal *d)
{
    struct why why = {0};
    err_t err = terms_null_check(t->sa, &d->tsi, &d->tsr, &why);
    if (err == ERR_OK) return err;
    return refuse(t, N_TS_UNACCEPTABLE, err, "the peer has not proved who it is: %s", why.text);
}

static void deal_mode(struct turn *t, struct deal *d)
{
    enum xfrm_mode wanted = child_sa_mode(t->ike, d->conf);
    char text[TERMS_MODE_TEXT_MAX];
    if (d->mode != wanted) d->mode = XFRM_TUNNEL;
    if (!d->asked.unmet || wanted != XFRM_IPTFS) return;
    tell(t->ike, t->sa, LOG_STORY, "%s", terms_mode_show(&d->asked, text));
}

static err_t deal_traffic(struct turn *t, const struct child_sa *old, struct deal *d)
{
    const struct ike_sa *sa = t->sa;
    struct ts_list tsi, tsr, best_i = {0}, best_r = {0};
    unsigned best = 0;
    d->conn = old ? old->conn : sa->conn;
    terms_blocks_tell(t->sa, &d->tsi);
    for (unsigned i = 0; i < d->conn->conf.child_n; i++) {
        const struct conf_child *f = &d->conn->conf.child[i];
        if (trap_is_shunt(f) || (old && f != old->conf)) continue;
        if (!terms_label_fits(t->in, f)) continue;
        unsigned fit = ts_fit(sa, f, d, &tsi, &tsr);
        if (fit <= best) continue;
        best = fit;
        best_i = tsi;
        best_r = tsr;
        d->conf = f;
    }
    if (!best) return refuse_ts(t, d);
    bool narrower = !ts_subset(&d->tsi, &best_i) || !ts_subset(&d->tsr, &best_r);
    if (narrower) tell_alert(t->ike, t->sa, ALERT_TS_NARROWED);
    d->tsi = best_i;
    d->tsr = best_r;
    TRY(check_null(t, d));
    deal_mode(t, d);
    return d->mode == XFRM_TRANSPORT && sa->nat_remote && !old ? check_rival(t, d) : ERR_OK;
}

// A request that crossed ours on its way, and finds ours done: the peer sees that it has what it
// wants when it tries again.
#define CROSSED_NS (15 * NSEC_PER_SEC)

static err_t deal_is_news(struct turn *t, const struct deal *d)
{
    uint64_t now = ike_now(t->ike);
    for (const struct child_sa *c = t->sa->children; c; c = c->next) {
        bool ours = c->initiator && !c->replaces && c->conf == d->conf && child_sa_in_use(c);
        if (!ours || now - c->installed_at >= CROSSED_NS) continue;
        if (!child_sa_has(c, &d->tsr, &d->tsi)) continue;
        return refuse(t, N_TEMPORARY_FAILURE, ERR_STATE,
                      "the peer wants child SA %s, which we have just made", d->conf->name);
    }
    return ERR_OK;
}

// rfc9611 5.1: another one with the same selectors, for a CPU of the peer's.
static err_t deal_cpu(struct turn *t, const struct child_sa *old, struct deal *d)
{
    if (!d->conf->per_cpu || !terms_cpu_asked(t->in)) return ERR_OK;
    d->of_cpu = old ? old->of_cpu : child_sa_by_name(t->sa, d->conf->name) != NULL;
    d->cpu = old ? old->cpu : 0;
    // Requests for the last CPUs of both sides may cross: each would find the other's CPUs taken.
    if (!old && d->of_cpu && t->sa->initiator && terms_cpu_asks(t->sa, d->conf))
        return refuse(t, N_TEMPORARY_FAILURE, ERR_STATE,
                      "the peer wants an SA of %s for a CPU while we ask for one", d->conf->name);
    if (old || !d->of_cpu || terms_cpu_choose(t->sa, d->conf, &d->cpu) == ERR_OK) return ERR_OK;
    return refuse(t, N_TS_MAX_QUEUE, ERR_LIMIT, "the peer wants more SAs of %s than there are CPUs",
                  d->conf->name);
}

static err_t deal_algorithms(struct turn *t, bool first, struct deal *d)
{
    struct proposals ours;
    propose_child(&d->conf->esp, 0, !first, &ours);
    if (propose_choose(t->ike, &ours, &d->theirs, first, &d->chosen) != ERR_OK) {
        unlike_proposals(t->ike, t->sa, &d->theirs, &ours);
        tell_alert(t->ike, t->sa, ALERT_PROPOSAL_MISMATCH_CHILD);
        return refuse(t, N_NO_PROPOSAL_CHOSEN, ERR_NOCHOICE,
                      "none of the algorithms that the peer offers is in `%s_proposals` of %s",
                      d->conf->esp.ah ? "ah" : "esp", d->conf->name);
    }
    if (d->chosen.spi_len == 4 && d->chosen.spi > 255) return ERR_OK; // RFC 4303 2.1
    return refuse(t, N_INVALID_SYNTAX, ERR_SYNTAX, "the peer offers no SPI that could be used");
}

static err_t deal_group(struct turn *t, struct deal *d)
{
    const struct transform *ke = proposal_get(&d->chosen, ALG_KE);
    struct kex kex = {0};
    char name[32];
    chain_plan(&d->chain, &d->chosen);
    // rfc9370 2.2.1: additional key exchanges come on top of a first one.
    if (!ke || ke->id == KE_NONE) return d->chain.n ? ERR_NOCHOICE : ERR_OK;
    if (msg_has(t->in, P(KE))) TRY(take_ke(t->in, &kex));
    if (kex.method != ke->id) {
        put16(t->data, ke->id);
        t->about.data = span(t->data, 2);
        return refuse(t, N_INVALID_KE_PAYLOAD, ERR_NOCHOICE, "for fresh keys we choose %s",
                      alg_show(ALG_KE, ke->id, name));
    }
    d->ke = ke->id;
    d->value_len = sizeof d->value;
    return ke_answer(ke->id, kex.data, d->value, &d->value_len, &d->shared);
}

static err_t deal_numbers(struct turn *t, const struct child_sa *old, struct deal *d,
                          struct why *why)
{
    struct reqids *r = &t->ike->reqids;
    if (old) {
        reqid_hold(r, old->reqid);
        d->reqid = old->reqid;
    } else {
        const struct ike_sa *sa = t->sa;
        bool many = !sa->initiator && !conn_one_peer(d->conn);
        if (!many) trap_inherit_reqid(t->ike, d->conn, d->conf, &sa->local.ip, &sa->remote.ip);
        d->reqid = reqid_get(r, d->conn, d->conf, many ? &t->sa->remote : NULL);
    }
    if (!d->reqid) return why_not(why, ERR_NOMEM, "out of memory");
    TRY(install_spi(t->sa, d->reqid, child_sa_proto_wanted(d->conf), d->mode, &d->spi, why));
    d->said = d->spi;
    d->peer_cpi = terms_comp_take(t->in);
    if (d->peer_cpi) d->cpi = terms_comp_cpi(t->sa, d->conf, d->reqid);
    d->said_cpi = d->cpi;
    return ERR_OK;
}

static err_t deal_keys(struct turn *t, struct deal *d, const struct chain *chain)
{
    struct ke_secrets shared = {d->ke ? &d->shared : NULL, chain_secrets(chain)};
    return child_keys_make(&t->sa->keys, &d->chosen, nonce_span(&d->ni), nonce_span(&d->nr), shared,
                           &d->keys);
}

static err_t deal_install(struct turn *t, const struct terms_question *q, struct deal *d,
                          struct child_sa **out, struct why *why)
{
    struct child_spec spec = {
        .conn = d->conn,
        .conf = d->conf,
        .chosen = &d->chosen,
        .local_ts = &d->tsr,
        .remote_ts = &d->tsi,
        .spi_in = d->spi,
        .spi_out = (uint32_t)d->chosen.spi,
        .cpi_in = d->cpi,
        .cpi_out = d->cpi ? d->peer_cpi : 0,
        .replaces = q->old ? q->old->id : 0,
        .mode = d->mode,
        .peer_no_tfc = d->peer_no_tfc,
        .peer_whole = d->asked.whole,
        .narrowed = q->old && q->old->narrowed,
        .of_cpu = d->of_cpu,
        .cpu = d->cpu,
        .ke = d->ke,
    };
    struct child_sa *c = child_sa_new(t->sa, &spec);
    if (!c) {
        t->refuse = N_NO_ADDITIONAL_SAS;
        return why_not(why, ERR_LIMIT, "no room for another child SA");
    }
    c->reqid = d->reqid;
    c->takes_over = q->takes_over;
    d->reqid = d->spi = d->cpi = 0; // the child's now
    err_t err = install_child(c, &d->keys, q->hold_out, why);
    if (err == ERR_OK) {
        *out = c;
        return ERR_OK;
    }
    child_sa_free(c);
    tell_alert(t->ike, t->sa, ALERT_INSTALL_CHILD_SA_FAILED);
    return err;
}

static void write_answer(struct turn *t, const struct deal *d, bool first)
{
    struct proposal ours = d->chosen;
    ours.spi = d->said;
    put_one_sa(&t->out, &ours);
    if (!first) put_nonce(&t->out, &d->nr);
    if (d->ke) put_ke(&t->out, d->ke, span(d->value, d->value_len));
    put_ts(&t->out, PAYLOAD_TSi, &d->tsi, terms_label(d->conf));
    put_ts(&t->out, PAYLOAD_TSr, &d->tsr, terms_label(d->conf));
    terms_mode_put(&t->out, d->mode, !t->ike->opt.iptfs.accept_fragments);
    terms_comp_put(&t->out, d->said_cpi);
    terms_cpu_put(&t->out, d->of_cpu, d->cpu);
}

static err_t deal_refused(struct turn *t, const struct deal *d, err_t err, const struct why *why)
{
    bool never = err == ERR_ALGORITHM || err == ERR_UNSUPPORTED;
    // The executor has no such CPU: there are as many SAs as it can use.
    if (d->of_cpu && !t->refuse) t->refuse = N_TS_MAX_QUEUE;
    uint16_t notify = t->refuse ? t->refuse : never ? N_NO_PROPOSAL_CHOSEN : N_TEMPORARY_FAILURE;
    return refuse(t, notify, err, "child SA %s cannot be installed: %s", d->conf->name,
                  why->text[0] ? why->text : err_text(err));
}

static err_t deal_agree(struct turn *t, const struct terms_question *q, struct deal *d)
{
    struct why why = {0};
    TRY(deal_read(t, q, d));
    TRY(deal_traffic(t, q->old, d));
    err_t err = terms_can_travel(t->sa, d->conf, &why);
    if (err != ERR_OK) return deal_refused(t, d, err, &why);
    TRY(deal_cpu(t, q->old, d));
    if (!q->old && !q->first && !d->of_cpu) TRY(deal_is_news(t, d));
    TRY(deal_algorithms(t, q->first, d));
    TRY(deal_group(t, d));
    err = deal_numbers(t, q->old, d, &why);
    return err == ERR_OK ? ERR_OK : deal_refused(t, d, err, &why);
}

static err_t deal_make(struct turn *t, const struct terms_question *q, struct deal *d,
                       const struct chain *chain, struct child_sa **out)
{
    struct why why = {0};
    err_t err = deal_keys(t, d, chain);
    if (err == ERR_OK) err = deal_install(t, q, d, out, &why);
    return err == ERR_OK ? ERR_OK : deal_refused(t, d, err, &why);
}

void terms_deal_free(struct ike_sa *sa, struct deal *d)
{
    if (!d) return;
    if (d->spi) install_spi_back(sa, child_sa_proto_wanted(d->conf), d->spi);
    install_spi_back(sa, XFRM_PROTO_COMP, d->cpi);
    reqid_put(&sa->ike->reqids, d->reqid);
    wipe(d, sizeof *d);
    free(d);
}

// The deal waits for its additional key exchanges. Takes d if that succeeds.
static err_t deal_keep(struct turn *t, const struct terms_question *q, struct deal *d)
{
    struct pending *p = calloc(1, sizeof *p);
    if (!p) return ERR_NOMEM;
    *p = (struct pending){.deal = d, .conn = conn_get(d->conn), .conf = d->conf};
    p->old = q->old ? q->old->id : 0;
    p->chain = d->chain;
    followup_keep(t, p);
    return ERR_OK;
}

err_t terms_finish(struct turn *t, const struct terms_question *q, struct pending *p,
                   struct child_sa **out)
{
    return deal_make(t, q, p->deal, &p->chain, out);
}

err_t terms_answer(struct turn *t, const struct terms_question *q, struct nonce *nonce,
                   struct child_sa **out)
{
    struct deal *d = calloc(1, sizeof *d);
    if (!d) return ERR_NOMEM;
    *out = NULL;
    err_t err = deal_agree(t, q, d);
    bool waits = err == ERR_OK && chain_is_due(&d->chain);
    if (err == ERR_OK && !waits) err = deal_make(t, q, d, &d->chain, out);
    if (err == ERR_OK) write_answer(t, d, q->first);
    if (err == ERR_OK && nonce) *nonce = d->nr;
    if (waits) {
        err = deal_keep(t, q, d);
        if (err == ERR_OK) return ERR_OK;
    }
    terms_deal_free(t->sa, d);
    return err;
}
