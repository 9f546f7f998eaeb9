// dhcp_msg.h - messages of DHCP (RFC 2131, options of RFC 2132) and the IPv4 packets that bring
// them. Bytes in, bytes out.
#pragma once

#include "base/addr.h"
#include "base/cursor.h"
#include "ike/sa/lease.h"

#define DHCP_SERVER_PORT 67
#define DHCP_CLIENT_PORT 68
#define DHCP_MAC_LEN 6
#define DHCP_MAC_PREFIX 0x7aa7 // of clients that we speak for; strongSwan's, too
#define DHCP_COOKIE 0x63825363U
#define DHCP_OUT_MAX 800 // bytes: 243, names of 255 each and five small options
#define DHCP_FOREVER UINT32_MAX

enum dhcp_type {
    DHCP_DISCOVER = 1,
    DHCP_OFFER,
    DHCP_REQUEST,
    DHCP_DECLINE,
    DHCP_ACK,
    DHCP_NAK,
    DHCP_RELEASE,
};

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +---------------+---------------+---------------+---------------+
// |     op (1)    |   htype (1)   |   hlen (1)    |   hops (1)    |
// +---------------+---------------+---------------+---------------+
// |                            xid (4)                            |
// +-------------------------------+-------------------------------+
// |           secs (2)            |           flags (2)           |
// +-------------------------------+-------------------------------+
// |                          ciaddr  (4)                          |
// |                          yiaddr  (4)                          |
// |                          siaddr  (4)                          |
// |                          giaddr  (4)                          |
// |                          chaddr  (16)                         |
// |                          sname   (64)                         |
// |                          file    (128)                        |
// +---------------------------------------------------------------+
// |                    99.130.83.99, options                      |
// +---------------------------------------------------------------+
struct dhcp_say {
    enum dhcp_type type;
    uint32_t xid;
    uint16_t secs;  // since the client has begun
    bool broadcast; // the answer, too: the client's hardware address is nobody's
    uint8_t mac[DHCP_MAC_LEN];
    ip_t client; // ciaddr, of RELEASE; AF_UNSPEC: none
    ip_t relay;  // giaddr; AF_UNSPEC: none
    ip_t wish;   // requested address; AF_UNSPEC: none
    ip_t server; // server identifier; AF_UNSPEC: none
    span_t name; // host name, at most 255 bytes; empty: none
    span_t id;   // client identifier, likewise
};
// Returns the message, in buf.
span_t dhcp_write(const struct dhcp_say *m, uint8_t buf[DHCP_OUT_MAX]);

struct dhcp_heard {
    enum dhcp_type type; // OFFER, ACK or NAK
    uint32_t xid;
    uint8_t mac[DHCP_MAC_LEN];
    ip_t server;             // never AF_UNSPEC
    uint32_t lease_s;        // DHCP_FOREVER also if it says nothing
    uint32_t renew_s;        // 0: it says nothing
    struct dhcp_lease lease; // id 0; the address is one that a host can have, unless it is a NAK
};
// What a server has answered to an Ethernet client. Errors: ERR_SHORT, ERR_SYNTAX (it is no such
// thing, or says no type, server or address).
err_t dhcp_read(span_t message, struct dhcp_heard *out);

// The UDP payload of a whole IPv4 packet from a server's port to a server's or client's. Errors:
// ERR_SHORT, ERR_SYNTAX (it is something else, or a fragment).
err_t dhcp_unwrap(span_t packet, span_t *message);
