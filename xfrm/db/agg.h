// agg.h - what an SA of mode iptfs (RFC 9347) keeps between packets. Outbound: whole inner packets
// that wait for others to go with. Inbound: payloads that came too early, and an inner packet of
// which the rest has not come yet.
//
// All memory is taken with the SA, and none of it is a packet's buffer: so whatever becomes of the
// SA, nothing has to be given back. What is never used is never touched. Everything belongs to the
// worker that owns the SA; a worker with whom a time is running (path/agg_timer.c) holds it beyond
// the SA's end.
#pragma once

#include "xfrm/xfrm.h"

// Payloads that may wait for a missing one, whatever larger window was asked for: each may have the
// length of an IP packet, and the peer chooses.
#define AGG_WINDOW_MAX 256
#define AGG_PAYLOAD_MAX UINT16_MAX
#define AGG_INNER_MAX (40U + UINT16_MAX) // the longest IPv6 packet
#define AGG_QUEUE_MAX \
    (16U << 20) // bytes of inner packets, whatever more was allowed: they leave at one go
#define AGG_PKT_SIZE_MIN 128 // as strongswan.conf: headers, ICV, and a little room

// An outbound packet in the queue; its bytes follow.
struct agg_entry {
    uint32_t len;
};

struct agg_slot { // a payload that came too early
    uint64_t seq; // 0: empty
    uint32_t len, mark;
    uint8_t tos; // of its outer header
    endpoint_t from;
    uint8_t *at; // AGG_PAYLOAD_MAX bytes
};

struct agg_part {  // an inner packet that has begun
    uint8_t *at;   // AGG_INNER_MAX bytes
    uint32_t have; // of it; 0: there is none
    uint64_t next; // the number of the payload that goes on with it
    uint8_t tos;   // of the outer headers, congestion on the way included
};

struct agg {
    unsigned refs; // atomic: the SA, and the worker with whom a time is running
    struct xfrm_sa_id id;

    struct agg *next; // of those with whom a time is running
    bool armed;
    uint64_t due; // monotonic ns; counts where something waits

    struct {
        uint8_t *at; // struct agg_entry, bytes, and so on; NULL: not an outbound SA
        uint32_t used, packets, bytes;
        uint32_t most; // bytes of packets, XFRMA_IPTFS_MAX_QSIZE
        uint32_t mark; // of the first
    } out;
    struct {
        uint64_t want;   // the number that comes next
        uint32_t window; // slots; 0: payloads are taken as they come
        uint32_t saved;  // of them in use
        struct agg_slot *slot;
        uint8_t *room;
        struct agg_part part; // at NULL: not an inbound SA
    } in;
};

// For an SA with keys and a direction. Errors, with a sentence: ERR_RANGE, ERR_NOMEM.
err_t agg_new(const struct xfrm_sa *x, struct agg **out, struct why *why);
struct agg *agg_hold(struct agg *a);
void agg_drop(struct agg *a); // frees it with the last who held it; NULL is fine
