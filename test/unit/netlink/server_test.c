// The server on real sockets, one end of a pair in the test.
#include "netlink/server.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "netlink/codec.h"
#include "netlink/link.h"
#include "netlink/wire.h"
#include "test/check.h"
#include "test/unit/netlink/fake_xfrm.h"
#include "test/unit/netlink/samples.h"

static struct {
    struct fake_xfrm fake;
    struct loop *loop;
    struct loop_timer *timer;
    struct xfrm_server *server;
    char name[64];
} t;

static void on_event(void *ctx, const struct xfrm_event *ev)
{
    (void)ctx;
    xfrm_server_event(t.server, ev);
}

static void on_timer(void *ctx)
{
    (void)ctx;
    loop_stop(t.loop);
}

// Lets the server work for some milliseconds.
static void run(unsigned ms)
{
    loop_timer_at(t.timer, clock_mono() + ms * NSEC_PER_MSEC);
    loop_run(t.loop);
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    (void)snprintf(t.name, sizeof t.name, "@pavise-server-test-%d", getpid());
    t.loop = loop_new();
    t.timer = loop_timer_new(t.loop, on_timer, NULL);
    fake_init(&t.fake, on_event, NULL);
    return xfrm_server_new(t.loop, t.name, fake_api(&t.fake), &t.server, NULL) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    xfrm_server_free(t.server);
    loop_timer_free(t.timer);
    loop_free(t.loop);
    fake_done(&t.fake);
    return 0;
}

static alignas(8) uint8_t in[WIRE_DATAGRAM_MAX];

// The next datagram, or NULL.
static const struct nlmsghdr *receive(int fd)
{
    return recv(fd, in, sizeof in, MSG_DONTWAIT) > 0 ? (const struct nlmsghdr *)in : NULL;
}

