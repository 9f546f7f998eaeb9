// quoted.h - ICMP errors by the packet that they quote (RFC 792, RFC 4443 2.4): a router between
// the ends of a flow may complain about it from an address that no selector names. Where a policy
// says so (XFRM_POLICY_ICMP), its errors go the way of the flow's own replies (RFC 4301 6.2).
#pragma once

#include "xfrm/db/db.h"
#include "xfrm/path/path.h"

// Is it an error, and not one piece of many? Of IPv4: unreachable, time exceeded, parameter
// problem; a redirect is no business of a tunnel's.
bool quoted_is_there(const struct flow *f);
// The flow of a reply to the quoted packet. False: no error, not enough quoted, or not sent to
// whom the quoted packet came from.
bool quoted_reply(const struct pkt *p, struct flow *out);
// The policy that takes p, if it had this mark, for the sake of what it quotes; NULL: none.
struct policy *quoted_policy(const struct worker *w, enum xfrm_dir dir, const struct pkt *p,
                             uint32_t mark);
