// path_pair.h - two executors, moon and sun, with SAs of one kind between them; the kinds cover
// every mode, protocol, family and transform, alone and around each other. moon sends, sun
// receives; what leaves either is kept to be looked at.
#pragma once

#include "test/fuzz/ip_gram.h"
#include "xfrm/control.h"
#include "xfrm/path/path.h"

#define PAIR_LAYERS 3
#define PAIR_FRAMES 192

struct frame { // a packet that has left
    uint8_t at[IP_GRAM_MAX + 1024];
    uint32_t len;
    endpoint_t from, to;
    bool udp, whole; // whole: with its IP header
    uint8_t proto, tos;
};

struct frames {
    unsigned n, lost; // lost: there was no room to keep it
    struct frame f[PAIR_FRAMES];
};

struct site {
    struct db *db;
    struct control *control;
    struct worker *w;   // all moons share one, and all suns
    struct frames *out; // sent by moon, delivered by sun
    uint64_t clear;     // packets that policy let pass in clear
};

struct pair {
    struct site moon, sun;
    struct ip_gram ends; // what moon's policies lead to sun
    prefix_t src, dst;   // their networks
    uint8_t only;        // the one protocol that they take; 0: all
    bool tunnel;         // the inner packet is carried as it is
    bool proven;         // nothing but what moon has sent can get through, and only once
};

// How many kinds there are. The pair of each is made when it is asked for and kept; sequence
// numbers, windows and counters are as if it were new.
unsigned pair_kinds(void);
struct pair *pair_get(unsigned kind);
// All drops of a site so far.
uint64_t site_drops(const struct site *s);
// The frame, as the network would hand it to the site.
struct pkt *site_arrival(struct site *s, const struct frame *f);
