#include "ike/ike.h"

#include <stdlib.h>
#include <string.h>

#include "ike/auth/choose.h"
#include "ike/auth/eap_round.h"
#include "ike/auth/round.h"
#include "ike/exchange/close.h"
#include "ike/exchange/command.h"
#include "ike/exchange/receive.h"
#include "ike/exchange/replaced.h"
#include "ike/exchange/request.h"
#include "ike/exchange/roam.h"
#include "ike/exchange/timers.h"
#include "ike/ids.h"
#include "ike/sa/child_sa.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/view.h"
#include "ike/sa/vip.h"
#include "ike/sa/work.h"

struct ike_options ike_options_default(void)
{
    return (struct ike_options){
        .retransmit_ns = 4 * NSEC_PER_SEC,
        .retransmit_base = 1.8,
        .retransmit_tries = 5,
        .retransmit_jitter = 10,
        .spi_min = 0xc0000000, // where strongSwan takes them from, too
        .spi_max = 0xcfffffff,
        .half_open_ns = 30 * NSEC_PER_SEC,
        .cookie_threshold = 30,
        .cookie_threshold_ip = 3,
        .half_open_max = 10000,
        .half_open_max_ip = UINT32_MAX,
        .keepalive_ns = 20 * NSEC_PER_SEC,
        .fragment_size = 1280,
        .natt_port = 4500,
        .follow_redirects = true,
        .linger_ns = 5 * NSEC_PER_SEC,
        .iptfs = CONF_IPTFS_DEFAULT,
        .executor_has_iptfs = true,
        .executor_has_raw_esp = true,
        .sim = sim_settings_default(),
    };
}

void ike_set_options(struct ike *ike, const struct ike_options *options)
{
    const struct ike_options old = ike->opt;
    ike->opt = *options;
    ike->opt.natt_port = old.natt_port;
    ike->opt.executor_is_kernel = old.executor_is_kernel;
    ike->opt.executor_has_iptfs = old.executor_has_iptfs;
    ike->opt.executor_has_raw_esp = old.executor_has_raw_esp;
}

// ---- life --------------------------------------------------------------------------------------

#define INDEXES_N 7
#define INDEXES(ike)                                                                            \
    &(ike)->children_in, &(ike)->children_out, &(ike)->by_id, &(ike)->by_peer, &(ike)->by_name, \
        &(ike)->by_host, &(ike)->by_end

struct ike *ike_new(const struct env *env, const struct ike_options *opt)
{
    struct ike *ike = calloc(1, sizeof *ike);
    uint8_t key[16];
    if (!ike) return NULL;
    ike->env = *env;
    ike->opt = *opt;
    env->random(env->ctx, key, sizeof key);
    ike->psk = psk_store_new();
    ike->sim = simcards_new(env->wall(env->ctx));
    err_t err = table_init(&ike->table, key);
    if (err == ERR_OK) err = reqids_init(&ike->reqids, &ike->env.xfrm);
    if (err == ERR_OK) err = stale_init(&ike->stale);
    if (err == ERR_OK) err = traps_init(&ike->traps);
    if (err == ERR_OK) err = policies_init(&ike->policies, &ike->env.xfrm);
    struct index *const indexes[] = {INDEXES(ike)};
    for (unsigned i = 0; i < INDEXES_N && err == ERR_OK; i++) err = index_init(indexes[i]);
    env->random(env->ctx, key, sizeof key);
    ike->pools = pools_new(key);
    if (err == ERR_OK) err = whitelist_init(&ike->whitelist, key);
    if (err == ERR_OK && ike->psk && ike->sim && ike->pools) return ike;
    ike_free(ike);
    return NULL;
}

// Forgets an IKE SA without a word to the peer or to the executor, whose SAs go on working.
static void forget(struct ike_sa *sa)
{
    while (sa->children) {
        struct child_sa *c = sa->children;
        waiter_end(&c->enders, ERR_CLOSED, "the daemon ends");
        child_sa_free(c);
    }
    request_end_all(sa, ERR_CLOSED, "the daemon ends");
    waiter_end(&sa->waiters, ERR_CLOSED, "the daemon ends");
    waiter_end(&sa->enders, ERR_CLOSED, "the daemon ends");
    ike_sa_free(sa);
}

