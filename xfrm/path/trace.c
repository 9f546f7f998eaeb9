#include "xfrm/path/trace.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/ring.h"
#include "xfrm/db/counter.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/path/stages.h"

#define UDP_HEADER 8U

// A packet that is being followed. The pointer is compared and, as long as the packet is in the
// burst, looked through.
struct followed {
    const struct pkt *p;
    struct trace_record *r;
};

struct trace {
    const struct trace_spec *spec;
    struct ring *full, *empty; // of struct trace_record *: to the control thread, and back
    uint64_t lost;             // counter.h
    struct trace_record **all;
    unsigned count;
    // the worker's
    uint64_t gap, dice; // packets until the next is chosen, that one included
    unsigned spares, n;
    struct trace_record **spare;
    struct followed on[BURST_MAX];
};

// ---- records ----

size_t trace_record_size(const struct trace_spec *spec)
{
    return sizeof(struct trace_record) + 2 * (size_t)spec->snap;
}

static struct trace_record *record_new(const struct trace_spec *spec)
{
    struct trace_record *r = calloc(1, trace_record_size(spec));
    if (!r) return NULL;
    r->plain = (uint8_t *)(r + 1);
    r->outer = r->plain + spec->snap;
    return r;
}

// Empty again, but for what belongs to it.
static void record_reset(struct trace_record *r)
{
    uint8_t *plain = r->plain, *outer = r->outer;
    *r = (struct trace_record){.plain = plain, .outer = outer};
}

static struct trace_record *record_take(struct trace *t)
{
    if (t->spares > 0) return t->spare[--t->spares];
    struct trace_record **slot = ring_first(t->empty);
    if (!slot) {
        count_add(&t->lost, 1);
        return NULL;
    }
    struct trace_record *r = *slot;
    ring_drop(t->empty);
    return r;
}

static void record_spare(struct trace *t, struct trace_record *r)
{
    t->spare[t->spares++] = r;
}

static void push(struct ring *ring, struct trace_record *r)
{
    struct trace_record **slot = ring_space(ring);
    *slot = r; // there is room: the ring has as many as there are records
    ring_put(ring);
}

static bool trace_fill(struct trace *t, unsigned records)
{
    t->full = ring_new(records, sizeof(struct trace_record *));
    t->empty = ring_new(records, sizeof(struct trace_record *));
    t->all = calloc(records, sizeof(struct trace_record *));
    t->spare = calloc(records, sizeof(struct trace_record *));
    if (!t->full || !t->empty || !t->all || !t->spare) return false;
    for (; t->count < records; t->count++) {
        struct trace_record *r = record_new(t->spec);
        if (!r) return false;
        t->all[t->count] = r;
        record_spare(t, r);
    }
    return true;
}

static uint64_t next_gap(struct trace *t)
{
    const uint64_t every = t->spec->every;
    if (every <= 1) return 1;
    // xorshift: packets come in trains, so every Nth would always be one of the same kind
    t->dice ^= t->dice << 13;
    t->dice ^= t->dice >> 7;
    t->dice ^= t->dice << 17;
    return 1 + t->dice % (2 * every - 1);
}

struct trace *trace_new(const struct trace_spec *spec, unsigned records)
{
    struct trace *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->spec = spec;
    t->dice = clock_mono() | 1;
    t->gap = next_gap(t);
    if (trace_fill(t, records)) return t;
    trace_free(t);
    return NULL;
}

void trace_free(struct trace *t)
{
    if (!t) return;
    for (unsigned i = 0; i < t->count; i++) free(t->all[i]);
    free(t->all);
    free(t->spare);
    ring_free(t->full);
    ring_free(t->empty);
    free(t);
}

struct trace_record *trace_take(struct trace *t)
{
    struct trace_record **slot = ring_first(t->full);
    if (!slot) return NULL;
    struct trace_record *r = *slot;
    ring_drop(t->full);
    return r;
}

void trace_give(struct trace *t, struct trace_record *r)
{
    push(t->empty, r);
}

