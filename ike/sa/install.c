#include "ike/sa/install.h"

#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/idle.h"
#include "ike/sa/keylog.h"
#include "ike/sa/stale.h"
#include "ike/sa/told.h"
#include "ike/sa/traffic.h"

#define CPI_MIN 0x100 // rfc3173 3.3: those that are agreed on
#define CPI_MAX 0xefff

err_t install_spi(struct ike_sa *sa, uint32_t reqid, uint8_t proto, enum xfrm_mode mode,
                  uint32_t *spi, struct why *why)
{
    const struct xfrm_api *xfrm = &sa->ike->env.xfrm;
    const struct ike_options *opt = &sa->ike->opt;
    struct xfrm_sa like = {.proto = proto, .reqid = reqid, .mode = XFRM_TUNNEL}, got;
    stale_look(sa->ike);
    like.pcpu = UINT32_MAX;
    // A kernel lets an SA have a direction only if that was named with its SPI.
    if (mode == XFRM_IPTFS) like.dir = XFRM_SA_IN;
    told_where(&like, sa, false);
    bool comp = proto == XFRM_PROTO_COMP;
    TRY(xfrm->ops->sa_alloc_spi(xfrm->ctx, &like, comp ? CPI_MIN : opt->spi_min,
                                comp ? CPI_MAX : opt->spi_max, &got, why));
    *spi = got.spi;
    return ERR_OK;
}

void install_spi_back(struct ike_sa *sa, uint8_t proto, uint32_t spi)
{
    if (!spi) return;
    const struct xfrm_api *xfrm = &sa->ike->env.xfrm;
    struct xfrm_sa_id id = {.daddr = sa->local.ip, .spi = spi, .proto = proto};
    IGNORE(xfrm->ops->sa_del(xfrm->ctx, &id)); // may have expired on its own
}

void install_spi_move(struct ike_sa *sa, const ip_t *from, uint8_t proto, uint32_t spi)
{
    const struct xfrm_api *xfrm = &sa->ike->env.xfrm;
    struct xfrm_sa_id id = {.daddr = *from, .spi = spi, .proto = proto};
    struct xfrm_sa like, got;
    struct why why = {0};
    if (!spi || xfrm->ops->sa_get(xfrm->ctx, &id, &like) != ERR_OK) return; // has expired
    told_where(&like, sa, false);
    if (xfrm->ops->sa_alloc_spi(xfrm->ctx, &like, spi, spi, &got, &why) != ERR_OK) {
        tell(sa->ike, sa, LOG_ERROR, "SPI %08x cannot be had at our new address: %s", spi,
             why.text);
    }
    IGNORE(xfrm->ops->sa_del(xfrm->ctx, &id)); // nobody knows it there
}

static err_t put_comp(struct child_sa *c, bool out, struct why *why)
{
    const struct xfrm_api *xfrm = &c->sa->ike->env.xfrm;
    struct xfrm_sa x;
    if (!c->cpi_in) return ERR_OK;
    told_comp(&x, c, out);
    return out ? xfrm->ops->sa_add(xfrm->ctx, &x, why) : xfrm->ops->sa_update(xfrm->ctx, &x, why);
}

static err_t put_sa(struct child_sa *c, const struct xfrm_sa *x, bool out, struct why *why)
{
    const struct xfrm_api *xfrm = &c->sa->ike->env.xfrm;
    TRY(put_comp(c, out, why));
    if (!out) {
        TRY(xfrm->ops->sa_update(xfrm->ctx, x, why)); // completes what install_spi() began
        c->in_there = true;
    } else {
        TRY(xfrm->ops->sa_add(xfrm->ctx, x, why));
        c->out_there = true;
    }
    keylog_child(c, x);
    return ERR_OK;
}

