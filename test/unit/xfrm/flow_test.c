// Reading inner headers: what is found, and that nothing is read that is not there.
#include "test/unit/xfrm/rig.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "xfrm/path/stages.h"

// In memory of exactly this size, so that the sanitizer sees an overrun by one.
static bool read_exact(const uint8_t *at, uint32_t len, struct pkt *p)
{
    uint8_t *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    if (len) memcpy(exact, at, len);
    *p = (struct pkt){.at = exact, .len = len};
    bool ok = flow_read(p);
    free(exact);
    return ok;
}

static void a_udp_packet_of_each_family(void **state)
{
    (void)state;
    uint8_t buf[200];
    struct pkt p;
    uint32_t len = rig_udp(buf, "10.0.0.1", "10.0.0.2", 53, 5353, 11);
    buf[1] = 0xb8;
    CHECK(read_exact(buf, len, &p));
    CHECK(p.flow.sport == 53 && p.flow.dport == 5353 && p.flow.proto == IPPROTO_UDP);
    CHECK(p.flow.tos == 0xb8 && p.flow.ttl == 64 && !p.flow.fragment);
    ip_t want = rig_ip("10.0.0.2");
    CHECK(ip_eq(&p.flow.dst, &want));
    len = rig_udp(buf, "fd00::1", "fd00::2", 53, 5353, 11);
    buf[0] = 0x6b;
    buf[1] = 0x80;
    CHECK(read_exact(buf, len, &p));
    CHECK(p.flow.sport == 53 && p.flow.dport == 5353 && p.flow.tos == 0xb8);
    want = rig_ip("fd00::1");
    CHECK(ip_eq(&p.flow.src, &want));
}

static void what_stands_behind_the_packet_goes(void **state)
{
    (void)state;
    uint8_t buf[200] = {0};
    struct pkt p;
    uint32_t len = rig_udp(buf, "10.0.0.1", "10.0.0.2", 1, 2, 3);
    CHECK(read_exact(buf, len + 50, &p));
    CHECK_EQ(p.len, len);
    len = rig_udp(buf, "fd00::1", "fd00::2", 1, 2, 3);
    CHECK(read_exact(buf, len + 50, &p));
    CHECK_EQ(p.len, len);
}

static void nothing_shorter_is_a_packet(void **state)
{
    (void)state;
    uint8_t buf[200];
    struct pkt p;
    uint32_t len = rig_udp(buf, "10.0.0.1", "10.0.0.2", 1, 2, 3);
    for (uint32_t n = 0; n < len; n++) CHECK(!read_exact(buf, n, &p));
    len = rig_udp(buf, "fd00::1", "fd00::2", 1, 2, 3);
    for (uint32_t n = 0; n < len; n++) CHECK(!read_exact(buf, n, &p));
}

static void ports_must_be_there_when_their_header_is(void **state)
{
    (void)state;
    uint8_t buf[200];
    struct pkt p;
    (void)rig_udp(buf, "10.0.0.1", "10.0.0.2", 1, 2, 3);
    put16(buf + 2, 23); // three bytes of UDP
    CHECK(!read_exact(buf, 23, &p));
    buf[9] = 47; // GRE has no ports
    CHECK(read_exact(buf, 23, &p));
    CHECK(p.flow.sport == 0 && p.flow.dport == 0 && p.flow.proto == 47);
    buf[9] = IPPROTO_ICMP;
    buf[20] = 8;
    buf[21] = 1;
    CHECK(read_exact(buf, 23, &p));
    CHECK(p.flow.sport == 8 && p.flow.dport == 1);
}

static void options_are_stepped_over(void **state)
{
    (void)state;
    uint8_t buf[200] = {0};
    struct pkt p;
    (void)rig_udp(buf, "10.0.0.1", "10.0.0.2", 0, 0, 30);
    buf[0] = 0x46;
    put16(buf + 24, 77);
    put16(buf + 26, 88);
    CHECK(read_exact(buf, 58, &p));
    CHECK(p.flow.sport == 77 && p.flow.dport == 88);
    buf[0] = 0x44; // a header shorter than the shortest
    CHECK(!read_exact(buf, 58, &p));
    buf[0] = 0x4f; // a header longer than the packet
    CHECK(!read_exact(buf, 58, &p));
}

