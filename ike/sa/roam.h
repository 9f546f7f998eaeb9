// roam.h - what an IKE SA remembers about where its two ends are and might be (MOBIKE, RFC 4555).
#pragma once

#include <stdbool.h>

#include "base/addr.h"

#define ROAM_ADDRS_MAX 8 // addresses of a host that are told or believed; more are passed over
#define ROAM_WAYS_MAX 8  // ways that one request is sent over at the same time
#define ROAM_COOKIE 16   // bytes of our COOKIE2; 8..64 are allowed
#define ROAM_SEEN 20     // bytes of a NAT_DETECTION hash

struct way {
    ip_t local, remote;
};

struct roam {
    bool on;      // both sides speak MOBIKE
    bool decides; // we opened the first one of this line of IKE SAs: we say which addresses count
    bool natt;    // both know NAT traversal
    bool pending; // the peer has to be told which addresses count, perhaps once more
    bool seen_known;
    uint8_t seen[ROAM_SEEN];     // how the peer sees us: its hash of our address and port
    uint8_t cookie[ROAM_COOKIE]; // of the request under way
    endpoint_t checked;          // where the peer is being checked to be
    unsigned refusals;           // of our addresses, since the last ones were accepted
    unsigned theirs_n, ours_n, ways_n;
    // On the heap: most hosts have one address, and thousands of them meet at a gateway.
    ip_t *theirs;     // the peer's, besides the one it speaks from
    ip_t *ours;       // likewise, as last told
    struct way *ways; // our requests go over all of these until one is answered
};

// Each takes the place of what was there. Where memory is short there are none then.
void roam_set_theirs(struct roam *r, const ip_t *list, unsigned n);
void roam_set_ours(struct roam *r, const ip_t *list, unsigned n);
void roam_set_ways(struct roam *r, const struct way *list, unsigned n);
void roam_copy(struct roam *to, const struct roam *from);
void roam_done(struct roam *r);
