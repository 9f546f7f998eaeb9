// batch.h - up to BURST_MAX packets by one system call (recvmmsg, sendmmsg), with the local
// address, TOS and TTL of each one in control messages. What the socket ports have in common.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "xfrm/port/head6.h"
#include "xfrm/port/port.h"

#ifndef IP_PROTOCOL // <linux/in.h>, since 6.4
#define IP_PROTOCOL 52
#endif

// Bytes of control messages per packet: 160 are used beside extension headers.
#define BATCH_CONTROL_MAX (168 + HEAD6_CONTROL_MAX)

// System call arguments, kept between calls. One thread at a time.
struct batch {
    uint32_t headroom; // bytes kept free in front of what is received, beyond the usual
    bool couples;      // the kernel cuts one message into datagrams of one size (UDP_SEGMENT)
    bool marks; // packets leave with a firewall mark of their own where they have one (pkt.mark)
    uint8_t route_as;   // the protocol of packets with a header of their own, for routing rules
    endpoint_t refused; // a peer to whom it would not, and for how many packets it is not asked
    unsigned refused_for;
    uint32_t ident;            // of the next packet that is fragmented in IPv6
    bool df;                   // what the socket says in IPv4 headers now
    uint16_t count[BURST_MAX]; // packets of each message
    struct mmsghdr msg[BURST_MAX];
    struct iovec iov[BURST_MAX];
    struct sockaddr_in6 peer[BURST_MAX]; // room for either family
    _Alignas(struct cmsghdr) uint8_t control[BURST_MAX][BATCH_CONTROL_MAX];
};

// A socket of the packet path: non-blocking, marked, with large buffers, reporting destination,
// TOS, TTL and flow label, never refusing to fragment. `what` names it in the sentence.
err_t batch_socket(uint16_t family, int type, int protocol, uint32_t fwmark, int *out,
                   struct why *why);

// Receives what is there into b (b->n = 0 before), without waiting: at, len, from, to (address
// only), outer_tos, outer_ttl, outer_label. A packet longer than its buffer comes as one of no
// bytes, which is malformed.
void batch_recv(struct batch *m, int fd, uint16_t family, struct pool *pool, struct burst *b);
// What a received message says: len, from, to, and the outer header's fields.
void batch_read(struct mmsghdr *msg, uint16_t family, struct pkt *p);

// Sends from p->from.ip to p->to with the outer_* fields of p. What the system does not take gets a
// drop word. Counts into c. With m->couples, neighbours of one size, way and mark leave as one
// message.
void batch_send(struct batch *m, int fd, uint16_t family, struct pkt **p, unsigned n,
                struct port_counts *c);
// The same for packets that bring their own IP header: destination only, and for those with `whole`
// the source for the sake of routing. Longer than p->path_mtu, they go in fragments if they may.
void batch_send_bare(struct batch *m, int fd, uint16_t family, struct pkt **p, unsigned n,
                     struct port_counts *c);
// Can this UDP socket send coupled datagrams?
bool batch_can_couple(int fd);

// For the send functions of ports: one packet more or less.
void batch_count_out(struct port_counts *c, struct pkt *p, bool sent, enum drop word);
