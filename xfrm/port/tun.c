// tun.c - the host's side of the executor: a TUN device that routes lead packets into.
//
// With each packet comes a struct virtio_net_hdr (IFF_VNET_HDR), so that one system call moves a
// super-packet of up to 64 KiB: in, segment.c cuts it; out, coalesce.c has joined it. A kernel
// without some of that gets less of it.
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "xfrm/db/counter.h"
#include "xfrm/port/batch.h"
#include "xfrm/port/coalesce.h"
#include "xfrm/port/segment.h"

// Linux 6.2
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define OFFLOAD_TCP (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
#define OFFLOAD_UDP (TUN_F_USO4 | TUN_F_USO6)

struct tun {
    struct port port;
    int fd;
    bool udp;           // the kernel knows super-packets of UDP
    struct segment cut; // the super-packet in `super`, while it is being cut
    struct coalesce joined;
    uint8_t super[SUPER_MAX];
};

static struct tun *self(struct port *p)
{
    return (struct tun *)p;
}

// ---- packets ----

static void take_whole(const struct tun *t, const struct virtio_net_hdr *hdr, uint32_t len,
                       struct pkt *p)
{
    p->len = len <= PKT_DATA_MAX ? len : 0; // 0: too long, to be counted
    memcpy(p->at, t->super, p->len);
    if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) return;
    if (!segment_finish(hdr, p->at, p->len)) p->len = 0;
}

// Reads what the host sends next, and makes p its first packet. False: nothing there.
static bool take_next(struct tun *t, struct pkt *p)
{
    struct virtio_net_hdr hdr;
    const struct iovec iov[] = {{&hdr, sizeof hdr}, {t->super, sizeof t->super}};
    ssize_t n = readv(t->fd, iov, 2);
    if (n < (ssize_t)sizeof hdr) return false;
    uint32_t len = (uint32_t)n - (uint32_t)sizeof hdr;
    if (hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
        take_whole(t, &hdr, len, p);
    } else if (segment_begin(&t->cut, &hdr, t->super, len) == ERR_OK) {
        segment_next(&t->cut, p);
    } // else it stays a packet of no bytes, to be counted as malformed
    return true;
}

static bool take(struct tun *t, struct pkt *p)
{
    if (!t->cut.more) return take_next(t, p);
    segment_next(&t->cut, p);
    return true;
}

static void tun_recv(struct port *port, struct pool *pool, struct burst *b)
{
    struct tun *t = self(port);
    struct pkt *p;
    while (b->n < BURST_MAX && (p = pool_take(pool))) {
        if (!take(t, p)) {
            pool_give(pool, p);
            break;
        }
        count_add(&port->counts.packets_in, 1);
        count_add(&port->counts.bytes_in, p->len);
        p->mark = port->mark;
        b->p[b->n++] = p;
    }
    port->more = t->cut.more;
}

static void send_one(struct tun *t, struct pkt *p)
{
    struct virtio_net_hdr hdr = {0};
    const struct iovec iov[] = {{&hdr, sizeof hdr}, {p->at, p->len}};
    ssize_t sent = writev(t->fd, iov, 2);
    batch_count_out(&t->port.counts, p, sent == (ssize_t)(sizeof hdr + p->len), DROP_DELIVER);
}

static bool send_super(struct tun *t, const struct joint *j, struct pkt **p)
{
    struct virtio_net_hdr hdr;
    struct iovec iov[1 + COALESCE_IOV_MAX];
    uint8_t head[COALESCE_HEAD_MAX];
    unsigned pieces = coalesce_write(&t->joined, j, p, &hdr, head, iov + 1);
    iov[0] = (struct iovec){&hdr, sizeof hdr};
    return writev(t->fd, iov, (int)pieces + 1) > 0;
}

// A super-packet that the host does not take goes as the packets it was made of.
static void send_joint(struct tun *t, const struct joint *j, struct pkt **p)
{
    bool sent = j->count > 1 && send_super(t, j, p);
    unsigned i = j->first;
    for (unsigned k = 0; k < j->count; k++) {
        if (sent) batch_count_out(&t->port.counts, p[i], true, DROP_NONE);
        if (!sent) send_one(t, p[i]);
        if (i != j->last) i = t->joined.next[i];
    }
}

static void tun_send(struct port *port, struct pkt **p, unsigned n)
{
    struct tun *t = self(port);
    coalesce_burst(&t->joined, p, n, t->udp);
    for (unsigned i = 0; i < t->joined.joints; i++) send_joint(t, &t->joined.joint[i], p);
}

static int tun_fd(const struct port *port)
{
    return ((const struct tun *)port)->fd;
}

static void tun_free(struct port *port)
{
    (void)close(self(port)->fd);
    free(port);
}

static const struct port_ops tun_ops = {"tun", tun_recv, tun_send, tun_fd, tun_free};

// ---- the device ----

// A setting that cannot be written (a read-only /proc, no IPv6) is worth a line, not the end: who
// depends on one reads it back.
static void device_set(const char *name, const char *family, const char *key, const char *value)
{
    char path[128];
    (void)snprintf(path, sizeof path, "/proc/sys/net/%s/conf/%s/%s", family, name, key);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, value, strlen(value)) > 0;
    if (!done) log_say(LOG_INFO, "tun", "%s: not set to %s: %s", path, value, strerror(errno));
    if (fd >= 0) (void)close(fd);
}

