// past_rules.h - the nftables rules that give a mark to what no outbound policy names (past.h), as
// a script for nft -f: the table inet pavise_past.
//
//     chain prerouting   behind the translation of destinations: takes the bit away, whoever has
//                        set it; then judge_4 and judge_6
//     chain judge_4      sets the bit, where the destination is led into the TUN device; not beside
//                        a mark of others, who may compare all of it
//     chain cover_4      takes it away again from what a policy may be about
//     chain input        and from what has arrived
//     chain leave        behind the translation of sources: drops what a policy is about by now
//
// Policies are read broadly: by their addresses alone, whatever their protocols, ports, marks and
// devices. Each source network has one rule, with a set of all its destinations; if there are more
// than PAST_SOURCES_MAX of them, the rest have one together, as if each of them had all
// destinations of the others. So what has the bit is never something that a policy names.
#pragma once

#include "base/text.h"
#include "daemon/policies.h"

#define PAST_TABLE_NAME "pavise_past"
#define PAST_TABLE "inet " PAST_TABLE_NAME
#define PAST_REMOVE "add table " PAST_TABLE "\ndelete table " PAST_TABLE "\n"

// Each is one rule that the packets to protected networks pass.
#define PAST_SOURCES_MAX 64

struct past_rules_conf {
    const char *tun;
    uint32_t mark; // one bit
    bool v4, v6;   // families to write
};

// Adds nothing where there is nothing to mark: no policy leads anywhere, or all are for any source;
// a policy's own mark has the bit; or there is no memory.
void past_rules_write(const struct past_rules_conf *conf, const struct policies *ps,
                      struct text *out);
