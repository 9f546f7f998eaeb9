#include "ike/sa/reqid.h"

#include <stdlib.h>
#include <string.h>

struct reqid_entry {
    struct reqid_entry *next, **link;
    struct index_place by_owner, by_number;
    char *conn, *child;
    endpoint_t peer; // AF_UNSPEC: a connection with one peer
    uint32_t reqid;
    unsigned holds;
};

static bool entry_is(const struct reqid_entry *e, const struct conn *conn,
                     const struct conf_child *child, const endpoint_t *peer)
{
    return strcmp(e->conn, conn->conf.name) == 0 && strcmp(e->child, child->name) == 0 &&
           endpoint_eq(&e->peer, peer);
}

// No peer chooses the names, and of its address and port it has not many.
static uint64_t owner_hash(const char *conn, const char *child, const endpoint_t *peer)
{
    uint64_t h = 0xcbf29ce484222325;
    for (; *conn; conn++) h = (h ^ (uint8_t)*conn) * 0x100000001b3;
    for (; *child; child++) h = (h ^ (uint8_t)*child) * 0x100000001b3;
    for (unsigned i = 0; i < sizeof peer->ip.b; i++) h = (h ^ peer->ip.b[i]) * 0x100000001b3;
    h = (h ^ peer->port) * 0x100000001b3;
    return h ^ h >> 32;
}

static struct reqid_entry *entry_find(const struct reqids *r, const struct conn *conn,
                                      const struct conf_child *child, const endpoint_t *peer)
{
    const struct index_place *at =
        index_first(&r->by_owner, owner_hash(conn->conf.name, child->name, peer));
    while (at && !entry_is(at->what, conn, child, peer)) at = index_next(at);
    return at ? at->what : NULL;
}

static struct reqid_entry *entry_of(const struct reqids *r, uint32_t reqid)
{
    const struct index_place *at = index_first(&r->by_number, reqid);
    return at ? at->what : NULL;
}

err_t reqids_init(struct reqids *r, const struct xfrm_api *xfrm)
{
    r->xfrm = xfrm;
    TRY(index_init(&r->by_owner));
    return index_init(&r->by_number);
}

static bool highest_sa(void *arg, const struct xfrm_sa *sa)
{
    uint32_t *max = arg;
    if (sa->reqid > *max) *max = sa->reqid;
    return true;
}

static bool highest_policy(void *arg, const struct xfrm_policy *p)
{
    uint32_t *max = arg;
    for (unsigned i = 0; i < p->tmpl_count; i++) {
        if (p->tmpl[i].reqid > *max) *max = p->tmpl[i].reqid;
    }
    return true;
}

struct vacancy {
    struct heap_node node; // the first, so that one is the other
    uint32_t reqid;
};

static bool is_lower(const struct heap_node *a, const struct heap_node *b)
{
    const struct vacancy *x = (const void *)a, *y = (const void *)b;
    return x->reqid < y->reqid;
}

// Without memory the number is not given out again, and nothing else happens.
static void vacate(struct reqids *r, uint32_t reqid)
{
    struct vacancy *v = calloc(1, sizeof *v);
    if (!v) return;
    v->reqid = reqid;
    heap_add(&r->vacant, &v->node, is_lower);
}

static uint32_t occupy(struct reqids *r)
{
    struct vacancy *v = (void *)r->vacant.root;
    uint32_t reqid = v->reqid;
    heap_del(&r->vacant, &v->node, is_lower);
    free(v);
    return reqid;
}

#define REQID_LAST 0x7fffffff // far from wrapping, even next to odd numbers of others

static uint32_t reqid_next(struct reqids *r)
{
    if (!r->last) {
        IGNORE(r->xfrm->ops->sa_each(r->xfrm->ctx, highest_sa, &r->last));
        IGNORE(r->xfrm->ops->policy_each(r->xfrm->ctx, highest_policy, &r->last));
        if (r->last > REQID_LAST) r->last = 0;
    }
    while (r->vacant.root) {
        uint32_t reqid = occupy(r);
        if (!entry_of(r, reqid)) return reqid; // a configuration may name it by now
    }
    do {
        r->last = r->last < REQID_LAST ? r->last + 1 : 1;
    } while (entry_of(r, r->last));
    return r->last;
}

