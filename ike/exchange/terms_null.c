#include "ike/exchange/terms_null.h"

#include "ike/auth/null.h"
#include "ike/exchange/request.h"
#include "ike/sa/child_sa.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/dynamic.h"
#include "ike/sa/trap.h"

struct wanted {
    const struct ts_list *theirs, *ours;
};

static bool meet(const struct wanted *w, const struct ts_list *theirs, const struct ts_list *ours)
{
    struct ts_list both;
    return ts_narrow(theirs, w->theirs, &both) == ERR_OK &&
           ts_narrow(ours, w->ours, &both) == ERR_OK;
}

static bool has_it(const struct ike_sa *sa, const struct wanted *w)
{
    for (const struct child_sa *c = sa->children; c; c = c->next) {
        if (child_sa_in_use(c) && meet(w, c->remote_ts, c->local_ts)) return true;
    }
    return false;
}

// Is there a connection for peers that do prove it, and for this traffic?
static const struct conf_child *reserved(const struct ike_sa *sa, const struct wanted *w)
{
    const struct hosts nobody = {0}, everybody = {.n = 1};
    struct ts_list local, remote;
    for (const struct conn *c = sa->ike->conns.first; c; c = c->next) {
        if (c->conf.remote.auth == CONF_AUTH_NULL) continue;
        for (unsigned i = 0; i < c->conf.child_n; i++) {
            const struct conf_child *f = &c->conf.child[i];
            if (trap_is_shunt(f)) continue;
            dynamic_ts_hosts(f->local_ts, f->local_n, &everybody, &local);
            dynamic_ts_hosts(f->remote_ts, f->remote_n, &nobody, &remote);
            if (meet(w, &remote, &local)) return f;
        }
    }
    return NULL;
}

err_t terms_null_check(struct ike_sa *sa, const struct ts_list *tsi, const struct ts_list *tsr,
                       struct why *why)
{
    const struct wanted w = {tsi, tsr};
    char peer[ENDPOINT_TEXT_MAX];
    if (!null_is_peer(sa)) return ERR_OK;
    const struct conf_child *f = reserved(sa, &w);
    if (f) {
        return why_not(why, ERR_EXISTS,
                       "child SA %.60s has this traffic, for peers that prove who "
                       "they are",
                       f->name);
    }
    for (struct ike_sa *other = sa->ike->all; other; other = other->next) {
        // Its own from before rekeying is no stranger's.
        if (other == sa || id_eq(ike_sa_whose(other), ike_sa_whose(sa)) || !has_it(other, &w))
            continue;
        bool stranger = null_is_peer(other);
        if (stranger && endpoint_eq(&other->remote, &sa->remote)) continue; // come back
        // rfc7619 2.3: perhaps it is stale; who is asked and does not answer goes.
        bool asked = queue_find(&other->queue, TASK_PROBE, 0) || other->active;
        if (stranger && !asked) request_add(other, request_task(TASK_PROBE, NULL));
        return why_not(why, ERR_EXISTS,
                       "%s has this traffic already, and nobody can tell whether "
                       "this is the same peer",
                       endpoint_show(&other->remote, peer));
    }
    return ERR_OK;
}
