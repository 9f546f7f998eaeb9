#include "ike/sa/conns.h"

#include <string.h>

#include "base/siphash.h"
#include "ike/auth/round.h"

// What is in the indexes is the administrator's: who looks something up cannot make chains long.
static const uint8_t hash_key[16];

static uint64_t name_hash(const char *name)
{
    return siphash(hash_key, name, strlen(name));
}

static uint64_t peer_hash(const ip_t *ip)
{
    return siphash(hash_key, ip->b, sizeof ip->b) ^ ip->family;
}

// Is it one identity, whose owner is found by it?
static bool is_exact(const struct id *id)
{
    return id->type != ID_ANY && !id_is_pattern(id);
}

// ---- those that are alike ----------------------------------------------------------------------

static bool hosts_alike(const struct conf_host *a, const struct conf_host *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (a[i].name || b[i].name) return false; // may lead to different addresses later
        if (a[i].any != b[i].any || a[i].family != b[i].family) return false;
        if (!ip_eq(&a[i].lo, &b[i].lo) || !ip_eq(&a[i].hi, &b[i].hi)) return false;
    }
    return true;
}

static bool proposals_alike(const struct conf_proposals *a, const struct conf_proposals *b)
{
    if (a->n != b->n) return false;
    for (unsigned i = 0; i < a->n; i++) {
        const struct conf_proposal *x = &a->p[i], *y = &b->p[i];
        bool same = x->n == y->n && x->without == y->without &&
                    memcmp(x->alg, y->alg, x->n * sizeof x->alg[0]) == 0 &&
                    memcmp(x->round, y->round, x->n * sizeof x->round[0]) == 0;
        if (!same) return false;
    }
    return true;
}

// All that counts before IKE_AUTH: addresses, algorithms, whether certificates are asked for, PPKs.
static bool are_alike(const struct conf_conn *a, const struct conf_conn *b)
{
    if (a->local_addr_n != b->local_addr_n || a->remote_addr_n != b->remote_addr_n) return false;
    return round_any_by_key(&a->remote) == round_any_by_key(&b->remote) &&
           id_eq(&a->ppk_id, &b->ppk_id) &&
           hosts_alike(a->local_addr, b->local_addr, a->local_addr_n) &&
           hosts_alike(a->remote_addr, b->remote_addr, a->remote_addr_n) &&
           proposals_alike(&a->ike, &b->ike);
}

// Those that are alike have the same; most others do not.
static uint64_t looks_hash(const struct conf_conn *c)
{
    struct {
        uint32_t local_n, remote_n, proposals, key;
        uint8_t local[16], remote[16];
        uint64_t ppk;
    } looks = {
        c->local_addr_n, c->remote_addr_n, c->ike.n, round_any_by_key(&c->remote), {0}, {0}, 0};
    if (c->local_addr_n) memcpy(looks.local, c->local_addr[0].lo.b, sizeof looks.local);
    if (c->remote_addr_n) memcpy(looks.remote, c->remote_addr[0].lo.b, sizeof looks.remote);
    looks.ppk = id_hash(&c->ppk_id, hash_key);
    return siphash(hash_key, &looks, sizeof looks);
}

// Is one like it there already? Then that speaks for it.
static bool is_spoken_for(struct conns *all, const struct conn *c, uint64_t looks)
{
    const struct index_place *at = index_first(&all->by_looks, looks);
    while (at && !are_alike(&((struct conn *)at->what)->conf, &c->conf)) at = index_next(at);
    if (!at) return false;
    ((struct conn *)at->what)->alike++;
    return true;
}

static void list_any_peers(struct conns *all)
{
    struct conn **end = &all->any_peer;
    for (struct conn *c = all->first; c; c = c->next) {
        uint64_t looks = looks_hash(&c->conf);
        if (conn_only_peer(c) || is_spoken_for(all, c, looks)) continue;
        index_add(&all->by_looks, &c->by_looks, looks, c);
        *end = c;
        end = &c->any_peer_next;
    }
}

// ---- all ---------------------------------------------------------------------------------------

static void index_conn(struct conns *all, struct conn *c)
{
    const ip_t *peer = conn_only_peer(c);
    const struct id *id = &c->conf.remote.id;
    index_add(&all->by_name, &c->by_name, name_hash(c->conf.name), c);
    if (peer) index_add(&all->by_peer, &c->by_peer, peer_hash(peer), c);
    if (is_exact(id)) {
        index_add(&all->by_id, &c->by_id, id_hash(id, hash_key), c);
    } else if (!peer) {
        c->any_id_next = all->any_id;
        all->any_id = c;
    }
}

err_t conns_make(const struct config *config, struct conns *out)
{
    *out = (struct conns){0};
    TRY(index_init(&out->by_name));
    TRY(index_init(&out->by_peer));
    TRY(index_init(&out->by_id));
    TRY(index_init(&out->by_looks));
    // Chains and lists have the latest first, so the last one is the first to be put there.
    for (unsigned i = config->conn_n; i-- > 0;) {
        struct conn *c = conn_new(&config->conn[i]);
        if (!c) return ERR_NOMEM;
        c->place = i;
        c->next = out->first;
        out->first = c;
        index_conn(out, c);
    }
    list_any_peers(out);
    return ERR_OK;
}

void conns_done(struct conns *c)
{
    while (c->first) {
        struct conn *gone = c->first;
        c->first = gone->next;
        conn_put(gone);
    }
    index_done(&c->by_name);
    index_done(&c->by_peer);
    index_done(&c->by_id);
    index_done(&c->by_looks);
    *c = (struct conns){0};
}

struct conn *conns_named(const struct conns *c, const char *name)
{
    const struct index_place *at = c->first ? index_first(&c->by_name, name_hash(name)) : NULL;
    while (at && strcmp(((struct conn *)at->what)->conf.name, name) != 0) at = index_next(at);
    return at ? at->what : NULL;
}

struct conn *conns_for_peer(const struct conns *c, const ip_t *peer, struct conns_walk *w)
{
    *w = (struct conns_walk){.any = c->any_peer};
    if (c->first) w->of_peer = index_first(&c->by_peer, peer_hash(peer));
    return conns_next(w);
}

// Those of one address that are not found by their identity.
static const struct index_place *of_no_id(const struct index_place *at)
{
    while (at && is_exact(&((struct conn *)at->what)->conf.remote.id)) at = index_next(at);
    return at;
}

struct conn *conns_for_id(const struct conns *c, const struct id *id, const ip_t *peer,
                          struct conns_walk *w)
{
    *w = (struct conns_walk){.any = c->any_id, .by_id = true};
    if (!c->first) return NULL;
    w->of_id = index_first(&c->by_id, id_hash(id, hash_key));
    w->of_peer = of_no_id(index_first(&c->by_peer, peer_hash(peer)));
    return conns_next(w);
}

static struct conn *earlier(const struct index_place *at, struct conn *than)
{
    struct conn *c = at ? at->what : NULL;
    return c && (!than || c->place < than->place) ? c : than;
}

struct conn *conns_next(struct conns_walk *w)
{
    struct conn *next = earlier(w->of_id, earlier(w->of_peer, w->any));
    if (!next) return NULL;
    if (w->of_id && next == w->of_id->what) {
        w->of_id = index_next(w->of_id);
    } else if (w->of_peer && next == w->of_peer->what) {
        w->of_peer = index_next(w->of_peer);
        if (w->by_id) w->of_peer = of_no_id(w->of_peer);
    } else {
        w->any = w->by_id ? next->any_id_next : next->any_peer_next;
    }
    return next;
}
