// policy.h - the policies that the diplomat has put into the executor, and who wants each of them.
// A trap and a child SA, or the old and the new child SA of a rekeying, want the same selector:
// the newest one's template is in force, and the policy goes when the last one lets go. It is
// updated in place, so there is never a moment without it.
#pragma once

#include "ike/sa/index.h"
#include "ike/sa/selector.h"

// Who wants a policy. Numbers are the diplomat's own ids.
struct policy_owner {
    bool trap; // traps and shunts rank behind child SAs
    uint32_t id;
};

struct policies {
    const struct xfrm_api *xfrm;
    struct policy_entry *first;
    struct index by_place, by_owner;
};

err_t policies_init(struct policies *p, const struct xfrm_api *xfrm); // ERR_NOMEM
// Forgets all; leaves the executor alone.
void policies_done(struct policies *p);

// Installs (or updates) for this owner. `stale_reqid` (may be NULL) is set to the reqid of a
// policy with this selector that an earlier run had left in the executor; otherwise untouched.
err_t policies_want(struct policies *p, struct policy_owner who, const struct xfrm_policy *policy,
                    uint32_t *stale_reqid, struct why *why);
// Releases everything that this owner wants.
void policies_release(struct policies *p, struct policy_owner who);
// Releases everything.
void policies_release_all(struct policies *p);
// Installs again what is wanted: the executor has lost everything.
void policies_again(struct policies *p);
