// crew.h - the packets of a burst that share one ESP SA, so that crypto gets them at once.
#pragma once

#include "crypto/sealer.h"
#include "xfrm/path/stages.h"

struct crew {
    unsigned n;
    unsigned from;          // packets of the burst before this one were in a crew before,
    bool before[BURST_MAX]; // and these
    struct sa *sa;
    struct pkt *p[BURST_MAX];
    struct seal_job job[BURST_MAX];
};

// Before the first crew of a burst.
void crew_begin(struct crew *c);
// The next SA's packets. False when there is none left. jobs' head_len, esn and
// esn_hi are filled in.
bool crew_next(struct crew *c, const struct burst *b);
