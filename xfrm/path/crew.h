// crew.h - the packets of a burst that share one ESP SA, so that crypto gets them at once.
#pragma once

#include "crypto/sealer.h"
#include "xfrm/path/stages.h"

struct crew {
    unsigned n;
    struct sa *sa;
    struct pkt *p[BURST_MAX];
    struct seal_job job[BURST_MAX];
};

// The next SA's packets. `done` has a bit for each packet of the burst that was in a crew before;
// zero at the start. False when there is none left. jobs' head_len, esn and esn_hi are filled in.
bool crew_next(struct crew *c, const struct burst *b, uint64_t *done);
