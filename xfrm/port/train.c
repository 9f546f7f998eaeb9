#include "xfrm/port/train.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"

#define TRAIN_BYTES (64 << 10) // no datagram is longer, coupled or not
#define TRAINS_MAX 32          // taken by one system call
// Retransmissions of IKE (RFC 7296 2.4) come after seconds.
#define UNCOUPLED (20 * NSEC_PER_SEC)

struct load {        // one received message
    struct pkt like; // addresses and TOS
    uint32_t len, car;
};

struct train {
    int fd;
    uint16_t family;
    uint64_t couple_again; // monotonic ns; 0: trains are on
    uint8_t *room;         // TRAINS_MAX times TRAIN_BYTES
    unsigned wanted;       // messages per system call: as many as fill a burst
    unsigned loads, at;    // received, and the one being unloaded
    uint32_t at_byte;
    struct load load[TRAINS_MAX];
    struct mmsghdr msg[TRAINS_MAX];
    struct iovec iov[TRAINS_MAX];
    struct sockaddr_in6 peer[TRAINS_MAX];
    _Alignas(struct cmsghdr) uint8_t control[TRAINS_MAX][BATCH_CONTROL_MAX];
};

// ---- making one ----

static void couple(const struct train *t, int on)
{
    (void)setsockopt(t->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
}

struct train *train_new(int fd, uint16_t family)
{
    struct train *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    // pages of it exist once a train has been that long
    t->room = mmap(NULL, (size_t)TRAINS_MAX * TRAIN_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (t->room == MAP_FAILED) {
        free(t);
        return NULL;
    }
    t->fd = fd;
    t->family = family;
    t->wanted = TRAINS_MAX;
    couple(t, 1);
    return t;
}

void train_free(struct train *t)
{
    if (!t) return;
    (void)munmap(t->room, (size_t)TRAINS_MAX * TRAIN_BYTES);
    free(t);
}

// ---- arrival ----

static uint32_t car_size(struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO) continue;
        int size = 0;
        if (c->cmsg_len >= CMSG_LEN(sizeof size)) memcpy(&size, CMSG_DATA(c), sizeof size);
        return size > 0 ? (uint32_t)size : 0;
    }
    return 0;
}

static void load_read(struct train *t, unsigned i)
{
    struct load *l = &t->load[i];
    batch_read(&t->msg[i], t->family, &l->like);
    l->len = l->like.len;
    l->car = car_size(&t->msg[i].msg_hdr);
    if (l->car == 0 || l->car > l->len) l->car = l->len; // no train
}

// Large trains fill a burst by themselves: what is taken beyond it only grows cold.
static void adapt(struct train *t)
{
    uint64_t cars = 0;
    for (unsigned i = 0; i < t->loads; i++)
        cars += t->load[i].car ? (t->load[i].len + t->load[i].car - 1) / t->load[i].car : 1;
    uint64_t wanted = t->loads ? (uint64_t)BURST_MAX * t->loads / cars : TRAINS_MAX;
    t->wanted = wanted < 1 ? 1 : wanted > TRAINS_MAX ? TRAINS_MAX : (unsigned)wanted;
}

static void arrive(struct train *t)
{
    for (unsigned i = 0; i < t->wanted; i++) {
        t->iov[i] = (struct iovec){t->room + (size_t)i * TRAIN_BYTES, TRAIN_BYTES};
        t->msg[i].msg_hdr = (struct msghdr){.msg_name = &t->peer[i],
                                            .msg_namelen = sizeof t->peer[i],
                                            .msg_iov = &t->iov[i],
                                            .msg_iovlen = 1,
                                            .msg_control = t->control[i],
                                            .msg_controllen = sizeof t->control[i]};
    }
    int got = recvmmsg(t->fd, t->msg, t->wanted, MSG_DONTWAIT, NULL);
    t->loads = got > 0 ? (unsigned)got : 0;
    t->at = 0;
    t->at_byte = 0;
    for (unsigned i = 0; i < t->loads; i++) load_read(t, i);
    adapt(t);
}

// ---- unloading ----

static void unload(struct train *t, struct pkt *p)
{
    const struct load *l = &t->load[t->at];
    uint8_t *car = t->room + (size_t)t->at * TRAIN_BYTES + t->at_byte;
    uint32_t left = l->len - t->at_byte, len = left < l->car ? left : l->car;
    p->from = l->like.from;
    p->to = l->like.to;
    p->outer_tos = l->like.outer_tos;
    p->at = p->room = car;
    p->size = len;
    p->len = len;
    t->at_byte += len;
    if (t->at_byte < l->len) return;
    t->at++;
    t->at_byte = 0;
}

void train_recv(struct train *t, struct pool *pool, struct burst *b, bool *more)
{
    struct pkt *p;
    if (t->couple_again && clock_mono() >= t->couple_again) {
        t->couple_again = 0;
        couple(t, 1);
    }
    if (t->at == t->loads) arrive(t);
    while (t->at < t->loads && b->n < BURST_MAX && (p = pool_take(pool))) {
        unload(t, p);
        b->p[b->n++] = p;
    }
    *more = t->at < t->loads;
}

void train_stranger(struct train *t, const struct pkt *p)
{
    bool first = (size_t)(p->at - t->room) % TRAIN_BYTES == 0;
    if (first || t->couple_again) return;
    couple(t, 0);
    t->couple_again = clock_mono() + UNCOUPLED;
}
