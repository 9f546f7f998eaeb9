#include "ike/exchange/timers.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "base/words.h"
#include "ike/exchange/close.h"
#include "ike/exchange/followup.h"
#include "ike/exchange/move.h"
#include "ike/exchange/open.h"
#include "ike/exchange/redirect.h"
#include "ike/exchange/request.h"
#include "ike/exchange/roam.h"
#include "ike/sa/child_sa.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/idle.h"
#include "ike/sa/install.h"
#include "ike/sa/retransmit.h"
#include "ike/sa/selector.h"

// What has come back so far, and what that makes likely.
static const char *silence_means(const struct ike_sa *sa)
{
    if (sa->state == IKE_INIT_SENT)
        return "nothing ever came back: is the address right, does an IKE daemon run there, and is "
               "UDP 500 let through?";
    if (sa->state != IKE_AUTH_SENT && sa->state != IKE_BETWEEN) return "it had answered before";
    if (sa->remote.port != 500)
        return "it had answered IKE_SA_INIT on UDP port 500: is UDP 4500 let through, in both "
               "directions?";
    return "it had answered IKE_SA_INIT: are large packets or fragments dropped on the way?";
}

// No answer to our request, however often it was repeated.
static void given_up(struct ike_sa *sa)
{
    char peer[ENDPOINT_TEXT_MAX];
    struct why why;
    err_t err = why_not(&why, ERR_TIMEOUT, "%s does not answer (sent %u times); %s",
                        endpoint_show(&sa->remote, peer), sa->retransmits + 1, silence_means(sa));
    bool opening =
        sa->state == IKE_INIT_SENT || sa->state == IKE_BETWEEN || sa->state == IKE_AUTH_SENT;
    tell(sa->ike, sa, LOG_STORY, SAY_GIVING_UP, sa->retransmits);
    tell_alert(sa->ike, sa, ALERT_RETRANSMIT_SEND_TIMEOUT);
    if (sa->state == IKE_INIT_SENT) tell_alert(sa->ike, sa, ALERT_PEER_INIT_UNREACHABLE);
    tell(sa->ike, sa, LOG_ERROR, "%s", why.text);
    if (opening) tell(sa->ike, sa, LOG_STORY, SAY_NO_ANSWER);
    if (opening && open_retry(sa)) {
        close_ike(sa, CLOSED_REPLACED, err, why.text);
        return;
    }
    close_ike(sa, opening ? CLOSED_FAILED : CLOSED_DEAD, err, why.text);
}

static void on_retransmit(struct ike_sa *sa)
{
    roam_doubt(sa);
    if (retransmit_again(sa) != ERR_OK) given_up(sa);
}

static void on_close(struct ike_sa *sa)
{
    char peer[IP_TEXT_MAX];
    if (sa->state == IKE_CLOSED) {
        ike_sa_gone(sa);
    } else if (sa->state == IKE_INIT_SENT) {
        struct why why = sa->opening->refused;
        tell(sa->ike, sa, LOG_ERROR, "%s", why.text);
        close_ike(sa, CLOSED_FAILED, sa->opening->refused_err, why.text);
    } else if (sa->state == IKE_INIT_DONE || sa->state == IKE_AUTH_MORE) {
        tell(sa->ike, sa, LOG_STORY, SAY_HALF_OPEN_OVER, ip_show(&sa->remote.ip, peer));
        tell(sa->ike, sa, LOG_INFO, "the peer began, but never authenticated");
        tell_alert(sa->ike, sa, ALERT_HALF_OPEN_TIMEOUT);
        close_ike(sa, CLOSED_FAILED, ERR_TIMEOUT, "half-open for too long");
    } else {
        close_ike(sa, CLOSED_REPLACED, ERR_TIMEOUT, NULL); // rekeyed, and the peer kept silent
    }
}

static void on_task(struct ike_sa *sa)
{
    request_next(sa);
}

static bool is_accompanied(const struct child_sa *c)
{
    for (const struct child_sa *other = c->sa->children; other; other = other->next) {
        if (other != c && child_sa_in_use(other)) return true;
    }
    return false;
}

static void on_idle(struct child_sa *c)
{
    if (!child_sa_in_use(c)) {
        c->idle_look = DUE_NEVER;
        return;
    }
    if (!idle_is_over(c)) return;
    if (c->sa->ike->opt.idle_closes_ike && !is_accompanied(c)) {
        tell(c->sa->ike, c->sa, LOG_STORY, SAY_IDLE_IKE, idle_limit_s(c));
        close_ike_ask(c->sa, CLOSED_ASKED, 0, NULL);
        return;
    }
    tell(c->sa->ike, c->sa, LOG_STORY, SAY_IDLE_CHILD, idle_limit_s(c));
    close_child_ask(c, CLOSED_ASKED, NULL);
}

static void child_due(struct child_sa *c, uint64_t now)
{
    if (c->switch_look <= now) {
        c->switch_look = now + CHILD_SWITCH_NS;
        if (install_confirmed(c)) install_switch(c);
    }
    if (c->sweep_at <= now) install_sweep(c);
    if (c->idle_look <= now) on_idle(c);
    if (c->linger_until <= now) close_child(c, CLOSED_REPLACED);
}

