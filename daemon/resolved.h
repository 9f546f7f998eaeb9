// resolved.h - tells systemd-resolved the name servers of a gateway and which names they know
// (org.freedesktop.resolve1.Manager over D-Bus, spoken by hand: a handful of calls). It asks each
// server for its own names only, which a resolv.conf cannot say.
#pragma once

#include "base/addr.h"
#include "base/loop.h"

struct resolved;

struct resolved_link {
    uint32_t ifindex;  // of the device that they are reached through
    unsigned dns_n;    // 0: the device's servers are forgotten
    unsigned domain_n; // 0: the servers are asked for everything
    const ip_t *dns;
    const char *const *domain;
};

// Does this resolv.conf lead to systemd-resolved (nameserver 127.0.0.53)?
bool resolved_in_charge(const char *resolv_conf);

struct resolved *resolved_new(struct loop *loop); // NULL when out of memory
void resolved_free(struct resolved *r);           // NULL is fine; gives up what is under way
// Without waiting; what goes wrong is logged. A call that is under way is replaced.
void resolved_set(struct resolved *r, const struct resolved_link *link);
// Waits a moment for what is under way: at the end of the daemon.
void resolved_finish(struct resolved *r);

// What resolved_set() sends, for tests. The length; 0 if cap is too small.
size_t resolved_message(const struct resolved_link *link, uint8_t *buf, size_t cap,
                        unsigned *replies);
