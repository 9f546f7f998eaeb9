// tun.c - the host's side of the executor: a TUN device that routes lead packets into.
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "xfrm/db/counter.h"
#include "xfrm/port/batch.h"

struct tun {
    struct port port;
    int fd;
};

static struct tun *self(struct port *p)
{
    return (struct tun *)p;
}

// ---- packets ----

static void tun_recv(struct port *port, struct pool *pool, struct burst *b)
{
    struct pkt *p;
    while (b->n < BURST_MAX && (p = pool_take(pool))) {
        size_t space = (size_t)(p->room + p->size - p->at) - PKT_TAILROOM;
        ssize_t n = read(self(port)->fd, p->at, space);
        if (n <= 0) {
            pool_give(pool, p);
            return;
        }
        p->len = (uint32_t)n;
        count_add(&port->counts.packets_in, 1);
        count_add(&port->counts.bytes_in, p->len);
        b->p[b->n++] = p;
    }
}

static void tun_send(struct port *port, struct pkt **p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ssize_t sent = write(self(port)->fd, p[i]->at, p[i]->len);
        batch_count_out(&port->counts, p[i], sent == (ssize_t)p[i]->len, DROP_DELIVER);
    }
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

static err_t device_attach(int fd, const char *name, struct why *why)
{
    struct ifreq req = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    (void)snprintf(req.ifr_name, sizeof req.ifr_name, "%s", name);
    if (ioctl(fd, TUNSETIFF, &req) == 0) return ERR_OK;
    if (errno == EBUSY) {
        return why_not(why, ERR_EXISTS,
                       "device %s is in use by another process; choose another "
                       "name with --tun, or stop that process",
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

static err_t tun_bring_up(int fd, const char *name, uint32_t mtu, struct why *why)
{
    TRY(device_attach(fd, name, why));
    device_quiet(name);
    return device_up(name, mtu, why);
}

err_t tun_open(const char *name, uint32_t mtu, struct port **out, struct why *why)
{
    TRY(tun_check(name, mtu, why));
    struct tun *t = calloc(1, sizeof *t);
    if (!t) return why_not(why, ERR_NOMEM, "out of memory");
    t->port.ops = &tun_ops;
    err_t e = device_open(&t->fd, why);
    if (e != ERR_OK) {
        free(t);
        return e;
    }
    e = tun_bring_up(t->fd, name, mtu, why);
    if (e != ERR_OK) {
        tun_free(&t->port);
        return e;
    }
    *out = &t->port;
    return ERR_OK;
}
