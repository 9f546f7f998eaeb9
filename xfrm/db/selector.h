// selector.h - does a packet belong to a selector? (RFC 4301 4.4.1.1, 7; struct xfrm_selector)
//
// Ports are masks over bits, as in the kernel. For ICMP and Mobility Header the type is the source
// port and the code the destination port. The `ifindex` and `user` fields are not looked at:
// devices are a matter of policies (spd.h), and a packet's user is not known.
#pragma once

#include <stdbool.h>

#include "xfrm/path/pkt.h"
#include "xfrm/xfrm.h"

// Pure. A fragment without ports matches only selectors that leave the ports open.
bool selector_match(const struct xfrm_selector *s, const struct flow *f);
// The same without a look at the ports.
bool selector_match_addresses(const struct xfrm_selector *s, const struct flow *f);
// The selector that names this one flow, for ACQUIRE.
struct xfrm_selector selector_of(const struct flow *f);
