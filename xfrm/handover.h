// handover.h - packets on their way from the worker they came to, to the worker that owns their SA.
//
// Between any two workers lie bounded rings (base/ring.h), one for each way a packet walks, and one
// for the way home of its buffer: a buffer always returns to the pool that it came from. A worker
// with too many packets away takes no more from its ports until some have come home; what finds a
// ring full all the same is dropped. Packets of one flow come to one worker and go over one ring,
// so they stay in order.
#pragma once

#include "xfrm/path/pkt.h"

#define HANDOVER_MAX 512 // packets of one worker that are with others at a time
#define WORKERS_MAX 64   // rings grow with the square

struct handover;

enum handover_way { HANDOVER_OUT, HANDOVER_IN, HANDOVER_WAYS };

struct handover *handover_new(unsigned workers); // NULL when out of memory
void handover_free(struct handover *h);          // the workers have ended; NULL is fine

// ---- worker `me` ----
// The packet is the other's from here on. False: the ring is full, or too many are away already.
bool handover_put(struct handover *h, unsigned me, unsigned to, struct pkt *p,
                  enum handover_way way);
// A packet of another worker's pool goes home. Always possible.
void handover_give_back(struct handover *h, unsigned me, struct pkt *p);
// Adds packets handed over by others to b, as many as it takes.
void handover_take(struct handover *h, unsigned me, enum handover_way way, struct burst *b);
// Buffers that have come home go into the pool.
void handover_collect(struct handover *h, unsigned me, struct pool *pool);
// May another burst be handed over? If not, wait until buffers have come home.
bool handover_has_room(const struct handover *h, unsigned me);
// Is there something to take or to collect?
bool handover_waiting(const struct handover *h, unsigned me);
