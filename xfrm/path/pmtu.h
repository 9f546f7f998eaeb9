// pmtu.h - what a path takes, for each outbound SA (RFC 4301 8.2, RFC 1191, RFC 8201).
//
// Two sources: the MTU of the link that leads to the peer, asked for again every few seconds, and
// ICMP messages of routers further on. Anybody can send those, so one is believed only if it quotes
// a packet of the SA, by SPI and addresses, and only for PMTU_AGE; it can never raise the value.
#pragma once

#include "xfrm/path/path.h"

#define PMTU_AGE (600 * NSEC_PER_SEC)     // RFC 1191 6.3, as the kernel's mtu_expires
#define PMTU_LINK_AGE (10 * NSEC_PER_SEC) // until the link's MTU is asked for again
#define PMTU_MIN4 552                     // bytes: less is not believed, as the kernel's min_pmtu
#define PMTU_MIN6 1280                    // bytes: RFC 8200 5

struct sa;

// MTU of the way of the SA's packets; 0 when it is not known.
uint32_t pmtu_of(struct worker *w, struct sa *sa);
// MTU of the link to the peer that an inbound SA's packets come from; 0 when it is not known.
uint32_t pmtu_back(struct worker *w, struct sa *sa);
// A router has said that no more than `mtu` bytes get through.
void pmtu_learn(const struct worker *w, struct sa *sa, uint32_t mtu);
// Mode iptfs: the packet may be longer than the path, as it is cut inside its SA.
bool pmtu_is_cut_inside(const struct pkt *p);
// Does a packet that is too long for `mtu` have to be refused? Then *tell would fit. Otherwise it
// is fragmented on its way.
bool pmtu_refuses(const struct pkt *p, uint32_t mtu, uint32_t *tell);
// What ICMP has told, if it still counts at `now` (monotonic ns); else 0. Any thread.
uint32_t pmtu_learned(const struct sa *sa, uint64_t now);
