// policy.h - the policies that the diplomat has put into the executor, and who wants each of them.
// A trap and a child SA, or the old and the new child SA of a rekeying, want the same selector:
// the newest one's template is in force, and the policy goes when the last one lets go. It is
// updated in place, so there is never a moment without it.
#pragma once

#include "conf/config.h"
#include "ike/sa/index.h"
#include "ike/sa/selector.h"
#include "ike/sa/steering.h"

// Who wants a policy, by rank: where several want one selector, the first is in force.
enum policy_rank {
    POLICY_OF_CHILD,
    POLICY_OF_TRAP, // and shunts
    // What lets packets be forwarded to the policies above (policies_fwd_out) asks for no
    // protection, so it stands behind whatever does.
    POLICY_OUT_OF_CHILD,
    POLICY_OUT_OF_TRAP,
};
struct policy_owner {
    enum policy_rank rank;
    uint32_t id; // the diplomat's own
};

struct policies {
    const struct xfrm_api *xfrm;
    struct policy_entry *first;
    bool looked, before; // had an earlier run left any, when we came?
    struct index by_place, by_owner;
};

err_t policies_init(struct policies *p, const struct xfrm_api *xfrm); // ERR_NOMEM
// Forgets all; leaves the executor alone.
void policies_done(struct policies *p);

// Lets packets of a selector be forwarded to the outbound policy for them (policies_fwd_out).
struct xfrm_policy policy_forwarded_out(const struct xfrm_selector *sel, const struct steering *s,
                                        const struct conf_child *f);

// Had an earlier run left any policy in the executor? Asked once, before the first one of ours.
bool policies_before(struct policies *p);
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
