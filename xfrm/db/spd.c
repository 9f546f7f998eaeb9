#include "xfrm/db/spd.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "crypto/rng.h"

#define POLICY_HOT offsetof(struct policy, lane[1]) // what most outbound packets read

struct spd {
    struct rules *exact, *guard, *flows;
    struct htab by_index, by_id;
    struct hash_key hash_key;
    uint64_t next_age;
    uint32_t count[XFRM_DIRS];
    uint32_t devices; // outbound policies for one device (atomic)
    struct cds_list_head all;
};

static bool spd_init(struct spd *s)
{
    CDS_INIT_LIST_HEAD(&s->all);
    rng_fill(&s->hash_key, sizeof s->hash_key);
    if (htab_init(&s->by_index) != ERR_OK || htab_init(&s->by_id) != ERR_OK) return false;
    s->exact = rules_new();
    s->guard = rules_new();
    s->flows = rules_new();
    return s->exact && s->guard && s->flows;
}

struct spd *spd_new(void)
{
    struct spd *s = calloc(1, sizeof *s);
    if (!s || spd_init(s)) return s;
    spd_free(s, NULL);
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
    rules_free(s->exact);
    rules_free(s->guard);
    rules_free(s->flows);
    htab_done(&s->by_index);
    htab_done(&s->by_id);
    free(s);
}

// ---- lookup ----

struct policy *spd_find(const struct spd *s, const struct spd_ask *ask, const struct flow *f)
{
    struct flow whole;
    struct rule_ask a = {.flow = f,
                         .mark = ask->mark,
                         .if_id = ask->if_id,
                         .device = ask->device,
                         .dir = (uint8_t)ask->dir};
    struct rule *r;
    if (ask->flows) {
        r = rules_find(s->flows, &a);
        return r ? caa_container_of(r, struct policy, flow) : NULL;
    }
    if (!ask->guard) {
        r = rules_find(s->exact, &a);
        return r ? caa_container_of(r, struct policy, exact) : NULL;
    }
    whole = *f;
    whole.fragment = false; // these rules know no ports
    a.flow = &whole;
    r = rules_find(s->guard, &a);
    return r ? caa_container_of(r, struct policy, guard) : NULL;
}

bool spd_asks_device(const struct spd *s)
{
    return __atomic_load_n(&s->devices, __ATOMIC_RELAXED) > 0;
}

uint64_t spd_hint(const struct spd *s, const struct spd_ask *ask, const struct flow *f)
{
    const struct rule_ask a = {
        .flow = f, .mark = ask->mark, .if_id = ask->if_id, .dir = (uint8_t)ask->dir};
    return rules_hint(s->exact, &a);
}

void spd_hint_more(const struct spd *s, enum xfrm_dir dir, uint64_t hint)
{
    const struct rule *r = rules_hint_more(s->exact, hint);
    if (!r) return;
    const struct policy *p = caa_container_of(r, struct policy, exact);
    const char *tmpl = (const char *)&p->conf.tmpl[0];
    for (unsigned at = 0; at < POLICY_HOT; at += CACHE_LINE)
        __builtin_prefetch((const char *)p + at);
    if (dir == XFRM_OUT) return;
    __builtin_prefetch(tmpl);
    __builtin_prefetch(tmpl + CACHE_LINE);
}

bool policy_goes_before(const struct policy *a, const struct policy *b)
{
    return !b || rule_goes_before(&a->exact, &b->exact);
}

// ---- change ----

static uint64_t hash_bytes(const struct spd *s, const void *bytes, size_t n)
{
    uint64_t w[8] = {0};
    memcpy(w, bytes, n < sizeof w ? n : sizeof w);
    return hash_words(&s->hash_key, w, sizeof w / sizeof w[0]);
}

static uint64_t index_hash(const struct spd *s, uint32_t index)
{
    return hash_bytes(s, &index, sizeof index);
}

// Of what tells policies apart, most: the rest is compared.
static uint64_t id_hash(const struct spd *s, const struct xfrm_selector *sel, uint8_t dir,
                        uint32_t mark, uint32_t if_id)
{
    struct {
        uint8_t src[16], dst[16];
        uint16_t sport, dport;
        uint32_t mark, if_id, ifindex;
        uint8_t src_len, dst_len, proto, dir;
    } id = {.sport = sel->sport,
            .dport = sel->dport,
            .mark = mark,
            .if_id = if_id,
            .ifindex = (uint32_t)sel->ifindex,
            .src_len = sel->src.len,
            .dst_len = sel->dst.len,
            .proto = sel->proto,
            .dir = dir};
    memcpy(id.src, sel->src.ip.b, 16);
    memcpy(id.dst, sel->dst.ip.b, 16);
    return hash_bytes(s, &id, sizeof id);
}

