#include "ike/exchange/roam.h"

#include "base/words.h"
#include "ike/exchange/close.h"
#include "ike/exchange/move.h"
#include "ike/exchange/request.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"
#include "ike/sa/retransmit.h"
#include "ike/sa/vip.h"

#define HERE_MAX 256                       // addresses of this host that are looked at
#define NEWS_SPREAD_NS (5 * NSEC_PER_MSEC) // for each IKE SA, between all that have the same news
#define DOUBT_AFTER 2 // repetitions without an answer: then other ways are tried, too

struct here { // this host's addresses
    unsigned n;
    ip_t ip[HERE_MAX];
};

static void here_look(struct ike *ike, struct here *h)
{
    const struct env *env = &ike->env;
    unsigned all = env->addresses ? env->addresses(env->ctx, h->ip, HERE_MAX) : 0;
    h->n = all;
    if (all == HERE_MAX) return;
    h->n = 0;
    for (unsigned i = 0; i < all; i++) {
        if (!vips_has(ike, &h->ip[i])) h->ip[h->n++] = h->ip[i]; // those are inside of tunnels
    }
}

static bool among(const ip_t *list, unsigned n, const ip_t *ip)
{
    for (unsigned i = 0; i < n; i++) {
        if (ip_eq(&list[i], ip)) return true;
    }
    return false;
}

// With more addresses than we look at, each counts as there.
static bool is_here(const struct here *h, const ip_t *ip)
{
    return h->n == HERE_MAX || among(h->ip, h->n, ip);
}

// Does an address belong to a network behind us? From there nobody can reach us outside the tunnel.
static bool is_inner(const struct ike_sa *sa, const ip_t *ip)
{
    const struct conf_conn *f = &sa->conn->conf;
    for (unsigned i = 0; i < f->child_n; i++) {
        for (unsigned k = 0; k < f->child[i].local_n; k++) {
            const struct conf_ts *ts = &f->child[i].local_ts[k];
            prefix_t all = {.ip = {.family = ts->lo.family}};
            ip_t first, last;
            if (ts->dynamic || ts->lo.family != ip->family) continue;
            prefix_range(&all, &first, &last);
            bool everything = ip_eq(&first, &ts->lo) && ip_eq(&last, &ts->hi);
            bool inside = ip_cmp(ip, &ts->lo) >= 0 && ip_cmp(ip, &ts->hi) <= 0;
            if (inside && !everything) return true;
        }
    }
    return false;
}

unsigned roam_others(const struct ike_sa *sa, ip_t *out)
{
    struct here h;
    unsigned n = 0;
    here_look(sa->ike, &h);
    for (unsigned i = 0; i < h.n && n < ROAM_ADDRS_MAX; i++) {
        const ip_t *ip = &h.ip[i];
        if (ip_eq(ip, &sa->local.ip) || among(out, n, ip)) continue;
        if (conn_may_be_local(sa->conn, ip) && !is_inner(sa, ip)) out[n++] = *ip;
    }
    return n;
}

// ---- ways --------------------------------------------------------------------------------------

struct ways {
    unsigned n;
    struct way at[ROAM_WAYS_MAX];
};

static void ways_add(struct ways *w, const ip_t *local, const ip_t *remote)
{
    for (unsigned i = 0; i < w->n; i++) {
        if (ip_eq(&w->at[i].local, local) && ip_eq(&w->at[i].remote, remote)) return;
    }
    if (w->n < ROAM_WAYS_MAX) w->at[w->n++] = (struct way){*local, *remote};
}

// local_addrs says where we want to be; when this host has none of these any more, it is wherever
// the routes find.
static bool may_be_ours(const struct ike_sa *sa, const struct here *h, const ip_t *ip)
{
    if (conn_may_be_local(sa->conn, ip)) return true;
    for (unsigned i = 0; i < h->n; i++) {
        if (h->ip[i].family == ip->family && conn_may_be_local(sa->conn, &h->ip[i])) return false;
    }
    return true;
}

