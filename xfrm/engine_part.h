// engine_part.h - what the files of the engine share: engine.c and engine_trace.c (the control
// thread's side) and engine_seat.c (the worker threads).
#pragma once

#include <pthread.h>

#include "base/ring.h"
#include "xfrm/engine.h"
#include "xfrm/path/trace.h"

// That receive: tun; udp, raw, ah, comp, icmp and two plain of both families; and AF_XDP.
#define ENGINE_PORTS (15 + XDP_SIDES * XDP_QUEUES_MAX)

// An event with copies of what it points at, since the worker goes on.
struct news {
    struct xfrm_event ev;
    struct xfrm_sa sa;
    struct xfrm_policy policy;
    struct xfrm_tmpl tmpl;
};

struct entrance {
    struct port *port;
    void (*walk)(struct worker *w, struct burst *b);
};

// A UDP port to send from. The number does not change while there is a port.
struct source {
    struct port *port; // atomic, written by the control thread; NULL: free
    uint16_t number;
};

// One worker: a thread, its ports, and what it needs to wait at them.
struct seat {
    // control thread
    struct engine *engine;
    struct engine_ports ports;
    pthread_t thread;
    bool running;
    int wake_fd; // eventfd: kick, stop, packets handed over
    int epoll_fd;
    // shared
    bool asleep; // atomic: whoever hands something over must wake it
    bool full;   // atomic: it waits for buffers to come home
    // Written by the control thread, atomic: NULL is none; and how many were ever in use.
    struct port *extra[ENGINE_EXTRA_MAX];
    uint32_t extra_top;
    struct source source[ENGINE_FAMILIES][ENGINE_SOURCES_MAX];
    struct port *marked[ENGINE_MARKS_MAX]; // to the host, for packets of one mark; NULL: free
    struct traces traces;                  // the worker is led to it while there is one
    struct ring *news;
    uint64_t news_lost, held; // written by the worker (counter.h)
    // worker thread
    struct worker worker;
    struct link_mtu *links;
    struct egress *egress;
    struct hops *hops;            // NULL: nothing goes past the host's stack
    struct port *fast[XDP_SIDES]; // by which it does
    struct entrance in[ENGINE_PORTS];
    unsigned in_count;
    uint64_t generation, next_tick;
    uint64_t dummies_due; // monotonic ns
    uint64_t agg_due;     // the same of SAs of mode iptfs
    uint64_t wake;        // bit i: worker i got packets from us and has not been woken yet
};

struct engine {
    struct engine_conf conf;   // its ports are in the seats
    struct handover *handover; // NULL: there is one worker
    bool stopping;             // atomic
    bool tun_lost;             // atomic
    unsigned seats;
    struct seat *seat[WORKERS_MAX];
};

static inline bool flag_get(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}
static inline void flag_set(bool *flag)
{
    __atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

// ---- engine_seat.c, control thread ----
// Errors: ERR_NOMEM, ERR_SYSTEM, with a sentence.
err_t seat_new(struct engine *e, unsigned index, const struct engine_ports *ports,
               struct seat **out, struct why *why);
void seat_free(struct seat *s); // its thread has ended, and all others; NULL is fine
err_t seat_port_add(struct seat *s, struct port *port); // ERR_LIMIT, ERR_SYSTEM
void seat_port_remove(struct seat *s, struct port *port);
err_t seat_source_add(struct seat *s, enum engine_family f, uint16_t number, struct port *port);
void seat_source_remove(struct seat *s, enum engine_family f, uint16_t number); // none: fine
err_t seat_mark_add(struct seat *s, struct port *port, bool exact);
void seat_mark_remove(struct seat *s, struct port *port); // none: fine
void seat_wake(struct seat *s);                           // any thread
void *seat_run(void *seat);                               // the thread
