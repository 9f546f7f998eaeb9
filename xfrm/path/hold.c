// hold.c - the waiting room: packets whose policy wants an SA that is not there yet.
//
// A need is "this template of this policy has no SA" (for this destination, in transport mode); it
// is told once (ACQUIRE) and told again when HOLD_TIMEOUT has gone by; sooner where packets do not
// wait, since an SA of all CPUs carries them (HOLD_CPU_AGAIN). The packets wait in one
// queue in the order in which they came. To release them they all walk again from the start, in
// that order: those that still find no SA come straight back here, behind each other as before.
#include <stdlib.h>

#include "base/clock.h"
#include "xfrm/db/counter.h"
#include "xfrm/db/selector.h"
#include "xfrm/path/stages.h"
#include "xfrm/path/trace.h"

#define NEEDS_MAX 256 // as many as packets, so that each could have its own

struct need {
    uint64_t policy_serial; // a policy's own, never given to another
    unsigned tmpl;
    ip_t dst;         // transport mode: each destination needs an SA of its own
    uint64_t again;   // when ACQUIRE may be told once more
    unsigned waiting; // packets in the queue
    bool had_packets; // since then
};

struct hold {
    unsigned packets, needs;
    struct pkt *queue[HOLD_MAX]; // the oldest first
    struct need need[NEEDS_MAX];
};

struct hold *hold_new(void)
{
    return calloc(1, sizeof(struct hold));
}

void hold_free(struct hold *h)
{
    free(h);
}

unsigned hold_count(const struct hold *h)
{
    return h->packets;
}

// ---- needs ----

static void tell_acquire(struct worker *w, const struct pkt *p, unsigned tmpl)
{
    const struct xfrm_tmpl t = tmpl_for(p, tmpl);
    struct xfrm_event ev = {
        .kind = XFRM_EV_ACQUIRE,
        .policy = &p->policy->conf,
        .tmpl = &t,
        .trigger = selector_of(&p->flow),
        .pcpu_given = p->policy->per_cpu,
        .pcpu = w->cpu,
    };
    w->exits.event(w->exits.ctx, &ev);
}

static struct need need_of(const struct worker *w, const struct pkt *p, unsigned tmpl)
{
    return (struct need){
        .policy_serial = p->policy->serial,
        .tmpl = tmpl,
        .dst = tmpl_for(p, tmpl).daddr,
        .again = w->now + HOLD_TIMEOUT,
    };
}

static struct need *need_find(struct hold *h, const struct need *like)
{
    for (unsigned i = 0; i < h->needs; i++) {
        struct need *need = &h->need[i];
        if (need->policy_serial == like->policy_serial && need->tmpl == like->tmpl &&
            ip_eq(&need->dst, &like->dst))
            return need;
    }
    return NULL;
}

// The need of this packet, told if it is new. NULL: there are too many.
static struct need *need_get(struct worker *w, const struct pkt *p, unsigned tmpl)
{
    struct hold *h = w->hold;
    const struct need like = need_of(w, p, tmpl);
    struct need *need = need_find(h, &like);
    if (need) return need;
    if (h->needs == NEEDS_MAX) return NULL;
    need = &h->need[h->needs++];
    *need = like;
    tell_acquire(w, p, tmpl);
    return need;
}

// Forgets the needs told too long ago: the first packet that has them tells them again.
static void needs_forget_old(struct hold *h, uint64_t now)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < h->needs; i++) {
        if (now < h->need[i].again) h->need[kept++] = h->need[i];
    }
    h->needs = kept;
}

// Forgets the needs that were met: all their packets have gone.
static void needs_forget_met(struct hold *h)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < h->needs; i++) {
        bool met = h->need[i].had_packets && h->need[i].waiting == 0;
        if (!met) h->need[kept++] = h->need[i];
    }
    h->needs = kept;
}

// ---- in ----

void hold_ask(struct worker *w, const struct pkt *p, unsigned tmpl)
{
    struct need *need = need_get(w, p, tmpl);
    uint64_t soon = w->now + HOLD_CPU_AGAIN;
    bool waits = need && need->waiting > 0;
    if (need && !waits && p->policy->per_cpu && soon < need->again) need->again = soon;
}

void hold_keep(struct worker *w, struct pkt *p, unsigned tmpl)
{
    struct hold *h = w->hold;
    struct need *need = need_get(w, p, tmpl);
    if (!need || h->packets == HOLD_MAX || need->waiting == HOLD_PER_POLICY || !pkt_keep(p)) {
        p->drop = DROP_ACQUIRE_FULL;
        return;
    }
    need->waiting++;
    need->had_packets = true;
    p->held = true;
    h->queue[h->packets++] = p;
}

// ---- out ----

// Empties the queue into `out`, without those that have waited too long.
static unsigned queue_take(struct worker *w, struct pkt *out[HOLD_MAX])
{
    struct hold *h = w->hold;
    unsigned n = 0;
    for (unsigned i = 0; i < h->packets; i++) {
        struct pkt *p = h->queue[i];
        if (w->now - p->born < HOLD_TIMEOUT) {
            out[n++] = p;
            continue;
        }
        struct traces *seen = rcu_dereference(w->traces);
        if (seen) traces_dropped(seen, w, p, DROP_ACQUIRE_TIMEOUT);
        count_add(&w->drops[DROP_ACQUIRE_TIMEOUT], 1);
        worker_give(w, p);
    }
    h->packets = 0;
    for (unsigned i = 0; i < h->needs; i++) h->need[i].waiting = 0;
    return n;
}

static void walk_again(struct worker *w, struct pkt **p, unsigned n)
{
    struct burst b = {.n = n};
    for (unsigned i = 0; i < n; i++) {
        p[i]->held = false;
        p[i]->policy = NULL;
        b.p[i] = p[i];
    }
    path_out(w, &b);
}

void hold_retry(struct worker *w)
{
    struct pkt *waiting[HOLD_MAX];
    unsigned n = queue_take(w, waiting);
    needs_forget_old(w->hold, w->now);
    for (unsigned i = 0; i < n; i += BURST_MAX) {
        walk_again(w, waiting + i, n - i < BURST_MAX ? n - i : BURST_MAX);
    }
    needs_forget_met(w->hold);
}
