#include "cred/blocks.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

struct blocks {
    atomic_uint refs;
    unsigned n;
    struct block at[];
};

struct blocks *blocks_ref(struct blocks *b)
{
    if (b) (void)atomic_fetch_add(&b->refs, 1);
    return b;
}

void blocks_free(struct blocks *b)
{
    if (b && atomic_fetch_sub(&b->refs, 1) == 1) free(b);
}

static int by_begin(const void *a, const void *b)
{
    return ip_cmp(&((const struct block *)a)->lo, &((const struct block *)b)->lo);
}

// Is it, or does it stand right behind, the end of b?
static bool touches(const struct block *b, const ip_t *next)
{
    ip_t behind = b->hi;
    if (b->hi.family != next->family) return false;
    if (ip_cmp(next, &b->hi) <= 0) return true;
    for (unsigned i = ip_len(behind.family); i-- > 0;) {
        if (++behind.b[i] != 0) break;
    }
    return ip_eq(&behind, next);
}

static void add(struct blocks *b, const struct block *one)
{
    struct block *last = b->n ? &b->at[b->n - 1] : NULL;
    if (!last || !touches(last, &one->lo)) {
        b->at[b->n++] = *one;
    } else if (ip_cmp(&one->hi, &last->hi) > 0) {
        last->hi = one->hi;
    }
}

struct blocks *blocks_new(const struct block *at, unsigned n)
{
    struct blocks *b = calloc(1, sizeof *b + n * sizeof *b->at);
    struct block *sorted = calloc(n ? n : 1, sizeof *sorted);
    if (!b || !sorted) {
        free(b);
        free(sorted);
        return NULL;
    }
    atomic_init(&b->refs, 1);
    if (n) memcpy(sorted, at, n * sizeof *at);
    qsort(sorted, n, sizeof *sorted, by_begin);
    for (unsigned i = 0; i < n; i++) {
        const struct block *one = &sorted[i];
        bool real = ip_len(one->lo.family) && one->lo.family == one->hi.family;
        if (real && ip_cmp(&one->lo, &one->hi) <= 0) add(b, one);
    }
    free(sorted);
    return b;
}

// Both are sorted, and ranges of one set do not touch: each step leaves one of them behind.
struct blocks *blocks_meet(const struct blocks *a, const struct blocks *b)
{
    struct blocks *both = calloc(1, sizeof *both + ((size_t)a->n + b->n) * sizeof *both->at);
    if (!both) return NULL;
    atomic_init(&both->refs, 1);
    for (unsigned i = 0, k = 0; i < a->n && k < b->n;) {
        const struct block *x = &a->at[i], *y = &b->at[k];
        struct block one = {ip_cmp(&x->lo, &y->lo) > 0 ? x->lo : y->lo,
                            ip_cmp(&x->hi, &y->hi) < 0 ? x->hi : y->hi};
        if (ip_cmp(&one.lo, &one.hi) <= 0) both->at[both->n++] = one;
        if (ip_cmp(&x->hi, &y->hi) < 0) {
            i++;
        } else {
            k++;
        }
    }
    return both;
}

unsigned blocks_count(const struct blocks *b)
{
    return b->n;
}

const struct block *blocks_at(const struct blocks *b, unsigned i)
{
    return &b->at[i];
}

const struct block *blocks_around(const struct blocks *b, const struct block *part)
{
    if (part->lo.family != part->hi.family) return NULL;
    for (unsigned i = 0; i < b->n; i++) {
        const struct block *one = &b->at[i];
        if (one->lo.family != part->lo.family) continue;
        if (ip_cmp(&one->lo, &part->lo) <= 0 && ip_cmp(&part->hi, &one->hi) <= 0) return one;
    }
    return NULL;
}

const char *block_show(const struct block *b, char buf[BLOCK_TEXT_MAX])
{
    char lo[IP_TEXT_MAX], hi[IP_TEXT_MAX];
    prefix_t p;
    if (prefix_from_range(&b->lo, &b->hi, &p)) return prefix_show(&p, buf);
    (void)snprintf(buf, BLOCK_TEXT_MAX, "%s..%s", ip_show(&b->lo, lo), ip_show(&b->hi, hi));
    return buf;
}

const char *blocks_show(const struct blocks *b, char buf[BLOCKS_TEXT_MAX])
{
    char one[BLOCK_TEXT_MAX];
    struct clip l = clip_on(buf, BLOCKS_TEXT_MAX);
    if (!b->n) clip_add(&l, "no address");
    for (unsigned i = 0; i < b->n; i++)
        clip_add(&l, "%s%s", i ? " " : "", block_show(&b->at[i], one));
    return buf;
}
