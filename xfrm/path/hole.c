#include "xfrm/path/hole.h"

#include <netinet/in.h>

#include "xfrm/db/counter.h"
#include "xfrm/path/size.h"

#define TCP_HEADER 20
#define TCP_SEQ 4 // where the sequence number stands
// TCP sends a segment again after some 0.2, 0.6, 1.4 and 3 s. Loss alone hardly takes the same one,
// the first of its flow, so often.
#define AGAIN_MIN 3
// Inbound: loss of so many packets, and of one in so many, is no accident. More than the most are
// no hole, since who meets one slows down: a peer's SA has moved and counts on from elsewhere.
#define MISSING_MIN 4
#define MISSING_SHARE 8
#define MISSING_MAX 1000

static uint32_t flow_hash(const struct flow *f)
{
    uint32_t h = (uint32_t)f->sport << 16 | f->dport;
    for (unsigned i = 0; i < 16; i += 4) {
        h = (h ^ get32(f->src.b + i)) * 0x9e3779b1U;
        h = (h ^ get32(f->dst.b + i)) * 0x85ebca6bU;
        h ^= h >> 15;
    }
    return h | 1; // no segment is 0
}

// Where TCP begins; 0: it is none, or not whole.
static uint32_t tcp_at(const struct pkt *p)
{
    uint32_t head = ip_is_v6(p->at) ? IP6_HEADER : (p->at[0] & 15U) * 4;
    if (p->flow.proto != IPPROTO_TCP || p->flow.part) return 0;
    if (ip_is_v6(p->at) && p->at[6] != IPPROTO_TCP) return 0;
    return p->len >= head + TCP_HEADER ? head : 0;
}

void hole_watch(const struct worker *w, const struct pkt *p)
{
    if (p->len < HOLE_LONG) return;
    uint32_t at = tcp_at(p);
    if (!at) return;
    struct sa *sa = p->sas[0]; // further ones may be another worker's
    uint32_t flow = flow_hash(&p->flow), seq = get32(p->at + at + TCP_SEQ);
    struct sa_hole *h = &sa->hole[flow >> 1 & (SA_HOLES - 1)];
    bool known = h->segment >> 32 == flow;
    int32_t ahead = (int32_t)(seq - (uint32_t)h->segment);
    if (known && ahead == 0) {
        count_add(&h->again, 1);
        count_set(&h->at, w->now);
        count_set(&h->wire, size_on_wire(p, p->len));
    } else if (known && ahead > 0) {
        count_set(&h->again, 0); // the flow goes on: it has been acknowledged
    } else {
        count_set(&h->segment, (uint64_t)flow << 32 | seq);
        count_set(&h->again, 0);
    }
}

static void seen_out(const struct sa *sa, uint64_t now, struct hole_seen *out)
{
    for (unsigned i = 0; i < SA_HOLES; i++) {
        const struct sa_hole *h = &sa->hole[i];
        uint64_t again = count_get(&h->again);
        if (again < AGAIN_MIN || again <= out->again) continue;
        if (now > count_get(&h->at) + HOLE_AGE) continue;
        out->again = again;
        out->wire = count_get(&h->wire);
    }
}

static void seen_in(const struct sa *sa, struct hole_seen *out)
{
    uint64_t got = count_get(&sa->packets), top = count_get(&sa->replay.top),
             longest = count_get(&sa->longest);
    uint64_t missing = top > got ? top - got : 0;
    if (!got || longest >= HOLE_LONG || missing < MISSING_MIN) return;
    if (missing < got / MISSING_SHARE || missing > MISSING_MAX) return;
    out->got = got;
    out->missing = missing;
    out->longest = longest;
}

void hole_of(const struct sa *sa, uint64_t now, struct hole_seen *out)
{
    *out = (struct hole_seen){0};
    if (sa->larval) return;
    seen_out(sa, now, out);
    seen_in(sa, out);
}
