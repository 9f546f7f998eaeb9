// hole.h - paths that swallow long packets and tell nobody: where ICMP is filtered, path MTU
// discovery (RFC 1191) waits for a message that never comes, and a tunnel looks like one through
// which small packets pass and large ones do not (RFC 2923 2.1). Nothing here is certain; it is
// what `pavise status` suspects.
#pragma once

#include "xfrm/db/sa.h"
#include "xfrm/path/path.h"

#define HOLE_LONG 1000                // bytes of an inner packet that such a path may swallow
#define HOLE_AGE (600 * NSEC_PER_SEC) // what was seen longer ago does not count

// Outbound, one packet that fits into the path as it is known: is it once more the first long
// segment of its flow? The worker owns the first of its SAs.
void hole_watch(const struct worker *w, const struct pkt *p);

struct hole_seen {
    uint64_t again, wire;           // outbound: the same segment so often, bytes of it on the wire
    uint64_t got, missing, longest; // inbound: packets, sequence numbers that never came, bytes
};
// What an SA shows: all zero where nothing is suspected. Any RCU reader.
void hole_of(const struct sa *sa, uint64_t now, struct hole_seen *out);