void ike_free(struct ike *ike)
{
    if (!ike) return;
    while (ike->all) forget(ike->all);
    waiter_end(&ike->shutdown.waiters, ERR_CLOSED, "the daemon ends");
    traps_done(&ike->traps);
    policies_done(&ike->policies);
    reqids_done(&ike->reqids);
    later_done(&ike->later);
    stale_done(&ike->stale);
    due_done(&ike->due);
    table_done(&ike->table);
    struct index *const indexes[] = {INDEXES(ike)};
    for (unsigned i = 0; i < INDEXES_N; i++) index_done(indexes[i]);
    conns_done(&ike->conns);
    psk_store_free(ike->psk);
    psk_store_free(ike->eap_secrets);
    psk_store_free(ike->nt_hashes);
    simcards_free(ike->sim);
    pools_free(ike->pools);
    whitelist_done(&ike->whitelist);
    counters_done(&ike->counters);
    wipe(ike, sizeof *ike);
    free(ike);
}

// SAs are freed when the outermost call is about to return: callbacks of the env may call again.
static void enter(struct ike *ike)
{
    ike->depth++;
}

static void reap(struct ike *ike)
{
    while (ike->gone) {
        struct ike_sa *sa = ike->gone;
        ike->gone = sa->gone_next;
        ike_sa_free(sa);
    }
}

static void leave(struct ike *ike)
{
    if (ike->depth == 1) {
        command_shutdown_check(ike);
        while (ike->awake) ike_sa_rest(ike->awake);
        reap(ike);
    }
    ike->depth--;
}

// ---- configuration -----------------------------------------------------------------------------

static struct psk_store *store_of(const struct conf_psk *list, unsigned n)
{
    struct psk_store *s = psk_store_new();
    for (unsigned i = 0; s && i < n; i++) {
        const struct conf_psk *p = &list[i];
        if (psk_add(s, p->secret, p->owner, p->owner_n) == ERR_OK) continue;
        psk_store_free(s);
        s = NULL;
    }
    return s;
}

struct stores {
    struct psk_store *psk, *eap, *nt;
};

static void stores_done(struct stores *s)
{
    psk_store_free(s->psk);
    psk_store_free(s->eap);
    psk_store_free(s->nt);
}

static bool stores_make(const struct config *c, struct stores *out)
{
    *out = (struct stores){store_of(c->psk, c->psk_n), store_of(c->eap, c->eap_n),
                           store_of(c->ntlm, c->ntlm_n)};
    return out->psk && out->eap && out->nt;
}

static void stores_take(struct ike *ike, const struct stores *s)
{
    struct stores old = {ike->psk, ike->eap_secrets, ike->nt_hashes};
    ike->psk = s->psk;
    ike->eap_secrets = s->eap;
    ike->nt_hashes = s->nt;
    stores_done(&old);
}

// Is this the peer that the connection is for, by its name in IKE and that in EAP?
static bool means_peer(const struct conn *c, const struct ike_sa *sa)
{
    const struct conf_side *peer = round_last(&c->conf.remote);
    return id_match(&peer->id, &sa->remote_id) && (!sa->eap_id || eap_round_fits(peer, sa->eap_id));
}

// An IKE SA that is up takes the new children and limits, if the connection still means this peer.
static void renew_conns(struct ike *ike)
{
    for (struct ike_sa *sa = ike->all; sa; sa = sa->next) {
        struct conn *now = sa->state == IKE_UP ? ike_conn(ike, ike_sa_name(sa)) : NULL;
        if (!now || !means_peer(now, sa)) continue;
        struct id local = choose_local_id(round_last(&now->conf.local), &sa->local.ip);
        if (!id_eq(&local, &sa->local_id)) continue;
        conn_put(sa->conn);
        sa->conn = conn_get(now);
    }
}

// Which connections were not there before, or not so? What is given once more (its DNS names have
// other addresses now) counts as new, and so does what has no number.
static void mark_fresh(const struct ike *ike, struct conn *conns, bool once_more)
{
    const struct conn *old = ike->conns.first; // usually in the same order
    for (struct conn *c = conns; c; c = c->next) {
        if (!old || strcmp(old->conf.name, c->conf.name) != 0) old = ike_conn(ike, c->conf.name);
        bool known = old && c->conf.since && old->conf.since == c->conf.since;
        c->fresh = once_more || !known;
        if (old) old = old->next;
    }
}

