// net.h - the diplomat's UDP sockets: port 500 and 4500, IPv4 and IPv6 (RFC 7296 2, RFC 3948).
// Everything belongs to the thread of the loop. Errors of single datagrams, ICMP included, are
// swallowed: an unauthenticated packet must not be able to end a negotiation (RFC 7296 2.21.1).
#pragma once

#include "base/loop.h"
#include "ike/env.h"

#define NET_PORT 500
#define NET_NATT_PORT 4500 // datagrams to and from here carry the non-ESP marker

// Options; net_options_default() is what a daemon wants.
struct net_options {
    uint16_t port, natt_port; // ours, different
    // Our only address of a family; AF_UNSPEC: all. The executor shares natt_port only where it is
    // bound to the same address.
    ip_t bind4, bind6;
    uint32_t fwmark;   // set on what we send and used for route look-ups; 0 = none
    bool kernel_encap; // executor = kernel: natt_port's ESP packets go to the kernel's own IPsec;
                       // otherwise the port is shared with pavise-xfrmd (base/natt_share.h)
};
struct net_options net_options_default(void);

struct net;

// A datagram with an IKE message, marker taken off. d->bytes is net's own buffer: valid during the
// call, and writable, so that the message can be decrypted in place. It may be empty or anything.
// Must not call net_free().
typedef void net_input_fn(void *ctx, const struct datagram *d);

// Opens and watches the sockets. IPv6 is left out on a host without it. Needs CAP_NET_BIND_SERVICE
// for ports below 1024 and CAP_NET_ADMIN for fwmark.
// Errors: ERR_RANGE (ports), ERR_PERMISSION, ERR_EXISTS (port taken), ERR_SYSTEM, ERR_NOMEM; `why`
// says what failed.
err_t net_open(struct loop *loop, const struct net_options *opt, net_input_fn *input, void *ctx,
               struct net **out, struct why *why);
void net_free(struct net *n); // NULL is fine

// Sends without waiting, from d->from (address and port; the address may be AF_UNSPEC: the kernel
// chooses). Empty bytes: a NAT keepalive. What cannot be sent is lost, as on any network.
void net_send(struct net *n, const struct datagram *d);

// Our address towards a peer, by the kernel's routes; AF_UNSPEC if there is no way to it.
ip_t net_source_for(const struct net *n, const ip_t *peer);
