// server.h - pavise-xfrmd's side of NETLINK_XFRM: decodes requests, calls the executor's
// struct xfrm_api, answers as the kernel would (ACKs, errors, dumps, multicast).
#pragma once

#include "base/loop.h"
#include "xfrm/xfrm.h"

struct xfrm_server;

// Listens on the abstract Unix SOCK_SEQPACKET socket XFRMD_SOCKET (client.h) or `name`. Peers
// without uid 0 are refused (SO_PEERCRED). All in the loop's thread.
// The api raises the events of its own changes (a new SA, a deleted policy) by
// xfrm_server_event(), also while the server calls it: the server adds who asked.
err_t xfrm_server_new(struct loop *loop, const char *name, struct xfrm_api api,
                      struct xfrm_server **out, struct why *why);
void xfrm_server_free(struct xfrm_server *s);
unsigned xfrm_server_clients(const struct xfrm_server *s); // connections now
// Who is told of WIRE_LEND (wire.h): on, a client shares its UDP socket that is bound to `at`; off,
// it no longer does, or has gone. Each on is followed by one off. Errors go to the client.
typedef err_t xfrm_lend_fn(void *ctx, const endpoint_t *at, bool on);
void xfrm_server_on_lend(struct xfrm_server *s, xfrm_lend_fn *fn, void *ctx);
// Multicasts an event to the clients that joined its group. Never waits: a listener that does not
// read loses events and is told so (ENOBUFS).
void xfrm_server_event(struct xfrm_server *s, const struct xfrm_event *ev);
// Would any client hear it?
bool xfrm_server_listened(const struct xfrm_server *s, enum xfrm_event_kind kind);
// Serves one end of a connected SOCK_SEQPACKET socket pair as a client; takes fd over, also on
// error. For tests and for a client in the same process.
err_t xfrm_server_adopt(struct xfrm_server *s, int fd);
