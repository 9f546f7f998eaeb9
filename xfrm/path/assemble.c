// assemble.c - transport mode and BEET protect whole packets (RFC 4301 7, 3.3 of RFC 4303: ESP
// before fragmentation). The kernel's own IPsec stands before the host's fragmentation; a TUN
// device stands behind it. So what the host has cut to the device's MTU is put together again
// (RFC 791, RFC 8200 4.5), protected, and fragmented on its way out. So is what a policy with ports
// may be about, in every mode: only together the pieces have any.
//
// A datagram grows in a buffer of the pool. Wherever its first piece's header will end, the payload
// stands at one place; the header goes in front of it once all is there:
//
//     | headroom | room for a header: IP_HEAD_MAX | payload ...             |
//     | headroom |        | header of the first  | payload, pieces joined   |
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/order.h"
#include "xfrm/db/counter.h"
#include "xfrm/path/ecn.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/path/stages.h"

// The host sends the pieces of a datagram in one go. What is open longer was cut somewhere else, on
// its way to this gateway, or is an attempt to use up buffers: the oldest then gives way.
#define TIMEOUT (5 * NSEC_PER_SEC)
#define UNIT 8U // offsets count in these
#define UNITS (65536 / UNIT)
#define IP_TOTAL_MAX UINT16_MAX
#define FRAGMENT_HEADER 8 // of IPv6
#define PAYLOAD_AT (PKT_HEADROOM + IP_HEAD_MAX)

_Static_assert(PAYLOAD_AT + IP_TOTAL_MAX <= PKT_HEADROOM + PKT_DATA_MAX, "the largest fits");

struct piece {
    struct ip_split s; // the head, with the fragment header in IPv6
    uint32_t id, at, len;
    bool last;
};

struct assembly {
    struct pkt *whole; // NULL: free
    ip_t src, dst;
    uint8_t proto;
    uint32_t id;
    uint64_t since;
    uint32_t head;  // bytes of header that are there; 0: the first piece is not
    uint32_t total; // bytes of payload; 0: the last piece is not there
    uint32_t end;   // of what is there
    uint32_t units; // that are there
    bool met_congestion;
    bool spoiled;             // what else comes of it is dropped, too
    uint8_t there[UNITS / 8]; // a bit each
};

struct assemblies {
    struct assembly a[ASSEMBLIES_MAX];
};

struct assemblies *assemblies_new(void)
{
    return calloc(1, sizeof(struct assemblies));
}

unsigned assemblies_count(const struct assemblies *all)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ASSEMBLIES_MAX; i++) n += all->a[i].whole != NULL;
    return n;
}

static void let_go(struct worker *w, struct assembly *a)
{
    pool_give(w->pool, a->whole);
    a->whole = NULL;
}

// One of its pieces is counted as dropped instead; of a spoiled one, that which spoiled it was.
static void give_up(struct worker *w, struct assembly *a)
{
    let_go(w, a);
    if (a->spoiled) return;
    w->joined--;
    count_add(&w->drops[DROP_ASSEMBLY], 1);
}

void assemblies_free(struct assemblies *all, struct pool *pool)
{
    for (unsigned i = 0; all && pool && i < ASSEMBLIES_MAX; i++) {
        if (all->a[i].whole) pool_give(pool, all->a[i].whole);
    }
    free(all);
}

// ---- which packets ----

static bool looks_cut(const struct pkt *p)
{
    if (p->len < IP4_HEADER) return false;
    if (!ip_is_v6(p->at)) return (get16(p->at + 6) & (IP_OFFMASK | IP_MF)) != 0;
    return p->at[6] == IPPROTO_FRAGMENT || p->at[6] == IPPROTO_HOPOPTS ||
           p->at[6] == IPPROTO_ROUTING || p->at[6] == IPPROTO_DSTOPTS;
}

// p->len is what the header says (flow_read).
static bool read_piece(const struct pkt *p, struct piece *out)
{
    if (!ip_split(p->at, p->len, true, &out->s) || !out->s.fragment) return false;
    out->len = p->len - out->s.len;
    if (ip_is_v6(p->at)) {
        const uint8_t *header = p->at + out->s.len - FRAGMENT_HEADER;
        uint16_t where = get16(header + 2);
        out->at = where & 0xfff8;
        out->last = !(where & 1);
        out->id = get32(header + 4);
    } else {
        uint16_t where = get16(p->at + 6);
        out->at = (where & IP_OFFMASK) * UNIT;
        out->last = !(where & IP_MF);
        out->id = get16(p->at + 4);
    }
    return true;
}