static err_t put_policies_dir(struct child_sa *c, enum xfrm_dir dir, struct why *why)
{
    const struct conf_child *f = c->conf;
    struct ike *ike = c->sa->ike;
    struct selectors s;
    bool out = dir == XFRM_OUT;
    if (selectors_make(out ? c->local_ts : c->remote_ts, out ? c->remote_ts : c->local_ts, &s) !=
        ERR_OK) {
        return why_not(why, ERR_LIMIT, "the traffic selectors need more than %d policies",
                       SELECTORS_MAX);
    }
    for (unsigned i = 0; i < s.n; i++) {
        struct xfrm_policy p = {.sel = s.at[i], .dir = (uint8_t)dir};
        p.priority = f->priority ? f->priority : selector_priority(&s.at[i], PRIORITY_IPSEC, false);
        steering_policy(&c->steering, f, &p);
        p.limit = (struct xfrm_lifetime){XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0};
        told_templates(&p, c);
        if (out && f->per_cpu) p.flags |= XFRM_POLICY_PER_CPU;
        TRY(policies_want(&ike->policies, (struct policy_owner){POLICY_OF_CHILD, c->id}, &p,
                          &c->stale_reqid, why));
    }
    return ERR_OK;
}

// So that a policy which drops what is forwarded does not keep packets from the outbound policy.
static err_t put_forwarded_out(struct child_sa *c, struct why *why)
{
    struct selectors s;
    if (!c->conf->policies_fwd_out || c->mode == XFRM_TRANSPORT) return ERR_OK;
    TRY(selectors_make(c->local_ts, c->remote_ts, &s)); // as many as outbound: they fit
    for (unsigned i = 0; i < s.n; i++) {
        struct xfrm_policy p = policy_forwarded_out(&s.at[i], &c->steering, c->conf);
        struct policy_owner who = {POLICY_OUT_OF_CHILD, c->id};
        TRY(policies_want(&c->sa->ike->policies, who, &p, NULL, why));
    }
    return ERR_OK;
}

static err_t put_policies(struct child_sa *c, struct why *why)
{
    if (!c->conf->policies) return ERR_OK;
    c->policies_there = true;
    TRY(put_policies_dir(c, XFRM_IN, why));
    if (c->mode != XFRM_TRANSPORT) TRY(put_policies_dir(c, XFRM_FWD, why));
    TRY(put_policies_dir(c, XFRM_OUT, why));
    return put_forwarded_out(c, why);
}

static void drop_policies(struct child_sa *c)
{
    if (!c->policies_there) return;
    policies_release(&c->sa->ike->policies, (struct policy_owner){POLICY_OF_CHILD, c->id});
    if (c->conf->policies_fwd_out) {
        policies_release(&c->sa->ike->policies, (struct policy_owner){POLICY_OUT_OF_CHILD, c->id});
    }
    c->policies_there = false;
}

static void drop_sa(struct child_sa *c, bool out)
{
    const struct xfrm_api *xfrm = &c->sa->ike->env.xfrm;
    struct xfrm_sa_id id = told_id(c, out), comp = told_comp_id(c, out);
    // It may have expired already.
    if (xfrm->ops->sa_del(xfrm->ctx, &id) == ERR_OK) {
        tell(c->sa->ike, c->sa, LOG_STORY, SAY_DELETED_SA, id.spi);
    }
    if (comp.spi) IGNORE(xfrm->ops->sa_del(xfrm->ctx, &comp));
    *(out ? &c->out_there : &c->in_there) = false;
}

static err_t put_out(struct child_sa *c, const struct xfrm_sa *x, bool hold, struct why *why)
{
    if (!hold) return put_sa(c, x, true, why);
    struct xfrm_sa *kept = malloc(sizeof *kept);
    if (!kept) return why_not(why, ERR_NOMEM, "out of memory");
    *kept = *x;
    child_sa_hold(c, kept);
    c->switch_look = ike_now(c->sa->ike) + CHILD_SWITCH_NS;
    return ERR_OK;
}

