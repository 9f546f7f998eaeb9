// engine_seat.c - a worker's thread: it waits at its ports, leads what comes through the path, and
// sends what comes out through the right port. What belongs to another worker goes over a ring.
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "xfrm/db/counter.h"
#include "xfrm/engine_part.h"
#include "xfrm/path/ip_head.h"
#include "xfrm/port/egress.h"
#include "xfrm/port/ether.h"
#include "xfrm/port/hop.h"
#include "xfrm/port/link_mtu.h"

#define BURSTS_IN_A_ROW 4 // from one port, before the others have their turn
#define TICK_MS 1000      // hold queue and statistics are looked at this often
#define FULL_MS 1         // the same for buffers that should come home any moment
// epoll data: ports have their index, those that come and go from here; and the event descriptor
#define EXTRA_ID ENGINE_PORTS
#define WAKE_ID (EXTRA_ID + ENGINE_EXTRA_MAX)

// ---- exits ----

// rfc3948 2.1 MUST: the port that the SA says. (The kernel needs no socket for that.)
static struct port *port_of_udp(const struct seat *s, enum engine_family f, uint16_t number)
{
    if (number == s->engine->conf.udp_port) return s->ports.udp[f];
    for (unsigned i = 0; i < ENGINE_SOURCES_MAX; i++) {
        const struct source *source = &s->source[f][i];
        struct port *port = __atomic_load_n(&source->port, __ATOMIC_ACQUIRE);
        if (port && source->number == number) return port;
    }
    return NULL;
}

// A mark of its own is obeyed where routing knows the packet for ESP, whatever it is (steer.h). IP
// in IP is passed over: the guard could not tell it from a user's.
static bool is_marked(const struct pkt *p)
{
    return p->mark &&
           (p->proto == XFRM_PROTO_ESP || p->proto == XFRM_PROTO_AH || p->proto == XFRM_PROTO_COMP);
}

// Through the host's stack.
static struct port *port_of_esp(const struct seat *s, const struct pkt *p)
{
    enum engine_family f = p->to.ip.family == AF_INET6 ? ENGINE_V6 : ENGINE_V4;
    if (!p->udp && is_marked(p) && s->ports.raw[f]) return s->ports.raw[f];
    if (p->whole) return s->ports.clear[f];
    if (p->udp) return port_of_udp(s, f, p->from.port);
    switch (p->proto) {
    case XFRM_PROTO_COMP:
        return s->ports.comp[f];
    case IPPROTO_IPIP:
        return s->ports.plain[f][ENGINE_V4];
    case IPPROTO_IPV6:
        return s->ports.plain[f][ENGINE_V6];
    default:
        return s->ports.raw[f];
    }
}

static struct port *port_of_clear(const struct seat *s, struct pkt *p)
{
    return s->ports.clear[p->flow.dst.family == AF_INET6 ? ENGINE_V6 : ENGINE_V4];
}

// ---- past the host's stack, where the next hop is known ----

static bool has_hop(const struct seat *s, struct pkt *p, enum hop_way way, const ip_t *dst,
                    const ip_t *src)
{
    p->hop = hops_find(s->hops, way, dst, src, s->worker.now);
    return p->hop != NULL;
}

// Packets with a mark of their own are routed by rules that only the stack obeys.
static bool goes_fast_out(const struct seat *s, struct pkt *p)
{
    const struct port *fast = s->fast[XDP_OUTER];
    if (!fast || p->whole || p->mark || !(p->udp || p->proto == XFRM_PROTO_ESP)) return false;
    return has_hop(s, p, HOP_OUT, &p->to.ip, &p->from.ip) && ether_outer_len(p) <= p->hop->mtu &&
           af_xdp_alive(fast);
}

static bool goes_fast_in(const struct seat *s, struct pkt *p)
{
    const struct port *fast = s->fast[XDP_INNER];
    if (!fast) return false;
    const uint8_t ttl = ip_is_v6(p->at) ? p->at[7] : p->at[8];
    const ip_t dst = ip_head_dst(p->at), src = ip_head_src(p->at);
    return ttl > 1 && has_hop(s, p, HOP_IN, &dst, &src) && p->len <= p->hop->mtu &&
           af_xdp_alive(fast);
}

