// ip_head.h - the IP header around ESP and AH, IPv4 options and IPv6 extension headers included:
// where it ends, what changes in it, and how a new one is made (RFC 791, RFC 8200 4.1; RFC 4302 and
// 4303 3.1.1).
//
//     IPv4   | header, options |                                      | ESP or AH | ...
//     IPv6   | header | hop-by-hop | destination* | routing | fragment | ESP or AH | destination ..
//
//     * only where a routing header follows: for every stop on the way, not for the end alone
#pragma once

#include "base/addr.h"
#include "base/order.h"

#define IP4_HEADER 20
#define IP6_HEADER 40
// Extension headers of one packet that are looked through. RFC 8200 4.1 knows seven, once each
// (destination options twice); a longer chain is an attack on whoever walks it.
#define IP6_EXTENSIONS_MAX 8
#define IP_HOPS 64      // of packets of our own, RFC 1700
#define IP_HEAD_MAX 256 // bytes: room for a copy. A longer head is refused

struct ip_split {
    uint32_t len;     // bytes of the head
    uint32_t next_at; // where in it the byte is that names what follows
    uint8_t next;     // what follows
    bool fragment;    // part of a larger packet, be it the first
};

// What a new header says.
struct ip_wanted {
    ip_t src, dst;
    uint8_t tos, next;
    uint8_t ttl;      // 0: IP_HOPS
    bool df;          // IPv4: don't fragment
    uint32_t label;   // IPv6 flow label
    uint16_t id;      // IPv4 identification
    uint32_t payload; // bytes behind it
};

// Where in the packet ESP or AH has to be put; or, with `seek`, where the extension headers end
// altogether, as they do in front of one that is there. False: malformed, or longer than
// IP_HEAD_MAX. Looks at no more than `len` bytes and does not judge the length the header tells.
bool ip_split(const uint8_t *packet, uint32_t len, bool seek, struct ip_split *out);
// Makes the head say what follows and that the whole packet is `total` bytes long.
void ip_head_join(uint8_t *head, const struct ip_split *s, uint8_t next, uint32_t total);
// Writes a header without options and returns its length.
uint32_t ip_head_make(uint8_t *at, const struct ip_wanted *w);
// Brings the checksum of TCP, UDP or ICMP behind the head in line with it and the addresses.
void ip_transport_sum(uint8_t *packet, uint32_t len, const struct ip_split *s);

static inline bool ip_is_v6(const uint8_t *packet)
{
    return packet[0] >> 4 == 6;
}
static inline uint8_t ip_head_tos(const uint8_t *packet)
{
    return ip_is_v6(packet) ? (uint8_t)(get16(packet) >> 4) : packet[1];
}
static inline ip_t ip_head_src(const uint8_t *packet)
{
    return ip_is_v6(packet) ? ip_from(AF_INET6, packet + 8) : ip_from(AF_INET, packet + 12);
}
static inline ip_t ip_head_dst(const uint8_t *packet)
{
    return ip_is_v6(packet) ? ip_from(AF_INET6, packet + 24) : ip_from(AF_INET, packet + 16);
}