static bool needs_whole(const struct policy *p)
{
    if (!p || p->conf.tmpl_count == 0) return false;
    return p->conf.tmpl[0].mode != XFRM_TUNNEL && p->conf.tmpl[0].mode != XFRM_IPTFS;
}

// Is it for a policy that takes whole packets, as far as can be told without ports? All pieces get
// the same answer: those with ports are asked about without.
// rfc4301 7 MUST: a piece without ports neither passes by a policy that names some nor goes through
// its SA unseen.
static bool is_wanted(const struct worker *w, const struct pkt *p, const struct piece *piece)
{
    struct flow f = p->flow;
    f.fragment = true;
    f.sport = f.dport = 0;
    f.proto = piece->s.next;
    struct spd_ask ask = classify_ask(w, p);
    const struct policy *policy = spd_find(w->db->spd, &ask, &f);
    ask.guard = true;
    const struct policy *guard = spd_find(w->db->spd, &ask, &f);
    return needs_whole(policy) || (guard && policy_goes_before(guard, policy));
}

// ---- which datagram ----

static struct assembly *find(struct assemblies *all, const struct pkt *p, const struct piece *piece)
{
    for (unsigned i = 0; i < ASSEMBLIES_MAX; i++) {
        struct assembly *a = &all->a[i];
        if (a->whole && a->id == piece->id && a->proto == piece->s.next &&
            ip_eq(&a->src, &p->flow.src) && ip_eq(&a->dst, &p->flow.dst))
            return a;
    }
    return NULL;
}

static void forget_old(struct worker *w)
{
    for (unsigned i = 0; i < ASSEMBLIES_MAX; i++) {
        struct assembly *a = &w->assemblies->a[i];
        if (!a->whole || w->now - a->since < TIMEOUT) continue;
        give_up(w, a);
    }
}

// A free place; that of the oldest if there is none.
static struct assembly *place(struct worker *w)
{
    struct assembly *oldest = &w->assemblies->a[0];
    for (unsigned i = 0; i < ASSEMBLIES_MAX; i++) {
        struct assembly *a = &w->assemblies->a[i];
        if (!a->whole) return a;
        if (a->since < oldest->since) oldest = a;
    }
    give_up(w, oldest);
    return oldest;
}

static struct assembly *begin(struct worker *w, const struct pkt *p, const struct piece *piece)
{
    struct assembly *a = place(w);
    *a = (struct assembly){
        .whole = pool_take(w->pool),
        .src = p->flow.src,
        .dst = p->flow.dst,
        .proto = piece->s.next,
        .id = piece->id,
        .since = w->now,
    };
    return a->whole ? a : NULL;
}

// ---- putting together ----

// Marks the piece's units as there. False: some were already, or it goes beyond the datagram's end.
// Overlapping pieces nobody sends in good faith.
static bool claim(struct assembly *a, const struct piece *piece)
{
    uint32_t end = piece->at + piece->len, first = piece->at / UNIT;
    uint32_t units = (piece->len + UNIT - 1) / UNIT;
    bool sane = piece->len > 0 && (piece->last || piece->len % UNIT == 0) && end <= IP_TOTAL_MAX;
    if (!sane || (a->total && end > a->total) || (piece->last && (a->total || end < a->end)))
        return false;
    for (uint32_t u = first; u < first + units; u++) {
        uint8_t bit = (uint8_t)(1U << u % 8);
        if (a->there[u / 8] & bit) return false;
        a->there[u / 8] |= bit;
    }
    a->units += units;
    if (end > a->end) a->end = end;
    if (piece->last) a->total = end;
    return true;
}

// The first piece's header, without the fragment header, in front of the payload.
static void take_head(struct assembly *a, const struct pkt *p, const struct piece *piece)
{
    bool v6 = ip_is_v6(p->at);
    a->head = piece->s.len - (v6 ? FRAGMENT_HEADER : 0);
    a->whole->at = a->whole->own + PAYLOAD_AT - a->head;
    memcpy(a->whole->at, p->at, a->head);
    a->whole->mark = p->mark;
    a->whole->born = p->born ? p->born : a->since;
}

