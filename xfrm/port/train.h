// train.h - datagrams that come coupled: one received message holds up to 64 KiB of datagrams of
// one size, the last of which may be shorter (UDP_GRO). The way out is in batch.c (UDP_SEGMENT).
//
//     | ESP | ESP | ESP | ESP |        one message, with the size of a car
//
// The packets of a burst are the cars where they stand: nothing is copied. They are lent until
// the next train_recv().
#pragma once

#include "xfrm/port/batch.h"

struct train;

// NULL when out of memory. `fd`: UDP socket made by batch_socket. A kernel without UDP_GRO sends
// each datagram by itself, which is a train of one car.
struct train *train_new(int fd, uint16_t family);
void train_free(struct train *t);

// As batch_recv(). A car longer than a packet may be comes as one of no bytes. Sets *more when cars
// are left that the burst had no room for.
void train_recv(struct train *t, struct pool *pool, struct burst *b, bool *more);

// Called for a packet that is not ESP. The kernel tells IKE from ESP by a train's first car only:
// an IKE message further back was meant for somebody else and is lost. Trains are then kept out for
// a while, so that its repetition finds its way.
void train_stranger(struct train *t, const struct pkt *p);
