// ESP in UDP over the loopback: what arrives is what was sent, with its addresses and TOS, and what
// is not ESP does not arrive.
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "test/unit/xfrm/rig.h"
#include "xfrm/port/port.h"

// Below the ephemeral ports, and another one in another process: tests run side by side.
#define PORT ((uint16_t)(20000 + getpid() % 12000))
#define WAIT_MS 2000
#ifndef SO_RCVMARK // <asm-generic/socket.h>, since 5.19
#define SO_RCVMARK 75
#endif

struct wire {
    uint16_t family;
    struct port *port;
    struct pool *pool;
    struct burst got;
};

static void wire_open(struct wire *w, uint16_t family)
{
    struct why why = {""};
    *w = (struct wire){.family = family, .pool = pool_new(256)};
    CHECK_OK(udp_encap_open(family, PORT, 0, 1, &w->port, &why));
}

static void wire_close(struct wire *w)
{
    for (unsigned i = 0; i < w->got.n; i++) pool_give(w->pool, w->got.p[i]);
    w->port->ops->free(w->port);
    pool_free(w->pool);
}

static endpoint_t here(const struct wire *w, uint8_t host)
{
    endpoint_t e = {.ip = rig_ip(w->family == AF_INET6 ? "::1" : "127.0.0.1"), .port = PORT};
    if (w->family == AF_INET) e.ip.b[3] = host; // every 127.x is here
    return e;
}

static void send_text(struct wire *w, const void *bytes, uint32_t n, uint8_t tos)
{
    struct pkt *p = pool_take(w->pool);
    memcpy(p->at, bytes, n);
    p->len = n;
    p->from = here(w, 1);
    p->to = here(w, 2);
    p->outer_tos = tos;
    p->udp = true;
    w->port->ops->send(w->port, &p, 1);
    CHECK_EQ(p->drop, DROP_NONE);
    pool_give(w->pool, p);
}

static void receive(struct wire *w)
{
    struct pollfd p = {.fd = w->port->ops->fd(w->port), .events = POLLIN};
    CHECK_EQ(poll(&p, 1, WAIT_MS), 1);
    w->port->ops->recv(w->port, w->pool, &w->got);
}

static const uint8_t esp[] = {0, 0, 0x10, 1, 0, 0, 0, 1, 'x', 'y', 'z'};

static void play_one(uint16_t family)
{
    struct wire w;
    wire_open(&w, family);
    send_text(&w, esp, sizeof esp, 0xb8);
    receive(&w);
    CHECK_EQ(w.got.n, 1);
    const struct pkt *p = w.got.p[0];
    const endpoint_t from = here(&w, 1), to = here(&w, 2);
    CHECK_EQ(p->len, sizeof esp);
    assert_memory_equal(p->at, esp, sizeof esp);
    CHECK(endpoint_eq(&p->from, &from));
    CHECK(endpoint_eq(&p->to, &to));
    CHECK_EQ(p->outer_tos, 0xb8);
    CHECK(p->udp);
    CHECK_EQ(p->drop, DROP_NONE);
    wire_close(&w);
}

static void arrives_with_addresses_and_tos_v4(void **state)
{
    (void)state;
    play_one(AF_INET);
}

static void arrives_with_addresses_and_tos_v6(void **state)
{
    (void)state;
    play_one(AF_INET6);
}

static void ike_and_keepalives_are_ignored(void **state)
{
    (void)state;
    struct wire w;
    wire_open(&w, AF_INET);
    send_text(&w, "\xff", 1, 0);
    send_text(&w, "\0\0\0\0IKE", 7, 0);
    send_text(&w, "\0\0", 2, 0);
    send_text(&w, esp, sizeof esp, 0);
    receive(&w);
    CHECK_EQ(w.got.n, 1);
    CHECK_EQ(w.got.p[0]->len, sizeof esp);
    CHECK_EQ(w.port->counts.ignored, 3);
    CHECK_EQ(w.port->counts.packets_in, 1);
    wire_close(&w);
}

static void sends_a_keepalive(uint16_t family)
{
    struct wire w;
    wire_open(&w, family);
    int ear = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    endpoint_t nat = here(&w, 2), from = here(&w, 3), seen;
    struct sockaddr_storage at;
    uint8_t got[16];
    nat.port = 0; // any
    socklen_t len = endpoint_to_sockaddr(&nat, &at);
    CHECK(bind(ear, (struct sockaddr *)&at, len) == 0);
    CHECK(getsockname(ear, (struct sockaddr *)&at, &len) == 0);
    CHECK_OK(endpoint_from_sockaddr(&at, len, &nat));
    udp_encap_keepalive(w.port, &from.ip, &nat, 0);
    struct pollfd p = {.fd = ear, .events = POLLIN};
    CHECK_EQ(poll(&p, 1, WAIT_MS), 1);
    len = sizeof at;
    CHECK_EQ(recvfrom(ear, got, sizeof got, 0, (struct sockaddr *)&at, &len), 1);
    CHECK_EQ(got[0], 0xff);
    CHECK_OK(endpoint_from_sockaddr(&at, len, &seen));
    CHECK(endpoint_eq(&seen, &from));
    (void)close(ear);
    wire_close(&w);
}

