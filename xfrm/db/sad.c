#include "xfrm/db/sad.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/htab.h"
#include "crypto/rng.h"

#define LARGE 256 // SAs; with all that belongs to them the size of a core's own cache

struct sad {
    struct htab by_spi;
    struct htab by_ends;      // companions
    struct htab by_seq;       // larval SAs with a number
    struct htab by_need;      // larval SAs without an SPI
    struct hash_key hash_key; // a peer chooses the SPIs of our outbound SAs
    struct lanes *lanes;
    uint32_t count, plain;
    uint64_t next_age;
    struct cds_list_head all;
    struct cds_list_head covers; // rcu
};

struct sad *sad_new(void)
{
    struct sad *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    rng_fill(&s->hash_key, sizeof s->hash_key);
    CDS_INIT_LIST_HEAD(&s->all);
    CDS_INIT_LIST_HEAD(&s->covers);
    s->lanes = lanes_new();
    bool made = htab_init(&s->by_spi) == ERR_OK && htab_init(&s->by_ends) == ERR_OK &&
                htab_init(&s->by_seq) == ERR_OK && htab_init(&s->by_need) == ERR_OK;
    if (s->lanes && made) return s;
    sad_free(s);
    return NULL;
}

void sad_free(struct sad *s)
{
    if (!s) return;
    struct sa *sa, *next;
    cds_list_for_each_entry_safe(sa, next, &s->all, all) sad_del(s, sa);
    htab_done(&s->by_spi);
    htab_done(&s->by_ends);
    htab_done(&s->by_seq);
    htab_done(&s->by_need);
    lanes_free(s->lanes);
    free(s);
}

// ---- lookup ----

static inline uint64_t sad_hash(const struct sad *s, const ip_t *daddr, uint32_t spi, uint8_t proto)
{
    uint64_t w[3] = {(uint64_t)spi << 32 | (uint32_t)proto << 16 | daddr->family};
    memcpy(&w[1], daddr->b, sizeof daddr->b);
    return hash_words(&s->hash_key, w, daddr->family == AF_INET6 ? 3 : 2);
}

static bool sa_meets(const struct sa *sa, const ip_t *daddr, uint32_t spi, uint8_t proto,
                     uint32_t mark)
{
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    return x->spi == spi && x->proto == proto && (mark & x->mark.mask) == x->mark.value &&
           ip_eq(&x->daddr, daddr);
}

struct sa *sad_find(const struct sad *s, const ip_t *daddr, uint32_t spi, uint8_t proto,
                    uint32_t mark)
{
    struct htab_walk w = htab_begin(&s->by_spi, sad_hash(s, daddr, spi, proto));
    struct sa *sa, *best = NULL;
    while ((sa = htab_next(&w))) {
        // only SAs of overlapping marks can be several: then the newest, as in the kernel
        if (sa_meets(sa, daddr, spi, proto, mark) && (!best || sa->age > best->age)) best = sa;
    }
    return best;
}

struct sa *sad_find_sent(const struct sad *s, const ip_t *daddr, uint32_t spi, uint8_t proto)
{
    struct htab_walk w = htab_begin(&s->by_spi, sad_hash(s, daddr, spi, proto));
    struct sa *sa, *best = NULL;
    while ((sa = htab_next(&w))) {
        const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
        if (x->spi != spi || x->proto != proto || !ip_eq(&x->daddr, daddr)) continue;
        if (!best || sa->age > best->age) best = sa;
    }
    return best;
}

uint64_t sad_hint(const struct sad *s, const ip_t *daddr, uint32_t spi, uint8_t proto)
{
    uint64_t hash = sad_hash(s, daddr, spi, proto);
    htab_prefetch(&s->by_spi, hash);
    return hash;
}

const struct sa *sad_hint_more(const struct sad *s, uint64_t hint)
{
    struct htab_walk w = htab_begin(&s->by_spi, hint);
    const struct sa *sa = htab_next(&w);
    if (sa) sa_hint(sa);
    return sa;
}

