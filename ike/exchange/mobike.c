// mobike.c - the Notifies of MOBIKE, in both directions (RFC 4555).
#include "ike/exchange/mobike.h"

#include <string.h>

#include "base/words.h"
#include "ike/exchange/close.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/message.h"
#include "ike/exchange/move.h"
#include "ike/exchange/natd.h"
#include "ike/exchange/request.h"
#include "ike/exchange/roam.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/install.h"
#include "ike/sa/retransmit.h"

#define COOKIE2_MIN 8 // RFC 4555 4.2.5
#define COOKIE2_MAX 64
#define NAT_TRIES 5 // updates that a NAT may spoil where none is allowed

// ---- NO_NATS_ALLOWED ---------------------------------------------------------------------------

#define NO_NATS_MAX (2 * 16 + 4)

// Both addresses, then both ports.
static span_t no_nats(const endpoint_t *from, const endpoint_t *to, uint8_t buf[NO_NATS_MAX])
{
    wr_t w = wr_into(buf, NO_NATS_MAX);
    wr_bytes(&w, span(from->ip.b, ip_len(from->ip.family)));
    wr_bytes(&w, span(to->ip.b, ip_len(to->ip.family)));
    wr_u16(&w, from->port);
    wr_u16(&w, to->port);
    return wr_span(&w);
}

// rfc4555 3.9 MUST: without NAT traversal nobody on the way may change the addresses that count.
static void put_no_nats(struct ike_sa *sa, struct msgw *m)
{
    uint8_t buf[NO_NATS_MAX];
    if (!sa->roam.natt) put_notify(m, N_NO_NATS_ALLOWED, no_nats(&sa->local, &sa->remote, buf));
}

static bool nat_forbidden(const struct turn *t)
{
    struct notify n;
    uint8_t buf[NO_NATS_MAX];
    if (notify_find(t->in, N_NO_NATS_ALLOWED, &n) != ERR_OK) return false;
    return !span_eq(n.data, no_nats(&t->d->from, &t->d->to, buf));
}

err_t mobike_judge(struct turn *t)
{
    if (!t->sa->conn->conf.mobike || !nat_forbidden(t)) return ERR_OK;
    return refuse(t, N_UNEXPECTED_NAT_DETECTED, ERR_CLOSED,
                  "somebody has changed the addresses of the peer's message, who forbids it");
}

// ---- IKE_AUTH ----------------------------------------------------------------------------------

static void put_addresses(struct ike_sa *sa, struct msgw *m)
{
    struct roam *r = &sa->roam;
    ip_t others[ROAM_ADDRS_MAX];
    roam_set_ours(r, others, roam_others(sa, others));
    for (unsigned i = 0; i < r->ours_n; i++) {
        const ip_t *ip = &r->ours[i];
        bool v4 = ip->family == AF_INET;
        put_notify(m, v4 ? N_ADDITIONAL_IP4_ADDRESS : N_ADDITIONAL_IP6_ADDRESS,
                   span(ip->b, ip_len(ip->family)));
    }
}

void mobike_put(struct ike_sa *sa, struct msgw *m)
{
    if (!sa->conn->conf.mobike) return;
    put_notify(m, N_MOBIKE_SUPPORTED, span(NULL, 0));
    put_addresses(sa, m);
    if (sa->initiator) put_no_nats(sa, m);
}

// Could a peer be there? Not at addresses of nobody, of everybody, of this host or of one cable.
static bool is_host(const ip_t *ip)
{
    bool v4 = ip->family == AF_INET, loopback6 = ip->b[15] == 1;
    if (ip_is_any(ip)) return false;
    if (v4) return ip->b[0] != 0 && ip->b[0] != 127 && ip->b[0] < 224;
    for (unsigned i = 0; i < 15 && loopback6; i++) loopback6 = ip->b[i] == 0;
    bool link_local = ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
    return ip->b[0] != 0xff && !link_local && !loopback6;
}

static bool take_address(const struct notify *n, ip_t *out)
{
    bool v4 = n->type == N_ADDITIONAL_IP4_ADDRESS, v6 = n->type == N_ADDITIONAL_IP6_ADDRESS;
    uint16_t family = v4 ? AF_INET : AF_INET6;
    if ((!v4 && !v6) || n->data.len != ip_len(family)) return false;
    *out = ip_from(family, n->data.at);
    return is_host(out);
}

// Replaces what we knew (RFC 4555 3.6). false: the message does not speak of addresses.
static bool take_addresses(struct roam *r, const struct msg *in)
{
    struct notify n;
    bool spoken = notify_find(in, N_NO_ADDITIONAL_ADDRESSES, &n) == ERR_OK;
    unsigned count = 0;
    ip_t all[ROAM_ADDRS_MAX];
    for (unsigned i = 0; i < in->n; i++) {
        const struct payload *p = &in->payload[i];
        ip_t ip;
        if (p->type != PAYLOAD_N || notify_read(p->body, &n) != ERR_OK) continue;
        if (!take_address(&n, &ip)) continue;
        spoken = true;
        if (count < ROAM_ADDRS_MAX) all[count++] = ip;
    }
    if (spoken) roam_set_theirs(r, all, count);
    return spoken;
}

