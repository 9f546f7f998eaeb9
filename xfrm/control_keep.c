// control_keep.c - NAT keepalives: a peer behind a NAT, or we, stay reachable while an SA is quiet
// (RFC 3948 4). Packets are not asked for the time: the sequence number tells whether one has left.
#include "base/clock.h"
#include "xfrm/control_part.h"
#include "xfrm/db/counter.h"

#define LOOKS 4 // at least in an interval: a keepalive is late by a quarter of it at most

void control_on_keepalive(struct control *c, control_keepalive_fn *fn, void *ctx)
{
    c->keepalive = fn;
    c->keepalive_ctx = ctx;
}

static uint64_t interval_of(const struct control *c, const struct sa *sa)
{
    const struct sa_conf *conf = sa->conf;
    if (!c->keepalive || sa->larval || !conf->udp) return 0;
    return conf->x.nat_keepalive_s * NSEC_PER_SEC;
}

// Among many SAs less often, but so that a mapping does not end for it.
static uint64_t look_ns(const struct control *c, uint64_t interval)
{
    uint64_t most = interval / LOOKS > NSEC_PER_SEC ? interval / LOOKS : NSEC_PER_SEC;
    uint64_t ns = control_watch_ns(c);
    return ns < most ? ns : most;
}

uint64_t control_keep_due(const struct control *c, const struct sa *sa)
{
    uint64_t interval = interval_of(c, sa);
    if (!interval) return UINT64_MAX;
    uint64_t look = control_mono(c) + look_ns(c, interval);
    uint64_t due = (sa->quiet.since ? sa->quiet.since : sa->made_mono) + interval;
    return due < look ? due : look;
}

void control_keep_review(const struct control *c, struct sa *sa, uint64_t now)
{
    uint64_t interval = interval_of(c, sa), seq = count_get(&sa->next_seq);
    if (!interval) return;
    bool fresh = !sa->quiet.since, unused = count_get(&sa->packets) == 0;
    if (fresh && unused) sa->quiet = (struct sa_quiet){seq, sa->made_mono};
    if (fresh && !unused) sa->quiet.since = now;
    if (!fresh && seq != sa->quiet.seq) sa->quiet.since = now;
    sa->quiet.seq = seq;
    if (now - sa->quiet.since < interval) return;
    sa->quiet.since = now;
    // rfc3948 4 MAY: "sends a NAT-keepalive packet if no other packet has been sent for M seconds"
    const struct sa_conf *conf = sa->conf;
    c->keepalive(c->keepalive_ctx, &conf->from, &conf->to, conf->x.output_mark.value);
}