err_t install_child(struct child_sa *c, const struct child_keys *keys, bool hold_out,
                    struct why *why)
{
    struct xfrm_sa in, out;
    err_t err = told_sa(&in, c, keys, false, why);
    if (err == ERR_OK) err = told_sa(&out, c, keys, true, why);
    // Inbound first: whatever the peer sends as soon as it can must find its SA.
    if (err == ERR_OK) err = put_sa(c, &in, false, why);
    if (err == ERR_OK) err = put_out(c, &out, hold_out, why);
    if (err == ERR_OK) err = put_policies(c, why);
    wipe(&in, sizeof in);
    wipe(&out, sizeof out);
    if (err != ERR_OK) install_remove(c);
    if (err == ERR_OK) idle_start(c);
    if (err == ERR_OK && !c->replaces) c->sweep_at = ike_now(c->sa->ike) + CHILD_LINGER_NS;
    child_sa_timers(c->sa);
    return err;
}

static void forget_waiting(struct child_sa *c)
{
    if (!c->out_waiting) return;
    child_sa_unhold(c);
    c->switch_look = DUE_NEVER;
    child_sa_timers(c->sa);
}

// What served until now, and only for that lingered with its outbound SA, must serve no more.
static void relieve_elders(const struct child_sa *c)
{
    struct ike_sa *sa = NULL;
    while ((sa = ike_sa_of_peer(c->sa->ike, ike_sa_whose(c->sa), sa))) {
        for (struct child_sa *old = sa->children; old; old = old->next) {
            bool same = old->reqid == c->reqid && ip_eq(&old->remote, &c->remote);
            if (old->state == CHILD_LINGER && old->out_there && same) drop_sa(old, true);
        }
    }
}

void install_switch(struct child_sa *c)
{
    struct why why = {0};
    if (!c->out_waiting) return;
    if (put_sa(c, c->out_waiting, true, &why) != ERR_OK) {
        tell(c->sa->ike, c->sa, LOG_ERROR, "the executor refused the outbound SA of %s: %s",
             c->conf->name, why.text);
    }
    forget_waiting(c);
    if (c->takes_over) relieve_elders(c);
}

void install_stop_out(struct child_sa *c)
{
    forget_waiting(c);
    if (c->out_there) drop_sa(c, true);
}

void install_remove_out(struct child_sa *c)
{
    drop_policies(c);
    install_stop_out(c);
}

void install_remove(struct child_sa *c)
{
    install_remove_out(c);
    if (c->spi_in) drop_sa(c, false);
    reqid_put(&c->sa->ike->reqids, c->reqid);
    c->reqid = 0;
}

// Packets that the executor may send between the look at an SA and its removal: their sequence
// numbers, which are nonces, must not be used again. The peer's window moves on over the gap.
#define SEQ_LEAP (1U << 20)

static void leap(struct xfrm_sa *x)
{
    bool esn = x->flags & XFRM_STATE_ESN;
    x->replay.out_seq += SEQ_LEAP;
    if (!esn && x->replay.out_seq > UINT32_MAX) x->replay.out_seq = UINT32_MAX; // used up: no more
}

static uint64_t left(uint64_t limit_s, uint64_t age_s)
{
    if (!limit_s) return 0;
    return limit_s > age_s ? limit_s - age_s : 1;
}

static void move_comp(struct child_sa *c, bool out)
{
    const struct xfrm_api *xfrm = &c->sa->ike->env.xfrm;
    struct xfrm_sa_id id = told_comp_id(c, out);
    struct xfrm_sa x;
    struct why why = {0};
    if (!id.spi) return;
    IGNORE(xfrm->ops->sa_del(xfrm->ctx, &id)); // may have been flushed by hand
    told_comp(&x, c, out);
    if (xfrm->ops->sa_add(xfrm->ctx, &x, &why) == ERR_OK) return;
    tell(c->sa->ike, c->sa, LOG_ERROR, "the executor refused to move IPComp of %s: %s",
         c->conf->name, why.text);
}

static bool same_encap(const struct xfrm_encap *a, const struct xfrm_encap *b)
{
    return a->type == b->type && a->sport == b->sport && a->dport == b->dport;
}