static struct port *port_out(const struct seat *s, struct pkt *p)
{
    struct port *port = port_of_esp(s, p);
    return port && goes_fast_out(s, p) ? s->fast[XDP_OUTER] : port;
}

// Without a way of its own it is one that the executor has put a word to, such as an ICMP error.
static struct port *port_of_mark(const struct seat *s, const struct pkt *p)
{
    for (unsigned i = 0; i < ENGINE_MARKS_MAX; i++) {
        struct port *port = __atomic_load_n(&s->marked[i], __ATOMIC_ACQUIRE);
        if (port && port->mark == p->mark) return port;
    }
    return s->ports.tun;
}

static struct port *port_in(const struct seat *s, struct pkt *p)
{
    if (p->mark) return port_of_mark(s, p);
    return goes_fast_in(s, p) ? s->fast[XDP_INNER] : s->ports.tun;
}

typedef struct port *port_of_fn(const struct seat *s, struct pkt *p);

// Neighbours with the same way out leave by one call.
static void leave(struct seat *s, struct pkt **p, unsigned n, port_of_fn *port_of)
{
    struct port *port = n ? port_of(s, p[0]) : NULL, *next = NULL;
    for (unsigned i = 0, run; i < n; i += run, port = next) {
        for (run = 1; i + run < n && (next = port_of(s, p[i + run])) == port; run++) continue;
        if (port) port->ops->send(port, p + i, run);
        for (unsigned k = i; !port && k < i + run; k++)
            p[k]->drop = p[k]->udp ? DROP_UDP_SOURCE : DROP_SEND;
    }
}

static void exit_send(void *ctx, struct pkt **p, unsigned n)
{
    leave(ctx, p, n, port_out);
}

static void exit_bypass(void *ctx, struct pkt **p, unsigned n)
{
    leave(ctx, p, n, port_of_clear);
}

static void exit_deliver(void *ctx, struct pkt **p, unsigned n)
{
    leave(ctx, p, n, port_in);
}

static uint32_t exit_link_mtu(void *ctx, const ip_t *dst, const ip_t *src)
{
    return link_mtu_ask(((struct seat *)ctx)->links, dst, src);
}

static uint32_t exit_device(void *ctx, const ip_t *dst, const ip_t *src)
{
    const struct seat *s = ctx;
    return egress_device(s->egress, dst, src, s->worker.now);
}

static void exit_event(void *ctx, const struct xfrm_event *ev)
{
    struct seat *s = ctx;
    struct news *slot = ring_space(s->news);
    if (!slot) {
        count_add(&s->news_lost, 1);
        return;
    }
    slot->ev = *ev;
    if (ev->sa) slot->sa = *ev->sa;
    if (ev->policy) slot->policy = *ev->policy;
    if (ev->tmpl) slot->tmpl = *ev->tmpl;
    slot->ev.sa = ev->sa ? &slot->sa : NULL;
    slot->ev.policy = ev->policy ? &slot->policy : NULL;
    slot->ev.tmpl = ev->tmpl ? &slot->tmpl : NULL;
    ring_put(s->news);
    loop_wake(s->engine->conf.loop);
}

// ---- packets of others ----

static bool exit_hand_over(void *ctx, unsigned owner, struct pkt *p, bool in)
{
    struct seat *s = ctx;
    enum handover_way way = in ? HANDOVER_IN : HANDOVER_OUT;
    if (!handover_put(s->engine->handover, s->worker.index, owner, p, way)) return false;
    s->wake |= UINT64_C(1) << owner;
    return true;
}

static void exit_give_back(void *ctx, struct pkt *p)
{
    struct seat *s = ctx;
    const unsigned home = p->home;
    handover_give_back(s->engine->handover, s->worker.index, p);
    if (__atomic_load_n(&s->engine->seat[home]->full, __ATOMIC_RELAXED))
        s->wake |= UINT64_C(1) << home;
}

