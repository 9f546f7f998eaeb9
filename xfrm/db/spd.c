#include "xfrm/db/spd.h"

#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "crypto/rng.h"
#include "xfrm/db/selector.h"

#define BUCKETS 64

// Policies whose selectors have the same prefix lengths.
struct tuple {
    uint8_t family, src_len, dst_len; // family 0: selectors that take any
    uint32_t best;                    // no policy here has a smaller priority value (atomic)
    uint32_t count;                   // control thread
};

// The tuples of one direction; replaced as a whole when one comes or goes.
struct tuples {
    struct rcu_head rcu;
    unsigned n;
    struct tuple t[];
};

struct spd {
    struct tuples *tuples[XFRM_DIRS]; // rcu; NULL: none
    struct cds_lfht *by_net, *by_index;
    uint8_t hash_key[16];
    uint64_t next_age;
    uint32_t count[XFRM_DIRS];
    struct cds_list_head all;
};

struct spd *spd_new(void)
{
    struct spd *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    rng_fill(s->hash_key, sizeof s->hash_key);
    CDS_INIT_LIST_HEAD(&s->all);
    s->by_net = cds_lfht_new(BUCKETS, BUCKETS, 0, CDS_LFHT_AUTO_RESIZE, NULL);
    if (s->by_net) s->by_index = cds_lfht_new(BUCKETS, BUCKETS, 0, CDS_LFHT_AUTO_RESIZE, NULL);
    if (s->by_index) return s;
    if (s->by_net) (void)cds_lfht_destroy(s->by_net, NULL);
    free(s);
    return NULL;
}

void spd_free(struct spd *s, struct lanes *ls)
{
    if (!s) return;
    struct policy *p, *next;
    cds_list_for_each_entry_safe(p, next, &s->all, all)
    {
        spd_del(s, p);
        policy_free(p, ls);
    }
    (void)cds_lfht_destroy(s->by_net, NULL);
    (void)cds_lfht_destroy(s->by_index, NULL);
    for (unsigned d = 0; d < XFRM_DIRS; d++) free(s->tuples[d]);
    free(s);
}

// ---- lookup ----

static void cut(uint8_t out[16], const ip_t *ip, unsigned len)
{
    memcpy(out, ip->b, len / 8);
    if (len % 8) out[len / 8] = ip->b[len / 8] & (uint8_t)(0xff00 >> len % 8);
}

void spd_net_cut(struct spd_net *net, const ip_t *src, const ip_t *dst)
{
    cut(net->src, src, net->src_len);
    cut(net->dst, dst, net->dst_len);
}

struct spd_net spd_net_of(const struct xfrm_selector *sel, uint8_t dir)
{
    struct spd_net net = {.dir = dir, .family = (uint8_t)sel->family};
    if (sel->family == AF_UNSPEC) return net; // any address of any family
    net.src_len = sel->src.len;
    net.dst_len = sel->dst.len;
    spd_net_cut(&net, &sel->src.ip, &sel->dst.ip);
    return net;
}

static int net_match(struct cds_lfht_node *node, const void *key)
{
    const struct policy *p = caa_container_of(node, struct policy, by_net);
    return memcmp(&p->net, key, sizeof p->net) == 0;
}

static bool policy_fits(const struct policy *p, const struct spd_ask *ask, const struct flow *f)
{
    const struct xfrm_policy *c = &p->conf;
    if (c->type != 0 || c->if_id != ask->if_id) return false;
    if ((ask->mark & c->mark.mask) != c->mark.value) return false;
    if (ask->guard) return !policy_is_bypass(p) && selector_match_addresses(&c->sel, f);
    if (c->sel.ifindex && policy_is_bypass(p)) return false;
    return selector_match(&c->sel, f);
}

bool policy_goes_before(const struct policy *a, const struct policy *b)
{
    if (!b || a->conf.priority < b->conf.priority) return true;
    return a->conf.priority == b->conf.priority && a->age < b->age;
}

static struct policy *tuple_find(const struct spd *s, const struct spd_net *net,
                                 const struct spd_ask *ask, const struct flow *f)
{
    struct policy *best = NULL;
    struct cds_lfht_iter it;
    cds_lfht_lookup(s->by_net, siphash(s->hash_key, net, sizeof *net), net_match, net, &it);
    for (struct cds_lfht_node *node; (node = cds_lfht_iter_get_node(&it));) {
        struct policy *p = caa_container_of(node, struct policy, by_net);
        if (policy_goes_before(p, best) && policy_fits(p, ask, f)) best = p;
        cds_lfht_next_duplicate(s->by_net, net_match, net, &it);
    }
    return best;
}

struct policy *spd_find(const struct spd *s, const struct spd_ask *ask, const struct flow *f)
{
    const struct tuples *ts = rcu_dereference(s->tuples[ask->dir]);
    struct policy *best = NULL;
    for (unsigned i = 0; ts && i < ts->n; i++) {
        const struct tuple *t = &ts->t[i];
        if (t->family && t->family != f->src.family) continue;
        if (best && __atomic_load_n(&t->best, __ATOMIC_RELAXED) > best->conf.priority) continue;
        struct spd_net net = {(uint8_t)ask->dir, t->family, t->src_len, t->dst_len, {0}, {0}};
        spd_net_cut(&net, &f->src, &f->dst);
        struct policy *p = tuple_find(s, &net, ask, f);
        if (p && policy_goes_before(p, best)) best = p;
    }
    return best;
}

// ---- tuples ----

static void tuples_reclaim(struct rcu_head *head)
{
    free(caa_container_of(head, struct tuples, rcu));
}