static void a_keepalive_comes_from_the_address_asked_for(void **state)
{
    (void)state;
    sends_a_keepalive(AF_INET);
    sends_a_keepalive(AF_INET6);
}

static void a_datagram_of_64_kib_comes_whole(void **state)
{
    (void)state;
    struct wire w;
    static const uint8_t big[65507] = {1};
    wire_open(&w, AF_INET);
    struct sockaddr_storage at;
    const endpoint_t to = here(&w, 1);
    socklen_t len = endpoint_to_sockaddr(&to, &at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(sendto(fd, big, sizeof big, 0, (struct sockaddr *)&at, len) == sizeof big);
    receive(&w);
    CHECK_EQ(w.got.n, 1);
    CHECK_EQ(w.got.p[0]->len, sizeof big);
    assert_memory_equal(w.got.p[0]->at, big, sizeof big);
    (void)close(fd);
    wire_close(&w);
}

static void a_packet_without_a_way_gets_its_word_and_the_others_go(void **state)
{
    (void)state;
    struct wire w;
    struct pkt *p[3];
    wire_open(&w, AF_INET);
    for (int i = 0; i < 3; i++) {
        p[i] = pool_take(w.pool);
        memcpy(p[i]->at, esp, sizeof esp);
        p[i]->len = sizeof esp;
        p[i]->from = here(&w, 1);
        p[i]->to = here(&w, 2);
    }
    p[1]->from.ip = rig_ip("192.0.2.99"); // not an address of this host
    w.port->ops->send(w.port, p, 3);
    CHECK_EQ(p[0]->drop, DROP_NONE);
    CHECK_EQ(p[1]->drop, DROP_SEND);
    CHECK_EQ(p[2]->drop, DROP_NONE);
    CHECK_EQ(w.port->counts.packets_out, 2);
    CHECK_EQ(w.port->counts.refused_out, 1);
    for (int i = 0; i < 3; i++) pool_give(w.pool, p[i]);
    receive(&w);
    CHECK_EQ(w.got.n, 2);
    wire_close(&w);
}

// ---- trains ----

#define MANY 150 // more than a burst
#define CAR 1000

static uint32_t car_size(unsigned i)
{
    return i % 50 == 49 ? CAR / 2 : i > 120 ? CAR + i : CAR; // shorter ones, and ones that differ
}

static void car_fill(uint8_t *at, unsigned i)
{
    memset(at, (int)i, car_size(i));
    memcpy(at, esp, 4);
    at[4] = (uint8_t)i;
}

// Returns the number of packets that arrived, which must be cars[0], cars[1], ...
static unsigned receive_cars(struct wire *w, unsigned want)
{
    uint8_t car[2 * CAR];
    unsigned got = 0;
    while (got < want) {
        w->got.n = 0;
        if (!w->port->more) receive(w);
        if (w->got.n == 0) w->port->ops->recv(w->port, w->pool, &w->got);
        CHECK(w->got.n > 0 && w->got.n <= BURST_MAX);
        for (unsigned i = 0; i < w->got.n; i++, got++) {
            struct pkt *p = w->got.p[i];
            car_fill(car, got);
            CHECK_EQ(p->len, car_size(got));
            assert_memory_equal(p->at, car, p->len);
            CHECK_EQ(p->from.port, PORT);
            CHECK(p->udp);
            pool_give(w->pool, p);
        }
    }
    w->got.n = 0;
    CHECK(!w->port->more);
    return got;
}

static void send_cars(struct wire *w, unsigned from, unsigned n)
{
    struct pkt *p[BURST_MAX];
    for (unsigned i = 0; i < n; i++) {
        p[i] = pool_take(w->pool);
        car_fill(p[i]->at, from + i);
        p[i]->len = car_size(from + i);
        p[i]->from = here(w, 1);
        p[i]->to = here(w, 2);
    }
    w->port->ops->send(w->port, p, n);
    for (unsigned i = 0; i < n; i++) {
        CHECK_EQ(p[i]->drop, DROP_NONE);
        pool_give(w->pool, p[i]);
    }
}

static void play_trains(uint16_t family)
{
    struct wire w;
    wire_open(&w, family);
    send_cars(&w, 0, 100);
    send_cars(&w, 100, MANY - 100);
    CHECK_EQ(w.port->counts.packets_out, MANY);
    CHECK_EQ(receive_cars(&w, MANY), MANY);
    CHECK_EQ(w.port->counts.packets_in, MANY);
    wire_close(&w);
}

static void trains_arrive_whole_and_in_order(void **state)
{
    (void)state;
    play_trains(AF_INET);
    play_trains(AF_INET6);
}

// The marks of what arrives, as the receiving host sees them. Its port is another one.
static int marks_open(const struct wire *w, uint16_t *port)
{
    struct sockaddr_in6 at = {.sin6_family = w->family};
    socklen_t len = sizeof at;
    const int on = 1;
    int fd = socket(w->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVMARK, &on, sizeof on) != 0) {
        (void)close(fd);
        return -1;
    }
    CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    *port = ntohs(at.sin6_port); // at the same place in both families
    return fd;
}

