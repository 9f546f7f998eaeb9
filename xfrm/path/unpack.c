// unpack.c - inbound, mode iptfs: payloads are brought into the order of their numbers, and become
// the inner packets that are in them (RFC 9347 2.2.3, 2.5). Those go on as packets of a tunnel do:
// nothing about them is believed before conform has looked.
//
// A payload whose number is not the next waits in a slot of its SA for those in between, as many as
// the reorder window says and as long as the drop time says. Then they count as lost.
#include "xfrm/db/counter.h"
#include "xfrm/path/agg_path.h"
#include "xfrm/path/ecn.h"
#include "xfrm/path/mode.h"

#define DSCP_MASK ((uint8_t)~ECN_MASK)
// So far behind nothing is late: the sender has begun to count anew (oseq-may-wrap).
#define BEGUN_ANEW (UINT64_C(1) << 31)

// What becomes of a burst's payloads.
struct unpacking {
    struct worker *w;
    struct sa *sa;
    uint32_t mark;
    endpoint_t from;
    struct pkt *p;         // the payload at hand; NULL: one of those that have waited
    const uint8_t *inside; // the packet in p that was found last, not taken out yet
    uint32_t inside_len;
    uint8_t inside_tos;
    struct burst *next; // what goes on
};

// ---- inner packets ----

static void go_on(struct unpacking *u, struct pkt *p)
{
    if (u->next->n == BURST_MAX) path_unpacked(u->w, u->next);
    u->next->p[u->next->n++] = p;
}

// Those that know no congestion are not dropped for it, as a tunnel's would be: outer packets are
// not the flow's own (RFC 9347 3.1).
static void tos_merge(struct pkt *p, const struct xfrm_sa *x, uint8_t outer)
{
    uint8_t tos = p->flow.tos, ecn = tos & ECN_MASK;
    if (x->flags & XFRM_STATE_DECAP_DSCP) tos = (outer & DSCP_MASK) | ecn;
    bool met = (outer & ECN_MASK) == ECN_CE && ecn != ECN_NOT_ECT;
    if (met && !(x->flags & XFRM_STATE_NOECN)) tos |= ECN_CE;
    if (tos != p->flow.tos) tos_write(p->at, tos);
    p->flow.tos = tos;
}

static void finish(struct unpacking *u, struct pkt *p, uint8_t tos)
{
    p->aggfrag = false;
    p->drop = DROP_NONE;
    if (!flow_read(p))
        p->drop = DROP_MALFORMED_IN;
    else
        tos_merge(p, &rcu_dereference(u->sa->conf)->x, tos);
    go_on(u, p);
}

static void take_out(struct unpacking *u, const uint8_t *at, uint32_t len, uint8_t tos)
{
    const struct sa_conf *conf = rcu_dereference(u->sa->conf);
    struct pkt *p = pool_take(u->w->pool);
    if (!p) {
        count_add(&u->w->drops[DROP_NO_BUFFER_IN], 1);
        return;
    }
    memcpy(p->at, at, len);
    p->len = len;
    p->sa = p->sas[p->sa_count++] = u->sa;
    p->from = u->from;
    p->to = (endpoint_t){conf->x.daddr, conf->udp ? conf->x.encap.dport : 0};
    p->udp = conf->udp;
    p->proto = XFRM_PROTO_ESP;
    p->mark = u->mark;
    p->outer_tos = tos;
    p->born = u->w->now;
    finish(u, p, tos);
}

static void take_out_inside(struct unpacking *u)
{
    if (u->inside) take_out(u, u->inside, u->inside_len, u->inside_tos);
    u->inside = NULL;
}

static void on_packet(void *ctx, const uint8_t *at, uint32_t len, uint8_t tos)
{
    struct unpacking *u = ctx;
    const struct pkt *p = u->p;
    take_out_inside(u);
    if (p && at >= p->at && at < p->at + p->len) {
        u->inside = at;
        u->inside_len = len;
        u->inside_tos = tos;
        return;
    }
    take_out(u, at, len, tos);
}

static void on_lost(void *ctx)
{
    const struct unpacking *u = ctx;
    count_add(&u->w->drops[DROP_IPTFS], 1);
}

static void read_one(struct unpacking *u, struct agg_part *part, const struct agg_payload *payload)
{
    const struct agg_sink sink = {on_packet, on_lost, u};
    agg_read(part, payload, &sink);
}

// The last packet in it stays where it is.
static void read_at_hand(struct unpacking *u, struct agg_part *part, struct pkt *p)
{
    const struct agg_payload payload = {
        .at = p->at, .len = p->len, .seq = p->seq, .tos = p->outer_tos};
    u->p = p;
    u->mark = p->mark;
    u->from = p->from;
    read_one(u, part, &payload);
    u->p = NULL;
    if (!u->inside) {
        p->done = true;
        go_on(u, p);
        return;
    }
    p->at += u->inside - p->at;
    p->len = u->inside_len;
    u->inside = NULL;
    finish(u, p, u->inside_tos);
}

