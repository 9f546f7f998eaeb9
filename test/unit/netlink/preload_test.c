// libpavise-netlink.so seen from a program: this one, started again with LD_PRELOAD. Uses nothing
// of Pavise, only libc and the kernel's headers. FAKE_SERVER is a server to talk to, PRELOAD the
// library.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/xfrm.h>

#include "test/check.h"

static struct {
    char name[64];
    pid_t server;
} t;

static void server_start(void)
{
    int ready[2];
    char text[6] = "";
    CHECK_EQ(pipe(ready), 0);
    t.server = fork();
    if (t.server == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)unsetenv("LD_PRELOAD");
        (void)dup2(ready[1], 1);
        execl(getenv("FAKE_SERVER"), "fake_server", t.name, NULL);
        _exit(1);
    }
    (void)close(ready[1]);
    CHECK_EQ(read(ready[0], text, 5), 5);
    CHECK_STR(text, "ready");
    (void)close(ready[0]);
}

static void server_stop(void)
{
    if (t.server > 0) {
        (void)kill(t.server, SIGTERM);
        (void)waitpid(t.server, NULL, 0);
    }
    t.server = 0;
}

static int setup(void **state)
{
    (void)state;
    server_start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_stop();
    return 0;
}

static int xfrm_socket(uint32_t groups)
{
    struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = groups};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
    CHECK(fd >= 0);
    CHECK_EQ(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

struct flush {
    struct nlmsghdr h;
    struct xfrm_usersa_flush f;
};

static struct flush flush_request(uint32_t seq)
{
    return (struct flush){.h = {.nlmsg_len = sizeof(struct flush),
                                .nlmsg_type = XFRM_MSG_FLUSHSA,
                                .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
                                .nlmsg_seq = seq}};
}

struct spdinfo {
    struct nlmsghdr h;
    uint32_t flags;
};

static struct spdinfo info_request(uint32_t seq)
{
    return (struct spdinfo){.h = {.nlmsg_len = sizeof(struct spdinfo),
                                  .nlmsg_type = XFRM_MSG_GETSPDINFO,
                                  .nlmsg_flags = NLM_F_REQUEST,
                                  .nlmsg_seq = seq}};
}

static _Alignas(8) char buf[4096];

static void answered(int fd, uint32_t seq, uint16_t type)
{
    const struct nlmsghdr *h = (const struct nlmsghdr *)buf;
    CHECK(recv(fd, buf, sizeof buf, 0) > 0);
    CHECK_EQ(h->nlmsg_seq, seq);
    CHECK_EQ(h->nlmsg_type, type);
}

static void looks_like_netlink(void **state)
{
    (void)state;
    int fd = xfrm_socket(0), v = 0;
    struct sockaddr_nl at = {0};
    socklen_t n = sizeof at;
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    CHECK_EQ(n, sizeof at);
    CHECK_EQ(at.nl_family, AF_NETLINK);
    CHECK(at.nl_pid != 0);
    CHECK_EQ(getpeername(fd, (struct sockaddr *)&at, &n), 0);
    CHECK_EQ(at.nl_pid, 0);
    n = sizeof v;
    CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &v, &n), 0);
    CHECK_EQ(v, NETLINK_XFRM);
    CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &v, &n), 0);
    CHECK_EQ(v, AF_NETLINK);
    CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &n), 0);
    CHECK_EQ(v, SOCK_RAW);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    v = 32768;
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, sizeof v), 0);
    at = (struct sockaddr_nl){.nl_family = AF_NETLINK};
    CHECK_EQ(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(close(fd), 0);
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_XFRM);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_EQ(fcntl(fd, F_GETFD), 0);
    CHECK_EQ(recv(fd, buf, sizeof buf, 0), -1);
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(close(fd), 0);
}

// Sends a request in one of the ways a program may.
static ssize_t send_as(unsigned way, int fd, const void *p, size_t n)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct iovec v = {(void *)(uintptr_t)p, n};
    struct mmsghdr m = {
        .msg_hdr = {
            .msg_name = &kernel, .msg_namelen = sizeof kernel, .msg_iov = &v, .msg_iovlen = 1}};
    switch (way) {
    case 0:
        return send(fd, p, n, 0);
    case 1:
        return sendto(fd, p, n, 0, (const struct sockaddr *)&kernel, sizeof kernel);
    case 2:
        return sendto(fd, p, n, 0, NULL, 0);
    case 3:
        return sendmsg(fd, &m.msg_hdr, 0);
    case 4:
        return sendmmsg(fd, &m, 1, 0) == 1 ? (ssize_t)m.msg_len : -1;
    default:
        return write(fd, p, n);
    }
}

