// ip_gram.h - a grammar of IP packets, most of them sound: options, extension headers, fragments,
// transport headers of all kinds, and lies about lengths.
#pragma once

#include <stdbool.h>

#include "base/addr.h"
#include "test/fuzz/gram.h"

#define IP_GRAM_MAX 4096 // bytes of the longest packet that comes out

// Between whom packets go unless a decision says otherwise.
struct ip_gram {
    ip_t src, dst; // of one family
    bool sound;    // no lies: what comes out could have come from a host
};

// Writes a packet to `at` (IP_GRAM_MAX bytes) and returns its length, at least 1.
uint32_t ip_gram_packet(struct gram *g, const struct ip_gram *ends, uint8_t *at);
// The same for a super-packet of TCP or UDP with up to 3000 bytes of payload and the checksum left
// to be finished: *transport is where its transport header begins.
uint32_t ip_gram_super(struct gram *g, const struct ip_gram *ends, uint8_t *at,
                       uint32_t *transport);
