#include "xfrm/db/rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "crypto/rng.h"

#define ADDRESS_WORDS 4 // IPv6 source and destination; IPv4 has both in the first
#define HINT_TUPLES 32  // more would push each other out of the cache again
#define ID_BITS 24      // of a tuple, in a key

// Which bits of a packet are looked at.
struct tuple {
    uint64_t mask[ADDRESS_WORDS];
    uint64_t best; // no rule here has a smaller rank (atomic)
    uint32_t id;
    uint32_t mark_mask;
    uint32_t device; // of the selectors; 0: any
    uint16_t sport_mask, dport_mask;
    uint8_t family; // AF_UNSPEC: rules that take any
    uint8_t src_len, dst_len;
    bool proto, strict;
    uint32_t count; // control thread
};

// The tuples of one direction; replaced as a whole when one comes or goes.
struct tuples {
    struct rcu_head rcu;
    unsigned n;
    struct tuple t[];
};

struct rules {
    struct tuples *tuples[XFRM_DIRS]; // rcu; NULL: none
    struct htab table;
    struct hash_key hash_key;
    uint32_t next_id;
};

struct rules *rules_new(void)
{
    struct rules *rs = calloc(1, sizeof *rs);
    if (!rs) return NULL;
    rng_fill(&rs->hash_key, sizeof rs->hash_key);
    if (htab_init(&rs->table) == ERR_OK) return rs;
    free(rs);
    return NULL;
}

void rules_free(struct rules *rs)
{
    if (!rs) return;
    htab_done(&rs->table);
    for (unsigned d = 0; d < XFRM_DIRS; d++) free(rs->tuples[d]);
    free(rs);
}

// ---- keys ----

// Addresses as words, in whatever byte order the machine has: masks are made the same way.
static void address_words(const ip_t *src, const ip_t *dst, bool v6, uint64_t w[ADDRESS_WORDS])
{
    uint8_t bytes[ADDRESS_WORDS * 8] = {0};
    unsigned len = v6 ? 16 : 4;
    memcpy(bytes, src->b, len);
    memcpy(bytes + len, dst->b, len);
    memcpy(w, bytes, sizeof bytes);
}

static void mask_bytes(uint8_t *at, unsigned bits)
{
    memset(at, 0xff, bits / 8);
    if (bits % 8) at[bits / 8] = (uint8_t)(0xff00 >> bits % 8);
}

static void mask_words(struct tuple *t)
{
    uint8_t bytes[ADDRESS_WORDS * 8] = {0};
    mask_bytes(bytes, t->src_len);
    mask_bytes(bytes + (t->family == AF_INET6 ? 16 : 4), t->dst_len);
    memcpy(t->mask, bytes, sizeof bytes);
}

// What stands in a key behind the addresses.
struct tail {
    uint32_t mark, if_id;
    uint16_t sport, dport;
    uint8_t proto;
};

static inline unsigned key_words(const struct tuple *t)
{
    return t->family == AF_INET6 ? RULE_WORDS : RULE_WORDS_V4;
}

static inline void key_make(struct rule_key *k, const struct tuple *t,
                            const uint64_t address[ADDRESS_WORDS], const struct tail *tail)
{
    uint64_t proto = t->proto ? tail->proto : 0;
    k->w[0] = address[0] & t->mask[0];
    k->w[1] = (uint64_t)t->id << 40 | proto << 32 | tail->if_id;
    k->w[2] = (uint64_t)(tail->sport & t->sport_mask) << 48 |
              (uint64_t)(tail->dport & t->dport_mask) << 32 | tail->mark;
    if (t->family != AF_INET6) return;
    for (unsigned i = 1; i < ADDRESS_WORDS; i++) k->w[2 + i] = address[i] & t->mask[i];
}

static inline bool key_eq(const struct rule_key *a, const struct rule_key *b, unsigned words)
{
    uint64_t differ = 0;
    for (unsigned i = 0; i < words; i++) differ |= a->w[i] ^ b->w[i];
    return differ == 0;
}

static inline uint64_t key_hash(const struct rules *rs, const struct rule_key *k, unsigned words)
{
    return hash_words(&rs->hash_key, k->w, words);
}

static struct rule *first_of(const struct rules *rs, const struct rule_key *k, unsigned words)
{
    struct htab_walk w = htab_begin(&rs->table, key_hash(rs, k, words));
    struct rule *r;
    while ((r = htab_next(&w)) && !key_eq(&r->key, k, words)) continue;
    return r;
}

// ---- lookup ----

