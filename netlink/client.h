// client.h - the diplomat's side of NETLINK_XFRM: the same requests to pavise-xfrmd (Unix
// SOCK_SEQPACKET socket) or to the Linux kernel (AF_NETLINK). RFC 3549; <linux/xfrm.h>.
#pragma once

#include "base/loop.h"
#include "xfrm/xfrm.h"

// The abstract Unix socket name of pavise-xfrmd; abstract names are per network namespace, as
// NETLINK_XFRM is.
#define XFRMD_SOCKET "@pavise-xfrm"

struct xfrm_client;

enum xfrm_client_peer { XFRM_PEER_XFRMD, XFRM_PEER_KERNEL };

// Multicast groups (XFRMNLGRP_* n is bit n - 1).
#define XFRM_GROUPS_DIPLOMAT 0x83u // acquire, expire, mapping
#define XFRM_GROUPS_ALL 0xffu      // also every change of an SA or a policy

// Opens a request and an event connection. Events of XFRM_GROUPS_DIPLOMAT come to fn in the
// loop's thread; loop may be NULL if no events are wanted. For XFRM_PEER_XFRMD a lost
// connection is re-opened in the background; requests in between return ERR_CLOSED.
// fn may make requests but must not close the client.
// Errors: ERR_SYSTEM, ERR_PERMISSION, ERR_CLOSED (no pavise-xfrmd), ERR_UNSUPPORTED (a kernel
// without XFRM), ERR_TIMEOUT, with a sentence.
err_t xfrm_client_open(enum xfrm_client_peer peer, struct loop *loop, xfrm_event_fn *fn, void *ctx,
                       struct xfrm_client **out, struct why *why);
void xfrm_client_close(struct xfrm_client *c); // NULL is fine
// The conversation. Requests are synchronous (answered within 2 s or ERR_TIMEOUT); the
// extended-ack text of a refusal ends up in `why`. sa_each and policy_each use a connection of
// their own, so that their function may make requests.
struct xfrm_api xfrm_client_api(struct xfrm_client *c);

// The same with other groups and another socket of pavise-xfrmd.
struct xfrm_client_options {
    enum xfrm_client_peer peer;
    const char *name; // "@name", borrowed for the client's life; NULL: XFRMD_SOCKET
    uint32_t groups;
};
err_t xfrm_client_open_with(const struct xfrm_client_options *options, struct loop *loop,
                            xfrm_event_fn *fn, void *ctx, struct xfrm_client **out,
                            struct why *why);
// Calls fn in the loop's thread when pavise-xfrmd is back after it had gone: its SAs and policies
// went with it, unless it kept them, and events may have been missed.
void xfrm_client_on_return(struct xfrm_client *c, void (*fn)(void *ctx), void *ctx);
