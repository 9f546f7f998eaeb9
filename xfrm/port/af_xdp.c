#include "xfrm/port/af_xdp.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xfrm/db/counter.h"
#include "xfrm/handover.h"
#include "xfrm/port/batch.h"
#include "xfrm/port/ether.h"
#include "xfrm/port/hop.h"
#include "xfrm/port/umem.h"

#ifndef XDP_MAX_TX_SKB_BUDGET // Linux 6.17
#define XDP_MAX_TX_SKB_BUDGET 9
#endif
#define KICKS_MAX 64 // system calls to have one burst sent: 32 frames each, before Linux 6.17
#define FRAMES_EACH (XDP_FILL + XDP_SEND + BURST_MAX) // of each socket
#define SEND_BYTES (8 << 20)                          // that may be under way: all of the ring
#define WAY_TEXT_MAX 64

struct af_xdp { // one queue of one interface
    struct port port;
    int fd;
    uint8_t number; // among those that share the memory
    enum xdp_side side;
    uint16_t udp_port;
    bool dead; // the interface has gone
    struct umem *umem;
    struct xdp_rings rings;
    uint32_t lent[BURST_MAX], lent_count;
};

struct xdp {
    struct xdp_conf conf;
    struct xdp_prog *prog[XDP_SIDES];
    struct af_xdp *port[XDP_SIDES][XDP_QUEUES_MAX];
    unsigned queues[XDP_SIDES];
    struct umem *umem[WORKERS_MAX];
    int first[WORKERS_MAX]; // the socket that the worker's memory came by; -1: none yet
    unsigned shared[WORKERS_MAX];
    bool copies;
    char way[XDP_SIDES][WAY_TEXT_MAX];
};

static struct af_xdp *self(struct port *p)
{
    return (struct af_xdp *)p;
}

_Static_assert(HOP_MTU_MAX + HOP_HEAD <= XDP_FRAME_MAX, "what has a hop fits into a frame");
_Static_assert(FRAME_START + ETHER_HEAD_MAX + XDP_FRAME_MAX <= FRAME_BYTES, "headers in front");

// ---- frames ----

// Those of the burst before, but for the ones that were sent from where they stood.
static void take_back(struct af_xdp *x)
{
    for (uint32_t i = 0; i < x->lent_count; i++) {
        if (x->umem->state[x->lent[i]] == FRAME_LENT + x->number) umem_give(x->umem, x->lent[i]);
    }
    x->lent_count = 0;
}

static void refill(struct af_xdp *x)
{
    uint32_t room = xdp_ring_room(&x->rings.fill), n = 0;
    for (uint32_t frame; n < room && (frame = umem_take(x->umem)) != FRAME_NONE; n++)
        *xdp_ring_address(&x->rings.fill, n) = (uint64_t)frame * FRAME_BYTES;
    if (n) xdp_ring_produced(&x->rings.fill, n);
}

static void collect_sent(struct af_xdp *x)
{
    uint32_t n = xdp_ring_ready(&x->rings.completion);
    for (uint32_t i = 0; i < n; i++)
        umem_give(x->umem, (uint32_t)(*xdp_ring_address(&x->rings.completion, i) / FRAME_BYTES));
    if (n) xdp_ring_consumed(&x->rings.completion, n);
}

// The kernel sends what lies in the ring, so many frames a call.
static void kick(struct af_xdp *x)
{
    for (int i = 0; i < KICKS_MAX; i++) {
        const uint32_t before = xdp_ring_room(&x->rings.tx);
        if (before == XDP_SEND || sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0) return;
        if (errno == ENXIO || errno == ENETDOWN) __atomic_store_n(&x->dead, true, __ATOMIC_RELAXED);
        // what is left goes with the next burst
        if (errno != EAGAIN || xdp_ring_room(&x->rings.tx) == before) return;
        collect_sent(x);
    }
}

// ---- receiving ----

static bool read_frame(const struct af_xdp *x, struct pkt *p, const struct xdp_desc *d)
{
    const uint32_t frame = (uint32_t)(d->addr / FRAME_BYTES);
    p->room = x->umem->base + (size_t)frame * FRAME_BYTES;
    p->size = FRAME_BYTES;
    p->at = x->umem->base + d->addr;
    p->len = d->len;
    return x->side == XDP_OUTER ? ether_read_outer(p, x->udp_port) : ether_read_inner(p);
}

