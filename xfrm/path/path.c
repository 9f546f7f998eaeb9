// path.c - the table of contents of the executor.
#include "xfrm/path/path.h"

#include <stddef.h>

#include "xfrm/db/counter.h"
#include "xfrm/path/agg_path.h"
#include "xfrm/path/trace.h"

// clang-format off: a table of contents keeps its columns
const struct stage outbound[] = {
    {"assemble", out_assemble}, // pieces, for a policy that wants the whole RFC 4301 7
    {"classify", out_classify}, // SPD: bypass, discard or protect       RFC 4301 5.1
    {"resolve", out_resolve},   // policy -> SA; none: hold and acquire  RFC 4301 4.4.2
    {"own", out_own},           // the SA is another worker's: over to it
    {"measure", out_measure},   // does it fit into the path MTU?        RFC 4301 8.2, 1191, 8201
    {"gather", out_gather},     // mode iptfs: it waits for others       RFC 9347 2.1
    {"number", out_number},     // next sequence number                  RFC 4303 3.3.3
    {"wrap", out_wrap},         // ESP header, padding, outer DSCP, ECN  RFC 4303 3.3.2, 6040
    {"seal", out_seal},         // encrypt and authenticate              RFC 4106, 7634, 3602
    {"nest", out_nest},         // the policy wants a further SA around it RFC 4301 5.1
    {"send", out_send},         // out of the port, in UDP or not        RFC 3948
    {NULL, NULL},
};

const struct stage inbound[] = {
    {"find_sa", in_find_sa}, // SPI and destination -> SA             RFC 4301 4.1
    {"own", in_own},         // the SA is another worker's: over to it
    {"replay", in_replay},   // would the window take it?             RFC 4303 3.4.3
    {"open", in_open},       // verify and decrypt                    RFC 4303 3.4.4
    {"commit", in_commit},   // only now may the window move
    {"unwrap", in_unwrap},   // padding, ECN, inner header            RFC 4303 2.4, 6040
    {"unpack", in_unpack},   // mode iptfs: inner packets out of payloads RFC 9347 2.2
    {"nest", in_nest},       // inside is ESP or AH for us, again       RFC 4301 5.2
    {"conform", in_conform}, // was it allowed to use this SA?        RFC 4301 5.2
    {"deliver", in_deliver}, // to the host
    {NULL, NULL},
};

const struct stage dummies[] = {
    // made by a timer, dummy.c
    {"number", out_number}, // as above: they use up the SA as any packet does
    {"blank", out_blank},   // ESP around nothing, next header 59     RFC 4303 2.6
    {"seal", out_seal},     {"send", out_send}, {NULL, NULL},
};

const struct stage payloads[] = {
    // filled by gather.c
    {"number", out_number}, {"wrap", out_wrap}, // as above, around several inner packets
    {"seal", out_seal},     {"send", out_send}, {NULL, NULL},
};

const struct stage unpacked[] = {
    // what one burst has no room for; as above
    {"nest", in_nest},
    {"conform", in_conform},
    {"deliver", in_deliver},
    {NULL, NULL},
};

const struct stage complaints[] = {
    {"listen", icmp_listen}, // a router refuses packets of an SA     RFC 4301 8.2
    {NULL, NULL},
};
// clang-format on

// Between stages: packets that were dropped are counted under their word, those that are done go
// back to the pool, held ones stay where they wait. The next stage sees only those still walking.
__attribute__((noinline)) static void burst_sweep(struct worker *w, struct burst *b)
{
    unsigned walking = 0;
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (p->held) continue;
        if (!p->drop && !p->done) {
            b->p[walking++] = p;
            continue;
        }
        if (p->drop) count_add(&w->drops[p->drop], 1);
        worker_give(w, p);
    }
    b->n = walking;
}

// The same walk while somebody looks. Kept apart, like the sweep that both have, so that the usual
// one is as if there were none: with both in one function it was 3 % slower.
__attribute__((cold, noinline)) static void
burst_walk_seen(struct traces *seen, struct worker *w, const struct stage *path, struct burst *b)
{
    for (const struct stage *s = path; s->name && b->n > 0; s++) {
        const unsigned n = b->n;
        s->run(w, b);
        traces_stage(seen, w, s, b, n);
        burst_sweep(w, b);
    }
}

static void burst_walk(struct worker *w, const struct stage *path, struct burst *b)
{
    struct traces *seen = rcu_dereference(w->traces);
    if (seen && traces_begin(seen, w, path, b)) {
        burst_walk_seen(seen, w, path, b);
        return;
    }
    for (const struct stage *s = path; s->name && b->n > 0; s++) {
        s->run(w, b);
        burst_sweep(w, b);
    }
}

void path_out(struct worker *w, struct burst *b)
{
    burst_walk(w, outbound, b);
    if (w->agg.ready_count > 0) gather_flush_ready(w);
}

void path_in(struct worker *w, struct burst *b)
{
    burst_walk(w, inbound, b);
}

void path_icmp(struct worker *w, struct burst *b)
{
    burst_walk(w, complaints, b);
}

void path_dummy(struct worker *w, struct burst *b)
{
    burst_walk(w, dummies, b);
}

void path_payloads(struct worker *w, struct burst *b)
{
    burst_walk(w, payloads, b);
}

// In the midst of another burst's walk, which somebody may be looking at.
void path_unpacked(struct worker *w, struct burst *b)
{
    burst_sweep(w, b); // those that unpack has ended
    for (const struct stage *s = unpacked; s->name && b->n > 0; s++) {
        s->run(w, b);
        burst_sweep(w, b);
    }
    b->n = 0;
}
