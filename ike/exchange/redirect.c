#include "ike/exchange/redirect.h"

#include <stdio.h>
#include <string.h>

#include "base/words.h"
#include "ike/exchange/handlers.h"
#include "ike/exchange/message.h"
#include "ike/exchange/open.h"
#include "ike/exchange/request.h"
#include "ike/sa/diplomat.h"

// rfc5685 7: more than this within that time is a loop, or an attack.
#define REDIRECTS_MAX 5
#define LOOP_NS (300 * NSEC_PER_SEC)
// For the look-up of a gateway's name.
#define NAME_WAIT_NS (10 * NSEC_PER_SEC)
#define NAME_LOOK_NS (NSEC_PER_SEC / 10)
// rfc5685 5: enough for a client to build its tunnels at the new gateway.
#define LEAVE_NS (30 * NSEC_PER_SEC)

enum gateway_kind { GATEWAY_IP4 = 1, GATEWAY_IP6 = 2, GATEWAY_NAME = 3 }; // RFC 5685 9.2

struct gateway {
    ip_t ip; // AF_UNSPEC: it has a name
    char name[REDIRECT_NAME_MAX + 1];
    span_t nonce;
};

// ---- what stands in a Notify -------------------------------------------------------------------

static bool is_name(span_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = (char)s.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '-' && c != '_') return false;
    }
    return s.len > 0 && s.len <= REDIRECT_NAME_MAX;
}

static err_t gateway_read(span_t data, struct gateway *g)
{
    rd_t r = rd_from(data);
    uint8_t kind = rd_u8(&r), len = rd_u8(&r);
    span_t who = rd_bytes(&r, len);
    *g = (struct gateway){.nonce = rd_rest(&r)};
    TRY(rd_done(&r));
    if (kind == GATEWAY_IP4 && len == 4) g->ip = ip_from(AF_INET, who.at);
    if (kind == GATEWAY_IP6 && len == 16) g->ip = ip_from(AF_INET6, who.at);
    if (g->ip.family != AF_UNSPEC) return ERR_OK;
    if (kind != GATEWAY_NAME || !is_name(who)) return ERR_SYNTAX;
    memcpy(g->name, who.at, who.len);
    return ERR_OK;
}

static void gateway_write(const ip_t *ip, span_t name, struct redirect_to *out)
{
    wr_t w = wr_into(out->at, sizeof out->at);
    bool six = ip->family == AF_INET6;
    span_t who = ip->family == AF_UNSPEC ? name : span(ip->b, six ? 16 : 4);
    wr_u8(&w, ip->family == AF_UNSPEC ? GATEWAY_NAME : six ? GATEWAY_IP6 : GATEWAY_IP4);
    wr_u8(&w, (uint8_t)who.len);
    wr_bytes(&w, who);
    out->len = (uint8_t)wr_len(&w);
}

err_t redirect_parse(const char *gateway, struct redirect_to *out)
{
    ip_t ip = {0};
    span_t name = span_str(gateway);
    if (ip_parse(gateway, &ip) != ERR_OK && !is_name(name)) return ERR_SYNTAX;
    gateway_write(&ip, name, out);
    return ERR_OK;
}

// ---- client ------------------------------------------------------------------------------------

void redirect_offer(struct ike_sa *sa, struct msgw *m)
{
    struct redirect_to from;
    sa->redirect.client = sa->ike->opt.follow_redirects;
    if (!sa->redirect.client) return;
    if (sa->redirect.from.family == AF_UNSPEC) {
        put_notify(m, N_REDIRECT_SUPPORTED, span(NULL, 0));
        return;
    }
    // rfc5685 3 MUST: the address of the gateway that has sent us here
    gateway_write(&sa->redirect.from, span(NULL, 0), &from);
    put_notify(m, N_REDIRECTED_FROM, span(from.at, from.len));
}

static bool is_loop(const struct ike_sa *sa)
{
    bool lately = ike_now(sa->ike) - sa->redirect.since < LOOP_NS;
    return lately && sa->redirect.n >= REDIRECTS_MAX;
}

static void go(struct ike_sa *sa, const ip_t *to)
{
    struct redirect next = {
        .from = sa->remote.ip, .n = sa->redirect.n, .since = sa->redirect.since};
    uint64_t now = ike_now(sa->ike);
    bool lately = next.n && now - next.since < LOOP_NS;
    if (!lately) next.since = now;
    next.n = lately ? next.n + 1 : 1;
    open_elsewhere(sa, to, &next);
}

