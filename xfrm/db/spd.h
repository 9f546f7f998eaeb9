// spd.h - the Security Policy Database (RFC 4301 4.4.1): which packets are protected, how, and
// which may pass.
//
// The policy of a packet is the matching one of the smallest priority value, the oldest among
// equals; rules.h is how it is found. One writer (the control thread), lock-free readers.
//
// A selector's ifindex is the device that a packet would leave by, as in the kernel: behind a TUN
// device whoever asks has to find that out (struct spd_ask). Where it is not known, and of inbound
// packets it never is, the safe reading is taken: a policy with one protects or blocks on its
// addresses alone, but lets no packet pass in clear.
#pragma once

#include "base/rcu.h"
#include "xfrm/db/lane.h"
#include "xfrm/db/lifetime.h"
#include "xfrm/db/rules.h"
#include "xfrm/path/pkt.h"
#include "xfrm/xfrm.h"

struct spd;

// What packets read stands in front.
struct policy {
    struct rule exact; // what it is found by
    uint64_t use_time; // first match: wall seconds (counter.h)
    bool one_tunnel;   // out, one template, and that a tunnel: what follows says all of it
    bool per_cpu;      // out: each CPU asks for SAs of its own
    uint8_t action;    // enum xfrm_action
    uint8_t tmpl_count;
    uint32_t spi; // of the first template; 0: any
    uint32_t mark, if_id;
    ip_t saddr;                       // of the first template
    struct lane *lane[XFRM_TMPL_MAX]; // of each template; NULL inbound and for transport mode
    struct xfrm_policy conf;          // immutable; `current` is not kept here
    uint64_t used_mono;               // first match: monotonic ns
    struct rule guard;                // without its ports, for packets that do not show theirs
    struct rule flow;                 // without its mark (XFRM_POLICY_FLOWS)
    // keeping, control thread
    bool listed, guards, flows; // in which classifier it is
    bool soft_told;
    struct heap_node timer;
    uint64_t due;    // as in struct sa
    uint64_t serial; // never given to another
    uint64_t add_time, made_mono;
    struct cds_list_head all;
    struct rcu_head rcu;
};

struct spd *spd_new(void);                      // NULL when out of memory
void spd_free(struct spd *s, struct lanes *ls); // and the policies still there; no reader left

// ---- any RCU reader ----
// What a lookup is about, beside the flow.
struct spd_ask {
    enum xfrm_dir dir;
    uint32_t mark, if_id;
    uint32_t device; // 0: not known
    bool guard; // which policy that names ports might it be, if the packet's were known? Only such
                // as do not bypass
    bool flows; // which policy for flows that came in with a mark would it be with the right one?
};
struct policy *spd_find(const struct spd *s, const struct spd_ask *ask, const struct flow *f);
// Are there outbound policies for one device, so that it is worth while to find it out?
bool spd_asks_device(const struct spd *s);
// For a burst, as in rules.h: every packet's first, then every packet's second.
uint64_t spd_hint(const struct spd *s, const struct spd_ask *ask, const struct flow *f);
void spd_hint_more(const struct spd *s, enum xfrm_dir dir, uint64_t hint);
// Has a precedence over b? (NULL: there is no b)
bool policy_goes_before(const struct policy *a, const struct policy *b);
// Notes the first use. Any worker.
void policy_touch(struct policy *p, uint64_t wall, uint64_t mono);
// Does it say: pass in clear? (allow, and no template)
static inline bool policy_is_bypass(const struct policy *p)
{
    return p->action == XFRM_ALLOW && p->tmpl_count == 0;
}

// ---- control thread ----
// A policy with its lanes (outbound only), not yet in the database. NULL when out of memory.
struct policy *policy_new(const struct xfrm_policy *conf, struct lanes *ls);
void policy_free(struct policy *p, struct lanes *ls); // after a grace period; in no table any more
void policy_snapshot(const struct policy *p, struct xfrm_policy *out);
// Takes p over. `old`, which p is to replace and the caller takes out afterwards, hands on its
// place among equals if the priority is the same, as in the kernel. NULL: none. ERR_NOMEM.
err_t spd_add(struct spd *s, struct policy *p, const struct policy *old);
// The same with old's place in the list, whatever the priority.
err_t spd_take_place(struct spd *s, struct policy *old, struct policy *p);
void spd_del(struct spd *s, struct policy *p); // takes it out; the caller frees it
// By direction and index, or by selector, mark, if_id and type.
struct policy *spd_get(const struct spd *s, const struct xfrm_policy_id *id);
bool spd_has_index(const struct spd *s, uint32_t index);
uint32_t spd_count(const struct spd *s, enum xfrm_dir dir);
// The youngest first: cds_list_for_each_entry(p, spd_all(s), all).
struct cds_list_head *spd_all(struct spd *s);
