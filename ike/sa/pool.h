// pool.h - virtual IP addresses for clients (RFC 7296 2.19, 3.15): pools, and who has which
// address.
//
// An identity gets the address again that it had: a lease outlives the IKE SA it was made for, and
// the daemon (pools_save). Only when a pool has no address left that nobody ever had, the lease
// that has been idle longest goes to somebody else.
#pragma once

#include "base/text.h"
#include "conf/config.h"

struct pools;
struct lease; // an address of a pool and the identity it belongs to

struct pools *pools_new(const uint8_t key[16]); // of the hash tables; NULL when out of memory
void pools_free(struct pools *p);               // held leases are forgotten as well

// The pools of a configuration come into force. Leases that fit none any more are forgotten as soon
// as nobody holds them. ERR_NOMEM: everything is as it was.
err_t pools_configure(struct pools *p, const struct config *c);

struct lease_wish {
    char *const *pools; // names, in the order in which they are tried
    unsigned pool_n;
    ip_t ip; // all zero: any of its family; else this one, or another if that cannot be
    const struct id *who;
    // The identity's other IKE SAs will go: it may have an address that one of them still holds.
    // One that it asks for by its number it may have in any case.
    bool replaces;
    const struct lease *const *has; // what the IKE SA holds already
    unsigned has_n;
};
// A hold on a lease. Errors: ERR_LIMIT (no address left, with a sentence), ERR_NOTFOUND (no pool of
// this family), ERR_NOMEM.
err_t pools_acquire(struct pools *p, const struct lease_wish *w, struct lease **out,
                    struct why *why);
// How the last one came about: nobody had it, its owner had given it back, its owner has it still,
// or somebody else (pools_last_owner()) had given it back.
enum lease_origin { LEASE_NEW, LEASE_OFFLINE, LEASE_ONLINE, LEASE_TAKEN };
enum lease_origin pools_last(const struct pools *p);
const struct id *pools_last_owner(const struct pools *p);
bool lease_is_shared(const struct lease *l);          // by several IKE SAs
void pools_release(struct pools *p, struct lease *l); // NULL is fine
const ip_t *lease_ip(const struct lease *l);
const char *lease_pool(const struct lease *l); // its name

// Counts up with every lease that is made or forgotten: is there something to save?
uint64_t pools_version(const struct pools *p);
// All leases as text, one a line.
void pools_save(const struct pools *p, struct text *out);
// What pools_save() wrote. Before the first pools_configure(). ERR_SYNTAX with a sentence that
// names the line: nothing was taken. ERR_NOMEM.
err_t pools_restore(struct pools *p, span_t text, struct why *why);

// ---- for people; valid during the callback ----
struct pool_view {
    const char *name;
    ip_t first;
    uint64_t size; // addresses; UINT64_MAX: more than can be counted
    unsigned online, offline;
};
struct lease_view {
    ip_t ip;
    struct id who;
    bool online;
};
typedef void pool_view_fn(void *ctx, const struct pool_view *v);
typedef void lease_view_fn(void *ctx, const struct lease_view *v);
void pools_each(const struct pools *p, pool_view_fn *fn, void *ctx);
void pools_each_lease(const struct pools *p, const char *pool, lease_view_fn *fn, void *ctx);