static void on_child(struct ike_sa *sa)
{
    uint64_t now = ike_now(sa->ike);
    for (struct child_sa *c = sa->children, *next; c; c = next) {
        next = c->next;
        child_due(c, now);
    }
    child_sa_timers(sa);
}

static uint64_t packets_in(const struct ike_sa *sa)
{
    uint64_t sum = 0;
    for (const struct child_sa *c = sa->children; c; c = c->next) sum += install_packets_in(c);
    return sum;
}

// rfc7296 2.4: authentic packets of any kind are a sign of life; the question is for silence.
static void on_probe(struct ike_sa *sa)
{
    uint64_t now = ike_now(sa->ike);
    uint64_t delay = sa->conn->conf.dpd_delay_s * NSEC_PER_SEC;
    if (now - sa->heard_at < delay) {
        ike_sa_timer(sa, TIMER_PROBE, sa->heard_at + delay);
        return;
    }
    ike_sa_timer(sa, TIMER_PROBE, now + delay);
    uint64_t packets = packets_in(sa);
    bool busy = packets > sa->packets_in;
    sa->packets_in = packets;
    if (busy || sa->active) return; // an exchange under way asks the same question
    tell(sa->ike, sa, LOG_STORY, SAY_DPD);
    request_add(sa, request_task(TASK_PROBE, NULL));
}

static void on_keepalive(struct ike_sa *sa)
{
    struct ike *ike = sa->ike;
    struct datagram d = {.from = sa->local, .to = sa->remote, .dscp = sa->conn->conf.dscp};
    char peer[IP_TEXT_MAX];
    tell(ike, sa, LOG_STORY, SAY_KEEPALIVE, ip_show(&sa->remote.ip, peer), sa->remote.port);
    ike->env.send(ike->env.ctx, &d);
    ike_sa_timer(sa, TIMER_KEEPALIVE, ike_now(ike) + ike->opt.keepalive_ns);
}

void timers_rekey_ike(struct ike_sa *sa)
{
    bool active = sa->active && sa->active->kind == TASK_REKEY_IKE;
    if (active || sa->elder || queue_find(&sa->queue, TASK_REKEY_IKE, 0)) return;
    request_add(sa, request_task(TASK_REKEY_IKE, NULL));
}

static void on_reauth(struct ike_sa *sa)
{
    open_reauth(sa);
}

static void on_life(struct ike_sa *sa)
{
    tell(sa->ike, sa, LOG_ERROR, "the IKE SA was not replaced in time (over_time): closing it");
    tell_alert(sa->ike, sa, ALERT_IKE_SA_EXPIRED);
    close_ike_ask(sa, CLOSED_EXPIRED, 0, NULL);
}

// Each clears its timer first (timers_run), so that none can fire for ever.
static void (*const on_timer[TIMERS])(struct ike_sa *sa) = {
    [TIMER_RETRANSMIT] = on_retransmit, [TIMER_CLOSE] = on_close,
    [TIMER_PENDING] = followup_drop,    [TIMER_TASK] = on_task,
    [TIMER_CHILD] = on_child,           [TIMER_PROBE] = on_probe,
    [TIMER_KEEPALIVE] = on_keepalive,   [TIMER_REKEY] = timers_rekey_ike,
    [TIMER_REAUTH] = on_reauth,         [TIMER_LIFE] = on_life,
    [TIMER_REDIRECT] = redirect_look,
};

static struct ike_sa *sa_of(struct due *d)
{
    return (struct ike_sa *)(void *)((char *)d - offsetof(struct ike_sa, due));
}

void timers_run(struct ike *ike)
{
    uint64_t now = ike_now(ike);
    struct due *d;
    while ((d = due_first(&ike->due)) && d->at <= now) {
        struct ike_sa *sa = sa_of(d);
        for (unsigned i = 0; i < TIMERS; i++) {
            if (sa->timer[i] > now) continue;
            ike_sa_timer(sa, (enum ike_timer)i, DUE_NEVER);
            on_timer[i](sa);
        }
    }
}

// ---- events of the executor --------------------------------------------------------------------

void timers_rekey_child(struct child_sa *c)
{
    char peer[IP_TEXT_MAX];
    if (c->state != CHILD_INSTALLED || queue_find(&c->sa->queue, TASK_REKEY_CHILD, c->id)) return;
    struct task *t = request_task(TASK_REKEY_CHILD, NULL);
    if (!t) return;
    tell(c->sa->ike, c->sa, LOG_STORY, SAY_REKEY_CHILD,
         c->chosen->protocol == PROTO_AH ? "AH" : "ESP", c->spi_in, ip_show(&c->local, peer));
    t->child_id = c->id;
    request_add(c->sa, t);
}

