#include "ike/sa/policy.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// One owner's wish. The first of an entry is in force.
struct wish {
    struct wish *next;
    struct policy_entry *entry;
    struct index_place place; // by owner
    struct policy_owner who;
    struct xfrm_policy policy; // no longer than its templates: read by its members, or policy_of()
};

struct policy_entry {
    struct policy_entry *next, *prev;
    struct index_place place; // by what makes it this policy
    struct wish *wishes;
};

err_t policies_init(struct policies *p, const struct xfrm_api *xfrm)
{
    p->xfrm = xfrm;
    TRY(index_init(&p->by_owner));
    return index_init(&p->by_place);
}

static size_t policy_len(const struct xfrm_policy *p)
{
    return offsetof(struct xfrm_policy, tmpl) + p->tmpl_count * sizeof p->tmpl[0];
}

static struct xfrm_policy policy_of(const struct wish *w)
{
    struct xfrm_policy p = {0};
    memcpy(&p, &w->policy, policy_len(&w->policy));
    return p;
}

static uint64_t owner_hash(struct policy_owner who)
{
    return (uint64_t)who.id << 2 | who.rank;
}

static struct wish *wish_new(struct policies *p, struct policy_owner who,
                             const struct xfrm_policy *policy)
{
    struct wish *w = calloc(1, offsetof(struct wish, policy) + policy_len(policy));
    if (!w) return NULL;
    w->who = who;
    memcpy(&w->policy, policy, policy_len(policy));
    index_add(&p->by_owner, &w->place, owner_hash(who), w);
    return w;
}

static void wish_free(struct policies *p, struct wish *w)
{
    index_remove(&p->by_owner, &w->place);
    free(w);
}

struct xfrm_policy policy_forwarded_out(const struct xfrm_selector *sel, const struct steering *s,
                                        const struct conf_child *f)
{
    struct xfrm_policy p = {.sel = *sel, .dir = XFRM_FWD, .action = XFRM_ALLOW};
    p.priority = f->priority ? f->priority : selector_priority(sel, PRIORITY_IPSEC, true);
    p.mark = s->out;
    p.if_id = s->if_id_out;
    p.sel.ifindex = (int32_t)s->device;
    p.limit = (struct xfrm_lifetime){XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0};
    return p;
}

static bool same_place(const struct xfrm_policy *a, const struct xfrm_policy *b)
{
    return a->dir == b->dir && a->type == b->type && a->if_id == b->if_id &&
           a->mark.value == b->mark.value && a->mark.mask == b->mark.mask &&
           xfrm_selector_eq(&a->sel, &b->sel);
}

static bool tmpl_eq(const struct xfrm_tmpl *a, const struct xfrm_tmpl *b)
{
    return ip_eq(&a->saddr, &b->saddr) && ip_eq(&a->daddr, &b->daddr) && a->proto == b->proto &&
           a->mode == b->mode && a->reqid == b->reqid && a->optional == b->optional;
}

static bool same_effect(const struct xfrm_policy *a, const struct xfrm_policy *b)
{
    if (a->action != b->action || a->priority != b->priority || a->flags != b->flags) return false;
    if (a->tmpl_count != b->tmpl_count) return false;
    for (unsigned i = 0; i < a->tmpl_count; i++) {
        if (!tmpl_eq(&a->tmpl[i], &b->tmpl[i])) return false;
    }
    return true;
}

static uint64_t place_hash(const struct xfrm_policy *policy)
{
    const struct xfrm_selector *s = &policy->sel;
    uint64_t h = policy->dir * 31U + s->src.len * 131U + s->dst.len * 1031U + s->sport + s->dport;
    for (unsigned i = 0; i < 16; i++)
        h = (h ^ (uint64_t)s->src.ip.b[i] << 8 ^ s->dst.ip.b[i]) * 0x100000001b3;
    return h ^ h >> 32;
}

static struct policy_entry *entry_of(const struct policies *p, const struct xfrm_policy *policy)
{
    struct index_place *at = index_first(&p->by_place, place_hash(policy));
    for (; at; at = index_next(at)) {
        struct policy_entry *e = at->what;
        if (same_place(&e->wishes->policy, policy)) return e;
    }
    return NULL;
}

static struct xfrm_policy_id id_of(const struct xfrm_policy *p)
{
    return (struct xfrm_policy_id){
        .dir = p->dir, .type = p->type, .sel = p->sel, .mark = p->mark, .if_id = p->if_id};
}

static bool one_is_there(void *arg, const struct xfrm_policy *policy)
{
    (void)policy;
    *(bool *)arg = true;
    return false;
}

bool policies_before(struct policies *p)
{
    if (p->looked) return p->before;
    p->before = false;
    p->looked = p->xfrm->ops->policy_each(p->xfrm->ctx, one_is_there, &p->before) == ERR_OK;
    return p->before || !p->looked;
}

static void look_for_stale(struct policies *p, const struct xfrm_policy *policy, uint32_t *reqid)
{
    struct xfrm_policy old;
    struct xfrm_policy_id id = id_of(policy);
    if (!policies_before(p) || !reqid) return;
    if (p->xfrm->ops->policy_get(p->xfrm->ctx, &id, &old) != ERR_OK) return;
    if (old.tmpl_count) *reqid = old.tmpl[0].reqid;
}

