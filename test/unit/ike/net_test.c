// The sockets, over loopback: addresses in both directions, the non-ESP marker, keepalives.
// The peer is a plain UDP socket, so that what is on the wire is seen as it is.
#include "ike/net/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/natt_share.h"
#include "test/unit/ike/hex.h"

#define WAIT_NS (2 * NSEC_PER_SEC)    // for what must come
#define PAUSE_NS (50 * NSEC_PER_MSEC) // for what must not

struct fixture {
    struct loop *loop;
    struct net *net;
    struct loop_timer *end;
    struct net_options opt;
    unsigned count, stop_at; // datagrams received; the loop ends at stop_at
    unsigned count_at_end;   // ... when the timer came
    bool echo, end_soon;     // end_soon: the timer is due from the first datagram on
    struct datagram last;
    uint8_t bytes[2048];
};

static void on_input(void *ctx, const struct datagram *d)
{
    struct fixture *f = ctx;
    CHECK(d->bytes.len <= sizeof f->bytes);
    memcpy(f->bytes, d->bytes.at, d->bytes.len);
    f->last = (struct datagram){d->from, d->to, span(f->bytes, d->bytes.len), 0};
    f->count++;
    if (f->echo) net_send(f->net, &(struct datagram){d->to, d->from, d->bytes, 0});
    if (f->end_soon && f->count == 1) loop_timer_at(f->end, clock_mono());
    if (f->count == f->stop_at) loop_stop(f->loop);
}

static void on_end(void *ctx)
{
    struct fixture *f = ctx;
    f->count_at_end = f->count;
    loop_stop(f->loop);
}

// Runs until `n` datagrams are there in all, or the time is over.
static void run(struct fixture *f, unsigned n, uint64_t ns)
{
    f->stop_at = n;
    if (f->count >= n && n) return;
    loop_timer_at(f->end, clock_mono() + ns);
    loop_run(f->loop);
    loop_timer_stop(f->end);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct why why;
    if (!f) return -1;
    f->loop = loop_new();
    assert_non_null(f->loop);
    f->end = loop_timer_new(f->loop, on_end, f);
    f->opt = net_options_default();
    f->opt.port = (uint16_t)(20000 + getpid() % 10000 * 2);
    f->opt.natt_port = (uint16_t)(f->opt.port + 1);
    err_t e = net_open(f->loop, &f->opt, on_input, f, &f->net, &why);
    if (e != ERR_OK) print_message("# %s\n", why.text);
    CHECK_OK(e);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    net_free(f->net);
    loop_timer_free(f->end);
    loop_free(f->loop);
    free(f);
    return 0;
}

static endpoint_t endpoint_of(const char *ip, uint16_t port)
{
    endpoint_t e = {.port = port};
    CHECK_OK(ip_parse(ip, &e.ip));
    return e;
}

// A peer that hears only what comes from exactly this address and port.
static int peer_of(const char *ip, uint16_t port)
{
    endpoint_t to = endpoint_of(ip, port);
    struct sockaddr_storage sa;
    socklen_t len = endpoint_to_sockaddr(&to, &sa);
    int fd = socket(to.ip.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(fd >= 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&sa, len), 0);
    return fd;
}

static void peer_says(int fd, const char *hex)
{
    span_t s = HEX(hex);
    CHECK_EQ(send(fd, s.at, s.len, 0), (ssize_t)s.len);
}

static void peer_hears(int fd, const char *hex)
{
    uint8_t buf[2048];
    ssize_t n = recv(fd, buf, sizeof buf, 0);
    CHECK(n >= 0);
    CHECK_SPAN(span(buf, (size_t)n), HEX(hex));
}

static endpoint_t peer_name(int fd)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    endpoint_t e;
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    CHECK_OK(endpoint_from_sockaddr(&sa, len, &e));
    return e;
}

#define IKE_BYTES "0102030405060708 0000000000000000 00202208"

