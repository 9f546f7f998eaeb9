// size.h - how long a packet will be on the wire once its SAs have wrapped it, and how long it may
// be to fit (RFC 4301 8.2.2). Padding for traffic flow confidentiality is left out: it is only ever
// added where there is room for it.
#pragma once

#include "xfrm/path/ip_head.h"
#include "xfrm/path/stages.h"

// Bytes of the outermost IP packet when the inner one, p with its p->sas, has `len` bytes.
uint32_t size_on_wire(const struct pkt *p, uint32_t len);
// The longest inner packet whose outermost one has no more than `mtu` bytes; 0 if there is none.
// Not for every packet: it searches.
uint32_t size_limit(const struct pkt *p, uint32_t mtu);