uint64_t trace_lost(const struct trace *t)
{
    return count_get(&t->lost);
}

// ---- what a record says of its packet ----

static bool goes_out(const struct stage *path)
{
    return path == outbound || path == dummies || path == payloads;
}

static void note_plain(const struct trace *t, struct trace_record *r, const struct pkt *p)
{
    r->plain_len = p->len;
    r->plain_kept = p->len < t->spec->snap ? p->len : t->spec->snap;
    memcpy(r->plain, p->at, r->plain_kept);
}

static void note_ends(struct trace_record *r, const struct pkt *p)
{
    r->from = p->from;
    r->to = p->to;
    r->outer_tos = p->outer_tos;
    r->outer_ttl = p->outer_ttl;
    r->df = p->outer_df;
    r->proto = p->proto;
    r->udp = p->udp;
    r->mark = p->mark;
    r->path_mtu = p->path_mtu;
    r->cut = p->cut;
}

// The outer header that a socket makes, or has taken off.
static uint32_t make_head(const struct trace_record *r, const struct pkt *p, uint8_t *at)
{
    const uint32_t udp = r->udp ? UDP_HEADER : 0;
    const struct ip_wanted w = {.src = r->from.ip,
                                .dst = r->to.ip,
                                .tos = r->outer_tos,
                                .ttl = r->outer_ttl,
                                .df = r->df,
                                .label = p->outer_label,
                                .id = p->outer_id,
                                .next = r->udp ? IPPROTO_UDP : r->proto,
                                .payload = p->len + udp};
    if (r->from.ip.family != r->to.ip.family || r->from.ip.family == AF_UNSPEC) return 0;
    uint32_t len = ip_head_make(at, &w);
    if (!r->udp) return len;
    put16(at + len, r->from.port);
    put16(at + len + 2, r->to.port);
    put16(at + len + 4, (uint16_t)w.payload);
    put16(at + len + 6, 0);
    return len + UDP_HEADER;
}

// The protected packet as it is on the wire.
static void note_outer(const struct trace *t, struct trace_record *r, const struct pkt *p)
{
    uint32_t head = 0, room, rest;
    const bool came = r->path == inbound || r->path == complaints;
    if (came && p->head && p->head_len <= TRACE_SNAP_MIN) {
        head = p->head_len;
        memcpy(r->outer, p->head, head);
    } else if (came || !p->whole) {
        head = make_head(r, p, r->outer);
        if (head == 0) return;
    }
    room = t->spec->snap - head;
    rest = p->len < room ? p->len : room;
    memcpy(r->outer + head, p->at, rest);
    r->outer_len = head + p->len;
    r->outer_kept = head + rest;
}

// What an earlier walk has left in the packet may be gone by now: policy and SAs count from the
// stage on that finds them.
static bool is_reached(const struct trace_record *r, void (*run)(struct worker *, struct burst *))
{
    for (unsigned i = 0; i <= r->stage; i++) {
        if (r->path[i].run == run) return true;
    }
    return false;
}

static void note_policy(struct trace_record *r, const struct pkt *p)
{
    const bool found = is_reached(r, out_classify) || is_reached(r, in_conform);
    if (!found || !p->policy || p->drop == DROP_MALFORMED_OUT) return;
    const struct xfrm_policy *c = &p->policy->conf;
    r->has_policy = true;
    r->policy = (struct trace_policy){.sel = c->sel,
                                      .index = c->index,
                                      .priority = c->priority,
                                      .dir = c->dir,
                                      .action = c->action,
                                      .tmpls = c->tmpl_count};
}

static void note_sa(struct trace_sa *out, const struct sa *sa)
{
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    const char *alg = x->aead.name[0]    ? x->aead.name
                      : x->crypt.name[0] ? x->crypt.name
                      : x->auth.name[0]  ? x->auth.name
                                         : x->comp;
    *out = (struct trace_sa){.src = x->saddr,
                             .dst = x->daddr,
                             .spi = x->spi,
                             .reqid = x->reqid,
                             .proto = x->proto,
                             .mode = x->mode,
                             .udp = x->encap.type != 0,
                             .numbered = sa_is_numbered(sa)};
    memcpy(out->alg, alg, TRACE_ALG_MAX - 1); // names have more room than that
}

