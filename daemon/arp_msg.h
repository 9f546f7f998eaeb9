// arp_msg.h - requests and replies of ARP for IPv4 over Ethernet (RFC 826). Bytes in, bytes out.
#pragma once

#include "base/addr.h"
#include "base/cursor.h"

#define ARP_LEN 28
#define ARP_MAC_LEN 6

//  0                   1                   2                   3
// +-------------------------------+-------------------------------+
// |      hardware type (1)        |    protocol type (0x0800)     |
// +---------------+---------------+-------------------------------+
// |    hlen (6)   |    plen (4)   |     operation (1 request)     |
// +---------------+---------------+-------------------------------+
// |    sender: hardware address (6), IPv4 address (4)             |
// |    target: hardware address (6), IPv4 address (4)             |
// +---------------------------------------------------------------+
struct arp_request {
    uint8_t mac[ARP_MAC_LEN]; // who asks
    ip_t sender;              // 0.0.0.0: whether anybody has it (RFC 5227)
    ip_t target;              // for whom
};

// A request that wants an answer; what comes behind it, as padding of Ethernet, is passed over.
// Errors: ERR_SHORT, ERR_SYNTAX (anything else: a reply, another network, an announcement of who
// has the address itself, a hardware address of many).
err_t arp_read(span_t packet, struct arp_request *out);
// That the target is at `mac`.
void arp_answer(const struct arp_request *r, const uint8_t mac[ARP_MAC_LEN], uint8_t out[ARP_LEN]);