// Any of our addresses may be meant; the answer must come from the same one.
static void answer_from_the_address_that_was_asked(struct fixture *f, const char *ip, bool natt)
{
    endpoint_t us = endpoint_of(ip, natt ? f->opt.natt_port : f->opt.port);
    int fd = peer_of(ip, us.port);
    endpoint_t peer = peer_name(fd);
    const char *wire = natt ? "00000000" IKE_BYTES : IKE_BYTES;
    f->echo = true;
    peer_says(fd, wire);
    run(f, f->count + 1, WAIT_NS);
    CHECK(endpoint_eq(&f->last.to, &us));
    CHECK(endpoint_eq(&f->last.from, &peer));
    CHECK_SPAN(f->last.bytes, HEX(IKE_BYTES));
    peer_hears(fd, wire);
    (void)close(fd);
}

static void ipv4_addresses(void **state)
{
    answer_from_the_address_that_was_asked(*state, "127.0.0.1", false);
    answer_from_the_address_that_was_asked(*state, "127.0.0.7", false);
}

static void ipv4_with_marker(void **state)
{
    answer_from_the_address_that_was_asked(*state, "127.0.0.7", true);
}

static void ipv6_addresses(void **state)
{
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 lo = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool there = fd >= 0 && bind(fd, (struct sockaddr *)&lo, sizeof lo) == 0;
    if (fd >= 0) (void)close(fd);
    if (!there) skip(); // a host without IPv6
    answer_from_the_address_that_was_asked(*state, "::1", false);
    answer_from_the_address_that_was_asked(*state, "::1", true);
}

static void port_500_has_no_marker(void **state)
{
    struct fixture *f = *state;
    int fd = peer_of("127.0.0.1", f->opt.port);
    peer_says(fd, "00000000 05060708"); // an SPI may begin with zeros
    run(f, 1, WAIT_NS);
    CHECK_SPAN(f->last.bytes, HEX("00000000 05060708"));
    (void)close(fd);
}

// A peer that uses port 4500 itself speaks with marker, to our port 500, too.
static void peer_at_port_4500(void **state)
{
    struct fixture *f = *state;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    endpoint_t at = endpoint_of("127.0.0.9", f->opt.natt_port);
    endpoint_t us = endpoint_of("127.0.0.1", f->opt.port);
    struct sockaddr_storage sa;
    socklen_t len = endpoint_to_sockaddr(&at, &sa);
    int on = 1; // ours has the wildcard address of this port
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&sa, len), 0);
    len = endpoint_to_sockaddr(&us, &sa);
    CHECK_EQ(connect(fd, (struct sockaddr *)&sa, len), 0);
    f->echo = true;
    peer_says(fd, "00000000" IKE_BYTES);
    run(f, 1, WAIT_NS);
    CHECK_SPAN(f->last.bytes, HEX(IKE_BYTES));
    peer_hears(fd, "00000000" IKE_BYTES);
    (void)close(fd);
}

static void what_is_not_ike_is_dropped(void **state)
{
    struct fixture *f = *state;
    int natt = peer_of("127.0.0.1", f->opt.natt_port), ike = peer_of("127.0.0.1", f->opt.port);
    peer_says(natt, "ff");                // keepalive
    peer_says(natt, "c1c2c3c4 00000001"); // ESP
    peer_says(natt, "000000");            // too short for a marker
    peer_says(natt, "");
    peer_says(ike, "ff");
    run(f, 1, PAUSE_NS);
    CHECK_EQ(f->count, 0);
    peer_says(natt, "00000000"); // a marker and nothing behind it: the diplomat's to judge
    run(f, 1, WAIT_NS);
    CHECK_EQ(f->count, 1);
    CHECK_EQ(f->last.bytes.len, 0);
    (void)close(natt);
    (void)close(ike);
}

static void keepalive_is_one_byte(void **state)
{
    struct fixture *f = *state;
    int fd = peer_of("127.0.0.1", f->opt.natt_port);
    struct datagram d = {endpoint_of("127.0.0.1", f->opt.natt_port), peer_name(fd), {NULL, 0}, 0};
    net_send(f->net, &d);
    peer_hears(fd, "ff");
    d.from.ip = (ip_t){.family = AF_UNSPEC}; // the kernel's choice
    net_send(f->net, &d);
    peer_hears(fd, "ff");
    d.from.port = 1; // not a port of ours: lost
    net_send(f->net, &d);
    CHECK_EQ(recv(fd, &(uint8_t){0}, 1, 0), -1);
    (void)close(fd);
}

