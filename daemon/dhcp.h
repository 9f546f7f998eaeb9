// dhcp.h - addresses for clients from DHCP servers (pools = dhcp): the sockets below dhcp_talk.h.
//
// What servers answer is read from a packet socket, since it is meant for addresses that are not
// this host's: another server or client here is not disturbed. Sent it is from UDP port 68, as a
// client does.
#pragma once

#include "daemon/iked.h"

struct dhcp;

// Opens the sockets: before the sandbox, which forbids that. NULL if it cannot be; the log says
// why, and clients get no addresses.
struct dhcp *dhcp_open(const struct strongswan_dhcp *s);
// Begins to listen, as d->dhcp. ERR_NOMEM.
err_t dhcp_start(struct iked *d, struct why *why);
// release: gives all leases back. After the diplomat. NULL is fine.
void dhcp_free(struct dhcp *x, bool release);

// For struct env; ctx: struct iked.
err_t dhcp_ask(void *ctx, struct ike_work *w);
void dhcp_release(void *ctx, uint32_t lease);
