// told.h - what the executor is told of a child SA: its SAs and the templates of its policies (RFC
// 4301 4.4), in the words of xfrm/xfrm.h.
#pragma once

#include "ike/sa/child_sa.h"

// The ends of an SA of x->proto, and its UDP encapsulation, as the IKE SA's are now.
void told_where(struct xfrm_sa *x, const struct ike_sa *sa, bool out);
// ESP or AH of one direction. ERR_ALGORITHM, ERR_SPACE, with a sentence. x has keys: wipe it.
err_t told_sa(struct xfrm_sa *x, struct child_sa *c, const struct child_keys *k, bool out,
              struct why *why);
struct xfrm_sa_id told_id(const struct child_sa *c, bool out);
// IPComp before it, where the child has that.
void told_comp(struct xfrm_sa *x, const struct child_sa *c, bool out);
struct xfrm_sa_id told_comp_id(const struct child_sa *c, bool out);
// The templates of a policy whose direction is set, the innermost first.
void told_templates(struct xfrm_policy *p, const struct child_sa *c);