// Where a wish of this rank belongs: the newest of a rank first, then older ones.
static struct wish **wish_place(struct policy_entry *e, struct policy_owner who)
{
    struct wish **at = &e->wishes;
    while (*at && (*at)->who.rank < who.rank) at = &(*at)->next;
    return at;
}

static struct policy_entry *entry_new(struct policies *p, const struct xfrm_policy *policy)
{
    struct policy_entry *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->next = p->first;
    if (e->next) e->next->prev = e;
    p->first = e;
    index_add(&p->by_place, &e->place, place_hash(policy), e);
    return e;
}

static void entry_free(struct policies *p, struct policy_entry *e)
{
    index_remove(&p->by_place, &e->place);
    *(e->prev ? &e->prev->next : &p->first) = e->next;
    if (e->next) e->next->prev = e->prev;
    free(e);
}

static struct wish *wish_of(struct policy_entry *e, struct policy_owner who)
{
    struct wish *w = e->wishes;
    while (w && (w->who.id != who.id || w->who.rank != who.rank)) w = w->next;
    return w;
}

// The owner has the policy already and wants it otherwise now.
static err_t wish_change(struct policies *p, struct wish *w, const struct xfrm_policy *policy,
                         struct why *why)
{
    struct policy_entry *e = w->entry;
    bool in_force = e->wishes == w;
    struct wish *fresh = wish_new(p, w->who, policy);
    if (!fresh) return why_not(why, ERR_NOMEM, "out of memory");
    err_t err = ERR_OK;
    if (in_force && !same_effect(&w->policy, policy))
        err = p->xfrm->ops->policy_add(p->xfrm->ctx, policy, true, why);
    if (err != ERR_OK) {
        wish_free(p, fresh);
        return err;
    }
    struct wish **at = &e->wishes;
    while (*at != w) at = &(*at)->next;
    *at = fresh;
    fresh->next = w->next;
    fresh->entry = e;
    wish_free(p, w);
    return ERR_OK;
}

err_t policies_want(struct policies *p, struct policy_owner who, const struct xfrm_policy *policy,
                    uint32_t *stale_reqid, struct why *why)
{
    const struct xfrm_ops *ops = p->xfrm->ops;
    struct policy_entry *e = entry_of(p, policy);
    if (!e) look_for_stale(p, policy, stale_reqid);
    struct wish *mine = e ? wish_of(e, who) : NULL;
    if (mine) return wish_change(p, mine, policy, why);
    const struct wish *first = e ? e->wishes : NULL; // an entry has one
    bool changed = !first || (first == *wish_place(e, who) && !same_effect(&first->policy, policy));
    struct wish *w = wish_new(p, who, policy);
    if (!w) return why_not(why, ERR_NOMEM, "out of memory");
    err_t err = changed ? ops->policy_add(p->xfrm->ctx, policy, true, why) : ERR_OK;
    if (err == ERR_OK && !e) e = entry_new(p, policy);
    if (err != ERR_OK || !e) {
        wish_free(p, w);
        return err != ERR_OK ? err : why_not(why, ERR_NOMEM, "out of memory");
    }
    struct wish **at = wish_place(e, who);
    w->entry = e;
    w->next = *at;
    *at = w;
    return ERR_OK;
}

static void wish_release(struct policies *p, struct wish *w)
{
    const struct xfrm_ops *ops = p->xfrm->ops;
    struct policy_entry *e = w->entry;
    struct wish **at = &e->wishes;
    while (*at != w) at = &(*at)->next;
    bool was_in_force = at == &e->wishes;
    *at = w->next;
    struct xfrm_policy_id id = id_of(&w->policy);
    // Errors: the executor may have been flushed by hand; what we want gone is gone then.
    if (!e->wishes) {
        IGNORE(ops->policy_del(p->xfrm->ctx, &id));
    } else if (was_in_force && !same_effect(&w->policy, &e->wishes->policy)) {
        const struct xfrm_policy next = policy_of(e->wishes);
        IGNORE(ops->policy_add(p->xfrm->ctx, &next, true, NULL));
    }
    wish_free(p, w);
    if (!e->wishes) entry_free(p, e);
}

void policies_release(struct policies *p, struct policy_owner who)
{
    // The key is the owner: whatever has this hash is the owner's.
    for (struct index_place *at; (at = index_first(&p->by_owner, owner_hash(who)));)
        wish_release(p, at->what);
}

void policies_release_all(struct policies *p)
{
    while (p->first) wish_release(p, p->first->wishes);
}

void policies_again(struct policies *p)
{
    for (const struct policy_entry *e = p->first; e; e = e->next) {
        const struct xfrm_policy policy = policy_of(e->wishes);
        // Errors: it may go again this moment, and comes back to this.
        IGNORE(p->xfrm->ops->policy_add(p->xfrm->ctx, &policy, true, NULL));
    }
}

void policies_done(struct policies *p)
{
    while (p->first) {
        struct policy_entry *e = p->first;
        while (e->wishes) {
            struct wish *w = e->wishes;
            e->wishes = w->next;
            wish_free(p, w);
        }
        entry_free(p, e);
    }
    index_done(&p->by_place);
    index_done(&p->by_owner);
    *p = (struct policies){0};
}
