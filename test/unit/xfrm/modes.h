// modes.h - two executors back to back with SAs of any mode and protocol between them, one or
// several.
#pragma once

#include "test/unit/xfrm/rig.h"

// moon and sun are plain hosts; BEET gives them inner addresses, too. [v6][moon, sun]
extern const char *const hosts[2][2], *const inners[2][2];

struct pair {
    struct rig *moon, *sun;
};

// One SA of a chain, and the template that asks for it.
struct link {
    struct xfrm_sa x;
    struct xfrm_tmpl t;
};

struct link link_of(uint8_t proto, uint8_t mode, unsigned v6, uint32_t spi);
// With inner addresses from `inners`.
struct link beet_of(uint8_t proto, unsigned in_v6, unsigned out_v6, uint32_t spi);
// Both ends know the same SAs; links[0] is the innermost.
struct pair pair_of(const struct link *links, unsigned n);
void pair_free(struct pair *p);
uint32_t from_host(uint8_t *buf, unsigned v6, uint32_t payload);
// Exactly one packet leaves, arrives, or is dropped under this word. Frames live until the next
// call.
const struct frame *sent(struct pair *p, const uint8_t *packet, uint32_t len);
const struct frame *received(struct pair *p, const struct frame *f);
void refused(struct pair *p, const struct frame *f, enum drop word);
uint16_t sum16(const uint8_t *at, uint32_t len, uint32_t sum);
// The same but for what a socket does not keep: hop limit, IPv4 identification and flags.
void same_packet(const struct frame *got, const uint8_t *want, uint32_t len);
