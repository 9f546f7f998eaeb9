#include "daemon/policies.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

// One policy, in two balanced trees (tsearch): by identity and in order of lookup.
struct known {
    struct xfrm_policy policy;
    uint64_t age;
    uint64_t seen; // the last resynchronisation that found it
    struct known *next_stale;
};

struct policies {
    struct xfrm_api api;
    struct policies_hooks hooks;
    void *by_identity, *by_order;
    uint64_t next_age, sync;
};

static int order(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int prefix_order(const prefix_t *a, const prefix_t *b)
{
    int by_len = order(a->len, b->len);
    return by_len ? by_len : ip_cmp(&a->ip, &b->ip);
}

// What makes two policies the same one (xfrm.h, struct xfrm_policy), but for the addresses.
enum { NUMBERS = 11 };
static void numbers_of(const struct xfrm_policy *p, uint64_t n[NUMBERS])
{
    const struct xfrm_selector *s = &p->sel;
    const uint64_t all[NUMBERS] = {p->dir,
                                   p->type,
                                   p->mark.value,
                                   p->mark.mask,
                                   p->if_id,
                                   s->family,
                                   s->proto,
                                   (uint64_t)s->sport << 16 | s->sport_mask,
                                   (uint64_t)s->dport << 16 | s->dport_mask,
                                   (uint32_t)s->ifindex,
                                   s->user};
    memcpy(n, all, sizeof all);
}

int policies_compare(const struct xfrm_policy *a, const struct xfrm_policy *b)
{
    uint64_t of_a[NUMBERS], of_b[NUMBERS];
    numbers_of(a, of_a);
    numbers_of(b, of_b);
    int diff = prefix_order(&a->sel.dst, &b->sel.dst);
    if (!diff) diff = prefix_order(&a->sel.src, &b->sel.src);
    for (int i = 0; i < NUMBERS && !diff; i++) diff = order(of_a[i], of_b[i]);
    return diff;
}

static int identity_order(const void *x, const void *y)
{
    return policies_compare(&((const struct known *)x)->policy, &((const struct known *)y)->policy);
}

static int lookup_order(const void *x, const void *y)
{
    const struct known *a = x, *b = y;
    int diff = order(a->policy.priority, b->policy.priority);
    return diff ? diff : order(a->age, b->age);
}

static struct known *find(const struct policies *ps, const struct xfrm_policy *p)
{
    const struct known like = {.policy = *p};
    void *const *at = tfind(&like, &ps->by_identity, identity_order);
    return at ? *at : NULL;
}

static void forget(struct policies *ps, struct known *k)
{
    (void)tdelete(k, &ps->by_identity, identity_order);
    (void)tdelete(k, &ps->by_order, lookup_order);
    free(k);
}

static const struct xfrm_policy *remember(struct policies *ps, const struct xfrm_policy *p)
{
    struct known *k = calloc(1, sizeof *k);
    if (!k) return NULL;
    *k = (struct known){.policy = *p, .age = ps->next_age++, .seen = ps->sync};
    if (tsearch(k, &ps->by_identity, identity_order) && tsearch(k, &ps->by_order, lookup_order))
        return &k->policy;
    forget(ps, k);
    return NULL;
}

static void policy_put(struct policies *ps, const struct xfrm_policy *p)
{
    struct known *old = find(ps, p);
    struct xfrm_policy before;
    if (old) {
        before = old->policy;
        forget(ps, old);
    }
    const struct xfrm_policy *now = remember(ps, p);
    if (!now) log_say(LOG_ERROR, "policies", "out of memory: a policy is not routed, not guarded");
    if (now && old) ps->hooks.change(ps->hooks.ctx, &before, now);
    if (now && !old) ps->hooks.add(ps->hooks.ctx, now);
    if (!now && old) ps->hooks.del(ps->hooks.ctx, &before);
}

static void known_gone(struct policies *ps, struct known *k)
{
    struct xfrm_policy before = k->policy;
    forget(ps, k);
    ps->hooks.del(ps->hooks.ctx, &before);
}

static void policy_gone(struct policies *ps, const struct xfrm_policy *p)
{
    struct known *old = find(ps, p);
    if (old) known_gone(ps, old);
}

// ---- after a flush the events do not say what is left ----

static bool mark_seen(void *arg, const struct xfrm_policy *p)
{
    struct policies *ps = arg;
    struct known *k = find(ps, p);
    if (k) k->seen = ps->sync;
    return true;
}

struct sweep {
    uint64_t sync;
    struct known *stale;
};

static void find_stale(const void *node, VISIT visit, void *arg)
{
    struct sweep *s = arg;
    struct known *k = *(struct known *const *)node;
    if ((visit != preorder && visit != leaf) || k->seen == s->sync) return;
    k->next_stale = s->stale;
    s->stale = k;
}

static void resync(struct policies *ps)
{
    ps->sync++;
    if (ps->api.ops->policy_each(ps->api.ctx, mark_seen, ps) != ERR_OK) return;
    struct sweep s = {.sync = ps->sync};
    twalk_r(ps->by_identity, find_stale, &s);
    for (struct known *k; (k = s.stale);) {
        s.stale = k->next_stale;
        known_gone(ps, k);
    }
}

struct policies *policies_new(struct xfrm_api api, const struct policies_hooks *hooks)
{
    struct policies *ps = calloc(1, sizeof *ps);
    if (!ps) return NULL;
    ps->api = api;
    ps->hooks = *hooks;
    return ps;
}

static void keep(void *known)
{
    (void)known;
}

void policies_free(struct policies *ps)
{
    if (!ps) return;
    tdestroy(ps->by_order, keep); // the policies go with the other tree
    tdestroy(ps->by_identity, free);
    free(ps);
}

void policies_event(struct policies *ps, const struct xfrm_event *ev)
{
    switch ((int)ev->kind) {
    case XFRM_EV_POL_NEW:
    case XFRM_EV_POL_UPD:
        policy_put(ps, ev->policy);
        return;
    case XFRM_EV_POL_DEL:
        policy_gone(ps, ev->policy);
        return;
    case XFRM_EV_POLEXPIRE:
        if (ev->hard) policy_gone(ps, ev->policy);
        return;
    case XFRM_EV_POL_FLUSH:
        resync(ps);
        return;
    default:
        return;
    }
}

struct each {
    void (*fn)(void *ctx, const struct xfrm_policy *p);
    void *ctx;
};

static void each_one(const void *node, VISIT visit, void *arg)
{
    const struct each *each = arg;
    const struct known *k = *(struct known *const *)node;
    if (visit == postorder || visit == leaf) each->fn(each->ctx, &k->policy); // ascending
}

void policies_each(const struct policies *ps, void (*fn)(void *ctx, const struct xfrm_policy *p),
                   void *ctx)
{
    struct each each = {fn, ctx};
    twalk_r(ps->by_order, each_one, &each);
}
