#include "xfrm/engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ring.h"
#include "base/secret.h"
#include "xfrm/db/counter.h"
#include "xfrm/port/link_mtu.h"

#define PORTS_MAX 15 // that receive: tun; udp, raw, ah, comp, icmp and two plain of both families
#define BURSTS_IN_A_ROW 4  // from one port, before the others have their turn
#define TICK_MS 1000       // hold queue and statistics are looked at this often
#define EXTRA_ID PORTS_MAX // epoll data: ports have their index, those that come and go from here
#define WAKE_ID (EXTRA_ID + ENGINE_EXTRA_MAX) // the event descriptor

// An event with copies of what it points at, since the worker goes on.
struct news {
    struct xfrm_event ev;
    struct xfrm_sa sa;
    struct xfrm_policy policy;
    struct xfrm_tmpl tmpl;
};

struct entrance {
    struct port *port;
    void (*walk)(struct worker *w, struct burst *b);
};

struct engine {
    // control thread
    struct engine_conf conf;
    pthread_t thread;
    bool running;
    int wake_fd; // eventfd: kick and stop
    int epoll_fd;
    // shared
    bool stopping; // atomic
    bool tun_lost; // atomic
    // Written by the control thread, atomic: NULL is none; and how many were ever in use.
    struct port *extra[ENGINE_EXTRA_MAX];
    uint32_t extra_top;
    struct ring *news;
    uint64_t news_lost, held; // written by the worker (counter.h)
    // worker thread
    struct worker worker;
    struct link_mtu *links;
    struct entrance in[PORTS_MAX];
    unsigned in_count;
    uint64_t generation, next_tick;
};