// Once for all that a burst has handed over. The exchange orders this behind the rings: either the
// sleeper saw what lies in them, or we see that it sleeps.
static void wake_others(struct seat *s)
{
    for (unsigned i = 0; s->wake; i++, s->wake >>= 1) {
        struct seat *other = s->engine->seat[i];
        if ((s->wake & 1) && __atomic_exchange_n(&other->asleep, false, __ATOMIC_ACQ_REL))
            seat_wake(other);
    }
}

static void clock_read(struct worker *w)
{
    w->now = clock_mono();
    w->wall = clock_wall();
}

static void take_over(struct seat *s)
{
    static void (*const walk[HANDOVER_WAYS])(struct worker * w, struct burst * b) = {path_out,
                                                                                     path_in};
    struct handover *h = s->engine->handover;
    if (!h) return;
    handover_collect(h, s->worker.index, s->worker.pool);
    for (unsigned way = 0; way < HANDOVER_WAYS; way++) {
        struct burst b = {.n = 0};
        handover_take(h, s->worker.index, (enum handover_way)way, &b);
        if (b.n == 0) continue;
        clock_read(&s->worker);
        walk[way](&s->worker, &b);
    }
    wake_others(s);
}

// Too much of its work lies with others: it waits for them, not for its ports.
static bool is_full(struct seat *s)
{
    const struct handover *h = s->engine->handover;
    bool full = h && !handover_has_room(h, s->worker.index);
    if (h) __atomic_store_n(&s->full, full, __ATOMIC_RELAXED);
    return full;
}

// May it sleep? From here on whoever hands something over wakes it.
static bool may_sleep(struct seat *s)
{
    const struct handover *h = s->engine->handover;
    if (!h) return true;
    (void)__atomic_exchange_n(&s->asleep, true, __ATOMIC_ACQ_REL);
    return !handover_waiting(h, s->worker.index);
}

// ---- the ports ----

static void pump(struct seat *s, const struct entrance *in)
{
    struct burst b;
    for (unsigned i = 0; i < BURSTS_IN_A_ROW; i++) {
        b.n = 0;
        if (is_full(s)) break;
        in->port->ops->recv(in->port, s->worker.pool, &b);
        if (b.n == 0) break;
        clock_read(&s->worker);
        for (unsigned k = 0; k < b.n; k++) b.p[k]->born = s->worker.now;
        bool more = b.n == BURST_MAX;
        in->walk(&s->worker, &b);
        wake_others(s);
        if (!more) break;
    }
}

// A port in error would be ready for ever and keep the thread spinning.
static void port_failed(struct seat *s, const struct port *port)
{
    int error, fd = port->ops->fd(port);
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0) return; // read, so it is over
    (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    flag_set(&s->engine->tun_lost);
    loop_wake(s->engine->conf.loop);
}

static void wake_read(const struct seat *s)
{
    uint64_t n;
    ssize_t got = read(s->wake_fd, &n, sizeof n);
    (void)got; // nothing there: someone else's wake-up was enough
}

static struct entrance extra_get(const struct seat *s, uint32_t id)
{
    struct port *port = NULL;
    if (id >= EXTRA_ID && id < WAKE_ID)
        port = __atomic_load_n(&s->extra[id - EXTRA_ID], __ATOMIC_ACQUIRE);
    return (struct entrance){port, port && port->inner ? path_out : path_in};
}

static void serve(struct seat *s, const struct epoll_event *ev)
{
    if (ev->data.u32 == WAKE_ID) {
        wake_read(s);
        return;
    }
    const struct entrance extra = extra_get(s, ev->data.u32);
    const struct entrance *in = ev->data.u32 < EXTRA_ID ? &s->in[ev->data.u32] : &extra;
    if (!in->port) return; // taken away since epoll_wait() returned
    if (ev->events & EPOLLIN) pump(s, in);
    if (ev->events & (EPOLLERR | EPOLLHUP)) port_failed(s, in->port);
}

