// fragment.h - an IP packet longer than its way allows leaves in pieces (RFC 791 3.2, RFC
// 8200 4.5).
//
//     | head | payload                            |
//     | head' | part | head' | part | head' | rest |
//
// For packets that bring their own IP header: the kernel fragments those whose header it makes.
#pragma once

#include "xfrm/path/ip_head.h"

#define FRAGMENT_HEAD_MAX (IP_HEAD_MAX + 8) // bytes: IPv6 adds a fragment header

struct piece {
    uint32_t head_len;
    uint32_t at, len; // of the payload, in the packet
};

struct fragment { // a packet being cut
    const uint8_t *packet;
    uint32_t len;  // bytes of the packet
    uint32_t size; // payload of each piece but the last; a multiple of 8
    uint32_t next; // where the next piece begins
    uint32_t id;   // IPv6 identification
    struct ip_split head;
    bool more;
};

// Begins to cut the packet, which is borrowed, for a way that takes `mtu` bytes. False: it may not
// or cannot be cut (don't fragment; in IPv6, one that is a fragment; no room for 8 bytes of it).
bool fragment_begin(struct fragment *f, const uint8_t *packet, uint32_t len, uint32_t mtu,
                    uint32_t id);
// The next piece: its head is written to `head` (FRAGMENT_HEAD_MAX bytes), the rest stays where it
// is in the packet. f->more: there is another one.
void fragment_next(struct fragment *f, uint8_t *head, struct piece *out);
