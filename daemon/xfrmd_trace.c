#include "daemon/xfrmd_trace.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/unix.h"
#include "daemon/trace_ask.h"
#include "daemon/trace_show.h"

#define SESSIONS_MAX (TRACES_MAX + 2) // so that one too many hears why, and not nothing
#define LOOK (10 * NSEC_PER_MSEC)     // between two looks at the rings
#define LOOK_MAX (3 * NSEC_PER_MSEC)  // of each: the loop has other work
#define SEND_ROOM (256 << 10)         // bytes of the socket's buffer

struct session {
    struct xfrmd_trace *of;
    int fd;
    struct loop_io *io;
    struct engine_trace *trace; // NULL: it has not said yet what it wants
    bool bytes;
    char *unsent; // for which the socket had no room
    uint64_t lost;
};

struct xfrmd_trace {
    struct xfrmd_trace_conf conf;
    int fd;
    struct loop_io *io;
    struct loop_timer *look;
    struct session *session[SESSIONS_MAX];
};

// ---- sessions ----

static void session_free(struct session *s)
{
    struct xfrmd_trace *t = s->of;
    for (unsigned i = 0; i < SESSIONS_MAX; i++) {
        if (t->session[i] == s) t->session[i] = NULL;
    }
    engine_trace_free(s->trace);
    loop_io_free(s->io);
    (void)close(s->fd);
    free(s->unsent);
    free(s);
}

// False: the peer is gone. Takes the text over.
static bool session_send(struct session *s, char *text)
{
    if (!text) return true; // out of memory: a record less
    const size_t n = strlen(text);
    const ssize_t sent = send(s->fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
        s->unsent = text;
        return true;
    }
    free(text);
    return sent == (ssize_t)n;
}

static char *dump(json_t *j)
{
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    return text;
}

static bool session_retry(struct session *s)
{
    char *text = s->unsent;
    s->unsent = NULL;
    return session_send(s, text);
}

static bool session_tell_lost(struct session *s)
{
    const uint64_t lost = engine_trace_lost(s->trace), more = lost - s->lost;
    if (more == 0) return true;
    s->lost = lost;
    return session_send(s, dump(json_pack("{s:I}", "lost", (json_int_t)more)));
}

// What lies in the rings, as far as the peer takes it and the time goes. False: the peer is gone.
static bool session_pump(struct session *s, uint64_t until)
{
    struct trace_record *r;
    if (!session_retry(s)) return false;
    const uint64_t age = clock_wall_ns() - clock_mono(); // of the system, so to speak
    if (!s->unsent && !session_tell_lost(s)) return false;
    while (!s->unsent && clock_mono() < until && (r = engine_trace_take(s->trace))) {
        char *text = trace_show(r, r->at + age, s->bytes);
        engine_trace_give(s->trace, r);
        if (!session_send(s, text)) return false;
    }
    return true;
}

static bool any_session(const struct xfrmd_trace *t)
{
    for (unsigned i = 0; i < SESSIONS_MAX; i++) {
        if (t->session[i] && t->session[i]->trace) return true;
    }
    return false;
}

static void on_look(void *ctx)
{
    struct xfrmd_trace *t = ctx;
    for (unsigned i = 0; i < SESSIONS_MAX; i++) {
        struct session *s = t->session[i];
        if (!s || !s->trace) continue;
        if (!session_pump(s, clock_mono() + LOOK_MAX / TRACES_MAX)) session_free(s);
    }
    if (any_session(t)) loop_timer_at(t->look, clock_mono() + LOOK);
}

// ---- what they want ----

static err_t session_begin(struct session *s, span_t request, struct why *why)
{
    struct trace_ask ask;
    TRY(trace_ask_read(request, &ask, why));
    TRY(engine_trace_new(s->of->conf.engine, &ask.spec, &s->trace, why));
    s->bytes = ask.bytes;
    loop_timer_at(s->of->look, clock_mono() + LOOK);
    return ERR_OK;
}

// The session ends when this returns false.
static bool session_ask(struct session *s, span_t request)
{
    struct why why = {{0}};
    if (session_begin(s, request, &why) == ERR_OK)
        return session_send(s, dump(json_pack("{s:s, s:i}", "version", PAVISE_VERSION, "workers",
                                              (int)engine_workers(s->of->conf.engine))));
    (void)session_send(s, dump(json_pack("{s:s}", "error", why.text)));
    return false;
}

static void on_session(void *ctx, int fd, int events)
{
    (void)events;
    struct session *s = ctx;
    char *request = malloc(TRACE_ASK_MAX);
    const ssize_t n = request ? recv(fd, request, TRACE_ASK_MAX, MSG_DONTWAIT) : 0;
    const bool wait = n < 0 && (errno == EAGAIN || errno == EINTR);
    // One that has said what it wants has nothing more to say.
    const bool goes_on = wait || (n > 0 && !s->trace && session_ask(s, span(request, (size_t)n)));
    free(request);
    if (!goes_on) session_free(s);
}

// ---- the socket ----

static void session_new(struct xfrmd_trace *t, unsigned place, int fd)
{
    const int room = SEND_ROOM;
    struct session *s = calloc(1, sizeof *s);
    if (s) *s = (struct session){.of = t, .fd = fd};
    if (s) s->io = loop_io_new(t->conf.loop, fd, LOOP_READ, on_session, s);
    if (!s || !s->io) {
        free(s);
        (void)close(fd);
        return;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    t->session[place] = s;
}

static void on_connect(void *ctx, int fd, int events)
{
    (void)events;
    struct xfrmd_trace *t = ctx;
    unsigned place = 0;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    while (place < SESSIONS_MAX && t->session[place]) place++;
    if (peer >= 0 && place < SESSIONS_MAX && unix_peer_is_root(peer))
        session_new(t, place, peer);
    else if (peer >= 0)
        (void)close(peer);
}

err_t xfrmd_trace_new(const struct xfrmd_trace_conf *conf, struct xfrmd_trace **out,
                      struct why *why)
{
    int fd = -1;
    TRY(unix_bind(conf->name, SOCK_SEQPACKET, &fd, why));
    struct xfrmd_trace *t = calloc(1, sizeof *t);
    if (t) *t = (struct xfrmd_trace){.conf = *conf, .fd = fd};
    if (t) t->look = loop_timer_new(conf->loop, on_look, t);
    if (t) t->io = loop_io_new(conf->loop, fd, LOOP_READ, on_connect, t);
    if (t && t->look && t->io) {
        *out = t;
        return ERR_OK;
    }
    if (t) loop_io_free(t->io);
    if (t && t->look) loop_timer_free(t->look);
    free(t);
    unix_unbind(fd, conf->name);
    return why_not(why, ERR_NOMEM, "out of memory");
}

void xfrmd_trace_free(struct xfrmd_trace *t)
{
    if (!t) return;
    for (unsigned i = 0; i < SESSIONS_MAX; i++) {
        if (t->session[i]) session_free(t->session[i]);
    }
    loop_timer_free(t->look);
    loop_io_free(t->io);
    unix_unbind(t->fd, t->conf.name);
    free(t);
}