bool sad_is_large(const struct sad *s)
{
    return __atomic_load_n(&s->count, __ATOMIC_RELAXED) >= LARGE;
}

static uint64_t ends_hash(const struct sad *s, const ip_t *saddr, const ip_t *daddr)
{
    uint64_t w[4];
    memcpy(&w[0], saddr->b, sizeof saddr->b);
    memcpy(&w[2], daddr->b, sizeof daddr->b);
    return hash_words(&s->hash_key, w, 4);
}

struct sa *sad_find_plain(const struct sad *s, const ip_t *saddr, const ip_t *daddr, uint32_t mark)
{
    struct htab_walk w = htab_begin(&s->by_ends, ends_hash(s, saddr, daddr));
    struct sa *sa, *best = NULL;
    while ((sa = htab_next(&w))) {
        const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
        bool meets = (mark & x->mark.mask) == x->mark.value && ip_eq(&x->daddr, daddr) &&
                     ip_eq(&x->saddr, saddr);
        if (meets && (!best || sa->age > best->age)) best = sa;
    }
    return best;
}

struct sa *sad_get(const struct sad *s, const struct xfrm_sa_id *id)
{
    struct sa *sa = sad_find(s, &id->daddr, id->spi, id->proto, id->mark.value & id->mark.mask);
    if (!sa || id->saddr.family == AF_UNSPEC) return sa;
    return ip_eq(&id->saddr, &sa->conf->x.saddr) ? sa : NULL;
}

struct xfrm_sa_id sad_id(const struct xfrm_sa *x)
{
    return (struct xfrm_sa_id){
        .daddr = x->daddr, .spi = x->spi, .proto = x->proto, .mark = x->mark};
}

// ---- larval SAs ----

static uint64_t seq_hash(const struct sad *s, const struct xfrm_sa *x)
{
    return sad_hash(s, &x->daddr, x->seq, x->proto);
}

static uint64_t need_hash(const struct sad *s, const struct xfrm_sa *x)
{
    uint64_t w[6] = {(uint64_t)x->reqid << 32 | (uint32_t)x->proto << 8 | x->mode,
                     (uint64_t)x->if_id << 32 | x->pcpu};
    memcpy(&w[2], x->saddr.b, sizeof x->saddr.b);
    memcpy(&w[4], x->daddr.b, sizeof x->daddr.b);
    return hash_words(&s->hash_key, w, 6);
}

struct sa *sad_larval_of(const struct sad *s, const struct xfrm_sa *x)
{
    struct htab_walk w = htab_begin(&s->by_seq, seq_hash(s, x));
    struct sa *sa;
    while ((sa = htab_next(&w))) {
        const struct xfrm_sa *l = &sa->conf->x;
        if (l->seq == x->seq && l->proto == x->proto && ip_eq(&l->daddr, &x->daddr)) return sa;
    }
    return NULL;
}

static bool same_need(const struct xfrm_sa *l, const struct xfrm_sa *x)
{
    return l->mode == x->mode && l->reqid == x->reqid && l->proto == x->proto &&
           l->if_id == x->if_id && l->pcpu == x->pcpu &&
           (x->mark.value & l->mark.mask) == l->mark.value && ip_eq(&l->daddr, &x->daddr) &&
           ip_eq(&l->saddr, &x->saddr);
}

struct sa *sad_larval_like(const struct sad *s, const struct xfrm_sa *x)
{
    struct htab_walk w = htab_begin(&s->by_need, need_hash(s, x));
    struct sa *sa, *best = NULL;
    while ((sa = htab_next(&w))) {
        if (same_need(&sa->conf->x, x) && (!best || sa->age > best->age)) best = sa;
    }
    return best;
}

static err_t larval_reserve(struct sad *s)
{
    TRY(htab_reserve(&s->by_seq));
    return htab_reserve(&s->by_need);
}

