// steer.h - leads packets that outbound policies protect into the TUN device: a routing rule, a
// routing table of our own, and in it one route per destination of a policy.
//
//     ip rule   219: not from all fwmark F lookup T    (everything but the executor's own packets)
//               217: iif lo ipproto udp sport 4500 uidrange U-U goto 220, and so for ESP
//                    (the executor's protected packets whose SA gives them a mark of its own)
//               220: nop
//               218: fwmark M/K lookup T' (a lane: packets that policies with this mark are about
//                    go by a device of their own, since no device tells the marks of packets)
//     table T   10.2.0.0/16 dev pavise0 src 10.1.0.1   (src: a local address the policy covers)
//               blackhole 10.2.0.0/16 metric 1000000   (takes over when the device is gone)
//
//               10.1.0.0/16 dev pavise0 src 10.1.0.1   (a policy lets this pass in clear, of what
//               the routes of others lead here: it must not have got their source address)
//
// Which of the packets to 10.2.0.0/16 are protected is decided by the policies, not by the route:
// the others come out again in clear (clear_ip). Control thread.
#pragma once

#include "base/loop.h"
#include "xfrm/engine.h"

#define STEER_PRIORITY 219 // of the rule: after "local", before strongSwan's 220 and "main"
#define STEER_MARK (STEER_PRIORITY - 1)   // of the rules for marks
#define STEER_SKIP (STEER_PRIORITY - 2)   // of the rules that go past it
#define STEER_TARGET (STEER_PRIORITY + 1) // where they go: the rules behind are obeyed
#define STEER_BLACKHOLE_METRIC 1000000

// Tables of lanes: those from here on by 64 for each table T.
#define STEER_LANES_MAX ENGINE_MARKS_MAX
#define STEER_LANE_TABLES 0x40000000U

struct steer;

struct steer_conf {
    struct loop *loop; // addresses that come and go are watched in it
    const char *tun;
    uint32_t table, fwmark;
    uint16_t udp_port; // of ESP in UDP
    uint32_t uid;      // that owns the sockets of the ports
    uint32_t grace_s;  // seconds that the routes of one who died are kept
};

// Sets the rules. What a crash has left in the table still keeps its destinations closed, until
// policies are back or the grace is over. A family that the kernel does not have is left out.
err_t steer_new(const struct steer_conf *conf, struct steer **out, struct why *why);
void steer_free(struct steer *s); // rules and routes go; NULL is fine

// Routes of one who died are there, until the grace is over.
bool steer_has_leftovers(const struct steer *s);

// A policy has come or gone. Policies that need no route are passed over. A route that cannot be
// set is logged.
void steer_add(struct steer *s, const struct xfrm_policy *p);
void steer_del(struct steer *s, const struct xfrm_policy *p);

// Lanes have numbers from 1 to STEER_LANES_MAX. One that is free; of those that one who died has
// left the one for this mark. ERR_LIMIT: there is none. ERR_RANGE: this mark is also the
// executor's own.
err_t steer_lane_find(const struct steer *s, const struct xfrm_mark *mark, unsigned *lane,
                      struct why *why);
// From now on packets with this mark, as far as policies with it are about them, go into a device.
// Before steer_add() of such a policy.
err_t steer_lane_open(struct steer *s, unsigned lane, const struct xfrm_mark *mark,
                      uint32_t ifindex, struct why *why);
void steer_lane_close(struct steer *s, unsigned lane); // there are no such policies any more

// Packets may leave from this UDP port too, with a mark of their SA's own; or they do no more.
void steer_source(struct steer *s, uint16_t family, uint16_t number, bool on);