static void fragments(void **state)
{
    (void)state;
    uint8_t buf[200];
    struct pkt p;
    uint32_t len = rig_udp(buf, "10.0.0.1", "10.0.0.2", 7, 8, 3);
    put16(buf + 6, 0x2000); // the first one has its ports
    CHECK(read_exact(buf, len, &p));
    CHECK(!p.flow.fragment && p.flow.sport == 7);
    put16(buf + 6, 0x0001);
    CHECK(read_exact(buf, len, &p));
    CHECK(p.flow.fragment && p.flow.sport == 0);
    put16(buf + 6, 0x4000); // DF is no fragment
    CHECK(read_exact(buf, len, &p));
    CHECK(!p.flow.fragment);
}

// An IPv6 packet with this chain of extension headers before UDP; returns its length.
static uint32_t chain(uint8_t *buf, const uint8_t *types, unsigned n, uint16_t fragment_offset)
{
    (void)rig_udp(buf, "fd00::1", "fd00::2", 0, 0, 0);
    uint32_t at = 40;
    buf[6] = n ? types[0] : 17;
    for (unsigned i = 0; i < n; i++) {
        memset(buf + at, 0, 8);
        buf[at] = i + 1 < n ? types[i + 1] : 17;
        if (types[i] == 44) put16(buf + at + 2, fragment_offset);
        at += 8;
    }
    put16(buf + at, 111);
    put16(buf + at + 2, 222);
    put32(buf + at + 4, 0x00080000);
    put16(buf + 4, (uint16_t)(at + 8 - 40));
    return at + 8;
}

static void extension_headers_are_looked_through(void **state)
{
    (void)state;
    static const uint8_t types[] = {0, 60, 43, 44, 60};
    uint8_t buf[400];
    struct pkt p;
    for (unsigned n = 0; n <= sizeof types; n++) {
        uint32_t len = chain(buf, types, n, 1); // more follow, offset 0
        CHECK(read_exact(buf, len, &p));
        CHECK(p.flow.proto == 17 && p.flow.sport == 111 && p.flow.dport == 222);
        CHECK(!p.flow.fragment);
        for (uint32_t cut = 41; cut < len; cut++) {
            put16(buf + 4, (uint16_t)(cut - 40));
            bool ports = cut >= len - 4; // the packet says itself that it is so short
            CHECK_EQ(read_exact(buf, cut, &p), ports);
        }
    }
    uint32_t len = chain(buf, types, 4, 8);
    CHECK(read_exact(buf, len, &p));
    CHECK(p.flow.fragment && p.flow.proto == 17 && p.flow.sport == 0);
}

static void a_long_chain_is_refused(void **state)
{
    (void)state;
    uint8_t types[20], buf[400];
    struct pkt p;
    memset(types, 60, sizeof types);
    CHECK(read_exact(buf, chain(buf, types, 8, 0), &p));
    CHECK(!read_exact(buf, chain(buf, types, 9, 0), &p));
    CHECK(!read_exact(buf, chain(buf, types, 20, 0), &p));
}

static void an_extension_longer_than_the_packet(void **state)
{
    (void)state;
    static const uint8_t types[] = {0};
    uint8_t buf[400];
    struct pkt p;
    uint32_t len = chain(buf, types, 1, 0);
    buf[41] = 1; // 16 bytes: all that is left, and no port behind it
    CHECK(!read_exact(buf, len, &p));
    buf[41] = 255;
    CHECK(!read_exact(buf, len, &p));
}

static void noise_is_read_safely(void **state)
{
    (void)state;
    srand(8200);
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t buf[100];
        struct pkt p;
        uint32_t len = (uint32_t)rand() % sizeof buf;
        for (uint32_t k = 0; k < len; k++) buf[k] = (uint8_t)rand();
        if (len > 44) {
            buf[0] = rand() % 2 ? 0x45 : 0x60;
            buf[2] = 0;
            buf[4] = 0;
            buf[6] = (uint8_t)(rand() % 64);
            buf[3] %= 100;
            buf[5] %= 60;
        }
        if (read_exact(buf, len, &p)) CHECK(p.len <= len && p.len >= 20);
    }
}

