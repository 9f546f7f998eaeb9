// rtnl.h - the few requests to the kernel's routing (NETLINK_ROUTE) that steering needs.
// Synchronous: each returns when the kernel has answered. Control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

// Marks our rules and routes, so that they can be told from everybody else's and found again after
// a crash (rtm_protocol; not taken in iproute2's rt_protos).
#define RTNL_PROTOCOL 150

struct rtnl;

struct rtnl_route {
    prefix_t dst;
    uint32_t table, metric;
    uint32_t oif; // 0: a blackhole, which drops silently
    ip_t prefsrc; // AF_UNSPEC: none
    ip_t gateway; // likewise
};

// How a host is reached: by which device, and over whom; the host itself where it is on the link.
struct rtnl_way {
    uint32_t oif;
    ip_t hop;
};

// "not from all fwmark F lookup T"; with a mask "from all fwmark F/M lookup T"
struct rtnl_rule {
    uint16_t family;
    uint32_t table, fwmark, priority;
    uint32_t mask; // 0: all bits, and the rule is for those that differ
};

// Locally made packets of one protocol and user skip the rules up to `target`:
// "from all iif lo ipproto P [sport S] uidrange U-U goto T"
struct rtnl_skip {
    uint16_t family;
    uint8_t proto;
    uint16_t sport; // 0: any
    uint32_t uid, table, priority, target;
};

err_t rtnl_open(struct rtnl **out, struct why *why);
void rtnl_close(struct rtnl *r); // NULL is fine

// Adds, or replaces the one with the same destination and metric.
// Errors of all: ERR_UNSUPPORTED (the kernel lacks the family), ERR_PERMISSION, ERR_NOTFOUND,
// ERR_EXISTS, ERR_SYSTEM, with a sentence.
err_t rtnl_route_put(struct rtnl *r, const struct rtnl_route *route, struct why *why);
err_t rtnl_route_del(struct rtnl *r, const struct rtnl_route *route, struct why *why);
// The way of packets with this mark (0: none).
err_t rtnl_way_to(struct rtnl *r, const ip_t *host, uint32_t fwmark, struct rtnl_way *out,
                  struct why *why);
err_t rtnl_rule_add(struct rtnl *r, const struct rtnl_rule *rule, struct why *why);
err_t rtnl_rule_del(struct rtnl *r, const struct rtnl_rule *rule, struct why *why);
// Calls fn for every rule with a mask that carries RTNL_PROTOCOL and leads to one of `count` tables
// from `first` on.
typedef void rtnl_rule_fn(void *ctx, const struct rtnl_rule *rule);
struct rtnl_tables {
    uint32_t first, count;
};
err_t rtnl_each_rule(struct rtnl *r, uint16_t family, struct rtnl_tables tables, rtnl_rule_fn *fn,
                     void *ctx);
// The table is not used: it makes rtnl_clean() find the rule.
err_t rtnl_skip_add(struct rtnl *r, const struct rtnl_skip *skip, struct why *why);
err_t rtnl_skip_del(struct rtnl *r, const struct rtnl_skip *skip, struct why *why);
// Packets with one of these bits, or those that this host sends itself, skip the rules up to
// `target`: "from all fwmark M/M goto T", "from all iif lo goto T". The table as above.
struct rtnl_goto {
    uint16_t family;
    uint32_t mark; // 0: the host's own
    uint32_t table, priority, target;
};
err_t rtnl_goto_add(struct rtnl *r, const struct rtnl_goto *g, struct why *why);
err_t rtnl_goto_del(struct rtnl *r, const struct rtnl_goto *g, struct why *why);
// A rule that does nothing, of the priority `target`: somewhere to go to.
err_t rtnl_target_add(struct rtnl *r, const struct rtnl_skip *skip, struct why *why);

// What rtnl_clean() passes over: one rule, those that go past it (rtnl_skip_add), and routes. NULL:
// none.
struct rtnl_keep {
    const struct rtnl_rule *rule;
    bool skips;
    bool (*route)(void *ctx, const prefix_t *dst);
    void *ctx;
};
// Removes every rule that leads to the table and every route in it that carry RTNL_PROTOCOL, but
// for those to be kept.
err_t rtnl_clean(struct rtnl *r, uint16_t family, uint32_t table, const struct rtnl_keep *keep,
                 struct why *why);

// Calls fn for every unicast address of this host but loopback and link-local ones; for one twice
// if addresses change meanwhile.
err_t rtnl_each_addr(struct rtnl *r, void (*fn)(void *ctx, const ip_t *addr), void *ctx,
                     struct why *why);

// An address of this host alone (/32, /128) on a device; it is no error if it is there already.
err_t rtnl_addr_put(struct rtnl *r, uint32_t ifindex, const ip_t *addr, struct why *why);
err_t rtnl_addr_del(struct rtnl *r, uint32_t ifindex, const ip_t *addr, struct why *why);

// A socket that becomes readable when addresses or links change, with `routes` also when routes or
// routing rules do; rtnl_drain() empties it.
err_t rtnl_watch(bool routes, int *fd, struct why *why);
void rtnl_drain(int fd);
