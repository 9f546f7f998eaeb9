#include "test/sim/sim_xfrm.h"

#include <string.h>

#include "base/clock.h"

void sim_xfrm_init(struct sim_xfrm *x, uint64_t *now, uint32_t first_spi)
{
    *x = (struct sim_xfrm){.now = now, .spi = first_spi};
}

struct sim_sa *sim_xfrm_find(struct sim_xfrm *x, const ip_t *daddr, uint32_t spi)
{
    for (unsigned i = 0; i < x->top; i++) {
        struct sim_sa *s = &x->sa[i];
        if (s->used && s->x.spi == spi && ip_eq(&s->x.daddr, daddr)) return s;
    }
    return NULL;
}

static struct sim_sa *free_place(struct sim_xfrm *x)
{
    for (unsigned i = 0; i < x->top; i++) {
        if (!x->sa[i].used) return &x->sa[i];
    }
    return x->top < SIM_SAS ? &x->sa[x->top++] : NULL;
}

static err_t put(struct sim_xfrm *x, struct sim_sa *place, const struct xfrm_sa *sa)
{
    if (!place) return ERR_LIMIT;
    *place = (struct sim_sa){.used = true, .added_ns = *x->now, .order = ++x->order, .x = *sa};
    place->x.larval = false;
    return ERR_OK;
}

static err_t alloc_spi(void *ctx, const struct xfrm_sa *like, uint32_t min, uint32_t max,
                       struct xfrm_sa *out, struct why *why)
{
    struct sim_xfrm *x = ctx;
    struct xfrm_sa sa = *like;
    if (x->no_comp && like->proto == XFRM_PROTO_COMP) {
        return why_not(why, ERR_UNSUPPORTED, "no IPComp here");
    }
    sa.spi = min + x->spi++ % (max - min + 1);
    if (sim_xfrm_find(x, &sa.daddr, sa.spi)) return why_not(why, ERR_NOTFOUND, "taken");
    struct sim_sa *place = free_place(x);
    err_t err = put(x, place, &sa);
    if (err != ERR_OK) return err;
    place->x.larval = true;
    *out = place->x;
    return ERR_OK;
}

static bool keyed(const struct xfrm_sa *sa)
{
    return sa->aead.name[0] || sa->crypt.name[0] || sa->auth.name[0] || sa->comp[0];
}

// As a kernel judges them: the direction of an SA whose SPI was allocated has been said then.
static bool aimless(const struct xfrm_sa *sa, const struct xfrm_sa *larval)
{
    bool other = larval && sa->dir && larval->dir != sa->dir;
    return other || (sa->mode == XFRM_IPTFS && !sa->dir);
}

static err_t sa_add(void *ctx, const struct xfrm_sa *sa, struct why *why)
{
    struct sim_xfrm *x = ctx;
    if (x->refuse_adds) {
        x->refuse_adds--;
        return why_not(why, ERR_UNSUPPORTED, "this executor does not want to");
    }
    if (!keyed(sa)) return why_not(why, ERR_SYNTAX, "an SA without keys");
    if (x->cpus_less && sa->pcpu != UINT32_MAX) return why_not(why, ERR_SYNTAX, "no such CPU");
    if (sim_xfrm_find(x, &sa->daddr, sa->spi)) return why_not(why, ERR_EXISTS, "exists");
    if (aimless(sa, NULL)) return why_not(why, ERR_SYNTAX, "no direction");
    return put(x, free_place(x), sa);
}

static err_t sa_update(void *ctx, const struct xfrm_sa *sa, struct why *why)
{
    struct sim_xfrm *x = ctx;
    struct sim_sa *old = sim_xfrm_find(x, &sa->daddr, sa->spi);
    if (!keyed(sa)) return why_not(why, ERR_SYNTAX, "an SA without keys");
    if (!old) return why_not(why, ERR_NOTFOUND, "no such SA");
    if (aimless(sa, &old->x)) return why_not(why, ERR_SYNTAX, "another direction");
    return put(x, old, sa);
}