static void device_quiet(const char *name)
{
    device_set(name, "ipv6", "addr_gen_mode", "1"); // no link-local address, so no solicitations
    device_set(name, "ipv6", "accept_ra", "0");
    device_set(name, "ipv6", "disable_policy", "1");
    device_set(name, "ipv4", "disable_policy", "1");
    device_set(name, "ipv4", "disable_xfrm", "1");
    device_set(name, "ipv4", "rp_filter", "0");
}

static err_t device_up(const char *name, uint32_t mtu, struct why *why)
{
    struct ifreq req = {.ifr_mtu = (int)mtu};
    (void)snprintf(req.ifr_name, sizeof req.ifr_name, "%s", name);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return why_not(why, ERR_SYSTEM, "socket: %s", strerror(errno));
    bool done = ioctl(fd, SIOCSIFMTU, &req) == 0;
    req.ifr_flags = 0;
    done = done && ioctl(fd, SIOCGIFFLAGS, &req) == 0;
    req.ifr_flags = (short)(req.ifr_flags | IFF_UP);
    done = done && ioctl(fd, SIOCSIFFLAGS, &req) == 0;
    int e = errno;
    (void)close(fd);
    if (done) return ERR_OK;
    return why_not(why, ERR_SYSTEM, "device %s: cannot set its MTU to %u and bring it up: %s", name,
                   mtu, strerror(e));
}

// What cannot be had is done without: the host then cuts and sums by itself.
static void device_offload(struct tun *t)
{
    const int header = sizeof(struct virtio_net_hdr);
    (void)ioctl(t->fd, TUNSETVNETHDRSZ, &header); // is so by default
    t->udp = ioctl(t->fd, TUNSETOFFLOAD, OFFLOAD_TCP | OFFLOAD_UDP) == 0;
    if (!t->udp && ioctl(t->fd, TUNSETOFFLOAD, OFFLOAD_TCP) != 0)
        log_say(LOG_INFO, "tun", "no super-packets: %s", strerror(errno));
}

// A device of one queue may be there already, kept by `ip tuntap`; one with more could be in use by
// another process without our noticing.
static short queue_flags(unsigned index, unsigned queues)
{
    if (queues == 1) return 0;
    return (short)(IFF_MULTI_QUEUE | (index == 0 ? IFF_TUN_EXCL : 0));
}

static err_t device_attach(int fd, const char *name, short flags, struct why *why)
{
    struct ifreq req = {.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | flags)};
    (void)snprintf(req.ifr_name, sizeof req.ifr_name, "%s", name);
    if (ioctl(fd, TUNSETIFF, &req) == 0) return ERR_OK;
    if (errno == EBUSY) {
        return why_not(why, ERR_EXISTS,
                       "device %s is in use by another process, or was left behind; choose "
                       "another name with --tun, stop that process, or `ip link del` it",
                       name);
    }
    if (errno == EPERM) {
        return why_not(why, ERR_PERMISSION, "device %s: %s; run as root (CAP_NET_ADMIN)", name,
                       strerror(errno));
    }
    return why_not(why, ERR_SYSTEM, "device %s: %s; is it a device of another kind?", name,
                   strerror(errno));
}

static err_t tun_check(const char *name, uint32_t mtu, struct why *why)
{
    size_t n = strlen(name);
    if (n == 0 || n >= IFNAMSIZ || strpbrk(name, "/ %:\"\\") || !strcmp(name, ".") ||
        !strcmp(name, "..")) {
        return why_not(why, ERR_SYNTAX, "'%s' is not a device name of 1 to %d characters", name,
                       IFNAMSIZ - 1);
    }
    if (mtu < TUN_MTU_MIN || mtu > TUN_MTU_MAX) {
        return why_not(why, ERR_RANGE, "MTU %u: must be from %d to %d", mtu, TUN_MTU_MIN,
                       TUN_MTU_MAX);
    }
    return ERR_OK;
}

static err_t device_open(int *out, struct why *why)
{
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return why_not(why, errno == EACCES || errno == EPERM ? ERR_PERMISSION : ERR_SYSTEM,
                       "cannot open /dev/net/tun: %s; run as root, or `modprobe tun`",
                       strerror(errno));
    }
    *out = fd;
    return ERR_OK;
}

static err_t queue_open(const char *name, short flags, struct port **out, struct why *why)
{
    struct tun *t = calloc(1, sizeof *t);
    if (!t) return why_not(why, ERR_NOMEM, "out of memory");
    t->port.ops = &tun_ops;
    t->port.inner = true;
    err_t e = device_open(&t->fd, why);
    if (e != ERR_OK) {
        free(t);
        return e;
    }
    e = device_attach(t->fd, name, flags, why);
    if (e != ERR_OK) {
        tun_free(&t->port);
        return e;
    }
    device_offload(t);
    *out = &t->port;
    return ERR_OK;
}

static err_t queues_open(const char *name, unsigned queues, struct port **out, struct why *why)
{
    for (unsigned i = 0; i < queues; i++)
        TRY(queue_open(name, queue_flags(i, queues), &out[i], why));
    return ERR_OK;
}

err_t tun_open(const char *name, uint32_t mtu, unsigned queues, struct port **out, struct why *why)
{
    TRY(tun_check(name, mtu, why));
    memset(out, 0, queues * sizeof(struct port *));
    err_t e = queues_open(name, queues, out, why);
    if (e == ERR_OK) {
        device_quiet(name);
        e = device_up(name, mtu, why);
    }
    for (unsigned i = 0; e != ERR_OK && i < queues; i++) {
        if (out[i]) tun_free(out[i]);
        out[i] = NULL;
    }
    return e;
}
