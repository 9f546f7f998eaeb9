// lifetime.h - how long an SA or a policy may live (RFC 4301 4.4.2.1): soft means "make a new one",
// hard means "use it no more". By bytes, packets, seconds since made, seconds since first used.
// Pure functions; who calls them when is told in control.h (time) and path/account.c (traffic).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "xfrm/xfrm.h"

enum lifetime { LIFETIME_OK, LIFETIME_SOFT, LIFETIME_HARD };

// Moments on the monotonic clock, ns.
struct lifetime_age {
    uint64_t made;
    uint64_t used; // first use; 0 = never
};

// Traffic so far against the limits: a limit of n packets is reached when n have passed.
enum lifetime lifetime_by_traffic(const struct xfrm_lifetime *l, uint64_t bytes, uint64_t packets);
// Time so far against the limits.
enum lifetime lifetime_by_time(const struct xfrm_lifetime *l, const struct lifetime_age *a,
                               uint64_t now);
// When lifetime_by_time will next change its answer: ns, UINT64_MAX = never.
uint64_t lifetime_due(const struct xfrm_lifetime *l, const struct lifetime_age *a, uint64_t now);
// Does it have a limit that traffic can reach, or that starts with the first packet?
bool lifetime_needs_watch(const struct xfrm_lifetime *l);
