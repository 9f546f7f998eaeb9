// IKE and ESP in TCP: whatever the segments, the messages are the same.
#include "see/stream.h"

#include <string.h>

#include "base/order.h"
#include "test/check.h"

static struct streams all;
static struct note note;
static char told[256];
static uint64_t frames;

static int begin(void **state)
{
    (void)state;
    note = note_new("tcp");
    told[0] = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    streams_done(&all);
    json_decref(note.event);
    return 0;
}

static void tell(void *ctx, const struct dug *d)
{
    (void)ctx;
    size_t at = strlen(told);
    (void)snprintf(told + at, sizeof told - at, "%s%zu ",
                   d->kind == DUG_IKE   ? "ike"
                   : d->kind == DUG_ESP ? "esp"
                                        : "keep",
                   d->body.len);
    CHECK(d->tcp && d->sport);
}

// Bytes from port `from` to port `to` of a connection.
static void segment(uint16_t from, uint16_t to, uint32_t seq, uint8_t flags, span_t data)
{
    uint8_t tcp[600] = {0};
    CHECK(data.len <= sizeof tcp - 20);
    put16(tcp, from);
    put16(tcp + 2, to);
    put32(tcp + 4, seq);
    tcp[12] = 0x50;
    tcp[13] = flags;
    if (data.len) memcpy(tcp + 20, data.at, data.len);
    struct dug d = {.kind = DUG_TCP, .sport = from, .dport = to, .body = span(tcp, 20 + data.len)};
    CHECK_OK(ip_parse(from > to ? "192.0.2.1" : "192.0.2.2", &d.src));
    CHECK_OK(ip_parse(from > to ? "192.0.2.2" : "192.0.2.1", &d.dst));
    stream_feed(&all, &d, ++frames, &note, tell, NULL);
}

// "IKETCP", an IKE message of 28 bytes, an ESP packet of 40, a keepalive.
static size_t story(uint8_t out[200])
{
    memset(out, 0x55, 200);
    memcpy(out, "IKETCP", 6);
    put16(out + 6, 34);
    put32(out + 8, 0);
    put16(out + 40, 42);
    put16(out + 82, 3);
    out[84] = 0xff;
    return 85;
}
#define STORY "ike28 esp40 keep1 "

static void cut_anywhere(void **state)
{
    (void)state;
    uint8_t bytes[200];
    size_t len = story(bytes);
    for (size_t step = 1; step <= len; step++) {
        told[0] = 0;
        segment(40000, 443, 99, 2, span(NULL, 0));
        for (size_t at = 0; at < len; at += step) {
            size_t n = len - at < step ? len - at : step;
            if (at == 0 && n < 6) n = step = 6; // the prefix tells what it is
            segment(40000, 443, 100 + (uint32_t)at, 0x10, span(bytes + at, n));
        }
        CHECK_STR(told, STORY);
    }
    CHECK_EQ(json_array_size(note.faults), 0);
}

static void in_any_order_and_twice(void **state)
{
    (void)state;
    uint8_t bytes[200];
    size_t len = story(bytes);
    CHECK_EQ(len, 85);
    segment(40000, 4500, 0xfffffff0, 2, span(NULL, 0)); // the numbers pass zero
    const uint32_t first = 0xfffffff1;
    segment(40000, 4500, first + 60, 0x10, span(bytes + 60, 25));
    segment(40000, 4500, first + 30, 0x10, span(bytes + 30, 30));
    segment(40000, 4500, first + 30, 0x10, span(bytes + 30, 30));
    CHECK_STR(told, "");
    segment(40000, 4500, first, 0x10, span(bytes, 40));
    CHECK_STR(told, STORY);
    segment(40000, 4500, first, 0x10, span(bytes, 85));
    CHECK_STR(told, STORY);
    told[0] = 0;
    segment(4500, 40000, 7000, 0x12, span(NULL, 0)); // the answers have no prefix
    segment(4500, 40000, 7001, 0x10, span(bytes + 6, 34));
    CHECK_STR(told, "ike28 ");
    CHECK_EQ(json_array_size(note.faults), 0);
}

static void other_traffic_is_left_alone(void **state)
{
    (void)state;
    segment(40000, 443, 1, 0x10, span_str("GET / HTTP/1.1\r\n"));
    segment(443, 40000, 1, 0x10, span_str("HTTP/1.1 200 OK\r\n"));
    CHECK_STR(told, "");
    CHECK(!all.s[0].used);
}

static void what_is_missing_is_said(void **state)
{
    (void)state;
    uint8_t bytes[200];
    (void)story(bytes);
    segment(40000, 4500, 100, 0x10, span(bytes, 50));
    CHECK_STR(told, "ike28 ");
    for (unsigned i = 0; i < STREAM_AHEAD; i++)
        segment(40000, 4500, 300 + i * 10, 0x10, span(bytes, 10));
    CHECK_EQ(json_array_size(note.faults), 0);
    segment(40000, 4500, 900, 0x10, span(bytes, 10));
    CHECK_EQ(json_array_size(note.faults), 1);
    put16(bytes + 6, 1);
    segment(40001, 4500, 100, 0x10, span(bytes, 50));
    CHECK_EQ(json_array_size(note.faults), 2);
}

static void more_connections_than_are_followed(void **state)
{
    (void)state;
    uint8_t bytes[200];
    size_t len = story(bytes);
    for (uint16_t port = 10000; port < 10000 + 3 * STREAMS_MAX; port++) {
        told[0] = 0;
        segment(port, 4500, 1, 0x10, span(bytes, len));
        CHECK_STR(told, STORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cut_anywhere, begin, end),
        cmocka_unit_test_setup_teardown(in_any_order_and_twice, begin, end),
        cmocka_unit_test_setup_teardown(other_traffic_is_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(what_is_missing_is_said, begin, end),
        cmocka_unit_test_setup_teardown(more_connections_than_are_followed, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
