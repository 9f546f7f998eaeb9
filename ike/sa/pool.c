#include "ike/sa/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "ike/sa/pool_store.h"

static uint64_t owner_hash(const struct pools *p, const struct id *id)
{
    uint8_t buf[1 + ID_MAX];
    buf[0] = id->type;
    memcpy(buf + 1, id->data, id->len);
    return siphash(p->key, buf, 1U + id->len) % POOL_BUCKETS;
}

static uint64_t ip_hash(const struct pools *p, const ip_t *ip)
{
    return siphash(p->key, ip, sizeof *ip) % POOL_BUCKETS;
}

static bool is_of(const struct lease *l, const struct id *who)
{
    return l->who_type == who->type && l->who_len == who->len &&
           memcmp(l->who, who->data, who->len) == 0;
}

// ---- the list of idle leases of a pool, the one idle longest first ----

static void idle_add(struct lease *l)
{
    struct pool *p = l->pool;
    l->older = p->idle_last;
    l->newer = NULL;
    *(p->idle_last ? &p->idle_last->newer : &p->idle) = l;
    p->idle_last = l;
    p->offline++;
}

static void idle_remove(struct lease *l)
{
    struct pool *p = l->pool;
    *(l->older ? &l->older->newer : &p->idle) = l->newer;
    *(l->newer ? &l->newer->older : &p->idle_last) = l->older;
    p->offline--;
}

// ---- leases ----

struct lease *lease_make(struct pools *p, struct pool *pool, const ip_t *ip, const struct id *who)
{
    struct lease *l = calloc(1, sizeof *l + who->len);
    if (!l) return NULL;
    l->pool = pool;
    l->ip = *ip;
    l->who_type = who->type;
    l->who_len = who->len;
    memcpy(l->who, who->data, who->len);
    struct lease **by_ip = &p->by_ip[ip_hash(p, ip)], **by_id = &p->by_id[owner_hash(p, who)];
    l->ip_next = *by_ip;
    *by_ip = l;
    l->id_next = *by_id;
    *by_id = l;
    idle_add(l);
    p->version++;
    return l;
}

static struct id id_of(const struct lease *l)
{
    struct id id = {.type = l->who_type, .len = l->who_len};
    memcpy(id.data, l->who, l->who_len);
    return id;
}

static void pool_drop_if_gone(struct pools *p, struct pool *pool)
{
    if (!pool->gone || pool->online || pool->offline) return;
    struct pool **at = &p->first;
    while (*at != pool) at = &(*at)->next;
    *at = pool->next;
    free(pool->name);
    free(pool);
}

static void lease_drop(struct pools *p, struct lease *l)
{
    const struct id who = id_of(l);
    struct lease **at = &p->by_ip[ip_hash(p, &l->ip)];
    while (*at != l) at = &(*at)->ip_next;
    *at = l->ip_next;
    at = &p->by_id[owner_hash(p, &who)];
    while (*at != l) at = &(*at)->id_next;
    *at = l->id_next;
    idle_remove(l);
    free(l);
    p->version++;
}

struct lease *lease_at(const struct pools *p, const ip_t *ip)
{
    struct lease *l = p->by_ip[ip_hash(p, ip)];
    while (l && !ip_eq(&l->ip, ip)) l = l->ip_next;
    return l;
}

// Nobody's any more: its address can be given to others as if nobody ever had it.
static void lease_forget(struct pools *p, struct lease *l)
{
    l->pool->holes = true;
    lease_drop(p, l);
}

static bool in_range(const struct pool *p, const ip_t *ip)
{
    return ip->family == p->lo.family && ip_cmp(ip, &p->lo) >= 0 && ip_cmp(ip, &p->hi) <= 0;
}

static bool fits(const struct lease *l)
{
    return !l->pool->gone && in_range(l->pool, &l->ip);
}

static void hold(struct pools *p, struct lease *l, struct lease **out)
{
    p->last = l->held ? LEASE_ONLINE : LEASE_OFFLINE;
    if (l->held++ == 0) {
        idle_remove(l);
        l->pool->online++;
    }
    *out = l;
}

// l has become idle: are there too many?
static void trim(struct pools *p, struct lease *l)
{
    const struct id who = id_of(l);
    struct lease *eldest = NULL; // the one made first is the last in its bucket
    unsigned n = 0;
    for (struct lease *x = p->by_id[owner_hash(p, &who)]; x; x = x->id_next) {
        if (x->held || !is_of(x, &who)) continue;
        if (x != l) eldest = x;
        n++;
    }
    if (n > IDLE_OF_ID_MAX) lease_forget(p, eldest);
    if (l->pool->offline > IDLE_OF_POOL_MAX) lease_forget(p, l->pool->idle);
}

