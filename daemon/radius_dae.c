#include "daemon/radius_dae.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/radius_acct.h"
#include "ike/ids.h"
#include "ike/sa/ike_sa.h"
#include "radius/dae.h"

#define READS_MAX 16   // before others have their turn
#define ANSWERS_MAX 32 // kept for requests that are repeated

struct answer {
    endpoint_t to;
    uint8_t auth[RADIUS_AUTH_LEN]; // of the request
    size_t len;
    uint8_t bytes[RADIUS_DAE_ANSWER_MAX];
};

struct radius_dae {
    struct iked *d;
    int fd;
    struct loop_io *io;
    unsigned next;
    struct answer answer[ANSWERS_MAX];
    uint64_t told_at; // monotonic ns: when a stranger was last spoken of
};

// ---- who is meant ------------------------------------------------------------------------------

struct search {
    struct radius_acct *acct;
    const char *prefix; // of names
    const struct radius_whom *whom;
    uint32_t *found; // ids of IKE SAs
    unsigned n, max;
};

// The name as the server has heard it: with the prefix when it was asked, without it in accounting.
static bool is_named(const struct ike_sa *sa, const char *prefix, const struct radius_bytes *name)
{
    char text[ID_TEXT_MAX];
    span_t is = id_name(ike_sa_whose(sa), text);
    size_t n = strlen(prefix);
    bool before = n && name->len > n && memcmp(name->at, prefix, n) == 0;
    return span_eq(is, span(name->at, name->len)) ||
           (before && span_eq(is, span(name->at + n, name->len - n)));
}

static bool has_address(const struct ike_sa_view *v, const ip_t *ip)
{
    for (unsigned i = 0; i < v->vip_n && !v->vips_ours; i++) {
        if (ip_eq(&v->vip[i], ip)) return true;
    }
    return false;
}

static bool look(void *ctx, const struct ike_sa_view *v, const struct ike_sa *sa)
{
    struct search *s = ctx;
    const struct radius_whom *w = s->whom;
    if (v->state != IKE_VIEW_ESTABLISHED && v->state != IKE_VIEW_REKEYING) return true;
    if (sa->initiator) return true;
    if (w->user.len && !is_named(sa, s->prefix, &w->user)) return true;
    if (w->ip.family && !has_address(v, &w->ip)) return true;
    if (w->session.len && !acct_is(s->acct, v->id, span(w->session.at, w->session.len)))
        return true;
    if (s->n < s->max) s->found[s->n++] = v->id;
    return true;
}

// In which of our names it speaks to us: those of the servers' sections.
static bool is_us(const struct iked *d, const struct radius_bytes *nas)
{
    const struct radius_conf *c = &d->strongswan.radius;
    bool same = nas->len == 0;
    for (unsigned i = 0; i < c->server_n; i++) {
        same |= span_eq(span(nas->at, nas->len), span_str(c->server[i].nas_identifier));
    }
    return same;
}

static enum radius_error disconnect(struct iked *d, const struct radius_whom *whom)
{
    struct ike_stats stats;
    unsigned matches;
    if (!is_us(d, &whom->nas)) return RADIUS_NAS_MISMATCH;
    ike_stats(d->ike, &stats);
    struct search s = {.acct = d->acct,
                       .whom = whom,
                       .prefix = d->strongswan.radius.habits.id_prefix,
                       .max = (unsigned)stats.total};
    s.found = calloc(s.max + 1, sizeof *s.found);
    if (!s.found) return RADIUS_NO_SESSION;
    ike_each(d->ike, look, &s);
    for (unsigned i = 0; i < s.n; i++) {
        const struct ike_choice it = {.ike_id = s.found[i]};
        log_say(LOG_STORY, "radius", "a RADIUS server disconnects IKE SA #%u", s.found[i]);
        ike_terminate(d->ike, &it, &matches, NULL, NULL);
    }
    free(s.found);
    return s.n ? RADIUS_DONE : RADIUS_NO_SESSION;
}

// ---- packets -----------------------------------------------------------------------------------

static void send_to(const struct radius_dae *e, const struct answer *a)
{
    struct sockaddr_storage to;
    socklen_t len = endpoint_to_sockaddr(&a->to, &to);
    // What is lost is asked for again.
    ssize_t n = sendto(e->fd, a->bytes, a->len, MSG_DONTWAIT, (const struct sockaddr *)&to, len);
    (void)n;
}

