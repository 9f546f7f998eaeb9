// traffic.h - what an IKE SA's child SAs have carried, those that are gone included: for
// accounting. The executor counts inner packets.
#pragma once

#include "ike/sa/child_sa.h"

// Adds what the child's SAs in the executor have counted to its IKE SA, before they leave it. Only
// where somebody wants to know (ike_options.counts).
void traffic_keep(const struct child_sa *c);
void traffic_keep_out(const struct child_sa *c); // of the outbound SA alone
// What the child's SAs have counted that are there now; and, when they were put in anew since, what
// the executor does not count any more.
struct ike_traffic traffic_here(const struct child_sa *c);
void traffic_moved(const struct child_sa *c, const struct ike_traffic *before);
// So far.
struct ike_traffic traffic_of(const struct ike_sa *sa);