static void note_sas(struct trace_record *r, const struct pkt *p)
{
    if (r->path == outbound && !is_reached(r, out_resolve)) return;
    if (r->path == inbound && r->stage == 0 && p->drop == DROP_MALFORMED_IN) return;
    r->sas = p->sa_count;
    for (unsigned i = 0; i < p->sa_count; i++) note_sa(&r->sa[i], p->sas[i]);
    if (p->sa_count > 0 || !p->sa) return;
    r->sas = 1; // dropped before it was through it
    note_sa(&r->sa[0], p->sa);
}

// ---- choosing ----

static void follow(struct trace *t, const struct worker *w, const struct stage *path,
                   const struct pkt *p)
{
    struct trace_record *r = record_take(t);
    if (!r) return;
    record_reset(r);
    r->path = path;
    r->at = w->now;
    r->worker = (uint16_t)w->index;
    if (path == outbound) {
        note_plain(t, r, p);
    } else if (!goes_out(path)) { // before it is decrypted where it stands
        note_ends(r, p);
        if (path == complaints) r->proto = p->to.ip.family == AF_INET6 ? IPPROTO_ICMPV6 : 1;
        if (path == inbound && r->proto == 0) r->proto = XFRM_PROTO_ESP;
        note_outer(t, r, p);
        if (path == inbound && p->len >= AH_HEADER)
            r->spi = r->proto == XFRM_PROTO_AH ? get32(p->at + 4) : get32(p->at);
        if (r->proto != XFRM_PROTO_AH && r->proto != XFRM_PROTO_ESP) r->spi = 0;
    }
    t->on[t->n++] = (struct followed){p, r};
}

static void choose(struct trace *t, const struct worker *w, const struct stage *path,
                   const struct burst *b)
{
    unsigned i = 0;
    while (t->gap <= b->n - i) {
        i += (unsigned)t->gap;
        follow(t, w, path, b->p[i - 1]);
        t->gap = next_gap(t);
    }
    t->gap -= b->n - i;
}

static bool is_wanted(const struct trace_spec *spec, const struct stage *path)
{
    return goes_out(path) ? spec->out : spec->in;
}

// Has it a packet of this burst? Outbound it is chosen when pieces have been put together, by the
// first stage.
static bool begin(struct trace *t, const struct worker *w, const struct stage *path,
                  const struct burst *b)
{
    while (t->n > 0) record_spare(t, t->on[--t->n].r); // they left their burst in its last stage
    if (!is_wanted(t->spec, path)) return false;
    const bool now = t->gap <= b->n;
    if (!now) t->gap -= b->n;
    if (now && path != outbound) choose(t, w, path, b);
    return now;
}

bool traces_begin(struct traces *all, struct worker *w, const struct stage *path,
                  const struct burst *b)
{
    all->path = path;
    all->n = 0;
    for (unsigned i = 0; i < TRACES_MAX; i++) {
        struct trace *t = rcu_dereference(all->of[i]);
        if (t && begin(t, w, path, b)) all->now[all->n++] = t;
    }
    if (all->n > 0) all->clock = clock_mono();
    return all->n > 0;
}

// ---- following ----

static enum trace_end end_of(const struct stage *path, const struct stage *s, const struct pkt *p)
{
    if (p->drop) return TRACE_DROPPED;
    if (p->held) return TRACE_WAITS;
    if (path == inbound && s->run == in_unpack) return TRACE_UNPACKED;
    if (path == inbound) return s->run == in_deliver ? TRACE_DELIVERED : TRACE_EMPTY;
    if (path == complaints) return TRACE_HEARD;
    if (s->run == out_send) return TRACE_SENT;
    return s->run == out_assemble || s->run == out_gather ? TRACE_JOINED : TRACE_CLEAR;
}

