// policy.c - a policy: made, shown and freed. How it is found is spd.c.
#include <stdlib.h>

#include "xfrm/db/counter.h"
#include "xfrm/db/spd.h"

static struct lane *lane_of(const struct xfrm_tmpl *t, struct lanes *ls)
{
    struct lane_key key = {
        .daddr = t->daddr, .reqid = t->reqid, .proto = t->proto, .mode = t->mode};
    return lane_get(ls, &key);
}

struct policy *policy_new(const struct xfrm_policy *conf, struct lanes *ls)
{
    struct policy *p = pages_alloc(sizeof *p);
    if (!p) return NULL;
    p->conf = *conf;
    p->action = conf->action;
    p->tmpl_count = (uint8_t)conf->tmpl_count;
    p->mark = conf->mark.value & conf->mark.mask;
    p->if_id = conf->if_id;
    p->spi = conf->tmpl[0].spi;
    p->saddr = conf->tmpl[0].saddr;
    bool tunnel = conf->tmpl[0].mode == XFRM_TUNNEL || conf->tmpl[0].mode == XFRM_IPTFS;
    p->one_tunnel =
        conf->dir == XFRM_OUT && conf->tmpl_count == 1 && tunnel && !conf->tmpl[0].optional;
    p->per_cpu = conf->dir == XFRM_OUT && (conf->flags & XFRM_POLICY_PER_CPU);
    for (unsigned i = 0; conf->dir == XFRM_OUT && i < conf->tmpl_count; i++) {
        if (conf->tmpl[i].mode == XFRM_TRANSPORT) continue; // its destination is the packet's
        p->lane[i] = lane_of(&conf->tmpl[i], ls);
        if (p->lane[i]) continue;
        policy_free(p, ls);
        return NULL;
    }
    return p;
}

static void policy_reclaim(struct rcu_head *head)
{
    pages_free(rcu_reclaimed(head, struct policy, rcu));
}

void policy_free(struct policy *p, struct lanes *ls)
{
    for (unsigned i = 0; i < p->conf.tmpl_count; i++) lane_put(ls, p->lane[i]);
    call_rcu(&p->rcu, policy_reclaim);
}

void policy_snapshot(const struct policy *p, struct xfrm_policy *out)
{
    *out = p->conf;
    out->current = (struct xfrm_current){
        .add_time = p->add_time,
        .use_time = count_get(&p->use_time),
    };
}

void policy_touch(struct policy *p, uint64_t wall, uint64_t mono)
{
    if (count_get(&p->use_time)) return;
    count_set(&p->use_time, wall);
    count_set(&p->used_mono, mono);
}
