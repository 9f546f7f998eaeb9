// xfrmd_ports.h - all ports of pavise-xfrmd, opened and exempt from the kernel's IPsec policies.
#pragma once

#include "daemon/xfrmd_options.h"
#include "xfrm/engine.h"

// A kernel without IPv6 is no error: those ports are left out.
// On error nothing is left open.
err_t xfrmd_ports_open(const struct xfrmd_options *o, struct engine_ports *out, struct why *why);
void xfrmd_ports_close(struct engine_ports *p);
// Calls fn for every port there is. family: AF_UNSPEC for the TUN device.
void xfrmd_ports_each(const struct engine_ports *p,
                      void (*fn)(void *ctx, const struct port *port, uint16_t family), void *ctx);
// IP in IP is listened to only while IPComp needs it.
void xfrmd_ports_listen_plain(const struct engine_ports *p, bool on);
// One for ESP in UDP at a single address (udp_encap_open_at), which the caller frees.
err_t xfrmd_ports_open_at(const struct xfrmd_options *o, const endpoint_t *at, struct port **out,
                          struct why *why);