static uint32_t mark_next(int fd)
{
    uint8_t byte;
    uint32_t mark = 0;
    _Alignas(struct cmsghdr) uint8_t control[64];
    struct iovec iov = {&byte, 1};
    struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK_EQ(poll(&p, 1, WAIT_MS), 1);
    CHECK(recvmsg(fd, &h, 0) >= 0);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_MARK)
            memcpy(&mark, CMSG_DATA(c), sizeof mark);
    return mark;
}

static void play_marks(uint16_t family)
{
    static const uint32_t mark[] = {1, 1, 1, 2, 2, 0, 0, 3, 1};
    struct wire w;
    struct pkt *p[9];
    uint16_t port = 0;
    wire_open(&w, family);
    int fd = marks_open(&w, &port);
    if (fd < 0) skip(); // Linux 5.19, CAP_NET_ADMIN
    for (unsigned i = 0; i < 9; i++) {
        p[i] = pool_take(w.pool);
        memset(p[i]->at, 1, CAR);
        p[i]->len = CAR;
        p[i]->mark = mark[i];
        p[i]->from = p[i]->to = here(&w, 1);
        p[i]->to.port = port;
    }
    w.port->ops->send(w.port, p, 9);
    for (unsigned i = 0; i < 9; i++) {
        CHECK_EQ(p[i]->drop, DROP_NONE);
        CHECK_EQ(mark_next(fd), mark[i]);
        pool_give(w.pool, p[i]);
    }
    (void)close(fd);
    wire_close(&w);
}

static void another_mark_is_another_train(void **state)
{
    (void)state;
    play_marks(AF_INET);
    play_marks(AF_INET6);
}

// A train to nowhere costs each of its packets a word, and no other packet anything.
static void a_train_without_a_way(void **state)
{
    (void)state;
    struct wire w;
    struct pkt *p[20];
    wire_open(&w, AF_INET);
    for (unsigned i = 0; i < 20; i++) {
        p[i] = pool_take(w.pool);
        memset(p[i]->at, 1, CAR);
        p[i]->len = CAR;
        p[i]->from = here(&w, 1);
        p[i]->to = here(&w, 2);
        if (i < 10) p[i]->from.ip = rig_ip("192.0.2.99"); // not an address of this host
    }
    w.port->ops->send(w.port, p, 20);
    for (unsigned i = 0; i < 20; i++) {
        CHECK_EQ(p[i]->drop, i < 10 ? DROP_SEND : DROP_NONE);
        pool_give(w.pool, p[i]);
    }
    CHECK_EQ(w.port->counts.refused_out, 10);
    receive(&w);
    CHECK_EQ(w.got.n, 10);
    wire_close(&w);
}

// On its way through the kernel a train may take up an IKE message that follows it. It is lost,
// but its repetition is not: trains rest.
static void an_ike_message_in_a_train_stops_trains(void **state)
{
    (void)state;
    struct wire w;
    struct pkt *p[4];
    int on = 0;
    socklen_t len = sizeof on;
    wire_open(&w, AF_INET);
    for (unsigned i = 0; i < 4; i++) {
        p[i] = pool_take(w.pool);
        memset(p[i]->at, i == 3 ? 0 : 1, 100);
        p[i]->len = 100;
        p[i]->from = here(&w, 1);
        p[i]->to = here(&w, 2);
    }
    w.port->ops->send(w.port, p, 4);
    for (unsigned i = 0; i < 4; i++) pool_give(w.pool, p[i]);
    receive(&w);
    CHECK_EQ(w.got.n, 3);
    CHECK_EQ(w.port->counts.ignored, 1);
    CHECK(getsockopt(w.port->ops->fd(w.port), IPPROTO_UDP, UDP_GRO, &on, &len) == 0);
    CHECK_EQ(on, 0);
    wire_close(&w);
}

static void a_port_in_use_is_explained(void **state)
{
    (void)state;
    struct why why = {""};
    struct port *port = NULL;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0); // without SO_REUSEPORT
    CHECK_EQ(udp_encap_open(AF_INET, PORT, 0, 1, &port, &why), ERR_SYSTEM);
    CHECK(strstr(why.text, "SO_REUSEPORT") != NULL);
    CHECK(port == NULL);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrives_with_addresses_and_tos_v4),
        cmocka_unit_test(arrives_with_addresses_and_tos_v6),
        cmocka_unit_test(ike_and_keepalives_are_ignored),
        cmocka_unit_test(a_keepalive_comes_from_the_address_asked_for),
        cmocka_unit_test(a_datagram_of_64_kib_comes_whole),
        cmocka_unit_test(a_packet_without_a_way_gets_its_word_and_the_others_go),
        cmocka_unit_test(trains_arrive_whole_and_in_order),
        cmocka_unit_test(another_mark_is_another_train),
        cmocka_unit_test(a_train_without_a_way),
        cmocka_unit_test(an_ike_message_in_a_train_stops_trains),
        cmocka_unit_test(a_port_in_use_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
