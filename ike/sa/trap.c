#include "ike/sa/trap.h"

#include <stdlib.h>
#include <string.h>

#include "ike/sa/child_sa.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/dynamic.h"
#include "ike/sa/vip.h"

struct trap {
    struct trap *next, *prev;
    struct index_place place; // by both names
    struct conn *conn;        // counted
    const struct conf_child *child;
    struct steering steering;
    uint32_t id, reqid;
    bool asked; // by a command: it stays whatever start_action says
};

// What the policies of a trap have in common.
struct trap_plan {
    struct conn *conn;
    const struct conf_child *child;
    endpoint_t local, remote;
    struct ts_list local_ts, remote_ts;
    struct steering steering;
    uint32_t id, reqid;
};

static struct xfrm_policy policy_for(const struct ike *ike, const struct trap_plan *t,
                                     const struct xfrm_selector *sel, enum xfrm_dir dir)
{
    const struct conf_child *f = t->child;
    bool out = dir == XFRM_OUT, shunt = trap_is_shunt(f);
    enum priority_base base = f->mode == CONF_PASS   ? PRIORITY_PASS
                              : f->mode == CONF_DROP ? PRIORITY_DROP
                                                     : PRIORITY_IPSEC;
    struct xfrm_policy p = {.sel = *sel, .dir = (uint8_t)dir};
    p.action = f->mode == CONF_DROP ? XFRM_BLOCK : XFRM_ALLOW;
    p.priority = f->priority ? f->priority : selector_priority(sel, base, !shunt);
    steering_policy(&t->steering, f, &p);
    p.limit = (struct xfrm_lifetime){XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0};
    if (shunt) return p;
    if (out && f->per_cpu) p.flags |= XFRM_POLICY_PER_CPU;
    p.tmpl_count = 1;
    uint16_t outer = t->local.ip.family ? t->local.ip.family : sel->src.ip.family;
    p.tmpl[0] = (struct xfrm_tmpl){.proto = child_sa_proto_wanted(f),
                                   .mode = (uint8_t)child_sa_mode(ike, f),
                                   .family = outer,
                                   .reqid = t->reqid,
                                   .aalgos = UINT32_MAX,
                                   .ealgos = UINT32_MAX,
                                   .calgos = UINT32_MAX};
    if (f->mode == CONF_TRANSPORT) return p;
    p.tmpl[0].saddr = out ? t->local.ip : t->remote.ip;
    p.tmpl[0].daddr = out ? t->remote.ip : t->local.ip;
    return p;
}

static err_t put_dir(struct ike *ike, const struct trap_plan *t, enum xfrm_dir dir, struct why *why)
{
    struct selectors s;
    bool out = dir == XFRM_OUT;
    if (selectors_make(out ? &t->local_ts : &t->remote_ts, out ? &t->remote_ts : &t->local_ts,
                       &s) != ERR_OK) {
        return why_not(why, ERR_LIMIT,
                       "local_ts and remote_ts of %s have no family or protocol in common, or need "
                       "more than %d policies",
                       t->child->name, SELECTORS_MAX);
    }
    for (unsigned i = 0; i < s.n; i++) {
        struct xfrm_policy p = policy_for(ike, t, &s.at[i], dir);
        TRY(policies_want(&ike->policies, (struct policy_owner){POLICY_OF_TRAP, t->id}, &p, NULL,
                          why));
    }
    return ERR_OK;
}

static err_t put_forwarded_out(struct ike *ike, const struct trap_plan *t, struct why *why)
{
    struct selectors s;
    if (!t->child->policies_fwd_out || trap_is_shunt(t->child)) return ERR_OK;
    TRY(selectors_make(&t->local_ts, &t->remote_ts, &s)); // as many as outbound: they fit
    for (unsigned i = 0; i < s.n; i++) {
        struct xfrm_policy p = policy_forwarded_out(&s.at[i], &t->steering, t->child);
        struct policy_owner who = {POLICY_OUT_OF_TRAP, t->id};
        TRY(policies_want(&ike->policies, who, &p, NULL, why));
    }
    return ERR_OK;
}

static err_t put_all(struct ike *ike, const struct trap_plan *t, struct why *why)
{
    TRY(put_dir(ike, t, XFRM_OUT, why));
    TRY(put_dir(ike, t, XFRM_IN, why));
    if (t->child->mode == CONF_TRANSPORT) return ERR_OK;
    TRY(put_dir(ike, t, XFRM_FWD, why));
    return put_forwarded_out(ike, t, why);
}

