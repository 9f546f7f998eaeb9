// preload.c - libpavise-netlink.so: LD_PRELOAD it, and a program's NETLINK_XFRM socket is one of
// pavise-xfrmd instead of the kernel's. All other descriptors pass untouched.
//
// What the program sees is a netlink socket: addresses are struct sockaddr_nl, the sender is port
// 0, groups and options come by bind and setsockopt, lost events are ENOBUFS, and the other side
// never ends (after a restart of pavise-xfrmd the socket is connected again). Below is the Unix
// socket of wire.h; poll, epoll and select work on it as they are.
//
// The table of our descriptors is indexed by number and lock-free: calls on other descriptors cost
// one load. An entry remembers its socket's inode, so that a number which was closed behind our
// back (close_range) and used again is recognised. fork copies the table with the descriptors; a
// program started by exec opens sockets of its own.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "netlink/wire.h"

#define FDS_MAX 1024 // descriptors that can be ours; a higher number is refused
#define HELLO_MS 1000
#define GONE_MS 100 // between two looks for a pavise-xfrmd that has gone
#define DEFAULT_NAME "@pavise-xfrm"
#define EXPORT __attribute__((visibility("default")))

// The function behind ours.
#define REAL(name)                                  \
    ({                                              \
        static _Atomic(void *) slot;                \
        (__typeof__(&name))real_find(&slot, #name); \
    })

struct entry {
    atomic_bool ours;
    atomic_bool used; // something was sent, so an answer may be on its way
    atomic_ulong inode;
    atomic_uint portid, groups, options;
    atomic_int type; // as the program asked for it
};

static struct entry table[FDS_MAX];
static atomic_uint opened; // sockets so far: the first gets the process id as its port id

static void *real_find(_Atomic(void *) *slot, const char *name)
{
    void *at = atomic_load(slot);
    if (at) return at;
    at = dlsym(RTLD_NEXT, name);
    if (!at) abort(); // libc without a function that its headers have
    atomic_store(slot, at);
    return at;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

// ---- the table ----

static unsigned long inode_of(int fd)
{
    struct stat st;
    int before = errno;
    unsigned long inode = fstat(fd, &st) == 0 ? st.st_ino : 0;
    errno = before;
    return inode;
}

static struct entry *ours(int fd)
{
    if (fd < 0 || fd >= FDS_MAX || !atomic_load(&table[fd].ours)) return NULL;
    if (inode_of(fd) == atomic_load(&table[fd].inode)) return &table[fd];
    atomic_store(&table[fd].ours, false);
    return NULL;
}

static void forget(int fd)
{
    if (fd >= 0 && fd < FDS_MAX) atomic_store(&table[fd].ours, false);
}

// A second descriptor of the same socket.
static void share(int from, int to)
{
    struct entry *e = ours(from);
    if (to < 0 || to >= FDS_MAX || to == from) return;
    forget(to);
    if (!e) return;
    struct entry *t = &table[to];
    atomic_store(&t->used, atomic_load(&e->used));
    atomic_store(&t->inode, atomic_load(&e->inode));
    atomic_store(&t->portid, atomic_load(&e->portid));
    atomic_store(&t->groups, atomic_load(&e->groups));
    atomic_store(&t->options, atomic_load(&e->options));
    atomic_store(&t->type, atomic_load(&e->type));
    atomic_store(&t->ours, true);
}

// ---- the connection ----

static void complain(const char *what, const char *name)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&said)) return;
    (void)fprintf(stderr, "libpavise-netlink: %s (socket %s)\n", what, name);
}

// The answer to a hello: 0 or an errno.
static int answer_wait(int fd)
{
    struct {
        struct nlmsghdr h;
        struct nlmsgerr e;
    } answer;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, HELLO_MS) != 1) return ETIMEDOUT;
    ssize_t n = REAL(recv)(fd, &answer, sizeof answer, MSG_DONTWAIT);
    // A refusal is there even when the connection has ended, behind the news of that end.
    if (n < 0) n = REAL(recv)(fd, &answer, sizeof answer, MSG_DONTWAIT);
    if (n != sizeof answer) return EPROTO;
    return -answer.e.error;
}

// Says who we are. Waits for the answer if nothing else can come before it.
static int hello(int fd, const struct entry *e, bool wait)
{
    struct wire_hello h =
        wire_hello(atomic_load(&e->portid), atomic_load(&e->groups), atomic_load(&e->options));
    if (!wait) h.h.nlmsg_flags = NLM_F_REQUEST;
    ssize_t n = REAL(send)(fd, &h, sizeof h, MSG_NOSIGNAL);
    if (wait) return answer_wait(fd);
    return n == sizeof h ? 0 : ECONNREFUSED;
}

