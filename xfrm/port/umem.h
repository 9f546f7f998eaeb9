// umem.h - the memory that AF_XDP sockets of one worker share with the kernel (UMEM), in frames of
// one size, and the four rings of such a socket.
//
//     fill        frames for the kernel to receive into      we produce
//     rx          frames that it has received into           we consume
//     tx          frames to be sent                          we produce
//     completion  frames that have been sent                 we consume
//
// A frame is in one place at a time: free, with the kernel (fill, tx), or lent to the packets of a
// burst. A packet that stands in a lent frame can be sent from there, on either interface, without
// being copied. Threads: one worker's.
#pragma once

#include <linux/if_xdp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FRAME_BYTES 4096
#define FRAME_START 256 // where received frames begin in it (XDP_PACKET_HEADROOM), and sent ones
#define FRAME_NONE UINT32_MAX

struct umem {
    uint8_t *base;
    uint32_t count, free_count;
    uint32_t *free;
    uint8_t *state; // of each frame: FRAME_FREE, FRAME_SENT, or whom it is lent by
};
enum { FRAME_FREE, FRAME_SENT, FRAME_LENT }; // LENT + the number of the socket

err_t umem_new(uint32_t frames, struct umem **out, struct why *why); // ERR_NOMEM
void umem_free(struct umem *u);                                      // NULL is fine
uint32_t umem_take(struct umem *u);                                  // FRAME_NONE: there is none
void umem_give(struct umem *u, uint32_t frame);
// The frame that holds this byte, or FRAME_NONE.
uint32_t umem_frame(const struct umem *u, const uint8_t *at);

struct xdp_ring {
    uint32_t *producer, *consumer, *flags;
    void *entries;
    uint32_t size, next; // next: our own end's position
    void *map;
    size_t bytes;
};

struct xdp_rings {
    struct xdp_ring fill, rx, tx, completion;
};

// Makes the rings of a socket. Errors: ERR_SYSTEM, with a sentence.
err_t xdp_rings_new(struct xdp_rings *r, int socket, struct why *why);
void xdp_rings_free(struct xdp_rings *r);
#define XDP_FILL 2048 // entries of fill and rx: a busy moment is no loss
#define XDP_SEND 1024 // of tx and completion

// What the kernel has produced and we have not consumed.
static inline uint32_t xdp_ring_ready(const struct xdp_ring *r)
{
    return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE) - r->next;
}
static inline void xdp_ring_consumed(struct xdp_ring *r, uint32_t n)
{
    r->next += n;
    __atomic_store_n(r->consumer, r->next, __ATOMIC_RELEASE);
}
// Entries that we may still produce.
static inline uint32_t xdp_ring_room(const struct xdp_ring *r)
{
    return r->size - (r->next - __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE));
}
static inline void xdp_ring_produced(struct xdp_ring *r, uint32_t n)
{
    r->next += n;
    __atomic_store_n(r->producer, r->next, __ATOMIC_RELEASE);
}
static inline uint64_t *xdp_ring_address(const struct xdp_ring *r, uint32_t i)
{
    return (uint64_t *)r->entries + ((r->next + i) & (r->size - 1));
}
static inline struct xdp_desc *xdp_ring_packet(const struct xdp_ring *r, uint32_t i)
{
    return (struct xdp_desc *)r->entries + ((r->next + i) & (r->size - 1));
}