// A restarted diplomat finds its policy of before: the SAs behind it shall go on serving it.
static void inherit_reqid(struct ike *ike, const struct trap_plan *t)
{
    struct selectors s;
    struct xfrm_policy old, ours;
    if (!policies_before(&ike->policies)) return;
    if (selectors_make(&t->local_ts, &t->remote_ts, &s) != ERR_OK) return;
    ours = policy_for(ike, t, &s.at[0], XFRM_OUT);
    struct xfrm_policy_id id = {
        .dir = XFRM_OUT, .sel = ours.sel, .mark = ours.mark, .if_id = ours.if_id};
    const struct xfrm_api *xfrm = &ike->env.xfrm;
    if (xfrm->ops->policy_get(xfrm->ctx, &id, &old) != ERR_OK || !old.tmpl_count) return;
    bool same = ip_eq(&old.tmpl[0].daddr, &ours.tmpl[0].daddr) &&
                ip_eq(&old.tmpl[0].saddr, &ours.tmpl[0].saddr);
    if (!same || !old.tmpl[0].reqid) return;
    IGNORE(reqid_adopt(&ike->reqids, t->conn, t->child, old.tmpl[0].reqid)); // has one already
}

void trap_inherit_reqid(struct ike *ike, struct conn *conn, const struct conf_child *child,
                        const ip_t *local, const ip_t *remote)
{
    struct trap_plan plan = {
        .conn = conn, .child = child, .local.ip = *local, .remote.ip = *remote};
    if (reqid_settled(&ike->reqids, conn, child)) return;
    plan.steering = (struct steering){.out = {child->mark_out, child->mark_out_mask},
                                      .if_id_out = child->if_id_out};
    dynamic_ts(child->local_ts, child->local_n, local, &plan.local_ts);
    dynamic_ts(child->remote_ts, child->remote_n, remote, &plan.remote_ts);
    inherit_reqid(ike, &plan);
}

bool trap_is_for_anybody(const struct conn *conn, const struct conf_child *child)
{
    return child->mode == CONF_TRANSPORT && !conn_names_peer(conn);
}

static err_t plan_make(struct ike *ike, struct trap_plan *t, struct why *why)
{
    TRY(steering_check(ike, t->child, why));
    t->steering = steering_make(ike, NULL, t->conn, t->child);
    if (trap_is_for_anybody(t->conn, t->child)) {
        // As of a shunt, "dynamic" is every address: the packet will tell.
        t->local.ip.family = t->remote.ip.family = conn_peer_family(t->conn);
    } else if (!trap_is_shunt(t->child)) {
        TRY(conn_endpoints(t->conn, &ike->env, ike->opt.natt_port, &t->local, &t->remote, why));
    }
    // A shunt has no peer: "dynamic" is every address. Nor is our virtual address known yet.
    struct hosts us = vips_wanted(t->conn, &t->local.ip);
    dynamic_ts_hosts(t->child->local_ts, t->child->local_n, &us, &t->local_ts);
    dynamic_ts(t->child->remote_ts, t->child->remote_n, &t->remote.ip, &t->remote_ts);
    if (trap_is_shunt(t->child)) return ERR_OK;
    inherit_reqid(ike, t);
    t->reqid = reqid_get(&ike->reqids, t->conn, t->child, NULL);
    return t->reqid ? ERR_OK : why_not(why, ERR_NOMEM, "out of memory");
}

err_t traps_init(struct traps *t)
{
    return index_init(&t->by_name);
}

// Names are the administrator's own.
static uint64_t names_hash(const char *conn, const char *child)
{
    uint64_t h = 0xcbf29ce484222325;
    for (; *conn; conn++) h = (h ^ (uint8_t)*conn) * 0x100000001b3;
    for (; *child; child++) h = (h ^ (uint8_t)*child) * 0x100000001b3;
    return h ^ h >> 32;
}

static struct trap *find(const struct traps *t, const char *conn, const char *child)
{
    const struct index_place *at = index_first(&t->by_name, names_hash(conn, child));
    for (; at; at = index_next(at)) {
        struct trap *one = at->what;
        if (!strcmp(one->conn->conf.name, conn) && !strcmp(one->child->name, child)) return one;
    }
    return NULL;
}