// A connected socket that has said hello, or -1.
static int connect_as(const struct entry *e)
{
    struct sockaddr_un at;
    const char *name = secure_getenv("PAVISE_XFRM_SOCKET");
    if (!name || !*name) name = DEFAULT_NAME;
    socklen_t n = wire_address(name, &at);
    int fd = n ? REAL(socket)(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) : fail(EINVAL);
    int error = fd < 0 ? errno : 0;
    if (!error && REAL(connect)(fd, (const struct sockaddr *)&at, n) != 0) error = errno;
    if (!error && wire_peer_uid(fd) != 0) error = EACCES;
    if (!error) error = hello(fd, e, true);
    if (!error) return fd;
    complain(error == ECONNREFUSED ? "pavise-xfrmd is not running in this network namespace"
             : error == EPERM      ? "pavise-xfrmd takes root only"
             : error == EACCES     ? "not served by root: no keys for an impostor"
                                   : strerror(error),
             name);
    if (fd >= 0) (void)REAL(close)(fd);
    return fail(error);
}

static int open_xfrm(int type)
{
    unsigned nth = atomic_fetch_add(&opened, 1);
    struct entry e = {.portid = nth ? UINT32_MAX - 4096 - nth : (unsigned)getpid(), .type = type};
    int fd = connect_as(&e);
    if (fd < 0) return -1;
    if (fd >= FDS_MAX) {
        (void)REAL(close)(fd);
        return fail(EMFILE);
    }
    if (type & SOCK_NONBLOCK) (void)REAL(fcntl)(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    if (!(type & SOCK_CLOEXEC)) (void)REAL(fcntl)(fd, F_SETFD, 0);
    struct entry *t = &table[fd];
    atomic_store(&t->used, false);
    atomic_store(&t->inode, inode_of(fd));
    atomic_store(&t->portid, atomic_load(&e.portid));
    atomic_store(&t->groups, 0);
    atomic_store(&t->options, 0);
    atomic_store(&t->type, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC));
    atomic_store(&t->ours, true);
    return fd;
}

// Puts a new connection under the number of one that has ended.
static bool reconnect(int fd, struct entry *e)
{
    int flags = REAL(fcntl)(fd, F_GETFL), cloexec = REAL(fcntl)(fd, F_GETFD);
    int next = connect_as(e);
    if (next < 0) return false;
    unsigned long inode = inode_of(next);
    if (flags >= 0) (void)REAL(fcntl)(next, F_SETFL, flags);
    bool done = REAL(dup3)(next, fd, cloexec & FD_CLOEXEC ? O_CLOEXEC : 0) == fd;
    if (done) atomic_store(&e->inode, inode);
    (void)REAL(close)(next);
    return done;
}

// Tells pavise-xfrmd of other groups, options or another port id.
static int update(int fd, struct entry *e, bool quiet)
{
    int error = hello(fd, e, quiet && !atomic_load(&e->used));
    return error ? fail(error) : 0;
}

// ---- sending and receiving on our descriptors ----

static ssize_t xfrm_send(int fd, struct entry *e, const struct msghdr *from, int flags)
{
    struct msghdr m = {.msg_iov = from->msg_iov, .msg_iovlen = from->msg_iovlen};
    const struct sockaddr_nl *to = from->msg_name;
    if (to && from->msg_namelen >= sizeof *to && to->nl_pid) return fail(ECONNREFUSED);
    atomic_store(&e->used, true);
    ssize_t n = REAL(sendmsg)(fd, &m, flags | MSG_NOSIGNAL);
    bool gone = n < 0 && (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN);
    if (!gone) return n;
    if (!reconnect(fd, e)) return fail(ECONNREFUSED);
    return REAL(sendmsg)(fd, &m, flags | MSG_NOSIGNAL);
}

// The other side has ended. A netlink socket has no such thing: look for a new pavise-xfrmd, and
// let the program know that it has missed something.
static ssize_t xfrm_gone(int fd, struct entry *e, int flags)
{
    bool may_wait = !(flags & MSG_DONTWAIT) && !(REAL(fcntl)(fd, F_GETFL) & O_NONBLOCK);
    struct timespec pause = {.tv_nsec = GONE_MS * 1000000L};
    while (!reconnect(fd, e)) {
        if (!atomic_load(&e->groups)) return fail(ECONNREFUSED);
        (void)nanosleep(&pause, NULL); // a program that polls would spin
        if (!may_wait) return fail(EAGAIN);
    }
    return fail(ENOBUFS);
}

