// human.h - numbers as people say them.
#pragma once

#include <stdint.h>

#define HUMAN_MAX 32

const char *human_bytes(uint64_t n, char buf[HUMAN_MAX]);   // "1.4 MiB"
const char *human_seconds(uint64_t s, char buf[HUMAN_MAX]); // "3h 20m"