static struct reqid_entry *entry_new(struct reqids *r, const struct conn *conn,
                                     const struct conf_child *child, const endpoint_t *peer,
                                     uint32_t reqid)
{
    struct reqid_entry *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    *e = (struct reqid_entry){.conn = strdup(conn->conf.name),
                              .child = strdup(child->name),
                              .peer = *peer,
                              .reqid = reqid};
    if (e->conn && e->child) {
        e->next = r->first;
        e->link = &r->first;
        if (e->next) e->next->link = &e->next;
        r->first = e;
        index_add(&r->by_owner, &e->by_owner, owner_hash(e->conn, e->child, peer), e);
        index_add(&r->by_number, &e->by_number, reqid, e);
        return e;
    }
    free(e->conn);
    free(e->child);
    free(e);
    return NULL;
}

static void entry_free(struct reqids *r, struct reqid_entry *e)
{
    index_remove(&r->by_owner, &e->by_owner);
    index_remove(&r->by_number, &e->by_number);
    *e->link = e->next;
    if (e->next) e->next->link = e->link;
    free(e->conn);
    free(e->child);
    free(e);
}

uint32_t reqid_get(struct reqids *r, const struct conn *conn, const struct conf_child *child,
                   const endpoint_t *peer)
{
    const endpoint_t nobody = {0};
    if (!peer || child->reqid) peer = &nobody;
    struct reqid_entry *e = entry_find(r, conn, child, peer);
    if (!e) e = entry_new(r, conn, child, peer, child->reqid ? child->reqid : reqid_next(r));
    if (!e) return 0;
    if (child->reqid && child->reqid != e->reqid) { // the configuration may have changed
        index_remove(&r->by_number, &e->by_number);
        e->reqid = child->reqid;
        index_add(&r->by_number, &e->by_number, e->reqid, e);
    }
    e->holds++;
    return e->reqid;
}

void reqid_hold(struct reqids *r, uint32_t reqid)
{
    struct reqid_entry *e = entry_of(r, reqid);
    if (e) e->holds++;
}

void reqid_put(struct reqids *r, uint32_t reqid)
{
    struct reqid_entry *e = reqid ? entry_of(r, reqid) : NULL;
    if (!e) return;
    if (e->holds) e->holds--;
    if (e->holds || e->peer.ip.family == AF_UNSPEC) return;
    entry_free(r, e);
    vacate(r, reqid);
}

bool reqid_settled(const struct reqids *r, const struct conn *conn, const struct conf_child *child)
{
    const endpoint_t nobody = {0};
    return entry_find(r, conn, child, &nobody) != NULL;
}

err_t reqid_adopt(struct reqids *r, const struct conn *conn, const struct conf_child *child,
                  uint32_t reqid)
{
    const endpoint_t nobody = {0};
    if (entry_of(r, reqid) || entry_find(r, conn, child, &nobody)) return ERR_EXISTS;
    if (child->reqid && child->reqid != reqid) return ERR_EXISTS;
    return entry_new(r, conn, child, &nobody, reqid) ? ERR_OK : ERR_NOMEM;
}

err_t reqid_owner(const struct reqids *r, uint32_t reqid, const char **conn, const char **child)
{
    const struct reqid_entry *e = entry_of(r, reqid);
    if (!e) return ERR_NOTFOUND;
    *conn = e->conn;
    *child = e->child;
    return ERR_OK;
}

void reqids_done(struct reqids *r)
{
    while (r->first) entry_free(r, r->first);
    while (r->vacant.root) (void)occupy(r);
    index_done(&r->by_owner);
    index_done(&r->by_number);
}