static void af_xdp_recv(struct port *port, struct pool *pool, struct burst *b)
{
    struct af_xdp *x = self(port);
    uint32_t n = xdp_ring_ready(&x->rings.rx), i = 0;
    struct pkt *p;
    take_back(x);
    for (; i < n && x->lent_count < BURST_MAX && (p = pool_take(pool)); i++) {
        const struct xdp_desc *d = xdp_ring_packet(&x->rings.rx, i);
        const uint32_t frame = (uint32_t)(d->addr / FRAME_BYTES);
        x->umem->state[frame] = (uint8_t)(FRAME_LENT + x->number);
        x->lent[x->lent_count++] = frame;
        if (!read_frame(x, p, d)) {
            count_add(&port->counts.ignored, 1);
            pool_give(pool, p);
            continue;
        }
        count_add(&port->counts.packets_in, 1);
        count_add(&port->counts.bytes_in, p->len);
        b->p[b->n++] = p;
    }
    if (i) xdp_ring_consumed(&x->rings.rx, i);
    port->more = i < n;
    collect_sent(x);
    refill(x);
}

// ---- sending ----

// Room for the header in front of the packet, in a frame: its own, or another that it is copied to.
static uint8_t *into_frame(struct af_xdp *x, const struct pkt *p, uint32_t *frame)
{
    *frame = umem_frame(x->umem, p->at);
    if (*frame != FRAME_NONE && (size_t)(p->at - p->room) >= ETHER_HEAD_MAX) return p->at;
    if (p->len > FRAME_BYTES - FRAME_START - ETHER_HEAD_MAX) return NULL;
    *frame = umem_take(x->umem);
    if (*frame == FRAME_NONE) return NULL;
    uint8_t *at = x->umem->base + (size_t)*frame * FRAME_BYTES + FRAME_START + ETHER_HEAD_MAX;
    return memcpy(at, p->at, p->len);
}

static uint32_t write_head(const struct af_xdp *x, uint8_t *end, const struct pkt *p)
{
    if (x->side == XDP_OUTER) return ether_write_outer(end, p, p->hop->ether);
    memcpy(end - HOP_HEAD, p->hop->ether, HOP_HEAD);
    (void)ether_hop(end); // the engine has looked that it can
    return HOP_HEAD;
}

static bool put(struct af_xdp *x, const struct pkt *p, uint32_t i)
{
    uint32_t frame;
    uint8_t *at = into_frame(x, p, &frame);
    if (!at) return false;
    const uint32_t head = write_head(x, at, p);
    x->umem->state[frame] = FRAME_SENT;
    *xdp_ring_packet(&x->rings.tx, i) =
        (struct xdp_desc){.addr = (uint64_t)(at - head - x->umem->base), .len = head + p->len};
    return true;
}

static void af_xdp_send(struct port *port, struct pkt **p, unsigned n)
{
    struct af_xdp *x = self(port);
    collect_sent(x);
    uint32_t room = xdp_ring_room(&x->rings.tx), used = 0;
    for (unsigned i = 0; i < n; i++) {
        bool sent = used < room && put(x, p[i], used);
        if (sent) used++;
        batch_count_out(&port->counts, p[i], sent, x->side == XDP_OUTER ? DROP_SEND : DROP_DELIVER);
    }
    if (used) xdp_ring_produced(&x->rings.tx, used);
    kick(x);
}

static int af_xdp_fd(const struct port *port)
{
    return ((const struct af_xdp *)port)->fd;
}

static void af_xdp_free(struct port *port)
{
    (void)port; // struct xdp's
}

static const struct port_ops ops[XDP_SIDES] = {
    {"xdp_outer", af_xdp_recv, af_xdp_send, af_xdp_fd, af_xdp_free},
    {"xdp_inner", af_xdp_recv, af_xdp_send, af_xdp_fd, af_xdp_free},
};

bool af_xdp_alive(const struct port *p)
{
    return !__atomic_load_n(&((const struct af_xdp *)p)->dead, __ATOMIC_RELAXED);
}

// ---- one socket ----

static void port_close(struct af_xdp *x)
{
    if (!x) return;
    if (x->fd >= 0) (void)close(x->fd);
    xdp_rings_free(&x->rings);
    free(x);
}

static err_t open_failed(const char *device, const char *step, struct why *why)
{
    const int e = errno;
    if (e == EPERM || e == EACCES)
        return why_not(why, ERR_PERMISSION, "--xdp %s: %s: %s; run as root (CAP_NET_RAW)", device,
                       step, strerror(e));
    if (e == EBUSY)
        return why_not(why, ERR_SYSTEM,
                       "--xdp %s: %s: %s; another program has AF_XDP sockets on this interface",
                       device, step, strerror(e));
    if (e == ENOBUFS || e == ENOMEM)
        return why_not(
            why, ERR_NOMEM,
            "--xdp %s: %s: %s; memory must not be paged out: raise the limit (ulimit -l)", device,
            step, strerror(e));
    return why_not(why, ERR_UNSUPPORTED,
                   "--xdp %s: %s: %s; the kernel needs CONFIG_XDP_SOCKETS, or leave --xdp out",
                   device, step, strerror(e));
}

