// preload_link.c - a netlink socket over the Unix socket of wire.h. What the program sees:
// addresses are struct sockaddr_nl, the sender is port 0, groups and options are told by hello,
// lost events are ENOBUFS, and the other side never ends (after a restart of pavise-xfrmd the
// socket is connected again).
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "netlink/preload.h"

#define HELLO_MS 1000
#define GONE_MS 100    // between two looks for a pavise-xfrmd that has gone
#define START_MS 10000 // for a pavise-xfrmd that we have started, until it serves
#define START_LOOK_MS 20
#define DEFAULT_NAME "@pavise-xfrm"

static atomic_uint opened; // sockets so far: the first gets the process id as its port id

static bool is_absent(int error)
{
    return error == ECONNREFUSED || error == ECONNRESET;
}

static void complain(int error, const char *name)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&said)) return;
    preload_say(is_absent(error)  ? "pavise-xfrmd is not running in this network namespace"
                : error == EPERM  ? "pavise-xfrmd takes root only"
                : error == EACCES ? "not served by root: no keys for an impostor"
                                  : strerror(error),
                name);
}

int link_fetch(int fd, struct iovec request, struct iovec *answer)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n = REAL(send)(fd, request.iov_base, request.iov_len, MSG_NOSIGNAL);
    if (n != (ssize_t)request.iov_len) return ECONNRESET;
    if (poll(&p, 1, HELLO_MS) != 1) return ETIMEDOUT;
    n = REAL(recv)(fd, answer->iov_base, answer->iov_len, MSG_DONTWAIT);
    // A refusal is there even when the connection has ended, behind the news of that end.
    if (n < 0) n = REAL(recv)(fd, answer->iov_base, answer->iov_len, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno == ECONNRESET)) return ECONNRESET;
    answer->iov_len = n > 0 ? (size_t)n : 0;
    return 0;
}

int link_ask(int fd, const void *request, size_t n)
{
    struct {
        struct nlmsghdr h;
        struct nlmsgerr e;
    } answer;
    struct iovec to = {&answer, sizeof answer};
    int error = link_fetch(fd, (struct iovec){(void *)(uintptr_t)request, n}, &to);
    if (error) return error;
    return to.iov_len < sizeof answer ? EPROTO : -answer.e.error;
}

// Says who we are. Waits for the answer if nothing else can come before it.
static int hello(int fd, const struct entry *e, bool wait)
{
    struct wire_hello h =
        wire_hello(atomic_load(&e->portid), atomic_load(&e->groups), atomic_load(&e->options));
    if (wait) return link_ask(fd, &h, sizeof h);
    h.h.nlmsg_flags = NLM_F_REQUEST;
    ssize_t n = REAL(send)(fd, &h, sizeof h, MSG_NOSIGNAL);
    return n == sizeof h ? 0 : ECONNREFUSED;
}

// 0 and *out, or an errno.
static int connect_once(const char *name, const struct entry *e, int *out)
{
    struct sockaddr_un at;
    socklen_t n = wire_address(name, &at);
    int fd = n ? REAL(socket)(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) : preload_fail(EINVAL);
    int error = fd < 0 ? errno : 0;
    if (!error && REAL(connect)(fd, (const struct sockaddr *)&at, n) != 0) error = errno;
    if (!error && wire_peer_uid(fd) != 0) error = EACCES;
    if (!error) error = hello(fd, e, true);
    *out = fd;
    if (error && fd >= 0) (void)REAL(close)(fd);
    return error;
}

// Starts a pavise-xfrmd and waits until it serves. One that is about to end, or to begin, may hang
// up on us: then once more.
static int connect_started(const char *name, const struct entry *e, int *out)
{
    const struct timespec pause = {.tv_nsec = START_LOOK_MS * 1000000L};
    int error = ECONNREFUSED;
    for (unsigned i = 0; i < START_MS / START_LOOK_MS; i++) {
        if (is_absent(error) && start_xfrmd() == ENOENT) return error;
        (void)nanosleep(&pause, NULL);
        error = connect_once(name, e, out);
        if (!is_absent(error) && error != ETIMEDOUT) return error;
    }
    return error;
}

int link_connect(const struct entry *e)
{
    int fd = -1;
    const char *name = secure_getenv("PAVISE_XFRM_SOCKET");
    if (!name || !*name) name = DEFAULT_NAME;
    int error = connect_once(name, e, &fd);
    if (is_absent(error) && start_wanted()) error = connect_started(name, e, &fd);
    if (!error) return fd;
    complain(error, name);
    return preload_fail(is_absent(error) ? ECONNREFUSED : error);
}

int link_open(int type)
{
    unsigned nth = atomic_fetch_add(&opened, 1);
    struct entry e = {.portid = nth ? UINT32_MAX - 4096 - nth : (unsigned)getpid(),
                      .type = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)};
    int fd = link_connect(&e);
    if (fd < 0) return -1;
    if (type & SOCK_NONBLOCK) (void)REAL(fcntl)(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    if (!(type & SOCK_CLOEXEC)) (void)REAL(fcntl)(fd, F_SETFD, 0);
    if (!table_put(fd, &e)) {
        (void)REAL(close)(fd);
        return preload_fail(EMFILE);
    }
    keep_meet(fd);
    natt_again();
    return fd;
}

