// preload.c - libpavise-netlink.so: LD_PRELOAD it, and a program's NETLINK_XFRM socket is one of
// pavise-xfrmd instead of the kernel's. All other descriptors pass untouched, but for the UDP
// socket that IKE shares with ESP.
//
// What the program sees is a netlink socket (preload_link.c). Below is the Unix socket of wire.h;
// poll, epoll and select work on it as they are. Here are the functions of libc that stand in
// front: each looks whether the descriptor is ours (preload_table.c), and else passes on.
#include "netlink/preload.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

void *preload_real_find(_Atomic(void *) *slot, const char *name)
{
    void *at = atomic_load(slot);
    if (at) return at;
    at = dlsym(RTLD_NEXT, name);
    if (!at) abort(); // libc without a function that its headers have
    atomic_store(slot, at);
    return at;
}

int preload_fail(int error)
{
    errno = error;
    return -1;
}

void preload_say(const char *what, const char *name)
{
    (void)fprintf(stderr, "libpavise-netlink: %s (%s)\n", what, name);
}

// ---- sockets ----

EXPORT int socket(int domain, int type, int protocol)
{
    if (domain == AF_NETLINK && protocol == NETLINK_XFRM) return link_open(type);
    return REAL(socket)(domain, type, protocol);
}

EXPORT int bind(int fd, __CONST_SOCKADDR_ARG at, socklen_t len)
{
    struct entry *e = table_find(fd);
    if (!e && natt_wants(fd, at.__sockaddr__, len)) return natt_bind(fd, at.__sockaddr__, len);
    if (!e) return REAL(bind)(fd, at, len);
    const struct sockaddr_nl *nl = (const struct sockaddr_nl *)at.__sockaddr__;
    if (len < sizeof *nl || nl->nl_family != AF_NETLINK) return preload_fail(EINVAL);
    bool quiet = !atomic_load(&e->groups);
    if (nl->nl_pid) atomic_store(&e->portid, nl->nl_pid);
    atomic_store(&e->groups, nl->nl_groups);
    return link_update(fd, e, quiet);
}

EXPORT int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
    if (!table_find(fd)) return REAL(connect)(fd, to, len);
    const struct sockaddr_nl *nl = (const struct sockaddr_nl *)to.__sockaddr__;
    if (len < sizeof *nl || nl->nl_family != AF_NETLINK) return preload_fail(EINVAL);
    return nl->nl_pid ? preload_fail(ECONNREFUSED) : 0; // the kernel is always connected
}

EXPORT int getsockname(int fd, __SOCKADDR_ARG at, socklen_t *restrict len)
{
    struct entry *e = table_find(fd);
    if (!e) return REAL(getsockname)(fd, at, len);
    struct sockaddr_nl nl = {.nl_family = AF_NETLINK,
                             .nl_pid = atomic_load(&e->portid),
                             .nl_groups = atomic_load(&e->groups)};
    link_name(at.__sockaddr__, len, &nl);
    return 0;
}

EXPORT int getpeername(int fd, __SOCKADDR_ARG at, socklen_t *restrict len)
{
    if (!table_find(fd)) return REAL(getpeername)(fd, at, len);
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    link_name(at.__sockaddr__, len, &kernel);
    return 0;
}

static int set_option(int fd, struct entry *e, int option, int value)
{
    unsigned bit = value > 0 && value <= 32 ? 1U << (value - 1) : 0;
    unsigned flag = option == NETLINK_EXT_ACK ? WIRE_EXT_ACK : WIRE_CAP_ACK;
    bool quiet = !atomic_load(&e->groups);
    switch (option) {
    case NETLINK_ADD_MEMBERSHIP:
    case NETLINK_DROP_MEMBERSHIP:
        if (!bit) return preload_fail(EINVAL);
        if (option == NETLINK_ADD_MEMBERSHIP) {
            atomic_fetch_or(&e->groups, bit);
        } else {
            atomic_fetch_and(&e->groups, ~bit);
        }
        return link_update(fd, e, quiet);
    case NETLINK_EXT_ACK:
    case NETLINK_CAP_ACK:
        if (value) {
            atomic_fetch_or(&e->options, flag);
        } else {
            atomic_fetch_and(&e->options, ~flag);
        }
        return link_update(fd, e, quiet);
    default:
        return 0; // packet info, strict checks and the like change nothing that we do
    }
}

