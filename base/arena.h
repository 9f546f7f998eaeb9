// arena.h - memory that lives as long as one message, one file or one request, freed at once.
#pragma once

#include <stddef.h>

#include "base/cursor.h"

struct arena {
    struct arena_block *blocks;
    size_t used;  // bytes handed out so far
    size_t limit; // bytes at most; 0 = no limit
};

// Zeroed memory, aligned for any type; NULL when the limit or the heap is exhausted.
void *arena_get(struct arena *a, size_t n);
// Zeroed array of n elements; NULL also when n * size overflows.
void *arena_array(struct arena *a, size_t n, size_t size);
char *arena_str(struct arena *a, const char *s, size_t len); // terminated copy
span_t arena_copy(struct arena *a, span_t s);                // at == NULL when out of memory
void arena_done(struct arena *a); // frees all; the arena can be used again
