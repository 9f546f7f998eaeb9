// agg_path.h - mode iptfs (RFC 9347) on the walk: what unpack.c, gather.c and agg_timer.c share.
//
//     outbound   .. measure | gather: inner packets wait in their SA's queue
//                gather_flush(): payloads are filled from it | number | wrap | seal | send
//     inbound    .. unwrap | unpack: payloads in the order of their numbers, inner packets out of
//                them | nest | conform | deliver
#pragma once

#include "xfrm/path/aggfrag.h"
#include "xfrm/path/stages.h"

// ---- gather.c ----
// Sends all that waits in the SA's queue. w->now is set, the SA is this worker's.
void gather_flush(struct worker *w, struct sa *sa);
// At the end of a burst: what waits for nothing but its end.
void gather_flush_ready(struct worker *w);
// The SA is gone: what waited in its queue walks again, to find its successor.
void gather_again(struct worker *w, struct agg *a);

// ---- unpack.c ----
// A missing payload has not come in time: those behind it are taken without it.
void unpack_late(struct worker *w, struct sa *sa);

// ---- agg_timer.c ----
// a->due is set: agg_run() will look after it then.
void agg_arm(struct worker *w, struct agg *a);
