// gather.c - outbound, mode iptfs: inner packets wait in their SA's queue and leave together, in
// payloads that are as long as the path takes, one packet behind the other and cut where a payload
// ends (RFC 9347 2.1, 2.2).
//
// The queue is emptied at one go: at the end of the burst that filled it, or, where the SA has an
// initial delay, when that has gone by. So fragments of a packet leave in payloads of neighbouring
// numbers, and nothing comes between them.
#include "xfrm/db/counter.h"
#include "xfrm/path/agg_path.h"
#include "xfrm/path/ecn.h"
#include "xfrm/path/pmtu.h"
#include "xfrm/path/size.h"

#define IP_TOTAL_MAX UINT16_MAX
#define MTU_UNKNOWN 1500 // what is sent for where nobody knows what the path takes
#define ROOM_MIN 64      // bytes of a payload for inner packets, however short the path
// A payload with less room than a whole IPv6 header is sent as it is: cut headers help nobody.
#define CUT_MIN IP6_HEADER
#define ECN_SHARE 95 // percent of the queue; behind that, packets are told of congestion

// ---- into the queue ----

// As a router's queue does. The kernel marks from there on, too.
static void mark_congestion(const struct agg *a, struct pkt *p)
{
    if ((uint64_t)a->out.bytes * 100 < (uint64_t)a->out.most * ECN_SHARE) return;
    if ((p->flow.tos & ECN_MASK) == ECN_NOT_ECT) return;
    p->flow.tos |= ECN_CE;
    tos_write(p->at, p->flow.tos);
}

static enum drop keep(struct agg *a, struct pkt *p)
{
    const struct agg_entry e = {.len = p->len};
    // shorter ones than an IP header do not come: flow_read() has looked
    if (!a->out.at || p->len > a->out.most - a->out.bytes) return DROP_IPTFS_QUEUE;
    mark_congestion(a, p);
    if (a->out.packets == 0) a->out.mark = p->mark;
    memcpy(a->out.at + a->out.used, &e, sizeof e);
    memcpy(a->out.at + a->out.used + sizeof e, p->at, p->len);
    a->out.used += (uint32_t)sizeof e + p->len;
    a->out.bytes += p->len;
    a->out.packets++;
    return DROP_NONE;
}

static void schedule(struct worker *w, struct sa *sa)
{
    const uint64_t delay = rcu_dereference(sa->conf)->x.iptfs.init_delay_us * NSEC_PER_USEC;
    if (delay == 0) {
        w->agg.ready[w->agg.ready_count++] = sa; // as many as a burst has packets, at most
        return;
    }
    sa->agg->due = w->now + delay;
    agg_arm(w, sa->agg);
}

void out_gather(struct worker *w, struct burst *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (!p->sa->iptfs) continue;
        if (sa_flag(&p->sa->dead)) number_pass_on(w, p);
        struct agg *a = p->sa->agg;
        bool first = a->out.used == 0;
        p->drop = p->flow.ttl == 0 ? DROP_TTL : keep(a, p);
        if (p->drop) continue;
        p->done = true;
        if (first) schedule(w, p->sa);
    }
}

// ---- payloads ----

struct filling {
    struct worker *w;
    struct sa *sa;
    bool dont_frag;
    struct pkt *p;     // the payload at hand; NULL: the next byte begins one
    uint32_t capacity; // bytes of a payload, its header included
    struct burst b;    // those that are full
};

static void walk_on(struct filling *f)
{
    if (f->b.n > 0) path_payloads(f->w, &f->b);
    f->b.n = 0;
}

static void close_payload(struct filling *f)
{
    if (!f->p) return;
    f->b.p[f->b.n++] = f->p;
    f->p = NULL;
    if (f->b.n == BURST_MAX) walk_on(f);
}

static uint32_t capacity_of(const struct pkt *p, uint32_t pkt_size)
{
    uint32_t mtu = p->path_mtu ? p->path_mtu : MTU_UNKNOWN;
    if (mtu > IP_TOTAL_MAX) mtu = IP_TOTAL_MAX; // that of lo is longer
    if (pkt_size && pkt_size < mtu) mtu = pkt_size;
    uint32_t most = size_limit(p, mtu); // of one inner packet
    return AGG_HEADER + (most > ROOM_MIN ? most : ROOM_MIN);
}

