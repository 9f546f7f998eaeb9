// ts_narrow.c - arithmetic on traffic selectors. A selector is a box: addresses x protocols x
// ports. ICMP type and code are a port to it (RFC 4301 4.4.1.1), so ranges of them need no care.
#include <string.h>

#include "ike/codec/payloads.h"

static bool ports_any(const struct ts *t)
{
    return t->port_lo == 0 && t->port_hi == UINT16_MAX;
}

static bool ports_opaque(const struct ts *t)
{
    return t->port_lo == UINT16_MAX && t->port_hi == 0;
}

static bool ports_common(const struct ts *a, const struct ts *b, struct ts *out)
{
    // ANY includes OPAQUE (RFC 4301 4.4.1.1): packets whose ports cannot be seen
    const struct ts *narrow = ports_any(a) ? b : ports_any(b) ? a : NULL;
    if (!narrow && ports_opaque(a) && ports_opaque(b)) narrow = a;
    if (narrow) {
        out->port_lo = narrow->port_lo;
        out->port_hi = narrow->port_hi;
        return true;
    }
    // OPAQUE (65535..0) and a range have nothing in common, and it comes out as such
    out->port_lo = a->port_lo > b->port_lo ? a->port_lo : b->port_lo;
    out->port_hi = a->port_hi < b->port_hi ? a->port_hi : b->port_hi;
    return out->port_lo <= out->port_hi;
}

// What both selectors allow; false if that is nothing.
static bool ts_common(const struct ts *a, const struct ts *b, struct ts *out)
{
    struct ts t = {0};
    if (a->lo.family != b->lo.family) return false;
    if (a->proto != 0 && b->proto != 0 && a->proto != b->proto) return false;
    t.proto = a->proto ? a->proto : b->proto;
    if (!ports_common(a, b, &t)) return false;
    t.lo = ip_cmp(&a->lo, &b->lo) > 0 ? a->lo : b->lo;
    t.hi = ip_cmp(&a->hi, &b->hi) < 0 ? a->hi : b->hi;
    if (ip_cmp(&t.lo, &t.hi) > 0) return false;
    *out = t;
    return true;
}

static bool same_traffic(const struct ts *a, const struct ts *b)
{
    return a->proto == b->proto && a->port_lo == b->port_lo && a->port_hi == b->port_hi;
}

static bool ts_within(const struct ts *inner, const struct ts *outer)
{
    struct ts c;
    return ts_common(inner, outer, &c) && same_traffic(&c, inner) && ip_eq(&c.lo, &inner->lo) &&
           ip_eq(&c.hi, &inner->hi);
}

// Adds t unless it says nothing new; what it makes superfluous goes. A full list stays as it is.
static void list_add(struct ts_list *l, const struct ts *t)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < l->n; i++) {
        if (ts_within(t, &l->ts[i])) return;
    }
    for (unsigned i = 0; i < l->n; i++) {
        if (!ts_within(&l->ts[i], t)) l->ts[kept++] = l->ts[i];
    }
    l->n = kept;
    if (l->n < TS_MAX) l->ts[l->n++] = *t;
}

err_t ts_narrow(const struct ts_list *ours, const struct ts_list *theirs, struct ts_list *out)
{
    struct ts_list l = {0};
    // rfc7296 2.9 MUST: the initiator's first selector is part of the answer if we accept it;
    // so its selectors are the outer loop, and a full list loses later ones only
    for (unsigned i = 0; i < theirs->n; i++) {
        for (unsigned j = 0; j < ours->n; j++) {
            struct ts both;
            if (ts_common(&theirs->ts[i], &ours->ts[j], &both)) list_add(&l, &both);
        }
    }
    if (l.n == 0) return ERR_NOCHOICE;
    *out = l;
    return ERR_OK;
}

// Sets *a to the address behind it; false behind the last.
static bool ip_step(ip_t *a)
{
    for (unsigned i = ip_len(a->family); i-- > 0;) {
        if (++a->b[i] != 0) return true;
    }
    return false;
}

// The selector of `l` that covers t's first address and its traffic, and reaches farthest.
static const struct ts *farthest(const struct ts_list *l, const struct ts *t)
{
    const struct ts *best = NULL;
    struct ts first = *t;
    first.hi = first.lo;
    for (unsigned i = 0; i < l->n; i++) {
        const struct ts *o = &l->ts[i];
        if (ts_within(&first, o) && (!best || ip_cmp(&o->hi, &best->hi) > 0)) best = o;
    }
    return best;
}

// Walks along t's addresses; several selectors of `l` may be needed to cover them.
static bool list_covers(const struct ts_list *l, struct ts t)
{
    for (unsigned steps = 0; steps <= l->n; steps++) {
        const struct ts *o = farthest(l, &t);
        if (!o) return false;
        if (ip_cmp(&o->hi, &t.hi) >= 0) return true;
        t.lo = o->hi;
        if (!ip_step(&t.lo)) return true;
    }
    return false;
}

bool ts_subset(const struct ts_list *inner, const struct ts_list *outer)
{
    for (unsigned i = 0; i < inner->n; i++) {
        if (!list_covers(outer, inner->ts[i])) return false;
    }
    return true;
}
