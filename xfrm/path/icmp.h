// icmp.h - ICMP of the executor itself: a sender inside is told that its packet is too long.
#pragma once

#include "xfrm/path/path.h"

#define ICMP_PER_SECOND 100 // messages; RFC 1812 4.3.2.8, RFC 4443 2.4 (f) MUST: limited
#define ICMP_BURST 50

// Tells the sender of the inner packet p that `mtu` bytes would pass: "fragmentation needed" (RFC
// 1191) or "packet too big" (RFC 4443 3.2). It goes to the host through the TUN device, and from
// there the way of any packet to that sender, protected again where that is behind a tunnel. Its
// source is the packet's destination: the TUN device has no address, and one of the host's own
// would not be taken from there. Says nothing where RFC 1122 3.2.2 forbids it, or too often.
void icmp_too_big(struct worker *w, const struct pkt *p, uint32_t mtu);
