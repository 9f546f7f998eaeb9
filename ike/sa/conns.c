#include "ike/sa/conns.h"

#include <string.h>

#include "base/siphash.h"

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

static void index_conn(struct conns *all, struct conn *c)
{
    const ip_t *peer = conn_only_peer(c);
    const struct id *id = &c->conf.remote.id;
    index_add(&all->by_name, &c->by_name, name_hash(c->conf.name), c);
    if (peer) {
        index_add(&all->by_peer, &c->by_peer, peer_hash(peer), c);
    } else {
        c->any_peer_next = all->any_peer;
        all->any_peer = c;
    }
    if (is_exact(id)) {
        index_add(&all->by_id, &c->by_id, id_hash(id, hash_key), c);
    } else {
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
    // Chains and lists have the latest first, so the last one is the first to be put there.
    for (unsigned i = config->conn_n; i-- > 0;) {
        struct conn *c = conn_new(&config->conn[i]);
        if (!c) return ERR_NOMEM;
        c->place = i;
        c->next = out->first;
        out->first = c;
        index_conn(out, c);
    }
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
    if (c->first) w->exact = index_first(&c->by_peer, peer_hash(peer));
    return conns_next(w);
}

struct conn *conns_for_id(const struct conns *c, const struct id *id, struct conns_walk *w)
{
    *w = (struct conns_walk){.any = c->any_id, .by_id = true};
    if (c->first) w->exact = index_first(&c->by_id, id_hash(id, hash_key));
    return conns_next(w);
}

struct conn *conns_next(struct conns_walk *w)
{
    struct conn *exact = w->exact ? w->exact->what : NULL, *any = w->any;
    if (exact && (!any || exact->place < any->place)) {
        w->exact = index_next(w->exact);
        return exact;
    }
    if (any) w->any = w->by_id ? any->any_id_next : any->any_peer_next;
    return any;
}
