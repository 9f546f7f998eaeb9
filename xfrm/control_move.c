// control_move.c - changes of SAs that packets are using: replay state from another executor
// (NEWAE), other addresses (MIGRATE). And what meets packets without a policy (SETDEFAULT).
//
// Sequence numbers and windows belong to a worker, so an SA is not changed but replaced: it is put
// to rest, no worker uses it any more once a grace period has passed, and only then is its state
// read for its successor. So no number is used twice. A packet that comes in that moment waits
// (outbound) or is lost (inbound).
#include <string.h>

#include "base/secret.h"
#include "xfrm/control_part.h"
#include "xfrm/db/sa_alg.h"

// An SA and what will stand for it.
struct successor {
    struct sa *old, *fresh;
    struct xfrm_sa x; // wiped after use
};

// ---- putting to rest and waking ----

static void rest(struct successor *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++) (void)sa_raise(&s[i].old->dead);
    synchronize_rcu();
    for (unsigned i = 0; i < n; i++) sa_snapshot(s[i].old, &s[i].x);
}

// As if nothing had happened.
static void restore(const struct control *c, struct successor *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        __atomic_store_n(&s[i].old->dead, false, __ATOMIC_RELAXED);
        control_sa_release(c, s[i].fresh);
        sa_free(s[i].fresh);
        wipe(&s[i].x, sizeof s[i].x);
    }
}

static err_t build(const struct control *c, struct successor *s, unsigned n, struct why *why)
{
    for (unsigned i = 0; i < n; i++) {
        const struct sa *old = s[i].old;
        TRY(sa_new(&s[i].x, &s[i].fresh, why));
        TRY(control_sa_hold(c, &s[i].x, &s[i].x, &s[i].fresh->held, why));
        control_sa_age(c, s[i].fresh);
        bool as_old = s[i].x.current.add_time == old->conf->x.current.add_time;
        if (as_old) s[i].fresh->made_mono = old->made_mono; // to the nanosecond
        s[i].fresh->told = old->told;
        s[i].fresh->replays = s[i].x.stats.replay;
        s[i].fresh->forgeries = s[i].x.stats.integrity_failed;
        s[i].fresh->dying = sa_flag(&old->dying); // nor is the soft limit told once more
        s[i].fresh->soft_told = old->soft_told;
    }
    return ERR_OK;
}

static err_t take_over(struct control *c, struct successor *s, unsigned n)
{
    err_t first = ERR_OK;
    for (unsigned i = 0; i < n; i++) {
        err_t e = control_sa_admit(c, s[i].fresh);
        if (first == ERR_OK) first = e;
        control_sa_remove(c, s[i].old);
        wipe(&s[i].x, sizeof s[i].x);
    }
    return first;
}

// ---- NEWAE ----

static err_t replay_fits(const struct xfrm_replay *have, const struct xfrm_ae *ae, struct why *why)
{
    const struct xfrm_replay *given = &ae->esn;
    if (!ae->esn_given || !have->esn_given) return ERR_OK;
    if (!ae->esn_broken && given->words == have->words && given->window <= given->words * 32) {
        return ERR_OK;
    }
    return why_not(why, ERR_SYNTAX, "replay state: window %u in %u words for an SA with %u words",
                   given->window, given->words, have->words);
}

// State of the other form is passed over.
static void replay_set(struct xfrm_replay *have, const struct xfrm_ae *ae)
{
    if (have->esn_given) {
        if (ae->esn_given) *have = ae->esn;
        return;
    }
    if (!ae->replay_given) return;
    have->out_seq = ae->replay.out_seq;
    have->in_seq = ae->replay.in_seq;
    have->bitmap[0] = ae->replay.bitmap[0];
}

static err_t set_state(struct control *c, struct sa **sa, const struct xfrm_ae *ae, struct why *why)
{
    struct successor s = {.old = *sa};
    rest(&s, 1);
    replay_set(&s.x.replay, ae);
    if (ae->current_given) s.x.current = ae->current;
    if (ae->mapping_given) s.x.mapping_s = ae->mapping_s;
    err_t e = build(c, &s, 1, why);
    if (e != ERR_OK) {
        restore(c, &s, 1);
        return e;
    }
    *sa = s.fresh;
    return take_over(c, &s, 1);
}