void redirect_look(struct ike_sa *sa)
{
    struct env *env = &sa->ike->env;
    ip_t ip;
    char name[REDIRECT_NAME_MAX + 1] = "";
    span_t stored = blob_span(&sa->redirect.name);
    if (!sa->redirect.client || stored.len == 0 || stored.len > REDIRECT_NAME_MAX ||
        !ike_sa_live(sa))
        return;
    memcpy(name, stored.at, stored.len);
    err_t err = env->resolve(env->ctx, name, sa->local.ip.family, &ip);
    bool wait = err != ERR_OK && ike_now(sa->ike) < sa->redirect.until;
    if (wait) {
        ike_sa_timer(sa, TIMER_REDIRECT, ike_now(sa->ike) + NAME_LOOK_NS);
        return;
    }
    blob_done(&sa->redirect.name);
    if (err == ERR_OK) {
        go(sa, &ip);
    } else {
        tell(sa->ike, sa, LOG_WARN, "no address found for gateway %.200s: not redirected", name);
    }
}

static err_t look_up(struct ike_sa *sa, const char *name)
{
    TRY(blob_set(&sa->redirect.name, span_str(name)));
    sa->redirect.until = ike_now(sa->ike) + NAME_WAIT_NS;
    ike_sa_timer(sa, TIMER_REDIRECT, ike_now(sa->ike)); // not from within this message
    return ERR_OK;
}

err_t redirect_take(struct ike_sa *sa, const struct msg *in)
{
    struct notify n;
    struct gateway g;
    char ip[IP_TEXT_MAX];
    if (notify_find(in, N_REDIRECT, &n) != ERR_OK) return ERR_NOTFOUND;
    TRY(gateway_read(n.data, &g));
    const char *where = g.name[0] ? g.name : ip_show(&g.ip, ip);
    // rfc5685 3 MUST: silently discarded if it does not have our nonce
    if (sa->opening && sa->state < IKE_UP && !span_eq(g.nonce, nonce_span(&sa->opening->ni)))
        return ERR_SYNTAX;
    // rfc5685 5: only who has opened the IKE SA is a client
    if (!sa->redirect.client) {
        tell(sa->ike, sa, LOG_WARN, "the peer sends us to %s: not followed, we did not ask for it",
             where);
        return ERR_STATE;
    }
    if (is_loop(sa)) {
        tell(sa->ike, sa, LOG_WARN, "the peer sends us to %s: not followed, after %u others", where,
             sa->redirect.n);
        return ERR_STATE;
    }
    tell(sa->ike, sa, LOG_STORY, SAY_REDIRECTED, where);
    if (g.name[0]) return look_up(sa, g.name);
    go(sa, &g.ip);
    return ERR_OK;
}

// ---- gateway -----------------------------------------------------------------------------------

void redirect_hear(struct ike_sa *sa, const struct msg *in)
{
    struct notify n;
    struct gateway g;
    char ip[IP_TEXT_MAX];
    sa->redirect.peer_can = notify_find(in, N_REDIRECT_SUPPORTED, &n) == ERR_OK;
    if (notify_find(in, N_REDIRECTED_FROM, &n) != ERR_OK) return;
    if (gateway_read(n.data, &g) != ERR_OK) return;
    sa->redirect.peer_can = true;
    tell(sa->ike, sa, LOG_STORY, SAY_REDIRECTED_FROM, g.name[0] ? g.name : ip_show(&g.ip, ip));
}

err_t redirect_ask_peer(struct ike_sa *sa, const struct redirect_to *to)
{
    if (!sa->redirect.peer_can) return ERR_UNSUPPORTED;
    struct task *t = request_task(TASK_REDIRECT, NULL);
    if (!t) return ERR_NOMEM;
    err_t err = blob_set(&sa->redirect.name, span(to->at, to->len));
    if (err != ERR_OK) {
        task_free(t);
        return err;
    }
    request_add(sa, t);
    return ERR_OK;
}

// rfc5685 5 MUST NOT: with nonce data
err_t redirect_ask(struct ike_sa *sa, struct task *t, struct msgw *m, struct why *why)
{
    (void)t, (void)why;
    put_notify(m, N_REDIRECT, blob_span(&sa->redirect.name));
    return ERR_OK;
}

err_t redirect_on_response(struct turn *t)
{
    struct ike_sa *sa = t->sa;
    uint64_t leave = ike_now(t->ike) + LEAVE_NS;
    tell(t->ike, sa, LOG_STORY, "the client goes to another gateway");
    if (leave < sa->timer[TIMER_LIFE]) ike_sa_timer(sa, TIMER_LIFE, leave);
    return ERR_OK;
}
