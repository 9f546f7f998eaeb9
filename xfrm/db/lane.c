#include "xfrm/db/lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "base/siphash.h"
#include "crypto/rng.h"
#include "xfrm/db/sa.h"
#include "xfrm/db/selector.h"

#define DIR_IN 1 // XFRM_SA_DIR_IN
#define BUCKETS 64

struct lane {
    struct cds_list_head sas; // rcu; struct sa, member in_lane
    struct lane_key key;
    unsigned refs; // templates and SAs that belong to it
    struct cds_lfht_node node;
    struct rcu_head rcu;
};

struct lanes {
    struct cds_lfht *table;
    uint8_t hash_key[16];
};

// ---- lanes ----

struct lanes *lanes_new(void)
{
    struct lanes *ls = calloc(1, sizeof *ls);
    if (!ls) return NULL;
    rng_fill(ls->hash_key, sizeof ls->hash_key);
    ls->table = cds_lfht_new(BUCKETS, BUCKETS, 0, CDS_LFHT_AUTO_RESIZE, NULL);
    if (ls->table) return ls;
    free(ls);
    return NULL;
}

void lanes_free(struct lanes *ls)
{
    if (!ls) return;
    (void)cds_lfht_destroy(ls->table, NULL);
    free(ls);
}

static unsigned long lane_hash(const struct lanes *ls, const struct lane_key *k)
{
    uint8_t bytes[16 + 4 + 3];
    memcpy(bytes, k->daddr.b, 16);
    put32(bytes + 16, k->reqid);
    bytes[20] = (uint8_t)k->daddr.family;
    bytes[21] = k->proto;
    bytes[22] = k->mode;
    return siphash(ls->hash_key, bytes, sizeof bytes);
}

static int lane_match(struct cds_lfht_node *node, const void *key)
{
    const struct lane_key *a = &caa_container_of(node, struct lane, node)->key, *b = key;
    return a->reqid == b->reqid && a->proto == b->proto && a->mode == b->mode &&
           ip_eq(&a->daddr, &b->daddr);
}

struct lane *lane_find(const struct lanes *ls, const struct lane_key *key)
{
    struct cds_lfht_iter it;
    cds_lfht_lookup(ls->table, lane_hash(ls, key), lane_match, key, &it);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&it);
    return node ? caa_container_of(node, struct lane, node) : NULL;
}

struct lane *lane_get(struct lanes *ls, const struct lane_key *key)
{
    struct lane *l = lane_find(ls, key);
    if (!l) {
        l = calloc(1, sizeof *l);
        if (!l) return NULL;
        l->key = *key;
        CDS_INIT_LIST_HEAD(&l->sas);
        cds_lfht_node_init(&l->node);
        cds_lfht_add(ls->table, lane_hash(ls, key), &l->node);
    }
    l->refs++;
    return l;
}

static void lane_reclaim(struct rcu_head *head)
{
    free(caa_container_of(head, struct lane, rcu));
}

void lane_put(struct lanes *ls, struct lane *l)
{
    if (!l || --l->refs > 0) return;
    (void)cds_lfht_del(ls->table, &l->node);
    call_rcu(&l->rcu, lane_reclaim);
}

void lane_add(struct lane *l, struct sa *sa)
{
    cds_list_add_rcu(&sa->in_lane, &l->sas);
}

void lane_del(struct sa *sa)
{
    cds_list_del_rcu(&sa->in_lane);
}

// ---- the packet's question ----

static bool source_fits(const ip_t *wanted, const ip_t *have)
{
    return ip_is_any(wanted) || ip_is_any(have) || ip_eq(wanted, have);
}

static bool sa_fits(const struct sa *sa, const struct lane_ask *ask)
{
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    if (sa_flag(&sa->dead) || x->dir == DIR_IN) return false;
    if (ask->spi && ask->spi != x->spi) return false;
    if ((ask->mark & x->mark.mask) != x->mark.value || ask->if_id != x->if_id) return false;
    return source_fits(&ask->saddr, &x->saddr) && selector_match(&x->sel, ask->flow);
}

struct sa *lane_pick(const struct lane *l, const struct lane_ask *ask)
{
    struct sa *sa, *second_best = NULL;
    if (!l) return NULL;
    cds_list_for_each_entry_rcu(sa, &l->sas, in_lane)
    {
        if (!sa_fits(sa, ask)) continue;
        if (!sa_flag(&sa->dying)) return sa;
        if (!second_best) second_best = sa;
    }
    return second_best;
}