static uint32_t extra_end(const struct seat *s)
{
    return EXTRA_ID + __atomic_load_n(&s->extra_top, __ATOMIC_ACQUIRE);
}

// Ports that have packets in hand are not waited for.
static bool any_more(const struct seat *s)
{
    for (unsigned i = 0; i < s->in_count; i++) {
        if (s->in[i].port->more) return true;
    }
    for (uint32_t id = EXTRA_ID; id < extra_end(s); id++) {
        const struct entrance extra = extra_get(s, id);
        if (extra.port && extra.port->more) return true;
    }
    return false;
}

static void serve_more(struct seat *s)
{
    for (unsigned i = 0; i < s->in_count; i++) {
        if (s->in[i].port->more) pump(s, &s->in[i]);
    }
    for (uint32_t id = EXTRA_ID; id < extra_end(s); id++) {
        const struct entrance extra = extra_get(s, id);
        if (extra.port && extra.port->more) pump(s, &extra);
    }
}

// Until the next tick, dummy packet or end of a delay, whatever comes first.
static int sleep_ms(const struct seat *s)
{
    const uint64_t due = s->dummies_due < s->agg_due ? s->dummies_due : s->agg_due;
    if (due == UINT64_MAX) return TICK_MS;
    uint64_t now = clock_mono();
    if (due <= now) return 0;
    uint64_t ms = (due - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
    return ms < TICK_MS ? (int)ms : TICK_MS;
}

// Lent ports may be freed while this thread is offline: nothing here looks at one.
static int wait_at_ports(struct seat *s, struct epoll_event *ready, bool more)
{
    struct pollfd wake = {.fd = s->wake_fd, .events = POLLIN};
    bool full = is_full(s), sleepy = may_sleep(s);
    if (full) {
        (void)poll(&wake, 1, sleepy ? FULL_MS : 0);
        wake_read(s);
        return 0;
    }
    int most = sleepy && !more ? sleep_ms(s) : 0;
    return epoll_wait(s->epoll_fd, ready, ENGINE_PORTS + 1, most);
}

static void look_after_held(struct seat *s)
{
    uint64_t generation = db_generation(s->worker.db);
    clock_read(&s->worker);
    if (generation != s->generation || s->worker.now >= s->next_tick) {
        s->generation = generation;
        s->next_tick = s->worker.now + TICK_MS * NSEC_PER_MSEC;
        hold_retry(&s->worker);
        wake_others(s);
    }
    count_set(&s->held, hold_count(s->worker.hold));
}

void *seat_run(void *seat)
{
    struct seat *s = seat;
    struct epoll_event ready[ENGINE_PORTS + 1];
    rcu_register_thread();
    while (!flag_get(&s->engine->stopping)) {
        bool more = any_more(s);
        rcu_thread_offline(); // a sleeper must not hold up the control thread's frees
        int n = wait_at_ports(s, ready, more);
        rcu_thread_online();
        __atomic_store_n(&s->asleep, false, __ATOMIC_RELAXED);
        take_over(s);
        serve_more(s);
        for (int i = 0; i < n; i++) serve(s, &ready[i]);
        look_after_held(s);
        s->dummies_due = dummy_send(&s->worker);
        s->agg_due = agg_run(&s->worker);
        wake_others(s);
        if (s->hops) hops_ask(s->hops, s->worker.now);
        rcu_quiescent_state();
    }
    rcu_unregister_thread();
    return NULL;
}

// ---- the control thread ----

void seat_wake(struct seat *s)
{
    const uint64_t one = 1;
    ssize_t done = write(s->wake_fd, &one, sizeof one);
    (void)done; // full: a wake-up is pending anyway
}

static err_t watch(struct seat *s, int fd, uint32_t id, struct why *why)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = id};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0) return ERR_OK;
    return why_not(why, ERR_SYSTEM, "engine: cannot watch a port: %s", strerror(errno));
}

