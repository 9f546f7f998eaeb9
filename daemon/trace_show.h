// trace_show.h - a record of a packet's walk as JSON, for xfrmd_trace.h. pavise-trace(8) says what
// its members mean.
#pragma once

#include "xfrm/path/trace.h"

// wall_ns: of r->at, since 1970. bytes: with the packets' own. The caller frees. NULL: out of
// memory.
char *trace_show(const struct trace_record *r, uint64_t wall_ns, bool bytes);
