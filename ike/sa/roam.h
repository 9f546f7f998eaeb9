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
    unsigned theirs_n, ours_n, ways_n;
    unsigned refusals;              // of our addresses, since the last ones were accepted
    ip_t theirs[ROAM_ADDRS_MAX];    // the peer's, besides the one it speaks from
    ip_t ours[ROAM_ADDRS_MAX];      // likewise, as last told
    struct way ways[ROAM_WAYS_MAX]; // our requests go over all of these until one is answered
};