static inline struct rule_key key_asked(const struct tuple *t, const struct rule_ask *ask,
                                        const uint64_t address[ADDRESS_WORDS])
{
    const struct flow *f = ask->flow;
    const struct tail tail = {ask->mark & t->mark_mask, ask->if_id, f->sport, f->dport, f->proto};
    struct rule_key k;
    key_make(&k, t, address, &tail);
    return k;
}

static inline bool tuple_may(const struct tuple *t, const struct flow *f)
{
    if (t->family && t->family != f->src.family) return false;
    // rfc4301 7.4: without its ports a fragment cannot prove that it belongs here
    return !f->fragment || !(t->sport_mask | t->dport_mask);
}

static inline bool device_may(const struct tuple *t, const struct rule_ask *ask)
{
    if (t->device == 0 || t->device == ask->device) return true;
    return ask->device == 0 && !t->strict;
}

struct rule *rules_find(const struct rules *rs, const struct rule_ask *ask)
{
    const struct tuples *ts = rcu_dereference(rs->tuples[ask->dir]);
    struct rule *best = NULL;
    uint64_t address[ADDRESS_WORDS];
    if (!ts) return NULL;
    address_words(&ask->flow->src, &ask->flow->dst, ask->flow->src.family == AF_INET6, address);
    for (unsigned i = 0; i < ts->n; i++) {
        const struct tuple *t = &ts->t[i];
        if (!tuple_may(t, ask->flow) || !device_may(t, ask)) continue;
        if (best && __atomic_load_n(&t->best, __ATOMIC_RELAXED) > best->rank) continue;
        const struct rule_key k = key_asked(t, ask, address);
        struct rule *r = first_of(rs, &k, key_words(t));
        if (r && (!best || rule_goes_before(r, best))) best = r;
    }
    return best;
}

// The buckets of all tuples; the last hash is a hint if there is but one.
uint64_t rules_hint(const struct rules *rs, const struct rule_ask *ask)
{
    const struct tuples *ts = rcu_dereference(rs->tuples[ask->dir]);
    uint64_t address[ADDRESS_WORDS], hash = 0;
    if (!ts || ts->n > HINT_TUPLES) return 0;
    address_words(&ask->flow->src, &ask->flow->dst, ask->flow->src.family == AF_INET6, address);
    for (unsigned i = 0; i < ts->n; i++) {
        const struct tuple *t = &ts->t[i];
        if (!tuple_may(t, ask->flow)) continue;
        const struct rule_key k = key_asked(t, ask, address);
        hash = key_hash(rs, &k, key_words(t));
        htab_prefetch(&rs->table, hash);
    }
    return ts->n == 1 ? hash : 0;
}

const struct rule *rules_hint_more(const struct rules *rs, uint64_t hint)
{
    if (hint == 0) return NULL;
    struct htab_walk w = htab_begin(&rs->table, hint);
    return htab_next(&w);
}

// ---- tuples ----

static void tuples_reclaim(struct rcu_head *head)
{
    free(rcu_reclaimed(head, struct tuples, rcu));
}

static void tuples_publish(struct rules *rs, unsigned dir, struct tuples *fresh)
{
    struct tuples *old = rcu_xchg_pointer(&rs->tuples[dir], fresh);
    if (old) call_rcu(&old->rcu, tuples_reclaim);
}

static struct tuples *tuples_alloc(unsigned n)
{
    struct tuples *ts = calloc(1, sizeof *ts + n * sizeof ts->t[0]);
    if (ts) ts->n = n;
    return ts;
}

static struct tuple tuple_of(const struct rule_want *want)
{
    const struct xfrm_selector *s = want->sel;
    bool any = s->family == AF_UNSPEC;
    struct tuple t = {
        .mark_mask = want->mark.mask,
        .device = (uint32_t)s->ifindex,
        .strict = want->strict,
        .sport_mask = want->no_ports ? 0 : s->sport_mask,
        .dport_mask = want->no_ports ? 0 : s->dport_mask,
        .family = (uint8_t)s->family,
        .src_len = any ? 0 : s->src.len,
        .dst_len = any ? 0 : s->dst.len,
        .proto = s->proto != 0,
    };
    mask_words(&t);
    return t;
}

static bool tuple_alike(const struct tuple *a, const struct tuple *b)
{
    return a->family == b->family && a->src_len == b->src_len && a->dst_len == b->dst_len &&
           a->proto == b->proto && a->sport_mask == b->sport_mask &&
           a->dport_mask == b->dport_mask && a->mark_mask == b->mark_mask &&
           a->device == b->device && a->strict == b->strict;
}

static struct tuple *tuple_like(struct tuples *ts, const struct tuple *like)
{
    for (unsigned i = 0; ts && i < ts->n; i++) {
        if (tuple_alike(&ts->t[i], like)) return &ts->t[i];
    }
    return NULL;
}