static err_t give_memory(const struct af_xdp *p, const char *device, struct why *why)
{
    const struct xdp_umem_reg reg = {.addr = (uint64_t)(uintptr_t)p->umem->base,
                                     .len = (uint64_t)p->umem->count * FRAME_BYTES,
                                     .chunk_size = FRAME_BYTES};
    if (setsockopt(p->fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof reg) == 0) return ERR_OK;
    return open_failed(device, "cannot share memory with the kernel", why);
}

// The first socket of a worker brings the memory, the others share it. errno is the kernel's.
static bool bind_queue(const struct xdp *x, const struct af_xdp *p, unsigned queue, int first)
{
    const bool shares = first >= 0;
    const struct sockaddr_xdp at = {
        .sxdp_family = AF_XDP,
        .sxdp_flags = shares      ? XDP_SHARED_UMEM
                      : x->copies ? XDP_COPY
                                  : 0,
        .sxdp_ifindex = xdp_prog_device(x->prog[p->side]),
        .sxdp_queue_id = queue,
        .sxdp_shared_umem_fd = shares ? (uint32_t)first : 0,
    };
    return bind(p->fd, (const struct sockaddr *)&at, sizeof at) == 0;
}

static err_t port_build(struct xdp *x, struct af_xdp *p, unsigned queue, struct why *why)
{
    const char *device = x->conf.device[p->side];
    const unsigned worker = queue % x->conf.workers;
    const uint32_t budget = BURST_MAX;
    const int in_flight = SEND_BYTES;
    p->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (p->fd < 0) return open_failed(device, "cannot open an AF_XDP socket", why);
    if (x->first[worker] < 0) TRY(give_memory(p, device, why));
    TRY(xdp_rings_new(&p->rings, p->fd, why));
    (void)setsockopt(p->fd, SOL_SOCKET, SO_SNDBUFFORCE, &in_flight, sizeof in_flight);
    (void)setsockopt(p->fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof budget);
    if (!bind_queue(x, p, queue, x->first[worker])) {
        if (errno == EINVAL && queue > 0) return ERR_NOTFOUND; // there are no more
        return open_failed(device, "cannot bind an AF_XDP socket", why);
    }
    return xdp_prog_queue(x->prog[p->side], queue, p->fd, why);
}

static err_t port_open(struct xdp *x, enum xdp_side side, unsigned queue, struct why *why)
{
    const unsigned worker = queue % x->conf.workers;
    struct af_xdp *p = calloc(1, sizeof *p);
    if (!p) return why_not(why, ERR_NOMEM, "out of memory");
    *p = (struct af_xdp){.port.ops = &ops[side],
                         .fd = -1,
                         .number = (uint8_t)x->shared[worker],
                         .side = side,
                         .udp_port = x->conf.udp_port,
                         .umem = x->umem[worker]};
    err_t e = port_build(x, p, queue, why);
    if (e != ERR_OK) {
        port_close(p);
        return e;
    }
    if (x->first[worker] < 0) x->first[worker] = p->fd;
    x->shared[worker]++;
    x->port[side][queue] = p;
    x->queues[side]++;
    refill(p);
    return ERR_OK;
}

// ---- both interfaces ----

// Receive queues; 1 where the driver does not say.
static unsigned count_queues(const char *device)
{
    struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
    struct ifreq req = {.ifr_data = (void *)&channels};
    (void)strncpy(req.ifr_name, device, IFNAMSIZ - 1);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCETHTOOL, &req) != 0) channels.combined_count = 1;
    if (fd >= 0) (void)close(fd);
    const unsigned n = channels.combined_count + channels.rx_count;
    return n < 1 ? 1 : n > XDP_QUEUES_MAX ? XDP_QUEUES_MAX : n;
}

// For all sockets that will share it.
static err_t open_memory(struct xdp *x, unsigned worker, struct why *why)
{
    uint32_t sockets = 0;
    for (int side = 0; side < XDP_SIDES; side++) {
        const unsigned queues = x->conf.device[side] ? count_queues(x->conf.device[side]) : 0;
        for (unsigned i = worker; i < queues; i += x->conf.workers) sockets++;
    }
    return umem_new(FRAMES_EACH * (sockets ? sockets : 1), &x->umem[worker], why);
}

