// egress.h - the device that a packet of the host would leave by if it were in clear: for policies
// that are about one device, behind a TUN device that hides it. The kernel is asked for the route,
// and its answer is remembered for a moment. One thread at a time.
#pragma once

#include "xfrm/port/link_mtu.h"

#define EGRESS_TTL (100 * NSEC_PER_MSEC) // for so long a route that has changed may not be seen
#define EGRESS_MAX 256                   // pairs of addresses remembered, a power of two

struct egress; // makes no copy of the link_mtu that it asks

struct egress *egress_new(struct link_mtu *links); // NULL: no memory
void egress_free(struct egress *e);                // NULL is fine
// The interface index; 0: there is no route, or none that the kernel tells. `now`: monotonic ns.
uint32_t egress_device(struct egress *e, const ip_t *dst, const ip_t *src, uint64_t now);
