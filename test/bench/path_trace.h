// path_trace.h - what it costs that somebody may look at packets
// (xfrm/path/trace.h): while nobody does, while somebody samples, while
// somebody wants all.
#pragma once

// Prints a table. ticks_per_ns: of stopwatch.h.
void path_trace_rows(double ticks_per_ns, unsigned bursts);
