// stopwatch.h - what the programs of `./dev bench path` and `./dev bench crypto` share: the time
// stamp counter, samples with their median and spread, a core of their own.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <x86intrin.h>

#define SAMPLES_MAX 2048

// Nanoseconds per packet, one for each burst: where others use the machine, too, some bursts are
// interrupted, and the median does not see them.
struct samples {
    unsigned n;
    double at[SAMPLES_MAX];
};

void samples_add(struct samples *s, double value);
double samples_median(const struct samples *s);
// Nine in ten are larger; smaller.
double samples_low(const struct samples *s);
double samples_high(const struct samples *s);

// Ticks of the time stamp counter; not cycles of the core, which may run faster or slower.
static inline uint64_t ticks(void)
{
    unsigned aux;
    return __rdtscp(&aux);
}
// Ticks per nanosecond, measured for 50 ms.
double ticks_per_ns(void);

// Binds the calling thread to one core. False: the system would not.
int pin_to(int core);
// Bytes of memory that the process has in use.
uint64_t memory_used(void);
// What the CPU calls itself.
const char *cpu_name(char buf[128]);
// "key": "value", with the value's quotes escaped.
void json_text(FILE *f, const char *key, const char *value);