static void every_way_to_send(void **state)
{
    (void)state;
    int fd = xfrm_socket(0);
    for (unsigned way = 0; way < 6; way++) {
        struct flush f = flush_request(way);
        CHECK_EQ(send_as(way, fd, &f, sizeof f), sizeof f);
        answered(fd, way, NLMSG_ERROR);
    }
    struct sockaddr_nl other = {.nl_family = AF_NETLINK, .nl_pid = 12345};
    CHECK_EQ(sendto(fd, "x", 1, 0, (const struct sockaddr *)&other, sizeof other), -1);
    CHECK_EQ(errno, ECONNREFUSED);
    (void)close(fd);
}

// Receives in one of the ways; checks the sender.
static ssize_t receive_as(unsigned way, int fd)
{
    struct sockaddr_nl from = {.nl_pid = 7};
    struct iovec v = {buf, sizeof buf};
    struct mmsghdr m = {
        .msg_hdr = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1}};
    socklen_t n = sizeof from;
    ssize_t got;
    if (way == 0) return recv(fd, buf, sizeof buf, 0);
    if (way == 1) return read(fd, buf, sizeof buf);
    if (way == 2) {
        got = recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&from, &n);
    } else if (way == 3) {
        got = recvmsg(fd, &m.msg_hdr, 0);
        n = m.msg_hdr.msg_namelen;
    } else {
        got = recvmmsg(fd, &m, 1, 0, NULL) == 1 ? (ssize_t)m.msg_len : -1;
        n = m.msg_hdr.msg_namelen;
    }
    CHECK_EQ(n, sizeof from);
    CHECK_EQ(from.nl_family, AF_NETLINK);
    CHECK_EQ(from.nl_pid, 0);
    return got;
}

static void every_way_to_receive(void **state)
{
    (void)state;
    int fd = xfrm_socket(0);
    for (unsigned way = 0; way < 5; way++) {
        struct flush f = flush_request(way);
        CHECK_EQ(send(fd, &f, sizeof f, 0), sizeof f);
        CHECK_EQ(receive_as(way, fd), 36);
        CHECK_EQ(((const struct nlmsghdr *)buf)->nlmsg_seq, way);
    }
    (void)close(fd);
}

static void peek_tells_the_length(void **state)
{
    (void)state;
    int fd = xfrm_socket(0);
    struct spdinfo q = info_request(1);
    struct iovec v = {NULL, 0};
    struct sockaddr_nl from;
    struct msghdr m = {
        .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1};
    CHECK_EQ(send(fd, &q, sizeof q, 0), sizeof q);
    ssize_t n = recvmsg(fd, &m, MSG_PEEK | MSG_TRUNC);
    CHECK(n > 16);
    CHECK_EQ(m.msg_flags & MSG_TRUNC, MSG_TRUNC);
    v = (struct iovec){buf, sizeof buf};
    CHECK_EQ(recvmsg(fd, &m, 0), n);
    CHECK_EQ(m.msg_flags, 0);
    CHECK_EQ(((const struct nlmsghdr *)buf)->nlmsg_type, XFRM_MSG_NEWSPDINFO);
    CHECK_EQ(send(fd, &q, sizeof q, 0), sizeof q);
    CHECK_EQ(recv(fd, buf, 20, MSG_TRUNC), n);
    CHECK_EQ(recv(fd, buf, 20, MSG_DONTWAIT), -1); // the rest is gone, as with any datagram
    (void)close(fd);
}

static struct {
    struct nlmsghdr h;
    struct xfrm_userpolicy_info p;
} policy = {.h = {.nlmsg_len = sizeof policy,
                  .nlmsg_type = XFRM_MSG_UPDPOLICY,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
            .p = {.sel = {.family = AF_INET}, .dir = XFRM_POLICY_OUT}};

// An event of the policy group is raised and heard, or not.
static void heard(int fd, bool want)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int other = xfrm_socket(0);
    CHECK_EQ(send(other, &policy, sizeof policy, 0), sizeof policy);
    answered(other, 0, NLMSG_ERROR);
    CHECK_EQ(poll(&p, 1, want ? 1000 : 50), want ? 1 : 0);
    if (want) CHECK(recv(fd, buf, sizeof buf, 0) > 0);
    (void)close(other);
}

