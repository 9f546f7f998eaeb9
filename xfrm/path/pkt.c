#include "xfrm/path/pkt.h"

#include <stdlib.h>
#include <string.h>

#define PKT_ALIGN 64 // a cache line

struct pool {
    unsigned count, free_count;
    uint8_t home;
    struct pkt *all;
    struct pkt *free[]; // a stack: the packet used last is the one still in the cache
};

// One allocation per buffer, so that a sanitizer sees an overrun of each.
static bool pool_fill(struct pool *p)
{
    for (unsigned i = 0; i < p->count; i++) {
        p->all[i].own =
            aligned_alloc(PKT_ALIGN, (PKT_ROOM + PKT_ALIGN - 1) / PKT_ALIGN * PKT_ALIGN);
        if (!p->all[i].own) return false;
        p->free[p->free_count++] = &p->all[i];
    }
    return true;
}

struct pool *pool_new(unsigned count)
{
    struct pool *p = calloc(1, sizeof *p + count * sizeof p->free[0]);
    if (!p) return NULL;
    p->count = count;
    p->all = calloc(count, sizeof *p->all);
    if (p->all && pool_fill(p)) return p;
    pool_free(p);
    return NULL;
}

void pool_free(struct pool *p)
{
    if (!p) return;
    for (unsigned i = 0; p->all && i < p->count; i++) free(p->all[i].own);
    free(p->all);
    free(p);
}

struct pkt *pool_take(struct pool *p)
{
    if (p->free_count == 0) return NULL;
    struct pkt *pkt = p->free[--p->free_count];
    uint8_t *own = pkt->own;
    *pkt = (struct pkt){
        .at = own + PKT_HEADROOM, .room = own, .size = PKT_ROOM, .own = own, .home = p->home};
    return pkt;
}

void pool_give(struct pool *p, struct pkt *pkt)
{
    p->free[p->free_count++] = pkt;
}

bool pkt_make_room(struct pkt *p, uint32_t before)
{
    if ((uint32_t)(p->at - p->room) >= before) return true;
    if (p->room == p->own || before > PKT_HEADROOM) return false;
    return pkt_keep(p);
}

void pool_number(struct pool *p, unsigned home)
{
    p->home = (uint8_t)home;
}

bool pkt_keep(struct pkt *p)
{
    if (p->room == p->own) return true;
    if (p->len > PKT_DATA_MAX + PKT_TAILROOM) return false;
    memcpy(p->own + PKT_HEADROOM, p->at, p->len);
    p->at = p->own + PKT_HEADROOM;
    p->room = p->own;
    p->size = PKT_ROOM;
    return true;
}
