#include "ike/sa/roam.h"

#include <stdlib.h>
#include <string.h>

// A copy of n things. NULL: there are none, or no memory for them.
static void *copy_of(const void *list, unsigned n, size_t size)
{
    void *copy = n ? malloc(n * size) : NULL;
    if (copy) memcpy(copy, list, n * size);
    return copy;
}

void roam_set_theirs(struct roam *r, const ip_t *list, unsigned n)
{
    ip_t *copy = copy_of(list, n, sizeof *copy);
    free(r->theirs);
    r->theirs = copy;
    r->theirs_n = copy ? n : 0;
}

void roam_set_ours(struct roam *r, const ip_t *list, unsigned n)
{
    ip_t *copy = copy_of(list, n, sizeof *copy);
    free(r->ours);
    r->ours = copy;
    r->ours_n = copy ? n : 0;
}

void roam_set_ways(struct roam *r, const struct way *list, unsigned n)
{
    struct way *copy = copy_of(list, n, sizeof *copy);
    free(r->ways);
    r->ways = copy;
    r->ways_n = copy ? n : 0;
}

void roam_copy(struct roam *to, const struct roam *from)
{
    roam_done(to);
    *to = *from;
    to->theirs = to->ours = NULL;
    to->ways = NULL;
    roam_set_theirs(to, from->theirs, from->theirs_n);
    roam_set_ours(to, from->ours, from->ours_n);
    roam_set_ways(to, from->ways, from->ways_n);
}

void roam_done(struct roam *r)
{
    free(r->theirs);
    free(r->ours);
    free(r->ways);
    *r = (struct roam){0};
}
