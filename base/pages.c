#include "base/pages.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// From here on the last huge page, which may be used in part, costs little in comparison.
#define LARGE (PAGES_HUGE * 2)

static size_t rounded(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

void *pages_alloc(size_t n)
{
    bool large = n >= LARGE || n == PAGES_HUGE;
    size_t unit = large ? PAGES_HUGE : CACHE_LINE, size = rounded(n, unit);
    if (size < n) return NULL;
    void *at = aligned_alloc(unit, size);
    if (!at) return NULL;
    // Only a hint: without it, or without huge pages, the same memory is there in small ones.
    if (large) (void)madvise(at, size, MADV_HUGEPAGE);
    memset(at, 0, size);
    return at;
}

void pages_free(void *at)
{
    free(at);
}
