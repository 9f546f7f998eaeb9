// Captures of every kind, whole and broken: what is given, and where the sentence says it breaks.
#include <string.h>

#include "see/capture.h"
#include "test/check.h"

static uint8_t file[4096];

static wr_t pcap_begin(uint32_t magic)
{
    wr_t w = wr_into(file, sizeof file);
    wr_u32(&w, magic);
    wr_u32(&w, 0x00020004);
    wr_zero(&w, 8);
    wr_u32(&w, 65535);
    wr_u32(&w, 101);
    return w;
}

static void pcap_frame(wr_t *w, uint32_t s, uint32_t part, uint32_t have, uint32_t wire)
{
    wr_u32(w, s);
    wr_u32(w, part);
    wr_u32(w, have);
    wr_u32(w, wire);
}

static void swap_words(size_t from, size_t to)
{
    for (size_t i = from; i + 4 <= to; i += 4) {
        uint8_t word[4] = {file[i + 3], file[i + 2], file[i + 1], file[i]};
        memcpy(file + i, word, 4);
    }
}

static void pcap_in_both_orders(void **state)
{
    (void)state;
    for (int little = 0; little < 2; little++) {
        struct capture c;
        struct frame f;
        struct why why = {{0}};
        wr_t w = pcap_begin(0xa1b23c4d); // nanoseconds
        pcap_frame(&w, 7, 5, 4, 9);
        wr_u32(&w, 0x01020304);
        if (little) swap_words(0, wr_len(&w) - 4);
        CHECK_OK(capture_open(&c, wr_span(&w), &why));
        CHECK_OK(capture_next(&c, &f, &why));
        CHECK(f.time == 7000000005U);
        CHECK_EQ(f.link, 101);
        CHECK_EQ(f.bytes.len, 4);
        CHECK_EQ(f.bytes.at[0], 1);
        CHECK_EQ(f.wire_len, 9);
        CHECK_EQ(capture_next(&c, &f, &why), ERR_CLOSED);
    }
}

static void cut_off_within_a_frame(void **state)
{
    (void)state;
    struct capture c;
    struct frame f;
    struct why why = {{0}};
    wr_t w = pcap_begin(0xa1b2c3d4);
    pcap_frame(&w, 1, 0, 4, 4);
    wr_u32(&w, 0);
    pcap_frame(&w, 2, 0, 100, 100);
    wr_u32(&w, 0);
    CHECK_OK(capture_open(&c, wr_span(&w), &why));
    CHECK_OK(capture_next(&c, &f, &why));
    CHECK_EQ(capture_next(&c, &f, &why), ERR_SHORT);
    CHECK(strstr(why.text, "within frame 2") != NULL);
}

static void a_length_that_cannot_be(void **state)
{
    (void)state;
    struct capture c;
    struct frame f;
    struct why why = {{0}};
    wr_t w = pcap_begin(0xa1b2c3d4);
    pcap_frame(&w, 1, 0, 0xffffffff, 4);
    CHECK_OK(capture_open(&c, wr_span(&w), &why));
    CHECK_EQ(capture_next(&c, &f, &why), ERR_LIMIT);
    CHECK(strstr(why.text, "4294967295") != NULL);
}

static void block(wr_t *w, uint32_t type, uint32_t len)
{
    wr_u32(w, type);
    wr_u32(w, len);
}

static wr_t pcapng_begin(void)
{
    wr_t w = wr_into(file, sizeof file);
    block(&w, 0x0a0d0d0a, 28);
    wr_u32(&w, 0x1a2b3c4d);
    wr_u32(&w, 0x00010000);
    wr_u64(&w, UINT64_MAX);
    wr_u32(&w, 28);
    block(&w, 1, 32); // Ethernet, whose time counts tenths of a second
    wr_u16(&w, 1);
    wr_u16(&w, 0);
    wr_u32(&w, 0);
    wr_u16(&w, 9);
    wr_u16(&w, 1);
    wr_u32(&w, 0x01000000);
    wr_u32(&w, 0);
    wr_u32(&w, 32);
    return w;
}

static void pcapng_packet(wr_t *w, uint32_t interface)
{
    block(w, 6, 36);
    wr_u32(w, interface);
    wr_u64(w, 25);
    wr_u32(w, 3);
    wr_u32(w, 3);
    wr_u32(w, 0x0a0b0c00);
    wr_u32(w, 36);
}

static void pcapng_units_and_strangers(void **state)
{
    (void)state;
    struct capture c;
    struct frame f;
    struct why why = {{0}};
    wr_t w = pcapng_begin();
    pcapng_packet(&w, 1); // nobody has described this interface
    pcapng_packet(&w, 0);
    CHECK_OK(capture_open(&c, wr_span(&w), &why));
    CHECK_OK(capture_next(&c, &f, &why));
    CHECK_EQ(f.number, 2);
    CHECK(f.time == 2500000000U);
    CHECK_EQ(f.bytes.len, 3);
    CHECK_EQ(c.skipped, 1);
    CHECK_EQ(capture_next(&c, &f, &why), ERR_CLOSED);
}

static void pcapng_two_lengths(void **state)
{
    (void)state;
    struct capture c;
    struct frame f;
    struct why why = {{0}};
    wr_t w = pcapng_begin();
    pcapng_packet(&w, 0);
    file[wr_len(&w) - 1] = 40;
    CHECK_OK(capture_open(&c, wr_span(&w), &why));
    CHECK_EQ(capture_next(&c, &f, &why), ERR_SYNTAX);
    CHECK(strstr(why.text, "36 and 40") != NULL);
}

static void no_capture(void **state)
{
    (void)state;
    struct capture c;
    struct why why = {{0}};
    CHECK_EQ(capture_open(&c, span_str("GIF89a"), &why), ERR_SYNTAX);
    CHECK(strstr(why.text, "47494638") != NULL);
    CHECK_EQ(capture_open(&c, span_str("x"), &why), ERR_SHORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pcap_in_both_orders),     cmocka_unit_test(cut_off_within_a_frame),
        cmocka_unit_test(a_length_that_cannot_be), cmocka_unit_test(pcapng_units_and_strangers),
        cmocka_unit_test(pcapng_two_lengths),      cmocka_unit_test(no_capture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
