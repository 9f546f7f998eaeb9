#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

#define BLOCK_BYTES 4096 // most messages fit into one block

struct arena_block {
    struct arena_block *next;
    size_t used, size; // bytes of data[]
    _Alignas(max_align_t) uint8_t data[];
};

static struct arena_block *block_new(struct arena *a, size_t n)
{
    size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
    struct arena_block *b = calloc(1, sizeof *b + size);
    if (!b) return NULL;
    b->size = size;
    b->next = a->blocks;
    a->blocks = b;
    return b;
}

void *arena_get(struct arena *a, size_t n)
{
    if (n > SIZE_MAX / 2) return NULL;
    n = (n + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    if (a->limit && (n > a->limit || a->used > a->limit - n)) return NULL;
    struct arena_block *b = a->blocks;
    if (!b || b->size - b->used < n) b = block_new(a, n);
    if (!b) return NULL;
    void *p = b->data + b->used;
    b->used += n;
    a->used += n;
    return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(n, size, &bytes) ? NULL : arena_get(a, bytes);
}

char *arena_str(struct arena *a, const char *s, size_t len)
{
    char *p = arena_get(a, len + 1);
    if (p && len) memcpy(p, s, len);
    return p;
}

span_t arena_copy(struct arena *a, span_t s)
{
    uint8_t *p = arena_get(a, s.len ? s.len : 1);
    if (!p) return span(NULL, 0);
    if (s.len) memcpy(p, s.at, s.len);
    return span(p, s.len);
}

void arena_done(struct arena *a)
{
    for (struct arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        wipe(b->data, b->used); // messages hold decrypted payloads
        free(b);
    }
    *a = (struct arena){.limit = a->limit};
}