static bool flag_get(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void flag_set(bool *flag)
{
    __atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

// ---- exits ----

static struct port *port_of_esp(const struct engine *e, const struct pkt *p)
{
    const struct engine_ports *ports = &e->conf.ports;
    enum engine_family f = p->to.ip.family == AF_INET6 ? ENGINE_V6 : ENGINE_V4;
    if (p->whole) return ports->clear[f];
    if (p->udp) return ports->udp[f];
    switch (p->proto) {
    case XFRM_PROTO_COMP:
        return ports->comp[f];
    case IPPROTO_IPIP:
        return ports->plain[f][ENGINE_V4];
    case IPPROTO_IPV6:
        return ports->plain[f][ENGINE_V6];
    default:
        return ports->raw[f];
    }
}

static struct port *port_of_clear(const struct engine *e, const struct pkt *p)
{
    return e->conf.ports.clear[p->flow.dst.family == AF_INET6 ? ENGINE_V6 : ENGINE_V4];
}

typedef struct port *port_of_fn(const struct engine *e, const struct pkt *p);

// Neighbours with the same way out leave by one call.
static void leave(struct engine *e, struct pkt **p, unsigned n, port_of_fn *port_of)
{
    for (unsigned i = 0, run; i < n; i += run) {
        struct port *port = port_of(e, p[i]);
        for (run = 1; i + run < n && port_of(e, p[i + run]) == port; run++) continue;
        if (port) port->ops->send(port, p + i, run);
        for (unsigned k = i; !port && k < i + run; k++) p[k]->drop = DROP_SEND;
    }
}

static void exit_send(void *ctx, struct pkt **p, unsigned n)
{
    leave(ctx, p, n, port_of_esp);
}

static void exit_bypass(void *ctx, struct pkt **p, unsigned n)
{
    leave(ctx, p, n, port_of_clear);
}

static void exit_deliver(void *ctx, struct pkt **p, unsigned n)
{
    struct port *tun = ((struct engine *)ctx)->conf.ports.tun;
    tun->ops->send(tun, p, n);
}

static uint32_t exit_link_mtu(void *ctx, const ip_t *dst, const ip_t *src)
{
    return link_mtu_ask(((struct engine *)ctx)->links, dst, src);
}

static void exit_event(void *ctx, const struct xfrm_event *ev)
{
    struct engine *e = ctx;
    struct news *slot = ring_space(e->news);
    if (!slot) {
        count_add(&e->news_lost, 1);
        return;
    }
    slot->ev = *ev;
    if (ev->sa) slot->sa = *ev->sa;
    if (ev->policy) slot->policy = *ev->policy;
    if (ev->tmpl) slot->tmpl = *ev->tmpl;
    slot->ev.sa = ev->sa ? &slot->sa : NULL;
    slot->ev.policy = ev->policy ? &slot->policy : NULL;
    slot->ev.tmpl = ev->tmpl ? &slot->tmpl : NULL;
    ring_put(e->news);
    loop_wake(e->conf.loop);
}

void engine_news(struct engine *e, xfrm_event_fn *fn, void *ctx)
{
    struct news *slot;
    for (unsigned i = 0; i < ENGINE_NEWS && (slot = ring_first(e->news)); i++) {
        fn(ctx, &slot->ev);
        if (slot->ev.sa) wipe(&slot->sa, sizeof slot->sa); // it may carry keys
        ring_drop(e->news);
    }
    if (ring_first(e->news)) loop_wake(e->conf.loop); // the rest, after the loop's other work
}

// ---- the worker ----

static void clock_read(struct worker *w)
{
    w->now = clock_mono();
    w->wall = clock_wall();
}

static void pump(struct engine *e, const struct entrance *in)
{
    struct burst b;
    for (unsigned i = 0; i < BURSTS_IN_A_ROW; i++) {
        b.n = 0;
        in->port->ops->recv(in->port, e->worker.pool, &b);
        if (b.n == 0) return;
        clock_read(&e->worker);
        for (unsigned k = 0; k < b.n; k++) b.p[k]->born = e->worker.now;
        bool more = b.n == BURST_MAX;
        in->walk(&e->worker, &b);
        if (!more) return;
    }
}

// A port in error would be ready for ever and keep the thread spinning.
static void port_failed(struct engine *e, const struct port *port)
{
    int error, fd = port->ops->fd(port);
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0) return; // read, so it is over
    (void)epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    flag_set(&e->tun_lost);
    loop_wake(e->conf.loop);
}

static void wake_read(const struct engine *e)
{
    uint64_t n;
    ssize_t got = read(e->wake_fd, &n, sizeof n);
    (void)got; // nothing there: someone else's wake-up was enough
}

static struct entrance extra_get(const struct engine *e, uint32_t id)
{
    struct port *port = NULL;
    if (id >= EXTRA_ID && id < WAKE_ID)
        port = __atomic_load_n(&e->extra[id - EXTRA_ID], __ATOMIC_ACQUIRE);
    return (struct entrance){port, path_in};
}

static void serve(struct engine *e, const struct epoll_event *ev)
{
    if (ev->data.u32 == WAKE_ID) {
        wake_read(e);
        return;
    }
    const struct entrance extra = extra_get(e, ev->data.u32);
    const struct entrance *in = ev->data.u32 < EXTRA_ID ? &e->in[ev->data.u32] : &extra;
    if (!in->port) return; // taken away since epoll_wait() returned
    if (ev->events & EPOLLIN) pump(e, in);
    if (ev->events & (EPOLLERR | EPOLLHUP)) port_failed(e, in->port);
}

static uint32_t extra_end(const struct engine *e)
{
    return EXTRA_ID + __atomic_load_n(&e->extra_top, __ATOMIC_ACQUIRE);
}

// Ports that have packets in hand are not waited for.
static bool any_more(const struct engine *e)
{
    for (unsigned i = 0; i < e->in_count; i++) {
        if (e->in[i].port->more) return true;
    }
    for (uint32_t id = EXTRA_ID; id < extra_end(e); id++) {
        const struct entrance extra = extra_get(e, id);
        if (extra.port && extra.port->more) return true;
    }
    return false;
}

static void serve_more(struct engine *e)
{
    for (unsigned i = 0; i < e->in_count; i++) {
        if (e->in[i].port->more) pump(e, &e->in[i]);
    }
    for (uint32_t id = EXTRA_ID; id < extra_end(e); id++) {
        const struct entrance extra = extra_get(e, id);
        if (extra.port && extra.port->more) pump(e, &extra);
    }
}

static void look_after_held(struct engine *e)
{
    uint64_t generation = db_generation(e->worker.db);
    clock_read(&e->worker);
    if (generation != e->generation || e->worker.now >= e->next_tick) {
        e->generation = generation;
        e->next_tick = e->worker.now + TICK_MS * NSEC_PER_MSEC;
        hold_retry(&e->worker);
    }
    count_set(&e->held, hold_count(e->worker.hold));
}

static void *run(void *arg)
{
    struct engine *e = arg;
    struct epoll_event ready[PORTS_MAX + 1];
    rcu_register_thread();
    while (!flag_get(&e->stopping)) {
        rcu_thread_offline(); // a sleeper must not hold up the control thread's frees
        int n = epoll_wait(e->epoll_fd, ready, PORTS_MAX + 1, any_more(e) ? 0 : TICK_MS);
        rcu_thread_online();
        serve_more(e);
        for (int i = 0; i < n; i++) serve(e, &ready[i]);
        look_after_held(e);
        rcu_quiescent_state();
    }
    rcu_unregister_thread();
    return NULL;
}

// ---- the control thread ----

static err_t watch(struct engine *e, int fd, uint32_t id, struct why *why)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = id};
    if (epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0) return ERR_OK;
    return why_not(why, ERR_SYSTEM, "engine: cannot watch a port: %s", strerror(errno));
}

static err_t add_entrance(struct engine *e, struct port *port,
                          void (*walk)(struct worker *w, struct burst *b), struct why *why)
{
    if (!port) return ERR_OK;
    e->in[e->in_count] = (struct entrance){port, walk};
    TRY(watch(e, port->ops->fd(port), e->in_count, why));
    e->in_count++;
    return ERR_OK;
}