// rfc5176 2.3 MUST: a request that is repeated is answered as before, and not done again.
static bool is_repeated(const struct radius_dae *e, const endpoint_t *from,
                        const struct radius_packet *p)
{
    for (unsigned i = 0; i < ANSWERS_MAX; i++) {
        const struct answer *a = &e->answer[i];
        bool same =
            a->len && endpoint_eq(&a->to, from) && memcmp(a->auth, p->auth, sizeof a->auth) == 0;
        if (same) send_to(e, a);
        if (same) return true;
    }
    return false;
}

// Once in a while: anybody can send garbage.
static void doubt(struct radius_dae *e, const endpoint_t *from, err_t err)
{
    char text[ENDPOINT_TEXT_MAX];
    uint64_t now = clock_mono();
    if (e->told_at && now - e->told_at < 10 * NSEC_PER_SEC) return;
    e->told_at = now;
    log_say(LOG_WARN, "radius", "a request of %s is dropped: %s", endpoint_show(from, text),
            err == ERR_REPLAY ? "its Event-Timestamp is not of these minutes"
            : err == ERR_AUTH ? "it is not by who has the secret (dae.secret)"
                              : err_text(err));
}

static void handle(struct radius_dae *e, const endpoint_t *from, span_t bytes)
{
    struct iked *d = e->d;
    const struct radius_dae_conf *c = &d->strongswan.radius.dae;
    span_t secret = span(c->secret, c->secret_len);
    struct radius_packet p;
    struct radius_whom whom;
    err_t err = radius_dae_open(bytes, secret, clock_wall(), &p);
    if (err != ERR_OK) {
        doubt(e, from, err);
        return;
    }
    if (!d->ike || is_repeated(e, from, &p)) return;
    enum radius_error error = radius_dae_read(&p, &whom);
    if (error == RADIUS_DONE) error = disconnect(d, &whom);
    struct answer *a = &e->answer[e->next++ % ANSWERS_MAX];
    wr_t w = wr_into(a->bytes, sizeof a->bytes);
    a->len = 0;
    if (radius_dae_answer(&p, error, secret, &w) != ERR_OK) return;
    a->to = *from;
    a->len = wr_len(&w);
    memcpy(a->auth, p.auth, sizeof a->auth);
    send_to(e, a);
}

static void on_readable(void *ctx, int fd, int events)
{
    struct radius_dae *e = ctx;
    struct iked *d = e->d;
    uint8_t buf[RADIUS_MAX];
    (void)events;
    for (unsigned i = 0; i < READS_MAX; i++) {
        struct sockaddr_storage sa;
        socklen_t len = sizeof sa;
        endpoint_t from;
        ssize_t n = recvfrom(fd, buf, sizeof buf, MSG_DONTWAIT, (struct sockaddr *)&sa, &len);
        if (n < 0) break;
        if (endpoint_from_sockaddr(&sa, len, &from) != ERR_OK) continue;
        handle(e, &from, span(buf, (size_t)n));
    }
    iked_rearm(d);
}

// ---- start and end -----------------------------------------------------------------------------

void dae_stop(struct iked *d)
{
    struct radius_dae *e = d->dae;
    if (!e) return;
    d->dae = NULL;
    loop_io_free(e->io);
    if (e->fd >= 0) (void)close(e->fd);
    free(e);
}

void dae_settings(struct iked *d)
{
    const struct radius_dae_conf *c = &d->strongswan.radius.dae;
    const endpoint_t here = {c->listen, c->port};
    struct sockaddr_storage at;
    char text[ENDPOINT_TEXT_MAX];
    dae_stop(d);
    if (!c->on) return;
    struct radius_dae *e = calloc(1, sizeof *e);
    socklen_t len = endpoint_to_sockaddr(&here, &at);
    int fd = e ? socket(here.ip.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (e) *e = (struct radius_dae){.d = d, .fd = fd};
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)&at, len) == 0;
    int error = errno;
    if (bound) e->io = loop_io_new(d->loop, fd, LOOP_READ, on_readable, e);
    d->dae = e;
    if (e && e->io) return;
    log_say(LOG_ERROR, "radius",
            "no socket at %s for Disconnect-Request: %s (dae.listen, dae.port)",
            endpoint_show(&here, text), strerror(error));
    dae_stop(d);
}
