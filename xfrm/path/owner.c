// owner.c - an SA belongs to one worker for as long as it lives. Its numbers, window and counters
// are plain integers of that worker. Packets that come to another one are handed over, before
// anything has been done to them, and walk again there: what was found here, the SA above all, may
// be gone.
//
// The first packet decides. An inbound SA belongs to the worker whose socket got it; which that is,
// its SPI says (base/natt_share.h). An outbound SA goes with the inbound one of the same reqid: the
// TUN device gives a flow to the queue into which the flow's other direction is written, so that
// nothing is handed over while things are as usual.
//
// Policies that ask for several SAs need those in one hand. Which SAs a packet will meet inside is
// not known when it comes in, so from the first such policy on all new owners are worker 0.
#include "xfrm/db/counter.h"
#include "xfrm/path/stages.h"

#define NOBODY 0 // sa->owner; else the worker's index and 1

static unsigned owner_with_inbound(const struct worker *w, const struct sa *sa)
{
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    const struct lane_key back = {x->saddr, x->reqid, x->proto, x->mode};
    const struct sa *in = lane_first(lane_find(sad_lanes(w->db->sad), &back));
    if (!in) return w->index + 1;
    unsigned owner = __atomic_load_n(&in->owner, __ATOMIC_RELAXED);
    return owner == NOBODY ? rcu_dereference(in->conf)->x.spi % w->workers + 1 : owner;
}

static unsigned owner_wanted(const struct worker *w, const struct sa *sa, bool in)
{
    if (db_has_bundles(w->db)) return 1;
    return in ? w->index + 1 : owner_with_inbound(w, sa);
}

static unsigned owner_claim(const struct worker *w, struct sa *sa, bool in)
{
    unsigned before = NOBODY, mine = owner_wanted(w, sa, in);
    // no order is needed: an SA without an owner has no packet state yet
    bool first = __atomic_compare_exchange_n(&sa->owner, &before, mine, false, __ATOMIC_RELAXED,
                                             __ATOMIC_RELAXED);
    return first ? mine : before;
}

static unsigned owner_of(const struct worker *w, struct sa *sa, bool in)
{
    unsigned owner = __atomic_load_n(&sa->owner, __ATOMIC_RELAXED);
    return (owner == NOBODY ? owner_claim(w, sa, in) : owner) - 1;
}

// False: the packet has a drop word.
static bool hand_over(struct worker *w, struct pkt *p, unsigned to, bool in)
{
    if (pkt_keep(p) && w->colleagues->hand_over(w->exits.ctx, to, p, in)) {
        count_add(&w->handed_over, 1);
        return true;
    }
    p->drop = DROP_HAND_OVER;
    return false;
}

// Packets that were handed over are another thread's: they leave the burst at once.
static void own(struct worker *w, struct burst *b, bool in)
{
    unsigned kept = 0;
    if (!w->colleagues) return; // alone
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        unsigned owner = owner_of(w, p->sa, in);
        if (owner == w->index || !hand_over(w, p, owner, in)) b->p[kept++] = p;
    }
    b->n = kept;
}

void out_own(struct worker *w, struct burst *b)
{
    own(w, b, false);
}

void in_own(struct worker *w, struct burst *b)
{
    own(w, b, true);
}

bool own_or_claim(const struct worker *w, struct sa *sa)
{
    return !w->colleagues || owner_of(w, sa, true) == w->index;
}

bool own_or_claim_out(const struct worker *w, struct sa *sa)
{
    return !w->colleagues || owner_of(w, sa, false) == w->index;
}

void nest_own(struct worker *w, struct burst *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (!p->drop && !own_or_claim(w, p->sa)) p->drop = DROP_HAND_OVER;
    }
}
