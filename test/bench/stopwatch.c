#include "test/bench/stopwatch.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define CALIBRATION (50 * NSEC_PER_MSEC)

// ---- samples ----

void samples_add(struct samples *s, double value)
{
    if (s->n < SAMPLES_MAX) s->at[s->n++] = value;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double quantile(const struct samples *s, unsigned tenths)
{
    struct samples c = *s;
    if (c.n == 0) return 0;
    qsort(c.at, c.n, sizeof c.at[0], compare);
    return c.at[(c.n - 1) * tenths / 10];
}

double samples_median(const struct samples *s)
{
    return quantile(s, 5);
}

double samples_low(const struct samples *s)
{
    return quantile(s, 1);
}

double samples_high(const struct samples *s)
{
    return quantile(s, 9);
}

// ---- the machine ----

double ticks_per_ns(void)
{
    uint64_t from = clock_mono(), at = ticks(), to = from;
    while (to - from < CALIBRATION) to = clock_mono();
    return (double)(ticks() - at) / (double)(to - from);
}

int pin_to(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

uint64_t memory_used(void)
{
    unsigned long long all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (fscanf(f, "%llu %llu", &all, &resident) != 2) resident = 0;
    (void)fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

const char *cpu_name(char buf[128])
{
    char line[256];
    (void)snprintf(buf, 128, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        char *value = strstr(line, ": ");
        if (strncmp(line, "model name", 10) != 0 || !value) continue;
        value[strcspn(value, "\n")] = 0;
        (void)snprintf(buf, 128, "%.127s", value + 2);
        break;
    }
    if (f) (void)fclose(f);
    return buf;
}

void json_text(FILE *f, const char *key, const char *value)
{
    (void)fprintf(f, "\"%s\": \"", key);
    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\') (void)fputc('\\', f);
        if (*c >= ' ') (void)fputc(*c, f);
    }
    (void)fputc('"', f);
}
