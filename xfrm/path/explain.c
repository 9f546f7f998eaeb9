#include "xfrm/path/explain.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/db/selector.h"
#include "xfrm/path/mode.h"
#include "xfrm/path/pmtu.h"
#include "xfrm/path/size.h"

#define LEAST 64 // bytes of a packet whose length nobody has said
#define TTL 64

// ---- the packet ----

static uint32_t head_make(uint8_t *at, const struct explain_ask *a, uint32_t len)
{
    if (a->src.family == AF_INET) {
        at[0] = 0x45;
        put16(at + 2, (uint16_t)len);
        put16(at + 6, 0x4000); // don't fragment, as most senders say
        at[8] = TTL;
        at[9] = a->proto;
        memcpy(at + 12, a->src.b, 4);
        memcpy(at + 16, a->dst.b, 4);
        return IP4_HEADER;
    }
    at[0] = 0x60;
    put16(at + 4, (uint16_t)(len - IP6_HEADER));
    at[6] = a->proto;
    at[7] = TTL;
    memcpy(at + 8, a->src.b, 16);
    memcpy(at + 24, a->dst.b, 16);
    return IP6_HEADER;
}

static bool is_extension(const struct explain_ask *a)
{
    return a->src.family == AF_INET6 &&
           (a->proto == IPPROTO_HOPOPTS || a->proto == IPPROTO_ROUTING ||
            a->proto == IPPROTO_FRAGMENT || a->proto == IPPROTO_DSTOPTS);
}