static err_t sa_get(void *ctx, const struct xfrm_sa_id *id, struct xfrm_sa *out)
{
    struct sim_sa *s = sim_xfrm_find(ctx, &id->daddr, id->spi);
    if (!s) return ERR_NOTFOUND;
    *out = s->x;
    return ERR_OK;
}

static err_t sa_del(void *ctx, const struct xfrm_sa_id *id)
{
    struct sim_sa *s = sim_xfrm_find(ctx, &id->daddr, id->spi);
    if (!s) return ERR_NOTFOUND;
    s->used = false;
    return ERR_OK;
}

static err_t sa_flush(void *ctx, uint8_t proto)
{
    (void)ctx, (void)proto;
    return ERR_PERMISSION; // a diplomat never flushes: others may have SAs, too
}

static err_t sa_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_sa *sa), void *arg)
{
    struct sim_xfrm *x = ctx;
    x->listings++;
    for (unsigned i = 0; i < x->top; i++) {
        if (x->sa[i].used && !fn(arg, &x->sa[i].x)) break;
    }
    return ERR_OK;
}

static struct xfrm_policy *policy_at(struct sim_xfrm *x, uint8_t dir,
                                     const struct xfrm_selector *sel, uint32_t if_id)
{
    for (unsigned i = 0; i < x->policies; i++) {
        struct xfrm_policy *p = &x->policy[i];
        if (p->dir == dir && p->if_id == if_id && xfrm_selector_eq(&p->sel, sel)) return p;
    }
    return NULL;
}

static err_t policy_add(void *ctx, const struct xfrm_policy *p, bool update, struct why *why)
{
    struct sim_xfrm *x = ctx;
    struct xfrm_policy *old = policy_at(x, p->dir, &p->sel, p->if_id);
    if (old && !update) return why_not(why, ERR_EXISTS, "exists");
    if (!old && x->policies == SIM_POLICIES) return why_not(why, ERR_LIMIT, "full");
    *(old ? old : &x->policy[x->policies++]) = *p;
    return ERR_OK;
}

static err_t policy_get(void *ctx, const struct xfrm_policy_id *id, struct xfrm_policy *out)
{
    const struct xfrm_policy *p = policy_at(ctx, id->dir, &id->sel, id->if_id);
    if (!p) return ERR_NOTFOUND;
    *out = *p;
    return ERR_OK;
}

static err_t policy_del(void *ctx, const struct xfrm_policy_id *id)
{
    struct sim_xfrm *x = ctx;
    struct xfrm_policy *p = policy_at(x, id->dir, &id->sel, id->if_id);
    if (!p) return ERR_NOTFOUND;
    *p = x->policy[--x->policies];
    return ERR_OK;
}

static err_t policy_flush(void *ctx, uint8_t type)
{
    (void)ctx, (void)type;
    return ERR_PERMISSION;
}

static err_t policy_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_policy *p), void *arg)
{
    struct sim_xfrm *x = ctx;
    x->listings++;
    for (unsigned i = 0; i < x->policies; i++) {
        if (!fn(arg, &x->policy[i])) break;
    }
    return ERR_OK;
}

static const struct xfrm_ops ops = {
    .sa_alloc_spi = alloc_spi,
    .sa_add = sa_add,
    .sa_update = sa_update,
    .sa_get = sa_get,
    .sa_del = sa_del,
    .sa_flush = sa_flush,
    .sa_each = sa_each,
    .policy_add = policy_add,
    .policy_get = policy_get,
    .policy_del = policy_del,
    .policy_flush = policy_flush,
    .policy_each = policy_each,
};

struct xfrm_api sim_xfrm_api(struct sim_xfrm *x)
{
    return (struct xfrm_api){&ops, x};
}

unsigned sim_xfrm_comps(const struct sim_xfrm *x)
{
    unsigned n = 0;
    for (unsigned i = 0; i < x->top; i++) n += x->sa[i].used && x->sa[i].x.proto == XFRM_PROTO_COMP;
    return n;
}

static unsigned count(const struct sim_xfrm *x, bool larval)
{
    unsigned n = 0;
    for (unsigned i = 0; i < x->top; i++) n += x->sa[i].used && x->sa[i].x.larval == larval;
    return n;
}

