// DHCP messages byte for byte, and answers of servers that lie.
#include "daemon/dhcp_msg.h"

#include <string.h>

#include "test/check.h"

#define OPTIONS 240

static ip_t ip(const char *text)
{
    ip_t a;
    CHECK_OK(ip_parse(text, &a));
    return a;
}

// An answer with these options behind the cookie. Returns its length.
static size_t answer(uint8_t buf[600], const void *options, size_t n)
{
    static const uint8_t mac[] = {0x7a, 0xa7, 0x51, 0xcc, 0x22, 0x4a};
    static const uint8_t cookie[] = {99, 130, 83, 99}, yours[] = {10, 1, 0, 50};
    memset(buf, 0, 600);
    buf[0] = 2;
    buf[1] = 1;
    buf[2] = 6;
    memcpy(buf + 4, "\x01\x02\x03\x04", 4);
    memcpy(buf + 16, yours, 4);
    memcpy(buf + 28, mac, 6);
    memcpy(buf + 236, cookie, 4);
    memcpy(buf + OPTIONS, options, n);
    return OPTIONS + n;
}

#define ACK "\x35\x01\x05"
#define SERVER "\x36\x04\x0a\x01\x00\x14"
#define END "\xff"

static err_t read_options(const char *options, size_t n, struct dhcp_heard *m)
{
    uint8_t buf[600];
    return dhcp_read(span(buf, answer(buf, options, n)), m);
}
#define READ(options, m) read_options(options, sizeof(options) - 1, m)

static void request_is_written(void **state)
{
    (void)state;
    uint8_t buf[DHCP_OUT_MAX];
    struct dhcp_say m = {.type = DHCP_REQUEST,
                         .xid = 0x01020304,
                         .secs = 3,
                         .mac = {0x7a, 0xa7, 1, 2, 3, 4},
                         .relay = ip("10.1.0.1"),
                         .wish = ip("10.1.0.50"),
                         .server = ip("10.1.0.20"),
                         .name = span_str("carol"),
                         .id = span_str("c@x")};
    span_t out = dhcp_write(&m, buf);
    static const uint8_t fixed[] = {1, 1, 6, 0, 1, 2, 3, 4,  0, 3, 0, 0,    0,    0, 0, 0, 0,
                                    0, 0, 0, 0, 0, 0, 0, 10, 1, 0, 1, 0x7a, 0xa7, 1, 2, 3, 4};
    static const char options[] = "\x63\x82\x53\x63\x35\x01\x03\x0c\x05"
                                  "carol\x3d\x03"
                                  "c@x"
                                  "\x32\x04\x0a\x01\x00\x32\x36\x04\x0a\x01\x00\x14"
                                  "\x37\x02\x06\x2c\xff";
    CHECK_EQ(out.len, 300);
    assert_memory_equal(out.at, fixed, sizeof fixed);
    assert_memory_equal(out.at + 236, options, sizeof options - 1);
}

static void broadcast_and_release(void **state)
{
    (void)state;
    uint8_t buf[DHCP_OUT_MAX];
    struct dhcp_say m = {.type = DHCP_DISCOVER, .broadcast = true};
    CHECK_EQ(dhcp_write(&m, buf).at[10], 0x80);
    m = (struct dhcp_say){.type = DHCP_RELEASE, .client = ip("10.1.0.50")};
    span_t out = dhcp_write(&m, buf);
    assert_memory_equal(out.at + 12, "\x0a\x01\x00\x32", 4);
    CHECK_EQ(out.at[243], 0xff); // asks for nothing
}

static void longest_names_fit(void **state)
{
    (void)state;
    uint8_t buf[DHCP_OUT_MAX], name[255];
    memset(name, 'a', sizeof name);
    struct dhcp_say m = {.type = DHCP_REQUEST,
                         .wish = ip("10.1.0.50"),
                         .server = ip("10.1.0.20"),
                         .name = SPAN(name),
                         .id = SPAN(name)};
    span_t out = dhcp_write(&m, buf);
    CHECK(out.len < DHCP_OUT_MAX);
    CHECK_EQ(out.at[out.len - 1], 0xff);
}

static void answer_is_read(void **state)
{
    (void)state;
    struct dhcp_heard m;
    char text[IP_TEXT_MAX];
    CHECK_OK(READ(ACK SERVER "\x33\x04\x00\x00\x0e\x10\x3a\x04\x00\x00\x07\x08"
                             "\x06\x08\x0a\x01\x00\x14\x0a\x01\x00\x15\x00\x2c\x04\x0a\x01\x00\x0a"
                             "\x0f\x03"
                             "abc" END "\x35\x01\x02",
                  &m));
    CHECK_EQ(m.type, DHCP_ACK);
    CHECK_EQ(m.xid, 0x01020304);
    CHECK_EQ(m.mac[5], 0x4a);
    CHECK_EQ(m.lease_s, 3600);
    CHECK_EQ(m.renew_s, 1800);
    CHECK_STR(ip_show(&m.server, text), "10.1.0.20");
    CHECK_STR(ip_show(&m.lease.ip, text), "10.1.0.50");
    CHECK_EQ(m.lease.dns_n, 2);
    CHECK_STR(ip_show(&m.lease.dns[1], text), "10.1.0.21");
    CHECK_EQ(m.lease.nbns_n, 1);
    CHECK_STR(ip_show(&m.lease.nbns[0], text), "10.1.0.10");
    CHECK_OK(READ(ACK SERVER, &m)); // without an end
    CHECK_EQ(m.lease_s, DHCP_FOREVER);
}

