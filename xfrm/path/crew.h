// crew.h - the packets of a burst that share one ESP SA, so that crypto gets them at once.
#pragma once

#include "crypto/sealer.h"
#include "xfrm/path/stages.h"

#define CREW_TABLE 256 // a power of two, twice as many as there can be crews

// Lists of packets by their index in the burst, plus one; 0 ends.
struct crew {
    unsigned n;
    struct sa *sa;
    struct pkt *p[BURST_MAX];
    struct seal_job job[BURST_MAX];
    unsigned crews, at; // how many there are, and which comes next
    struct sa *sas[BURST_MAX];
    uint8_t first[BURST_MAX], last[BURST_MAX], next[BURST_MAX + 1];
    uint8_t table[CREW_TABLE]; // crews by the address of their SA
};

// Sorts the burst's ESP packets that are still walking into crews.
void crew_begin(struct crew *c, const struct burst *b);
// The next SA's packets. False when there is none left. jobs' head_len, esn and
// esn_hi are filled in.
bool crew_next(struct crew *c, const struct burst *b);