EXPORT int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
    struct entry *e = table_find(fd);
    int v = 0;
    if (!e && natt_option(fd, level, option, value, len, &v)) return v;
    if (!e || level != SOL_NETLINK) return REAL(setsockopt)(fd, level, option, value, len);
    if (len < sizeof v || !value) return preload_fail(EINVAL);
    memcpy(&v, value, sizeof v);
    return set_option(fd, e, option, v);
}

// What the Unix socket below would answer differently.
static bool get_socket_option(const struct entry *e, int option, int *v)
{
    switch (option) {
    case SO_PROTOCOL:
        *v = NETLINK_XFRM;
        return true;
    case SO_DOMAIN:
        *v = AF_NETLINK;
        return true;
    case SO_TYPE:
        *v = atomic_load(&e->type);
        return true;
    default:
        return false;
    }
}

static bool get_option(const struct entry *e, int level, int option, int *v)
{
    unsigned options = atomic_load(&e->options);
    if (level == SOL_SOCKET) return get_socket_option(e, option, v);
    if (level != SOL_NETLINK) return false;
    *v = 0;
    if (option == NETLINK_LIST_MEMBERSHIPS) *v = (int)atomic_load(&e->groups);
    if (option == NETLINK_EXT_ACK) *v = (options & WIRE_EXT_ACK) != 0;
    if (option == NETLINK_CAP_ACK) *v = (options & WIRE_CAP_ACK) != 0;
    return true;
}

EXPORT int getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict len)
{
    struct entry *e = table_find(fd);
    int v;
    if (!e || !get_option(e, level, option, &v)) {
        return REAL(getsockopt)(fd, level, option, value, len);
    }
    if (*len < sizeof v) return preload_fail(EINVAL);
    memcpy(value, &v, sizeof v);
    *len = sizeof v;
    return 0;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    struct entry *e = table_find(fd);
    return e ? link_send(fd, e, m, flags) : REAL(sendmsg)(fd, m, flags);
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t n, int flags, __CONST_SOCKADDR_ARG to,
                      socklen_t len)
{
    struct entry *e = table_find(fd);
    if (!e) return REAL(sendto)(fd, buf, n, flags, to, len);
    struct sockaddr_nl nl = {0};
    struct iovec v = {(void *)(uintptr_t)buf, n}; // sendmsg does not write to it
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    if (to.__sockaddr__ && len >= sizeof nl) {
        memcpy(&nl, to.__sockaddr__, sizeof nl);
        m.msg_name = &nl;
        m.msg_namelen = sizeof nl;
    }
    return link_send(fd, e, &m, flags);
}

EXPORT ssize_t send(int fd, const void *buf, size_t n, int flags)
{
    struct entry *e = table_find(fd);
    if (!e) return REAL(send)(fd, buf, n, flags);
    struct iovec v = {(void *)(uintptr_t)buf, n};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    return link_send(fd, e, &m, flags);
}

EXPORT ssize_t write(int fd, const void *buf, size_t n)
{
    struct entry *e = table_find(fd);
    if (!e) return REAL(write)(fd, buf, n);
    struct iovec v = {(void *)(uintptr_t)buf, n};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    return link_send(fd, e, &m, 0);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *v, unsigned count, int flags)
{
    struct entry *e = table_find(fd);
    if (!e) return REAL(sendmmsg)(fd, v, count, flags);
    for (unsigned i = 0; i < count; i++) {
        ssize_t n = link_send(fd, e, &v[i].msg_hdr, flags);
        if (n < 0) return i ? (int)i : -1;
        v[i].msg_len = (unsigned)n;
    }
    return (int)count;
}

static ssize_t read_ours(int fd, struct entry *e, void *buf, size_t n, int flags)
{
    struct iovec v = {buf, n};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    return link_receive(fd, e, &m, flags);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    struct entry *e = table_find(fd);
    return e ? link_receive(fd, e, m, flags) : REAL(recvmsg)(fd, m, flags);
}

