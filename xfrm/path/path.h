// path.h - the walk of a packet through the executor.
//
// A burst of packets comes in from a port. path_out() and path_in() lead it through an array of
// named stages (path.c is the table of contents). A stage is a function over the whole burst: it
// improves each packet or gives it a drop word. What leaves the path goes through the worker's
// exits. After each stage dropped packets are counted under their word and returned to the pool, so
// the next stage sees only those that are still walking.
//
// One worker is one thread; it is an RCU reader and must be registered (rcu_register_thread).
// Nothing in a worker is shared with another thread except the database (read side) and the packets
// that workers hand over to each other.
#pragma once

#include "base/clock.h"
#include "base/rcu.h"
#include "xfrm/path/pkt.h"
#include "xfrm/xfrm.h"

struct db; // SAD + SPD, xfrm/db/db.h
struct hold;
struct assemblies;
struct traces; // trace.h

// Where packets and news go. Every function takes n packets of one burst; the packets stay the
// burst's (they are given back to the pool after the walk). A failed packet gets a drop word.
struct exits {
    void (*send)(void *ctx, struct pkt **p, unsigned n);    // ESP to the network (from, to, udp)
    void (*deliver)(void *ctx, struct pkt **p, unsigned n); // inner packet to the host
    void (*bypass)(void *ctx, struct pkt **p, unsigned n);  // out, no policy or a policy without
                                                            // template: on in clear
    void (*event)(void *ctx, const struct xfrm_event *ev);  // ACQUIRE, EXPIRE, MAPPING: copied by
                                                            // the callee, which hands the copy to
                                                            // control_worker_event()
    void *ctx;
    // MTU of the link that leads from src to dst; 0: not known. NULL: links have no limit.
    uint32_t (*link_mtu)(void *ctx, const ip_t *dst, const ip_t *src);
    // The index of the device that a packet from src to dst would leave by in clear; 0: not known.
    // Asked only while there are outbound policies for one device. NULL: nobody knows.
    uint32_t (*device)(void *ctx, const ip_t *dst, const ip_t *src);
};

// How one of several workers reaches the others; ctx is that of its exits.
struct colleagues {
    // The packet is the other worker's from here on, to walk from the start. False: no room.
    bool (*hand_over)(void *ctx, unsigned owner, struct pkt *p, bool in);
    void (*give_back)(void *ctx, struct pkt *p); // the buffer of another worker's pool
};

struct agg; // xfrm/db/agg.h

struct icmp_budget { // icmp.c: how often the executor may still speak
    uint64_t at;
    uint32_t left;
};

struct worker {
    unsigned index, workers; // its number, from 0, of how many
    unsigned cpu;            // whose SAs it uses (RFC 9611): its number, too
    struct db *db;
    struct pool *pool;
    struct hold *hold; // packets waiting for an SA
    struct comp *comp; // IPComp
    struct assemblies *assemblies;
    uint64_t joined; // fragments that have become part of a datagram, or wait for the rest of it
    struct traces *traces; // rcu; NULL: nobody looks at the packets
    struct exits exits;
    const struct colleagues *colleagues; // NULL: there are none
    uint64_t now;                        // monotonic ns of this burst
    uint64_t wall;                       // seconds since 1970 of this burst
    uint64_t drops[DROP_COUNT]; // written by this worker only; read by others with relaxed loads
    uint64_t packets_in, packets_out, bytes_in, bytes_out; // inner packets that got through
    uint64_t handed_over;                                  // packets of other workers' SAs
    uint64_t dummies;                                      // sent, in none of the numbers above
    struct {
        uint32_t rate; // packets a second of each SA, at most DUMMY_RATE_MAX; 0: none
        uint64_t due;  // monotonic ns of the next ones; 0: there was nothing to cover
    } dummy;
    struct { // SAs of mode iptfs: agg_path.h
        struct agg *armed;
        uint64_t due; // monotonic ns: when to look after those
        unsigned ready_count;
        struct sa *ready[BURST_MAX]; // to be sent at the end of the burst
    } agg;
    struct icmp_budget icmp;
    uint16_t mss;        // segments that TCP may offer through an SA: mss.h
    bool allow_clear_in; // default policy for inner packets without an inbound policy: false = drop
};

