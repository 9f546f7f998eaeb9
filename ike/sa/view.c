#include "ike/sa/view.h"

#include <string.h>

#include "ike/sa/diplomat.h"
#include "ike/sa/told.h"
#include "ike/sa/vip.h"

// What the configuration in force says of it, if it still does.
static const struct conf_conn *conf_of(const struct ike *ike, const struct conn *conn)
{
    const struct config *c = ike->config;
    const struct conn *now = c ? ike_conn(ike, conn->conf.name) : NULL;
    if (!now || now->place >= c->conn_n) return NULL;
    const struct conf_conn *conf = &c->conn[now->place];
    return strcmp(conf->name, now->conf.name) == 0 ? conf : NULL;
}

static enum ike_state_view state_view(const struct ike_sa *sa)
{
    bool closing = sa->state == IKE_DELETING || queue_find(&sa->queue, TASK_DELETE_IKE, 0);
    if (closing) return IKE_VIEW_DELETING;
    if (sa->state < IKE_UP) return IKE_VIEW_CONNECTING;
    bool rekeying = sa->state == IKE_REKEYED || (sa->active && sa->active->kind == TASK_REKEY_IKE);
    return rekeying ? IKE_VIEW_REKEYING : IKE_VIEW_ESTABLISHED;
}

// Seconds until a timer; 0 = off or due.
static uint64_t seconds_to(const struct ike_sa *sa, enum ike_timer which)
{
    uint64_t at = sa->timer[which], now = ike_now(sa->ike);
    return at == DUE_NEVER || at <= now ? 0 : (at - now) / NSEC_PER_SEC;
}

static void view_rounds(const struct proposal *p, uint16_t ake[CONF_ROUNDS_MAX])
{
    for (unsigned i = 0; i < p->n; i++) {
        if (p->t[i].type < ALG_ADDKE1 || p->t[i].type > ALG_ADDKE7) continue;
        ake[p->t[i].type - ALG_ADDKE1] = p->t[i].id;
    }
}

static void view_algorithms(const struct proposal *p, struct ike_sa_view *out)
{
    const struct transform *ke = proposal_get(p, ALG_KE);
    out->encr = proposal_alg(p, ALG_ENCR);
    out->integ = proposal_alg(p, ALG_INTEG);
    out->prf = proposal_alg(p, ALG_PRF);
    out->ke = ke ? ke->id : KE_NONE;
    view_rounds(p, out->ake);
}

// strongSwan has more tasks than exchanges; each of ours has the name of the one that matters.
static const char *task_name(const struct task *t)
{
    static const char *const names[TASK_KINDS] = {
        [TASK_OPEN] = "IKE_INIT",
        [TASK_INTERMEDIATE] = "IKE_INIT",
        [TASK_AUTH] = "IKE_AUTH",
        [TASK_CHILD] = "CHILD_CREATE",
        [TASK_REKEY_CHILD] = "CHILD_REKEY",
        [TASK_REKEY_IKE] = "IKE_REKEY",
        [TASK_DELETE_CHILD] = "CHILD_DELETE",
        [TASK_DELETE_IKE] = "IKE_DELETE",
        [TASK_PROBE] = "IKE_DPD",
        [TASK_MOVE] = "IKE_MOBIKE",
        [TASK_WHERE] = "IKE_MOBIKE",
        [TASK_ADDRESSES] = "IKE_MOBIKE",
    };
    return names[t->kind];
}

static void view_tasks(const struct ike_sa *sa, struct ike_sa_view *out)
{
    unsigned n = 0;
    for (const struct task *t = sa->queue.first; t && n < IKE_VIEW_TASKS; t = t->next) {
        out->queued[n++] = task_name(t);
    }
    out->tasks_queued = sa->queue.n;
    if (sa->active) out->active = task_name(sa->active);
}