// pavise-xfrmd puts the SA to rest, it goes on elsewhere, and no number is left out. A kernel
// copies an SA while the old one still sends: with a counter as nonce no number may be used twice.
static bool migrate_out(struct child_sa *c, struct xfrm_sa_id *id, struct xfrm_sa *x)
{
    const struct xfrm_api *xfrm = &c->sa->ike->env.xfrm;
    struct xfrm_sa there = {.proto = x->proto, .family = x->family}, found;
    struct selectors s;
    struct xfrm_sa_id new = *id;
    if (c->sa->ike->opt.executor_is_kernel || !xfrm->ops->migrate) return false;
    if (!c->policies_there || c->mode == XFRM_TRANSPORT || c->cpi_out ||
        selectors_make(c->local_ts, c->remote_ts, &s) != ERR_OK)
        return false;
    told_where(&there, c->sa, true);
    // A migration can put an SA into UDP, but not take it out.
    if (x->encap.type && !there.encap.type) return false;
    struct xfrm_migrate g = {.sel = s.at[0], .dir = XFRM_OUT, .if_id = x->if_id, .count = 1};
    g.encap_given = true;
    g.encap = there.encap;
    g.move[0] = (struct xfrm_move){.old_saddr = x->saddr,
                                   .old_daddr = x->daddr,
                                   .new_saddr = there.saddr,
                                   .new_daddr = there.daddr,
                                   .proto = x->proto,
                                   .mode = x->mode,
                                   .reqid = x->reqid};
    if (xfrm->ops->migrate(xfrm->ctx, &g, NULL) != ERR_OK) return false;
    new.daddr = g.move[0].new_daddr;
    if (xfrm->ops->sa_get(xfrm->ctx, &new, &found) != ERR_OK) return false;
    *x = found;
    *id = new;
    wipe(&found, sizeof found);
    return same_encap(&x->encap, &g.encap);
}

// The executor keeps keys and sequence numbers: they are read, given a new address, and put back.
static void move_sa(struct child_sa *c, bool out)
{
    const struct xfrm_api *xfrm = &c->sa->ike->env.xfrm;
    struct xfrm_sa_id id = told_id(c, out);
    struct xfrm_sa x;
    struct why why = {0};
    uint64_t age_s = (ike_now(c->sa->ike) - c->installed_at) / NSEC_PER_SEC;
    if (xfrm->ops->sa_get(xfrm->ctx, &id, &x) != ERR_OK) return;
    if (out && migrate_out(c, &id, &x)) {
        wipe(&x, sizeof x);
        return;
    }
    told_where(&x, c->sa, out);
    x.limit.soft_add_s = left(c->rekey_s, age_s); // its age starts anew, its lifetime does not
    x.limit.hard_add_s = left(c->life_s, age_s);
    if (out) leap(&x);
    IGNORE(xfrm->ops->sa_del(xfrm->ctx, &id)); // it was there a moment ago
    if (xfrm->ops->sa_add(xfrm->ctx, &x, &why) != ERR_OK) {
        tell(c->sa->ike, c->sa, LOG_ERROR, "the executor refused to move an SA of %s: %s",
             c->conf->name, why.text);
    }
    wipe(&x, sizeof x);
    move_comp(c, out);
}

// May the peer be there, by its certificate (RFC 3779)?
static bool peer_may_be_at(const struct ike_sa *sa, const ip_t *ip)
{
    const struct block there = {*ip, *ip};
    return !sa->blocks || blocks_around(sa->blocks, &there);
}

static bool ts_follow(struct ts_list *l, const ip_t *from, const ip_t *to)
{
    bool any = false;
    if (from->family != to->family || ip_eq(from, to)) return false;
    for (unsigned i = 0; i < l->n; i++) {
        if (!ip_eq(&l->ts[i].lo, from) || !ip_eq(&l->ts[i].hi, from)) continue;
        l->ts[i].lo = l->ts[i].hi = *to;
        any = true;
    }
    return any;
}

