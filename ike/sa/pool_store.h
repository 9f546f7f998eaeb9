// pool_store.h - what pool.c and pool_store.c (leases as text) share. Private to them.
#pragma once

#include "ike/sa/pool.h"

#define POOL_BUCKETS 4096 // 50000 leases are a dozen in each
// Leases cost memory, and peers make them: by asking for one address after another, or (who share
// a secret) by one name after another. Of those that nobody holds, so many are kept:
#define IDLE_OF_ID_MAX 16
#define IDLE_OF_POOL_MAX 65536

struct lease {
    struct lease *ip_next, *id_next; // in their buckets
    struct lease *older, *newer;     // of the pool's idle ones
    struct pool *pool;
    ip_t ip;
    unsigned held; // IKE SAs that use it; 0 = idle
    uint8_t who_type;
    uint16_t who_len;
    uint8_t who[]; // identity
};

struct pool {
    struct pool *next;
    char *name;
    ip_t lo, hi;     // inclusive; AF_UNSPEC: none
    ip_t next_never; // where to look for one that nobody ever had
    bool full;       // ... there is none
    bool holes;      // ... but for leases that were forgotten since
    bool gone;       // not in the configuration: only what is held is left
    struct lease *idle, *idle_last;
    unsigned online, offline; // leases
};

struct pools {
    uint8_t key[16];
    struct pool *first; // in the order of the configuration that brought them
    struct lease *by_ip[POOL_BUCKETS], *by_id[POOL_BUCKETS];
    uint64_t version;
    enum lease_origin last; // of the last lease that was given
    struct id last_owner;
};

// An idle lease. NULL when out of memory.
struct lease *lease_make(struct pools *p, struct pool *pool, const ip_t *ip, const struct id *who);
struct lease *lease_at(const struct pools *p, const ip_t *ip); // NULL if there is none
// The pool of this name, made (and not in the configuration) if there is none. NULL: out of memory.
struct pool *pool_make(struct pools *p, const char *name);
