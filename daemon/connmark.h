// connmark.h - flows remember by which SA they came in (strongSwan's plugin connmark): two clients
// behind one NAT have the same address for us, and SAs with equal selectors; what tells their flows
// apart is the mark that each one's inbound SA gives.
//
//     chain remember   what has come by the device of such a mark: conntrack keeps the mark
//     chain recall     what the host sends for the flow gets it again, and so finds its policy
//
// Of the conntrack's mark only the bits of the mark's mask are written, and only where they are 0,
// or left by a child that has gone: its client may have come back with another. A flow of another
// child that is there is not taken over; what claims to be of it is dropped. Packets that have a
// mark keep it. If these rules vanish, nothing leaves in clear: what has no mark is not let go by
// the executor (XFRM_POLICY_FLOWS). Pure.
#pragma once

#include "base/text.h"
#include "xfrm/xfrm.h"

struct connmark {
    struct xfrm_mark mark;
    const char *device; // packets that have the mark come by it; NULL: no SA gives it
    bool flows;         // policies are about flows that came in with it
    bool gone;          // ... were
};

// The chains, for a table of nftables; nothing where no mark is for flows.
void connmark_rules(const struct connmark *all, unsigned n, struct text *out);
