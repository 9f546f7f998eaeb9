// guard_xfrm.h - the guard's policies as IPv4 policies of the host kernel (guard.h). They can be
// told from other people's by their index, which the kernel lets us choose.
//
// The kernel cannot say by which device a packet came: what inbound policies for one device keep
// out is kept out on all of them, and what they let pass is not let pass.
#pragma once

#include "daemon/guard.h"

struct guard_xfrm;

// Errors: ERR_UNSUPPORTED when the kernel has no XFRM or the TUN device cannot be made exempt. What
// one who died has left stays in force; a policy that comes again takes the place of its former
// self. His allowances go with the first policy that keeps something out: who sets it sets them
// all.
err_t guard_xfrm_new(const char *tun, struct guard_xfrm **out, struct why *why);
unsigned guard_xfrm_former(const struct guard_xfrm *g); // policies found, without defaults
void guard_xfrm_settle(struct guard_xfrm *g);           // those of them that have not come again go
void guard_xfrm_free(struct guard_xfrm *g);             // NULL is fine
// Calls fn from now on in the loop's thread when somebody has flushed the kernel's policies: ours
// have gone with theirs, and guard_xfrm_forget() says so. Without, nobody hears of it. ERR_SYSTEM.
err_t guard_xfrm_watch(struct guard_xfrm *g, struct loop *loop, void (*fn)(void *ctx), void *ctx,
                       struct why *why);
void guard_xfrm_forget(struct guard_xfrm *g); // all: what is to be there is added again
// What no policy names, in all directions; and as it is.
void guard_xfrm_defaults(struct guard_xfrm *g, const bool block[XFRM_DIRS]);
const bool *guard_xfrm_blocked(const struct guard_xfrm *g);
void guard_xfrm_add(struct guard_xfrm *g, const struct xfrm_policy *p);
void guard_xfrm_del(struct guard_xfrm *g, const struct xfrm_policy *p);
void guard_xfrm_change(struct guard_xfrm *g, const struct xfrm_policy *old,
                       const struct xfrm_policy *now);
// Does the kernel hold policies for this one? (IPv4, or any family)
bool guard_xfrm_covers(const struct xfrm_policy *p);
// Is it about the device that a packet came by, which nftables can tell?
bool guard_xfrm_is_broad(const struct xfrm_policy *p);
// What /proc/net/xfrm_stat says. Nothing where the kernel keeps no such statistics.
void guard_xfrm_counts(struct guard_counts *out);