static void on_expire(struct ike *ike, const struct xfrm_event *ev)
{
    char to[IP_TEXT_MAX];
    struct child_sa *c = child_sa_of(ike, ev->sa);
    if (!c || ev->sa->larval) return;
    if (!ev->hard) {
        timers_rekey_child(c);
        return;
    }
    if (c->state == CHILD_LINGER) return;
    tell(ike, c->sa, LOG_STORY, SAY_EXPIRED_CHILD, c->chosen->protocol == PROTO_AH ? "AH" : "ESP",
         ev->sa->spi, ip_show(&ev->sa->daddr, to));
    tell(ike, c->sa, LOG_WARN, "child SA %s{%u} was not replaced in time (life_time): closing it",
         c->conf->name, c->id);
    if (c->state == CHILD_REKEYED) {
        close_child_softly(c); // its successor is at work
        return;
    }
    close_child_ask(c, CLOSED_EXPIRED, NULL);
}

// Of the packet that asks for it.
static void tell_acquire(struct ike *ike, const struct xfrm_event *ev, uint32_t reqid)
{
    char from[200], to[200];
    struct ts_list src, dst;
    selector_ts(&ev->trigger, &src, &dst);
    tell(ike, NULL, LOG_STORY, SAY_ACQUIRE, ts_show(&src, from, sizeof from),
         ts_show(&dst, to, sizeof to), reqid);
    if (!ike->opt.libipsec_words) return;
    tell(ike, NULL, LOG_STORY, SAY_ACQUIRE_NO_SA, reqid);
    tell(ike, NULL, LOG_STORY, SAY_ACQUIRE_REQID, reqid);
}

static bool is_one_host(const prefix_t *p)
{
    bool ip = p->ip.family == AF_INET || p->ip.family == AF_INET6;
    return ip && p->len == ip_bits(p->ip.family);
}

// What the packet itself looks like: one address and one port each.
static void packet_of(const struct xfrm_selector *s, struct acquired *a)
{
    bool icmp = s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6;
    struct ts_list src, dst;
    a->known = is_one_host(&s->src) && is_one_host(&s->dst) && !(icmp && s->sport > UINT8_MAX);
    if (!a->known) return;
    selector_ts(s, &src, &dst);
    a->src = src.ts[0];
    a->dst = dst.ts[0];
}

static bool has_child(const struct ike *ike, const struct conn *conn, const struct conf_child *f)
{
    for (struct ike_sa *sa = NULL; (sa = ike_sa_of_name(ike, conn->conf.name, sa));) {
        if (child_sa_by_name(sa, f->name)) return true;
    }
    return false;
}

static void on_acquire(struct ike *ike, const struct xfrm_event *ev)
{
    const char *conn_name, *child_name;
    uint32_t reqid = ev->tmpl ? ev->tmpl->reqid : 0;
    if (!reqid && ev->policy && ev->policy->tmpl_count) reqid = ev->policy->tmpl[0].reqid;
    if (reqid_owner(&ike->reqids, reqid, &conn_name, &child_name) != ERR_OK) return; // not ours
    struct conn *conn = ike_conn(ike, conn_name);
    const struct conf_child *child = conn ? conn_child(conn, child_name) : NULL;
    if (!child || ike->shutdown.on) return;
    tell_acquire(ike, ev, reqid);
    tell(ike, NULL, LOG_INFO, "a packet asks for child SA %s of %s", child_name, conn_name);
    struct open_wish w = {.conn = conn, .child = child, .acquired.seq = ev->seq};
    packet_of(&ev->trigger, &w.acquired);
    if (trap_is_for_anybody(conn, child)) {
        if (!w.acquired.known || !conn_may_be_peer(conn, &ev->trigger.dst.ip)) return;
        w.to = ev->trigger.dst.ip;
    }
    w.acquired.of_cpu = ev->pcpu_given && child->per_cpu && has_child(ike, conn, child);
    w.acquired.cpu = ev->pcpu;
    if (w.acquired.of_cpu) w.acquired.seq = 0; // it does not wait: the SA for all CPUs has it
    open_wish(ike, &w);
}

static void on_mapping(struct ike *ike, const struct xfrm_event *ev)
{
    char us[IP_TEXT_MAX], peer[IP_TEXT_MAX];
    struct child_sa *c = child_sa_of(ike, ev->sa);
    if (!c || c->spi_in != ev->sa->spi || c->sa->state != IKE_UP) return;
    // rfc7296 2.23: only a peer behind a NAT is followed, and only by who is not behind one itself.
    if (!c->sa->nat_remote || c->sa->nat_local) return;
    tell(ike, c->sa, LOG_STORY, SAY_NAT_MAPPING, c->spi_in, ip_show(&c->local, us),
         ip_show(&ev->new_peer.ip, peer), ev->new_peer.port);
    move_to(c->sa, &c->sa->local, &ev->new_peer);
}

void timers_xfrm_event(struct ike *ike, const struct xfrm_event *ev)
{
    if (ev->kind == XFRM_EV_ACQUIRE) on_acquire(ike, ev);
    if (ev->kind == XFRM_EV_EXPIRE && ev->sa) on_expire(ike, ev);
    if (ev->kind == XFRM_EV_MAPPING && ev->sa) on_mapping(ike, ev);
}
