#include "ike/sa/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"

#define BUCKETS 4096 // a power of two: half-open ones are not many

struct from_ip {
    struct from_ip *next;
    ip_t ip;
    unsigned n;
};

err_t table_init(struct table *t, const uint8_t key[16])
{
    memcpy(t->key, key, sizeof t->key);
    TRY(index_init(&t->by_spi));
    t->by_peer = calloc(BUCKETS, sizeof(struct ike_sa *));
    t->by_ip = calloc(BUCKETS, sizeof(struct from_ip *));
    return t->by_peer && t->by_ip ? ERR_OK : ERR_NOMEM;
}

void table_done(struct table *t)
{
    index_done(&t->by_spi);
    free(t->by_peer);
    free(t->by_ip);
    *t = (struct table){0};
}

static uint64_t spi_hash(const struct table *t, uint64_t spi)
{
    return siphash(t->key, &spi, sizeof spi);
}

static struct ike_sa **peer_bucket(const struct table *t, const endpoint_t *peer, uint64_t spi)
{
    struct {
        uint64_t spi;
        uint8_t ip[16];
        uint16_t port, family;
        uint32_t pad;
    } k = {.spi = spi, .port = peer->port, .family = peer->ip.family};
    memcpy(k.ip, peer->ip.b, sizeof k.ip);
    return &t->by_peer[siphash(t->key, &k, sizeof k) % BUCKETS];
}

// Whom an address stands for: with IPv6 one host has a /64 to choose from.
#define IP6_HOST_BYTES 8

static ip_t ip_owner(const ip_t *ip)
{
    ip_t owner = *ip;
    if (ip->family == AF_INET6)
        memset(owner.b + IP6_HOST_BYTES, 0, sizeof owner.b - IP6_HOST_BYTES);
    return owner;
}

// The place of an owner's count.
static struct from_ip **ip_place(const struct table *t, const ip_t *ip)
{
    struct from_ip **at = &t->by_ip[siphash(t->key, ip->b, sizeof ip->b) % BUCKETS];
    while (*at && !ip_eq(&(*at)->ip, ip)) at = &(*at)->next;
    return at;
}

void table_add(struct table *t, struct ike_sa *sa)
{
    index_add(&t->by_spi, &sa->by_spi, spi_hash(t, ike_sa_spi(sa)), sa);
    sa->in_table = true;
    t->n++;
}

void table_remove(struct table *t, struct ike_sa *sa)
{
    if (!sa->in_table) return;
    index_remove(&t->by_spi, &sa->by_spi);
    sa->in_table = false;
    t->n--;
}

struct ike_sa *table_find(const struct table *t, uint64_t our_spi)
{
    const struct index_place *at = index_first(&t->by_spi, spi_hash(t, our_spi));
    while (at && ike_sa_spi(at->what) != our_spi) at = index_next(at);
    return at ? at->what : NULL;
}

err_t table_add_half_open(struct table *t, struct ike_sa *sa)
{
    sa->came_from = sa->remote;
    const ip_t owner = ip_owner(&sa->came_from.ip);
    struct from_ip **count = ip_place(t, &owner);
    if (!*count) {
        *count = calloc(1, sizeof **count);
        if (!*count) return ERR_NOMEM;
        (*count)->ip = owner;
    }
    (*count)->n++;
    struct ike_sa **bucket = peer_bucket(t, &sa->came_from, sa->spi_i);
    sa->peer_next = *bucket;
    *bucket = sa;
    sa->half_open = true;
    t->half_open++;
    return ERR_OK;
}

void table_remove_half_open(struct table *t, struct ike_sa *sa)
{
    if (!sa->half_open) return;
    struct ike_sa **at = peer_bucket(t, &sa->came_from, sa->spi_i);
    while (*at != sa) at = &(*at)->peer_next;
    *at = sa->peer_next;
    sa->half_open = false;
    t->half_open--;
    const ip_t owner = ip_owner(&sa->came_from.ip);
    struct from_ip **place = ip_place(t, &owner), *count = *place;
    if (!count || --count->n) return;
    *place = count->next;
    free(count);
}

struct ike_sa *table_find_half_open(const struct table *t, const endpoint_t *peer, uint64_t spi_i)
{
    struct ike_sa *sa = *peer_bucket(t, peer, spi_i);
    while (sa && (sa->spi_i != spi_i || !endpoint_eq(&sa->came_from, peer))) sa = sa->peer_next;
    return sa;
}

uint32_t table_owner(const struct table *t, const ip_t *ip)
{
    const ip_t owner = ip_owner(ip);
    return (uint32_t)siphash(t->key, owner.b, sizeof owner.b);
}

unsigned table_half_open_from(const struct table *t, const ip_t *ip)
{
    const ip_t owner = ip_owner(ip);
    const struct from_ip *count = *ip_place(t, &owner);
    return count ? count->n : 0;
}
