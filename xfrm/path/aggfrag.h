// aggfrag.h - the payload of ESP in mode iptfs (RFC 9347 6.1): a stream of inner packets, cut where
// a payload ends.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | sub-type: 0   |   reserved    |         BlockOffset           |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~ rest of a packet that began in an earlier payload: BlockOffset bytes,
//   of which later payloads may have the end
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~ data blocks: 4 .. an IPv4 packet, 6 .. an IPv6 packet, 0 .. padding to the end
//
// Sub-type 1 has 20 bytes more in its header: loss and delay, for congestion control.
#pragma once

#include "xfrm/db/agg.h"

#define AGG_PROTO 144 // next header
#define AGG_HEADER 4U
#define AGG_HEADER_CC 24U

// One payload, in the order of its numbers. len 0: a packet that carried nothing (next header 59).
struct agg_payload {
    const uint8_t *at;
    uint32_t len;
    uint64_t seq;
    uint8_t tos; // of its outer header
};

struct agg_sink {
    // A whole inner packet, as long as its header says, but not looked at otherwise; borrowed for
    // the call. tos: of the outer headers that brought it.
    void (*packet)(void *ctx, const uint8_t *at, uint32_t len, uint8_t tos);
    void (*lost)(void *ctx); // a packet whose rest will not come, or a block that makes no sense
    void *ctx;
};

// Takes a payload apart, and puts together what began in those before it (part). part NULL: it is
// out of order, and only what is whole in it is of use.
void agg_read(struct agg_part *part, const struct agg_payload *p, const struct agg_sink *sink);
