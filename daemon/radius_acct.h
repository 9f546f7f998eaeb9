// radius_acct.h - accounting (RFC 2866): who is here, since when, and what has gone through the
// tunnel, told to a RADIUS server at the beginning, now and then, and at the end. Of every IKE SA
// that a peer has opened.
//
// One record waits behind the other until there is a place for it. A record that no server
// acknowledges is lost, and said to be.
#pragma once

#include "daemon/iked.h"
#include "radius/client.h"

#define ACCT_WAITING_MAX 20000U // records, of half a kilobyte each

struct radius_acct;

// NULL: out of memory.
struct radius_acct *acct_new(struct iked *d);
void acct_free(struct radius_acct *a);  // NULL is fine
void acct_go_on(struct radius_acct *a); // there are servers again. NULL is fine
// Ends the event loop when the last records are acknowledged, or this time is over.
void acct_end_loop(struct iked *d, uint64_t wait_ns);
// Is this the Acct-Session-Id of the IKE SA with this number? acct may be NULL.
bool acct_is(struct radius_acct *a, uint32_t sa, span_t session);
// What happens to IKE SAs; the record follows a moment later, when all is known.
void acct_event(struct iked *d, enum ike_event_kind kind, const struct ike_sa *sa);
