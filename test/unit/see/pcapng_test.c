// What is written is what is read again: by capture.c, and the parts that it passes over by hand.
#include <string.h>

#include "base/order.h"
#include "see/capture.h"
#include "see/pcapng.h"
#include "test/check.h"

static uint8_t file[8192];

static wr_t begin(void)
{
    wr_t w = wr_into(file, sizeof file);
    pcapng_begin(&w, "test");
    pcapng_interface(&w, "inner", "in clear");
    pcapng_interface(&w, "outer", "protected");
    return w;
}

static void packets_come_back(void **state)
{
    (void)state;
    struct capture c;
    struct frame f;
    struct why why = {{0}};
    uint8_t bytes[64];
    wr_t w = begin();
    memset(bytes, 0x45, sizeof bytes);
    for (uint32_t len = 20; len < 28; len++) { // every padding
        const struct pcapng_packet p = {.interface = len % 2,
                                        .time = UINT64_C(1700000000123456789) + len,
                                        .bytes = span(bytes, len),
                                        .wire_len = len + 1000,
                                        .way = PCAPNG_OUT,
                                        .comment = len % 3 ? "of three" : NULL};
        pcapng_packet(&w, &p);
    }
    CHECK_OK(wr_done(&w));
    CHECK_EQ(wr_len(&w) % 4, 0);
    CHECK_OK(capture_open(&c, wr_span(&w), &why));
    for (uint32_t len = 20; len < 28; len++) {
        CHECK_OK(capture_next(&c, &f, &why));
        CHECK(f.time == UINT64_C(1700000000123456789) + len);
        CHECK_EQ(f.link, 101);
        CHECK_EQ(f.bytes.len, len);
        CHECK_EQ(f.wire_len, len + 1000);
        CHECK_EQ(f.bytes.at[len - 1], 0x45);
    }
    CHECK_EQ(capture_next(&c, &f, &why), ERR_CLOSED);
}

// The lengths at both ends of each block agree, and lead to the end.
static void blocks_are_framed(void **state)
{
    (void)state;
    wr_t w = begin();
    const struct pcapng_packet p = {.bytes = span("abc", 3), .comment = "why"};
    pcapng_packet(&w, &p);
    unsigned n = 0;
    for (size_t at = 0; at < wr_len(&w); n++) {
        const uint32_t len = get32(file + at + 4);
        CHECK(len >= 12 && len % 4 == 0 && at + len <= wr_len(&w));
        CHECK_EQ(get32(file + at + len - 4), len);
        at += len;
    }
    CHECK_EQ(n, 4);
}

static void long_comments_are_cut(void **state)
{
    (void)state;
    static char comment[4 * PCAPNG_COMMENT_MAX];
    wr_t w = begin();
    const size_t before = wr_len(&w);
    memset(comment, 'x', sizeof comment - 1);
    const struct pcapng_packet p = {.bytes = span("abc", 3), .comment = comment};
    pcapng_packet(&w, &p);
    CHECK_OK(wr_done(&w));
    CHECK(wr_len(&w) - before <= 3 + PCAPNG_ROOM);
}

static void what_does_not_fit_is_known(void **state)
{
    (void)state;
    uint8_t few[40];
    wr_t w = wr_into(few, sizeof few);
    pcapng_begin(&w, "test");
    pcapng_interface(&w, "inner", "in clear");
    CHECK_EQ(wr_done(&w), ERR_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_come_back),
        cmocka_unit_test(blocks_are_framed),
        cmocka_unit_test(long_comments_are_cut),
        cmocka_unit_test(what_does_not_fit_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
