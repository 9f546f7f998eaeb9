#include "cli/human.h"

#include <stdio.h>

const char *human_bytes(uint64_t n, char buf[HUMAN_MAX])
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)n;
    unsigned u = 0;
    for (; v >= 1024 && u < 6; u++) v /= 1024;
    (void)snprintf(buf, HUMAN_MAX, u && v < 100 ? "%.1f %s" : "%.0f %s", v, unit[u]);
    return buf;
}

const char *human_seconds(uint64_t s, char buf[HUMAN_MAX])
{
    unsigned long long v = s;
    if (v < 60) {
        (void)snprintf(buf, HUMAN_MAX, "%llus", v);
    } else if (v < 3600) {
        (void)snprintf(buf, HUMAN_MAX, "%llum %llus", v / 60, v % 60);
    } else if (v < 86400) {
        (void)snprintf(buf, HUMAN_MAX, "%lluh %llum", v / 3600, v % 3600 / 60);
    } else {
        (void)snprintf(buf, HUMAN_MAX, "%llud %lluh", v / 86400, v % 86400 / 3600);
    }
    return buf;
}
