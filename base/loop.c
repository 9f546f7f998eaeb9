#include "base/loop.h"

#define EV_COMPAT3 0
#include <ev.h>
#include <stdlib.h>

#include "base/clock.h"

#define SIGNALS_MAX 8

struct loop_signal {
    ev_signal watcher;
    loop_signal_fn *run;
    void *ctx;
};

struct loop {
    struct ev_loop *ev;
    ev_async wake;
    loop_timer_fn *on_wake;
    void *wake_ctx;
    struct loop_signal signals[SIGNALS_MAX];
    unsigned signal_count;
};

struct loop_io {
    ev_io watcher;
    struct loop *loop;
    loop_io_fn *run;
    void *ctx;
};

struct loop_timer {
    ev_timer watcher;
    struct loop *loop;
    loop_timer_fn *run;
    void *ctx;
};

static void on_wake(struct ev_loop *ev, ev_async *w, int revents)
{
    (void)ev, (void)revents;
    struct loop *l = w->data;
    if (l->on_wake) l->on_wake(l->wake_ctx);
}

struct loop *loop_new(void)
{
    struct loop *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    l->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (!l->ev) {
        free(l);
        return NULL;
    }
    ev_async_init(&l->wake, on_wake);
    l->wake.data = l;
    ev_async_start(l->ev, &l->wake);
    ev_unref(l->ev);
    return l;
}

void loop_free(struct loop *l)
{
    if (!l) return;
    ev_ref(l->ev);
    ev_async_stop(l->ev, &l->wake);
    for (unsigned i = 0; i < l->signal_count; i++) {
        ev_ref(l->ev);
        ev_signal_stop(l->ev, &l->signals[i].watcher);
    }
    ev_loop_destroy(l->ev);
    free(l);
}

void loop_run(struct loop *l)
{
    (void)ev_run(l->ev, 0);
}
void loop_stop(struct loop *l)
{
    ev_break(l->ev, EVBREAK_ALL);
}

void loop_on_wake(struct loop *l, loop_timer_fn *fn, void *ctx)
{
    l->on_wake = fn;
    l->wake_ctx = ctx;
}

void loop_wake(struct loop *l)
{
    ev_async_send(l->ev, &l->wake);
}

static void on_io(struct ev_loop *ev, ev_io *w, int revents)
{
    (void)ev;
    struct loop_io *io = w->data;
    int events = (revents & EV_READ ? LOOP_READ : 0) | (revents & EV_WRITE ? LOOP_WRITE : 0);
    io->run(io->ctx, w->fd, events);
}

static int ev_events(int events)
{
    return (events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0);
}

struct loop_io *loop_io_new(struct loop *l, int fd, int events, loop_io_fn *fn, void *ctx)
{
    struct loop_io *io = calloc(1, sizeof *io);
    if (!io) return NULL;
    io->loop = l;
    io->run = fn;
    io->ctx = ctx;
    ev_io_init(&io->watcher, on_io, fd, ev_events(events));
    io->watcher.data = io;
    if (events) ev_io_start(l->ev, &io->watcher);
    return io;
}

void loop_io_want(struct loop_io *io, int events)
{
    ev_io_stop(io->loop->ev, &io->watcher);
    ev_io_set(&io->watcher, io->watcher.fd, ev_events(events));
    if (events) ev_io_start(io->loop->ev, &io->watcher);
}

void loop_io_free(struct loop_io *io)
{
    if (!io) return;
    ev_io_stop(io->loop->ev, &io->watcher);
    free(io);
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
    (void)ev, (void)revents;
    struct loop_timer *t = w->data;
    t->run(t->ctx);
}

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn *fn, void *ctx)
{
    struct loop_timer *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->loop = l;
    t->run = fn;
    t->ctx = ctx;
    ev_timer_init(&t->watcher, on_timer, 0., 0.);
    t->watcher.data = t;
    return t;
}

void loop_timer_at(struct loop_timer *t, uint64_t mono_ns)
{
    uint64_t now = clock_mono();
    double in = mono_ns > now ? (double)(mono_ns - now) / 1e9 : 0.;
    ev_timer_stop(t->loop->ev, &t->watcher);
    ev_now_update(t->loop->ev); // libev counts from the start of the loop turn otherwise
    ev_timer_set(&t->watcher, in, 0.);
    ev_timer_start(t->loop->ev, &t->watcher);
}

void loop_timer_stop(struct loop_timer *t)
{
    ev_timer_stop(t->loop->ev, &t->watcher);
}

void loop_timer_free(struct loop_timer *t)
{
    if (!t) return;
    loop_timer_stop(t);
    free(t);
}

static void on_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
    (void)ev, (void)revents;
    struct loop_signal *s = w->data;
    s->run(s->ctx, w->signum);
}

err_t loop_on_signal(struct loop *l, int signal, loop_signal_fn *fn, void *ctx)
{
    if (l->signal_count == SIGNALS_MAX) return ERR_LIMIT;
    struct loop_signal *s = &l->signals[l->signal_count++];
    s->run = fn;
    s->ctx = ctx;
    ev_signal_init(&s->watcher, on_signal, signal);
    s->watcher.data = s;
    ev_signal_start(l->ev, &s->watcher);
    ev_unref(l->ev);
    return ERR_OK;
}
