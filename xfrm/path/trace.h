// trace.h - what happens to live packets on their walk, for `pavise trace`.
//
// While somebody looks, a worker chooses some of the packets (of so many one), notes what each
// stage does to them, and puts a bounded record of each into a ring, from which the control thread
// takes it. Nobody waits: what finds no room is counted and lost. While nobody looks, a burst costs
// one comparison (path.c).
//
// A packet that is handed over to another worker has no record here: it begins again there.
#pragma once

#include "xfrm/path/bpf.h"
#include "xfrm/path/path.h"

#define TRACES_MAX 4    // of one worker at a time
#define TRACE_STAGES 12 // more than any path has
// Bytes kept of the plain and of the protected packet. A filter looks at those: so not fewer.
#define TRACE_SNAP_MIN 128
#define TRACE_SNAP_MAX 16384
#define TRACE_ALG_MAX 40

struct trace_spec {
    uint32_t every; // of so many packets one, on average; 1: all
    uint32_t snap;  // TRACE_SNAP_MIN to TRACE_SNAP_MAX
    bool out, in;   // which ways
    bool drops;     // only packets that are dropped
    unsigned steps; // of the filter; 0: none. It matches if the plain or the protected packet does
    struct sock_filter filter[BPF_STEPS_MAX]; // bpf_check() has agreed
};

enum trace_end {
    TRACE_DROPPED,
    TRACE_SENT,      // protected
    TRACE_DELIVERED, // to the host
    TRACE_CLEAR,     // out, in clear: no policy, or one that says so
    TRACE_WAITS,     // for an SA; it will walk again
    // a part of a larger packet now, or waits for the rest of it: a fragment, or what mode iptfs
    // puts together
    TRACE_JOINED,
    TRACE_UNPACKED, // in, mode iptfs: its inner packets go on, or wait for their rest
    TRACE_EMPTY,    // in, and carries nothing: a dummy packet
    TRACE_HEARD,    // an ICMP message about an SA's path
};

struct trace_sa {
    ip_t src, dst;
    uint32_t spi, reqid;
    uint8_t proto, mode; // proto: of a companion 4 or 41
    bool udp, numbered;
    char alg[TRACE_ALG_MAX]; // the kernel's name; cut if it is longer
};

struct trace_policy {
    struct xfrm_selector sel;
    uint32_t index, priority;
    uint8_t dir, action;
    unsigned tmpls;
};

struct trace_record {
    const struct stage *path; // outbound, inbound, dummies, payloads, complaints
    uint8_t stage;            // the last that it came to
    uint8_t burst;            // packets in its burst at the start
    uint16_t worker;
    enum trace_end end;
    enum drop drop;
    uint64_t at;                     // monotonic ns of its burst
    uint32_t took;                   // ns from there to the end of the last stage
    uint32_t stage_ns[TRACE_STAGES]; // what the stage took for all packets of the burst
    uint8_t stage_n[TRACE_STAGES];   // and how many those were
    struct flow flow;                // of the plain packet; family AF_UNSPEC: not known
    bool has_policy;
    struct trace_policy policy;
    uint8_t sas; // outbound the innermost first, inbound the outermost
    struct trace_sa sa[PKT_SAS_MAX];
    uint64_t seq;        // of the last SA that counts
    uint32_t spi;        // inbound: in the packet as it came; 0: it tells none
    endpoint_t from, to; // of the outer header; port 0: not in UDP
    uint8_t outer_tos, outer_ttl, proto;
    bool udp, df, cut;
    uint32_t path_mtu, mark;
    // Whole IP packets, of which the first bytes are kept. Length 0: there is none.
    uint32_t plain_len, outer_len, plain_kept, outer_kept;
    uint8_t *plain, *outer; // the record's own
};

// ---- one worker's part of one trace ----
struct trace;

// records: how many may be on their way to the control thread. spec is borrowed. NULL: out of
// memory.
struct trace *trace_new(const struct trace_spec *spec, unsigned records);
void trace_free(struct trace *t); // no worker looks at it any more; NULL is fine
// Bytes of a record.
size_t trace_record_size(const struct trace_spec *spec);

// ---- control thread ----
struct trace_record *trace_take(struct trace *t); // the oldest; NULL: there is none
void trace_give(struct trace *t, struct trace_record *r);
uint64_t trace_lost(const struct trace *t); // packets that were chosen and found no room

// ---- the worker: all its traces ----
struct traces {
    struct trace *of[TRACES_MAX]; // rcu, by the control thread; NULL: free
    // the worker's: those of this burst
    unsigned n;
    struct trace *now[TRACES_MAX];
    uint64_t clock;
    const struct stage *path;
};

// A burst begins its walk. False: nobody looks at any of its packets.
bool traces_begin(struct traces *all, struct worker *w, const struct stage *path,
                  const struct burst *b);
// A stage has run over `n` packets; those that it has ended are still in the burst.
void traces_stage(struct traces *all, struct worker *w, const struct stage *s,
                  const struct burst *b, unsigned n);
// A packet is dropped outside of its walk, outbound.
void traces_dropped(struct traces *all, struct worker *w, const struct pkt *p, enum drop d);
