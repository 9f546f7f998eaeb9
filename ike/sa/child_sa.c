#include "ike/sa/child_sa.h"

#include <stdlib.h>
#include <string.h>

#include "ike/sa/diplomat.h"

static void release(struct child_sa *c)
{
    conn_put(c->conn);
    free(c->local_ts);
    free(c->remote_ts);
    free(c->chosen);
    free(c);
}

// A trap's policies and those of the SAs that it springs are the same ones; and rekeying changes
// nothing but keys.
static struct steering steering_for(struct ike_sa *sa, const struct child_spec *spec)
{
    const struct child_sa *old = spec->replaces ? child_sa_by_id(sa, spec->replaces) : NULL;
    const struct steering *trap = trap_steering(sa->ike, spec->conn->conf.name, spec->conf->name);
    if (old) return old->steering;
    return trap ? *trap : steering_make(sa->ike, sa, spec->conn, spec->conf);
}

enum xfrm_mode child_sa_mode(const struct ike *ike, const struct conf_child *f)
{
    if (f->mode == CONF_TRANSPORT) return XFRM_TRANSPORT;
    if (f->mode == CONF_BEET) return XFRM_BEET;
    return f->mode == CONF_IPTFS && ike->opt.executor_has_iptfs ? XFRM_IPTFS : XFRM_TUNNEL;
}

struct child_sa *child_sa_new(struct ike_sa *sa, const struct child_spec *spec)
{
    if (sa->child_n >= CHILDREN_MAX) return NULL;
    struct child_sa *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    const struct transform *esn = proposal_get(spec->chosen, ALG_ESN);
    *c = (struct child_sa){
        .next = sa->children,
        .sa = sa,
        .conn = conn_get(spec->conn),
        .conf = spec->conf,
        .id = ++sa->ike->last_child_id,
        .spi_in = spec->spi_in,
        .spi_out = spec->spi_out,
        .cpi_in = spec->cpi_in,
        .cpi_out = spec->cpi_out,
        .mode = spec->mode,
        .peer_no_tfc = spec->peer_no_tfc,
        .peer_whole = spec->peer_whole,
        .narrowed = spec->narrowed,
        .of_cpu = spec->of_cpu,
        .cpu = spec->cpu,
        .esn = esn && esn->id == ESN_YES,
        .udp = ike_sa_udp(sa) && spec->chosen->protocol == PROTO_ESP,
        .initiator = spec->initiator,
        .ke = spec->ke,
        .chosen = proposal_keep(spec->chosen),
        .local_ts = ts_keep(spec->local_ts),
        .remote_ts = ts_keep(spec->remote_ts),
        .steering = steering_for(sa, spec),
        .local = sa->local.ip,
        .remote = sa->remote.ip,
        .via = sa->local.ip,
        .from = sa->remote.ip,
        .acquire_seq = spec->acquire_seq,
        .replaces = spec->replaces,
        .unconfirmed = !spec->initiator,
        .installed_at = ike_now(sa->ike),
        .linger_until = DUE_NEVER,
        .switch_look = DUE_NEVER,
        .sweep_at = DUE_NEVER,
        .idle_look = DUE_NEVER,
    };
    if (!c->local_ts || !c->remote_ts || !c->chosen) {
        release(c);
        return NULL;
    }
    ts_sort(c->local_ts);
    ts_sort(c->remote_ts);
    index_add(&sa->ike->children_in, &c->by_spi_in, c->spi_in, c);
    index_add(&sa->ike->children_out, &c->by_spi_out, c->spi_out, c);
    sa->children = c;
    sa->child_n++;
    return c;
}

static void unlink_child(struct child_sa *c)
{
    struct child_sa **at = &c->sa->children;
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    c->sa->child_n--;
}

void child_sa_free(struct child_sa *c)
{
    unlink_child(c);
    child_sa_timers(c->sa);
    child_sa_unhold(c);
    index_remove(&c->sa->ike->children_in, &c->by_spi_in);
    index_remove(&c->sa->ike->children_out, &c->by_spi_out);
    release(c);
}

