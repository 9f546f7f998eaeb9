// coalesce.h - joins neighbours of a flow into super-packets, by the rules of the kernel's GRO.
//
//     | IP | TCP | a | IP | TCP | b | IP | TCP | c |     three packets of a burst
//     | IP | TCP | a | b | c |                           one write to the host
//
// Only what the host could cut into the very same packets again is joined: TCP segments of
// consecutive numbers, or UDP datagrams of one size, with equal headers and a right checksum.
// Whatever else comes is a super-packet of one. Order within a flow is kept.
#pragma once

#include <linux/virtio_net.h>
#include <sys/uio.h>

#include "xfrm/path/pkt.h"

#define COALESCE_HEAD_MAX 100            // bytes: IPv6 40, TCP with all options 60
#define COALESCE_IOV_MAX (BURST_MAX + 1) // pieces of one super-packet, its header extra

struct joint { // packets that go to the host in one piece
    unsigned count;
    unsigned first, last; // index into the burst
    uint32_t payload;     // of all of them
    uint32_t size;        // payload of the first one: none is larger
    uint32_t transport, head;
    uint32_t next_seq; // TCP
    uint8_t flags;     // TCP: FIN and PSH of the last one
    bool v6, tcp;
    bool closed; // takes no more
};

struct coalesce {
    unsigned joints;
    struct joint joint[BURST_MAX];
    uint16_t next[BURST_MAX]; // the packet that follows in its joint
    unsigned open_from;       // joints before this one are not looked at any more
};

// Sorts the burst's n packets (at most BURST_MAX) into joints; they are to leave in that order.
// `udp`: join UDP datagrams too (the host's kernel must know USO).
void coalesce_burst(struct coalesce *c, struct pkt *const *p, unsigned n, bool udp);

// What is to be written for a joint of more than one: header for the device, and pieces for writev;
// the packets stay as they are. `head` (COALESCE_HEAD_MAX bytes) holds the super-packet's headers.
// Returns the number of pieces.
unsigned coalesce_write(const struct coalesce *c, const struct joint *j, struct pkt *const *p,
                        struct virtio_net_hdr *hdr, uint8_t *head, struct iovec *iov);
