// table.h - finding IKE SAs: by our SPI, and (half-open ones) by the peer's address and SPI.
#pragma once

#include "ike/sa/ike_sa.h"

struct table {
    uint8_t key[16]; // peers choose addresses and SPIs: the hash is keyed (base/siphash.h)
    struct index by_spi;
    struct ike_sa **by_peer;
    struct from_ip **by_ip; // half-open IKE SAs per IPv4 address or IPv6 /64
    unsigned n, half_open;
};

err_t table_init(struct table *t, const uint8_t key[16]); // ERR_NOMEM
void table_done(struct table *t);
void table_add(struct table *t, struct ike_sa *sa); // under ike_sa_spi(sa)
void table_remove(struct table *t, struct ike_sa *sa);
struct ike_sa *table_find(const struct table *t, uint64_t our_spi); // NULL if none

// Half-open IKE SAs of responders, under sa->came_from (set here from sa->remote) and sa->spi_i.
err_t table_add_half_open(struct table *t, struct ike_sa *sa);   // ERR_NOMEM
void table_remove_half_open(struct table *t, struct ike_sa *sa); // no harm if it is not one
struct ike_sa *table_find_half_open(const struct table *t, const endpoint_t *peer, uint64_t spi_i);
// A number for whoever has this address, or with IPv6 its /64; nobody else can foresee it.
uint32_t table_owner(const struct table *t, const ip_t *ip);
// From this address, or with IPv6 from its /64.
unsigned table_half_open_from(const struct table *t, const ip_t *ip);