static int join(uint32_t groups)
{
    int fd[2];
    struct wire_hello h = wire_hello(77, groups, 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
    CHECK_OK(xfrm_server_adopt(t.server, fd[1]));
    CHECK_EQ(send(fd[0], &h, sizeof h, 0), sizeof h);
    run(5);
    const struct nlmsghdr *ack = receive(fd[0]);
    CHECK(ack && ack->nlmsg_type == NLMSG_ERROR && ack->nlmsg_pid == 77);
    return fd[0];
}

static void send_message(int fd, const struct message *m)
{
    CHECK_EQ(send(fd, m->h, m->h->nlmsg_len, 0), m->h->nlmsg_len);
}

static alignas(8) uint8_t out[MESSAGE_MAX];

static struct message request(uint16_t type, uint16_t flags)
{
    struct message_id id = {.seq = 5, .flags = (uint16_t)(NLM_F_REQUEST | flags)};
    return message_start(out, sizeof out, type, id);
}

static void asks_and_listens(void **state)
{
    (void)state;
    int a = join(0), b = join(1u << (XFRMNLGRP_SA - 1));
    struct xfrm_sa sa = sample_sa();
    struct message m = request(XFRM_MSG_NEWSA, NLM_F_ACK);
    codec_sa_write(&m, &sa);
    send_message(a, &m);
    run(5);
    const struct nlmsghdr *h = receive(a);
    CHECK(h && h->nlmsg_type == NLMSG_ERROR);
    CHECK(!receive(a)); // not a member
    h = receive(b);
    CHECK(h && h->nlmsg_type == XFRM_MSG_NEWSA && h->nlmsg_seq == 5);
    CHECK(!receive(b));
    (void)close(a);
    (void)close(b);
    run(5);
    CHECK_EQ(t.fake.sa_count, 1); // SAs do not go with who made them
}

static void fill(unsigned n)
{
    struct xfrm_sa sa = sample_sa();
    for (sa.spi = 1; sa.spi <= n; sa.spi++) {
        CHECK_OK(fake_api(&t.fake).ops->sa_add(&t.fake, &sa, NULL));
    }
}

static void a_dump_larger_than_any_buffer(void **state)
{
    (void)state;
    int fd = join(0);
    fill(4000); // about 2.5 MB
    struct message m = request(XFRM_MSG_GETSA, NLM_F_DUMP);
    send_message(fd, &m);
    unsigned messages = 0;
    bool done = false;
    for (unsigned i = 0; i < 5000 && !done; i++) {
        run(1);
        for (ssize_t n; !done && (n = recv(fd, in, sizeof in, MSG_DONTWAIT)) > 0;) {
            for (size_t at = 0; at < (size_t)n;) {
                const struct nlmsghdr *h = (const struct nlmsghdr *)(in + at);
                done = h->nlmsg_type == NLMSG_DONE;
                messages += h->nlmsg_type == XFRM_MSG_NEWSA;
                at += NLMSG_ALIGN(h->nlmsg_len);
            }
        }
    }
    CHECK(done);
    CHECK_EQ(messages, 4000);
    (void)close(fd);
}

static void a_listener_that_does_not_read(void **state)
{
    (void)state;
    int slow = join(1u << (XFRMNLGRP_EXPIRE - 1)), quick = join(1u << (XFRMNLGRP_EXPIRE - 1));
    struct xfrm_sa sa = sample_sa();
    struct xfrm_event ev = {.kind = XFRM_EV_EXPIRE, .sa = &sa};
    unsigned heard = 0, got = 0, total = 0;
    for (unsigned i = 0; i < 20000; i++) { // 5 MB of events
        xfrm_server_event(t.server, &ev);
        if (i % 100 == 99) run(0);
        while (receive(quick)) heard++;
    }
    run(5);
    while (receive(quick)) heard++;
    CHECK_EQ(heard, 20000); // the other listener misses nothing
    bool told = false;
    for (unsigned i = 0; i < 100 && !told; i++, run(1)) {
        for (const struct nlmsghdr *h; !told && (h = receive(slow)); got++) {
            told = h->nlmsg_type == NLMSG_OVERRUN;
        }
    }
    CHECK(told);
    CHECK(got > 100 && got < 20000);
    run(5);
    CHECK(!receive(slow)); // told last: nothing came after what was lost
    xfrm_server_event(t.server, &ev);
    run(5);
    while (receive(slow)) total++;
    CHECK_EQ(total, 1); // and now it hears again
    (void)close(slow);
    (void)close(quick);
}

static void a_client_that_does_not_read_answers(void **state)
{
    (void)state;
    int fd = join(0), other = join(0);
    struct message m = request(XFRM_MSG_GETSADINFO, 0);
    codec_info_get_write(&m, 0);
    unsigned sent = 0;
    while (send(fd, m.h, m.h->nlmsg_len, MSG_DONTWAIT) > 0 && sent < 100000) {
        if (++sent % 100 == 0) run(0);
    }
    CHECK(sent < 100000); // it is made to wait, not served into unbounded memory
    send_message(other, &m);
    run(5);
    CHECK(receive(other) != NULL);
    unsigned answers = 0;
    for (unsigned i = 0; i < 1000 && answers < sent; i++, run(1)) {
        while (receive(fd)) answers++;
    }
    CHECK_EQ(answers, sent);
    (void)close(fd);
    (void)close(other);
}

static void a_client_that_asks_and_leaves(void **state)
{
    (void)state;
    int fd = join(0);
    struct xfrm_sa sa = sample_sa();
    for (sa.spi = 1; sa.spi <= 100; sa.spi++) { // no more than the socket holds
        struct message m = request(XFRM_MSG_NEWSA, NLM_F_ACK);
        codec_sa_write(&m, &sa);
        send_message(fd, &m);
        if (sa.spi == 20) run(5); // some answers lie unread
    }
    (void)close(fd);
    run(20);
    CHECK_EQ(t.fake.sa_count, 100); // as a kernel, which has done it before send() returns
}

static void rubbish(void **state)
{
    (void)state;
    int fd = join(0);
    static uint8_t big[WIRE_DATAGRAM_MAX + 1000];
    struct nlmsghdr lies = {.nlmsg_len = sizeof big, .nlmsg_type = XFRM_MSG_NEWSA};
    memcpy(big, &lies, sizeof lies);
    CHECK_EQ(send(fd, "x", 1, 0), 1);
    CHECK_EQ(send(fd, big, sizeof big, 0), sizeof big);
    run(5);
    CHECK(!receive(fd));
    struct message m = request(XFRM_MSG_GETSADINFO, NLM_F_ACK);
    codec_info_get_write(&m, 0);
    send_message(fd, &m);
    run(5);
    CHECK(receive(fd) != NULL);
    (void)close(fd);
}

// ---- sockets that clients share ----

static struct {
    unsigned on, off;
    endpoint_t last;
    err_t answer;
} lent;

static err_t on_lend(void *ctx, const endpoint_t *at, bool on)
{
    (void)ctx;
    lent.on += on;
    lent.off += !on;
    lent.last = *at;
    return on ? lent.answer : ERR_OK;
}

// Sends one WIRE_LEND; the errno of its answer.
static int lend(int fd, uint16_t family, uint16_t port, bool on)
{
    struct wire_lend m = wire_lend(on);
    m.family = family;
    m.port = port;
    m.addr[0] = 192;
    m.addr[3] = 7;
    CHECK_EQ(send(fd, &m, sizeof m, 0), sizeof m);
    run(5);
    const struct nlmsghdr *h = receive(fd);
    CHECK(h && h->nlmsg_type == NLMSG_ERROR);
    return h ? -((const struct nlmsgerr *)(h + 1))->error : EPROTO;
}

static void sockets_are_lent(void **state)
{
    (void)state;
    char text[ENDPOINT_TEXT_MAX];
    int fd = join(0);
    memset(&lent, 0, sizeof lent);
    CHECK_EQ(lend(fd, AF_INET, 4500, true), EOPNOTSUPP); // nobody to tell
    xfrm_server_on_lend(t.server, on_lend, NULL);
    CHECK_EQ(lend(fd, AF_INET, 4500, true), 0);
    CHECK_STR(endpoint_show(&lent.last, text), "192.0.0.7:4500");
    CHECK_EQ(lend(fd, AF_INET, 4500, true), 0); // once more is the same
    CHECK_EQ(lent.on, 1);
    CHECK_EQ(lend(fd, AF_INET6, 4500, true), 0);
    CHECK_EQ(lend(fd, AF_INET, 4500, false), 0);
    CHECK_EQ(lend(fd, AF_INET, 4500, false), ENOENT);
    CHECK_EQ(lent.off, 1);
    CHECK_EQ(lend(fd, AF_UNIX, 4500, true), EINVAL);
    CHECK_EQ(lend(fd, AF_INET, 0, true), EINVAL);
    lent.answer = ERR_SYSTEM; // no such address
    CHECK_EQ(lend(fd, AF_INET, 4501, true), EADDRNOTAVAIL);
    (void)close(fd);
    run(5);
    CHECK_EQ(lent.off, 2); // who leaves takes his own with him, and only those
    CHECK_EQ(xfrm_server_clients(t.server), 0);
}

static void no_end_of_lending(void **state)
{
    (void)state;
    int fd = join(0);
    memset(&lent, 0, sizeof lent);
    xfrm_server_on_lend(t.server, on_lend, NULL);
    unsigned taken = 0;
    for (uint16_t port = 1; port < 100; port++) taken += lend(fd, AF_INET, port, true) == 0;
    CHECK_EQ(taken, 64);
    struct wire_lend m = wire_lend(true);
    CHECK_EQ(send(fd, &m, sizeof m - 1, 0), sizeof m - 1); // cut off
    run(5);
    const struct nlmsghdr *h = receive(fd);
    CHECK(h && ((const struct nlmsgerr *)(h + 1))->error == -EINVAL);
    (void)close(fd);
    run(5);
    CHECK_EQ(lent.off, 64);
}

static void names(void **state)
{
    (void)state;
    struct xfrm_server *second = NULL;
    struct why why = {""};
    CHECK_EQ(xfrm_server_new(t.loop, t.name, fake_api(&t.fake), &second, &why), ERR_EXISTS);
    CHECK(strstr(why.text, "taken") != NULL);
    CHECK_EQ(xfrm_server_new(t.loop, "/tmp/x", fake_api(&t.fake), &second, &why), ERR_SYNTAX);
    CHECK(second == NULL);
}

// Connects as another user in a child process: its errno.
static int connect_as(unsigned uid)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct link l;
        if (setuid(uid) != 0) _exit(99);
        _exit((int)link_open(XFRM_PEER_XFRMD, t.name, 0, &l, NULL));
    }
    for (unsigned i = 0; i < 200 && waitpid(child, &status, WNOHANG) == 0; i++) run(10);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void only_root(void **state)
{
    (void)state;
    if (getuid() != 0) skip();
    CHECK_EQ(connect_as(0), ERR_OK);
    CHECK_EQ(connect_as(65534), ERR_PERMISSION);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(asks_and_listens),
        T(a_dump_larger_than_any_buffer),
        T(a_listener_that_does_not_read),
        T(a_client_that_does_not_read_answers),
        T(a_client_that_asks_and_leaves),
        T(rubbish),
        T(sockets_are_lent),
        T(no_end_of_lending),
        T(names),
        T(only_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