static void options_may_go_on_in_other_fields(void **state)
{
    (void)state;
    struct dhcp_heard m;
    uint8_t buf[600];
    size_t n = answer(buf, ACK "\x34\x01\x03" END, 7);
    memcpy(buf + 108, "\x06\x04\x0a\x01\x00\x14" END, 7); // file
    memcpy(buf + 44, SERVER END, 7);                      // sname
    CHECK_OK(dhcp_read(span(buf, n), &m));
    CHECK_EQ(m.lease.dns_n, 1);
    CHECK_EQ(m.server.b[3], 0x14);
    buf[OPTIONS + 5] = 0; // they are what they are called
    CHECK_EQ(dhcp_read(span(buf, n), &m), ERR_SYNTAX);
}

static void more_servers_than_there_is_room_for(void **state)
{
    (void)state;
    struct dhcp_heard m;
    char options[300] = ACK SERVER "\x06\xc8";
    memset(options + 11, 10, 200);
    CHECK_OK(read_options(options, 11 + 200, &m));
    CHECK_EQ(m.lease.dns_n, LEASE_SERVERS_MAX);
}

static void what_is_no_answer(void **state)
{
    (void)state;
    struct dhcp_heard m;
    uint8_t buf[600];
    CHECK_EQ(READ(SERVER END, &m), ERR_SYNTAX);                         // of no type
    CHECK_EQ(READ("\x35\x01\x01" SERVER END, &m), ERR_SYNTAX);          // DISCOVER
    CHECK_EQ(READ(ACK END, &m), ERR_SYNTAX);                            // of nobody
    CHECK_EQ(READ(ACK "\x36\x04\xff\xff\xff\xff" END, &m), ERR_SYNTAX); // of everybody
    CHECK_EQ(READ(ACK SERVER "\x06\x09\x01", &m), ERR_SHORT);           // an option that is cut
    CHECK_EQ(READ(ACK SERVER "\x06", &m), ERR_SHORT);
    for (unsigned at = 0; at < 3; at++) { // a request; not Ethernet; a longer address
        size_t n = answer(buf, ACK SERVER, 9);
        buf[at] ^= 3;
        CHECK_EQ(dhcp_read(span(buf, n), &m), ERR_SYNTAX);
    }
    for (size_t n = 0; n < OPTIONS; n++) {
        (void)answer(buf, ACK SERVER, 9);
        CHECK_EQ(dhcp_read(span(buf, n), &m), ERR_SHORT);
    }
}

static void addresses_that_no_host_has(void **state)
{
    (void)state;
    static const uint8_t first[] = {0, 127, 224, 240, 255};
    struct dhcp_heard m;
    uint8_t buf[600];
    for (size_t i = 0; i < sizeof first; i++) {
        size_t n = answer(buf, ACK SERVER, 9);
        buf[16] = first[i];
        CHECK_EQ(dhcp_read(span(buf, n), &m), ERR_SYNTAX);
        buf[OPTIONS + 2] = DHCP_NAK; // it has none
        CHECK_OK(dhcp_read(span(buf, n), &m));
    }
}

// ---- packets ----

static const uint8_t packet[] = {
    0x46, 0,   0,   36,  0,   0,   0x40, 0, 64, 17, 0, 0, // IPv4, with an option
    10,   1,   0,   20,  10,  1,   0,    1, 1,  1,  1, 1, //
    0,    67,  0,   68,  0,   12,  0,    0,               // UDP
    'd',  'h', 'c', 'p', 'p', 'a', 'd'};

static void packet_is_unwrapped(void **state)
{
    (void)state;
    span_t inside;
    CHECK_OK(dhcp_unwrap(SPAN(packet), &inside));
    CHECK(span_eq(inside, span_str("dhcp"))); // what Ethernet pads with is left out
    for (size_t n = 0; n < 36; n++) CHECK_EQ(dhcp_unwrap(span(packet, n), &inside), ERR_SHORT);
}

static void other_packets(void **state)
{
    (void)state;
    static const struct {
        unsigned at;
        uint8_t value;
        err_t err;
    } wrong[] = {
        {0, 0x66, ERR_SYNTAX}, // IPv6
        {0, 0x44, ERR_SYNTAX}, // a header that is too short
        {3, 23, ERR_SHORT},    // ... that is longer than the packet
        {6, 0x20, ERR_SYNTAX}, // a fragment
        {7, 1, ERR_SYNTAX},    // the end of one
        {9, 6, ERR_SYNTAX},    // TCP
        {25, 68, ERR_SYNTAX},  // of a client
        {27, 69, ERR_SYNTAX},  // for somebody else
        {29, 13, ERR_SHORT},   // longer than its packet
        {29, 7, ERR_SHORT},
    };
    (void)state;
    span_t inside;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t copy[sizeof packet];
        memcpy(copy, packet, sizeof copy);
        copy[wrong[i].at] = wrong[i].value;
        CHECK_EQ(dhcp_unwrap(SPAN(copy), &inside), wrong[i].err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_is_written),
        cmocka_unit_test(broadcast_and_release),
        cmocka_unit_test(longest_names_fit),
        cmocka_unit_test(answer_is_read),
        cmocka_unit_test(options_may_go_on_in_other_fields),
        cmocka_unit_test(more_servers_than_there_is_room_for),
        cmocka_unit_test(what_is_no_answer),
        cmocka_unit_test(addresses_that_no_host_has),
        cmocka_unit_test(packet_is_unwrapped),
        cmocka_unit_test(other_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