static void larval_add(struct sad *s, struct sa *sa)
{
    const struct xfrm_sa *x = &sa->conf->x;
    if (x->seq) htab_add(&s->by_seq, seq_hash(s, x), sa);
    if (!x->spi) htab_add(&s->by_need, need_hash(s, x), sa);
}

static void larval_del(struct sad *s, const struct sa *sa)
{
    const struct xfrm_sa *x = &sa->conf->x;
    if (x->seq) htab_del(&s->by_seq, seq_hash(s, x), sa);
    if (!x->spi) htab_del(&s->by_need, need_hash(s, x), sa);
}

// ---- change ----

static err_t sad_add_to_lane(struct sad *s, struct sa *sa)
{
    const struct xfrm_sa *x = &sa->conf->x;
    struct lane_key key = {
        .daddr = x->daddr, .reqid = x->reqid, .proto = x->proto, .mode = x->mode};
    sa->lane = lane_get(s->lanes, &key);
    if (!sa->lane) return ERR_NOMEM;
    lane_add(sa->lane, sa);
    return ERR_OK;
}

// None of this changes in an SA's life.
static bool wants_cover(const struct sa *sa)
{
    const struct xfrm_sa *x = &sa->conf->x;
    if (sa->larval || x->proto != XFRM_PROTO_ESP || x->mode != XFRM_TUNNEL) return false;
    return x->tfcpad && x->dir != XFRM_SA_IN;
}

static void sad_enter_table(struct sad *s, struct sa *sa)
{
    const struct xfrm_sa *x = &sa->conf->x;
    if (sa_is_plain(x)) {
        htab_add(&s->by_ends, ends_hash(s, &x->saddr, &x->daddr), sa);
        s->plain++;
    } else if (x->spi) {
        htab_add(&s->by_spi, sad_hash(s, &x->daddr, x->spi, x->proto), sa);
    }
}

err_t sad_add(struct sad *s, struct sa *sa)
{
    TRY(htab_reserve(sa_is_plain(&sa->conf->x) ? &s->by_ends : &s->by_spi));
    if (sa->larval) TRY(larval_reserve(s));
    // no policy asks for a companion by name
    if (!sa->larval && !sa_is_plain(&sa->conf->x)) TRY(sad_add_to_lane(s, sa));
    cds_list_add(&sa->all, &s->all);
    if (sa->larval) larval_add(s, sa);
    if (wants_cover(sa)) cds_list_add_rcu(&sa->in_covers, &s->covers);
    sa->age = s->next_age++;
    sad_enter_table(s, sa);
    __atomic_store_n(&s->count, s->count + 1, __ATOMIC_RELAXED);
    return ERR_OK;
}

void sad_del(struct sad *s, struct sa *sa)
{
    (void)sa_raise(&sa->dead); // packets of this very burst stop using it, too
    const struct xfrm_sa *x = &sa->conf->x;
    if (sa_is_plain(x)) {
        htab_del(&s->by_ends, ends_hash(s, &x->saddr, &x->daddr), sa);
        s->plain--;
    } else if (x->spi) {
        htab_del(&s->by_spi, sad_hash(s, &x->daddr, x->spi, x->proto), sa);
    }
    if (sa->larval) larval_del(s, sa);
    if (wants_cover(sa)) cds_list_del_rcu(&sa->in_covers);
    if (sa->lane) {
        lane_del(sa);
        lane_put(s->lanes, sa->lane);
    }
    cds_list_del(&sa->all);
    __atomic_store_n(&s->count, s->count - 1, __ATOMIC_RELAXED);
    sa_free(sa);
}

// ---- the rest ----

uint32_t sad_count(const struct sad *s)
{
    return s->count;
}

uint32_t sad_count_plain(const struct sad *s)
{
    return s->plain;
}

struct lanes *sad_lanes(const struct sad *s)
{
    return s->lanes;
}

const struct cds_list_head *sad_covers(const struct sad *s)
{
    return &s->covers;
}

struct cds_list_head *sad_all(struct sad *s)
{
    return &s->all;
}
