// dig.h - from a frame to what concerns IPsec in it: link, IP and UDP headers off, the pieces of
// cut datagrams put together.
#pragma once

#include "base/addr.h"
#include "see/capture.h"

enum dug_kind {
    DUG_NOTHING, // other traffic
    DUG_IKE,     // body: from the IKE header on
    DUG_ESP,     // body: from the SPI on
    DUG_AH,      // body: from Next Header on
    DUG_KEEPALIVE,
    DUG_ICMP_TOO_BIG, // somebody on the way says so; mtu
    DUG_ICMP_REFUSED, // host, port or protocol not reachable; code
    DUG_TCP,          // body: from the TCP header on (stream.h)
};

struct dug {
    uint8_t kind;
    ip_t src, dst;
    uint16_t sport, dport; // 0: neither in UDP nor in TCP
    bool tcp;              // IKE or ESP out of a TCP connection (RFC 9329)
    bool marked;           // IKE behind four zero bytes: UDP 4500, TCP
    bool cut;              // the capture holds less than was on the wire
    uint8_t next;          // what follows in an AH: its Next Header
    uint16_t mtu;
    uint8_t code;
    span_t body;
    span_t ip; // the packet from its IP header on: what an AH covers
};

// Datagrams in pieces that are being put together: zeroed, then dig_done().
#define DIG_PENDING_MAX 64
struct pending {
    bool used;
    uint8_t proto;
    ip_t src, dst;
    uint32_t id;
    uint64_t first_frame;
    uint32_t have, total; // bytes; total 0: the last piece is missing
    uint8_t *bytes;       // IP_DATA_MAX
    uint8_t *there;       // one bit for eight bytes
};
struct dig {
    struct pending pending[DIG_PENDING_MAX];
    uint64_t lost; // datagrams that never became whole and had to make room
};

// What is in a frame. `out` borrows from the frame, or from d until the next call.
void dig_frame(struct dig *d, const struct frame *f, struct dug *out);
// Datagrams that never became whole, from `*at` on; false: no more.
bool dig_unfinished(const struct dig *d, unsigned *at, const struct pending **out);
void dig_done(struct dig *d);
// "10.1.0.1 > 10.2.0.1, ICMP", "..., TCP 1024 > 80": one line about an IP packet.
const char *dig_summary(span_t ip, char buf[160]);
