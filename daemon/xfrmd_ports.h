// xfrmd_ports.h - all ports of pavise-xfrmd, opened and exempt from the kernel's IPsec policies: a
// set of its own for each worker.
#pragma once

#include "daemon/xfrmd_options.h"
#include "xfrm/engine.h"

struct xfrmd_ports {
    unsigned workers;
    struct engine_ports of[WORKERS_MAX];
};

// A kernel without IPv6 is no error: those ports are left out.
// On error nothing is left open.
// `xdp`: its ports are among them, but stay its own. NULL is fine.
err_t xfrmd_ports_open(const struct xfrmd_options *o, const struct xdp *xdp,
                       struct xfrmd_ports *out, struct why *why);
void xfrmd_ports_close(struct xfrmd_ports *p);
// Calls fn for every kind of port there is, with the sum over all workers. family: AF_UNSPEC for
// the TUN device.
typedef void xfrmd_ports_fn(void *ctx, const char *name, uint16_t family,
                            const struct port_counts *sum);
void xfrmd_ports_each(const struct xfrmd_ports *p, xfrmd_ports_fn *fn, void *ctx);
// IP in IP is listened to only while IPComp needs it.
void xfrmd_ports_listen_plain(const struct xfrmd_ports *p, bool on);
// One for ESP in UDP at a single address (udp_encap_open_at), which the caller frees.
err_t xfrmd_ports_open_at(const struct xfrmd_options *o, const endpoint_t *at, struct port **out,
                          struct why *why);
// For ESP in UDP on another port than --port: one for each worker, WORKERS_MAX pointers at most.
// On error nothing is left open.
err_t xfrmd_ports_open_udp(const struct xfrmd_options *o, uint16_t family, uint16_t number,
                           struct port **out, struct why *why);
void xfrmd_ports_close_udp(const struct xfrmd_options *o, struct port **ports);
void xfrmd_ports_add_counts(const struct port *p, struct port_counts *sum);