static ssize_t recvfrom_ours(int fd, struct entry *e, struct iovec v, int flags, void *from,
                             socklen_t *len)
{
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_name = from};
    if (len) m.msg_namelen = *len;
    ssize_t n = link_receive(fd, e, &m, flags);
    if (n >= 0 && from && len) *len = m.msg_namelen;
    return n;
}

EXPORT ssize_t recvfrom(int fd, void *restrict buf, size_t n, int flags, __SOCKADDR_ARG from,
                        socklen_t *restrict len)
{
    struct entry *e = table_find(fd);
    if (!e) return REAL(recvfrom)(fd, buf, n, flags, from, len);
    return recvfrom_ours(fd, e, (struct iovec){buf, n}, flags, from.__sockaddr__, len);
}

EXPORT ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    struct entry *e = table_find(fd);
    return e ? read_ours(fd, e, buf, n, flags) : REAL(recv)(fd, buf, n, flags);
}

EXPORT ssize_t read(int fd, void *buf, size_t n)
{
    struct entry *e = table_find(fd);
    return e ? read_ours(fd, e, buf, n, 0) : REAL(read)(fd, buf, n);
}

EXPORT int recvmmsg(int fd, struct mmsghdr *v, unsigned count, int flags, struct timespec *timeout)
{
    struct entry *e = table_find(fd);
    if (!e) return REAL(recvmmsg)(fd, v, count, flags, timeout);
    for (unsigned i = 0; i < count; i++) {
        bool wait = i == 0 || !(flags & MSG_WAITFORONE);
        ssize_t n = link_receive(fd, e, &v[i].msg_hdr,
                                 (flags & ~MSG_WAITFORONE) | (wait ? 0 : MSG_DONTWAIT));
        if (n < 0) return i ? (int)i : -1;
        v[i].msg_len = (unsigned)n;
    }
    return (int)count;
}

// What _FORTIFY_SOURCE makes of recv, recvfrom and read.
void __chk_fail(void) __attribute__((noreturn));
EXPORT ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags);
EXPORT ssize_t __recvfrom_chk(int fd, void *restrict buf, size_t n, size_t room, int flags,
                              __SOCKADDR_ARG from, socklen_t *restrict len);
EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);

ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags)
{
    if (n > room) __chk_fail();
    return recv(fd, buf, n, flags);
}

ssize_t __recvfrom_chk(int fd, void *restrict buf, size_t n, size_t room, int flags,
                       __SOCKADDR_ARG from, socklen_t *restrict len)
{
    if (n > room) __chk_fail();
    return recvfrom(fd, buf, n, flags, from, len);
}

ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
    if (n > room) __chk_fail();
    return read(fd, buf, n);
}

// ---- descriptors ----

EXPORT int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
    struct entry *e = table_find(fd);
    int r = REAL(epoll_ctl)(epoll_fd, op, fd, event);
    if (!e || r != 0) return r;
    if (op != EPOLL_CTL_DEL) e->watched = *event;
    atomic_store(&e->epoll_fd, op != EPOLL_CTL_DEL ? epoll_fd : 0);
    return r;
}

EXPORT int close(int fd)
{
    table_forget(fd);
    natt_forget(fd);
    return REAL(close)(fd);
}

EXPORT int dup(int fd)
{
    int to = REAL(dup)(fd);
    table_share(fd, to);
    return to;
}

EXPORT int dup2(int fd, int want)
{
    int to = REAL(dup2)(fd, want);
    table_share(fd, to);
    return to;
}

EXPORT int dup3(int fd, int want, int flags)
{
    int to = REAL(dup3)(fd, want, flags);
    table_share(fd, to);
    return to;
}

// Every command's argument, if it has one, is an int or a pointer: a long carries both.
EXPORT int fcntl(int fd, int cmd, ...)
{
    va_list ap;
    va_start(ap, cmd);
    long arg = va_arg(ap, long);
    va_end(ap);
    int r = REAL(fcntl)(fd, cmd, arg);
    if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) table_share(fd, r);
    return r;
}

EXPORT int fcntl64(int fd, int cmd, ...)
{
    va_list ap;
    va_start(ap, cmd);
    long arg = va_arg(ap, long);
    va_end(ap);
    int r = REAL(fcntl64)(fd, cmd, arg);
    if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) table_share(fd, r);
    return r;
}