void pools_release(struct pools *p, struct lease *l)
{
    if (!l || --l->held) return;
    struct pool *pool = l->pool;
    pool->online--;
    idle_add(l);
    if (!fits(l)) {
        lease_drop(p, l);
    } else {
        trim(p, l);
    }
    pool_drop_if_gone(p, pool);
}

enum lease_origin pools_last(const struct pools *p)
{
    return p->last;
}

const struct id *pools_last_owner(const struct pools *p)
{
    return &p->last_owner;
}

bool lease_is_shared(const struct lease *l)
{
    return l->held > 1;
}

const ip_t *lease_ip(const struct lease *l)
{
    return &l->ip;
}

const char *lease_pool(const struct lease *l)
{
    return l->pool->name;
}

// ---- giving addresses away ----

static bool has_already(const struct lease_wish *w, const struct lease *l)
{
    for (unsigned i = 0; i < w->has_n; i++) {
        if (w->has[i] == l) return true;
    }
    return false;
}

// The address that was asked for, if it is free or the identity's own.
static err_t give_wanted(struct pools *p, struct pool *pool, const struct lease_wish *w,
                         struct lease **out)
{
    if (ip_is_any(&w->ip) || !in_range(pool, &w->ip)) return ERR_NOTFOUND;
    struct lease *l = lease_at(p, &w->ip);
    if (l && (!is_of(l, w->who) || has_already(w, l))) return ERR_NOTFOUND;
    bool is_new = !l;
    if (is_new) l = lease_make(p, pool, &w->ip, w->who);
    if (!l) return ERR_NOMEM;
    hold(p, l, out);
    if (is_new) p->last = LEASE_NEW;
    return ERR_OK;
}

// What this identity had before.
static err_t give_old(struct pools *p, struct pool *pool, const struct lease_wish *w,
                      struct lease **out)
{
    struct lease *shared = NULL;
    for (struct lease *l = p->by_id[owner_hash(p, w->who)]; l; l = l->id_next) {
        if (l->pool != pool || !is_of(l, w->who) || !fits(l) || has_already(w, l)) continue;
        if (!l->held) {
            hold(p, l, out);
            return ERR_OK;
        }
        shared = l;
    }
    if (!shared || !w->replaces) return ERR_NOTFOUND;
    hold(p, shared, out);
    return ERR_OK;
}

// false when ip was the last one.
static bool ip_step(ip_t *ip)
{
    for (unsigned i = ip_len(ip->family); i-- > 0;) {
        if (++ip->b[i]) return true;
    }
    return false;
}

static bool look_on(struct pools *p, struct pool *pool)
{
    while (!pool->full && lease_at(p, &pool->next_never)) {
        pool->full = ip_eq(&pool->next_never, &pool->hi) || !ip_step(&pool->next_never);
    }
    return !pool->full;
}

// One that nobody ever had. The search goes on from where it was; once at the end, it begins again
// only if something has become free.
static err_t give_new(struct pools *p, struct pool *pool, const struct lease_wish *w,
                      struct lease **out)
{
    if (!look_on(p, pool) && pool->holes) {
        pool->next_never = pool->lo;
        pool->full = pool->holes = false;
    }
    if (!look_on(p, pool)) return ERR_NOTFOUND;
    struct lease *l = lease_make(p, pool, &pool->next_never, w->who);
    if (!l) return ERR_NOMEM;
    hold(p, l, out);
    p->last = LEASE_NEW;
    return ERR_OK;
}

// Somebody else's, who has not come back for the longest time.
static err_t give_idle(struct pools *p, struct pool *pool, const struct lease_wish *w,
                       struct lease **out)
{
    struct lease *old = pool->idle;
    while (old && !fits(old)) old = old->newer;
    if (!old) return ERR_NOTFOUND;
    struct lease *l = lease_make(p, pool, &old->ip, w->who);
    if (!l) return ERR_NOMEM;
    p->last_owner = id_of(old);
    lease_drop(p, old);
    hold(p, l, out);
    p->last = LEASE_TAKEN;
    return ERR_OK;
}

static struct pool *pool_named(const struct pools *p, const char *name)
{
    struct pool *at = p->first;
    while (at && strcmp(at->name, name) != 0) at = at->next;
    return at;
}

