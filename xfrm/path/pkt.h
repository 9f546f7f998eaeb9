// pkt.h - a packet and a burst of packets on their way through the executor.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "xfrm/path/drop.h"

#define BURST_MAX 128 // packets handled by one call of a stage
// Bytes before a received packet: what several SAs put in front of it. IPv6 40 + UDP 8 + ESP 8 + IV
// 16 for one; AH with the longest ICV takes 80, IPComp 4, and each of them may bring another IPv6
// header.
#define PKT_HEADROOM 256
#define PKT_TAILROOM 320 // padding (255) + trailer 2 + ICV 32, rounded up
// The longest IP packet, and room for a header beside it (assemble.c). Peers protect whole
// datagrams and fragment after that, so such packets come; memory behind the usual ones stays
// untouched.
#define PKT_DATA_MAX (65536 + 256)
#define PKT_ROOM (PKT_HEADROOM + PKT_DATA_MAX + PKT_TAILROOM) // bytes of a buffer of the pool
#define PKT_SAS_MAX 6 // SAs that one packet goes through: XFRM_MAX_DEPTH

struct sa;
struct policy;
struct hop; // xfrm/port/hop.h

// What selectors look at (RFC 4301 4.4.1.1), read from an inner packet by flow_read().
struct flow {
    ip_t src, dst;
    uint16_t sport, dport; // ICMP: type and code, as the kernel matches them
    uint8_t proto;
    bool fragment; // not the first fragment: ports unknown
    bool part;     // a fragment, be it the first
    bool df;       // IPv4: don't fragment
    uint8_t tos, ttl;
    uint32_t label; // IPv6 flow label
};

// Owned by exactly one of: a port (receiving), a burst, the hold queue, the pool.
struct pkt {
    uint8_t *at;    // first byte of what the packet is now: inner IP, ESP header, ...
    uint32_t len;   // bytes from `at`
    uint8_t *room;  // start of its buffer: the pool's, or one that a port has lent for the burst
    uint32_t size;  // bytes of the buffer
    enum drop drop; // set: later stages pass it by; the path's end counts and frees it
    struct sa *sa;  // valid within the burst (RCU read side)
    const struct policy *policy;
    struct flow flow;
    uint8_t run;   // outbound, within the burst: neighbours with the same number have the same flow
    uint64_t seq;  // full 64-bit sequence number
    uint64_t born; // monotonic ns; when it came in (hold timeout)
    endpoint_t from, to; // outer addresses; port 0: raw ESP (IP protocol 50)
    uint8_t outer_tos;
    // Of the outer header. Outbound: what it is to say; inbound: what the port could tell of it.
    uint8_t outer_ttl;    // 0: the system's default, or not known
    bool outer_df;        // IPv4: don't fragment
    uint16_t outer_id;    // IPv4 identification, outbound
    uint32_t outer_label; // IPv6 flow label
    uint32_t path_mtu;    // outbound: longer ones are fragmented, where they may be. 0: not known
    bool udp;             // outer is ESP in UDP
    bool held;            // taken over by the hold queue: no longer the burst's
    uint32_t mark;
    uint32_t inner; // outbound: bytes of the packet before it was wrapped
    bool done;      // has left the path as it should (bypass, dummy packet): goes back to the pool
    uint8_t *own;   // the pool's buffer
    uint8_t home;   // whose pool: the worker's index

    // mode iptfs: outbound a payload of several packets, of which so many end in it; inbound a
    // payload that has not been taken apart yet
    bool filled, aggfrag;
    uint16_t carried;
    bool dummy; // outbound: carries nothing (RFC 4303 2.6) and is counted apart
    bool cut;   // outbound: fragmented on its further way, whatever the inner header says
    uint8_t
        proto;  // of the outer packet: ESP, AH, IPComp, or IP in IP where IPComp did not shrink it
    bool whole; // outbound: carries its own IP header to the port
    // The outer IP header: inbound where a port or an outer SA has left it (NULL: not there),
    // outbound how much of it stands in front of `at`.
    uint8_t *head;
    uint32_t head_len;
    // SAs that it goes through. Outbound the innermost first, `layer` is the current one; inbound
    // those that it has come through, the outermost first.
    struct sa *sas[PKT_SAS_MAX];
    uint8_t sa_count, layer;
    const struct hop *hop; // of one that leaves past the host's stack; valid within the burst
};

struct burst {
    unsigned n;
    struct pkt *p[BURST_MAX];
};

// Reads the inner IP header and ports. False: malformed (lengths, version, truncated headers).
// Sets len to the IP total length if the buffer is longer (trailing TFC padding goes).
bool flow_read(struct pkt *p);

// ---- buffers: fixed number, made at start, never allocated later; one pool per worker ----
struct pool;
struct pool *pool_new(unsigned count);
void pool_free(struct pool *p);
struct pkt *pool_take(struct pool *p); // reset, at = room + PKT_HEADROOM; NULL when empty
void pool_give(struct pool *p, struct pkt *pkt);
void pool_number(struct pool *p, unsigned home); // the worker that it belongs to; 0 without this
// At least `before` bytes in front of `at` that are the packet's own: one that stands close behind
// another in a port's memory moves into its own buffer. False: it does not fit there.
bool pkt_make_room(struct pkt *p, uint32_t before);
// Into its own buffer if it stands in a port's memory, for a stay longer than the burst. False: it
// does not fit there.
bool pkt_keep(struct pkt *p);