static void groups(void **state)
{
    (void)state;
    int fd = xfrm_socket(0), group = XFRMNLGRP_POLICY;
    heard(fd, false);
    CHECK_EQ(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group), 0);
    heard(fd, true);
    CHECK_EQ(setsockopt(fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof group), 0);
    struct flush f = flush_request(1); // its answer says that the server knows
    CHECK_EQ(send(fd, &f, sizeof f, 0), sizeof f);
    answered(fd, 1, NLMSG_ERROR);
    heard(fd, false);
    group = 99;
    CHECK_EQ(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group), -1);
    (void)close(fd);
    fd = xfrm_socket(0xffffffff);
    heard(fd, true);
    (void)close(fd);
}

static void extended_acks(void **state)
{
    (void)state;
    int fd = xfrm_socket(0), on = 1;
    const struct nlmsghdr *h = (const struct nlmsghdr *)buf;
    policy.p.dir = 9;
    CHECK_EQ(send(fd, &policy, sizeof policy, 0), sizeof policy);
    answered(fd, 0, NLMSG_ERROR);
    CHECK_EQ(h->nlmsg_flags & NLM_F_ACK_TLVS, 0);
    CHECK_EQ(setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on), 0);
    CHECK_EQ(send(fd, &policy, sizeof policy, 0), sizeof policy);
    answered(fd, 0, NLMSG_ERROR);
    CHECK_EQ(h->nlmsg_flags & NLM_F_ACK_TLVS, NLM_F_ACK_TLVS);
    policy.p.dir = XFRM_POLICY_OUT;
    (void)close(fd);
}

static void copies_of_a_descriptor(void **state)
{
    (void)state;
    int fd = xfrm_socket(0);
    int copies[] = {dup(fd), dup2(fd, 90), dup3(fd, 91, O_CLOEXEC), fcntl(fd, F_DUPFD, 92),
                    fcntl(fd, F_DUPFD_CLOEXEC, 93)};
    CHECK_EQ(close(fd), 0);
    for (unsigned i = 0; i < sizeof copies / sizeof *copies; i++) {
        struct sockaddr_nl at;
        socklen_t n = sizeof at;
        CHECK(copies[i] >= 0);
        CHECK_EQ(getsockname(copies[i], (struct sockaddr *)&at, &n), 0);
        CHECK_EQ(at.nl_family, AF_NETLINK);
        CHECK_EQ(close(copies[i]), 0);
    }
}

static void numbers_are_used_again(void **state)
{
    (void)state;
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    int fd = xfrm_socket(0);
    CHECK_EQ(close_range((unsigned)fd, (unsigned)fd, 0), 0); // behind the library's back
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK_EQ(udp, fd);
    CHECK_EQ(getsockname(udp, (struct sockaddr *)&at, &n), 0);
    CHECK_EQ(at.ss_family, AF_INET);
    (void)close(udp);
}