void mobike_agree(struct ike_sa *sa, const struct msg *in)
{
    struct notify n;
    struct roam *r = &sa->roam;
    r->on = sa->conn->conf.mobike && notify_find(in, N_MOBIKE_SUPPORTED, &n) == ERR_OK;
    r->decides = sa->initiator;
    if (!r->on) return;
    (void)take_addresses(r, in);
    tell(sa->ike, sa, LOG_STORY, SAY_MOBIKE);
}

bool mobike_floats(const struct ike_sa *sa)
{
    // rfc4555 3.3 MUST: port 4500 from IKE_AUTH on, so that no NAT on another path needs a change.
    return sa->conn->conf.mobike && sa->roam.natt;
}

// ---- COOKIE2 -----------------------------------------------------------------------------------

static void put_cookie(struct ike_sa *sa, struct msgw *m)
{
    struct roam *r = &sa->roam;
    sa->ike->env.random(sa->ike->env.ctx, r->cookie, sizeof r->cookie);
    put_notify(m, N_COOKIE2, SPAN(r->cookie));
}

static bool cookie_fits(struct turn *t)
{
    struct notify n;
    struct ike_sa *sa = t->sa;
    bool there = notify_find(t->in, N_COOKIE2, &n) == ERR_OK;
    if (there && span_eq(n.data, SPAN(sa->roam.cookie))) return true;
    // rfc4555 3.7 MUST: who answers with another cookie has not seen the question.
    tell(t->ike, sa, LOG_ERROR, "the peer did not return our COOKIE2: closing the IKE SA");
    close_ike_ask(sa, CLOSED_FAILED, 0, NULL);
    return false;
}

static void return_cookie(struct turn *t)
{
    struct notify n;
    if (notify_find(t->in, N_COOKIE2, &n) != ERR_OK) return;
    if (n.data.len < COOKIE2_MIN || n.data.len > COOKIE2_MAX) return;
    put_notify(&t->out, N_COOKIE2, n.data); // rfc4555 3.7 MUST: as it is
}

// ---- we decide ---------------------------------------------------------------------------------

err_t mobike_move_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    (void)t, (void)why;
    sa->roam.pending = false;
    tell(sa->ike, sa, LOG_STORY, SAY_MOVE);
    put_notify(m, N_UPDATE_SA_ADDRESSES, span(NULL, 0));
    if (sa->roam.natt) natd_put(sa, m);
    put_no_nats(sa, m);
    put_cookie(sa, m);
    return ERR_OK;
}

// How the peer sees us. Does it differ from the last time?
static bool seen_otherwise(struct ike_sa *sa, const struct msg *in)
{
    struct roam *r = &sa->roam;
    struct notify n;
    if (notify_find(in, N_NAT_DETECTION_DESTINATION_IP, &n) != ERR_OK) return false;
    if (n.data.len != sizeof r->seen) return false;
    bool same = r->seen_known && memcmp(r->seen, n.data.at, sizeof r->seen) == 0;
    memcpy(r->seen, n.data.at, sizeof r->seen);
    r->seen_known = true;
    return !same;
}

static void keepalives(struct ike_sa *sa)
{
    uint64_t every = sa->ike->opt.keepalive_ns;
    bool wanted = sa->nat_local && every;
    ike_sa_timer(sa, TIMER_KEEPALIVE, wanted ? ike_now(sa->ike) + every : DUE_NEVER);
}

static err_t move_refused(struct turn *t, const struct notify *n)
{
    char name[40];
    struct why why;
    // rfc4555 3.9 SHOULD: several times, since it takes only one changed packet to say this.
    if (n->type == N_UNEXPECTED_NAT_DETECTED && ++t->sa->roam.refusals < NAT_TRIES) {
        roam_announce(t->sa);
        return ERR_OK;
    }
    const char *hint = n->type == N_UNEXPECTED_NAT_DETECTED ? MOBIKE_NAT_HINT : "";
    err_t err = why_not(&why, ERR_CLOSED, "the peer does not accept our addresses: %s%s",
                        notify_name(n->type, name), hint);
    tell(t->ike, t->sa, LOG_WARN, "%s", why.text);
    if (!roam_refused(t->sa)) close_ike(t->sa, CLOSED_DEAD, err, why.text);
    return ERR_OK;
}

