// trace_ask.h - what somebody wants to see of the executor's packets: a JSON object that comes over
// the socket of xfrmd_trace.h.
//
//     {"way": "both", "every": 64, "drops": false, "snap": 256, "bytes": true,
//      "filter": [[40, 0, 0, 12], ...]}
//
// All members may be missing. `filter` is a classic BPF program for whole IP packets (DLT_RAW):
// code, jt, jf, k of each step.
#pragma once

#include "base/cursor.h"
#include "xfrm/path/trace.h"

#define TRACE_ASK_MAX (64 << 10)   // bytes: the longest filter takes some 40,000
#define TRACE_EVERY_MAX 1000000000 // of so many packets one

struct trace_ask {
    struct trace_spec spec;
    bool bytes; // the packets' own bytes, too
};

// Errors: ERR_SYNTAX, ERR_RANGE, with a sentence. The filter is checked.
err_t trace_ask_read(span_t request, struct trace_ask *out, struct why *why);
