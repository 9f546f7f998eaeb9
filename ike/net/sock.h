// sock.h - one UDP socket of the diplomat, with every option it needs. Used by net.c only.
#pragma once

#include "ike/net/net.h"

// Opens, prepares and binds; *fd is closed by the caller.
// Errors: those of net_open(); ERR_UNSUPPORTED: this host does not have the family.
err_t sock_open(const struct net_options *opt, uint16_t family, bool natt, int *fd,
                struct why *why);

// Room for the control messages below, both families.
#define SOCK_CONTROL_LEN 128

// One datagram without waiting; *to is the address that it was sent to. Errors: ERR_AGAIN (nothing
// there), ERR_SYSTEM, ERR_SYNTAX (something else than a datagram of ours: try again).
err_t sock_receive(int fd, uint8_t *buf, size_t cap, size_t *len, endpoint_t *from, ip_t *to);
// Gathers the parts into one datagram with the addresses and the DSCP of *d, whose bytes are not
// looked at. from AF_UNSPEC: the kernel's choice. ERR_SYSTEM.
err_t sock_send(int fd, const struct datagram *d, const span_t parts[2]);

// The source address of a route, as the kernel would choose it. ERR_SYSTEM.
err_t sock_source_for(const ip_t *peer, uint32_t fwmark, ip_t *out);
