// dispatch.h - a client's datagram in, calls of struct xfrm_api, answers out: what the kernel's
// netlink_rcv_skb() and xfrm_user_rcv_msg() do. No sockets here; server.c has them.
#pragma once

#include "base/cursor.h"
#include "netlink/codec.h"
#include "netlink/dump.h"

// One client, as far as answering it goes.
struct dispatch_peer {
    uint32_t portid;
    uint32_t groups;  // bit n - 1: XFRMNLGRP_* n
    uint32_t options; // enum wire_options
    struct dump dump; // a running dump; the owner calls dump_run() when there is room
};

// Where messages go. Borrowed for the call.
struct dispatch_out {
    void (*reply)(void *ctx, struct dispatch_peer *to, const struct nlmsghdr *h);
    void (*multicast)(void *ctx, unsigned group, const struct nlmsghdr *h);
    bool (*listened)(void *ctx, unsigned group); // would anybody get it?
    void *ctx;
};

struct dispatch {
    struct xfrm_api api;
    struct dispatch_out out;
    struct codec_thresholds thresholds;
    const struct nlmsghdr *current;  // the request being served: whose doing an event is
    const struct xfrm_sa *requested; // NEWSA, UPDSA: what it asked for
    bool by_index;                   // it named its policy by index
    bool quiet;                      // events of the api call under way are not told
};

struct dispatch dispatch_of(struct xfrm_api api, struct dispatch_out out);
// Serves every message of a datagram (4-byte aligned; malformed rests are dropped as the kernel
// does). Replies go out before it returns, except dumps.
void dispatch_datagram(struct dispatch *d, struct dispatch_peer *p, span_t datagram);
// Tells an event to its group. Called by the api from within a request, the event gets the port
// id and sequence number of that request.
void dispatch_event(struct dispatch *d, const struct xfrm_event *ev);
