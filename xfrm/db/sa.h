// sa.h - a Security Association as the executor keeps it (RFC 4301 4.4.2).
//
// Three kinds of data, three owners:
//   conf          immutable; the control thread replaces it as a whole (RCU) when the SA is updated
//   packet state  sequence number, window, counters: plain integers of the one worker that owns the
//                 SA; the control thread only reads them (counter.h)
//   keeping       lists and tables of the control thread
// An SA that has been taken out of the database is freed after an RCU grace period.
#pragma once

#include "base/heap.h"
#include "base/order.h"
#include "base/pages.h"
#include "base/rcu.h"
#include "crypto/sealer.h"
#include "xfrm/db/agg.h"
#include "xfrm/db/lifetime.h"
#include "xfrm/db/replay.h"
#include "xfrm/path/pkt.h"
#include "xfrm/xfrm.h"

struct lane;

// What was configured, and what packets need of it in the form in which they need it.
// Packets read the first lines only: the keys stand at the end of struct xfrm_sa.
struct sa_conf {
    endpoint_t from, to; // outer addresses of outbound packets; port 0 without encapsulation
    bool udp;            // ESP in UDP (RFC 3948)
    struct xfrm_sa x;    // keys included: GETSA shows them, as the kernel does
    struct rcu_head rcu;
};
#define SA_CONF_HOT 320 // bytes of it that a packet may look at

// The replay state that listeners have been told last, and when (monotonic ns).
struct sa_told {
    uint64_t out_seq, in_seq, at;
};

// The next sequence number at the last look, and since when nothing has left (monotonic ns; 0: not
// looked at yet).
struct sa_quiet {
    uint64_t seq, since;
};

// A flow of TCP whose first long segment has been sent and, as it seems, has never arrived
// (xfrm/path/hole.c). Written by the owning worker (counter.h).
struct sa_hole {
    uint64_t segment; // a hash of the flow, and the sequence number of that segment; 0: none
    uint64_t again;   // how often it has been sent since
    uint64_t at;      // monotonic ns: when last
    uint64_t wire;    // bytes of it on the wire
};
#define SA_HOLES 2 // flows watched at a time

// What the host keeps ready for an SA (xfrm/control_mark.c). 0: nothing.
struct sa_held {
    uint16_t source; // UDP port that is open for it
    uint32_t mark;   // inbound: of what it opens
};

struct sa {
    // All that a packet needs in any case stands in the first line, with the window in the second.
    // Read by workers:
    struct sa_conf *conf;  // rcu_dereference; inside the control thread plain
    struct sealer *sealer; // NULL: larval, IPComp or its companion
    be32_t spi;
    uint8_t iv_len, icv_len;
    uint8_t align; // payload and trailer are padded to a multiple of this, a power of two >= 4
    uint8_t proto; // enum xfrm_proto, or of a companion 4 or 41

    // packet state, written by the owning worker
    uint64_t next_seq;       // outbound: the next number to use
    uint64_t bytes, packets; // inner packets
    uint64_t use_time;       // first use: wall seconds; 0 = never

    // the worker's index and 1, once it has met a packet (xfrm/path/owner.c); 0: nobody's (atomic)
    unsigned owner;

    // flags that the worker and the control thread may both raise (atomic)
    bool dying;  // soft lifetime is over: a younger SA is preferred
    bool dead;   // hard lifetime is over or removed: carries no packet
    bool larval; // no keys yet (ALLOCSPI, ACQUIRE): carries no packet; never changes
    bool iptfs;  // mode iptfs; never changes

    // packet state that packets of one direction need
    struct replay replay; // inbound
    uint64_t longest;     // inbound: bytes of the longest packet that has come
    struct {
        uint64_t link;       // MTU of the link to the peer; 0: not known
        uint64_t link_until; // monotonic ns; then it is asked for again
        uint64_t learned;    // from ICMP (counter.h)
        uint64_t until;      // monotonic ns; then it is forgotten
    } pmtu;                  // outbound: what the path takes, pmtu.h; any worker may write (atomic)

