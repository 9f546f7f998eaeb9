// window.c - the anti-replay window, looked at twice: "replay" spares the cipher the packets that
// would be refused anyway, "commit" decides and moves the window, once the packet is known to be
// genuine (RFC 4303 3.4.3).
#include "xfrm/db/counter.h"
#include "xfrm/path/stages.h"

static uint64_t seq_of(const struct pkt *p)
{
    uint32_t low = get32(p->at + spi_offset(p) + 4);
    bool esn = rcu_dereference(p->sa->conf)->x.flags & XFRM_STATE_ESN;
    return esn && p->sa->replay.size ? replay_guess_esn(&p->sa->replay, low) : low;
}

static bool window_takes(struct pkt *p)
{
    if (replay_check(&p->sa->replay, p->seq) == ERR_OK) return true;
    p->drop = DROP_REPLAY;
    count_add(&p->sa->replays, 1);
    return false;
}

void in_replay(struct worker *w, struct burst *b)
{
    (void)w;
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (!sa_is_numbered(p->sa)) continue;
        p->seq = seq_of(p);
        (void)window_takes(p);
    }
}

void in_commit(struct worker *w, struct burst *b)
{
    (void)w;
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i];
        if (!sa_is_numbered(p->sa)) continue;
        // again: its twin may have been in the same burst
        if (!window_takes(p)) continue;
        replay_commit(&p->sa->replay, p->seq);
        if (p->len > p->sa->longest) count_set(&p->sa->longest, p->len);
    }
}