bool roam_may_be_here(const struct ike_sa *sa, const ip_t *ip)
{
    struct here h;
    if (conn_may_be_local(sa->conn, ip)) return true;
    here_look(sa->ike, &h);
    return may_be_ours(sa, &h, ip);
}

// From the address that the routes choose, if the connection allows it; and from every other one
// that local_addrs names.
static void ways_to(const struct ike_sa *sa, const struct here *h, const ip_t *remote,
                    struct ways *w)
{
    const struct env *env = &sa->ike->env;
    ip_t pick = env->source_for(env->ctx, remote);
    if (pick.family != remote->family) return; // no route
    if (may_be_ours(sa, h, &pick)) ways_add(w, &pick, remote);
    for (unsigned i = 0; i < h->n; i++) {
        const ip_t *ip = &h->ip[i];
        if (ip->family == remote->family && conn_names_local(sa->conn, ip)) {
            ways_add(w, ip, remote);
        }
    }
}

static void ways_find(const struct ike_sa *sa, const struct here *h, struct ways *w)
{
    const struct roam *r = &sa->roam;
    w->n = 0;
    ways_to(sa, h, &sa->remote.ip, w);
    for (unsigned i = 0; i < r->theirs_n; i++) ways_to(sa, h, &r->theirs[i], w);
}

static bool is_way(const struct ike_sa *sa, const struct way *w)
{
    return ip_eq(&sa->local.ip, &w->local) && ip_eq(&sa->remote.ip, &w->remote);
}

// The address that the peer leaves is still its own: of its list it was the one not told.
static void remember(struct roam *r, const ip_t *ip)
{
    ip_t all[ROAM_ADDRS_MAX];
    if (among(r->theirs, r->theirs_n, ip) || r->theirs_n >= ROAM_ADDRS_MAX) return;
    for (unsigned i = 0; i < r->theirs_n; i++) all[i] = r->theirs[i];
    all[r->theirs_n] = *ip;
    roam_set_theirs(r, all, r->theirs_n + 1);
}

static void go(struct ike_sa *sa, const struct way *w)
{
    if (!ip_eq(&w->remote, &sa->remote.ip)) remember(&sa->roam, &sa->remote.ip);
    const endpoint_t local = {w->local, sa->local.port}, remote = {w->remote, sa->remote.port};
    move_ends(sa, &local, &remote);
}

// What is being asked goes over the new way at once; or else there is something to ask.
static void speak(struct ike_sa *sa, enum task_kind kind)
{
    if (sa->active) {
        retransmit_anew(sa);
        return;
    }
    if (!queue_find(&sa->queue, kind, 0)) request_add(sa, request_task(kind, NULL));
}

void roam_ask_first(struct ike_sa *sa, enum task_kind kind)
{
    if (queue_find(&sa->queue, kind, 0)) return;
    struct task *t = request_task(kind, NULL);
    if (t) queue_push_front(&sa->queue, t);
}

void roam_announce(struct ike_sa *sa)
{
    sa->roam.pending = true;
    roam_ask_first(sa, TASK_MOVE);
}

static void seek(struct ike_sa *sa, const struct here *h)
{
    struct roam *r = &sa->roam;
    struct ways w;
    char us[IP_TEXT_MAX], peer[IP_TEXT_MAX];
    tell(sa->ike, sa, LOG_STORY, SAY_PATH_LOOK, ip_show(&sa->remote.ip, peer));
    ways_find(sa, h, &w);
    roam_set_ways(r, NULL, 0);
    r->pending = true;
    if (w.n == 0) {
        tell(sa->ike, sa, LOG_STORY, SAY_PATH_NONE, ip_show(&sa->remote.ip, peer));
        tell(sa->ike, sa, LOG_WARN, "there is no way to the peer: waiting for the network");
        return;
    }
    // The peer's address stays if it can be reached from here; the others are for when it does not
    // answer (roam_doubt).
    if (w.n == 1 || ip_eq(&w.at[0].remote, &sa->remote.ip)) {
        tell(sa->ike, sa, LOG_STORY, "the way to the peer is from %s to %s now",
             ip_show(&w.at[0].local, us), ip_show(&w.at[0].remote, peer));
        go(sa, &w.at[0]);
        if (sa->active) roam_announce(sa);
        speak(sa, TASK_MOVE);
        return;
    }
    tell(sa->ike, sa, LOG_STORY, "looking for a way to the peer: there are %u", w.n);
    roam_set_ways(r, w.at, w.n);
    speak(sa, TASK_PROBE);
}

