// port.h - where packets come from and go to. The only vtable of the packet path.
//
// A port belongs to one worker's thread after port start. Receiving fills packets from the
// worker's pool; sending never blocks (a full socket buffer is a drop with a word).
#pragma once

#include "xfrm/path/pkt.h"

struct port;

// Written by the port's worker only, read by others (xfrm/db/counter.h).
struct port_counts {
    uint64_t packets_in, bytes_in, packets_out, bytes_out;
    uint64_t ignored;     // no business of the executor: keepalives, IKE while no IKE daemon runs,
                          // noise of the link
    uint64_t refused_out; // the system would not take them
};

struct port_ops {
    const char *name; // "tun", "udp_encap", "raw_ip", "af_xdp", "pcap"
    // Receives up to BURST_MAX packets into b (b->n = 0 before). Returns without waiting.
    void (*recv)(struct port *p, struct pool *pool, struct burst *b);
    // Sends; a packet that could not be sent gets a drop word.
    void (*send)(struct port *p, struct pkt **pkts, unsigned n);
    int (*fd)(const struct port *p); // for poll: readable means recv has something
    void (*free)(struct port *p);
};

struct port { // first member of every port
    const struct port_ops *ops;
    bool more;     // recv has packets left that the burst had no room for, whatever the fd says
    bool inner;    // brings packets of the host, to be protected; otherwise those of peers
    uint32_t mark; // of the packets it brings, since it does not tell them; 0: none
    struct port_counts counts;
};

#define TUN_MTU_MIN 1280 // bytes; IPv6 needs it, RFC 8200 5
#define TUN_MTU_MAX 9216 // bytes: jumbo frames

// TUN device `name`, brought up with `mtu`, with `queues` ports, one for each worker: flows stay
// with the queue that packets of theirs were sent to last. A device with several queues must not
// exist before. recv: inner packets (at = IP header); super-packets of the host come cut, with
// their checksums finished. send: joins packets into super-packets. Errors: ERR_PERMISSION,
// ERR_SYSTEM with a sentence ("/dev/net/tun: ...; remedy"). Before it comes up it is made quiet and
// exempt: no IPv6 addresses of its own, no reverse-path filter, and the kernel's IPsec policies do
// not apply to what comes out of it (disable_policy) or goes into it (disable_xfrm), since both
// have been or will be judged here.
err_t tun_open(const char *name, uint32_t mtu, unsigned queues, struct port **out, struct why *why);

// UDP sockets for ESP in UDP on `port`, IPv4 and IPv6, shared with an IKE daemon by SO_REUSEPORT
// and a classic-BPF program that sends non-ESP-marker packets to it and ESP to us. `fwmark` is set
// on everything sent. Keepalives (one byte 0xff) are eaten. One fd per family. Datagrams of one
// size to one peer go and come in trains of up to 64 KiB where the kernel knows how (train.h).
// `count` of them, one for each worker: out[SPI % count] gets the packet in most cases
// (base/natt_share.h).
err_t udp_encap_open(uint16_t family, uint16_t port, uint32_t fwmark, unsigned count,
                     struct port **out, struct why *why);
// One on one address, beside a socket of an IKE daemon that is bound to it. It receives only: what
// leaves, leaves by the socket for all addresses.
err_t udp_encap_open_at(const endpoint_t *at, uint32_t fwmark, struct port **out, struct why *why);
// Sends a NAT keepalive (RFC 3948 4) from an address of ours and the port's own number, by its
// socket for all addresses, with this firewall mark instead of the socket's if it is not 0. It may
// get lost, like any, and is not counted. Any thread.
void udp_encap_keepalive(const struct port *p, const ip_t *from, const endpoint_t *to,
                         uint32_t mark);

// Raw ESP, AH or IPComp, IP protocol 50, 51 or 108, or IP in IP, 4 or 41. One per family and
// protocol. Packets leave with an IP header that is made here of what they want it to say (struct
// pkt: outer_*). IP in IP is deaf until raw_ip_listen(): the host may have other tunnels.
err_t raw_ip_open(uint16_t family, uint8_t protocol, uint32_t fwmark, struct port **out,
                  struct why *why);

// Of `count` sockets of a family and protocol each gets every packet. This one keeps those whose
// SPI modulo count is index; IP in IP is left alone. Before the first packet.
void raw_ip_share(const struct port *p, unsigned index, unsigned count);

// Turns its ear on or off. Any thread.
void raw_ip_listen(const struct port *p, bool on);

// What ICMP tells this host of packets that were too long for a router. Receives only: at = ICMP
// header. One per family.
err_t icmp_open(uint16_t family, struct port **out, struct why *why);

// Way out for packets that stay in clear although a route has led them into the TUN device, and for
// protected ones with a header of their own (struct pkt: whole): whole IP packets, sent as they are
// and fragmented only where the path's MTU is known and it is allowed: otherwise, longer than the
// device takes them, they are refused. `fwmark` lets them pass by that route. Send only. One per
// family.
err_t clear_ip_open(uint16_t family, uint32_t fwmark, struct port **out, struct why *why);