static uint64_t policy_hash(const struct spd *s, const struct policy *p)
{
    return id_hash(s, &p->conf.sel, p->conf.dir, p->conf.mark.value, p->conf.if_id);
}

// A packet could match it by its addresses and ports.
static err_t list(struct spd *s, struct policy *p)
{
    const struct xfrm_policy *c = &p->conf;
    struct rule_want want = {.sel = &c->sel, .mark = c->mark, .if_id = c->if_id, .dir = c->dir};
    want.strict = policy_is_bypass(p);
    TRY(rules_add(s->exact, &p->exact, &want));
    p->listed = true;
    if (c->dir == XFRM_OUT && c->flags & XFRM_POLICY_FLOWS) {
        want.mark = (struct xfrm_mark){0};
        TRY(rules_add(s->flows, &p->flow, &want));
        p->flows = true;
    }
    if (policy_is_bypass(p) || !(c->sel.sport_mask | c->sel.dport_mask)) return ERR_OK;
    want.no_ports = true;
    TRY(rules_add(s->guard, &p->guard, &want));
    p->guards = true;
    return ERR_OK;
}

static void count_device(struct spd *s, const struct xfrm_policy *c, uint32_t more)
{
    if (c->dir == XFRM_OUT && c->sel.ifindex)
        __atomic_store_n(&s->devices, s->devices + more, __ATOMIC_RELAXED);
}

static void unlist(struct spd *s, struct policy *p)
{
    if (p->listed) rules_del(s->exact, &p->exact);
    if (p->guards) rules_del(s->guard, &p->guard);
    if (p->flows) rules_del(s->flows, &p->flow);
    p->listed = p->guards = p->flows = false;
}

// Policies of type sub (1) go before all of type main (0), as in the kernel.
static uint64_t rank_of(const struct xfrm_policy *c)
{
    return (uint64_t)(c->type == 0) << 32 | c->priority;
}

err_t spd_add(struct spd *s, struct policy *p, const struct policy *old)
{
    uint64_t rank = rank_of(&p->conf);
    bool inherits = old && old->exact.rank == rank;
    TRY(htab_reserve(&s->by_index));
    TRY(htab_reserve(&s->by_id));
    p->serial = s->next_age++;
    p->exact.age = p->guard.age = p->flow.age = inherits ? old->exact.age : p->serial;
    p->exact.rank = p->guard.rank = p->flow.rank = rank;
    err_t e = list(s, p);
    if (e != ERR_OK) {
        unlist(s, p);
        return e;
    }
    htab_add(&s->by_index, index_hash(s, p->conf.index), p);
    htab_add(&s->by_id, policy_hash(s, p), p);
    cds_list_add(&p->all, &s->all);
    s->count[p->conf.dir]++;
    count_device(s, &p->conf, 1);
    return ERR_OK;
}

err_t spd_take_place(struct spd *s, struct policy *old, struct policy *p)
{
    TRY(spd_add(s, p, old));
    cds_list_move(&p->all, &old->all);
    return ERR_OK;
}

void spd_del(struct spd *s, struct policy *p)
{
    unlist(s, p);
    htab_del(&s->by_index, index_hash(s, p->conf.index), p);
    htab_del(&s->by_id, policy_hash(s, p), p);
    cds_list_del(&p->all);
    s->count[p->conf.dir]--;
    count_device(s, &p->conf, UINT32_MAX);
}

// ---- the control thread's questions ----

static struct policy *by_index(const struct spd *s, uint32_t index)
{
    struct htab_walk w = htab_begin(&s->by_index, index_hash(s, index));
    struct policy *p;
    while ((p = htab_next(&w)) && p->conf.index != index) continue;
    return p;
}

static bool is_meant(const struct policy *p, const struct xfrm_policy_id *id)
{
    const struct xfrm_policy *c = &p->conf;
    return c->dir == id->dir && c->type == id->type && c->if_id == id->if_id &&
           c->mark.value == id->mark.value && c->mark.mask == id->mark.mask;
}

static struct policy *by_selector(const struct spd *s, const struct xfrm_policy_id *id)
{
    uint64_t hash = id_hash(s, &id->sel, id->dir, id->mark.value, id->if_id);
    struct htab_walk w = htab_begin(&s->by_id, hash);
    struct policy *p;
    while ((p = htab_next(&w))) {
        if (is_meant(p, id) && xfrm_selector_eq(&p->conf.sel, &id->sel)) break;
    }
    return p;
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
