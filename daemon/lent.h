// lent.h - ESP in UDP at single addresses. An IKE daemon that binds a UDP socket per address keeps
// what comes there from the executor's socket for all addresses; so for each of them that it tells
// of (netlink/wire.h: WIRE_LEND) a socket is made beside it. Control thread.
#pragma once

#include "daemon/xfrmd_ports.h"
#include "xfrm/engine.h"

struct lent;

struct lent *lent_new(const struct xfrmd_options *options,
                      struct engine *engine); // NULL: no memory
void lent_free(struct lent *l);               // before the engine; NULL is fine
// Each on is undone by one off; the socket lives as long as one is left.
// ERR_UNSUPPORTED: --no-udp; ERR_LIMIT; ERR_SYSTEM (no such address here). Logged.
err_t lent_set(struct lent *l, const endpoint_t *at, bool on);
// Calls fn for every one there is, as xfrmd_ports_each() does.
void lent_each(const struct lent *l, xfrmd_ports_fn *fn, void *ctx);
