#include "xfrm/db/sad.h"

#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "crypto/rng.h"

#define BUCKETS 64

struct sad {
    struct cds_lfht *by_spi;
    struct cds_lfht *by_ends; // companions; sa->by_spi is the node, too
    uint8_t hash_key[16];     // a peer chooses the SPIs of our outbound SAs
    struct lanes *lanes;
    uint32_t count, plain;
    struct cds_list_head all, larvals;
};

struct sad_key {
    const ip_t *daddr;
    uint32_t spi, mark;
    uint8_t proto;
};

struct sad *sad_new(void)
{
    struct sad *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    rng_fill(s->hash_key, sizeof s->hash_key);
    CDS_INIT_LIST_HEAD(&s->all);
    CDS_INIT_LIST_HEAD(&s->larvals);
    s->lanes = lanes_new();
    s->by_spi = cds_lfht_new(BUCKETS, BUCKETS, 0, CDS_LFHT_AUTO_RESIZE, NULL);
    s->by_ends = cds_lfht_new(BUCKETS, BUCKETS, 0, CDS_LFHT_AUTO_RESIZE, NULL);
    if (s->lanes && s->by_spi && s->by_ends) return s;
    sad_free(s);
    return NULL;
}

void sad_free(struct sad *s)
{
    if (!s) return;
    struct sa *sa, *next;
    cds_list_for_each_entry_safe(sa, next, &s->all, all) sad_del(s, sa);
    if (s->by_spi) (void)cds_lfht_destroy(s->by_spi, NULL);
    if (s->by_ends) (void)cds_lfht_destroy(s->by_ends, NULL);
    lanes_free(s->lanes);
    free(s);
}

// ---- lookup ----

static unsigned long sad_hash(const struct sad *s, const struct sad_key *k)
{
    uint8_t bytes[16 + 4 + 2];
    memcpy(bytes, k->daddr->b, 16);
    put32(bytes + 16, k->spi);
    bytes[20] = (uint8_t)k->daddr->family;
    bytes[21] = k->proto;
    return siphash(s->hash_key, bytes, sizeof bytes);
}

static int sad_match(struct cds_lfht_node *node, const void *key)
{
    const struct sa *sa = caa_container_of(node, struct sa, by_spi);
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    const struct sad_key *k = key;
    return x->spi == k->spi && x->proto == k->proto && (k->mark & x->mark.mask) == x->mark.value &&
           ip_eq(&x->daddr, k->daddr);
}

struct sa *sad_find(const struct sad *s, const ip_t *daddr, uint32_t spi, uint8_t proto,
                    uint32_t mark)
{
    struct sad_key key = {.daddr = daddr, .spi = spi, .mark = mark, .proto = proto};
    struct cds_lfht_iter it;
    cds_lfht_lookup(s->by_spi, sad_hash(s, &key), sad_match, &key, &it);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&it);
    return node ? caa_container_of(node, struct sa, by_spi) : NULL;
}

struct ends_key {
    const ip_t *saddr, *daddr;
    uint32_t mark;
};

static unsigned long ends_hash(const struct sad *s, const struct ends_key *k)
{
    uint8_t bytes[2 * 16 + 1];
    memcpy(bytes, k->saddr->b, 16);
    memcpy(bytes + 16, k->daddr->b, 16);
    bytes[32] = (uint8_t)k->daddr->family;
    return siphash(s->hash_key, bytes, sizeof bytes);
}

static int ends_match(struct cds_lfht_node *node, const void *key)
{
    const struct sa *sa = caa_container_of(node, struct sa, by_spi);
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    const struct ends_key *k = key;
    return (k->mark & x->mark.mask) == x->mark.value && ip_eq(&x->daddr, k->daddr) &&
           ip_eq(&x->saddr, k->saddr);
}

struct sa *sad_find_plain(const struct sad *s, const ip_t *saddr, const ip_t *daddr, uint32_t mark)
{
    const struct ends_key key = {saddr, daddr, mark};
    struct cds_lfht_iter it;
    cds_lfht_lookup(s->by_ends, ends_hash(s, &key), ends_match, &key, &it);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&it);
    return node ? caa_container_of(node, struct sa, by_spi) : NULL;
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

static void sad_enter_table(struct sad *s, struct sa *sa)
{
    const struct xfrm_sa *x = &sa->conf->x;
    const struct sad_key key = {.daddr = &x->daddr, .spi = x->spi, .proto = x->proto};
    const struct ends_key ends = {&x->saddr, &x->daddr, 0};
    cds_lfht_node_init(&sa->by_spi);
    if (sa_is_plain(x)) {
        cds_lfht_add(s->by_ends, ends_hash(s, &ends), &sa->by_spi);
        s->plain++;
    } else if (x->spi) {
        cds_lfht_add(s->by_spi, sad_hash(s, &key), &sa->by_spi);
    }
}

err_t sad_add(struct sad *s, struct sa *sa)
{
    // no policy asks for a companion by name
    if (!sa->larval && !sa_is_plain(&sa->conf->x)) TRY(sad_add_to_lane(s, sa));
    cds_list_add(&sa->all, &s->all);
    if (sa->larval) cds_list_add(&sa->larvals, &s->larvals);
    sad_enter_table(s, sa);
    s->count++;
    return ERR_OK;
}

void sad_del(struct sad *s, struct sa *sa)
{
    (void)sa_raise(&sa->dead); // packets of this very burst stop using it, too
    bool plain = sa_is_plain(&sa->conf->x);
    if (plain || sa->conf->x.spi) (void)cds_lfht_del(plain ? s->by_ends : s->by_spi, &sa->by_spi);
    s->plain -= plain;
    if (sa->larval) cds_list_del(&sa->larvals);
    if (sa->lane) {
        lane_del(sa);
        lane_put(s->lanes, sa->lane);
    }
    cds_list_del(&sa->all);
    s->count--;
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

struct cds_list_head *sad_all(struct sad *s)
{
    return &s->all;
}

struct cds_list_head *sad_larvals(struct sad *s)
{
    return &s->larvals;
}