static err_t add_entrances(struct engine *e, struct why *why)
{
    const struct engine_ports *ports = &e->conf.ports;
    TRY(add_entrance(e, ports->tun, path_out, why));
    for (int f = 0; f < ENGINE_FAMILIES; f++) {
        TRY(add_entrance(e, ports->udp[f], path_in, why));
        TRY(add_entrance(e, ports->raw[f], path_in, why));
        TRY(add_entrance(e, ports->ah[f], path_in, why));
        TRY(add_entrance(e, ports->comp[f], path_in, why));
        TRY(add_entrance(e, ports->plain[f][ENGINE_V4], path_in, why));
        TRY(add_entrance(e, ports->plain[f][ENGINE_V6], path_in, why));
        TRY(add_entrance(e, ports->icmp[f], path_icmp, why));
    }
    return watch(e, e->wake_fd, WAKE_ID, why);
}

err_t engine_port_add(struct engine *e, struct port *port)
{
    struct why why;
    uint32_t i = 0;
    while (i < ENGINE_EXTRA_MAX && e->extra[i]) i++;
    if (i == ENGINE_EXTRA_MAX) return ERR_LIMIT;
    __atomic_store_n(&e->extra[i], port, __ATOMIC_RELEASE);
    if (i >= e->extra_top) __atomic_store_n(&e->extra_top, i + 1, __ATOMIC_RELEASE);
    err_t err = watch(e, port->ops->fd(port), EXTRA_ID + i, &why);
    if (err != ERR_OK) engine_port_remove(e, port);
    return err;
}

void engine_port_remove(struct engine *e, struct port *port)
{
    for (uint32_t i = 0; i < ENGINE_EXTRA_MAX; i++) {
        if (e->extra[i] != port) continue;
        (void)epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, port->ops->fd(port), NULL);
        __atomic_store_n(&e->extra[i], NULL, __ATOMIC_RELEASE);
    }
    synchronize_rcu(); // the worker may be in the midst of a burst from it
}

static err_t engine_build(struct engine *e, struct why *why)
{
    const struct exits exits = {exit_send, exit_deliver, exit_bypass, exit_event, e, exit_link_mtu};
    e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (e->wake_fd < 0 || e->epoll_fd < 0)
        return why_not(why, ERR_SYSTEM, "engine: no descriptor: %s", strerror(errno));
    e->news = ring_new(ENGINE_NEWS, sizeof(struct news));
    if (!e->news || worker_init(&e->worker, e->conf.db, &exits, ENGINE_BUFFERS) != ERR_OK)
        return why_not(why, ERR_NOMEM, "engine: out of memory");
    e->worker.allow_clear_in = e->conf.allow_clear_in;
    e->worker.mss = e->conf.mss;
    TRY(link_mtu_new(e->conf.fwmark, &e->links, why));
    return add_entrances(e, why);
}

err_t engine_new(const struct engine_conf *conf, struct engine **out, struct why *why)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e) return why_not(why, ERR_NOMEM, "engine: out of memory");
    e->conf = *conf;
    e->wake_fd = e->epoll_fd = -1;
    err_t err = engine_build(e, why);
    if (err != ERR_OK) {
        engine_free(e);
        return err;
    }
    *out = e;
    return ERR_OK;
}

err_t engine_start(struct engine *e, struct why *why)
{
    // Signals are the control thread's.
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&e->thread, NULL, run, e);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return why_not(why, ERR_SYSTEM, "engine: cannot start a thread: %s", strerror(failed));
    e->running = true;
    return ERR_OK;
}

void engine_kick(struct engine *e)
{
    const uint64_t one = 1;
    ssize_t done = write(e->wake_fd, &one, sizeof one);
    (void)done; // full: a wake-up is pending anyway
}

void engine_stop(struct engine *e)
{
    if (!e->running) return;
    flag_set(&e->stopping);
    engine_kick(e);
    (void)pthread_join(e->thread, NULL);
    e->running = false;
}

void engine_free(struct engine *e)
{
    if (!e) return;
    if (e->worker.db) worker_done(&e->worker);
    for (struct news *n; e->news && (n = ring_first(e->news)); ring_drop(e->news))
        wipe(&n->sa, sizeof n->sa);
    ring_free(e->news);
    link_mtu_free(e->links);
    if (e->wake_fd >= 0) (void)close(e->wake_fd);
    if (e->epoll_fd >= 0) (void)close(e->epoll_fd);
    free(e);
}

bool engine_tun_lost(const struct engine *e)
{
    return flag_get(&e->tun_lost);
}

void engine_counts(const struct engine *e, struct engine_counts *out)
{
    const struct worker *w = &e->worker;
    for (int i = 0; i < DROP_COUNT; i++) out->drops[i] = count_get(&w->drops[i]);
    out->packets_in = count_get(&w->packets_in);
    out->packets_out = count_get(&w->packets_out);
    out->bytes_in = count_get(&w->bytes_in);
    out->bytes_out = count_get(&w->bytes_out);
    out->held = count_get(&e->held);
    out->news_lost = count_get(&e->news_lost);
}
