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
// With its keys a flow goes from one SA to the next, and must not overtake itself on the way: the
// new SA has the owner of the one it takes over from. ALLOCSPI gives it an SPI of the same socket
// (xfrm/control_sa.c). Where a client has chosen another one, both directions move, and packets may
// change places at that moment.
//
// Policies that ask for several SAs need those in one hand. Which SAs a packet will meet inside is
// not known when it comes in, so from the first such policy on all new owners are worker 0.
#include "xfrm/db/counter.h"
#include "xfrm/path/stages.h"

#define NOBODY 0 // sa->owner; else the worker's index and 1

static unsigned owner_get(const struct sa *sa)
{
    return __atomic_load_n(&sa->owner, __ATOMIC_RELAXED);
}

// Two inbound SAs whose packets come to the same worker's socket?
static bool same_socket(const struct worker *w, const struct sa *a, const struct sa *b)
{
    return host32(a->spi) % w->workers == host32(b->spi) % w->workers;
}

// What has come through the elder may still lie with its owner.
static unsigned owner_in(const struct worker *w, const struct sa *sa, unsigned arrived)
{
    const struct sa *elder = sa->lane ? lane_elder(sa) : NULL;
    unsigned owner = elder && same_socket(w, elder, sa) ? owner_get(elder) : NOBODY;
    return owner == NOBODY ? arrived : owner;
}

static unsigned owner_out(const struct worker *w, const struct sa *sa)
{
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    const struct lane_key back = {x->saddr, x->reqid, x->proto, x->mode};
    const struct sa *elder = sa->lane ? lane_elder(sa) : NULL;
    const struct sa *in = lane_first(lane_find(sad_lanes(w->db->sad), &back));
    const struct sa *in_elder = in && in->lane ? lane_elder(in) : NULL;
    unsigned owner = elder ? owner_get(elder) : NOBODY;
    bool moves = in_elder && !same_socket(w, in_elder, in);
    if (owner != NOBODY && !moves) return owner;
    if (!in) return w->index + 1;
    owner = owner_get(in);
    return owner == NOBODY ? owner_in(w, in, host32(in->spi) % w->workers + 1) : owner;
}

static unsigned owner_wanted(const struct worker *w, const struct sa *sa, bool in)
{
    if (db_has_bundles(w->db)) return 1;
    return in ? owner_in(w, sa, w->index + 1) : owner_out(w, sa);
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