static void list_in(struct traps *all, struct trap *t)
{
    t->next = all->first;
    if (t->next) t->next->prev = t;
    all->first = t;
    index_add(&all->by_name, &t->place, names_hash(t->conn->conf.name, t->child->name), t);
}

static void trap_free(struct traps *all, struct trap *t)
{
    index_remove(&all->by_name, &t->place);
    *(t->prev ? &t->prev->next : &all->first) = t->next;
    if (t->next) t->next->prev = t->prev;
    conn_put(t->conn);
    free(t);
}

static void trap_release(struct ike *ike, uint32_t id)
{
    policies_release(&ike->policies, (struct policy_owner){POLICY_OF_TRAP, id});
    policies_release(&ike->policies, (struct policy_owner){POLICY_OUT_OF_TRAP, id});
}

static void trap_drop(struct ike *ike, struct trap *t)
{
    trap_release(ike, t->id);
    trap_free(&ike->traps, t);
}

err_t trap_install(struct ike *ike, struct conn *conn, const struct conf_child *child,
                   struct why *why)
{
    struct trap_plan plan = {.conn = conn, .child = child, .id = ++ike->traps.last_id};
    struct trap *old = find(&ike->traps, conn->conf.name, child->name);
    if (old && old->child == child) return ERR_OK;
    struct trap *t = calloc(1, sizeof *t);
    if (!t) return why_not(why, ERR_NOMEM, "out of memory");
    err_t err = plan_make(ike, &plan, why);
    if (err == ERR_OK) err = put_all(ike, &plan, why);
    if (err != ERR_OK) {
        trap_release(ike, plan.id);
        free(t);
        return err;
    }
    bool asked = old && old->asked;
    if (old) trap_drop(ike, old); // only now: never a moment without the policy
    *t = (struct trap){.conn = conn_get(conn),
                       .child = child,
                       .steering = plan.steering,
                       .id = plan.id,
                       .reqid = plan.reqid,
                       .asked = asked};
    list_in(&ike->traps, t);
    return ERR_OK;
}

err_t trap_ask(struct ike *ike, struct conn *conn, const struct conf_child *child, struct why *why)
{
    TRY(trap_install(ike, conn, child, why));
    find(&ike->traps, conn->conf.name, child->name)->asked = true;
    return ERR_OK;
}

unsigned trap_remove(struct ike *ike, const char *conn, const char *child)
{
    unsigned n = 0;
    for (struct trap *t = ike->traps.first, *next; t; t = next) {
        next = t->next;
        if (strcmp(t->child->name, child) != 0) continue;
        if (conn && strcmp(t->conn->conf.name, conn) != 0) continue;
        n++;
        trap_drop(ike, t);
    }
    return n;
}

bool trap_is_there(const struct ike *ike, const char *conn, const char *child, uint32_t *reqid)
{
    const struct trap *t = find(&ike->traps, conn, child);
    if (t && reqid) *reqid = t->reqid;
    return t != NULL;
}

const struct steering *trap_steering(const struct ike *ike, const char *conn, const char *child)
{
    const struct trap *t = find(&ike->traps, conn, child);
    return t ? &t->steering : NULL;
}

// Actions may have installed it while it was not in force from the start.
static bool trap_wanted(const struct conf_child *c)
{
    if (c->start_action == CONF_TRAP || c->start_action == CONF_TRAP_START) return true;
    if (trap_is_shunt(c)) return c->start_action != CONF_NONE;
    return c->close_action == CONF_TRAP || c->dpd_action == CONF_DPD_TRAP;
}

void trap_prune(struct ike *ike)
{
    for (struct trap *t = ike->traps.first, *next; t; t = next) {
        next = t->next;
        struct conn *now = ike_conn(ike, t->conn->conf.name);
        const struct conf_child *child = now ? conn_child(now, t->child->name) : NULL;
        if (!child || (!t->asked && !trap_wanted(child))) trap_drop(ike, t);
    }
}

void traps_remove(struct ike *ike)
{
    while (ike->traps.first) trap_drop(ike, ike->traps.first);
}

void traps_done(struct traps *t)
{
    while (t->first) trap_free(t, t->first);
    index_done(&t->by_name);
}