void view_ike(const struct ike_sa *sa, struct ike_sa_view *out)
{
    const struct ike *ike = sa->ike;
    *out = (struct ike_sa_view){
        .name = ike_sa_name(sa),
        .id = sa->id,
        .parent = sa->parent,
        .state = state_view(sa),
        .initiator = sa->initiator,
        .local = sa->local,
        .remote = sa->remote,
        .was_local = sa->was_local,
        .was_remote = sa->was_remote,
        .local_id = sa->local_id,
        .remote_id = sa->remote_id,
        .spi_i = sa->spi_i,
        .spi_r = sa->spi_r,
        .nat_local = sa->nat_local,
        .nat_remote = sa->nat_remote,
        .nat_any = sa->nat_local || sa->nat_remote || sa->encap_forced,
        .encap_forced = sa->encap_forced,
        .no_natt = sa->no_natt,
        .cert_from = sa->cert_from,
        .cert_until = sa->cert_until,
        .established_s = sa->up_at ? (ike_now(ike) - sa->up_at) / NSEC_PER_SEC : 0,
        .rekey_in_s = seconds_to(sa, TIMER_REKEY),
        .reauth_in_s = seconds_to(sa, TIMER_REAUTH),
        .if_id_in = sa->if_id_in,
        .if_id_out = sa->if_id_out,
    };
    view_tasks(sa, out);
    if (sa->vips) {
        out->vip_n = sa->vips->n;
        out->vips_ours = sa->vips->given != NULL;
        out->vip = sa->vips->ip;
    }
    if (sa->conn && !(out->if_id_in | out->if_id_out)) {
        out->if_id_in = sa->conn->conf.if_id_in;
        out->if_id_out = sa->conn->conf.if_id_out;
    }
    if (sa->eap_id && !id_eq(sa->eap_id, &sa->remote_id)) out->remote_eap_id = sa->eap_id;
    if (sa->ppk_way) out->ppk = sa->ppk_way == PPK_IN_AUTH ? "RFC 8784" : "RFC 9867";
    out->ppk_name = blob_span(&sa->ppk_name);
    if (sa->chosen) view_algorithms(sa->chosen, out);
    if (sa->conn) out->conf = conf_of(ike, sa->conn);
}

static enum child_state_view child_state(const struct child_sa *c)
{
    switch (c->state) {
    case CHILD_INSTALLED:
        return CHILD_VIEW_INSTALLED;
    case CHILD_REKEYING:
        return CHILD_VIEW_REKEYING;
    case CHILD_DELETING:
        return CHILD_VIEW_DELETING;
    case CHILD_REKEYED:
    case CHILD_LINGER:
        break;
    }
    return CHILD_VIEW_REKEYED;
}

static bool sa_now(const struct child_sa *c, bool out, struct xfrm_sa *x)
{
    const struct xfrm_api *xfrm = &c->sa->ike->env.xfrm;
    struct xfrm_sa_id id = told_id(c, out);
    if (!(out ? c->out_there : c->in_there)) return false;
    return xfrm->ops->sa_get(xfrm->ctx, &id, x) == ERR_OK;
}

static void view_traffic(const struct child_sa *c, struct child_sa_view *out)
{
    const struct env *env = &c->sa->ike->env;
    uint64_t wall = env->wall(env->ctx);
    struct xfrm_sa x;
    if (sa_now(c, false, &x)) {
        out->bytes_in = x.current.bytes;
        out->packets_in = x.current.packets;
        out->use_in_s = x.current.use_time ? wall - x.current.use_time : 0;
    }
    if (sa_now(c, true, &x)) {
        out->bytes_out = x.current.bytes;
        out->packets_out = x.current.packets;
        out->use_out_s = x.current.use_time ? wall - x.current.use_time : 0;
    }
    wipe(&x, sizeof x);
}

static uint64_t left(uint64_t whole, uint64_t gone)
{
    return whole > gone ? whole - gone : 0;
}

static const struct conf_child *conf_now(const struct child_sa *c)
{
    const struct conf_conn *conn = conf_of(c->sa->ike, c->conn);
    for (unsigned i = 0; conn && i < conn->child_n; i++) {
        if (strcmp(conn->child[i].name, c->conf->name) == 0) return &conn->child[i];
    }
    return NULL;
}

void view_child(const struct child_sa *c, char text[2][VIEW_TEXT_MAX], struct child_sa_view *out)
{
    uint64_t age = (ike_now(c->sa->ike) - c->installed_at) / NSEC_PER_SEC;
    *out = (struct child_sa_view){
        .name = c->conf->name,
        .id = c->id,
        .reqid = c->reqid,
        .state = child_state(c),
        .mode = c->mode,
        .ah = c->chosen->protocol == PROTO_AH,
        .udp = c->udp,
        .spi_in = c->spi_in,
        .spi_out = c->spi_out,
        .of_cpu = c->of_cpu,
        .cpu = c->cpu,
        .cpi_in = c->cpi_in,
        .cpi_out = c->cpi_out,
        .encr = proposal_alg(c->chosen, ALG_ENCR),
        .integ = proposal_alg(c->chosen, ALG_INTEG),
        .ke = c->ke,
        .esn = c->esn,
        .install_s = age,
        .rekey_in_s = left(c->rekey_s, age),
        .life_in_s = left(c->life_s, age),
        .local_ts = ts_show_services(c->local_ts, text[0], VIEW_TEXT_MAX),
        .remote_ts = ts_show_services(c->remote_ts, text[1], VIEW_TEXT_MAX),
        .conf = conf_now(c),
        .steering = &c->steering,
    };
    if (c->ke) view_rounds(c->chosen, out->ake);
    view_traffic(c, out);
}
