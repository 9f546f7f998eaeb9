#include "netlink/link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "netlink/wire.h"

#define HELLO_TIMEOUT NSEC_PER_SEC // pavise-xfrmd answers in microseconds or not at all
#define SEND_TIMEOUT_S 2

static err_t system_error(struct why *why, const char *what)
{
    err_t e = errno == EPERM || errno == EACCES ? ERR_PERMISSION : ERR_SYSTEM;
    return why_not(why, e, "%s: %s", what, strerror(errno));
}

static err_t kernel_open(uint32_t groups, struct link *l, struct why *why)
{
    struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = groups};
    socklen_t n = sizeof at;
    int on = 1;
    l->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
    if (l->fd < 0) {
        if (errno == EPROTONOSUPPORT) {
            return why_not(why, ERR_UNSUPPORTED, "this kernel has no XFRM (CONFIG_XFRM_USER)");
        }
        return system_error(why, "no NETLINK_XFRM socket");
    }
    (void)setsockopt(l->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on); // texts are a bonus
    bool ok = bind(l->fd, (const struct sockaddr *)&at, sizeof at) == 0 &&
              getsockname(l->fd, (struct sockaddr *)&at, &n) == 0;
    if (!ok) return system_error(why, "cannot bind a NETLINK_XFRM socket");
    l->portid = at.nl_pid;
    return ERR_OK;
}

// Says hello and reads the answer, which comes before any event. A refusal is there even when the
// connection has ended meanwhile, behind the news of that end.
static err_t greet(struct link *l, uint32_t groups, struct why *why)
{
    alignas(8) uint8_t buf[256];
    struct nlmsgerr e = {.error = -EPROTO};
    span_t got;
    l->portid = (uint32_t)getpid();
    struct wire_hello hello = wire_hello(l->portid, groups, WIRE_EXT_ACK);
    IGNORE(link_send(l, span(&hello, sizeof hello), NULL));
    uint64_t until = clock_mono() + HELLO_TIMEOUT;
    err_t r = link_receive(l, buf, sizeof buf, until, &got);
    if (r == ERR_CLOSED) r = link_receive(l, buf, sizeof buf, until, &got);
    if (r != ERR_OK) return why_not(why, r, "pavise-xfrmd does not answer");
    if (got.len >= NLMSG_HDRLEN + sizeof e) memcpy(&e, got.at + NLMSG_HDRLEN, sizeof e);
    errno = -e.error;
    return e.error ? system_error(why, "pavise-xfrmd refuses us") : ERR_OK;
}

static err_t xfrmd_open(const char *name, uint32_t groups, struct link *l, struct why *why)
{
    struct sockaddr_un at;
    struct timeval limit = {.tv_sec = SEND_TIMEOUT_S};
    socklen_t n = wire_address(name, &at);
    if (!n) return why_not(why, ERR_SYNTAX, "%s is no socket name: write @name", name);
    l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (l->fd < 0) return system_error(why, "no Unix socket");
    // A server that hangs must not hang us: neither its backlog nor its buffers.
    (void)setsockopt(l->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(l->fd, (const struct sockaddr *)&at, n) != 0) {
        if (errno == EAGAIN) return why_not(why, ERR_TIMEOUT, "pavise-xfrmd does not answer");
        if (errno != ECONNREFUSED) return system_error(why, "cannot reach pavise-xfrmd");
        return why_not(why, ERR_CLOSED,
                       "pavise-xfrmd is not running in this network namespace "
                       "(no socket %s)",
                       name);
    }
    if (wire_peer_uid(l->fd) != 0) {
        return why_not(why, ERR_PERMISSION, "%s is not served by root: no keys for an impostor",
                       name);
    }
    return greet(l, groups, why);
}

err_t link_open(enum xfrm_client_peer peer, const char *name, uint32_t groups, struct link *out,
                struct why *why)
{
    struct link l = {.fd = -1};
    err_t e =
        peer == XFRM_PEER_KERNEL ? kernel_open(groups, &l, why) : xfrmd_open(name, groups, &l, why);
    if (e != ERR_OK) {
        link_close(&l);
        return e;
    }
    *out = l;
    return ERR_OK;
}

void link_close(struct link *l)
{
    if (l->fd >= 0) (void)close(l->fd);
    l->fd = -1;
}

err_t link_send(struct link *l, span_t datagram, struct why *why)
{
    if (l->fd < 0) return why_not(why, ERR_CLOSED, "not connected");
    ssize_t n;
    do {
        n = send(l->fd, datagram.at, datagram.len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) return ERR_OK;
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) {
        return why_not(why, ERR_CLOSED, "pavise-xfrmd has gone");
    }
    if (errno == EAGAIN) return why_not(why, ERR_TIMEOUT, "pavise-xfrmd takes no requests");
    return system_error(why, "cannot send");
}

// Waits for something to read. ERR_AGAIN after `until`.
static err_t wait_for(int fd, uint64_t until)
{
    for (;;) {
        uint64_t now = clock_mono();
        uint64_t left = until > now ? (until - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC : 0;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = poll(&p, 1, left < 60000 ? (int)left : 60000);
        if (n > 0) return ERR_OK;
        if (n < 0 && errno != EINTR) return ERR_SYSTEM;
        if (n == 0 && clock_mono() >= until) return until ? ERR_TIMEOUT : ERR_AGAIN;
    }
}

err_t link_receive(struct link *l, void *buf, size_t cap, uint64_t until, span_t *out)
{
    if (l->fd < 0) return ERR_CLOSED;
    TRY(wait_for(l->fd, until));
    ssize_t n = recv(l->fd, buf, cap, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && errno == ENOBUFS) return ERR_LIMIT;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return ERR_AGAIN;
    if (n < 0) return errno == ECONNRESET ? ERR_CLOSED : ERR_SYSTEM;
    if (n == 0) return ERR_CLOSED; // no netlink message is empty: the Unix peer has closed
    const struct nlmsghdr *h = buf;
    if ((size_t)n >= sizeof *h && h->nlmsg_type == NLMSG_OVERRUN) return ERR_LIMIT;
    *out = span(buf, (size_t)n < cap ? (size_t)n : cap);
    return ERR_OK;
}