// Said with the configuration, since the peer is not even asked for it.
static void warn_iptfs(struct ike *ike, const struct conn *c)
{
    for (unsigned i = 0; i < c->conf.child_n && c->fresh; i++) {
        const struct conf_child *f = &c->conf.child[i];
        if (f->mode != CONF_IPTFS || ike->opt.executor_has_iptfs) continue;
        tell(
            ike, NULL, LOG_WARN,
            "%s of %s: mode = iptfs becomes tunnel mode, for this kernel has no IP-TFS; Linux 6.14 "
            "with CONFIG_XFRM_IPTFS has it, and pavise-xfrmd (executor = pavise in section pavise)",
            f->name, c->conf.name);
    }
}

void ike_configure(struct ike *ike, const struct config *config)
{
    struct conns conns;
    enter(ike);
    struct stores stores;
    bool kept = stores_make(config, &stores);
    bool ok = conns_make(config, &conns) == ERR_OK;
    mark_fresh(ike, conns.first, ike->config == config);
    ike->config = config; // borrowed for the views, whatever follows
    if (!kept || !ok || pools_configure(ike->pools, config) != ERR_OK) {
        tell(ike, NULL, LOG_ERROR, "out of memory: the connections of before stay in force");
        stores_done(&stores);
        conns_done(&conns);
        leave(ike);
        return;
    }
    replaced_close(ike, &conns);
    stores_take(ike, &stores);
    conns_done(&ike->conns);
    ike->conns = conns;
    for (struct conn *c = conns.first; c; c = c->next) {
        conn_resolve(c, &ike->env);
        warn_iptfs(ike, c);
    }
    renew_conns(ike);
    command_start_all(ike);
    trap_prune(ike);
    leave(ike);
}

struct counters *ike_counters(struct ike *ike)
{
    return &ike->counters;
}

struct simcards *ike_simcards(struct ike *ike)
{
    return ike->sim;
}

struct whitelist *ike_whitelist(struct ike *ike)
{
    return &ike->whitelist;
}

struct pools *ike_pools(struct ike *ike)
{
    return ike->pools;
}

// ---- what happens ------------------------------------------------------------------------------

void ike_input(struct ike *ike, const struct datagram *d)
{
    enter(ike);
    receive(ike, d);
    leave(ike);
}

void ike_tick(struct ike *ike)
{
    enter(ike);
    timers_run(ike);
    command_tick(ike);
    leave(ike);
}

uint64_t ike_next(const struct ike *ike)
{
    const struct due *d = due_first(&ike->due);
    uint64_t timers = d ? d->at : DUE_NEVER, commands = command_due(ike);
    return timers < commands ? timers : commands;
}

void ike_xfrm_event(struct ike *ike, const struct xfrm_event *ev)
{
    enter(ike);
    timers_xfrm_event(ike, ev);
    leave(ike);
}

void ike_network_changed(struct ike *ike)
{
    enter(ike);
    roam_look_all(ike);
    leave(ike);
}

void ike_work_done(struct ike *ike, struct ike_work *w)
{
    enter(ike);
    work_finish(ike, w);
    leave(ike);
}

void ike_lease_lost(struct ike *ike, uint32_t lease)
{
    enter(ike);
    for (struct ike_sa *sa = ike->all, *next; sa; sa = next) {
        next = sa->next;
        if (!sa->vips || !sa->vips->lent || sa->vips->lent->id != lease) continue;
        tell(ike, sa, LOG_WARN, "the peer's address is not its own any more: the IKE SA ends");
        close_ike_ask(sa, CLOSED_EXPIRED, 0, NULL);
    }
    leave(ike);
}

void ike_executor_returned(struct ike *ike)
{
    enter(ike);
    policies_again(&ike->policies);
    stale_ask_again(&ike->stale);
    for (struct ike_sa *sa = ike->all; sa; sa = sa->next) {
        for (struct child_sa *c = sa->children, *next; c; c = next) {
            next = c->next;
            timers_rekey_child(c);
        }
    }
    leave(ike);
}

// ---- commands ----------------------------------------------------------------------------------

void ike_initiate(struct ike *ike, const char *conn, const char *child, ike_done_fn *done,
                  void *ctx)
{
    enter(ike);
    command_initiate(ike, conn, child, job_new(done, ctx));
    leave(ike);
}

void ike_terminate(struct ike *ike, const struct ike_choice *what, unsigned *matches,
                   ike_done_fn *done, void *ctx)
{
    enter(ike);
    command_terminate(ike, what, matches, job_new(done, ctx));
    leave(ike);
}

err_t ike_install(struct ike *ike, const char *conn, const char *child, struct why *why)
{
    enter(ike);
    err_t err = command_install(ike, conn, child, why);
    leave(ike);
    return err;
}