err_t control_sa_set_ae(void *ctx, const struct xfrm_ae *ae, struct why *why)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct control *c = ctx;
    struct sa *sa = sad_get(c->db->sad, &ae->id);
    if (!sa) return why_not(why, ERR_NOTFOUND, "there is no SA with SPI 0x%08x", ae->id.spi);
    if (sa->larval) return why_not(why, ERR_SYNTAX, "the SA has no keys yet");
    TRY(replay_fits(&sa->conf->x.replay, ae, why));
    bool state = ae->replay_given || ae->esn_given || ae->current_given || ae->mapping_given;
    if (state) TRY(set_state(c, &sa, ae, why));
    if (ae->packets_given) sa->ae_packets = ae->ae_packets;
    if (ae->timer_given) sa->ae_timer = ae->ae_timer;
    control_ae_told(c, sa);
    control_tell_ae(c, sa, XFRM_AE_BY_CLIENT);
    return ERR_OK;
}

// ---- MIGRATE ----

static bool selector_meant(const struct xfrm_selector *wanted, const struct xfrm_selector *have)
{
    if (wanted->proto) return xfrm_selector_eq(wanted, have);
    return wanted->family == have->family && wanted->src.len == have->src.len &&
           wanted->dst.len == have->dst.len && ip_eq(&wanted->src.ip, &have->src.ip) &&
           ip_eq(&wanted->dst.ip, &have->dst.ip);
}

static struct policy *policy_meant(const struct control *c, const struct xfrm_migrate *g)
{
    struct policy *p, *best = NULL;
    cds_list_for_each_entry(p, spd_all(c->db->spd), all)
    {
        const struct xfrm_policy *x = &p->conf;
        if (x->dir != g->dir || x->type != g->type || (g->if_id && x->if_id != g->if_id)) continue;
        if (selector_meant(&g->sel, &x->sel) && policy_goes_before(p, best)) best = p;
    }
    return best;
}

static bool tmpl_moves(const struct xfrm_tmpl *t, const struct xfrm_move *v)
{
    if (t->mode != v->mode || t->proto != v->proto || (v->reqid && t->reqid != v->reqid)) {
        return false;
    }
    if (t->mode == XFRM_TRANSPORT) return true;
    return ip_eq(&t->saddr, &v->old_saddr) && ip_eq(&t->daddr, &v->old_daddr);
}

// Gives the templates their new addresses; how many are meant.
static unsigned tmpls_move(struct xfrm_policy *p, const struct xfrm_migrate *g)
{
    unsigned meant = 0;
    for (unsigned i = 0; i < p->tmpl_count * g->count; i++) {
        struct xfrm_tmpl *t = &p->tmpl[i / g->count];
        const struct xfrm_move *v = &g->move[i % g->count];
        if (!tmpl_moves(t, v)) continue;
        meant++;
        if (t->mode == XFRM_TRANSPORT) continue; // its addresses are the packet's
        t->saddr = v->new_saddr;
        t->daddr = v->new_daddr;
        t->family = v->new_daddr.family;
    }
    return meant;
}

static struct sa *sa_meant(const struct control *c, const struct xfrm_move *v, uint32_t if_id)
{
    struct sa *sa;
    cds_list_for_each_entry(sa, sad_all(c->db->sad), all)
    {
        const struct xfrm_sa *x = &sa->conf->x;
        if (sa->larval || x->plain || x->mode != v->mode || x->proto != v->proto) continue;
        if ((v->reqid && x->reqid != v->reqid) || (if_id && x->if_id != if_id)) continue;
        if (ip_eq(&x->saddr, &v->old_saddr) && ip_eq(&x->daddr, &v->old_daddr)) return sa;
    }
    return NULL;
}

static bool sa_taken(const struct control *c, const struct sa *sa, const struct xfrm_move *v)
{
    struct xfrm_sa_id id = sad_id(&sa->conf->x);
    if (ip_eq(&id.daddr, &v->new_daddr)) return false;
    id.daddr = v->new_daddr;
    return sad_get(c->db->sad, &id) != NULL;
}