static struct tuple *tuple_by_id(struct tuples *ts, uint32_t id)
{
    for (unsigned i = 0; ts && i < ts->n; i++) {
        if (ts->t[i].id == id) return &ts->t[i];
    }
    return NULL;
}

static bool id_in_use(const struct rules *rs, uint32_t id)
{
    for (unsigned d = 0; d < XFRM_DIRS; d++) {
        if (tuple_by_id(rs->tuples[d], id)) return true;
    }
    return false;
}

static uint32_t id_choose(struct rules *rs)
{
    do {
        rs->next_id = (rs->next_id + 1) & ((1U << ID_BITS) - 1);
    } while (id_in_use(rs, rs->next_id));
    return rs->next_id;
}

// The tuple for a rule like this, with the rule counted. NULL when out of memory.
static const struct tuple *tuple_join(struct rules *rs, const struct rule_want *want, uint64_t best)
{
    struct tuples *old = rs->tuples[want->dir];
    struct tuple like = tuple_of(want), *t = tuple_like(old, &like);
    if (t) {
        t->count++;
        if (best < t->best) __atomic_store_n(&t->best, best, __ATOMIC_RELAXED);
        return t;
    }
    unsigned n = old ? old->n : 0;
    struct tuples *fresh = tuples_alloc(n + 1);
    if (!fresh) return NULL;
    if (n) memcpy(fresh->t, old->t, n * sizeof old->t[0]);
    like.id = id_choose(rs);
    like.best = best;
    like.count = 1;
    fresh->t[n] = like;
    tuples_publish(rs, want->dir, fresh);
    return &fresh->t[n];
}

// An empty tuple goes. If there is no memory for the shorter list it stays, which costs readers a
// fruitless look and nothing else.
static void tuple_leave(struct rules *rs, uint8_t dir, uint32_t id)
{
    struct tuples *old = rs->tuples[dir];
    struct tuple *t = tuple_by_id(old, id);
    if (!t || --t->count > 0) return;
    struct tuples *fresh = tuples_alloc(old->n - 1);
    if (!fresh) return;
    unsigned k = 0;
    for (unsigned i = 0; i < old->n; i++) {
        if (&old->t[i] != t) fresh->t[k++] = old->t[i];
    }
    tuples_publish(rs, dir, fresh);
}

unsigned rules_tuples(const struct rules *rs, uint8_t dir)
{
    return rs->tuples[dir] ? rs->tuples[dir]->n : 0;
}

// ---- change ----

static bool less(const struct heap_node *a, const struct heap_node *b)
{
    return rule_goes_before(caa_container_of(a, struct rule, shadow),
                            caa_container_of(b, struct rule, shadow));
}

static struct rule *root_of(const struct heap *h)
{
    return h->root ? caa_container_of(h->root, struct rule, shadow) : NULL;
}

static struct rule_key key_wanted(const struct rule_want *want, const struct tuple *t)
{
    const struct xfrm_selector *s = want->sel;
    const struct tail tail = {want->mark.value, want->if_id, s->sport, s->dport, s->proto};
    uint64_t address[ADDRESS_WORDS] = {0};
    struct rule_key k = {{0}};
    if (s->family) address_words(&s->src.ip, &s->dst.ip, s->family == AF_INET6, address);
    key_make(&k, t, address, &tail);
    return k;
}

err_t rules_add(struct rules *rs, struct rule *r, const struct rule_want *want)
{
    TRY(htab_reserve(&rs->table));
    const struct tuple *t = tuple_join(rs, want, r->rank);
    if (!t) return ERR_NOMEM;
    unsigned words = key_words(t);
    r->key = key_wanted(want, t);
    r->tuple = t->id;
    r->dir = want->dir;
    r->words = (uint8_t)words;

    uint64_t hash = key_hash(rs, &r->key, words);
    struct rule *before = first_of(rs, &r->key, words);
    struct heap h = {before ? &before->shadow : NULL};
    heap_add(&h, &r->shadow, less);
    if (!before)
        htab_add(&rs->table, hash, r);
    else if (root_of(&h) != before)
        htab_swap(&rs->table, hash, before, r);
    return ERR_OK;
}

void rules_del(struct rules *rs, struct rule *r)
{
    uint64_t hash = key_hash(rs, &r->key, r->words);
    struct rule *first = first_of(rs, &r->key, r->words);
    struct heap h = {&first->shadow};
    heap_del(&h, &r->shadow, less);
    if (!h.root)
        htab_del(&rs->table, hash, r);
    else if (root_of(&h) != first)
        htab_swap(&rs->table, hash, first, root_of(&h));
    tuple_leave(rs, r->dir, r->tuple);
}
