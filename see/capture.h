// capture.h - captured frames out of the bytes of a file: pcap (both byte orders, micro- and
// nanoseconds), pcapng, snoop (RFC 1761). Pure: bytes in, frames that borrow from them out.
//
// A file that is cut off or broken in the middle gives the frames before that place, and then one
// sentence that says where it broke and how.
#pragma once

#include "base/cursor.h"

#define CAPTURE_LINKS_MAX 256 // interfaces of one pcapng section; frames of others are skipped
#define CAPTURE_FRAME_MAX (256U << 10) // bytes of one frame: what capturing programs take at most

enum capture_kind { CAPTURE_PCAP, CAPTURE_PCAPNG, CAPTURE_SNOOP };

struct capture_link {
    uint16_t type;     // LINKTYPE_ of tcpdump.org; also for snoop
    uint64_t per_unit; // nanoseconds of one unit of time; 0: less than one
    uint64_t units;    // units in one second, where per_unit is 0
};

struct capture {
    rd_t r;
    span_t file;
    uint8_t kind;
    bool little; // integers of the file (section) are little-endian
    unsigned links;
    struct capture_link link[CAPTURE_LINKS_MAX];
    uint64_t frames, skipped; // frames given; of interfaces that the file does not describe
};

struct frame {
    uint64_t number; // 1.. in the file
    uint64_t time;   // nanoseconds since 1970; 0: the file does not say
    uint16_t link;   // LINKTYPE_
    span_t bytes;
    uint32_t wire_len; // what it had on the wire: more than bytes.len if it was cut
};

// Errors: ERR_SHORT (empty or no whole header), ERR_SYNTAX (no such format); *why says more.
err_t capture_open(struct capture *c, span_t file, struct why *why);
// ERR_CLOSED: that was all. ERR_SHORT, ERR_SYNTAX, ERR_LIMIT: broken here, *why says where; nothing
// more is to be had.
err_t capture_next(struct capture *c, struct frame *out, struct why *why);
const char *capture_kind_name(const struct capture *c); // "pcap"
