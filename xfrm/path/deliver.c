// deliver.c - genuine and permitted packets go to the host; a peer that has moved is reported.
#include "base/clock.h"
#include "xfrm/db/counter.h"
#include "xfrm/path/mss.h"
#include "xfrm/path/stages.h"

#define MOVE_PAUSE NSEC_PER_SEC

// What XFRMA_MTIMER_THRESH says is as in the kernel: a place with the port that was told last is
// told again, but only after so many seconds; another port at once.
static bool is_news(const struct worker *w, const struct pkt *p, uint32_t mapping_s)
{
    const struct sa *sa = p->sa;
    if (!sa->moved_mono) return true;
    uint64_t since = w->now - sa->moved_mono;
    if (since < MOVE_PAUSE) return false;
    if (mapping_s && p->from.port == sa->moved_to.port) return since > mapping_s * NSEC_PER_SEC;
    return !endpoint_eq(&p->from, &sa->moved_to);
}

// RFC 3948 4, RFC 7296 2.23: behind a NAT the peer's address and port may change. The SA's
// packets have proved that it is the peer; whether to follow is the diplomat's decision. Told once
// for each new place, and not more often than MOVE_PAUSE: outer addresses are not authenticated, so
// someone on the way could change them with every packet.
static void notice_move(struct worker *w, const struct pkt *p)
{
    struct sa *sa = p->sa;
    const struct sa_conf *conf = rcu_dereference(sa->conf);
    if (!conf->udp || endpoint_eq(&p->from, &conf->from)) return;
    if (!is_news(w, p, conf->x.mapping_s)) return;
    sa->moved_to = p->from;
    sa->moved_mono = w->now;
    struct xfrm_event ev = {.kind = XFRM_EV_MAPPING, .sa = &conf->x, .new_peer = p->from};
    w->exits.event(w->exits.ctx, &ev);
}

void in_deliver(struct worker *w, struct burst *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        notice_move(w, b->p[i]);
        if (w->mss) mss_clamp_in(w, b->p[i]);
    }
    w->exits.deliver(w->exits.ctx, b->p, b->n);
    for (unsigned i = 0; i < b->n; i++) {
        b->p[i]->done = true;
        if (b->p[i]->drop) continue;
        count_add(&w->packets_in, 1);
        count_add(&w->bytes_in, b->p[i]->len);
    }
}
