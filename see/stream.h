// stream.h - IKE and ESP inside TCP (RFC 9329): the bytes of connections put in order again, and
// taken apart into messages. Between the files of see/ only.
//
// A connection is known by "IKETCP", with which the one who opened it begins, or by port 4500. At
// most STREAMS_MAX directions are followed at a time; the one that has been silent for longest
// makes room.
#pragma once

#include "see/dig.h"
#include "see/note.h"

#define STREAMS_MAX 64U
#define STREAM_AHEAD 16U // segments of a direction that are there before their time

struct ahead {
    uint32_t seq, len;
    uint8_t *at; // NULL: free
};

struct stream { // one direction
    bool used;
    bool greeted; // "IKETCP" was there, or belongs to the other side
    bool lost;    // bytes are missing, so no message can be found any more
    endpoint_t from, to;
    uint64_t last_frame;
    uint32_t next; // sequence number of the byte behind those that are there
    uint32_t have; // bytes that wait for the rest of their message
    uint8_t *bytes;
    struct ahead ahead[STREAM_AHEAD];
};

struct streams {
    struct stream s[STREAMS_MAX];
};

typedef void stream_fn(void *ctx, const struct dug *d);

// Takes a segment (DUG_TCP) in and calls fn for each message that is whole by it; what it gets is
// valid during the call. What is wrong with the stream goes into `n`.
void stream_feed(struct streams *all, const struct dug *d, uint64_t frame, struct note *n,
                 stream_fn *fn, void *ctx);
void streams_done(struct streams *all);