// Waits for a datagram (not if flags or descriptor say so) that is for the program. 1, or -1.
static ssize_t xfrm_await(int fd, struct entry *e, int flags)
{
    struct nlmsghdr h = {0};
    ssize_t n = REAL(recv)(fd, &h, sizeof h, MSG_PEEK | (flags & MSG_DONTWAIT));
    if (n == 0 || (n < 0 && errno == ECONNRESET)) return xfrm_gone(fd, e, flags);
    if (n < 0) return -1;
    if (n < (ssize_t)sizeof h || h.nlmsg_type != NLMSG_OVERRUN) return 1;
    (void)REAL(recv)(fd, &h, sizeof h, MSG_DONTWAIT);
    return fail(ENOBUFS);
}

static void nl_name(void *to, socklen_t *len, const struct sockaddr_nl *from)
{
    if (!to || !len) return;
    memcpy(to, from, *len < sizeof *from ? *len : sizeof *from);
    *len = sizeof *from;
}

static ssize_t xfrm_receive(int fd, struct entry *e, struct msghdr *m, int flags)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct msghdr in = *m;
    ssize_t n;
    in.msg_name = NULL;
    in.msg_control = NULL;
    in.msg_namelen = 0;
    in.msg_controllen = 0;
    do {
        if (xfrm_await(fd, e, flags) < 0) return -1;
        n = REAL(recvmsg)(fd, &in, flags | MSG_DONTWAIT);
    } while (n < 0 && errno == EAGAIN); // another thread was faster; wait again
    if (n < 0) return n;
    m->msg_flags = in.msg_flags & MSG_TRUNC;
    m->msg_controllen = 0;
    nl_name(m->msg_name, &m->msg_namelen, &kernel);
    return n;
}

static ssize_t xfrm_read(int fd, struct entry *e, void *buf, size_t n, int flags)
{
    struct iovec v = {buf, n};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    return xfrm_receive(fd, e, &m, flags);
}

// ---- what the program calls ----

EXPORT int socket(int domain, int type, int protocol)
{
    if (domain == AF_NETLINK && protocol == NETLINK_XFRM) return open_xfrm(type);
    return REAL(socket)(domain, type, protocol);
}

EXPORT int bind(int fd, __CONST_SOCKADDR_ARG at, socklen_t len)
{
    struct entry *e = ours(fd);
    if (!e) return REAL(bind)(fd, at, len);
    const struct sockaddr_nl *nl = (const struct sockaddr_nl *)at.__sockaddr__;
    if (len < sizeof *nl || nl->nl_family != AF_NETLINK) return fail(EINVAL);
    bool quiet = !atomic_load(&e->groups);
    if (nl->nl_pid) atomic_store(&e->portid, nl->nl_pid);
    atomic_store(&e->groups, nl->nl_groups);
    return update(fd, e, quiet);
}

EXPORT int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
    if (!ours(fd)) return REAL(connect)(fd, to, len);
    const struct sockaddr_nl *nl = (const struct sockaddr_nl *)to.__sockaddr__;
    if (len < sizeof *nl || nl->nl_family != AF_NETLINK) return fail(EINVAL);
    return nl->nl_pid ? fail(ECONNREFUSED) : 0; // the kernel is always connected
}

EXPORT int getsockname(int fd, __SOCKADDR_ARG at, socklen_t *restrict len)
{
    struct entry *e = ours(fd);
    if (!e) return REAL(getsockname)(fd, at, len);
    struct sockaddr_nl nl = {.nl_family = AF_NETLINK,
                             .nl_pid = atomic_load(&e->portid),
                             .nl_groups = atomic_load(&e->groups)};
    nl_name(at.__sockaddr__, len, &nl);
    return 0;
}

EXPORT int getpeername(int fd, __SOCKADDR_ARG at, socklen_t *restrict len)
{
    if (!ours(fd)) return REAL(getpeername)(fd, at, len);
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    nl_name(at.__sockaddr__, len, &kernel);
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
        if (!bit) return fail(EINVAL);
        if (option == NETLINK_ADD_MEMBERSHIP) {
            atomic_fetch_or(&e->groups, bit);
        } else {
            atomic_fetch_and(&e->groups, ~bit);
        }
        return update(fd, e, quiet);
    case NETLINK_EXT_ACK:
    case NETLINK_CAP_ACK:
        if (value) {
            atomic_fetch_or(&e->options, flag);
        } else {
            atomic_fetch_and(&e->options, ~flag);
        }
        return update(fd, e, quiet);
    default:
        return 0; // packet info, strict checks and the like change nothing that we do
    }
}