// The traffic class that the next datagram carries.
static int class_heard(int fd, bool v6)
{
    uint8_t byte;
    _Alignas(struct cmsghdr) uint8_t control[128];
    struct iovec iov = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK(recvmsg(fd, &m, 0) >= 0);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    assert_non_null(c);
    CHECK_EQ(c->cmsg_type, v6 ? IPV6_TCLASS : IP_TOS);
    int tos = 0; // IPv4: one byte of it
    memcpy(&tos, CMSG_DATA(c), v6 ? sizeof tos : 1);
    return tos;
}

static void dscp_is_on_the_wire(void **state)
{
    struct fixture *f = *state;
    for (int v6 = 0; v6 <= 1; v6++) {
        const char *ip = v6 ? "::1" : "127.0.0.1";
        int fd = peer_of(ip, f->opt.port), one = 1;
        int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
        CHECK_EQ(setsockopt(fd, level, v6 ? IPV6_RECVTCLASS : IP_RECVTOS, &one, sizeof one), 0);
        struct datagram d = {endpoint_of(ip, f->opt.port), peer_name(fd), span(NULL, 0), 46};
        net_send(f->net, &d);
        CHECK_EQ(class_heard(fd, v6), 46 << 2);
        d.from.ip = (ip_t){.family = AF_UNSPEC}; // without a source address beside it
        net_send(f->net, &d);
        CHECK_EQ(class_heard(fd, v6), 46 << 2);
        d.dscp = 0;
        net_send(f->net, &d);
        CHECK_EQ(class_heard(fd, v6), 0);
        (void)close(fd);
    }
}

static void flood_leaves_time_for_timers(void **state)
{
    struct fixture *f = *state;
    int fd = peer_of("127.0.0.1", f->opt.port);
    for (unsigned i = 0; i < 150; i++) peer_says(fd, IKE_BYTES);
    f->end_soon = true;
    run(f, 1000, WAIT_NS);
    CHECK(f->count_at_end > 0 && f->count_at_end < 150);
    run(f, 150, WAIT_NS);
    CHECK_EQ(f->count, 150);
    (void)close(fd);
}

// All who call in the same moment, after an outage, are heard.
static void a_thousand_at_once(void **state)
{
    struct fixture *f = *state;
    static const uint8_t init[1200];
    if (geteuid() != 0) skip(); // then the host's limit holds
    int fd = peer_of("127.0.0.1", f->opt.port);
    for (unsigned i = 0; i < 1000; i++) CHECK_EQ(send(fd, init, sizeof init, 0), sizeof init);
    run(f, 1000, 5 * WAIT_NS);
    CHECK_EQ(f->count, 1000);
    (void)close(fd);
}

static void icmp_errors_are_swallowed(void **state)
{
    struct fixture *f = *state;
    int fd = peer_of("127.0.0.1", f->opt.port);
    struct datagram d = {endpoint_of("127.0.0.1", f->opt.port), endpoint_of("127.0.0.1", 1),
                         HEX(IKE_BYTES), 0};
    for (unsigned i = 0; i < 5; i++) net_send(f->net, &d); // nobody there: port unreachable
    run(f, 1, PAUSE_NS);
    peer_says(fd, IKE_BYTES);
    run(f, 1, WAIT_NS);
    CHECK_EQ(f->count, 1);
    (void)close(fd);
}

// pavise-xfrmd's socket on the shared port.
static int executor_bind(const struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    endpoint_t at = {.ip.family = AF_INET, .port = f->opt.natt_port};
    struct sockaddr_storage sa;
    socklen_t len = endpoint_to_sockaddr(&at, &sa);
    CHECK_OK(natt_share_prepare(fd));
    CHECK_EQ(bind(fd, (struct sockaddr *)&sa, len), 0);
    CHECK_OK(natt_share_attach(fd, false));
    return fd;
}

static void each_gets_his_own(struct fixture *f, int esp)
{
    int fd = peer_of("127.0.0.1", f->opt.natt_port);
    peer_says(fd, "c1c2c3c4 00000001");
    peer_says(fd, "00000000" IKE_BYTES);
    run(f, 1, WAIT_NS);
    CHECK_SPAN(f->last.bytes, HEX(IKE_BYTES));
    uint8_t buf[64];
    CHECK_EQ(recv(esp, buf, sizeof buf, MSG_DONTWAIT), 8);
    (void)close(fd);
}