static void other_sockets_are_left_alone(void **state)
{
    (void)state;
    struct sockaddr_nl at = {.nl_family = AF_NETLINK};
    socklen_t n = sizeof at;
    int route = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), pair[2], v = 0;
    CHECK(route >= 0);
    CHECK_EQ(bind(route, (const struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(getsockname(route, (struct sockaddr *)&at, &n), 0);
    CHECK(at.nl_pid != 0);
    n = sizeof v;
    CHECK_EQ(getsockopt(route, SOL_SOCKET, SO_PROTOCOL, &v, &n), 0);
    CHECK_EQ(v, NETLINK_ROUTE);
    (void)close(route);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQ(send(pair[0], "abc", 3, 0), 3);
    CHECK_EQ(recv(pair[1], buf, sizeof buf, 0), 3);
    (void)close(pair[0]);
    CHECK_EQ(recv(pair[1], buf, sizeof buf, 0), 0); // an end is an end
    (void)close(pair[1]);
}

static void a_child_has_them_too(void **state)
{
    (void)state;
    int fd = xfrm_socket(0), status = 1;
    pid_t child = fork();
    if (child == 0) {
        struct flush f = flush_request(3);
        bool ok = send(fd, &f, sizeof f, 0) == sizeof f && recv(fd, buf, sizeof buf, 0) == 36;
        _exit(ok ? 0 : 1);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    (void)close(fd);
}

static void *hammer(void *arg)
{
    _Alignas(8) char own[256];
    (void)arg;
    for (uint32_t i = 0; i < 200; i++) {
        int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM);
        struct flush f = flush_request(i);
        bool ok = fd >= 0 && send(fd, &f, sizeof f, 0) == sizeof f &&
                  recv(fd, own, sizeof own, 0) == 36 && close(fd) == 0;
        if (!ok) return (void *)1;
    }
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t id[4];
    for (unsigned i = 0; i < 4; i++) CHECK_EQ(pthread_create(&id[i], NULL, hammer, NULL), 0);
    for (unsigned i = 0; i < 4; i++) {
        void *bad;
        CHECK_EQ(pthread_join(id[i], &bad), 0);
        CHECK(bad == NULL);
    }
}

static void a_restart_is_an_overrun(void **state)
{
    (void)state;
    int asking = xfrm_socket(0), listening = xfrm_socket(1u << (XFRMNLGRP_POLICY - 1));
    struct flush f = flush_request(1);
    struct pollfd p = {.fd = listening, .events = POLLIN};
    CHECK_EQ(send(asking, &f, sizeof f, 0), sizeof f);
    answered(asking, 1, NLMSG_ERROR);
    server_stop();
    CHECK_EQ(poll(&p, 1, 1000), 1);
    CHECK_EQ(recv(listening, buf, sizeof buf, MSG_DONTWAIT), -1);
    CHECK_EQ(errno, EAGAIN);                   // nobody there yet
    CHECK_EQ(write(asking, &f, sizeof f), -1); // and no SIGPIPE
    CHECK_EQ(errno, ECONNREFUSED);
    server_start();
    CHECK_EQ(recv(listening, buf, sizeof buf, MSG_DONTWAIT), -1);
    CHECK_EQ(errno, ENOBUFS); // something was missed
    heard(listening, true);
    CHECK_EQ(send(asking, &f, sizeof f, 0), sizeof f);
    answered(asking, 1, NLMSG_ERROR);
    (void)close(asking);
    (void)close(listening);
}

// A new connection under the old number would be unknown to epoll.
static void epoll_survives_a_restart(void **state)
{
    (void)state;
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = 77}, got = {0};
    int listening = xfrm_socket(0x2), epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &ev), 0);
    server_stop();
    server_start();
    CHECK_EQ(epoll_wait(epoll, &got, 1, 2000), 1);
    CHECK_EQ(recv(listening, buf, sizeof buf, MSG_DONTWAIT), -1);
    CHECK_EQ(errno, ENOBUFS);
    CHECK_EQ(epoll_wait(epoll, &got, 1, 50), 0);
    CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_DEL, listening, NULL), 0); // it is known again
    (void)close(epoll);
    (void)close(listening);
}

// ---- a pavise-xfrmd that knows nothing ----

static void ask(int fd, void *message, size_t n)
{
    CHECK_EQ(send(fd, message, n, 0), (ssize_t)n);
    CHECK(recv(fd, buf, sizeof buf, 0) > 0);
}

static uint32_t inbound_policies(int fd)
{
    struct {
        struct nlmsghdr h;
        uint32_t flags;
    } get = {.h = {.nlmsg_len = sizeof get,
                   .nlmsg_type = XFRM_MSG_GETSPDINFO,
                   .nlmsg_flags = NLM_F_REQUEST}};
    uint32_t count;
    CHECK_EQ(send(fd, &get, sizeof get, 0), (ssize_t)sizeof get);
    CHECK(recv(fd, buf, sizeof buf, 0) > 0);
    // flags, then XFRMA_SPD_INFO: incnt first
    memcpy(&count, buf + NLMSG_HDRLEN + sizeof(uint32_t) + sizeof(struct nlattr), sizeof count);
    return count;
}

// Of the policy for 10.0.i.0/24; 0: there is none.
static uint32_t index_of(int fd, uint8_t i)
{
    struct {
        struct nlmsghdr h;
        struct xfrm_userpolicy_id id;
    } get = {.h = {.nlmsg_len = sizeof get,
                   .nlmsg_type = XFRM_MSG_GETPOLICY,
                   .nlmsg_flags = NLM_F_REQUEST}};
    struct xfrm_userpolicy_info info;
    struct nlmsghdr h;
    get.id.sel.family = AF_INET;
    get.id.sel.prefixlen_d = 24;
    get.id.sel.daddr.a4 = htonl(0x0a000000U | (uint32_t)i << 8);
    ask(fd, &get, sizeof get);
    memcpy(&h, buf, sizeof h);
    memcpy(&info, buf + NLMSG_HDRLEN, sizeof info);
    return h.nlmsg_type == XFRM_MSG_NEWPOLICY ? info.index : 0;
}

