// ecn.h - the traffic class byte across a tunnel: DSCP in its upper six bits, ECN in the lower two
// (RFC 4301 5.1.2, RFC 6040).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ECN_MASK 3
enum ecn { ECN_NOT_ECT = 0, ECN_ECT1 = 1, ECN_ECT0 = 2, ECN_CE = 3 };

// RFC 6040 4.2, figure 4: the ECN field of the inner packet after it has left the tunnel. False:
// the combination must not happen (a router marked a packet that cannot understand it): drop.
bool ecn_decap(uint8_t inner_tos, uint8_t outer_tos, uint8_t *out);

// Writes the byte into the IP header at `ip` (version 4 or 6), with the IPv4 checksum kept right.
void tos_write(uint8_t *ip, uint8_t tos);
