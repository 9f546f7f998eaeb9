// mode.h - what transport, tunnel and BEET mode make of a packet: which part of it becomes the
// payload of ESP or AH, and what stands around that (RFC 4301 3.2, 4.1; RFC 7402 appendix B).
//
//                outbound                                inbound
//     tunnel     the whole packet is the payload         the payload is the packet
//     transport  its own header stays outside            the outer header is its own
//     BEET       its header goes: the SA knows it        a header with the SA's inner addresses
#pragma once

#include "xfrm/path/ip_head.h"
#include "xfrm/path/stages.h"

// The IP header in front of the ESP or AH of a packet that is sent whole.
struct mode_head {
    uint8_t at[IP_HEAD_MAX];
    struct ip_split s; // s.len 0: the socket makes the header
    uint8_t next;      // what the payload is
};

// Leaves the payload in p (at, len) and fills in its addresses and outer_tos. p->whole: a header
// that no socket could make. Otherwise the reason why not.
enum drop mode_out(struct pkt *p, struct mode_head *h);
// Makes an inner packet of the payload in p, and reads its flow. `next`: what the payload is.
// `before`: an inner packet of the burst, for flow_repeat(); may be NULL.
enum drop mode_in(struct pkt *p, uint8_t next, const struct pkt *before);