void child_sa_hold(struct child_sa *c, struct xfrm_sa *out)
{
    struct ike *ike = c->sa->ike;
    c->out_waiting = out;
    c->held_next = ike->held;
    c->held_link = &ike->held;
    if (c->held_next) c->held_next->held_link = &c->held_next;
    ike->held = c;
}

void child_sa_unhold(struct child_sa *c)
{
    if (!c->out_waiting) return;
    wipe(c->out_waiting, sizeof *c->out_waiting);
    free(c->out_waiting);
    c->out_waiting = NULL;
    *c->held_link = c->held_next;
    if (c->held_next) c->held_next->held_link = c->held_link;
}

struct child_sa *child_sa_of(const struct ike *ike, const struct xfrm_sa *x)
{
    struct index_place *at = index_first(&ike->children_in, x->spi);
    for (; at; at = index_next(at)) {
        struct child_sa *c = at->what;
        if (child_sa_proto(c) == x->proto && ip_eq(&c->local, &x->daddr)) return c;
    }
    for (at = index_first(&ike->children_out, x->spi); at; at = index_next(at)) {
        struct child_sa *c = at->what;
        if (child_sa_proto(c) == x->proto && ip_eq(&c->remote, &x->daddr)) return c;
    }
    return NULL;
}

void child_sa_move(struct child_sa *c, struct ike_sa *to)
{
    struct ike_sa *from = c->sa;
    unlink_child(c);
    c->sa = to;
    c->next = to->children;
    to->children = c;
    to->child_n++;
    child_sa_timers(from);
    child_sa_timers(to);
}

struct child_sa *child_sa_by_id(const struct ike_sa *sa, uint32_t id)
{
    struct child_sa *c = sa->children;
    while (c && c->id != id) c = c->next;
    return c;
}

struct child_sa *child_sa_by_spi_out(const struct ike_sa *sa, uint8_t protocol, uint32_t spi)
{
    struct child_sa *c = sa->children;
    while (c &&
           (c->spi_out != spi || c->chosen->protocol != protocol || c->state == CHILD_LINGER)) {
        c = c->next;
    }
    return c;
}

struct child_sa *child_sa_by_spi_in(const struct ike_sa *sa, uint32_t spi)
{
    struct child_sa *c = sa->children;
    while (c && c->spi_in != spi) c = c->next;
    return c;
}

struct child_sa *child_sa_of_cpu(const struct ike_sa *sa, const struct conf_child *f, uint32_t cpu)
{
    struct child_sa *c = sa->children;
    while (c && (!child_sa_in_use(c) || !c->of_cpu || c->cpu != cpu ||
                 strcmp(c->conf->name, f->name) != 0)) {
        c = c->next;
    }
    return c;
}

struct child_sa *child_sa_by_name(const struct ike_sa *sa, const char *name)
{
    struct child_sa *c = sa->children;
    while (c && (!child_sa_in_use(c) || c->of_cpu || strcmp(c->conf->name, name) != 0)) c = c->next;
    return c;
}

bool child_sa_in_use(const struct child_sa *c)
{
    return c->state == CHILD_INSTALLED || c->state == CHILD_REKEYING;
}

static bool ts_same(const struct ts_list *a, const struct ts_list *b)
{
    return ts_subset(a, b) && ts_subset(b, a);
}

bool child_sa_has(const struct child_sa *c, const struct ts_list *local,
                  const struct ts_list *remote)
{
    return ts_same(c->local_ts, local) && ts_same(c->remote_ts, remote);
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void child_sa_timers(struct ike_sa *sa)
{
    uint64_t due = DUE_NEVER;
    for (const struct child_sa *c = sa->children; c; c = c->next) {
        due = earliest(due, earliest(c->linger_until, earliest(c->switch_look, c->sweep_at)));
        due = earliest(due, c->idle_look);
    }
    ike_sa_timer(sa, TIMER_CHILD, due);
}