// Puts a new connection under the number of one that has ended.
static bool reconnect(int fd, struct entry *e)
{
    int flags = REAL(fcntl)(fd, F_GETFL), cloexec = REAL(fcntl)(fd, F_GETFD);
    int next = link_connect(e);
    if (next < 0) return false;
    unsigned long inode = table_inode(next);
    if (flags >= 0) (void)REAL(fcntl)(next, F_SETFL, flags);
    bool done = REAL(dup3)(next, fd, cloexec & FD_CLOEXEC ? O_CLOEXEC : 0) == fd;
    if (done) atomic_store(&e->inode, inode);
    (void)REAL(close)(next);
    int epoll_fd = atomic_load(&e->epoll_fd);
    if (done && epoll_fd) (void)REAL(epoll_ctl)(epoll_fd, EPOLL_CTL_ADD, fd, &e->watched);
    natt_again();
    if (done) keep_tell(fd, e);
    return done;
}

int link_update(int fd, struct entry *e, bool quiet)
{
    int error = hello(fd, e, quiet && !atomic_load(&e->used));
    return error ? preload_fail(error) : 0;
}

// ---- sending and receiving ----

static bool has_ended(void)
{
    return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN;
}

ssize_t link_send(int fd, struct entry *e, const struct msghdr *from, int flags)
{
    struct msghdr m = {.msg_iov = from->msg_iov, .msg_iovlen = from->msg_iovlen};
    const struct sockaddr_nl *to = from->msg_name;
    if (to && from->msg_namelen >= sizeof *to && to->nl_pid) return preload_fail(ECONNREFUSED);
    atomic_store(&e->used, true);
    for (size_t i = 0; i < m.msg_iovlen; i++)
        keep_ahead(m.msg_iov[i].iov_base, m.msg_iov[i].iov_len);
    ssize_t n = REAL(sendmsg)(fd, &m, flags | MSG_NOSIGNAL);
    if (n < 0 && has_ended()) {
        if (!reconnect(fd, e)) return preload_fail(ECONNREFUSED);
        n = REAL(sendmsg)(fd, &m, flags | MSG_NOSIGNAL);
    }
    for (size_t i = 0; n >= 0 && i < m.msg_iovlen; i++)
        keep_note(m.msg_iov[i].iov_base, m.msg_iov[i].iov_len);
    return n;
}

// The other side has ended. A netlink socket has no such thing: look for a new pavise-xfrmd, and
// let the program know that it has missed something.
static ssize_t gone(int fd, struct entry *e, int flags)
{
    bool may_wait = !(flags & MSG_DONTWAIT) && !(REAL(fcntl)(fd, F_GETFL) & O_NONBLOCK);
    struct timespec pause = {.tv_nsec = GONE_MS * 1000000L};
    while (!reconnect(fd, e)) {
        if (!atomic_load(&e->groups)) return preload_fail(ECONNREFUSED);
        (void)nanosleep(&pause, NULL); // a program that polls would spin
        if (!may_wait) return preload_fail(EAGAIN);
    }
    return preload_fail(ENOBUFS);
}

// Waits for a datagram (not if flags or descriptor say so) that is for the program. 1, or -1.
static ssize_t await(int fd, struct entry *e, int flags)
{
    struct nlmsghdr h = {0};
    ssize_t n = REAL(recv)(fd, &h, sizeof h, MSG_PEEK | (flags & MSG_DONTWAIT));
    if (n == 0 || (n < 0 && errno == ECONNRESET)) return gone(fd, e, flags);
    if (n < 0) return -1;
    if (n < (ssize_t)sizeof h || h.nlmsg_type != NLMSG_OVERRUN) return 1;
    (void)REAL(recv)(fd, &h, sizeof h, MSG_DONTWAIT);
    return preload_fail(ENOBUFS);
}

void link_name(void *to, socklen_t *len, const struct sockaddr_nl *from)
{
    if (!to || !len) return;
    memcpy(to, from, *len < sizeof *from ? *len : sizeof *from);
    *len = sizeof *from;
}

ssize_t link_receive(int fd, struct entry *e, struct msghdr *m, int flags)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct msghdr in = *m;
    ssize_t n;
    in.msg_name = NULL;
    in.msg_control = NULL;
    in.msg_namelen = 0;
    in.msg_controllen = 0;
    do {
        if (await(fd, e, flags) < 0) return -1;
        n = REAL(recvmsg)(fd, &in, flags | MSG_DONTWAIT);
    } while (n < 0 && errno == EAGAIN); // another thread was faster; wait again
    if (n < 0) return n;
    m->msg_flags = in.msg_flags & MSG_TRUNC;
    m->msg_controllen = 0;
    link_name(m->msg_name, &m->msg_namelen, &kernel);
    return n;
}