    // packet state that not every packet needs
    struct agg *agg;               // mode iptfs
    struct sa_hole hole[SA_HOLES]; // outbound
    uint32_t auth_bit;             // that templates must have in aalgos; never changes
    uint64_t used_mono;            // first use: monotonic ns; 0 = never
    uint64_t replays, forgeries;   // struct xfrm_stats
    endpoint_t moved_to;           // peer's new endpoint, once it has been reported (MAPPING)
    uint64_t moved_mono;           // when that was, ns

    // keeping, control thread
    uint64_t made_mono;
    uint32_t ae_packets, ae_timer; // struct xfrm_sa
    struct sa_told told;
    struct sa_quiet quiet; // for NAT keepalives
    bool soft_told;        // the soft EXPIRE event is out
    struct heap_node timer;
    uint64_t due; // when its lifetime is to be looked at, monotonic ns; 0: it has no timer
    struct lane *lane;
    // IPComp, tunnel mode: the SA of packets that it did not shrink, shared by all between the same
    // two ends; and how many share it.
    struct sa *companion;
    uint32_t users;
    struct sa_held held;
    uint64_t age;                   // order of arrival
    struct cds_list_head in_lane;   // rcu
    struct cds_list_head in_covers; // rcu; only of those that sad_covers() lists
    struct cds_list_head all;
    struct rcu_head rcu;
};

_Static_assert(offsetof(struct sa, replay) == CACHE_LINE, "a line of its own");

// A companion?
static inline bool sa_is_plain(const struct xfrm_sa *x)
{
    return x->plain;
}
// For a burst: brings the SA closer; a step later, what its packets read of its configuration.
static inline void sa_hint(const struct sa *sa)
{
    __builtin_prefetch(sa, 1);
    __builtin_prefetch((const char *)sa + CACHE_LINE, 1);
}
static inline void sa_hint_more(const struct sa *sa)
{
    const char *conf = (const char *)rcu_dereference(sa->conf);
    __builtin_prefetch(sa->sealer); // it makes the IV
    for (unsigned at = 0; at < SA_CONF_HOT; at += CACHE_LINE) __builtin_prefetch(conf + at);
}
static inline bool sa_flag(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_RELAXED);
}
// Raises a flag; true for the one caller who did it first.
static inline bool sa_raise(bool *flag)
{
    return !sa_flag(flag) && !__atomic_exchange_n(flag, true, __ATOMIC_RELAXED);
}

// Checks the configuration as the kernel would and builds the SA with its sealer, sequence number
// and window. x->larval: no algorithms are looked at. In the copy that is kept, algorithm names are
// canonical and the truncation of a MAC is filled in.
// Errors (with a sentence): ERR_SYNTAX, ERR_RANGE (EINVAL), ERR_ALGORITHM (ENOSYS: unknown name),
// ERR_UNSUPPORTED (other encapsulations), ERR_NOMEM. Control thread.
err_t sa_new(const struct xfrm_sa *x, struct sa **out, struct why *why);
// The companion of an IPComp SA in tunnel mode: IP in IP between its ends, which RFC 3173 2.2 sends
// where a packet does not shrink. `spi` as the kernel shows it: in IPv4 the source address, in IPv6
// a number. ERR_NOMEM.
err_t sa_new_plain(const struct xfrm_sa *comp, uint32_t spi, struct sa **out);
// Replaces what UPDSA may change in a living SA: ports, lifetimes, output mark, if_id.
err_t sa_change(struct sa *sa, const struct xfrm_sa *x, struct why *why);
// A living copy for GETSA: configuration, counters, sequence and replay state. Any RCU reader.
void sa_snapshot(const struct sa *sa, struct xfrm_sa *out);
// Frees (wiping keys) after a grace period; the SA must be in no table any more. NULL is fine.
void sa_free(struct sa *sa);