static err_t add_entrance(struct seat *s, struct port *port,
                          void (*walk)(struct worker *w, struct burst *b), struct why *why)
{
    if (!port) return ERR_OK;
    s->in[s->in_count] = (struct entrance){port, walk};
    TRY(watch(s, port->ops->fd(port), s->in_count, why));
    s->in_count++;
    return ERR_OK;
}

static err_t add_entrances(struct seat *s, struct why *why)
{
    const struct engine_ports *ports = &s->ports;
    TRY(add_entrance(s, ports->tun, path_out, why));
    for (int f = 0; f < ENGINE_FAMILIES; f++) {
        TRY(add_entrance(s, ports->udp[f], path_in, why));
        TRY(add_entrance(s, ports->raw[f], path_in, why));
        TRY(add_entrance(s, ports->ah[f], path_in, why));
        TRY(add_entrance(s, ports->comp[f], path_in, why));
        TRY(add_entrance(s, ports->plain[f][ENGINE_V4], path_in, why));
        TRY(add_entrance(s, ports->plain[f][ENGINE_V6], path_in, why));
        TRY(add_entrance(s, ports->icmp[f], path_icmp, why));
    }
    for (int i = 0; i < XDP_QUEUES_MAX; i++) {
        TRY(add_entrance(s, ports->xdp[XDP_OUTER][i], path_in, why));
        TRY(add_entrance(s, ports->xdp[XDP_INNER][i], path_out, why));
    }
    return watch(s, s->wake_fd, WAKE_ID, why);
}

err_t seat_port_add(struct seat *s, struct port *port)
{
    struct why why;
    uint32_t i = 0;
    while (i < ENGINE_EXTRA_MAX && s->extra[i]) i++;
    if (i == ENGINE_EXTRA_MAX) return ERR_LIMIT;
    __atomic_store_n(&s->extra[i], port, __ATOMIC_RELEASE);
    if (i >= s->extra_top) __atomic_store_n(&s->extra_top, i + 1, __ATOMIC_RELEASE);
    err_t e = watch(s, port->ops->fd(port), EXTRA_ID + i, &why);
    if (e != ERR_OK) seat_port_remove(s, port);
    return e;
}

void seat_port_remove(struct seat *s, struct port *port)
{
    for (uint32_t i = 0; i < ENGINE_EXTRA_MAX; i++) {
        if (s->extra[i] != port) continue;
        (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, port->ops->fd(port), NULL);
        __atomic_store_n(&s->extra[i], NULL, __ATOMIC_RELEASE);
    }
    synchronize_rcu(); // the worker may be in the midst of a burst from it
}

// What leaves past the stack leaves by the first queue of each interface that is the worker's.
static err_t find_fast(struct seat *s, struct why *why)
{
    const struct engine_conf *e = &s->engine->conf;
    for (int side = 0; side < XDP_SIDES; side++) {
        for (int i = 0; i < XDP_QUEUES_MAX && !s->fast[side]; i++)
            s->fast[side] = s->ports.xdp[side][i];
    }
    if (!s->fast[XDP_OUTER] && !s->fast[XDP_INNER]) return ERR_OK;
    const struct hops_conf conf = {
        .fwmark = e->fwmark,
        .tun = e->tun,
        .device =
            {[HOP_OUT] = xdp_device(e->xdp, XDP_OUTER), [HOP_IN] = xdp_device(e->xdp, XDP_INNER)},
        .mac = {[HOP_OUT] = xdp_mac(e->xdp, XDP_OUTER), [HOP_IN] = xdp_mac(e->xdp, XDP_INNER)},
    };
    return hops_new(&conf, &s->hops, why);
}

err_t seat_source_add(struct seat *s, enum engine_family f, uint16_t number, struct port *port)
{
    unsigned i = 0;
    while (i < ENGINE_SOURCES_MAX && s->source[f][i].port) i++;
    if (i == ENGINE_SOURCES_MAX) return ERR_LIMIT;
    TRY(seat_port_add(s, port));
    s->source[f][i].number = number;
    __atomic_store_n(&s->source[f][i].port, port, __ATOMIC_RELEASE);
    return ERR_OK;
}

