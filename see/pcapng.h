// pcapng.h - writes captures in pcapng (draft-ietf-opsawg-pcapng): interfaces of whole IP packets,
// and packets with comments. Pure: bytes into a buffer of the caller's.
#pragma once

#include "base/cursor.h"

#define PCAPNG_COMMENT_MAX 1024                 // bytes; longer ones are cut
#define PCAPNG_ROOM (PCAPNG_COMMENT_MAX + 128U) // bytes that a block takes beside the packet's

// The head of a file. `program`: who writes it.
void pcapng_begin(wr_t *w, const char *program);
// Interfaces have the numbers 0, 1, ... in the order in which they are told.
void pcapng_interface(wr_t *w, const char *name, const char *about);

enum pcapng_way { PCAPNG_IN = 1, PCAPNG_OUT = 2 };
struct pcapng_packet {
    uint32_t interface;
    uint64_t time;     // nanoseconds since 1970
    span_t bytes;      // from the IP header on
    uint32_t wire_len; // what it had: more than bytes.len if it was cut
    enum pcapng_way way;
    const char *comment; // NULL: none
};
void pcapng_packet(wr_t *w, const struct pcapng_packet *p);
