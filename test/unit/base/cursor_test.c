#include "base/cursor.h"

#include <string.h>

#include "test/check.h"

static void reads_like_the_diagram(void **state)
{
    (void)state;
    static const uint8_t wire[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
    rd_t r = rd_from(SPAN(wire));
    CHECK_EQ(rd_u8(&r), 1);
    CHECK_EQ(rd_u16(&r), 0x0203);
    CHECK_EQ(rd_u32(&r), 0x04050607);
    CHECK(rd_u64(&r) == 0x08090a0b0c0d0e0fULL);
    CHECK_EQ(rd_done(&r), ERR_TRAILING);
    CHECK_EQ(rd_rest(&r).len, 2);
    CHECK_OK(rd_done(&r));
}

static void an_overrun_sticks(void **state)
{
    (void)state;
    static const uint8_t wire[] = {1, 2, 3};
    rd_t r = rd_from(SPAN(wire));
    CHECK_EQ(rd_u32(&r), 0);
    CHECK_EQ(rd_u8(&r), 0); // a byte is there, but the cursor is stuck
    CHECK_EQ(rd_done(&r), ERR_SHORT);
    uint8_t out[4] = {9, 9, 9, 9};
    rd_copy(&r, out, 4);
    CHECK(memcmp(out, "\0\0\0\0", 4) == 0);
    CHECK_EQ(rd_bytes(&r, SIZE_MAX).len, 0);
}

static void nothing_is_fine(void **state)
{
    (void)state;
    rd_t r = rd_from(span(NULL, 0));
    CHECK_OK(rd_done(&r));
    CHECK_EQ(rd_u8(&r), 0);
    CHECK_EQ(rd_done(&r), ERR_SHORT);
}

static void writes_stop_at_the_end(void **state)
{
    (void)state;
    uint8_t buf[8] = {0};
    wr_t w = wr_into(buf, 7);
    wr_u8(&w, 1);
    wr_u16(&w, 0x0203);
    wr_u32(&w, 0x04050607);
    CHECK_OK(wr_done(&w));
    CHECK_EQ(wr_len(&w), 7);
    wr_u8(&w, 0xff);
    CHECK_EQ(wr_done(&w), ERR_SPACE);
    CHECK_EQ(buf[7], 0);
    CHECK(wr_reserve(&w, 0) == NULL); // stuck
}

static void reserved_bytes_are_filled_later(void **state)
{
    (void)state;
    uint8_t buf[6];
    wr_t w = wr_into(buf, sizeof buf);
    uint8_t *len = wr_reserve(&w, 2);
    wr_bytes(&w, span("abc", 3));
    CHECK(len == buf);
    len[0] = 0;
    len[1] = 3;
    CHECK(span_eq(wr_span(&w), span("\0\3abc", 5)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_like_the_diagram),
        cmocka_unit_test(an_overrun_sticks),
        cmocka_unit_test(nothing_is_fine),
        cmocka_unit_test(writes_stop_at_the_end),
        cmocka_unit_test(reserved_bytes_are_filled_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
