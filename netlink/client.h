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

// Opens a request and an event connection. Events (all kinds the `groups` ask for) come to fn in
// the loop's thread; loop may be NULL if no events are wanted. For XFRM_PEER_XFRMD a lost
// connection is re-opened in the background; requests in between return ERR_CLOSED.
// Errors: ERR_SYSTEM, ERR_PERMISSION, with a sentence.
err_t xfrm_client_open(enum xfrm_client_peer peer, struct loop *loop, xfrm_event_fn *fn, void *ctx,
                       struct xfrm_client **out, struct why *why);
void xfrm_client_close(struct xfrm_client *c);
// The conversation. Requests are synchronous (answered within 2 s or ERR_TIMEOUT); the
// extended-ack text of a refusal ends up in `why`.
struct xfrm_api xfrm_client_api(struct xfrm_client *c);