// ---- what happens ------------------------------------------------------------------------------

// Is the route still there, and from our address? One that local_addrs names stays as long as it
// is there, whatever the routes would choose.
static bool still_good(const struct ike_sa *sa, const struct here *h)
{
    const struct env *env = &sa->ike->env;
    if (!is_here(h, &sa->local.ip)) return false;
    ip_t pick = env->source_for(env->ctx, &sa->remote.ip);
    if (pick.family != sa->remote.ip.family) return false;
    return ip_eq(&pick, &sa->local.ip) || conn_names_local(sa->conn, &sa->local.ip) ||
           !conn_may_be_local(sa->conn, &pick);
}

// rfc4555 3.5: who does not decide may use another address when its own one is gone, and says so.
static void answer_from_elsewhere(struct ike_sa *sa, const struct here *h)
{
    const struct env *env = &sa->ike->env;
    char us[IP_TEXT_MAX];
    if (is_here(h, &sa->local.ip)) return;
    ip_t pick = env->source_for(env->ctx, &sa->remote.ip);
    if (pick.family != sa->remote.ip.family || !may_be_ours(sa, h, &pick)) return;
    tell(sa->ike, sa, LOG_STORY, "our address is gone: we go on from %s", ip_show(&pick, us));
    go(sa, &(struct way){pick, sa->remote.ip});
    move_children(sa, INSTALL_IN | INSTALL_OUT);
    roam_ask_first(sa, TASK_ADDRESSES);
    if (sa->active) retransmit_anew(sa);
    request_next(sa);
}

// One of ours has come or gone, and every peer is to know: not all of them in the same moment.
static void tell_addresses(struct ike_sa *sa)
{
    const struct ike *ike = sa->ike;
    if (queue_find(&sa->queue, TASK_ADDRESSES, 0)) return;
    struct task *t = request_task(TASK_ADDRESSES, NULL);
    if (!t) return;
    t->not_before = ike_now(ike) + ike_random_below(sa->ike, ike->table.n * NEWS_SPREAD_NS);
    request_add(sa, t);
}

static bool told_all(const struct ike_sa *sa)
{
    ip_t now[ROAM_ADDRS_MAX];
    const struct roam *r = &sa->roam;
    unsigned n = roam_others(sa, now);
    if (n != r->ours_n) return false;
    for (unsigned i = 0; i < n; i++) {
        if (!among(r->ours, r->ours_n, &now[i])) return false;
    }
    return true;
}

// The peer rekeyed it and may have missed our answer: it repeats its request to where we were, and
// knows of no other IKE SA that could tell it better.
static void look_rekeyed(struct ike_sa *sa, const struct here *h)
{
    struct ways w;
    if (!sa->roam.decides || still_good(sa, h)) return;
    ways_find(sa, h, &w);
    if (!w.n) return;
    go(sa, &w.at[0]);
    roam_announce(sa);
    if (sa->active) retransmit_anew(sa);
    request_next(sa);
}

void roam_look(struct ike_sa *sa)
{
    struct here h;
    struct roam *r = &sa->roam;
    if (!r->on || !sa->ike->env.addresses) return;
    here_look(sa->ike, &h);
    if (sa->state == IKE_REKEYED) look_rekeyed(sa, &h);
    if (sa->state != IKE_UP || sa->rekeyed || sa->elder) return;
    // Who follows only looks whether its address is there: routes change often where many call.
    bool good = r->decides ? still_good(sa, &h) : is_here(&h, &sa->local.ip);
    if (!good) tell(sa->ike, sa, LOG_STORY, SAY_PATH_GONE);
    if (r->decides && (!good || r->pending)) {
        seek(sa, &h);
    } else if (!good) {
        answer_from_elsewhere(sa, &h);
    } else if (!told_all(sa)) {
        tell_addresses(sa);
    }
}

