// pages.h - memory for what the packet path looks at all over the place: aligned to cache lines,
// and where it is large on huge pages, which the kernel gives where it can.
#pragma once

#include <stddef.h>

#define CACHE_LINE 64
#define PAGES_HUGE ((size_t)2 << 20)

// n bytes of zeroes. NULL when out of memory.
void *pages_alloc(size_t n);
void pages_free(void *at); // NULL is fine