static void tuples_publish(struct spd *s, unsigned dir, struct tuples *fresh)
{
    struct tuples *old = rcu_xchg_pointer(&s->tuples[dir], fresh);
    if (old) call_rcu(&old->rcu, tuples_reclaim);
}

static struct tuples *tuples_alloc(unsigned n)
{
    struct tuples *ts = calloc(1, sizeof *ts + n * sizeof ts->t[0]);
    if (ts) ts->n = n;
    return ts;
}

static struct tuple *tuple_get(struct tuples *ts, const struct spd_net *net)
{
    for (unsigned i = 0; ts && i < ts->n; i++) {
        struct tuple *t = &ts->t[i];
        if (t->family == net->family && t->src_len == net->src_len && t->dst_len == net->dst_len) {
            return t;
        }
    }
    return NULL;
}

// Must come before the policy can be found, so that no reader misses it.
static err_t tuple_join(struct spd *s, const struct policy *p)
{
    struct tuples *old = s->tuples[p->net.dir];
    struct tuple *t = tuple_get(old, &p->net);
    if (t) {
        t->count++;
        if (p->conf.priority < t->best) {
            __atomic_store_n(&t->best, p->conf.priority, __ATOMIC_RELAXED);
        }
        return ERR_OK;
    }
    unsigned n = old ? old->n : 0;
    struct tuples *fresh = tuples_alloc(n + 1);
    if (!fresh) return ERR_NOMEM;
    for (unsigned i = 0; i < n; i++) fresh->t[i] = old->t[i];
    fresh->t[n] =
        (struct tuple){p->net.family, p->net.src_len, p->net.dst_len, p->conf.priority, 1};
    tuples_publish(s, p->net.dir, fresh);
    return ERR_OK;
}

// An empty tuple goes. If there is no memory for the shorter list it stays, which costs readers a
// fruitless look and nothing else.
static void tuple_leave(struct spd *s, const struct policy *p)
{
    struct tuples *old = s->tuples[p->net.dir];
    struct tuple *t = tuple_get(old, &p->net);
    if (!t || --t->count > 0) return;
    struct tuples *fresh = tuples_alloc(old->n - 1);
    if (!fresh) return;
    unsigned k = 0;
    for (unsigned i = 0; i < old->n; i++) {
        if (&old->t[i] != t) fresh->t[k++] = old->t[i];
    }
    tuples_publish(s, p->net.dir, fresh);
}

// ---- change ----

static int index_match(struct cds_lfht_node *node, const void *key)
{
    return caa_container_of(node, struct policy, by_index)->conf.index == *(const uint32_t *)key;
}

static unsigned long index_hash(const struct spd *s, uint32_t index)
{
    return siphash(s->hash_key, &index, sizeof index);
}

err_t spd_add(struct spd *s, struct policy *p)
{
    TRY(tuple_join(s, p));
    p->age = s->next_age++;
    cds_lfht_node_init(&p->by_net);
    cds_lfht_node_init(&p->by_index);
    cds_lfht_add(s->by_index, index_hash(s, p->conf.index), &p->by_index);
    cds_lfht_add(s->by_net, siphash(s->hash_key, &p->net, sizeof p->net), &p->by_net);
    cds_list_add(&p->all, &s->all);
    s->count[p->conf.dir]++;
    return ERR_OK;
}

void spd_del(struct spd *s, struct policy *p)
{
    (void)cds_lfht_del(s->by_net, &p->by_net);
    (void)cds_lfht_del(s->by_index, &p->by_index);
    cds_list_del(&p->all);
    tuple_leave(s, p);
    s->count[p->conf.dir]--;
}

// ---- the control thread's questions ----

static struct policy *by_index(const struct spd *s, uint32_t index)
{
    struct cds_lfht_iter it;
    cds_lfht_lookup(s->by_index, index_hash(s, index), index_match, &index, &it);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&it);
    return node ? caa_container_of(node, struct policy, by_index) : NULL;
}

static bool is_meant(const struct policy *p, const struct xfrm_policy_id *id)
{
    const struct xfrm_policy *c = &p->conf;
    return c->dir == id->dir && c->type == id->type && c->if_id == id->if_id &&
           c->mark.value == id->mark.value && c->mark.mask == id->mark.mask;
}

static struct policy *by_selector(const struct spd *s, const struct xfrm_policy_id *id)
{
    struct spd_net net = spd_net_of(&id->sel, id->dir);
    struct cds_lfht_iter it;
    cds_lfht_lookup(s->by_net, siphash(s->hash_key, &net, sizeof net), net_match, &net, &it);
    for (struct cds_lfht_node *node; (node = cds_lfht_iter_get_node(&it));) {
        struct policy *p = caa_container_of(node, struct policy, by_net);
        if (is_meant(p, id) && xfrm_selector_eq(&p->conf.sel, &id->sel)) return p;
        cds_lfht_next_duplicate(s->by_net, net_match, &net, &it);
    }
    return NULL;
}

struct policy *spd_get(const struct spd *s, const struct xfrm_policy_id *id)
{
    if (id->index == 0) return by_selector(s, id);
    struct policy *p = by_index(s, id->index);
    return p && is_meant(p, id) ? p : NULL;
}

bool spd_has_index(const struct spd *s, uint32_t index)
{
    return by_index(s, index) != NULL;
}

uint32_t spd_count(const struct spd *s, enum xfrm_dir dir)
{
    return s->count[dir];
}

struct cds_list_head *spd_all(struct spd *s)
{
    return &s->all;
}