// A selector that is an end of the tunnel and nothing else means whoever is there: strongSwan does
// the same on both sides, without a word. Not behind a NAT: the peer's inner address is another.
static void selectors_follow(struct child_sa *c)
{
    const struct ike_sa *sa = c->sa;
    bool any = ts_follow(c->local_ts, &c->via, &sa->local.ip);
    bool peer = !sa->nat_remote && peer_may_be_at(sa, &sa->remote.ip);
    if (peer && ts_follow(c->remote_ts, &c->remote, &sa->remote.ip)) any = true;
    if (!any || !c->policies_there) return;
    drop_policies(c);
    c->policies_there = true; // in a moment: install_move() puts them back
}

void install_move(struct child_sa *c, unsigned which)
{
    const struct ike_sa *sa = c->sa;
    const struct ike_traffic before = traffic_here(c);
    struct why why = {0};
    if (which & INSTALL_IN) {
        if (c->in_there) move_sa(c, false);
        c->local = sa->local.ip;
        c->from = sa->remote.ip;
    }
    if (which & INSTALL_OUT) {
        if (c->out_there) move_sa(c, true);
        if (c->out_waiting) told_where(c->out_waiting, sa, true);
        selectors_follow(c);
        c->via = sa->local.ip;
        c->remote = sa->remote.ip;
    }
    traffic_moved(c, &before);
    c->udp = ike_sa_udp(sa) && c->chosen->protocol == PROTO_ESP;
    c->moved_at = ike_now(sa->ike);
    if (ike_sa_udp(sa) && c->chosen->protocol == PROTO_AH) {
        tell(sa->ike, sa, LOG_ERROR,
             "AH does not pass the NAT that stands between us and the peer "
             "now: nothing of %s arrives (use esp_proposals)",
             c->conf->name);
    }
    // Templates do not speak of ports: what stays the same is not told to the executor again.
    if (c->policies_there && put_policies(c, &why) != ERR_OK) {
        tell(c->sa->ike, c->sa, LOG_ERROR, "the executor refused to move a policy of %s: %s",
             c->conf->name, why.text);
    }
}

bool install_counted(const struct child_sa *c, bool out, uint64_t *bytes, uint64_t *packets)
{
    const struct xfrm_api *xfrm = &c->sa->ike->env.xfrm;
    struct xfrm_sa_id id = told_id(c, out);
    struct xfrm_sa x;
    bool there = out ? c->out_there : c->in_there;
    if (!there || xfrm->ops->sa_get(xfrm->ctx, &id, &x) != ERR_OK) return false;
    *bytes = x.current.bytes;
    *packets = x.current.packets;
    wipe(&x, sizeof x);
    return true;
}

static uint64_t packets(const struct child_sa *c, bool out)
{
    uint64_t bytes, count = 0;
    return install_counted(c, out, &bytes, &count) ? count : 0;
}

uint64_t install_packets_in(const struct child_sa *c)
{
    return packets(c, false);
}

uint64_t install_packets(const struct child_sa *c)
{
    return packets(c, false) + packets(c, true);
}

bool install_confirmed(struct child_sa *c)
{
    uint64_t patience = c->takes_over ? CHILD_TAKEOVER_NS : CHILD_CONFIRM_NS;
    bool old = ike_now(c->sa->ike) - c->installed_at >= patience;
    if (c->unconfirmed && (old || install_packets_in(c))) c->unconfirmed = false;
    return !c->unconfirmed;
}

void install_sweep(struct child_sa *c)
{
    c->sweep_at = DUE_NEVER;
    unsigned n = stale_sweep(c);
    if (n) {
        tell(c->sa->ike, c->sa, LOG_STORY, "removed %u SAs of %s that an earlier run had left", n,
             c->conf->name);
    }
}

void install_sweep_early(struct child_sa *c)
{
    if (c->sweep_at == DUE_NEVER || !stale_serves(c)) return;
    for (const struct ike_sa *sa = c->sa->ike->all; sa; sa = sa->next) {
        for (const struct child_sa *o = sa->children; o; o = o->next)
            if (o != c && o->conf == c->conf && o->sweep_at != DUE_NEVER) return;
    }
    install_sweep(c);
}