// `rest`: bytes of a packet that began in the payload before. False: out of buffers.
static bool open_payload(struct filling *f, uint32_t rest)
{
    struct worker *w = f->w;
    struct pkt *p = pool_take(w->pool);
    if (!p) return false;
    p->filled = true;
    p->sa = p->sas[p->sa_count++] = f->sa;
    p->mark = f->sa->agg->out.mark;
    p->path_mtu = pmtu_of(w, f->sa);
    memset(p->at, 0, IP6_HEADER); // where headers are looked for, there is none of IPv6
    if (f->capacity == 0)
        f->capacity = capacity_of(p, rcu_dereference(f->sa->conf)->x.iptfs.pkt_size);
    put16(p->at + 2, (uint16_t)(rest < UINT16_MAX ? rest : UINT16_MAX));
    p->len = AGG_HEADER;
    f->p = p;
    return true;
}

static void put(struct filling *f, const uint8_t *at, uint32_t n)
{
    memcpy(f->p->at + f->p->len, at, n);
    f->p->len += n;
}

static uint32_t room(const struct filling *f)
{
    return f->capacity - f->p->len;
}

// Makes sure that there is a payload in which the packet may begin.
static bool begin_in(struct filling *f, uint32_t len)
{
    bool fits = f->p && len <= room(f);
    bool cut = f->p && !f->dont_frag && room(f) >= CUT_MIN;
    if (fits || cut) return true;
    close_payload(f);
    return open_payload(f, 0);
}

// It is longer than a payload and must not be cut here: fragmented around, as in tunnel mode.
static bool add_long(struct filling *f, const uint8_t *at, uint32_t len)
{
    put(f, at, len);
    f->p->cut = true;
    f->p->carried++;
    close_payload(f);
    return true;
}

// False: out of buffers, so that the rest of it cannot go.
static bool add(struct filling *f, const uint8_t *at, uint32_t len)
{
    if (!begin_in(f, len)) return false;
    if (f->dont_frag && len > room(f)) return add_long(f, at, len);
    for (uint32_t n; len > 0; at += n, len -= n) {
        if (!f->p && !open_payload(f, len)) return false;
        n = len < room(f) ? len : room(f);
        put(f, at, n);
        if (n == len) f->p->carried++;
        if (room(f) == 0) close_payload(f);
    }
    return true;
}

// ---- out of the queue ----

static const uint8_t *entry_at(const struct agg *a, uint32_t *offset, uint32_t *len)
{
    struct agg_entry e;
    memcpy(&e, a->out.at + *offset, sizeof e);
    const uint8_t *at = a->out.at + *offset + sizeof e;
    *offset += (uint32_t)sizeof e + e.len;
    *len = e.len;
    return at;
}

static void empty(struct agg *a)
{
    a->out.used = a->out.packets = a->out.bytes = 0;
}

void gather_flush(struct worker *w, struct sa *sa)
{
    struct agg *a = sa->agg;
    struct filling f = {
        .w = w, .sa = sa, .dont_frag = rcu_dereference(sa->conf)->x.iptfs.dont_frag};
    for (uint32_t offset = 0, len; offset < a->out.used;) {
        const uint8_t *at = entry_at(a, &offset, &len);
        if (!add(&f, at, len)) count_add(&w->drops[DROP_NO_BUFFER_OUT], 1);
    }
    close_payload(&f);
    walk_on(&f);
    empty(a);
}

void gather_flush_ready(struct worker *w)
{
    for (unsigned i = 0; i < w->agg.ready_count; i++) gather_flush(w, w->agg.ready[i]);
    w->agg.ready_count = 0;
}

void gather_again(struct worker *w, struct agg *a)
{
    struct burst b = {.n = 0};
    for (uint32_t offset = 0, len; offset < a->out.used;) {
        const uint8_t *at = entry_at(a, &offset, &len);
        struct pkt *p = pool_take(w->pool);
        if (!p) {
            count_add(&w->drops[DROP_NO_BUFFER_OUT], 1);
            continue;
        }
        memcpy(p->at, at, len);
        p->len = len;
        p->mark = a->out.mark;
        p->born = w->now;
        b.p[b.n++] = p;
        if (b.n < BURST_MAX) continue;
        path_out(w, &b);
        b.n = 0;
    }
    path_out(w, &b);
    empty(a);
}
