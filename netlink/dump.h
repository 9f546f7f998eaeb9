// dump.h - the answer to GETSA and GETPOLICY with NLM_F_DUMP, made piece by piece: a listener that
// reads slowly costs a position, not a copy of the whole database.
#pragma once

#include "base/cursor.h"
#include "netlink/codec.h"

// Bytes of one datagram of a dump. The kernel fills one page; programs with fixed buffers
// (charon, pluto) count on that.
#define DUMP_DATAGRAM_MAX 3776

// Takes one datagram of the dump; false: there is room for no more now.
typedef bool dump_sink_fn(void *ctx, span_t datagram);

struct dump {
    bool active, policies; // policies: GETPOLICY, otherwise GETSA
    uint8_t proto;         // only SAs of this protocol; 0: all
    bool filtered;         // only SAs between these networks
    uint16_t family;
    prefix_t src, dst;
    struct message_id id;
    uint64_t done; // entries already sent
};

// Takes a request. Errors as codec.h; *d is unchanged then.
err_t dump_start(struct dump *d, const struct nlmsghdr *h, uint32_t portid, struct why *why);
// Sends on until all is sent (NLMSG_DONE last, d->active false) or the sink has enough. Entries
// that come or go between two calls may be missed or seen twice, no others.
void dump_run(struct dump *d, struct xfrm_api api, dump_sink_fn *sink, void *ctx);