// ---- order ----

static struct agg_slot *slot_of(struct agg *a, uint64_t seq)
{
    return &a->in.slot[seq % a->in.window];
}

static bool is_saved(struct agg *a, uint64_t seq)
{
    return a->in.saved > 0 && slot_of(a, seq)->seq == seq;
}

static void read_saved(struct unpacking *u, struct agg *a, uint64_t seq)
{
    struct agg_slot *s = slot_of(a, seq);
    const struct agg_payload payload = {.at = s->at, .len = s->len, .seq = seq, .tos = s->tos};
    s->seq = 0;
    a->in.saved--;
    u->mark = s->mark;
    u->from = s->from;
    read_one(u, &a->in.part, &payload);
}

static void read_ready(struct unpacking *u, struct agg *a)
{
    for (; is_saved(a, a->in.want); a->in.want++) read_saved(u, a, a->in.want);
}

// What is missing below `want` counts as lost.
static void skip_to(struct unpacking *u, struct agg *a, uint64_t want)
{
    for (uint32_t i = 0; i < a->in.window && a->in.want < want; i++, a->in.want++) {
        if (is_saved(a, a->in.want)) read_saved(u, a, a->in.want);
    }
    if (a->in.want < want) a->in.want = want;
    read_ready(u, a);
}

static void save(struct agg *a, const struct pkt *p)
{
    struct agg_slot *s = slot_of(a, p->seq);
    if (s->seq) return; // its twin; without a replay window such come
    *s = (struct agg_slot){.seq = p->seq,
                           .len = p->len,
                           .mark = p->mark,
                           .tos = p->outer_tos,
                           .from = p->from,
                           .at = s->at};
    memcpy(s->at, p->at, p->len);
    a->in.saved++;
}

// Waiting begins anew with each step ahead.
static void watch(struct worker *w, struct sa *sa, uint64_t want_before, uint32_t saved_before)
{
    struct agg *a = sa->agg;
    if (a->in.saved == 0 || (saved_before > 0 && a->in.want == want_before)) return;
    a->due = w->now + rcu_dereference(sa->conf)->x.iptfs.drop_time_us * NSEC_PER_USEC;
    agg_arm(w, a);
}

// In order, or what has to wait.
static void put_in_order(struct unpacking *u, struct agg *a, struct pkt *p)
{
    if (a->in.want > p->seq && a->in.want - p->seq > BEGUN_ANEW) {
        skip_to(u, a, a->in.want + a->in.window);
        a->in.want = p->seq;
    }
    if (p->seq > a->in.want + a->in.window) skip_to(u, a, p->seq - a->in.window);
    if (p->seq < a->in.want && a->in.window == 0) { // nobody wants order
        read_at_hand(u, NULL, p);
        return;
    }
    if (p->seq < a->in.want) {
        p->drop = DROP_IPTFS_LATE;
        go_on(u, p);
        return;
    }
    if (p->seq > a->in.want) {
        save(a, p);
        p->done = true;
        go_on(u, p);
        return;
    }
    a->in.want++;
    read_at_hand(u, &a->in.part, p);
    read_ready(u, a);
}

static void unpack(struct worker *w, struct pkt *p, struct burst *next)
{
    struct agg *a = p->sa->agg;
    struct unpacking u = {.w = w, .sa = p->sa, .next = next};
    if (!a->in.part.at || p->len > AGG_PAYLOAD_MAX) {
        p->drop = DROP_MODE;
        go_on(&u, p);
        return;
    }
    const uint64_t want = a->in.want;
    const uint32_t saved = a->in.saved;
    put_in_order(&u, a, p);
    watch(w, u.sa, want, saved);
}

void in_unpack(struct worker *w, struct burst *b)
{
    unsigned i = 0;
    while (i < b->n && !b->p[i]->aggfrag) i++;
    if (i == b->n) return;
    struct burst next = {.n = i};
    memcpy(next.p, b->p, i * sizeof next.p[0]);
    for (; i < b->n; i++) {
        struct pkt *p = b->p[i];
        struct unpacking u = {.w = w, .next = &next};
        if (p->aggfrag && !p->drop)
            unpack(w, p, &next);
        else
            go_on(&u, p);
    }
    *b = next;
}

void unpack_late(struct worker *w, struct sa *sa)
{
    struct agg *a = sa->agg;
    struct burst next = {.n = 0};
    struct unpacking u = {.w = w, .sa = sa, .next = &next};
    uint64_t first = a->in.want;
    for (uint32_t i = 0; i < a->in.window && !is_saved(a, first); i++) first++;
    skip_to(&u, a, first);
    watch(w, sa, a->in.want - 1, a->in.saved);
    path_unpacked(w, &next);
}
