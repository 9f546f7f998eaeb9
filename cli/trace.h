// trace.h - what the files of pavise trace share.
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "cli/args.h"

// A packet's walk, for people.
void trace_print(const json_t *record);

// "connection/child" of SAs by SPI, as pavise-iked knows them. Zero-initialise; json_decref(of) at
// the end.
struct trace_names {
    json_t *of;
    uint64_t asked; // monotonic ns
};
// Gives the record's SAs their "name", where it is known.
void trace_name(struct trace_names *n, const struct args *a, const json_t *record);