// RFC 8200 4.5: the network may have doubled a piece; that is no overlap.
static bool is_repeated(const struct assembly *a, const struct pkt *p, const struct piece *piece)
{
    uint32_t end = piece->at + piece->len;
    if (piece->len == 0 || end > a->end || piece->last != (end == a->total)) return false;
    for (uint32_t u = piece->at / UNIT; u * UNIT < end; u++) {
        if (!(a->there[u / 8] & 1U << u % 8)) return false;
    }
    return memcmp(a->whole->own + PAYLOAD_AT + piece->at, p->at + piece->s.len, piece->len) == 0;
}

// rfc5722 4 MUST: with a piece that overlaps, the whole datagram goes, those to come included.
static bool add(struct assembly *a, const struct pkt *p, const struct piece *piece)
{
    if (a->spoiled) return false;
    if (is_repeated(a, p, piece)) return true;
    if (!claim(a, piece)) return false;
    if (piece->at == 0) take_head(a, p, piece);
    memcpy(a->whole->own + PAYLOAD_AT + piece->at, p->at + piece->s.len, piece->len);
    if ((p->flow.tos & ECN_MASK) == ECN_CE) a->met_congestion = true;
    return true;
}

static bool is_complete(const struct assembly *a)
{
    return a->head && a->total && a->units == (a->total + UNIT - 1) / UNIT;
}

// Where the head names what follows it: in IPv6 it was the fragment header.
static uint32_t next_at(const uint8_t *head, uint32_t len)
{
    uint32_t at = 6, header = IP6_HEADER;
    if (!ip_is_v6(head)) return 9;
    while (header < len) { // ip_split() has walked this way
        at = header;
        header += 8 + head[header + 1] * 8U;
    }
    return at;
}

// False: it is longer than an IP packet, or was marked although its sender does not know ECN.
static bool finish(struct assembly *a)
{
    struct pkt *p = a->whole;
    p->len = a->head + a->total;
    if (p->len - (ip_is_v6(p->at) ? IP6_HEADER : 0) > IP_TOTAL_MAX) return false;
    uint8_t tos = ip_head_tos(p->at);
    if (a->met_congestion && (tos & ECN_MASK) == ECN_NOT_ECT) return false;
    // rfc3168 5.3 MUST: congestion that one piece has met is not hidden
    if (a->met_congestion) tos_write(p->at, tos | ECN_CE);
    if (!ip_is_v6(p->at)) put16(p->at + 6, 0);
    p->cut = true; // its sender has it fragmented: it may be again
    const struct ip_split s = {.len = a->head, .next_at = next_at(p->at, a->head)};
    ip_head_join(p->at, &s, a->proto, p->len);
    return true;
}

// The datagram if it is whole now, otherwise NULL. A piece that spoils it ends it.
static struct pkt *join(struct worker *w, struct pkt *p, const struct piece *piece)
{
    struct assembly *a = find(w->assemblies, p, piece);
    if (!a) a = begin(w, p, piece);
    if (!a) {
        p->drop = DROP_ASSEMBLY;
        return NULL;
    }
    struct pkt *whole = a->whole;
    if (!add(a, p, piece)) {
        a->spoiled = true;
        p->drop = DROP_ASSEMBLY;
        return NULL;
    }
    if (!is_complete(a)) {
        p->done = true;
        w->joined++;
        return NULL;
    }
    if (!finish(a)) {
        let_go(w, a);
        p->drop = DROP_ASSEMBLY;
        return NULL;
    }
    a->whole = NULL;
    return whole;
}

void out_assemble(struct worker *w, struct burst *b)
{
    bool looked = false;
    for (unsigned i = 0; i < b->n; i++) {
        struct pkt *p = b->p[i], *whole;
        struct piece piece;
        if (!looks_cut(p) || !flow_read(p) || !read_piece(p, &piece)) continue;
        if (!is_wanted(w, p, &piece)) continue;
        if (!looked) forget_old(w);
        looked = true;
        whole = join(w, p, &piece);
        if (!whole) continue;
        worker_give(w, p);
        b->p[i] = whole;
    }
}
