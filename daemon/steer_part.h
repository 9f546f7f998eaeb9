// steer_part.h - what the files of steering share: steer.c (routes, rules, addresses), steer_lane.c
// (marks) and steer_aside.c (what passes in clear amidst what is led to us). Control thread.
#pragma once

#include "daemon/rtnl.h"
#include "daemon/steer.h"

// One destination and the source networks of the policies that lead there.
struct steer_route {
    unsigned lane; // 0: for packets of any mark
    prefix_t dst;
    unsigned count, room;
    prefix_t *src;
    uint32_t priority; // the best that one of them has had
};

// Where a policy lets pass in clear.
struct aside {
    prefix_t dst, src;
    uint32_t priority;
    bool set; // there is a route of its own
    struct aside *next;
};

struct lane {
    bool open;
    bool left; // by one who died, until the grace is over: rules or routes are there
    struct xfrm_mark mark;
    uint32_t ifindex;
};

struct steer {
    struct steer_conf conf;
    struct rtnl *rtnl;
    struct lane lane[1 + STEER_LANES_MAX]; // the first is for packets of any mark
    bool has[2];                           // IPv4, IPv6
    void *routes;                          // tree (tsearch) of struct steer_route
    ip_t *addrs;                           // of this host
    unsigned addr_count, addr_room;
    struct aside *asides;
    unsigned aside_count;
    int watch_fd;
    struct loop_io *watch;
    struct loop_timer *settle;
    unsigned leftovers; // routes of one who died
    struct loop_timer *grace;
};

static const uint16_t steer_families[2] = {AF_INET, AF_INET6};

// ---- steer.c ----
void steer_complain(const struct why *why, const prefix_t *dst);
struct rtnl_route steer_route_to_tun(const struct steer *s, const struct steer_route *r);
// The route for packets of any mark to just this network; NULL: there is none.
const struct steer_route *steer_led(const struct steer *s, const prefix_t *dst);
// A prefix of the family without host bits; a selector of no family means every address.
prefix_t steer_net_of(const prefix_t *p, uint16_t family);

// ---- steer_lane.c ----
uint32_t steer_table_of(const struct steer *s, unsigned lane);
unsigned steer_lane_of(const struct steer *s, const struct xfrm_mark *mark); // 0: there is none
struct rtnl_rule steer_lane_rule(const struct steer *s, unsigned lane, uint16_t family);

// ---- steer_aside.c ----
// Policies that let pass in clear have come or gone; others are passed over.
void steer_aside_add(struct steer *s, const struct xfrm_policy *p, uint16_t family);
void steer_aside_del(struct steer *s, const struct xfrm_policy *p, uint16_t family);
// A route to `net` has come or gone; NULL: addresses have.
void steer_aside_settle(struct steer *s, const prefix_t *net);
bool steer_aside_has(const struct steer *s, const prefix_t *dst); // a route of its own
void steer_aside_free(struct steer *s);
