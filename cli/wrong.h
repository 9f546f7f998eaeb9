// wrong.h - what is wrong: conclusions from what the daemons say about themselves.
#pragma once

#include <jansson.h>

struct wrong_facts {
    json_t *version;  // VICI version
    json_t *stats;    // VICI stats
    json_t *sas;      // list-sas
    json_t *conns;    // list-conns
    json_t *executor; // counters of pavise-xfrmd; NULL: it does not run
};

// An array of {"about", "what", "hint"}; empty when all is well. The caller frees.
json_t *wrong_find(const struct wrong_facts *f);
// What pavise-iked says moves the packets: "pavise-xfrmd", "kernel-netlink".
const char *wrong_executor(const struct wrong_facts *f);
