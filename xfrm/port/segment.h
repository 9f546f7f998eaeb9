// segment.h - cuts a super-packet of the host into the packets it stands for (TSO, USO), and
// finishes checksums that the host has left undone.
//
//     | IP | TCP or UDP | payload of up to 64 KiB                               |
//
//     | IP | TCP or UDP | size | IP' | TCP' | size | ... | IP' | TCP' | rest |
//
// What differs from packet to packet is what the kernel's own segmentation changes: lengths, IPv4
// identification, TCP sequence number, FIN and PSH (on the last one only), CWR (on the first one
// only), checksums.
//
// The host is believed in nothing: every length is checked before it is used.
#pragma once

#include <linux/virtio_net.h>

#include "base/err.h"
#include "xfrm/path/pkt.h"

// Bytes of the largest super-packet: an IPv6 header and the largest payload length it can name.
#define SUPER_MAX (40 + 65535)

#define GSO_UDP_L4 5 // VIRTIO_NET_HDR_GSO_UDP_L4, Linux 6.2

struct segment { // a super-packet being cut
    const uint8_t *at;
    uint32_t len;
    uint32_t transport; // where TCP or UDP begins
    uint32_t head;      // bytes of all headers
    uint32_t size;      // payload of each packet but the last
    uint32_t next;      // where the next packet's payload begins
    uint32_t index;     // of the next packet
    uint16_t pseudo;    // raw sum of the pseudo-header without the length
    bool v6, tcp, more;
};

// Begins to cut the super-packet at `at`, which is borrowed until the last packet has been made.
// Errors: ERR_SYNTAX when header and packet do not fit together (nothing is to be cut then).
err_t segment_begin(struct segment *s, const struct virtio_net_hdr *hdr, const uint8_t *at,
                    uint32_t len);

// Makes the next packet at p->at, where PKT_DATA_MAX bytes must be free. s->more tells whether
// there is another one.
void segment_next(struct segment *s, struct pkt *p);

// A whole packet whose transport checksum is undone (VIRTIO_NET_HDR_F_NEEDS_CSUM): finishes it in
// place. False: the header points outside the packet.
bool segment_finish(const struct virtio_net_hdr *hdr, uint8_t *at, uint32_t len);