err_t mobike_move_on_response(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct notify n;
    char us[ENDPOINT_TEXT_MAX], peer[ENDPOINT_TEXT_MAX];
    if (sa->state != IKE_UP || !cookie_fits(t)) return ERR_OK;
    if (sa->roam.pending) { // rfc4555 3.5: we have moved on since then
        roam_announce(sa);
        return ERR_OK;
    }
    if (notify_find_error(t->in, &n) == ERR_OK) return move_refused(t, &n);
    natd_take_again(sa, t->in, t->d);
    (void)seen_otherwise(sa, t->in);
    sa->roam.refusals = 0;
    tell(t->ike, sa, LOG_STORY, "we are at %s now, and the peer at %s knows it",
         endpoint_show(&sa->local, us), endpoint_show(&sa->remote, peer));
    move_children(sa, INSTALL_IN | INSTALL_OUT);
    keepalives(sa);
    return ERR_OK;
}

err_t mobike_addresses_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    (void)t, (void)why;
    tell(sa->ike, sa, LOG_STORY, SAY_ADDRESSES);
    put_addresses(sa, m);
    if (!sa->roam.ours_n) put_notify(m, N_NO_ADDITIONAL_ADDRESSES, span(NULL, 0));
    put_no_nats(sa, m);
    return ERR_OK;
}

err_t mobike_addresses_on_response(struct turn *t)
{
    (void)t; // that it is there is all
    return ERR_OK;
}

void mobike_put_probe(struct ike_sa *sa, struct msgw *m)
{
    const struct roam *r = &sa->roam;
    if (r->on && r->decides && r->natt && sa->nat_local && !r->ways_n) natd_put(sa, m);
}

void mobike_on_probe(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    if (!sa->roam.on || !sa->roam.decides || sa->state != IKE_UP || sa->roam.pending) return;
    if (!seen_otherwise(sa, t->in)) return;
    tell(t->ike, sa, LOG_STORY, SAY_NAT_CHANGED);
    roam_announce(sa);
}

// ---- the peer decides --------------------------------------------------------------------------

static void follow(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    char peer[ENDPOINT_TEXT_MAX];
    bool elsewhere = !endpoint_eq(&sa->remote, &t->d->from);
    move_ends(sa, &t->d->to, &t->d->from);
    natd_take_again(sa, t->in, t->d);
    tell(t->ike, sa, LOG_STORY, "the peer is at %s now", endpoint_show(&sa->remote, peer));
    // What comes in can do no harm; what goes out waits until the peer has shown that it is there.
    move_children(sa, elsewhere ? INSTALL_IN : INSTALL_IN | INSTALL_OUT);
    keepalives(sa);
    if (!elsewhere) return;
    if (sa->active) retransmit_anew(sa); // the answer could not find us any more
    roam_ask_first(sa, TASK_WHERE);      // starts when the answer is out
}

static void on_update(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    char here[ENDPOINT_TEXT_MAX];
    if (sa->roam.decides) {
        tell(t->ike, sa, LOG_WARN, "the peer wants to decide about addresses, which is ours to do");
        return;
    }
    // Where the peer may be is not asked: remote_addrs says who is called, and who has called has
    // proved who it is.
    if (!roam_may_be_here(sa, &t->d->to.ip)) {
        tell(t->ike, sa, LOG_WARN,
             "the peer wants to reach us at %s, which the local_addrs of %s do not allow",
             endpoint_show(&t->d->to, here), ike_sa_name(sa));
        put_notify(&t->out, N_UNACCEPTABLE_ADDRESSES, span(NULL, 0));
        return;
    }
    follow(t);
}

void mobike_on_request(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    struct notify n;
    bool update = notify_find(t->in, N_UPDATE_SA_ADDRESSES, &n) == ERR_OK;
    bool natd = notify_find(t->in, N_NAT_DETECTION_SOURCE_IP, &n) == ERR_OK;
    if (!sa->roam.on || sa->state != IKE_UP) return return_cookie(t);
    if (nat_forbidden(t)) {
        tell(t->ike, sa, LOG_WARN, "somebody has changed the addresses of the peer's message");
        put_notify(&t->out, N_UNEXPECTED_NAT_DETECTED, span(NULL, 0));
        return return_cookie(t);
    }
    if (take_addresses(&sa->roam, t->in)) roam_peer_moved(sa, &t->d->from.ip);
    if (update) on_update(t);
    // rfc4555 3.8 MUST: asked for how the sender is seen, we say it.
    if (natd && sa->roam.natt) natd_put_at(sa, &t->out, &t->d->to, &t->d->from);
    return_cookie(t);
}

err_t mobike_where_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    (void)t, (void)why;
    sa->roam.checked = sa->remote;
    put_cookie(sa, m);
    return ERR_OK;
}

err_t mobike_where_on_response(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    // An answer that another address may have seen, too, shows nothing; the next check will.
    bool moved_on = !endpoint_eq(&sa->roam.checked, &sa->remote);
    if (sa->state != IKE_UP || !cookie_fits(t) || moved_on) return ERR_OK;
    tell(t->ike, sa, LOG_DEBUG, "the peer is where it says: its traffic follows");
    move_children(sa, INSTALL_OUT);
    keepalives(sa);
    return ERR_OK;
}
