// hop.h - where a packet goes next: the Ethernet header for packets between two addresses, as the
// host's routes, rules and neighbours have it. For ports that do not go through the host's stack.
//
// A worker's own cache. What is not in it is asked for between bursts (hops_ask), not while packets
// wait: they take the way through the stack meanwhile. What has grown old is used until the answer
// is there, and the kernel is told that the neighbour is in use, so that it goes on to look after
// it.
//
// Threads: one worker.
#pragma once

#include "base/addr.h"
#include "base/err.h"

#define HOP_HEAD 14            // bytes of Ethernet
#define HOP_MTU_MAX 3486       // bytes of a packet: with Ethernet those of a frame (xdp_prog.h)
#define HOP_FRESH NSEC_PER_SEC // after this the kernel is asked again: changes act this late
#define HOP_STALE (HOP_FRESH * 5 / 4) // after this it is not used any more
#define HOPS_WAITING 16               // questions between two bursts; others are asked later
#define HOPS_PER_SECOND 2000          // questions, for some 2 % of a core

enum hop_way { HOP_OUT, HOP_IN, HOP_WAYS }; // protected packets of ours; what came through a tunnel

struct hop {
    ip_t dst, src;
    uint8_t way; // enum hop_way
    bool known;  // false: it is not by this interface, or nobody knows
    uint8_t ether[HOP_HEAD];
    uint32_t mtu;
    uint64_t asked; // monotonic ns; 0: the entry is empty
};

struct hops_conf {
    uint32_t fwmark;              // by which our own packets are routed
    uint32_t tun;                 // the TUN device: where HOP_IN comes from
    uint32_t device[HOP_WAYS];    // by which it must go; 0: never
    const uint8_t *mac[HOP_WAYS]; // 6 bytes: of those devices; copied
};

struct hops;

err_t hops_new(const struct hops_conf *conf, struct hops **out, struct why *why);
void hops_free(struct hops *h); // NULL is fine

// NULL: not known, or not this way. Valid until hops_ask().
const struct hop *hops_find(struct hops *h, enum hop_way way, const ip_t *dst, const ip_t *src,
                            uint64_t now);
// Asks what was not known: some system calls for each question.
void hops_ask(struct hops *h, uint64_t now);
