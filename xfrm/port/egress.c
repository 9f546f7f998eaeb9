#include "xfrm/port/egress.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "crypto/rng.h"

struct known {
    ip_t dst, src;
    uint32_t device;
    uint64_t until; // 0: free
};

struct egress {
    struct link_mtu *links;
    struct hash_key hash_key;
    struct known known[EGRESS_MAX];
};

struct egress *egress_new(struct link_mtu *links)
{
    struct egress *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->links = links;
    rng_fill(&e->hash_key, sizeof e->hash_key);
    return e;
}

void egress_free(struct egress *e)
{
    free(e);
}

// The place of a pair of addresses: who has been there makes room.
static struct known *place(struct egress *e, const ip_t *dst, const ip_t *src)
{
    uint64_t w[4];
    memcpy(&w[0], dst->b, sizeof dst->b);
    memcpy(&w[2], src->b, sizeof src->b);
    return &e->known[hash_words(&e->hash_key, w, 4) % EGRESS_MAX];
}

uint32_t egress_device(struct egress *e, const ip_t *dst, const ip_t *src, uint64_t now)
{
    struct known *k = place(e, dst, src);
    if (k->until > now && ip_eq(&k->dst, dst) && ip_eq(&k->src, src)) return k->device;
    *k = (struct known){*dst, *src, link_mtu_device(e->links, dst, src), now + EGRESS_TTL};
    return k->device;
}
