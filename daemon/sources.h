// sources.h - UDP ports, other than that of --port, that SAs with UDP encapsulation send from (RFC
// 3948). The kernel writes any number into the header; a program needs a socket. One is opened, for
// each worker, with the first SA that sends from here by such a port, and closed with the last. It
// receives as well: peers answer to where packets come from. An IKE daemon that has the port
// already must share it (base/natt_share.h). Control thread.
#pragma once

#include "daemon/xfrmd_ports.h"
#include "xfrm/control.h"

struct sources;

struct sources_hooks {
    // A port has come or is about to go: the guard and routing rules should know.
    void (*changed)(void *ctx, uint16_t family, uint16_t number, bool on);
    void *ctx;
};

// NULL: no memory.
struct sources *sources_new(const struct xfrmd_options *options, struct engine *engine,
                            const struct sources_hooks *hooks);
void sources_free(struct sources *s); // before the engine; tells nobody. NULL is fine
// For control_on_sources(); their ctx is the struct sources.
extern const struct control_sources sources_control;
// Is it an address of this host?
bool sources_is_ours(const ip_t *address);
// The first worker's, to send a keepalive by; NULL: there is none.
const struct port *sources_port(const struct sources *s, uint16_t family, uint16_t number);
// Calls fn for every one there is, as xfrmd_ports_each() does.
void sources_each(const struct sources *s, xfrmd_ports_fn *fn, void *ctx);
