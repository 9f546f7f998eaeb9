// see.h - reads captured IKE, ESP and AH and says what happened: one JSON object ("event") for each
// IKE message and for whatever else is worth a word, and a summary at the end. doc/pavise-decode.8
// is the schema. Pure: no clock, no files, no network; nothing in a capture can make it fail.
//
// It remembers at most TALKS_MAX IKE SAs and FLOWS_MAX ESP and AH SAs; of what comes beyond, each
// packet is still looked at by itself.
#pragma once

#include <jansson.h>

#include "ike/codec/proposal.h"
#include "see/capture.h"
#include "see/keys.h"

#define TALKS_MAX 1024U
#define FLOWS_MAX 4096U

// Takes the event over.
typedef void see_sink(void *ctx, json_t *event);

struct see_options {
    const struct see_keys *keys; // NULL: none
    const span_t *psk;           // shared secrets that AUTH may have been made with
    unsigned psk_n;
    bool verify; // recompute AUTH, and the ICV of every ESP packet
    see_sink *sink;
    void *ctx;
};

struct see;

struct see *see_new(const struct see_options *o); // NULL: out of memory. `o` is copied
void see_frame(struct see *s, const struct frame *f);
// What became of it all; the caller owns it. NULL: out of memory.
json_t *see_summary(struct see *s);
void see_free(struct see *s); // NULL is fine
