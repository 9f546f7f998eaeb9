// xfrmd_stat.h - statistics of pavise-xfrmd for `pavise xfrm stat`: one connection to the Unix
// stream socket gives one JSON document and ends.
//
//     { "version": "0.1.0", "tun": "pavise0",
//       "workers": [{"cpu_ns": 5000000, "packets_in": 10, "packets_out": 10, "handed_over": 0}],
//       "guard": {"ipv4": "xfrm", "ipv6": "nft", "clear_in": 3, "clear_out": 0},
//       "inner": {"packets_in": 10, "bytes_in": 840, "packets_out": 10, "bytes_out": 840,
//                 "held": 0, "events_lost": 0},
//       "db": {"sas": 2, "policies_in": 1, "policies_out": 1, "policies_fwd": 1},
//       "crypto": [...],          (xfrmd_crypto.h)
//       "marks": [{"mark": "0xa/0xffffffff", "device": "pavise0-1", "packets_out": 1,
//                  "packets_in": 1}],
//       "paths": [{"dst": "192.0.2.1", "spi": 3405691582, "mtu": 1400, "seconds": 571}, ...],
//       "drops": [{"word": "replay", "kernel": "XfrmInStateSeqError", "count": 1,
//                  "text": "sequence number seen before or too old"}, ...],
//       "ports": [{"name": "udp_encap", "family": 4, "packets_in": 10, ...}, ...] }
#pragma once

#include "base/loop.h"
#include "daemon/guard.h"
#include "daemon/lent.h"
#include "daemon/marks.h"
#include "daemon/sources.h"
#include "daemon/xfrmd_ports.h"

struct xfrmd_stat_conf {
    struct loop *loop;
    const char *name; // "@..." is an abstract name
    const char *tun;
    const struct engine *engine; // all borrowed
    const struct xfrmd_ports *ports;
    const struct lent *lent;
    const struct sources *sources;
    const struct marks *marks;
    const struct guard *guard;
    const struct db *db;
    struct xfrm_api api;
};

struct xfrmd_stat;

// Peers without uid 0 are turned away.
err_t xfrmd_stat_new(const struct xfrmd_stat_conf *conf, struct xfrmd_stat **out, struct why *why);
void xfrmd_stat_free(struct xfrmd_stat *s); // NULL is fine
