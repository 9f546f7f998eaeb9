// dummy.c - packets that carry nothing, so that nobody on the way can tell when an SA has nothing
// to say (RFC 4303 2.6, 2.7). An SA that asks for TFC padding gets them at a steady rate, as long
// as its packets are padded to, beside the packets that it carries anyway. They use up its sequence
// numbers and lifetime, as its key protects them.
#include <netinet/in.h>
#include <string.h>

#include "base/rcu.h"
#include "xfrm/db/counter.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/path/pmtu.h"
#include "xfrm/path/stages.h"

#define LATE_MAX 10 // a worker that was late makes up for 1/LATE_MAX of a second, not for more

// How many of each SA are due.
static uint32_t take_due(struct worker *w)
{
    const uint64_t period = NSEC_PER_SEC / w->dummy.rate;
    const uint32_t most = w->dummy.rate / LATE_MAX + 1;
    if (!w->dummy.due) w->dummy.due = w->now + period;
    if (w->now < w->dummy.due) return 0;
    uint64_t n = (w->now - w->dummy.due) / period + 1;
    w->dummy.due += n * period;
    return n < most ? (uint32_t)n : most;
}

static bool is_covered(const struct worker *w, struct sa *sa)
{
    const struct xfrm_sa *x = &rcu_dereference(sa->conf)->x;
    if (sa_flag(&sa->dying) || sa_flag(&sa->dead)) return false;
    // who has not been told the direction knows it when a packet has left
    bool out = x->dir == XFRM_SA_OUT || count_get(&sa->next_seq) > x->replay.out_seq + 1;
    return out && own_or_claim_out(w, sa);
}

// A packet of zeros, of the length to which the SA pads those of users.
static struct pkt *make(struct worker *w, struct sa *sa)
{
    const struct sa_conf *conf = rcu_dereference(sa->conf);
    struct pkt *p = pool_take(w->pool);
    if (!p) return NULL;
    p->dummy = true;
    p->sa = p->sas[p->sa_count++] = sa;
    p->from = conf->from;
    p->to = conf->to;
    p->outer_df = !(conf->x.flags & XFRM_STATE_NOPMTUDISC); // as most packets of users
    p->path_mtu = pmtu_of(w, sa);
    memset(p->at, 0, IP6_HEADER); // where headers are looked for, there is none of IPv6
    p->len = esp_tfc(p, &conf->x);
    memset(p->at, 0, p->len);
    return p;
}

// False: out of buffers, which users need more.
static bool add(struct worker *w, struct burst *b, struct sa *sa, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct pkt *p = make(w, sa);
        if (!p) return false;
        b->p[b->n++] = p;
        if (b->n < BURST_MAX) continue;
        path_dummy(w, b);
        b->n = 0;
    }
    return true;
}

static void send_due(struct worker *w, const struct cds_list_head *covers, uint32_t n)
{
    struct sa *sa;
    struct burst b = {.n = 0};
    uint32_t left = DUMMIES_MAX / w->dummy.rate;
    cds_list_for_each_entry_rcu(sa, covers, in_covers)
    {
        if (left-- == 0) break;
        if (is_covered(w, sa) && !add(w, &b, sa, n)) break;
    }
    path_dummy(w, &b);
}

uint64_t dummy_send(struct worker *w)
{
    if (!w->dummy.rate) return UINT64_MAX;
    const struct cds_list_head *covers = sad_covers(w->db->sad);
    // Where packets go through several SAs, one of a single SA would show what is inside.
    if (rcu_dereference(covers->next) == covers || db_has_bundles(w->db)) {
        w->dummy.due = 0;
        return UINT64_MAX;
    }
    uint32_t n = take_due(w);
    if (n) send_due(w, covers, n);
    return w->dummy.due;
}

// ---- the stage in the place of wrap ----

static enum drop blank(struct pkt *p)
{
    const struct sa_conf *conf = rcu_dereference(p->sa->conf);
    const struct xfrm_mark *mark = &conf->x.output_mark;
    p->proto = XFRM_PROTO_ESP;
    p->udp = conf->udp;
    p->mark = mark_set(p->mark, mark);
    // rfc4303 2.6 MUST: "capable of generating dummy packets marked with" next header 59
    return esp_wrap(p, IPPROTO_NONE) ? DROP_NONE : DROP_TOO_BIG;
}

void out_blank(struct worker *w, struct burst *b)
{
    (void)w;
    for (unsigned i = 0; i < b->n; i++) b->p[i]->drop = blank(b->p[i]);
}
