// clock.h - time, in nanoseconds so that one unit serves packets and protocols.
#pragma once

#include <stdint.h>

#define NSEC_PER_USEC 1000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_SEC 1000000000ULL

uint64_t clock_mono(void);    // CLOCK_MONOTONIC, ns: for timers
uint64_t clock_wall(void);    // seconds since 1970: for what people and `ip xfrm` see
uint64_t clock_wall_ns(void); // the same in ns
