// ether.h - frames as an AF_XDP socket has them: Ethernet, IP and for ESP in UDP a UDP header, read
// and written by us, since no stack does it (RFC 894, 2464, 3948).
#pragma once

#include "xfrm/path/pkt.h"

#define ETHER_HEAD 14
#define ETHER_HEAD_MAX (ETHER_HEAD + 40 + 8) // bytes in front of ESP: IPv6, UDP

// A frame of the outer side lies at p->at, p->len: afterwards ESP does, and p says what a socket
// would say. False: it is none of ours, or damaged.
bool ether_read_outer(struct pkt *p, uint16_t udp_port);

// A frame of the inner side becomes the IP packet in it, as the host would have forwarded it: TTL
// one less, and with its TCP or UDP checksum, which a virtual cable may have left undone. False: it
// is damaged, or at the end of its life.
bool ether_read_inner(struct pkt *p);

// Writes what goes in front of the protected packet p, so that it ends at `end`, where there must
// be ETHER_HEAD_MAX bytes of room. `payload`: where ESP lies, for the UDP checksum. Returns its
// length. `ether`: the 14 bytes of Ethernet.
uint32_t ether_write_outer(uint8_t *end, const struct pkt *p, const uint8_t *ether);

// How long the IP packet will be that ether_write_outer() makes of p.
static inline uint32_t ether_outer_len(const struct pkt *p)
{
    return p->len + (p->to.ip.family == AF_INET6 ? 40 : 20) + (p->udp ? 8 : 0);
}

// Takes one off the TTL of an IP packet that is forwarded. False: it would come to its end.
bool ether_hop(uint8_t *packet);
