#include "ike/sa/vip.h"

#include <stdlib.h>

#include "base/words.h"
#include "ike/sa/diplomat.h"

static void give_back(const struct ike_sa *sa, struct lease *l)
{
    char ip[IP_TEXT_MAX], name[ID_TEXT_MAX];
    if (l && !lease_is_shared(l)) {
        tell(sa->ike, sa, LOG_STORY, SAY_LEASE_BACK, ip_show(lease_ip(l), ip),
             id_show(ike_sa_whose(sa), name));
    }
    pools_release(sa->ike->pools, l);
}

void vips_forget(struct ike_sa *sa)
{
    struct vips *v = sa->vips;
    if (!v) return;
    for (unsigned i = 0; i < v->n; i++) give_back(sa, v->lease[i]);
    if (v->given) sa->ike->given_n--;
    free(v->given);
    free(v->lent);
    free(v);
    sa->vips = NULL;
}

void vips_drop(struct ike_sa *sa)
{
    const struct env *env = &sa->ike->env;
    struct ike_given *g = sa->vips ? sa->vips->given : NULL;
    if (g && env->given_take) {
        g->conn = ike_sa_name(sa);
        env->given_take(env->ctx, g);
    }
    if (sa->vips && sa->vips->lent) env->dhcp_release(env->ctx, sa->vips->lent->id);
    vips_forget(sa);
}

bool vips_replaces(const struct ike_sa *sa)
{
    enum conf_unique unique = sa->conn->conf.unique;
    return unique == CONF_UNIQUE_REPLACE || unique == CONF_UNIQUE_KEEP ||
           (sa->initial_contact && unique != CONF_UNIQUE_NEVER);
}

void vips_move(struct ike_sa *from, struct ike_sa *to)
{
    if (!from->vips) return;
    vips_drop(to);
    to->vips = from->vips;
    from->vips = NULL;
}

bool vips_has(const struct ike *ike, const ip_t *ip)
{
    // Gateways have none, and thousands of IKE SAs.
    for (const struct ike_sa *sa = ike->given_n ? ike->all : NULL; sa; sa = sa->next) {
        const struct vips *v = sa->vips;
        for (unsigned i = 0; v && v->given && i < v->n; i++) {
            if (ip_eq(&v->ip[i], ip)) return true;
        }
    }
    return false;
}

static struct hosts one_host(const ip_t *ip)
{
    return (struct hosts){.n = 1, .ip = {*ip}};
}

static struct hosts all_of(const struct vips *v)
{
    struct hosts h = {.n = v->n};
    for (unsigned i = 0; i < v->n; i++) h.ip[i] = v->ip[i];
    return h;
}

static bool has_family(const struct hosts *h, uint16_t family)
{
    for (unsigned i = 0; i < h->n; i++) {
        if (h->ip[i].family == family) return true;
    }
    return false;
}

struct hosts vips_wanted(const struct conn *conn, const ip_t *own)
{
    struct hosts h = {0};
    for (unsigned i = 0; i < conn->conf.vip_n; i++) {
        uint16_t family = conn->conf.vip[i].family;
        if (!has_family(&h, family)) h.ip[h.n++] = (ip_t){.family = family};
    }
    return h.n ? h : one_host(own);
}

struct hosts vips_local(const struct ike_sa *sa)
{
    if (sa->vips && sa->vips->given && sa->up_at) return all_of(sa->vips);
    // rfc7296 2.19: the first child SA is asked for before the address is known.
    if (sa->initiator && sa->opening) return vips_wanted(sa->conn, &sa->local.ip);
    return one_host(&sa->local.ip);
}

struct hosts vips_remote(const struct ike_sa *sa)
{
    if (sa->vips && !sa->vips->given) return all_of(sa->vips);
    return one_host(&sa->remote.ip);
}
