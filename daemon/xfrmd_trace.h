// xfrmd_trace.h - live packets of pavise-xfrmd for `pavise trace`, over a Unix SOCK_SEQPACKET
// socket, a JSON object a message. Who has connected says what it wants (trace_ask.h) and hears
//
//     {"version": "0.1.0", "workers": 2}     or     {"error": "a sentence"}, and that was all
//
// and then of each packet that is chosen what has become of it (trace_show.h), and between them
//
//     {"lost": 12}                           packets that were chosen and found no room
//
// until it hangs up. Who does not read loses records and holds up nobody.
#pragma once

#include "base/loop.h"
#include "xfrm/engine.h"

struct xfrmd_trace_conf {
    struct loop *loop;
    const char *name;      // "@..." is an abstract name
    struct engine *engine; // borrowed
};

struct xfrmd_trace;

// Peers without uid 0 are turned away.
err_t xfrmd_trace_new(const struct xfrmd_trace_conf *conf, struct xfrmd_trace **out,
                      struct why *why);
void xfrmd_trace_free(struct xfrmd_trace *t); // before the engine; NULL is fine