void seat_source_remove(struct seat *s, enum engine_family f, uint16_t number)
{
    for (unsigned i = 0; i < ENGINE_SOURCES_MAX; i++) {
        struct source *source = &s->source[f][i];
        struct port *port = source->port;
        if (!port || source->number != number) continue;
        __atomic_store_n(&source->port, NULL, __ATOMIC_RELEASE);
        seat_port_remove(s, port);
    }
}

err_t seat_mark_add(struct seat *s, struct port *port, bool exact)
{
    unsigned i = 0;
    while (i < ENGINE_MARKS_MAX && s->marked[i]) i++;
    if (i == ENGINE_MARKS_MAX) return ERR_LIMIT;
    TRY(seat_port_add(s, port));
    if (exact) __atomic_store_n(&s->marked[i], port, __ATOMIC_RELEASE);
    return ERR_OK;
}

void seat_mark_remove(struct seat *s, struct port *port)
{
    for (unsigned i = 0; i < ENGINE_MARKS_MAX; i++) {
        if (s->marked[i] == port) __atomic_store_n(&s->marked[i], NULL, __ATOMIC_RELEASE);
    }
    seat_port_remove(s, port);
}

static err_t seat_build(struct seat *s, unsigned index, struct why *why)
{
    const struct engine *e = s->engine;
    static const struct colleagues colleagues = {exit_hand_over, exit_give_back};
    const struct exits exits = {exit_send, exit_deliver,  exit_bypass, exit_event,
                                s,         exit_link_mtu, exit_device};
    unsigned buffers = ENGINE_BUFFERS + (e->handover ? HANDOVER_MAX : 0);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->wake_fd < 0 || s->epoll_fd < 0)
        return why_not(why, ERR_SYSTEM, "engine: no descriptor: %s", strerror(errno));
    s->news = ring_new(ENGINE_NEWS, sizeof(struct news));
    if (!s->news || worker_init(&s->worker, e->conf.db, &exits, buffers) != ERR_OK)
        return why_not(why, ERR_NOMEM, "engine: out of memory");
    worker_number(&s->worker, index, e->conf.workers, e->handover ? &colleagues : NULL);
    s->worker.allow_clear_in = e->conf.allow_clear_in;
    s->worker.mss = e->conf.mss;
    s->worker.dummy.rate = e->conf.dummy_rate;
    s->dummies_due = s->agg_due = UINT64_MAX;
    TRY(link_mtu_new(e->conf.fwmark, &s->links, why));
    s->egress = egress_new(s->links);
    if (!s->egress) return why_not(why, ERR_NOMEM, "engine: out of memory");
    TRY(find_fast(s, why));
    return add_entrances(s, why);
}

err_t seat_new(struct engine *e, unsigned index, const struct engine_ports *ports,
               struct seat **out, struct why *why)
{
    struct seat *s = calloc(1, sizeof *s);
    if (!s) return why_not(why, ERR_NOMEM, "engine: out of memory");
    s->engine = e;
    s->ports = *ports;
    s->wake_fd = s->epoll_fd = -1;
    err_t err = seat_build(s, index, why);
    if (err != ERR_OK) {
        seat_free(s);
        return err;
    }
    *out = s;
    return ERR_OK;
}

void seat_free(struct seat *s)
{
    if (!s) return;
    if (s->worker.db) worker_done(&s->worker);
    for (struct news *n; s->news && (n = ring_first(s->news)); ring_drop(s->news))
        wipe(&n->sa, sizeof n->sa);
    ring_free(s->news);
    egress_free(s->egress);
    link_mtu_free(s->links);
    hops_free(s->hops);
    if (s->wake_fd >= 0) (void)close(s->wake_fd);
    if (s->epoll_fd >= 0) (void)close(s->epoll_fd);
    free(s);
}
