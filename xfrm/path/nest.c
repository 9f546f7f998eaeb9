// nest.c - packets that go through several SAs: AH around ESP, a tunnel inside a tunnel (RFC 4301
// 4.3, 5.1, 5.2). Outbound the policy's templates say which, the innermost first; inbound the
// packet itself does, and conform compares.
#include <netinet/in.h>

#include "base/order.h"
#include "xfrm/path/mode.h"

_Static_assert(PKT_SAS_MAX == XFRM_TMPL_MAX, "a template each");

// Those of the burst that are still walking.
static void keep_walking(struct burst *b)
{
    unsigned n = 0;
    for (unsigned i = 0; i < b->n; i++) {
        if (!b->p[i]->drop && !b->p[i]->done) b->p[n++] = b->p[i];
    }
    b->n = n;
}

typedef void stage_fn(struct worker *w, struct burst *b);

static void walk(struct worker *w, struct burst *b, stage_fn *const stages[])
{
    for (unsigned i = 0; stages[i] && b->n > 0; i++) {
        stages[i](w, b);
        keep_walking(b);
    }
}

// ---- outbound ----

// The packet, now whole, is the inner one of its next SA.
static bool has_next_layer(struct pkt *p)
{
    if (p->drop || p->layer + 1 >= p->sa_count) return false;
    p->sa = p->sas[++p->layer];
    return true;
}

void out_nest(struct worker *w, struct burst *b)
{
    static stage_fn *const again[] = {nest_own, out_number, out_wrap, out_seal, NULL};
    for (unsigned depth = 1; depth < PKT_SAS_MAX; depth++) {
        struct burst next = {.n = 0};
        for (unsigned i = 0; i < b->n; i++) {
            if (has_next_layer(b->p[i])) next.p[next.n++] = b->p[i];
        }
        if (next.n == 0) return;
        walk(w, &next, again);
    }
}

// ---- inbound ----

// Is this ESP, AH or IPComp, whole and for an SA of ours? If so it is made ready for another walk.
// What is not ours is traffic like any other.
static bool is_nested(const struct worker *w, struct pkt *p)
{
    struct ip_split s;
    if (p->drop || p->done || !sa_can_ask(p->flow.proto, UINT32_MAX)) return false;
    if (!ip_split(p->at, p->len, true, &s) || s.fragment) return false;
    if (!sa_can_ask(s.next, p->len - s.len)) return false;
    const struct sa_ask ask = {.src = &p->flow.src,
                               .dst = &p->flow.dst,
                               .at = p->at + s.len,
                               .mark = p->mark,
                               .proto = s.next};
    // Another worker's goes on like what is not ours: to the host, and from there to its owner's
    // socket, if a policy lets it.
    struct sa *inside = sa_asked(w->db, &ask);
    if (!inside || !own_or_claim(w, inside)) return false;
    if (inside->iptfs) { // no policy may ask for it
        p->drop = DROP_MODE;
        return false;
    }
    p->head = p->at;
    p->head_len = s.len;
    p->at += s.len;
    p->len -= s.len;
    p->proto = s.next;
    p->udp = false;
    p->from = (endpoint_t){.ip = p->flow.src};
    p->to = (endpoint_t){.ip = p->flow.dst};
    p->outer_tos = p->flow.tos;
    p->outer_ttl = p->flow.ttl;
    p->outer_label = p->flow.label;
    return true;
}

void in_nest(struct worker *w, struct burst *b)
{
    static stage_fn *const again[] = {in_find_sa, in_replay, in_open, in_commit, in_unwrap, NULL};
    for (;;) {
        struct burst next = {.n = 0};
        for (unsigned i = 0; i < b->n; i++) {
            struct pkt *p = b->p[i];
            if (!is_nested(w, p)) continue;
            // as many SAs as a policy could ask for: no policy would take it
            if (p->sa_count == PKT_SAS_MAX) p->drop = DROP_MODE;
            if (!p->drop) next.p[next.n++] = p;
        }
        if (next.n == 0) return;
        walk(w, &next, again);
    }
}