static bool matches(const struct trace_spec *spec, const struct trace_record *r)
{
    if (spec->drops && r->end != TRACE_DROPPED) return false;
    if (!spec->steps) return true;
    if (r->plain_len && bpf_run(spec->filter, span(r->plain, r->plain_kept), r->plain_len))
        return true;
    return r->outer_len && bpf_run(spec->filter, span(r->outer, r->outer_kept), r->outer_len);
}

static void finish(struct trace *t, const struct followed *f)
{
    const struct pkt *p = f->p;
    struct trace_record *r = f->r;
    r->drop = p->drop;
    r->flow = p->flow;
    if (r->path == outbound || r->path == dummies) note_ends(r, p);
    note_policy(r, p);
    note_sas(r, p);
    r->seq = p->seq;
    if (matches(t->spec, r))
        push(t->full, r);
    else
        record_spare(t, r);
}

static void note_stage(const struct trace *t, const struct followed *f, const struct stage *path,
                       const struct stage *s)
{
    struct trace_record *r = f->r;
    const bool last = s[1].run == out_send && !f->p->drop; // a stage before it is sent
    if (last && (goes_out(path))) {
        note_ends(r, f->p);
        note_outer(t, r, f->p);
    }
    if (s->run == in_conform) note_plain(t, r, f->p);
}

// Is it still in the burst? *at: where the one before it was found; stages keep the order.
static bool is_there(const struct burst *b, const struct pkt *p, unsigned *at)
{
    for (unsigned i = *at; i < b->n; i++) {
        if (b->p[i] != p) continue;
        *at = i + 1;
        return true;
    }
    return false;
}

struct moment { // what all records of a burst are told of a stage
    const struct stage *path, *s;
    uint64_t now;
    uint32_t ns;
    unsigned n;
};

static void follow_stage(struct trace *t, const struct burst *b, const struct moment *m)
{
    unsigned kept = 0, at = 0;
    const unsigned index = (unsigned)(m->s - m->path);
    for (unsigned i = 0; i < t->n; i++) {
        const struct followed f = t->on[i];
        if (!is_there(b, f.p, &at)) { // another worker's
            record_spare(t, f.r);
            continue;
        }
        if (f.r->burst == 0) f.r->burst = (uint8_t)m->n;
        f.r->stage = (uint8_t)index;
        f.r->stage_ns[index] = m->ns;
        f.r->stage_n[index] = (uint8_t)m->n;
        f.r->took = (uint32_t)(m->now - f.r->at);
        note_stage(t, &f, m->path, m->s);
        if (!f.p->drop && !f.p->done && !f.p->held) {
            t->on[kept++] = f;
            continue;
        }
        f.r->end = end_of(m->path, m->s, f.p);
        finish(t, &f);
    }
    t->n = kept;
}

void traces_stage(struct traces *all, struct worker *w, const struct stage *s,
                  const struct burst *b, unsigned n)
{
    struct moment m = {.path = all->path, .s = s, .now = clock_mono(), .n = n};
    m.ns = (uint32_t)(m.now - all->clock);
    for (unsigned i = 0; i < all->n; i++) {
        if (s == outbound) choose(all->now[i], w, outbound, b);
        follow_stage(all->now[i], b, &m);
    }
    all->clock = clock_mono(); // what tracing itself takes is no stage's time
}

void traces_dropped(struct traces *all, struct worker *w, const struct pkt *p, enum drop d)
{
    struct pkt gone = *p;
    const struct burst one = {.n = 1, .p = {&gone}};
    struct moment m = {.path = outbound, .s = outbound, .n = 1};
    gone.drop = d;
    gone.policy = NULL; // found in an earlier walk
    gone.sa = NULL;
    gone.sa_count = 0;
    if (!traces_begin(all, w, outbound, &one)) return;
    while (m.s->run != out_resolve) m.s++;
    m.now = w->now;
    for (unsigned i = 0; i < all->n; i++) {
        choose(all->now[i], w, outbound, &one);
        follow_stage(all->now[i], &one, &m);
    }
}