EXPORT int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
    struct entry *e = ours(fd);
    if (!e || level != SOL_NETLINK) return REAL(setsockopt)(fd, level, option, value, len);
    int v = 0;
    if (len < sizeof v || !value) return fail(EINVAL);
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
    struct entry *e = ours(fd);
    int v;
    if (!e || !get_option(e, level, option, &v)) {
        return REAL(getsockopt)(fd, level, option, value, len);
    }
    if (*len < sizeof v) return fail(EINVAL);
    memcpy(value, &v, sizeof v);
    *len = sizeof v;
    return 0;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    struct entry *e = ours(fd);
    return e ? xfrm_send(fd, e, m, flags) : REAL(sendmsg)(fd, m, flags);
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t n, int flags, __CONST_SOCKADDR_ARG to,
                      socklen_t len)
{
    struct entry *e = ours(fd);
    if (!e) return REAL(sendto)(fd, buf, n, flags, to, len);
    struct sockaddr_nl nl = {0};
    struct iovec v = {(void *)(uintptr_t)buf, n}; // sendmsg does not write to it
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    if (to.__sockaddr__ && len >= sizeof nl) {
        memcpy(&nl, to.__sockaddr__, sizeof nl);
        m.msg_name = &nl;
        m.msg_namelen = sizeof nl;
    }
    return xfrm_send(fd, e, &m, flags);
}

EXPORT ssize_t send(int fd, const void *buf, size_t n, int flags)
{
    struct entry *e = ours(fd);
    if (!e) return REAL(send)(fd, buf, n, flags);
    struct iovec v = {(void *)(uintptr_t)buf, n};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    return xfrm_send(fd, e, &m, flags);
}

EXPORT ssize_t write(int fd, const void *buf, size_t n)
{
    struct entry *e = ours(fd);
    if (!e) return REAL(write)(fd, buf, n);
    struct iovec v = {(void *)(uintptr_t)buf, n};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    return xfrm_send(fd, e, &m, 0);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *v, unsigned count, int flags)
{
    struct entry *e = ours(fd);
    if (!e) return REAL(sendmmsg)(fd, v, count, flags);
    for (unsigned i = 0; i < count; i++) {
        ssize_t n = xfrm_send(fd, e, &v[i].msg_hdr, flags);
        if (n < 0) return i ? (int)i : -1;
        v[i].msg_len = (unsigned)n;
    }
    return (int)count;
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    struct entry *e = ours(fd);
    return e ? xfrm_receive(fd, e, m, flags) : REAL(recvmsg)(fd, m, flags);
}

static ssize_t xfrm_recvfrom(int fd, struct entry *e, struct iovec v, int flags, void *from,
                             socklen_t *len)
{
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_name = from};
    if (len) m.msg_namelen = *len;
    ssize_t n = xfrm_receive(fd, e, &m, flags);
    if (n >= 0 && from && len) *len = m.msg_namelen;
    return n;
}

EXPORT ssize_t recvfrom(int fd, void *restrict buf, size_t n, int flags, __SOCKADDR_ARG from,
                        socklen_t *restrict len)
{
    struct entry *e = ours(fd);
    if (!e) return REAL(recvfrom)(fd, buf, n, flags, from, len);
    return xfrm_recvfrom(fd, e, (struct iovec){buf, n}, flags, from.__sockaddr__, len);
}

EXPORT ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    struct entry *e = ours(fd);
    return e ? xfrm_read(fd, e, buf, n, flags) : REAL(recv)(fd, buf, n, flags);
}

EXPORT ssize_t read(int fd, void *buf, size_t n)
{
    struct entry *e = ours(fd);
    return e ? xfrm_read(fd, e, buf, n, 0) : REAL(read)(fd, buf, n);
}

EXPORT int recvmmsg(int fd, struct mmsghdr *v, unsigned count, int flags, struct timespec *timeout)
{
    struct entry *e = ours(fd);
    if (!e) return REAL(recvmmsg)(fd, v, count, flags, timeout);
    for (unsigned i = 0; i < count; i++) {
        bool wait = i == 0 || !(flags & MSG_WAITFORONE);
        ssize_t n = xfrm_receive(fd, e, &v[i].msg_hdr,
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

EXPORT int close(int fd)
{
    forget(fd);
    return REAL(close)(fd);
}

EXPORT int dup(int fd)
{
    int to = REAL(dup)(fd);
    share(fd, to);
    return to;
}

EXPORT int dup2(int fd, int want)
{
    int to = REAL(dup2)(fd, want);
    share(fd, to);
    return to;
}

EXPORT int dup3(int fd, int want, int flags)
{
    int to = REAL(dup3)(fd, want, flags);
    share(fd, to);
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
    if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) share(fd, r);
    return r;
}

EXPORT int fcntl64(int fd, int cmd, ...)
{
    va_list ap;
    va_start(ap, cmd);
    long arg = va_arg(ap, long);
    va_end(ap);
    int r = REAL(fcntl64)(fd, cmd, arg);
    if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) share(fd, r);
    return r;
}