// Fills in a worker with its pool of `buffers` packets and its hold queue; db and exits are
// borrowed. The caller sets now and wall before each burst. ERR_NOMEM.
err_t worker_init(struct worker *w, struct db *db, const struct exits *exits, unsigned buffers);
void worker_done(struct worker *w); // the database must still be there
// It is one of several. Before its first packet; `others` is borrowed.
void worker_number(struct worker *w, unsigned index, unsigned workers,
                   const struct colleagues *others);
void worker_give(struct worker *w, struct pkt *p); // back to the pool it came from

struct stage {
    const char *name; // the word for traces and counters
    void (*run)(struct worker *w, struct burst *b);
};

extern const struct stage outbound[]; // ends with {NULL, NULL}
extern const struct stage inbound[];
extern const struct stage complaints[]; // of routers
extern const struct stage dummies[];
extern const struct stage payloads[]; // of mode iptfs: several inner packets each
extern const struct stage unpacked[]; // inner packets that come out of them

// The packets are owned by the callee from here on.
void path_out(struct worker *w, struct burst *b);   // inner IP packets from the TUN device
void path_in(struct worker *w, struct burst *b);    // ESP: at = ESP header, from/to/udp set
void path_icmp(struct worker *w, struct burst *b);  // ICMP to the host: at = ICMP header, to set
void path_dummy(struct worker *w, struct burst *b); // empty outbound packets of their SAs (dummy.c)
void path_payloads(struct worker *w, struct burst *b); // outbound, filled (gather.c)
// Inner packets beyond a burst, which is empty afterwards (unpack.c).
void path_unpacked(struct worker *w, struct burst *b);

// ---- dummy: empty packets that cover an SA's silence (dummy.c) ----
#define DUMMY_RATE_MAX 1000 // a second, of an SA
// A second, of all SAs: some 45 Mbit/s of long packets. The youngest SAs have theirs, as far as
// this goes.
#define DUMMIES_MAX 4000
// Sends those that are due at w->now. When to call it again: monotonic ns; UINT64_MAX: after the
// database has changed.
uint64_t dummy_send(struct worker *w);

// ---- mode iptfs: what waits (agg_timer.c) ----
// Looks after the SAs whose time has come at w->now. When to call it again: monotonic ns;
// UINT64_MAX: after the next burst.
uint64_t agg_run(struct worker *w);
void agg_forget_all(struct worker *w); // the worker ends

// ---- assemble: datagrams of which pieces are still missing (assemble.c) ----
#define ASSEMBLIES_MAX 16                // datagrams, each with a buffer of the pool
struct assemblies *assemblies_new(void); // NULL when out of memory
unsigned assemblies_count(const struct assemblies *all); // datagrams that are not whole yet
void assemblies_free(struct assemblies *all, struct pool *pool);

// ---- hold: packets waiting for an SA (hold.c), bounded in packets and time ----
#define HOLD_MAX 256                      // packets in all
#define HOLD_PER_POLICY 64                // packets of one policy
#define HOLD_TIMEOUT (30 * NSEC_PER_SEC)  // as the kernel's xfrm_acq_expires
#define HOLD_CPU_AGAIN (5 * NSEC_PER_SEC) // ... of a CPU's own SA, which nobody waits for
struct hold *hold_new(void);              // NULL when out of memory
void hold_free(struct hold *h);           // the packets stay their pools'
// Walks again those packets whose SA may be there now; drops those that have waited too long.
// Call after the database has changed (db_generation) and about once a second.
void hold_retry(struct worker *w);
unsigned hold_count(const struct hold *h);
