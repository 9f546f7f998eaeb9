// xfrmd_explain.h - answers what would become of a packet, for `pavise explain`. A Unix datagram
// with a JSON object asks, one answers:
//
//     {"direction": "out", "src": "10.1.0.1", "dst": "10.2.0.1", "proto": 6, "sport": 40000,
//      "dport": 443, "mark": 0, "length": 1400}
//
// pavise-explain(8) has the answer. Nothing is sent, counted or changed by it.
#pragma once

#include "base/loop.h"
#include "xfrm/db/db.h"

struct xfrmd_explain_conf {
    struct loop *loop;
    const char *name; // "@..." is an abstract name
    struct db *db;    // borrowed
    uint32_t fwmark;  // by which our own packets are routed
    uint32_t tun_mtu; // of the device that leads packets to us
    bool allow_clear_in;
};

struct xfrmd_explain;

// Who is not root gets no answer.
err_t xfrmd_explain_new(const struct xfrmd_explain_conf *conf, struct xfrmd_explain **out,
                        struct why *why);
void xfrmd_explain_free(struct xfrmd_explain *e); // NULL is fine
// The answer to a request; the caller frees it. NULL: out of memory.
char *xfrmd_explain_answer(struct xfrmd_explain *e, const char *request, size_t len);
