#include "xfrm/db/lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/htab.h"
#include "crypto/rng.h"
#include "xfrm/db/counter.h"
#include "xfrm/db/sa.h"
#include "xfrm/db/selector.h"

struct lane {
    struct cds_list_head sas; // rcu; struct sa, member in_lane
    struct lane_key key;
    unsigned refs;   // templates and SAs that belong to it
    unsigned percpu; // SAs that belong to a CPU (atomic: packets look at it)
    struct rcu_head rcu;
};

struct lanes {
    struct htab table;
    struct hash_key hash_key;
};

// ---- lanes ----

struct lanes *lanes_new(void)
{
    struct lanes *ls = calloc(1, sizeof *ls);
    if (!ls) return NULL;
    rng_fill(&ls->hash_key, sizeof ls->hash_key);
    if (htab_init(&ls->table) == ERR_OK) return ls;
    free(ls);
    return NULL;
}

void lanes_free(struct lanes *ls)
{
    if (!ls) return;
    htab_done(&ls->table);
    free(ls);
}

static uint64_t lane_hash(const struct lanes *ls, const struct lane_key *k)
{
    uint64_t w[4] = {(uint64_t)k->reqid << 32 | (uint32_t)k->proto << 8 | k->mode, k->daddr.family};
    memcpy(&w[2], k->daddr.b, sizeof k->daddr.b);
    return hash_words(&ls->hash_key, w, 4);
}

static bool key_eq(const struct lane_key *a, const struct lane_key *b)
{
    return a->reqid == b->reqid && a->proto == b->proto && a->mode == b->mode &&
           ip_eq(&a->daddr, &b->daddr);
}

struct lane *lane_find(const struct lanes *ls, const struct lane_key *key)
{
    struct htab_walk w = htab_begin(&ls->table, lane_hash(ls, key));
    struct lane *l;
    while ((l = htab_next(&w)) && !key_eq(&l->key, key)) continue;
    return l;
}

static struct lane *lane_new(struct lanes *ls, const struct lane_key *key)
{
    if (htab_reserve(&ls->table) != ERR_OK) return NULL;
    struct lane *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    l->key = *key;
    CDS_INIT_LIST_HEAD(&l->sas);
    htab_add(&ls->table, lane_hash(ls, key), l);
    return l;
}

struct lane *lane_get(struct lanes *ls, const struct lane_key *key)
{
    struct lane *l = lane_find(ls, key);
    if (!l) l = lane_new(ls, key);
    if (l) l->refs++;
    return l;
}

static void lane_reclaim(struct rcu_head *head)
{
    free(rcu_reclaimed(head, struct lane, rcu));
}

void lane_put(struct lanes *ls, struct lane *l)
{
    if (!l || --l->refs > 0) return;
    htab_del(&ls->table, lane_hash(ls, &l->key), l);
    call_rcu(&l->rcu, lane_reclaim);
}

#define ELDERS 4 // that may have learned something; the first are the youngest

// The path does not change with the keys: what an SA has learned of it, its successor knows.
static void inherit_pmtu(const struct lane *l, struct sa *sa)
{
    const struct sa *elder;
    unsigned n = 0;
    cds_list_for_each_entry(elder, &l->sas, in_lane)
    {
        if (n++ == ELDERS) return;
        if (!count_get(&elder->pmtu.until) || !ip_eq(&elder->conf->x.saddr, &sa->conf->x.saddr))
            continue;
        count_set(&sa->pmtu.learned, count_get(&elder->pmtu.learned));
        count_set(&sa->pmtu.until, count_get(&elder->pmtu.until));
        return;
    }
}

static bool is_percpu(const struct sa *sa)
{
    return rcu_dereference(sa->conf)->x.pcpu != UINT32_MAX;
}

void lane_add(struct lane *l, struct sa *sa)
{
    inherit_pmtu(l, sa);
    __atomic_store_n(&l->percpu, l->percpu + is_percpu(sa), __ATOMIC_RELAXED);
    cds_list_add_rcu(&sa->in_lane, &l->sas);
}

void lane_del(struct sa *sa)
{
    struct lane *l = sa->lane;
    __atomic_store_n(&l->percpu, l->percpu - is_percpu(sa), __ATOMIC_RELAXED);
    cds_list_del_rcu(&sa->in_lane);
}

// ---- the packet's question ----

void lane_hint(const struct lane *l)
{
    if (l) __builtin_prefetch(l);
}

const struct sa *lane_hint_more(const struct lane *l)
{
    if (!l) return NULL;
    const struct cds_list_head *first = rcu_dereference(l->sas.next);
    if (first == &l->sas) return NULL;
    const struct sa *sa = caa_container_of(first, struct sa, in_lane);
    sa_hint(sa);
    return sa;
}

static bool source_fits(const ip_t *wanted, const ip_t *have)
{
    return ip_is_any(wanted) || ip_is_any(have) || ip_eq(wanted, have);
}

static bool sa_fits(const struct sa *sa, const struct lane_ask *ask)
{
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    if (sa_flag(&sa->dead) || x->dir == XFRM_SA_IN) return false;
    if (ask->spi && ask->spi != x->spi) return false;
    // rfc9611 2: an SA of another CPU is that CPU's alone
    if (x->pcpu != UINT32_MAX && x->pcpu != ask->cpu) return false;
    if ((ask->mark & x->mark.mask) != x->mark.value || ask->if_id != x->if_id) return false;
    return source_fits(&ask->saddr, &x->saddr) && selector_match(&x->sel, ask->flow);
}

struct sa *lane_first(const struct lane *l)
{
    struct sa *sa;
    if (!l) return NULL;
    cds_list_for_each_entry_rcu(sa, &l->sas, in_lane) return sa;
    return NULL;
}

#define ELDERS_MAX 8 // looked at; usually the first is the one

static struct sa *next_of(const struct lane *l, const struct cds_list_head *at, const ip_t *saddr,
                          uint32_t cpu)
{
    at = rcu_dereference(at->next);
    for (unsigned n = 0; at != &l->sas && n < ELDERS_MAX; at = rcu_dereference(at->next), n++) {
        struct sa *sa = caa_container_of(at, struct sa, in_lane);
        const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
        if (x->pcpu == cpu && ip_eq(&x->saddr, saddr)) return sa;
    }
    return NULL;
}

struct sa *lane_elder(const struct sa *sa)
{
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    return next_of(sa->lane, &sa->in_lane, &x->saddr, x->pcpu);
}

struct sa *lane_youngest(const struct lane *l, const ip_t *saddr, uint32_t cpu)
{
    return l ? next_of(l, &l->sas, saddr, cpu) : NULL;
}

// Those past their soft lifetime last; of the others that of this CPU first.
static int rank(const struct sa *sa)
{
    return (sa_flag(&sa->dying) ? 0 : 2) + is_percpu(sa);
}

struct sa *lane_pick(const struct lane *l, const struct lane_ask *ask)
{
    struct sa *sa, *best = NULL;
    if (!l) return NULL;
    const int highest = __atomic_load_n(&l->percpu, __ATOMIC_RELAXED) ? 3 : 2;
    cds_list_for_each_entry_rcu(sa, &l->sas, in_lane)
    {
        if (!sa_fits(sa, ask)) continue;
        if (rank(sa) >= highest) return sa;
        if (!best || rank(sa) > rank(best)) best = sa;
    }
    return best;
}
