// routes.h - where the kernel is the executor: packets of this host for what a child SA protects
// must leave from an address that its selectors name, a virtual one above all. As in strongSwan, a
// table of its own says so:
//
//     ip rule   220: not from all fwmark F lookup 220     (everything but IKE)
//     table 220 10.2.0.0/16 via ROUTER dev eth0 src 10.3.0.1
//
// (pavise-xfrmd sets routes to its TUN device by itself: steer.h.) A child has none if it is in
// transport mode, names protocols, has an interface id, or if no address of ours is in its
// selectors.
#pragma once

#include "daemon/iked.h"

#define ROUTES_TABLE 220
#define ROUTES_PRIORITY 220

struct routes;

// ERR_NOMEM, ERR_SYSTEM, with a sentence.
err_t routes_new(struct iked *d, struct routes **out, struct why *why);
// take_away: rule and routes go. NULL is fine.
void routes_free(struct routes *r, bool take_away);
// Something has become of an SA: child is NULL for events of IKE SAs. r may be NULL.
void routes_event(struct routes *r, enum ike_event_kind kind, const struct ike_sa *sa,
                  const struct child_sa *child);
