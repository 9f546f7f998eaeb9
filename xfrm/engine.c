#include "xfrm/engine.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "xfrm/db/counter.h"
#include "xfrm/engine_part.h"

// ---- news ----

// At most one ringful. True: there is more.
static bool news_of(struct seat *s, xfrm_event_fn *fn, void *ctx)
{
    struct news *slot;
    for (unsigned i = 0; i < ENGINE_NEWS && (slot = ring_first(s->news)); i++) {
        fn(ctx, &slot->ev);
        if (slot->ev.sa) wipe(&slot->sa, sizeof slot->sa); // it may carry keys
        ring_drop(s->news);
    }
    return ring_first(s->news) != NULL;
}

void engine_news(struct engine *e, xfrm_event_fn *fn, void *ctx)
{
    bool more = false;
    for (unsigned i = 0; i < e->seats; i++) more |= news_of(e->seat[i], fn, ctx);
    if (more) loop_wake(e->conf.loop); // the rest, after the loop's other work
}

// ---- coming and going ----

static err_t engine_build(struct engine *e, struct why *why)
{
    const unsigned workers = e->conf.workers;
    if (workers < 1 || workers > WORKERS_MAX)
        return why_not(why, ERR_RANGE, "engine: %u workers: must be from 1 to %d", workers,
                       WORKERS_MAX);
    if (workers > 1 && !(e->handover = handover_new(workers)))
        return why_not(why, ERR_NOMEM, "engine: out of memory");
    for (unsigned i = 0; i < workers; i++) {
        TRY(seat_new(e, i, &e->conf.ports[i], &e->seat[i], why));
        e->seats++;
    }
    e->conf.ports = NULL; // the caller's
    return ERR_OK;
}

err_t engine_new(const struct engine_conf *conf, struct engine **out, struct why *why)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e) return why_not(why, ERR_NOMEM, "engine: out of memory");
    e->conf = *conf;
    err_t err = engine_build(e, why);
    if (err != ERR_OK) {
        engine_free(e);
        return err;
    }
    *out = e;
    return ERR_OK;
}

// The worker stays on the index-th of the CPUs that we may use. If it cannot, it runs anywhere.
static void pin(pthread_t thread, unsigned index)
{
    cpu_set_t may, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof may, &may) != 0) return;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &may) || index-- > 0) continue;
        CPU_SET(cpu, &one);
        (void)pthread_setaffinity_np(thread, sizeof one, &one);
        return;
    }
}

err_t engine_start(struct engine *e, struct why *why)
{
    // Signals are the control thread's.
    sigset_t all, before;
    int failed = 0;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < e->seats && !failed; i++) {
        failed = pthread_create(&e->seat[i]->thread, NULL, seat_run, e->seat[i]);
        e->seat[i]->running = !failed;
        if (!failed && e->conf.pin) pin(e->seat[i]->thread, i);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed) return ERR_OK;
    engine_stop(e);
    return why_not(why, ERR_SYSTEM, "engine: cannot start a thread: %s", strerror(failed));
}

void engine_kick(struct engine *e)
{
    for (unsigned i = 0; i < e->seats; i++) seat_wake(e->seat[i]);
}

void engine_stop(struct engine *e)
{
    flag_set(&e->stopping);
    engine_kick(e);
    for (unsigned i = 0; i < e->seats; i++) {
        struct seat *s = e->seat[i];
        if (s->running) (void)pthread_join(s->thread, NULL);
        s->running = false;
    }
}

void engine_free(struct engine *e)
{
    if (!e) return;
    for (unsigned i = 0; i < e->seats; i++) seat_free(e->seat[i]);
    handover_free(e->handover);
    free(e);
}

// ---- ports that come and go ----

err_t engine_port_add(struct engine *e, struct port *port)
{
    return seat_port_add(e->seat[0], port);
}

void engine_port_remove(struct engine *e, struct port *port)
{
    seat_port_remove(e->seat[0], port);
}

err_t engine_source_add(struct engine *e, enum engine_family f, uint16_t number,
                        struct port *const ports[])
{
    for (unsigned i = 0; i < e->seats; i++) {
        err_t added = seat_source_add(e->seat[i], f, number, ports[i]);
        if (added == ERR_OK) continue;
        engine_source_remove(e, f, number);
        return added;
    }
    return ERR_OK;
}

void engine_source_remove(struct engine *e, enum engine_family f, uint16_t number)
{
    for (unsigned i = 0; i < e->seats; i++) seat_source_remove(e->seat[i], f, number);
}

err_t engine_mark_add(struct engine *e, struct port *const ports[], bool exact)
{
    for (unsigned i = 0; i < e->seats; i++) {
        err_t added = seat_mark_add(e->seat[i], ports[i], exact);
        if (added == ERR_OK) continue;
        engine_mark_remove(e, ports);
        return added;
    }
    return ERR_OK;
}

void engine_mark_remove(struct engine *e, struct port *const ports[])
{
    for (unsigned i = 0; i < e->seats; i++) seat_mark_remove(e->seat[i], ports[i]);
}

// ---- numbers ----

bool engine_tun_lost(const struct engine *e)
{
    return flag_get(&e->tun_lost);
}

unsigned engine_workers(const struct engine *e)
{
    return e->seats;
}

static void add_counts(const struct seat *s, struct engine_counts *sum)
{
    const struct worker *w = &s->worker;
    for (int i = 0; i < DROP_COUNT; i++) sum->drops[i] += count_get(&w->drops[i]);
    sum->packets_in += count_get(&w->packets_in);
    sum->packets_out += count_get(&w->packets_out);
    sum->bytes_in += count_get(&w->bytes_in);
    sum->bytes_out += count_get(&w->bytes_out);
    sum->handed_over += count_get(&w->handed_over);
    sum->dummies += count_get(&w->dummies);
    sum->held += count_get(&s->held);
    sum->news_lost += count_get(&s->news_lost);
}

void engine_counts(const struct engine *e, struct engine_counts *out)
{
    *out = (struct engine_counts){0};
    for (unsigned i = 0; i < e->seats; i++) add_counts(e->seat[i], out);
}

void engine_counts_of(const struct engine *e, unsigned worker, struct engine_counts *out)
{
    *out = (struct engine_counts){0};
    add_counts(e->seat[worker], out);
}

uint64_t engine_cpu_of(const struct engine *e, unsigned worker)
{
    const struct seat *s = e->seat[worker];
    clockid_t clock;
    struct timespec t;
    if (!s->running || pthread_getcpuclockid(s->thread, &clock) != 0) return 0;
    if (clock_gettime(clock, &t) != 0) return 0;
    return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}