err_t ike_uninstall(struct ike *ike, const char *conn, const char *child, struct why *why)
{
    enter(ike);
    err_t err = command_uninstall(ike, conn, child, why);
    leave(ike);
    return err;
}

bool ike_installed(const struct ike *ike, const char *conn, const char *child, uint32_t *reqid)
{
    return trap_is_there(ike, conn, child, reqid);
}

err_t ike_rekey(struct ike *ike, const struct ike_choice *what, unsigned *matches)
{
    enter(ike);
    err_t err = command_rekey(ike, what, matches);
    leave(ike);
    return err;
}

err_t ike_redirect(struct ike *ike, const struct ike_redirect *what, unsigned *matches)
{
    enter(ike);
    err_t err = command_redirect(ike, what, matches);
    leave(ike);
    return err;
}

void ike_shutdown(struct ike *ike, uint64_t timeout_ns, ike_done_fn *done, void *ctx)
{
    enter(ike);
    command_shutdown(ike, timeout_ns, job_new(done, ctx));
    leave(ike);
}

// ---- views -------------------------------------------------------------------------------------

// Not shown: what another one has replaced, what is over, what may never be.
static bool shown(const struct ike_sa *sa)
{
    return ike_sa_live(sa) && sa->state != IKE_NEW && !sa->rekeyed && !sa->elder;
}

void ike_each(struct ike *ike, ike_view_fn *fn, void *ctx)
{
    enter(ike);
    for (const struct ike_sa *sa = ike->all; sa; sa = sa->next) {
        struct ike_sa_view v;
        if (!shown(sa)) continue;
        view_ike(sa, &v);
        if (!fn(ctx, &v, sa)) break;
    }
    leave(ike);
}

unsigned ike_ids(const struct ike *ike, uint32_t *out, unsigned max)
{
    unsigned n = 0;
    for (const struct ike_sa *sa = ike->all; sa; sa = sa->next) {
        if (!shown(sa)) continue;
        if (n < max) out[n] = sa->id;
        n++;
    }
    return n;
}

void ike_one(struct ike *ike, uint32_t id, ike_view_fn *fn, void *ctx)
{
    enter(ike);
    const struct ike_sa *sa = ike_sa_by_id(ike, id);
    struct ike_sa_view v;
    if (sa && shown(sa)) {
        view_ike(sa, &v);
        (void)fn(ctx, &v, sa);
    }
    leave(ike);
}

static int by_age(const void *a, const void *b)
{
    uint32_t x = (*(const struct child_sa *const *)a)->id;
    uint32_t y = (*(const struct child_sa *const *)b)->id;
    return x < y ? -1 : x > y;
}

void ike_each_child(struct ike *ike, const struct ike_sa *sa, child_view_fn *fn, void *ctx)
{
    char text[2][VIEW_TEXT_MAX];
    const struct child_sa *all[CHILDREN_MAX];
    unsigned n = 0;
    enter(ike);
    for (const struct child_sa *c = sa->children; c && n < CHILDREN_MAX; c = c->next) {
        if (c->state != CHILD_LINGER) all[n++] = c;
    }
    qsort(all, n, sizeof(const struct child_sa *), by_age);
    for (unsigned i = 0; i < n; i++) {
        struct child_sa_view v;
        view_child(all[i], text, &v);
        if (!fn(ctx, &v)) break;
    }
    leave(ike);
}

void ike_sa_show(struct ike *ike, const struct ike_sa *sa, struct ike_sa_view *out)
{
    (void)ike;
    view_ike(sa, out);
}

void ike_child_show(struct ike *ike, const struct child_sa *child, child_view_fn *fn, void *ctx)
{
    char text[2][VIEW_TEXT_MAX];
    struct child_sa_view v;
    (void)ike;
    view_child(child, text, &v);
    (void)fn(ctx, &v);
}

void ike_stats(const struct ike *ike, struct ike_stats *out)
{
    *out = ike->stats;
    out->half_open = ike->table.half_open;
    out->clock = ike->clock;
    out->total = out->established = out->children = 0;
    for (const struct ike_sa *sa = ike->all; sa; sa = sa->next) {
        if (!shown(sa)) continue;
        out->total++;
        out->established += sa->state == IKE_UP;
        for (const struct child_sa *c = sa->children; c; c = c->next) {
            out->children += child_sa_in_use(c);
        }
    }
}