unsigned sim_xfrm_sas(const struct sim_xfrm *x)
{
    return count(x, false);
}

unsigned sim_xfrm_larval(const struct sim_xfrm *x)
{
    return count(x, true);
}

// ---- lifetimes ---------------------------------------------------------------------------------

static uint64_t sa_due(const struct sim_sa *s)
{
    const struct xfrm_lifetime *l = &s->x.limit;
    if (!s->used || s->x.larval) return UINT64_MAX;
    uint64_t soft = l->soft_add_s && !s->soft_told ? l->soft_add_s : UINT64_MAX;
    uint64_t hard = l->hard_add_s ? l->hard_add_s : UINT64_MAX;
    uint64_t first = soft < hard ? soft : hard;
    return first == UINT64_MAX ? first : s->added_ns + first * NSEC_PER_SEC;
}

static struct sim_sa *first_due(const struct sim_xfrm *x)
{
    const struct sim_sa *first = NULL;
    for (unsigned i = 0; i < x->top; i++) {
        if (!first || sa_due(&x->sa[i]) < sa_due(first)) first = &x->sa[i];
    }
    return (struct sim_sa *)(uintptr_t)first;
}

uint64_t sim_xfrm_due(const struct sim_xfrm *x)
{
    const struct sim_sa *first = first_due(x);
    return first ? sa_due(first) : UINT64_MAX;
}

bool sim_xfrm_expire(struct sim_xfrm *x, struct xfrm_event *ev, struct xfrm_sa *sa)
{
    struct sim_sa *s = first_due(x);
    if (!s || sa_due(s) > *x->now) return false;
    uint64_t age = (*x->now - s->added_ns) / NSEC_PER_SEC;
    *sa = s->x;
    *ev = (struct xfrm_event){.kind = XFRM_EV_EXPIRE, .sa = sa};
    ev->hard = s->x.limit.hard_add_s && age >= s->x.limit.hard_add_s;
    s->soft_told = true;
    if (ev->hard) s->used = false;
    return true;
}

// ---- packets -----------------------------------------------------------------------------------

const struct xfrm_policy *sim_xfrm_policy(const struct sim_xfrm *x, enum xfrm_dir dir,
                                          const ip_t *src, const ip_t *dst)
{
    const struct xfrm_policy *best = NULL;
    for (unsigned i = 0; i < x->policies; i++) {
        const struct xfrm_policy *p = &x->policy[i];
        if (p->dir != dir || !prefix_has(&p->sel.src, src) || !prefix_has(&p->sel.dst, dst)) {
            continue;
        }
        if (!best || p->priority < best->priority) best = p;
    }
    return best;
}

// ... a packet of a CPU that has no SA of its own.
static bool serves(const struct xfrm_sa *x, const struct xfrm_tmpl *t, const ip_t *dst)
{
    if (x->pcpu != UINT32_MAX) return false;
    if (x->larval || x->proto != t->proto || x->reqid != t->reqid || x->mode != t->mode) {
        return false;
    }
    if (t->mode == XFRM_TUNNEL || t->mode == XFRM_IPTFS)
        return ip_eq(&x->daddr, &t->daddr) && ip_eq(&x->saddr, &t->saddr);
    return t->mode != XFRM_TRANSPORT || ip_eq(&x->daddr, dst);
}

struct sim_sa *sim_xfrm_outbound(struct sim_xfrm *x, const struct xfrm_policy *p, const ip_t *dst)
{
    struct sim_sa *best = NULL;
    // Behind IPComp, whose tunnel the packet has come through, the last template has no addresses.
    const struct xfrm_tmpl *t = &p->tmpl[p->tmpl_count - 1];
    if (p->tmpl[0].mode == XFRM_TUNNEL) dst = &p->tmpl[0].daddr;
    for (unsigned i = 0; i < x->top; i++) {
        struct sim_sa *s = &x->sa[i];
        if (!s->used || !serves(&s->x, t, dst)) continue;
        if (!best || s->order > best->order) best = s;
    }
    return best;
}
