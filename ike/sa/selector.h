// selector.h - from traffic selectors (ranges, RFC 7296 3.13) to the selectors of XFRM (prefixes
// and masks), and how specific they are. Ranges that are no prefix become several: never more
// traffic than was negotiated, never less.
#pragma once

#include "ike/codec/payloads.h"
#include "xfrm/xfrm.h"

// Policies of one direction of one child SA; a pair of odd ranges can make very many.
#define SELECTORS_MAX 256
struct selectors {
    unsigned n;
    struct xfrm_selector at[SELECTORS_MAX];
};

// All pairs of src and dst that have a family and a protocol in common.
// Errors: ERR_LIMIT (more than SELECTORS_MAX), ERR_NOCHOICE (none).
err_t selectors_make(const struct ts_list *src, const struct ts_list *dst, struct selectors *out);

// The other way, for people: what a packet's selector says of its two ends. ICMP has type and code
// in the places of the ports.
void selector_ts(const struct xfrm_selector *s, struct ts_list *src, struct ts_list *dst);

// Policies are looked up by priority, lowest number first. The numbers are those that strongSwan
// would give, so that both can be read with the same eyes:
//     base - 512 * address bits - 256 if a protocol - 4 * port bits - 1 if there is an SA behind it
enum priority_base {
    PRIORITY_PASS = 200000,  // bypass shunts, before everything
    PRIORITY_IPSEC = 400000, // protected traffic
    PRIORITY_DROP = 600000,  // discard shunts, after everything
};
uint32_t selector_priority(const struct xfrm_selector *s, enum priority_base base, bool trap);
