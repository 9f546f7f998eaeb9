#include "ike/sa/policy.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024

// One owner's wish. The first of an entry is in force.
struct wish {
    struct wish *next;
    struct policy_owner who;
    struct xfrm_policy policy;
};

struct policy_entry {
    struct policy_entry *next;
    struct wish *wishes;
};

err_t policies_init(struct policies *p, const struct xfrm_api *xfrm)
{
    p->xfrm = xfrm;
    p->bucket = calloc(BUCKETS, sizeof(struct policy_entry *));
    return p->bucket ? ERR_OK : ERR_NOMEM;
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
    if (a->action != b->action || a->priority != b->priority) return false;
    if (a->tmpl_count != b->tmpl_count) return false;
    for (unsigned i = 0; i < a->tmpl_count; i++) {
        if (!tmpl_eq(&a->tmpl[i], &b->tmpl[i])) return false;
    }
    return true;
}

static struct policy_entry **place_of(const struct policies *p, const struct xfrm_policy *policy)
{
    const struct xfrm_selector *s = &policy->sel;
    uint32_t h = policy->dir * 31U + s->src.len * 131U + s->dst.len * 1031U + s->sport + s->dport;
    for (unsigned i = 0; i < 16; i++) h = h * 33 + s->src.ip.b[i] * 7U + s->dst.ip.b[i];
    struct policy_entry **at = &p->bucket[h % BUCKETS];
    while (*at && !same_place(&(*at)->wishes->policy, policy)) at = &(*at)->next;
    return at;
}

static struct xfrm_policy_id id_of(const struct xfrm_policy *p)
{
    return (struct xfrm_policy_id){
        .dir = p->dir, .type = p->type, .sel = p->sel, .mark = p->mark, .if_id = p->if_id};
}

static void look_for_stale(struct policies *p, const struct xfrm_policy *policy, uint32_t *reqid)
{
    struct xfrm_policy old;
    struct xfrm_policy_id id = id_of(policy);
    if (!reqid || p->xfrm->ops->policy_get(p->xfrm->ctx, &id, &old) != ERR_OK) return;
    if (old.tmpl_count == 1) *reqid = old.tmpl[0].reqid;
}

// Where a wish of this rank belongs: the newest child SA first, then older ones, then traps.
static struct wish **wish_place(struct policy_entry *e, struct policy_owner who)
{
    struct wish **at = &e->wishes;
    while (who.trap && *at && !(*at)->who.trap) at = &(*at)->next;
    return at;
}

static struct policy_entry *entry_new(struct policies *p, const struct xfrm_policy *policy)
{
    struct policy_entry **at = place_of(p, policy);
    if (!*at) *at = calloc(1, sizeof **at);
    return *at;
}

static void entry_drop_if_empty(struct policies *p, struct policy_entry *e, unsigned bucket)
{
    if (e->wishes) return;
    struct policy_entry **at = &p->bucket[bucket];
    while (*at != e) at = &(*at)->next;
    *at = e->next;
    free(e);
}

static struct wish *wish_of(struct policy_entry *e, struct policy_owner who)
{
    struct wish *w = e->wishes;
    while (w && (w->who.id != who.id || w->who.trap != who.trap)) w = w->next;
    return w;
}

// The owner has the policy already and wants it otherwise now.
static err_t wish_change(struct policies *p, struct policy_entry *e, struct wish *w,
                         const struct xfrm_policy *policy, struct why *why)
{
    if (e->wishes == w && !same_effect(&w->policy, policy)) {
        TRY(p->xfrm->ops->policy_add(p->xfrm->ctx, policy, true, why));
    }
    w->policy = *policy;
    return ERR_OK;
}

err_t policies_want(struct policies *p, struct policy_owner who, const struct xfrm_policy *policy,
                    uint32_t *stale_reqid, struct why *why)
{
    const struct xfrm_ops *ops = p->xfrm->ops;
    struct policy_entry *e = *place_of(p, policy);
    if (!e) look_for_stale(p, policy, stale_reqid);
    if (e && wish_of(e, who)) return wish_change(p, e, wish_of(e, who), policy, why);
    bool in_force = !e || *wish_place(e, who) == e->wishes;
    bool changed = !e || (in_force && !same_effect(&e->wishes->policy, policy));
    struct wish *w = calloc(1, sizeof *w);
    if (!w) return why_not(why, ERR_NOMEM, "out of memory");
    err_t err = changed ? ops->policy_add(p->xfrm->ctx, policy, true, why) : ERR_OK;
    if (err == ERR_OK && !e) e = entry_new(p, policy);
    if (err != ERR_OK || !e) {
        free(w);
        return err != ERR_OK ? err : why_not(why, ERR_NOMEM, "out of memory");
    }
    w->who = who;
    w->policy = *policy;
    struct wish **at = wish_place(e, who);
    w->next = *at;
    *at = w;
    return ERR_OK;
}

static void entry_release(struct policies *p, struct policy_entry *e, struct policy_owner who)
{
    const struct xfrm_ops *ops = p->xfrm->ops;
    struct wish *w = wish_of(e, who);
    if (!w) return;
    struct wish **at = &e->wishes;
    while (*at != w) at = &(*at)->next;
    bool was_in_force = at == &e->wishes;
    *at = w->next;
    struct xfrm_policy_id id = id_of(&w->policy);
    // Errors: the executor may have been flushed by hand; what we want gone is gone then.
    if (!e->wishes) {
        IGNORE(ops->policy_del(p->xfrm->ctx, &id));
    } else if (was_in_force && !same_effect(&w->policy, &e->wishes->policy)) {
        IGNORE(ops->policy_add(p->xfrm->ctx, &e->wishes->policy, true, NULL));
    }
    free(w);
}

void policies_release(struct policies *p, struct policy_owner who)
{
    for (unsigned b = 0; b < BUCKETS; b++) {
        for (struct policy_entry *e = p->bucket[b], *next; e; e = next) {
            next = e->next;
            entry_release(p, e, who);
            entry_drop_if_empty(p, e, b);
        }
    }
}

void policies_release_all(struct policies *p)
{
    for (unsigned b = 0; b < BUCKETS; b++) {
        while (p->bucket[b]) {
            struct policy_entry *e = p->bucket[b];
            while (e->wishes) entry_release(p, e, e->wishes->who);
            entry_drop_if_empty(p, e, b);
        }
    }
}

void policies_again(struct policies *p)
{
    for (unsigned b = 0; b < BUCKETS; b++) {
        for (const struct policy_entry *e = p->bucket[b]; e; e = e->next) {
            // Errors: it may go again this moment, and comes back to this.
            IGNORE(p->xfrm->ops->policy_add(p->xfrm->ctx, &e->wishes->policy, true, NULL));
        }
    }
}

void policies_done(struct policies *p)
{
    for (unsigned b = 0; p->bucket && b < BUCKETS; b++) {
        for (struct policy_entry *e = p->bucket[b], *next; e; e = next) {
            next = e->next;
            for (struct wish *w = e->wishes, *after; w; w = after) {
                after = w->next;
                free(w);
            }
            free(e);
        }
    }
    free(p->bucket);
    *p = (struct policies){0};
}