// And one that is not there, and one that is of the other direction.
static void delete_by_number(int fd, uint8_t i)
{
    struct {
        struct nlmsghdr h;
        struct xfrm_userpolicy_id id;
    } del = {.h = {.nlmsg_len = sizeof del,
                   .nlmsg_type = XFRM_MSG_DELPOLICY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
    del.id.index = index_of(fd, i);
    CHECK(del.id.index != 0);
    ask(fd, &del, sizeof del);
    del.id.index = 0x7ffffff8;
    ask(fd, &del, sizeof del);
    del.id.dir = XFRM_POLICY_OUT;
    del.id.index = index_of(fd, 1);
    ask(fd, &del, sizeof del);
}

static void hears_one_expire(int fd, __be32 spi)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct xfrm_user_expire expire;
    struct nlmsghdr h;
    CHECK_EQ(poll(&p, 1, 2000), 1);
    CHECK_EQ(recv(fd, buf, sizeof buf, MSG_DONTWAIT), NLMSG_LENGTH(sizeof expire));
    memcpy(&h, buf, sizeof h);
    memcpy(&expire, buf + NLMSG_HDRLEN, sizeof expire);
    CHECK_EQ(h.nlmsg_type, XFRM_MSG_EXPIRE);
    CHECK_EQ(expire.hard, 0);
    CHECK_EQ(expire.state.id.spi, spi);
    CHECK_EQ(poll(&p, 1, 50), 0);
}

static void policies_are_put_again_and_sas_expire(void **state)
{
    (void)state;
    struct {
        struct nlmsghdr h;
        struct xfrm_userpolicy_info p;
    } put = {.h = {.nlmsg_len = sizeof put,
                   .nlmsg_type = XFRM_MSG_NEWPOLICY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
    struct {
        struct nlmsghdr h;
        struct xfrm_userpolicy_id id;
    } del = {.h = {.nlmsg_len = sizeof del,
                   .nlmsg_type = XFRM_MSG_DELPOLICY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
    struct {
        struct nlmsghdr h;
        struct xfrm_usersa_info sa;
    } sa = {.h = {.nlmsg_len = sizeof sa,
                  .nlmsg_type = XFRM_MSG_NEWSA,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
    int asking = xfrm_socket(0), listening = xfrm_socket(0x2);
    put.p.sel.family = AF_INET;
    put.p.sel.prefixlen_d = 24;
    put.p.lft = (struct xfrm_lifetime_cfg){XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0};
    for (uint8_t i = 1; i <= 4; i++) {
        put.p.sel.daddr.a4 = htonl(0x0a000000U | (uint32_t)i << 8);
        ask(asking, &put, sizeof put);
    }
    del.id.sel = put.p.sel;
    ask(asking, &del, sizeof del);
    CHECK_EQ(inbound_policies(asking), 3);
    delete_by_number(asking, 2);
    CHECK_EQ(inbound_policies(asking), 2);
    // Without an algorithm it is refused; what counts is what the program asked for.
    sa.sa.family = AF_INET;
    sa.sa.id = (struct xfrm_id){.spi = htonl(0x1234), .proto = IPPROTO_ESP};
    sa.sa.id.daddr.a4 = htonl(INADDR_LOOPBACK); // inbound
    ask(asking, &sa, sizeof sa);
    sa.sa.id.daddr.a4 = htonl(0xc0000201); // not here: outbound
    ask(asking, &sa, sizeof sa);

    server_stop();
    server_start();
    CHECK_EQ(recv(listening, buf, sizeof buf, MSG_DONTWAIT), -1);
    CHECK_EQ(errno, ENOBUFS);
    CHECK_EQ(inbound_policies(asking), 2); // put again, but not those that were deleted
    CHECK_EQ(index_of(asking, 2), 0);
    hears_one_expire(listening, htonl(0x1234)); // the inbound one only
    (void)close(asking);
    (void)close(listening);
}

// ---- UDP sockets of an IKE daemon ----

static int udp_socket(uint16_t port, bool *bound)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *bound = bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    return fd;
}

static int option_of(int fd, int option)
{
    int v = -1;
    socklen_t n = sizeof v;
    CHECK_EQ(getsockopt(fd, SOL_SOCKET, option, &v, &n), 0);
    return v;
}

static void the_natt_port_is_shared(void **state)
{
    (void)state;
    const int espinudp = UDP_ENCAP_ESPINUDP;
    const uint16_t port = (uint16_t)(20000 + getpid() % 20000);
    char number[8];
    bool bound;
    (void)snprintf(number, sizeof number, "%u", port);
    (void)setenv("PAVISE_NATT_PORT", number, 1);
    int ike = udp_socket(port, &bound);
    CHECK(bound);
    CHECK_EQ(option_of(ike, SO_REUSEPORT), 1);
    CHECK_EQ(setsockopt(ike, IPPROTO_UDP, UDP_ENCAP, &espinudp, sizeof espinudp), 0);
    int v = -1;
    socklen_t n = sizeof v;
    CHECK(getsockopt(ike, IPPROTO_UDP, UDP_ENCAP, &v, &n) != 0 ||
          v == 0); // the kernel knows of none
    int esp = udp_socket(port, &bound);
    CHECK(bound); // another one finds room beside it
    int other = udp_socket((uint16_t)(port + 1), &bound);
    CHECK(bound);
    CHECK_EQ(option_of(other, SO_REUSEPORT), 0); // and only there
    (void)close(other);
    (void)close(esp);
    (void)close(ike);
    (void)unsetenv("PAVISE_NATT_PORT");
}

static void exempt_sockets_are_marked(void **state)
{
    (void)state;
    struct xfrm_userpolicy_info allow = {.sel.family = AF_INET, .dir = XFRM_POLICY_OUT};
    const int mine = 5;
    if (getuid() != 0) skip();
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    allow.action = XFRM_POLICY_BLOCK;
    (void)setsockopt(fd, IPPROTO_IP, IP_XFRM_POLICY, &allow, sizeof allow);
    CHECK_EQ(option_of(fd, SO_MARK), 0);
    allow.action = XFRM_POLICY_ALLOW;
    CHECK_EQ(setsockopt(fd, IPPROTO_IP, IP_XFRM_POLICY, &allow, sizeof allow), 0);
    CHECK_EQ(option_of(fd, SO_MARK), 0x50415649);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_MARK, &mine, sizeof mine), 0);
    CHECK_EQ(setsockopt(fd, IPPROTO_IP, IP_XFRM_POLICY, &allow, sizeof allow), 0);
    CHECK_EQ(option_of(fd, SO_MARK), mine); // its own mark stays
    (void)close(fd);
}

static void nobody_there(void **state)
{
    (void)state;
    server_stop();
    CHECK_EQ(socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM), -1);
    CHECK_EQ(errno, ECONNREFUSED);
}

static void an_impostor_gets_nothing(void **state)
{
    (void)state;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t n = strlen(t.name);
    if (getuid() != 0) skip();
    server_stop();
    memcpy(at.sun_path + 1, t.name + 1, n - 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    CHECK_EQ(
        bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
        0);
    CHECK_EQ(seteuid(65534), 0);
    CHECK_EQ(listen(fd, 1), 0);
    CHECK_EQ(seteuid(0), 0);
    CHECK_EQ(socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM), -1);
    CHECK_EQ(errno, EACCES);
    (void)close(fd);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    (void)argc;
    const struct CMUnitTest tests[] = {
        T(looks_like_netlink),
        T(every_way_to_send),
        T(every_way_to_receive),
        T(peek_tells_the_length),
        T(groups),
        T(extended_acks),
        T(copies_of_a_descriptor),
        T(numbers_are_used_again),
        T(other_sockets_are_left_alone),
        T(a_child_has_them_too),
        T(threads),
        T(a_restart_is_an_overrun),
        T(epoll_survives_a_restart),
        T(policies_are_put_again_and_sas_expire),
        T(the_natt_port_is_shared),
        T(exempt_sockets_are_marked),
        T(nobody_there),
        T(an_impostor_gets_nothing),
    };
    if (!getenv("LD_PRELOAD")) {
        (void)setenv("LD_PRELOAD", getenv("PRELOAD"), 1);
        (void)execv("/proc/self/exe", argv);
        return 1;
    }
    (void)snprintf(t.name, sizeof t.name, "@pavise-preload-test-%d", getpid());
    (void)setenv("PAVISE_XFRM_SOCKET", t.name, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
