// engine.h - the executor's packet threads, the workers: each waits for packets at its ports, leads
// them burst by burst through path_out() or path_in(), and sends what comes out through the right
// port. An SA belongs to one worker (xfrm/path/owner.c); packets that come to another one go over a
// ring (xfrm/handover.h).
//
// Threads: all functions here belong to the control thread. Workers tell it news (ACQUIRE, EXPIRE,
// MAPPING) through a bounded ring each and loop_wake(); they never wait for it.
#pragma once

#include "base/loop.h"
#include "xfrm/db/db.h"
#include "xfrm/handover.h"
#include "xfrm/path/path.h"
#include "xfrm/port/af_xdp.h"
#include "xfrm/port/port.h"

// Packets of each worker: the hold queue, bursts in flight, and ample reserve. With several workers
// there are HANDOVER_MAX more.
#define ENGINE_BUFFERS 1024
#define ENGINE_SOURCES_MAX 16 // UDP ports per family to send from: each packet looks through them
#define ENGINE_MARKS_MAX 64   // each is a device and a routing rule, which every look-up passes
// Ports that come and go: addresses of one host, those sources, and marks.
#define ENGINE_EXTRA_MAX (64 + ENGINE_FAMILIES * ENGINE_SOURCES_MAX + ENGINE_MARKS_MAX)
#define ENGINE_NEWS 256 // events waiting for the control thread; more are counted and lost

struct engine;

enum engine_family { ENGINE_V4, ENGINE_V6, ENGINE_FAMILIES };

// One worker's ports, borrowed until engine_free(). All but tun may be NULL: what should leave
// there is dropped (DROP_SEND).
struct engine_ports {
    struct port *tun;
    struct port *udp[ENGINE_FAMILIES], *raw[ENGINE_FAMILIES], *clear[ENGINE_FAMILIES];
    struct port *ah[ENGINE_FAMILIES]; // receives; what it would send goes out whole, by clear
    // IPComp, and the tunnel packets that it did not shrink: IPv4 or IPv6 in either family
    struct port *comp[ENGINE_FAMILIES], *plain[ENGINE_FAMILIES][ENGINE_FAMILIES]; // [outer][inner]
    struct port *icmp[ENGINE_FAMILIES]; // receives only; the first worker's
    // Past the host's stack, where that is wanted: those queues that are the worker's.
    struct port *xdp[XDP_SIDES][XDP_QUEUES_MAX];
};

struct engine_conf {
    struct db *db;
    struct loop *loop;                // woken (loop_on_wake) when there is news
    const struct engine_ports *ports; // one set for each worker; copied
    unsigned workers;                 // 1 to WORKERS_MAX
    bool allow_clear_in;              // see struct worker
    bool pin;                         // each worker stays on a CPU of its own
    uint16_t mss;                     // see struct worker
    uint32_t dummy_rate;              // see struct worker
    uint32_t fwmark;                  // by which our own packets are routed
    uint16_t udp_port;                // of the ports `udp`
    const struct xdp *xdp;            // borrowed; NULL: nothing goes past the host's stack
    uint32_t tun;                     // interface index of the TUN device, for that
};

struct engine_counts {
    uint64_t drops[DROP_COUNT];
    uint64_t packets_in, packets_out, bytes_in, bytes_out; // inner packets
    uint64_t handed_over;                                  // to the worker that owns the SA
    uint64_t dummies;                                      // empty packets sent, counted apart
    uint64_t held;                                         // packets waiting for an SA now
    uint64_t news_lost;
};

// Errors: ERR_NOMEM, ERR_RANGE, ERR_SYSTEM, with a sentence.
err_t engine_new(const struct engine_conf *conf, struct engine **out, struct why *why);
err_t engine_start(struct engine *e, struct why *why);
void engine_stop(struct engine *e); // returns when the threads have ended, for good
void engine_free(struct engine *e); // stopped; the ports stay the caller's. NULL is fine

// One more way in for ESP in UDP, at any time. The first worker looks after it, and hands over what
// is another's. The port is the caller's again when engine_port_remove() has returned (which waits
// for the worker's burst), or after engine_free().
// ERR_LIMIT: there are ENGINE_EXTRA_MAX already; ERR_SYSTEM.
err_t engine_port_add(struct engine *e, struct port *port);
void engine_port_remove(struct engine *e, struct port *port);

// One more UDP port that SAs may send from, and receives too, at any time: ports[i] is worker i's.
// They are the caller's again when engine_source_remove() has returned, or after engine_free().
// Errors as above; then none was added.
err_t engine_source_add(struct engine *e, enum engine_family f, uint16_t number,
                        struct port *const ports[]);
void engine_source_remove(struct engine *e, enum engine_family f, uint16_t number);

// One more way for packets of the host, whose mark it stands for, at any time: ports[i] is worker
// i's, which have the mark already. `exact`: what has just this mark goes to the host by it, too.
// They are the caller's again when engine_mark_remove() has returned, or after engine_free().
// Errors as above; then none was added.
err_t engine_mark_add(struct engine *e, struct port *const ports[], bool exact);
void engine_mark_remove(struct engine *e, struct port *const ports[]);

// The database has changed: held packets may go now.
void engine_kick(struct engine *e);
// Hands the workers' news to fn, one by one, at most one ringful of each. Call when the loop was
// woken.
void engine_news(struct engine *e, xfrm_event_fn *fn, void *ctx);
// The TUN device was deleted by someone: no packet comes from the host any more.
bool engine_tun_lost(const struct engine *e);
unsigned engine_workers(const struct engine *e);
void engine_counts(const struct engine *e, struct engine_counts *out); // of all workers
void engine_counts_of(const struct engine *e, unsigned worker, struct engine_counts *out);
// CPU time that a worker's thread has used, ns; 0: not known.
uint64_t engine_cpu_of(const struct engine *e, unsigned worker);

// ---- live packets, for `pavise trace` (xfrm/path/trace.h) ----
struct engine_trace;
struct trace_spec;
struct trace_record;

// From now on the workers note what happens to the packets that spec is about. It is copied.
// ERR_LIMIT: there are TRACES_MAX already; ERR_NOMEM.
err_t engine_trace_new(struct engine *e, const struct trace_spec *spec, struct engine_trace **out,
                       struct why *why);
// Waits for the workers' bursts. Before engine_free(); NULL is fine.
void engine_trace_free(struct engine_trace *t);
// A record, in the order of its worker's packets; it has to be given back. NULL: there is none.
struct trace_record *engine_trace_take(struct engine_trace *t);
void engine_trace_give(struct engine_trace *t, struct trace_record *r);
uint64_t engine_trace_lost(const struct engine_trace *t); // packets that found no room