static err_t none_left(const struct pools *p, const struct lease_wish *w, struct why *why)
{
    const struct pool *seen = NULL;
    char lo[IP_TEXT_MAX], hi[IP_TEXT_MAX];
    for (unsigned i = 0; i < w->pool_n; i++) {
        const struct pool *pool = pool_named(p, w->pools[i]);
        if (pool && pool->lo.family == w->ip.family) seen = pool;
    }
    if (!seen) {
        return why_not(why, ERR_NOTFOUND, "no pool of this connection has IPv%d addresses",
                       w->ip.family == AF_INET6 ? 6 : 4);
    }
    return why_not(
        why, ERR_LIMIT,
        "pool %.60s is too small: all addresses from %s to %s are in use (widen addrs in "
        "pools { %.60s })",
        seen->name, ip_show(&seen->lo, lo), ip_show(&seen->hi, hi), seen->name);
}

err_t pools_acquire(struct pools *p, const struct lease_wish *w, struct lease **out,
                    struct why *why)
{
    static err_t (*const ways[])(struct pools *, struct pool *, const struct lease_wish *,
                                 struct lease **) = {give_wanted, give_old, give_new, give_idle};
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        for (unsigned i = 0; i < w->pool_n; i++) {
            struct pool *pool = pool_named(p, w->pools[i]);
            if (!pool || pool->gone || pool->lo.family != w->ip.family) continue;
            err_t err = ways[way](p, pool, w, out);
            if (err == ERR_NOMEM) return why_not(why, err, "out of memory");
            if (err == ERR_OK) return err;
        }
    }
    return none_left(p, w, why);
}

// ---- configuration ----

struct pool *pool_make(struct pools *p, const char *name)
{
    struct pool *pool = pool_named(p, name);
    if (pool) return pool;
    pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pool->name = strdup(name);
    if (!pool->name) {
        free(pool);
        return NULL;
    }
    pool->gone = true;
    struct pool **at = &p->first;
    while (*at) at = &(*at)->next;
    *at = pool;
    return pool;
}

static void forget_misfits(struct pools *p, struct pool *pool)
{
    for (struct lease *l = pool->idle, *next; l; l = next) {
        next = l->newer;
        if (!fits(l)) lease_drop(p, l);
    }
}

err_t pools_configure(struct pools *p, const struct config *c)
{
    for (unsigned i = 0; i < c->pool_n; i++) {
        if (!pool_make(p, c->pool[i].name)) return ERR_NOMEM;
    }
    for (struct pool *pool = p->first, *next; pool; pool = next) {
        next = pool->next;
        const struct conf_pool *conf = config_pool(c, pool->name);
        pool->gone = !conf;
        if (conf) {
            pool->lo = conf->lo;
            pool->hi = conf->hi;
            pool->next_never = conf->lo;
            pool->full = conf->lo.family == AF_UNSPEC;
        }
        forget_misfits(p, pool);
        pool_drop_if_gone(p, pool);
    }
    return ERR_OK;
}

// ---- life ----

struct pools *pools_new(const uint8_t key[16])
{
    struct pools *p = calloc(1, sizeof *p);
    if (p) memcpy(p->key, key, sizeof p->key);
    return p;
}

void pools_free(struct pools *p)
{
    if (!p) return;
    for (unsigned b = 0; b < POOL_BUCKETS; b++) {
        for (struct lease *l = p->by_ip[b], *next; l; l = next) {
            next = l->ip_next;
            free(l);
        }
    }
    for (struct pool *pool = p->first, *next; pool; pool = next) {
        next = pool->next;
        free(pool->name);
        free(pool);
    }
    free(p);
}

uint64_t pools_version(const struct pools *p)
{
    return p->version;
}

// ---- for people ----

static uint64_t range_size(const ip_t *lo, const ip_t *hi)
{
    unsigned n = ip_len(lo->family);
    unsigned __int128 a = 0, b = 0;
    for (unsigned i = 0; i < n; i++) {
        a = a << 8 | lo->b[i];
        b = b << 8 | hi->b[i];
    }
    return n == 0 ? 0 : b - a >= UINT64_MAX ? UINT64_MAX : (uint64_t)(b - a) + 1;
}

void pools_each(const struct pools *p, pool_view_fn *fn, void *ctx)
{
    for (const struct pool *pool = p->first; pool; pool = pool->next) {
        struct pool_view v = {.name = pool->name,
                              .first = pool->lo,
                              .size = range_size(&pool->lo, &pool->hi),
                              .online = pool->online,
                              .offline = pool->offline};
        fn(ctx, &v);
    }
}

void pools_each_lease(const struct pools *p, const char *name, lease_view_fn *fn, void *ctx)
{
    for (unsigned b = 0; b < POOL_BUCKETS; b++) {
        for (const struct lease *l = p->by_ip[b]; l; l = l->ip_next) {
            struct lease_view v = {.ip = l->ip, .who = id_of(l), .online = l->held > 0};
            if (strcmp(l->pool->name, name) == 0) fn(ctx, &v);
        }
    }
}
