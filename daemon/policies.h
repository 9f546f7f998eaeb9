// policies.h - a copy of the executor's SPD in the control thread, for those who act in the host
// on behalf of policies (steering, guard): each is told of every policy that comes and goes, with
// the very content it had, whatever way it went.
#pragma once

#include "xfrm/xfrm.h"

struct policies;

struct policies_hooks {
    void (*add)(void *ctx, const struct xfrm_policy *p);
    void (*del)(void *ctx, const struct xfrm_policy *p); // as it was added
    // The same policy (dir, selector, mark) with other content: there must be no moment without.
    void (*change)(void *ctx, const struct xfrm_policy *old, const struct xfrm_policy *now);
    void *ctx;
};

// api: asked for all policies after a flush. NULL when out of memory.
struct policies *policies_new(struct xfrm_api api, const struct policies_hooks *hooks);
// Less than, equal to or greater than 0, in some order: 0 for the same policy (dir, selector,
// mark).
int policies_compare(const struct xfrm_policy *a, const struct xfrm_policy *b);
void policies_free(struct policies *ps); // tells nobody; NULL is fine
// Every event of the executor; those that are not about policies are passed over.
void policies_event(struct policies *ps, const struct xfrm_event *ev);
// In the order of the database: best (smallest) priority first, the older among equals.
void policies_each(const struct policies *ps, void (*fn)(void *ctx, const struct xfrm_policy *p),
                   void *ctx);
