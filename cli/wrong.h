// wrong.h - what is wrong: conclusions from what the daemons say about themselves.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct wrong_facts {
    json_t *version;           // VICI version
    json_t *stats;             // VICI stats
    json_t *sas;               // list-sas
    json_t *conns;             // list-conns
    json_t *certs;             // list-certs; NULL: not known
    json_t *executor;          // counters of pavise-xfrmd; NULL: it does not run
    struct wrong_dump *xfrm;   // SAD and SPD (cli/wrong_xfrm.h); NULL: not known
    bool host_known;           // what this host does is known:
    bool forwards4, forwards6; // ... passes packets on
    uint64_t lost_datagrams;   // ... fragmented, and never whole (IPv4 and IPv6)
    int64_t now;               // seconds since 1970; 0: not known
};

// An array of {"code", "about", "what", "meaning", "hint"} (cli/wrong_tab.h); empty when all is
// well. The caller frees.
json_t *wrong_find(const struct wrong_facts *f);
// What pavise-iked says moves the packets: "pavise-xfrmd", "kernel-netlink".
const char *wrong_executor(const struct wrong_facts *f);