static err_t open_side(struct xdp *x, enum xdp_side side, struct why *why)
{
    const unsigned queues = count_queues(x->conf.device[side]);
    for (unsigned queue = 0; queue < queues; queue++) {
        const unsigned worker = queue % x->conf.workers;
        if (!x->umem[worker]) TRY(open_memory(x, worker, why));
        err_t e = port_open(x, side, queue, why);
        if (e == ERR_NOTFOUND) return ERR_OK;
        if (e != ERR_OK) return e;
    }
    return ERR_OK;
}

static void close_sockets(struct xdp *x)
{
    for (int i = 0; i < XDP_SIDES * XDP_QUEUES_MAX; i++) {
        struct af_xdp **p = &x->port[i / XDP_QUEUES_MAX][i % XDP_QUEUES_MAX];
        port_close(*p);
        *p = NULL;
    }
    for (int i = 0; i < WORKERS_MAX; i++) {
        umem_free(x->umem[i]);
        x->umem[i] = NULL;
        x->first[i] = -1;
        x->shared[i] = 0;
    }
    x->queues[XDP_OUTER] = x->queues[XDP_INNER] = 0;
}

static err_t open_sockets(struct xdp *x, struct why *why)
{
    for (int side = 0; side < XDP_SIDES; side++) {
        if (x->conf.device[side]) TRY(open_side(x, (enum xdp_side)side, why));
    }
    return ERR_OK;
}

static err_t open_programs(struct xdp *x, struct why *why)
{
    for (int side = 0; side < XDP_SIDES; side++) {
        const struct xdp_prog_conf conf = {(enum xdp_side)side, x->conf.device[side],
                                           x->conf.udp_port, x->conf.udp, x->conf.esp};
        if (conf.device) TRY(xdp_prog_open(&conf, &x->prog[side], why));
    }
    return ERR_OK;
}

static void tell_way(struct xdp *x, enum xdp_side side)
{
    struct xdp_options o = {0};
    socklen_t len = sizeof o;
    const struct af_xdp *p = x->port[side][0];
    if (!p) return;
    (void)getsockopt(p->fd, SOL_XDP, XDP_OPTIONS, &o, &len);
    (void)snprintf(x->way[side], WAY_TEXT_MAX, "%s, %s, %u queue%s",
                   xdp_prog_native(x->prog[side]) ? "by its driver" : "generic",
                   o.flags & XDP_OPTIONS_ZEROCOPY ? "zero-copy" : "copied", x->queues[side],
                   x->queues[side] == 1 ? "" : "s");
}

static err_t build(struct xdp *x, struct why *why)
{
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    (void)setrlimit(RLIMIT_MEMLOCK, &all); // what the sockets share with the kernel stays in memory
    close_sockets(x);
    TRY(open_programs(x, why));
    err_t e = open_sockets(x, why);
    if (e == ERR_UNSUPPORTED) { // of two interfaces both go without copies, or neither
        close_sockets(x);
        x->copies = true;
        e = open_sockets(x, why);
    }
    TRY(e);
    for (int side = 0; side < XDP_SIDES; side++) tell_way(x, (enum xdp_side)side);
    return ERR_OK;
}

err_t xdp_open(const struct xdp_conf *conf, struct xdp **out, struct why *why)
{
    struct xdp *x = calloc(1, sizeof *x);
    if (!x) return why_not(why, ERR_NOMEM, "out of memory");
    x->conf = *conf;
    err_t e = build(x, why);
    if (e != ERR_OK) {
        xdp_free(x);
        return e;
    }
    *out = x;
    return ERR_OK;
}

void xdp_free(struct xdp *x)
{
    if (!x) return;
    for (int side = 0; side < XDP_SIDES; side++) xdp_prog_free(x->prog[side]);
    close_sockets(x);
    free(x);
}

void xdp_start(struct xdp *x, uint32_t tun)
{
    for (int side = 0; side < XDP_SIDES; side++) {
        if (x->prog[side]) xdp_prog_start(x->prog[side], tun);
    }
}

void xdp_stop(struct xdp *x)
{
    for (int side = 0; side < XDP_SIDES; side++) {
        if (x->prog[side]) xdp_prog_stop(x->prog[side]);
    }
}

struct port *xdp_port(const struct xdp *x, enum xdp_side side, unsigned queue)
{
    return queue < XDP_QUEUES_MAX && x->port[side][queue] ? &x->port[side][queue]->port : NULL;
}

uint32_t xdp_device(const struct xdp *x, enum xdp_side side)
{
    return x->prog[side] ? xdp_prog_device(x->prog[side]) : 0;
}

const uint8_t *xdp_mac(const struct xdp *x, enum xdp_side side)
{
    return x->prog[side] ? xdp_prog_mac(x->prog[side]) : NULL;
}

const char *xdp_way(const struct xdp *x, enum xdp_side side)
{
    return x->way[side];
}