void roam_look_all(struct ike *ike)
{
    for (struct ike_sa *sa = ike->all; sa; sa = sa->next) roam_look(sa);
}

void roam_doubt(struct ike_sa *sa)
{
    struct roam *r = &sa->roam;
    struct here h;
    struct ways w;
    if (!r->on || !r->decides || sa->state != IKE_UP || r->ways_n) return;
    bool moving = sa->active && sa->active->kind == TASK_MOVE;
    if (sa->retransmits < (moving ? 0 : DOUBT_AFTER)) return;
    here_look(sa->ike, &h);
    ways_find(sa, &h, &w);
    if (w.n == 0 || (w.n == 1 && is_way(sa, &w.at[0]))) return;
    tell(sa->ike, sa, LOG_STORY, "no answer: trying %u ways to the peer", w.n);
    r->pending = moving;
    roam_set_ways(r, w.at, w.n);
}

void roam_answered(struct ike_sa *sa, const struct datagram *d)
{
    struct roam *r = &sa->roam;
    char us[IP_TEXT_MAX], peer[IP_TEXT_MAX];
    unsigned i = 0;
    if (!r->ways_n) return;
    // Only a way that we have tried: where an answer claims to come from, nothing proves.
    while (i < r->ways_n &&
           !(ip_eq(&r->ways[i].local, &d->to.ip) && ip_eq(&r->ways[i].remote, &d->from.ip))) {
        i++;
    }
    const struct way way = r->ways[i < r->ways_n ? i : 0], *w = &way;
    roam_set_ways(r, NULL, 0);
    if (is_way(sa, w) && !r->pending) return; // the old one works after all
    tell(sa->ike, sa, LOG_STORY, "the peer answers on the way from %s to %s",
         ip_show(&w->local, us), ip_show(&w->remote, peer));
    go(sa, w);
    roam_announce(sa);
}

void roam_peer_moved(struct ike_sa *sa, const ip_t *from)
{
    struct roam *r = &sa->roam;
    struct here h;
    if (!r->decides) return;
    bool gone = !ip_eq(from, &sa->remote.ip) && !among(r->theirs, r->theirs_n, &sa->remote.ip);
    if (!gone) return;
    here_look(sa->ike, &h);
    sa->remote.ip = *from;
    ike_sa_placed(sa);
    seek(sa, &h);
}

bool roam_refused(struct ike_sa *sa)
{
    struct here h;
    struct ways w;
    here_look(sa->ike, &h);
    ways_find(sa, &h, &w);
    unsigned at = 0;
    while (at < w.n && !is_way(sa, &w.at[at])) at++;
    if (w.n < 2 || ++sa->roam.refusals >= w.n) return false;
    go(sa, &w.at[(at + 1) % w.n]); // each in turn, none twice
    roam_announce(sa);
    return true;
}

void roam_inherit(const struct ike_sa *old, struct ike_sa *heir)
{
    if (!old->roam.on) return;
    roam_copy(&heir->roam, &old->roam);
    heir->roam.seen_known = false; // the hash covers the SPIs
    heir->local = old->local;
    heir->remote = old->remote;
    ike_sa_placed(heir);
    heir->nat_local = old->nat_local;
    heir->nat_remote = old->nat_remote;
    // What the old one has asked may stay without an answer: it is asked once more.
    enum task_kind asked = old->active ? old->active->kind : TASK_NONE;
    if (asked == TASK_WHERE) roam_ask_first(heir, TASK_WHERE);
    if (asked == TASK_MOVE) roam_announce(heir);
    if (heir->roam.ways_n) roam_ask_first(heir, TASK_PROBE);
}