// A packet of zeroes but for its header and ports. The caller frees p->room.
static err_t packet_make(struct pkt *p, const struct explain_ask *a, struct why *why)
{
    uint32_t len = a->len ? a->len : LEAST;
    if (a->src.family != a->dst.family || a->src.family == AF_UNSPEC)
        return why_not(why, ERR_SYNTAX, "source and destination are not of one family");
    if (len < LEAST || len > UINT16_MAX)
        return why_not(why, ERR_RANGE, "a length from %d to %d", LEAST, UINT16_MAX);
    if (is_extension(a)) return why_not(why, ERR_SYNTAX, "%u is no transport protocol", a->proto);
    uint32_t size = PKT_HEADROOM + len + PKT_TAILROOM;
    uint8_t *room = calloc(size, 1);
    if (!room) return why_not(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    *p = (struct pkt){
        .at = room + PKT_HEADROOM, .len = len, .room = room, .size = size, .mark = a->mark};
    uint32_t head = head_make(p->at, a, len);
    bool icmp = a->proto == IPPROTO_ICMP || a->proto == IPPROTO_ICMPV6;
    if (icmp) {
        p->at[head] = (uint8_t)a->sport;
        p->at[head + 1] = (uint8_t)a->dport;
    } else {
        put16(p->at + head, a->sport);
        put16(p->at + head + 2, a->dport);
    }
    return ERR_OK;
}

// ---- policies ----

const char *explain_why_text(enum explain_why why)
{
    static const char *const texts[] = {
        [WHY_FAMILY] = "is for the other IP version",
        [WHY_PROTO] = "is for another protocol",
        [WHY_SRC] = "the source is not in its network",
        [WHY_DST] = "the destination is not in its network",
        [WHY_SPORT] = "is for another source port",
        [WHY_DPORT] = "is for another destination port",
        [WHY_MARK] = "is for packets with another mark",
        [WHY_IF_ID] = "belongs to an xfrm interface",
        [WHY_DEVICE] = "is for packets that pass another device",
        [WHY_LATER] = "would match, but one of higher precedence does",
    };
    return texts[why];
}

// Where it is not known, one that lets pass is not believed to be meant.
static bool device_fits(const struct policy *policy, uint32_t device)
{
    const uint32_t wanted = (uint32_t)policy->conf.sel.ifindex;
    return !wanted || wanted == device || (!device && !policy_is_bypass(policy));
}

static enum explain_why why_not_this(const struct policy *policy, const struct pkt *p,
                                     uint32_t device)
{
    const struct xfrm_selector *s = &policy->conf.sel;
    const struct flow *f = &p->flow;
    if (s->family != AF_UNSPEC && s->family != f->src.family) return WHY_FAMILY;
    if (s->family != AF_UNSPEC && !bits_eq(s->dst.ip.b, f->dst.b, s->dst.len)) return WHY_DST;
    if (s->family != AF_UNSPEC && !bits_eq(s->src.ip.b, f->src.b, s->src.len)) return WHY_SRC;
    if (s->proto && s->proto != f->proto) return WHY_PROTO;
    if ((s->sport ^ f->sport) & s->sport_mask) return WHY_SPORT;
    if ((s->dport ^ f->dport) & s->dport_mask) return WHY_DPORT;
    if ((p->mark & policy->conf.mark.mask) != policy->conf.mark.value) return WHY_MARK;
    if (policy->conf.if_id) return WHY_IF_ID;
    return device_fits(policy, device) ? WHY_LATER : WHY_DEVICE;
}

// Keeps those of highest precedence, in order.
static void other_add(struct explain *x, const struct policy *policy, const struct pkt *p,
                      uint32_t device)
{
    unsigned at = x->others;
    while (at > 0 && policy_goes_before(policy, x->other[at - 1].policy)) at--;
    x->others_all++;
    if (at == EXPLAIN_OTHERS_MAX) return;
    if (x->others < EXPLAIN_OTHERS_MAX) x->others++;
    memmove(&x->other[at + 1], &x->other[at], (x->others - at - 1) * sizeof x->other[0]);
    x->other[at] = (struct explain_other){policy, why_not_this(policy, p, device)};
}

// Those that were looked at before the one that decides: all of them if none does.
static void others_find(const struct worker *w, const struct pkt *p, enum xfrm_dir dir,
                        struct explain *x)
{
    const uint32_t device = dir == XFRM_OUT ? classify_ask(w, p).device : 0;
    const struct policy *policy;
    cds_list_for_each_entry(policy, spd_all(w->db->spd), all)
    {
        bool forward = dir == XFRM_IN && policy->conf.dir == XFRM_FWD;
        if ((policy->conf.dir != dir && !forward) || policy == x->policy) continue;
        if (!x->policy || policy_goes_before(policy, x->policy)) other_add(x, policy, p, device);
    }
}

// ---- outbound ----

// What the outermost header says: each SA takes the packet as the one before has left it.
static void outer_make(struct explain *x, struct pkt *p)
{
    struct mode_head h;
    p->sa = p->sas[0];
    enum drop drop = mode_out(p, &h);
    for (unsigned i = 1; i < p->sa_count; i++) {
        const struct sa_conf *conf = rcu_dereference(p->sas[i]->conf);
        if (conf->x.mode == XFRM_TRANSPORT) continue;
        p->from = conf->from;
        p->to = conf->to;
    }
    if (drop != DROP_NONE) x->drop = drop;
    p->udp = rcu_dereference(p->sas[p->sa_count - 1]->conf)->udp;
    x->outer = *p;
}

static void measure(struct worker *w, struct explain *x, struct pkt *p)
{
    uint32_t tell = 0;
    x->len = p->len;
    x->wire = size_on_wire(p, p->len);
    x->path_mtu = pmtu_of(w, p->sas[p->sa_count - 1]);
    if (!x->path_mtu || pmtu_is_cut_inside(p)) return;
    x->fits = size_limit(p, x->path_mtu);
    if (x->wire <= x->path_mtu) return;
    if (pmtu_refuses(p, x->path_mtu, &tell)) {
        x->drop = DROP_PATH_MTU;
    } else {
        x->cut = true;
    }
}

// The SAs of the templates; false: one that is needed is missing.
static bool resolve(const struct worker *w, struct explain *x, struct pkt *p)
{
    const struct policy *policy = p->policy;
    for (x->missing = 0; x->missing < policy->tmpl_count; x->missing++) {
        struct sa *sa = resolve_sa(w, p, x->missing);
        if (sa) p->sas[p->sa_count++] = sa;
        if (!sa && !policy->conf.tmpl[x->missing].optional) return false;
    }
    return true;
}

static void walk_out(struct worker *w, struct explain *x, struct pkt *p)
{
    const struct spd_ask ask = classify_ask(w, p);
    p->policy = x->policy = spd_find(w->db->spd, &ask, &p->flow);
    others_find(w, p, XFRM_OUT, x);
    classify_decide(w, p);
    x->drop = p->drop;
    x->bypass = p->done;
    if (p->drop || p->done) return;
    x->waits = !resolve(w, x, p);
    if (x->waits) return;
    x->bypass = p->sa_count == 0;
    if (x->bypass) return;
    x->sas = p->sa_count;
    memcpy(x->sa, p->sas, x->sas * sizeof(struct sa *));
    measure(w, x, p);
    outer_make(x, p);
}

// ---- inbound ----

// Could this SA alone have brought it?
static bool could_carry(const struct worker *w, struct pkt *p, struct sa *sa)
{
    if (sa->larval || sa_flag(&sa->dead)) return false;
    p->sas[0] = sa;
    p->sa_count = 1;
    return conform_judge(w, p) == DROP_NONE;
}

static void walk_in(struct worker *w, struct explain *x, struct pkt *p)
{
    struct sa *sa;
    p->policy = x->policy = conform_policy(w, p);
    others_find(w, p, XFRM_IN, x);
    bool protects = x->policy && xfrm_policy_protects(&x->policy->conf);
    cds_list_for_each_entry(sa, sad_all(w->db->sad), all)
    {
        if (!protects || x->sas == EXPLAIN_SAS_MAX) break;
        if (could_carry(w, p, sa)) x->sa[x->sas++] = sa;
    }
    p->sa_count = 0;
    x->drop = conform_judge(w, p); // in clear
    x->len = p->len;
}

err_t explain_packet(struct worker *w, const struct explain_ask *ask, struct explain *out,
                     struct why *why)
{
    struct pkt p;
    *out = (struct explain){0};
    TRY(packet_make(&p, ask, why));
    bool good = flow_read(&p);
    out->flow = p.flow;
    if (!good) {
        out->drop = DROP_MALFORMED_OUT;
    } else if (ask->dir == XFRM_OUT) {
        walk_out(w, out, &p);
    } else {
        walk_in(w, out, &p);
    }
    free(p.room);
    out->outer.at = out->outer.room = NULL;
    return ERR_OK;
}
