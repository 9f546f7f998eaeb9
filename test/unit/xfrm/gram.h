// gram.h - TCP and UDP packets made by hand for the tests of segment.c and coalesce.c, with a
// checksum of their own that is as plain as RFC 1071 tells it.
#pragma once

#include <stdint.h>

#include "test/check.h"
#include "xfrm/path/pkt.h"

struct gram {
    bool v6, tcp;
    uint8_t host;  // last byte of the source address
    uint16_t port; // source port
    uint32_t seq, ack;
    uint16_t id, window;
    uint8_t flags, options; // bytes of TCP options
    uint8_t tos, ttl;
    bool no_df;
    uint32_t payload;
    uint8_t fill; // first byte of the payload; the others count on
};

#define GRAM_ACK 0x10
#define GRAM_PSH 0x08
#define GRAM_FIN 0x01
#define GRAM_SYN 0x02
#define GRAM_CWR 0x80
#define GRAM_ECE 0x40

struct gram gram_tcp(uint32_t seq, uint32_t payload);
struct gram gram_udp(uint16_t id, uint32_t payload);
// Writes the packet at `at` (room for headers and payload); returns its length.
uint32_t gram_write(const struct gram *g, uint8_t *at);
// Makes the checksums of a packet right.
void gram_seal(uint8_t *at, uint32_t len);
// Are the IP and transport checksums and all lengths right? For packets without IPv6 extensions.
bool gram_sound(const uint8_t *at, uint32_t len);

uint32_t gram_transport(const uint8_t *at); // where TCP or UDP begins
uint32_t gram_head(const uint8_t *at);      // where the payload begins

// A packet in a buffer of exactly its size, so that a sanitizer sees each overrun.
struct pkt *gram_pkt(const uint8_t *at, uint32_t len);
void gram_pkt_free(struct pkt *p);

uint32_t gram_random(uint64_t *state); // the same numbers for the same seed
