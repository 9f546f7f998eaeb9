// lane.h - the SAs that can serve one policy template, the youngest first.
//
// A lane is known by what SA and template must have in common: destination, protocol, mode, reqid.
// Policies point at the lanes of their templates, so a packet finds its SA without a table: the
// first of the lane that is alive and fits. The kernel's rules (xfrm_state_find) decide: SAs past
// their soft lifetime only when there is no other; that of the packet's CPU (RFC 9611) before those
// of no CPU, never that of another; then the newest.
#pragma once

#include "base/rcu.h"
#include "xfrm/path/pkt.h"
#include "xfrm/xfrm.h"

struct sa;
struct lane;
struct lanes; // all lanes of a database

struct lane_key {
    ip_t daddr; // of the outer header; its family is the lane's
    uint32_t reqid;
    uint8_t proto, mode;
};

// What a packet asks of a lane, beside the key.
struct lane_ask {
    uint32_t spi;            // 0: any
    ip_t saddr;              // any: whatever
    const struct flow *flow; // must fit the SA's selector
    uint32_t mark, if_id;    // the policy's
    uint32_t cpu;            // of the worker
};

// ---- control thread ----
struct lanes *lanes_new(void);
void lanes_free(struct lanes *ls); // after all SAs and policies
// The lane of this key, made if need be; each call is to be paid back with lane_put().
// NULL when out of memory.
struct lane *lane_get(struct lanes *ls, const struct lane_key *key);
void lane_put(struct lanes *ls, struct lane *l); // NULL is fine
void lane_add(struct lane *l, struct sa *sa);    // at the front
void lane_del(struct sa *sa);

// ---- any RCU reader ----
// The lane of this key, NULL if there is none. For transport mode, whose destination is the
// packet's.
struct lane *lane_find(const struct lanes *ls, const struct lane_key *key);
// For a burst: brings the lane closer; a step later, its first SA.
void lane_hint(const struct lane *l);
const struct sa *lane_hint_more(const struct lane *l);
// The youngest, whatever its state. A lane of NULL has none.
struct sa *lane_first(const struct lane *l);
// The SA that `sa`, which is in a lane, takes over from: the next older one of the same source and
// CPU. NULL: none.
struct sa *lane_elder(const struct sa *sa);
// The youngest of this source and CPU. NULL: none. A lane of NULL has none.
struct sa *lane_youngest(const struct lane *l, const ip_t *saddr, uint32_t cpu);
// The SA to use now, or NULL. A lane of NULL has none.
struct sa *lane_pick(const struct lane *l, const struct lane_ask *ask);
