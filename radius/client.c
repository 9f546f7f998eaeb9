#include "radius/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"

#define IDS 256
// Who has not answered is asked last for so long.
#define DOWN_NS (60 * NSEC_PER_SEC)
#define PAUSE_MAX_S 60.0 // between two repetitions

struct lane {
    unsigned server;
    bool accounting;
    uint8_t last; // identifier
    unsigned used;
    struct radius_query *by_id[IDS];
};

struct radius_client {
    struct radius_conf conf;
    struct radius_env env;
    uint64_t down_until[RADIUS_SERVERS_MAX];
    struct radius_query *all; // under way
    unsigned lanes;
    struct lane lane[]; // of each server, those for access and then the one for accounting
};

static void say(struct radius_client *c, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void say(struct radius_client *c, enum log_level level, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (c->env.tell) c->env.tell(c->env.ctx, level, line);
}

struct radius_client *radius_client_new(const struct radius_conf *conf,
                                        const struct radius_env *env)
{
    unsigned lanes = 0;
    for (unsigned s = 0; s < conf->server_n; s++) lanes += conf->server[s].sockets + 1;
    struct radius_client *c = calloc(1, sizeof *c + lanes * sizeof *c->lane);
    if (!c) return NULL;
    c->conf = *conf;
    c->env = *env;
    for (unsigned s = 0; s < conf->server_n; s++) {
        for (unsigned i = 0; i <= conf->server[s].sockets; i++) {
            struct lane *l = &c->lane[c->lanes++];
            l->server = s;
            l->accounting = i == conf->server[s].sockets;
            env->random(env->ctx, &l->last, sizeof l->last);
        }
    }
    return c;
}

unsigned radius_lanes(const struct radius_client *c)
{
    return c->lanes;
}

endpoint_t radius_lane_to(const struct radius_client *c, unsigned lane)
{
    const struct lane *l = &c->lane[lane];
    const struct radius_server *s = &c->conf.server[l->server];
    return (endpoint_t){s->ip, l->accounting ? s->acct_port : s->auth_port};
}

// ---- questions under way -----------------------------------------------------------------------

static void link_in(struct radius_client *c, struct radius_query *q)
{
    struct lane *l = &c->lane[q->lane];
    l->by_id[q->id] = q;
    l->used++;
    q->prev = NULL;
    q->next = c->all;
    if (q->next) q->next->prev = q;
    c->all = q;
}

static void link_out(struct radius_client *c, struct radius_query *q)
{
    struct lane *l = &c->lane[q->lane];
    l->by_id[q->id] = NULL;
    l->used--;
    if (q->prev) q->prev->next = q->next;
    if (!q->prev) c->all = q->next;
    if (q->next) q->next->prev = q->prev;
    q->next = q->prev = NULL;
}

static void end(struct radius_query *q, err_t err)
{
    wipe(q->bytes, q->len);
    q->err = err;
    q->done(q);
}

void radius_client_free(struct radius_client *c)
{
    if (!c) return;
    while (c->all) {
        struct radius_query *q = c->all;
        link_out(c, q);
        end(q, why_not(&q->why, ERR_CLOSED, "the RADIUS servers are configured anew"));
    }
    wipe(c, sizeof *c);
    free(c);
}

// ---- which server, which lane ------------------------------------------------------------------

// One that answers goes before one that does not, whatever is preferred.
static bool is_better(const struct radius_client *c, unsigned a, unsigned b)
{
    uint64_t now = c->env.now(c->env.ctx);
    bool a_down = c->down_until[a] > now, b_down = c->down_until[b] > now;
    if (a_down != b_down) return b_down;
    return c->conf.server[a].preference > c->conf.server[b].preference;
}

static int best_server(const struct radius_client *c, unsigned tried)
{
    int best = -1;
    for (unsigned s = 0; s < c->conf.server_n; s++) {
        if (tried >> s & 1) continue;
        if (best < 0 || is_better(c, s, (unsigned)best)) best = (int)s;
    }
    return best;
}

// The least used one.
static struct lane *lane_of(struct radius_client *c, unsigned server, bool accounting)
{
    struct lane *best = NULL;
    for (unsigned i = 0; i < c->lanes; i++) {
        struct lane *l = &c->lane[i];
        if (l->server != server || l->accounting != accounting || l->used == IDS) continue;
        if (!best || l->used < best->used) best = l;
    }
    return best;
}

// An identifier that was not used lately: a late answer must not meet another question.
static uint8_t next_id(struct lane *l)
{
    do {
        l->last++;
    } while (l->by_id[l->last]);
    return l->last;
}

// ---- sending -----------------------------------------------------------------------------------

static uint64_t pause_of(const struct radius_client *c, const struct radius_query *q)
{
    const struct radius_server *s = &c->conf.server[q->server];
    double pause = s->timeout_s;
    for (unsigned i = 0; i < q->repeated && pause < PAUSE_MAX_S; i++) pause *= s->base;
    if (pause > PAUSE_MAX_S) pause = PAUSE_MAX_S;
    return (uint64_t)(pause * (double)NSEC_PER_SEC);
}

// rfc5080 2.2.1: a repetition is the same packet, identifier and all.
static void transmit(struct radius_client *c, struct radius_query *q)
{
    q->at = c->env.now(c->env.ctx) + pause_of(c, q);
    c->env.send(c->env.ctx, q->lane, span(q->bytes, q->len));
}

static err_t seal(struct radius_client *c, struct radius_query *q)
{
    const struct radius_server *s = &c->conf.server[q->server];
    uint8_t attrs[RADIUS_ATTRS_MAX];
    wr_t a = wr_into(attrs, sizeof attrs), w = wr_into(q->bytes, sizeof q->bytes);
    radius_put(&a, RADIUS_NAS_IDENTIFIER, span_str(s->nas_identifier));
    wr_bytes(&a, span(q->attrs, q->attrs_len));
    if (wr_done(&a) != ERR_OK) return ERR_SPACE;
    c->env.random(c->env.ctx, q->auth, sizeof q->auth);
    uint8_t code = q->accounting ? RADIUS_ACCOUNTING_REQUEST : RADIUS_ACCESS_REQUEST;
    TRY(radius_seal(&w, code, q->id, q->auth, wr_span(&a), span(s->secret, s->secret_len)));
    q->len = wr_len(&w);
    return ERR_OK;
}

// To q->server, for the first time.
static err_t begin(struct radius_client *c, struct radius_query *q, struct why *why)
{
    const struct radius_server *s = &c->conf.server[q->server];
    struct lane *l = lane_of(c, (unsigned)q->server, q->accounting);
    if (!l) {
        return why_not(why, ERR_LIMIT,
                       "RADIUS server '%.60s' is asked too much at a time already (sockets)",
                       s->name);
    }
    q->lane = (unsigned)(l - c->lane);
    q->id = next_id(l);
    q->repeated = 0;
    q->tried |= 1U << q->server;
    err_t err = seal(c, q);
    if (err != ERR_OK) {
        return why_not(why, err, "RADIUS: %s%s", err_text(err),
                       err == ERR_CRYPTO ? ": it has no MD5 (FIPS mode?)" : "");
    }
    link_in(c, q);
    say(c, LOG_STORY, "sending RADIUS %s to server '%s'", radius_code_name(q->bytes[0]), s->name);
    transmit(c, q);
    return ERR_OK;
}

err_t radius_ask(struct radius_client *c, struct radius_query *q, struct why *why)
{
    q->tried = 0;
    q->doubted = false;
    q->bound = q->server != RADIUS_ANY_SERVER;
    if (!q->bound) q->server = best_server(c, 0);
    if (q->server < 0 || (unsigned)q->server >= c->conf.server_n) {
        return why_not(why, ERR_NOTFOUND,
                       "no RADIUS server is configured (charon.plugins.eap-radius.servers)");
    }
    return begin(c, q, why);
}

// Where another server can be asked, half as often: the peer that waits has a life of its own.
static unsigned tries_of(const struct radius_client *c, const struct radius_query *q)
{
    unsigned tries = c->conf.server[q->server].tries;
    bool others = !q->bound && best_server(c, q->tried) >= 0;
    return others ? (tries + 1) / 2 : tries;
}

// ---- time --------------------------------------------------------------------------------------

// It stays silent: the next one, if this is the first question of a conversation.
static void give_up(struct radius_client *c, struct radius_query *q)
{
    const struct radius_server *s = &c->conf.server[q->server];
    c->down_until[q->server] = c->env.now(c->env.ctx) + DOWN_NS;
    IGNORE(why_not(&q->why, ERR_TIMEOUT, // only the sentence
                   "RADIUS server '%.60s' is not responding%s", s->name,
                   q->doubted ? ", or not with our secret" : ""));
    say(c, LOG_WARN, "%s", q->why.text);
    link_out(c, q);
    int next = q->bound ? -1 : best_server(c, q->tried);
    if (next < 0) {
        end(q, ERR_TIMEOUT);
        return;
    }
    q->server = next;
    q->doubted = false;
    err_t err = begin(c, q, &q->why);
    if (err != ERR_OK) end(q, err);
}

void radius_tick(struct radius_client *c)
{
    uint64_t now = c->env.now(c->env.ctx);
    for (struct radius_query *q = c->all, *next; q; q = next) {
        next = q->next;
        if (q->at > now) continue;
        if (q->repeated >= tries_of(c, q)) {
            give_up(c, q); // what it links in stands before those that are still to be looked at
            continue;
        }
        q->repeated++;
        say(c, LOG_STORY, "retransmit %u of RADIUS %s (timeout: %.1fs)", q->repeated,
            radius_code_name(q->bytes[0]), (double)pause_of(c, q) / (double)NSEC_PER_SEC);
        transmit(c, q);
    }
}

uint64_t radius_due(const struct radius_client *c)
{
    uint64_t due = UINT64_MAX;
    for (const struct radius_query *q = c->all; q; q = q->next) {
        if (q->at < due) due = q->at;
    }
    return due;
}

// ---- answers -----------------------------------------------------------------------------------

static bool is_answer(const struct lane *l, uint8_t code)
{
    if (l->accounting) return code == RADIUS_ACCOUNTING_RESPONSE;
    return code == RADIUS_ACCESS_ACCEPT || code == RADIUS_ACCESS_REJECT ||
           code == RADIUS_ACCESS_CHALLENGE;
}

// What is not authentic is as if it had not come: anybody can send it.
static void doubt(struct radius_client *c, struct radius_query *q)
{
    if (q->doubted) return;
    q->doubted = true;
    say(c, LOG_WARN,
        "an answer of RADIUS server '%s' is not authentic, and dropped: is `secret` the same "
        "there, and does it send Message-Authenticator?",
        c->conf.server[q->server].name);
}

void radius_input(struct radius_client *c, unsigned lane, span_t bytes)
{
    struct lane *l = &c->lane[lane];
    const struct radius_server *s = &c->conf.server[l->server];
    span_t secret = span(s->secret, s->secret_len);
    struct radius_packet p;
    if (radius_open(bytes, &p) != ERR_OK || !is_answer(l, p.code)) return;
    struct radius_query *q = l->by_id[p.id];
    if (!q) return; // late, or repeated
    if (radius_verify(&p, q->auth, secret) != ERR_OK) {
        doubt(c, q);
        return;
    }
    c->down_until[l->server] = 0;
    say(c, LOG_STORY, "received RADIUS %s from server '%s'", radius_code_name(p.code), s->name);
    link_out(c, q);
    err_t err = radius_reply_read(&p, q->auth, secret, &q->reply);
    if (err != ERR_OK) {
        IGNORE(why_not(&q->why, err, // only the sentence
                       "an answer of RADIUS server '%.60s' makes no sense: %s", s->name,
                       err_text(err)));
    }
    end(q, err);
}