static void executor_comes_later(void **state)
{
    struct fixture *f = *state;
    int esp = executor_bind(f);
    each_gets_his_own(f, esp);
    (void)close(esp);
}

static void executor_was_there_first(void **state)
{
    struct fixture *f = *state;
    struct why why;
    net_free(f->net);
    f->net = NULL;
    int esp = executor_bind(f);
    CHECK_OK(net_open(f->loop, &f->opt, on_input, f, &f->net, &why));
    each_gets_his_own(f, esp);
    (void)close(esp);
}

static void ports_that_cannot_be_had(void **state)
{
    struct fixture *f = *state;
    struct net *second = NULL;
    struct net_options opt = f->opt;
    struct why why;
    CHECK_EQ(net_open(f->loop, &opt, on_input, f, &second, &why), ERR_EXISTS);
    assert_non_null(strstr(why.text, "another IKE daemon"));
    opt.natt_port = opt.port;
    CHECK_EQ(net_open(f->loop, &opt, on_input, f, &second, &why), ERR_RANGE);
    opt.port = 0;
    CHECK_EQ(net_open(f->loop, &opt, on_input, f, &second, &why), ERR_RANGE);
    opt = f->opt;
    CHECK_OK(ip_parse("192.0.2.1", &opt.bind4)); // not ours
    CHECK_EQ(net_open(f->loop, &opt, on_input, f, &second, &why), ERR_SYSTEM);
    assert_null(second);
}

static void source_addresses(void **state)
{
    struct fixture *f = *state;
    char text[IP_TEXT_MAX];
    ip_t peer;
    CHECK_OK(ip_parse("127.0.0.5", &peer));
    ip_t us = net_source_for(f->net, &peer);
    CHECK_STR(ip_show(&us, text), "127.0.0.1");
    peer.family = AF_UNSPEC;
    us = net_source_for(f->net, &peer);
    CHECK_EQ(us.family, AF_UNSPEC);
}

static void bound_to_one_address(void **state)
{
    struct fixture *f = *state;
    struct why why;
    char text[IP_TEXT_MAX];
    ip_t peer;
    net_free(f->net);
    f->net = NULL;
    CHECK_OK(ip_parse("127.0.0.3", &f->opt.bind4));
    f->opt.kernel_encap = true;
    CHECK_OK(net_open(f->loop, &f->opt, on_input, f, &f->net, &why));
    CHECK_OK(ip_parse("127.0.0.5", &peer));
    ip_t us = net_source_for(f->net, &peer);
    CHECK_STR(ip_show(&us, text), "127.0.0.3");
    answer_from_the_address_that_was_asked(f, "127.0.0.3", true);
    int fd = peer_of("127.0.0.4", f->opt.port);
    peer_says(fd, IKE_BYTES);
    run(f, 2, PAUSE_NS);
    CHECK_EQ(f->count, 1);
    (void)close(fd);
}

static void firewall_mark(void **state)
{
    struct fixture *f = *state;
    struct why why;
    net_free(f->net);
    f->net = NULL;
    f->opt.fwmark = 0x11;
    err_t e = net_open(f->loop, &f->opt, on_input, f, &f->net, &why);
    if (geteuid() != 0) skip();
    CHECK_OK(e);
    ip_t peer = endpoint_of("127.0.0.5", 0).ip, us = net_source_for(f->net, &peer);
    CHECK_EQ(us.family, AF_INET);
    answer_from_the_address_that_was_asked(f, "127.0.0.1", true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ipv4_addresses),
        TEST(ipv4_with_marker),
        TEST(ipv6_addresses),
        TEST(port_500_has_no_marker),
        TEST(peer_at_port_4500),
        TEST(what_is_not_ike_is_dropped),
        TEST(keepalive_is_one_byte),
        TEST(flood_leaves_time_for_timers),
        TEST(dscp_is_on_the_wire),
        TEST(a_thousand_at_once),
        TEST(icmp_errors_are_swallowed),
        TEST(executor_comes_later),
        TEST(executor_was_there_first),
        TEST(ports_that_cannot_be_had),
        TEST(source_addresses),
        TEST(bound_to_one_address),
        TEST(firewall_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