// What flow_repeat() takes for a repetition, flow_read() reads as one. True: it took it.
static bool repeats_truly(const struct pkt *before, const uint8_t *at, uint32_t len)
{
    struct pkt quick = {.at = malloc(len ? len : 1), .len = len}, whole;
    assert_non_null(quick.at);
    if (len) memcpy(quick.at, at, len);
    bool repeated = flow_repeat(&quick, before);
    if (repeated) {
        CHECK(read_exact(at, len, &whole));
        CHECK_EQ(quick.len, whole.len);
        assert_memory_equal(&quick.flow, &whole.flow, sizeof quick.flow);
    }
    free(quick.at);
    return repeated;
}

static void each_bit_is_turned(const struct pkt *before, uint8_t *at, uint32_t len)
{
    for (uint32_t bit = 0; bit < len * 8; bit++) {
        at[bit / 8] ^= (uint8_t)(1U << bit % 8);
        (void)repeats_truly(before, at, len);
        at[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (uint32_t n = 0; n < len; n++) (void)repeats_truly(before, at, n);
}

static void only_what_is_alike_is_a_repetition(void **state)
{
    (void)state;
    uint8_t first[200], next[200];
    static const char *const ends[][2] = {{"10.0.0.1", "10.0.0.2"}, {"fd00::1", "fd00::2"}};
    for (unsigned i = 0; i < 2; i++) {
        struct pkt p = {.at = first, .len = rig_udp(first, ends[i][0], ends[i][1], 1, 2, 30)};
        CHECK(flow_read(&p));
        uint32_t len = rig_udp(next, ends[i][0], ends[i][1], 1, 2, 9);
        CHECK(repeats_truly(&p, next, len));
        CHECK(repeats_truly(&p, next, len + 20));
        each_bit_is_turned(&p, next, len);
        p.mark = 1;
        CHECK(!repeats_truly(&p, next, len));
    }
}

// What stands where the ports were is payload.
static void fragments_and_headers_without_ports_are_read_one_by_one(void **state)
{
    (void)state;
    uint8_t buf[200];
    struct pkt p = {.at = buf, .len = rig_udp(buf, "10.0.0.1", "10.0.0.2", 1, 2, 30)};
    put16(buf + 6, 0x2000);
    CHECK(flow_read(&p) && !repeats_truly(&p, buf, p.len));
    put16(buf + 6, 0);
    buf[9] = 47;
    CHECK(flow_read(&p) && !repeats_truly(&p, buf, p.len));
    buf[9] = IPPROTO_UDP;
    buf[0] = 0x46; // four bytes of options, and the ports behind them
    CHECK(flow_read(&p) && !repeats_truly(&p, buf, p.len));
    p.len = rig_udp(buf, "fd00::1", "fd00::2", 1, 2, 30);
    memmove(buf + 48, buf + 40, p.len - 40);
    memset(buf + 40, 0, 8);
    buf[6] = IPPROTO_DSTOPTS;
    buf[40] = IPPROTO_UDP;
    CHECK(flow_read(&p) && !repeats_truly(&p, buf, p.len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_udp_packet_of_each_family),
        cmocka_unit_test(what_stands_behind_the_packet_goes),
        cmocka_unit_test(nothing_shorter_is_a_packet),
        cmocka_unit_test(ports_must_be_there_when_their_header_is),
        cmocka_unit_test(options_are_stepped_over),
        cmocka_unit_test(fragments),
        cmocka_unit_test(extension_headers_are_looked_through),
        cmocka_unit_test(a_long_chain_is_refused),
        cmocka_unit_test(an_extension_longer_than_the_packet),
        cmocka_unit_test(noise_is_read_safely),
        cmocka_unit_test(only_what_is_alike_is_a_repetition),
        cmocka_unit_test(fragments_and_headers_without_ports_are_read_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
