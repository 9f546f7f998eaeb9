// Two sockets on one UDP port of the loopback: every order of starts, stops and restarts must end
// with IKE at the IKE daemon and ESP at the executor.
#include "base/natt_share.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "test/check.h"

#define WAIT_MS 1000

static const uint8_t ike_packet[] = {0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
static const uint8_t esp_packet[] = {0, 0, 1, 0, 0, 0, 0, 1, 9, 9, 9, 9};

struct town {
    int family;
    uint16_t port; // network order; 0 until the first bind
    int ike, esp, sender;
};

static socklen_t loopback(const struct town *t, struct sockaddr_storage *at)
{
    memset(at, 0, sizeof *at);
    if (t->family == AF_INET6) {
        struct sockaddr_in6 s6 = {AF_INET6, t->port, 0, IN6ADDR_LOOPBACK_INIT, 0};
        memcpy(at, &s6, sizeof s6);
        return sizeof s6;
    }
    struct sockaddr_in s4 = {
        .sin_family = AF_INET, .sin_port = t->port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    memcpy(at, &s4, sizeof s4);
    return sizeof s4;
}

static int start(struct town *t, bool i_am_ike)
{
    struct sockaddr_storage at;
    socklen_t len = loopback(t, &at);
    int fd = socket(t->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_OK(natt_share_prepare(fd));
    CHECK(bind(fd, (struct sockaddr *)&at, len) == 0);
    CHECK_OK(natt_share_attach(fd, i_am_ike));
    CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    t->port = ((struct sockaddr_in *)&at)->sin_port; // the same place in both families
    return fd;
}

static void stop(int *fd)
{
    CHECK(close(*fd) == 0);
    *fd = -1;
}

static void send_one(struct town *t, const void *data, size_t n)
{
    struct sockaddr_storage at;
    socklen_t len = loopback(t, &at);
    CHECK(sendto(t->sender, data, n, 0, (struct sockaddr *)&at, len) == (ssize_t)n);
}

// True if exactly this packet is the next one at fd.
static bool arrives(int fd, const void *data, size_t n)
{
    uint8_t got[64];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, WAIT_MS) != 1) return false;
    return recv(fd, got, sizeof got, MSG_DONTWAIT) == (ssize_t)n && memcmp(got, data, n) == 0;
}

static bool silent(int fd)
{
    uint8_t got[64];
    return recv(fd, got, sizeof got, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void each_gets_his_own(struct town *t)
{
    send_one(t, ike_packet, sizeof ike_packet);
    send_one(t, esp_packet, sizeof esp_packet);
    send_one(t, ike_packet, 4); // nothing but the marker
    CHECK(arrives(t->ike, ike_packet, sizeof ike_packet));
    CHECK(arrives(t->ike, ike_packet, 4));
    CHECK(arrives(t->esp, esp_packet, sizeof esp_packet));
    CHECK(silent(t->ike));
    CHECK(silent(t->esp));
}

static void all_go_to(struct town *t, int fd)
{
    send_one(t, ike_packet, sizeof ike_packet);
    CHECK(arrives(fd, ike_packet, sizeof ike_packet));
    send_one(t, esp_packet, sizeof esp_packet);
    CHECK(arrives(fd, esp_packet, sizeof esp_packet));
}

static void short_ones_do_no_harm(struct town *t)
{
    uint8_t got[64];
    send_one(t, "\xff", 1);
    struct pollfd p[] = {{.fd = t->ike, .events = POLLIN}, {.fd = t->esp, .events = POLLIN}};
    CHECK_EQ(poll(p, 2, WAIT_MS), 1);
    int fd = p[0].revents ? t->ike : t->esp;
    CHECK_EQ(recv(fd, got, sizeof got, MSG_DONTWAIT), 1);
}

static struct town town_open(int family)
{
    struct town t = {.family = family};
    t.sender = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(t.sender >= 0);
    return t;
}

static void play_restarts(int family, bool ike_first)
{
    struct town t = town_open(family);
    int *first = ike_first ? &t.ike : &t.esp, *second = ike_first ? &t.esp : &t.ike;
    *first = start(&t, ike_first);
    all_go_to(&t, *first);
    *second = start(&t, !ike_first);
    each_gets_his_own(&t);
    short_ones_do_no_harm(&t);
    for (int round = 0; round < 3; round++) {
        stop(first); // the later one is alone, then the first one comes back behind it
        all_go_to(&t, *second);
        *first = start(&t, ike_first);
        each_gets_his_own(&t);
        stop(first); // twice the same one
        *first = start(&t, ike_first);
        each_gets_his_own(&t);
        stop(second);
        all_go_to(&t, *first);
        *second = start(&t, !ike_first);
        each_gets_his_own(&t);
    }
    stop(first);
    stop(second);
    stop(&t.sender);
}

static void ike_starts_first_v4(void **state)
{
    (void)state;
    play_restarts(AF_INET, true);
}

static void esp_starts_first_v4(void **state)
{
    (void)state;
    play_restarts(AF_INET, false);
}

static void ike_starts_first_v6(void **state)
{
    (void)state;
    play_restarts(AF_INET6, true);
}

static void esp_starts_first_v6(void **state)
{
    (void)state;
    play_restarts(AF_INET6, false);
}

// ---- an executor with several workers ----

#define WORKERS 3

static void start_group(struct town *t, int esp[WORKERS], bool behind_ike)
{
    for (int i = 0; i < WORKERS; i++) {
        struct sockaddr_storage at;
        socklen_t len = loopback(t, &at);
        esp[i] = socket(t->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CHECK(esp[i] >= 0);
        CHECK_OK(natt_share_prepare(esp[i]));
        CHECK(bind(esp[i], (struct sockaddr *)&at, len) == 0);
        CHECK(getsockname(esp[i], (struct sockaddr *)&at, &len) == 0);
        t->port = ((struct sockaddr_in *)&at)->sin_port;
    }
    CHECK_OK(natt_share_attach_esp(esp[WORKERS - 1], WORKERS, behind_ike));
}

// Each SPI has one socket; `in_order`: the one that it should have.
static void each_spi_has_its_place(struct town *t, const int esp[WORKERS], bool in_order)
{
    int had[WORKERS];
    for (uint8_t n = 0; n < 4 * WORKERS; n++) {
        const uint8_t packet[12] = {0, 0, 1, n};
        int got = -1;
        send_one(t, packet, sizeof packet);
        struct pollfd p[] = {{.fd = esp[0], .events = POLLIN},
                             {.fd = esp[1], .events = POLLIN},
                             {.fd = esp[2], .events = POLLIN}};
        CHECK_EQ(poll(p, WORKERS, WAIT_MS), 1);
        for (int i = 0; i < WORKERS; i++) got = p[i].revents ? i : got;
        CHECK(arrives(esp[got], packet, sizeof packet));
        if (n < WORKERS) had[(256 + n) % WORKERS] = got;
        CHECK_EQ(got, had[(256 + n) % WORKERS]);
        if (in_order) CHECK_EQ(got, (256 + n) % WORKERS);
    }
}

static void ike_and_group(struct town *t, const int esp[WORKERS], bool in_order)
{
    each_spi_has_its_place(t, esp, in_order);
    send_one(t, ike_packet, sizeof ike_packet);
    CHECK(arrives(t->ike, ike_packet, sizeof ike_packet));
    CHECK_EQ(natt_share_count(t->ike), WORKERS + 1);
}

static void play_group(int family, bool ike_first)
{
    struct town t = town_open(family);
    int esp[WORKERS];
    if (ike_first) t.ike = start(&t, true);
    start_group(&t, esp, ike_first);
    if (!ike_first) {
        each_spi_has_its_place(&t, esp, true);
        t.ike = start(&t, true);
    }
    ike_and_group(&t, esp, true);
    for (int round = 0; round < 3; round++) {
        stop(&t.ike); // the group's indices change
        t.ike = start(&t, true);
        ike_and_group(&t, esp, false);
        for (int i = 0; i < WORKERS; i++) stop(&esp[i]);
        start_group(&t, esp, true);
        ike_and_group(&t, esp, true);
    }
    for (int i = 0; i < WORKERS; i++) stop(&esp[i]);
    stop(&t.ike);
    stop(&t.sender);
}

static void a_group_shares_with_ike(void **state)
{
    (void)state;
    const int family[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 4; i++) play_group(family[i / 2], i % 2);
}

static void a_bad_descriptor_is_an_error(void **state)
{
    (void)state;
    CHECK_EQ(natt_share_prepare(-1), ERR_SYSTEM);
    CHECK_EQ(natt_share_attach(-1, true), ERR_SYSTEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ike_starts_first_v4),     cmocka_unit_test(esp_starts_first_v4),
        cmocka_unit_test(ike_starts_first_v6),     cmocka_unit_test(esp_starts_first_v6),
        cmocka_unit_test(a_group_shares_with_ike), cmocka_unit_test(a_bad_descriptor_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