static void sa_move(struct xfrm_sa *x, const struct xfrm_move *v, const struct xfrm_migrate *g)
{
    x->saddr = v->new_saddr;
    x->daddr = v->new_daddr;
    x->family = v->new_daddr.family;
    if (g->encap_given) x->encap = g->encap;
    x->stats = (struct xfrm_stats){0};
}

// The SAs that move, each with the number of its move in `by`. ERR_NOCHOICE: one's new place is
// taken.
static err_t sas_find(const struct control *c, const struct xfrm_migrate *g, struct successor *s,
                      unsigned *n, struct why *why)
{
    *n = 0;
    for (unsigned i = 0; i < g->count; i++) {
        struct sa *sa = sa_meant(c, &g->move[i], g->if_id);
        bool before = false;
        for (unsigned k = 0; k < *n; k++) before |= s[k].old == sa;
        if (!sa || before) continue;
        if (sa_taken(c, sa, &g->move[i])) {
            return why_not(why, ERR_NOCHOICE, "an SA with SPI 0x%08x is at the new place already",
                           sa->conf->x.spi);
        }
        s[*n] = (struct successor){.old = sa};
        s[(*n)++].x.seq = i;
    }
    return ERR_OK;
}

static err_t migrate_all(struct control *c, const struct xfrm_migrate *g, struct policy *p,
                         struct why *why)
{
    struct successor s[XFRM_TMPL_MAX];
    struct xfrm_policy own = p->conf;
    unsigned n, by[XFRM_TMPL_MAX];
    TRY(sas_find(c, g, s, &n, why));
    if (tmpls_move(&own, g) == 0) {
        return why_not(why, ERR_NOCHOICE, "no template of the policy is where the moves begin");
    }
    for (unsigned i = 0; i < n; i++) by[i] = s[i].x.seq;
    if (n > 0) rest(s, n);
    for (unsigned i = 0; i < n; i++) sa_move(&s[i].x, &g->move[by[i]], g);
    err_t e = build(c, s, n, why);
    if (e == ERR_OK) e = control_policy_move(c, p, &own);
    if (e != ERR_OK) {
        restore(c, s, n);
        return e;
    }
    return take_over(c, s, n);
}

err_t control_migrate(void *ctx, const struct xfrm_migrate *g, struct why *why)
{
    AUTO(online) struct online on = online_enter();
    (void)on;
    struct control *c = ctx;
    if (g->count < 1 || g->count > XFRM_TMPL_MAX) {
        return why_not(why, ERR_RANGE, "a migration has 1 to %u moves", XFRM_TMPL_MAX);
    }
    struct policy *p = policy_meant(c, g);
    if (!p) return why_not(why, ERR_NOTFOUND, "there is no policy with this selector");
    TRY(migrate_all(c, g, p, why));
    c->fn(c->ctx, &(struct xfrm_event){.kind = XFRM_EV_MIGRATE, .migrate = g});
    return ERR_OK;
}

// ---- SETDEFAULT, GETDEFAULT ----

err_t control_defaults_set(void *ctx, const uint8_t actions[XFRM_DIRS])
{
    struct control *c = ctx;
    struct xfrm_event ev = {.kind = XFRM_EV_DEFAULT};
    for (unsigned d = 0; d < XFRM_DIRS; d++) {
        bool known = actions[d] == XFRM_DEFAULT_BLOCK || actions[d] == XFRM_DEFAULT_ACCEPT;
        if (known) __atomic_store_n(&c->db->defaults[d], actions[d], __ATOMIC_RELAXED);
        ev.defaults[d] = c->db->defaults[d];
    }
    db_changed(c->db);
    c->fn(c->ctx, &ev);
    return ERR_OK;
}

err_t control_defaults_get(void *ctx, uint8_t actions[XFRM_DIRS])
{
    const struct control *c = ctx;
    memcpy(actions, c->db->defaults, XFRM_DIRS);
    return ERR_OK;
}
