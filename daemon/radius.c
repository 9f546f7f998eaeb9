#include "daemon/radius.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "base/words.h"
#include "crypto/rng.h"
#include "daemon/radius_acct.h"
#include "ike/radius.h"
#include "radius/client.h"

#define READS_MAX 32 // of one socket before others have their turn

struct line { // one socket
    struct radius *r;
    unsigned lane;
    int fd; // -1: not open
    struct loop_io *io;
};

struct radius {
    struct iked *d;
    struct radius_client *client;
    struct loop_timer *timer;
    unsigned lines;
    struct line line[RADIUS_LANES_MAX];
};

static void rearm(struct radius *r)
{
    uint64_t due = radius_due(r->client);
    if (due == UINT64_MAX) loop_timer_stop(r->timer);
    if (due != UINT64_MAX) loop_timer_at(r->timer, due);
}

// ---- sockets -----------------------------------------------------------------------------------

static void read_all(struct line *l)
{
    struct radius *r = l->r;
    uint8_t buf[RADIUS_MAX];
    // An ICMP error is no answer: anybody can send it, and the server may be back in a moment.
    for (unsigned i = 0; i < READS_MAX; i++) {
        ssize_t n = recv(l->fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n < 0 && errno != ECONNREFUSED && errno != EINTR) break;
        if (n > 0) radius_input(r->client, l->lane, span(buf, (size_t)n));
    }
    wipe(buf, sizeof buf);
}

static void on_readable(void *ctx, int fd, int events)
{
    struct line *l = ctx;
    struct iked *d = l->r->d;
    (void)fd, (void)events;
    read_all(l);
    rearm(l->r);
    iked_rearm(d);
}

static void on_time(void *ctx)
{
    struct radius *r = ctx;
    struct iked *d = r->d;
    radius_tick(r->client);
    rearm(r);
    iked_rearm(d);
}

static void line_close(struct line *l)
{
    loop_io_free(l->io);
    if (l->fd >= 0) (void)close(l->fd);
    l->io = NULL;
    l->fd = -1;
}

// Connected, so that the kernel lets nothing in from elsewhere.
static bool line_open(struct line *l)
{
    struct sockaddr_storage to;
    endpoint_t e = radius_lane_to(l->r->client, l->lane);
    socklen_t len = endpoint_to_sockaddr(&e, &to);
    l->fd = socket(e.ip.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd >= 0 && connect(l->fd, (const struct sockaddr *)&to, len) == 0) {
        l->io = loop_io_new(l->r->d->loop, l->fd, LOOP_READ, on_readable, l);
    }
    if (l->io) return true;
    int error = errno;
    char text[ENDPOINT_TEXT_MAX];
    line_close(l);
    log_say(LOG_WARN, "radius", "no socket to %s: %s", endpoint_show(&e, text), strerror(error));
    return false;
}

static void env_send(void *ctx, unsigned lane, span_t bytes)
{
    struct radius *r = ctx;
    struct line *l = &r->line[lane];
    if (l->fd < 0 && !line_open(l)) return; // repeated later
    // What cannot be sent now is lost, and repeated.
    ssize_t n = send(l->fd, bytes.at, bytes.len, MSG_DONTWAIT);
    bool moved = n < 0 && (errno == ENETUNREACH || errno == EADDRNOTAVAIL || errno == EINVAL);
    if (moved) line_close(l); // our address has gone: the next socket has another
}

// ---- what the client needs ---------------------------------------------------------------------

static uint64_t env_now(void *ctx)
{
    (void)ctx;
    return clock_mono();
}

static void env_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    rng_fill(out, n);
}

static void env_tell(void *ctx, enum log_level level, const char *sentence)
{
    (void)ctx;
    log_say(level, "radius", "%s", sentence);
}

// ---- silence -----------------------------------------------------------------------------------

void radius_silence(struct iked *d, uint32_t sa)
{
    const struct ike_choice one = {.ike_id = sa}, every = {0};
    bool all = d->strongswan.radius.acct.close_all;
    unsigned matches;
    if (!d->ike || (!all && !sa)) return;
    log_say(LOG_WARN, "radius", all ? SAY_RADIUS_CLOSES_ALL : SAY_RADIUS_CLOSES);
    ike_terminate(d->ike, all ? &every : &one, &matches, NULL, NULL);
}

// ---- questions of the diplomat -----------------------------------------------------------------

static void on_answer(struct radius_query *q)
{
    struct ike_radius *ask = (struct ike_radius *)((char *)q - offsetof(struct ike_radius, q));
    struct iked *d = q->ctx;
    bool silent = q->err == ERR_TIMEOUT;
    if (d->ike) ike_work_done(d->ike, &ask->w);
    if (!d->ike) ask->w.free(&ask->w);
    if (silent) radius_silence(d, 0); // who asked has been refused
}

err_t radius_send(struct iked *d, struct radius_query *q, struct why *why)
{
    if (!d->radius) return why_not(why, ERR_NOTFOUND, "no RADIUS server is configured");
    err_t err = radius_ask(d->radius->client, q, why);
    rearm(d->radius);
    return err;
}

err_t radius_work(void *ctx, struct ike_work *w)
{
    struct iked *d = ctx;
    struct ike_radius *ask = (struct ike_radius *)w;
    struct why why = {0};
    ask->q.ctx = d;
    ask->q.done = on_answer;
    err_t err = radius_send(d, &ask->q, &why);
    if (err != ERR_OK) log_say(LOG_WARN, "radius", "%s", why.text);
    return err;
}

// ---- start and end -----------------------------------------------------------------------------

void radius_stop(struct iked *d)
{
    struct radius *r = d->radius;
    if (!r) return;
    d->radius = NULL; // who fails now must not ask again
    radius_client_free(r->client);
    for (unsigned i = 0; i < r->lines; i++) line_close(&r->line[i]);
    loop_timer_free(r->timer);
    free(r);
}

static struct radius *start(struct iked *d)
{
    struct radius *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    const struct radius_env env = {
        .ctx = r, .now = env_now, .random = env_random, .send = env_send, .tell = env_tell};
    r->d = d;
    r->client = radius_client_new(&d->strongswan.radius, &env);
    r->timer = loop_timer_new(d->loop, on_time, r);
    if (!r->client || !r->timer) {
        radius_client_free(r->client);
        loop_timer_free(r->timer);
        free(r);
        return NULL;
    }
    r->lines = radius_lanes(r->client);
    for (unsigned i = 0; i < r->lines; i++) r->line[i] = (struct line){.r = r, .lane = i, .fd = -1};
    return r;
}

void radius_settings(struct iked *d)
{
    const struct radius_conf *c = &d->strongswan.radius;
    radius_stop(d);
    if (!c->server_n) return;
    d->radius = start(d);
    if (!d->radius) log_say(LOG_ERROR, "radius", "out of memory: no RADIUS server can be asked");
    acct_go_on(d->acct);
    for (unsigned i = 0; i < c->server_n && d->radius; i++) {
        char ip[IP_TEXT_MAX];
        log_say(LOG_STORY, "radius", "RADIUS server '%s' at %s", c->server[i].name,
                ip_show(&c->server[i].ip, ip));
    }
}
