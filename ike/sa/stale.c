#include "ike/sa/stale.h"

#include <stdlib.h>

#include "ike/sa/diplomat.h"

struct stale_sa {
    struct stale_sa *next, *prev;
    struct index_place place;
    struct xfrm_sa_id id;
    ip_t saddr;
    uint32_t reqid;
};

err_t stale_init(struct stale *s)
{
    return index_init(&s->by_hosts);
}

static void drop(struct stale *s, struct stale_sa *x)
{
    index_remove(&s->by_hosts, &x->place);
    *(x->prev ? &x->prev->next : &s->first) = x->next;
    if (x->next) x->next->prev = x->prev;
    free(x);
}

void stale_done(struct stale *s)
{
    while (s->first) drop(s, s->first);
    index_done(&s->by_hosts);
    *s = (struct stale){0};
}

void stale_ask_again(struct stale *s)
{
    while (s->first) drop(s, s->first);
    s->known = false;
}

// The same whichever of the two is the sender. Nobody but the administrator's peers is in there.
static uint64_t hosts_hash(const ip_t *a, const ip_t *b)
{
    uint64_t h[2] = {0xcbf29ce484222325, 0xcbf29ce484222325};
    for (unsigned i = 0; i < sizeof a->b; i++) {
        h[0] = (h[0] ^ a->b[i]) * 0x100000001b3;
        h[1] = (h[1] ^ b->b[i]) * 0x100000001b3;
    }
    uint64_t both = h[0] + h[1];
    return both ^ both >> 32;
}

static bool note(void *arg, const struct xfrm_sa *x)
{
    struct ike *ike = arg;
    struct stale *s = &ike->stale;
    if (x->larval || !x->reqid || child_sa_of(ike, x)) return true;
    struct stale_sa *e = calloc(1, sizeof *e);
    if (!e) return false; // what is not known stays until its lifetime is over
    e->id =
        (struct xfrm_sa_id){.daddr = x->daddr, .spi = x->spi, .proto = x->proto, .mark = x->mark};
    e->saddr = x->saddr;
    e->reqid = x->reqid;
    e->next = s->first;
    if (e->next) e->next->prev = e;
    s->first = e;
    index_add(&s->by_hosts, &e->place, hosts_hash(&x->saddr, &x->daddr), e);
    return true;
}

void stale_look(struct ike *ike)
{
    const struct xfrm_api *xfrm = &ike->env.xfrm;
    if (ike->stale.known) return;
    stale_ask_again(&ike->stale); // a look before may have ended half-way
    ike->stale.known = xfrm->ops->sa_each(xfrm->ctx, note, ike) == ERR_OK;
}

static bool comp_is_ours(const struct ike *ike, const struct stale_sa *x)
{
    for (const struct ike_sa *sa = ike->all; sa; sa = sa->next) {
        for (const struct child_sa *c = sa->children; c; c = c->next) {
            if (c->cpi_in == x->id.spi && ip_eq(&c->local, &x->id.daddr)) return true;
            if (c->cpi_out == x->id.spi && ip_eq(&c->remote, &x->id.daddr)) return true;
        }
    }
    return false;
}

// Meanwhile a new one may have its place.
static bool is_ours(const struct ike *ike, const struct stale_sa *x)
{
    const struct xfrm_sa like = {.daddr = x->id.daddr, .spi = x->id.spi, .proto = x->id.proto};
    return x->id.proto == XFRM_PROTO_COMP ? comp_is_ours(ike, x) : child_sa_of(ike, &like) != NULL;
}

static bool fits(const struct child_sa *c, const struct stale_sa *x)
{
    const ip_t *to = &x->id.daddr;
    bool inbound = ip_eq(&x->saddr, &c->remote) && ip_eq(to, &c->local);
    bool outbound = ip_eq(&x->saddr, &c->local) && ip_eq(to, &c->remote);
    bool proto = x->id.proto == XFRM_PROTO_COMP || x->id.proto == child_sa_proto(c);
    bool reqid = x->reqid == c->reqid || x->reqid == c->stale_reqid;
    return proto && reqid && (inbound || outbound) && !is_ours(c->sa->ike, x);
}

static struct index_place *next_fitting(const struct child_sa *c, struct index_place *at)
{
    while (at && !fits(c, at->what)) at = index_next(at);
    return at;
}

static struct index_place *first_of(const struct child_sa *c)
{
    const struct stale *s = &c->sa->ike->stale;
    return s->first ? index_first(&s->by_hosts, hosts_hash(&c->local, &c->remote)) : NULL;
}

bool stale_serves(const struct child_sa *c)
{
    return next_fitting(c, first_of(c)) != NULL;
}

unsigned stale_sweep(const struct child_sa *c)
{
    struct ike *ike = c->sa->ike;
    const struct xfrm_api *xfrm = &ike->env.xfrm;
    unsigned n = 0;
    struct index_place *at = next_fitting(c, first_of(c)), *next;
    for (; at; at = next) {
        struct stale_sa *x = at->what;
        next = next_fitting(c, index_next(at));
        // It may have expired.
        n += xfrm->ops->sa_del(xfrm->ctx, &x->id) == ERR_OK;
        drop(&ike->stale, x);
    }
    return n;
}
