// Requests of a RADIUS server (RFC 5176), as Python's hashlib and hmac have made them, and answers.
#include <string.h>

#include "radius/dae.h"
#include "test/check.h"

#define SECRET span_str("dae secret")
#define NOW 1000100U // a little after the first request

static const uint8_t by_name[] = {0x28, 0x05, 0x00, 0x21, 0x77, 0xf1, 0x31, 0xd3, 0x50, 0xf6, 0x5a,
                                  0xec, 0x12, 0xbb, 0x6e, 0x99, 0x25, 0x8a, 0xb7, 0xad, 0x01, 0x07,
                                  0x63, 0x61, 0x72, 0x6f, 0x6c, 0x37, 0x06, 0x00, 0x0f, 0x42, 0x40};
static const uint8_t by_address[] = {
    0x28, 0x06, 0x00, 0x2c, 0x37, 0xa0, 0xc0, 0x1c, 0x75, 0xc2, 0x0c, 0x3d, 0xb4, 0xe3, 0x04,
    0x6e, 0x27, 0xff, 0x2d, 0x87, 0x50, 0x12, 0xca, 0x15, 0xcf, 0x97, 0x5a, 0x50, 0x95, 0x54,
    0x27, 0x32, 0xdc, 0xd0, 0x38, 0x44, 0x1d, 0x72, 0x08, 0x06, 0x0a, 0x07, 0x00, 0x09};
static const uint8_t change[] = {0x2b, 0x07, 0x00, 0x1b, 0xc1, 0xbb, 0xad, 0xc7, 0xc2,
                                 0x6f, 0x11, 0x61, 0x51, 0x17, 0x48, 0x9c, 0x2f, 0x9f,
                                 0xec, 0xff, 0x01, 0x07, 0x63, 0x61, 0x72, 0x6f, 0x6c};

static void who_is_meant(void **state)
{
    const ip_t ip = ip_from(AF_INET, (uint8_t[]){10, 7, 0, 9});
    struct radius_packet p;
    struct radius_whom w;
    (void)state;
    CHECK_OK(radius_dae_open(SPAN(by_name), SECRET, NOW, &p));
    CHECK_EQ(radius_dae_read(&p, &w), RADIUS_DONE);
    CHECK_EQ(w.user.len, 5);
    assert_memory_equal(w.user.at, "carol", 5);
    CHECK(!w.session.len && !w.nas.len && !w.ip.family);
    CHECK_OK(radius_dae_open(SPAN(by_address), SECRET, NOW, &p));
    CHECK_EQ(radius_dae_read(&p, &w), RADIUS_DONE);
    CHECK(ip_eq(&w.ip, &ip) && !w.user.len);
}

static void strangers_and_old_words(void **state)
{
    struct radius_packet p;
    uint8_t copy[sizeof by_address];
    (void)state;
    CHECK_EQ(radius_dae_open(SPAN(by_name), span_str("dae secreT"), NOW, &p), ERR_AUTH);
    CHECK_EQ(radius_dae_open(SPAN(by_name), SECRET, 1000000 + 301, &p), ERR_REPLAY);
    CHECK_EQ(radius_dae_open(SPAN(by_name), SECRET, 1000000 - 301, &p), ERR_REPLAY);
    CHECK_OK(radius_dae_open(SPAN(by_name), SECRET, 1000000 + 300, &p));
    for (size_t i = 0; i < sizeof copy; i++) {
        memcpy(copy, by_address, sizeof copy);
        copy[i] ^= 1;
        CHECK(radius_dae_open(SPAN(copy), SECRET, NOW, &p) != ERR_OK);
    }
    CHECK_EQ(radius_dae_open(span(by_name, 20), SECRET, NOW, &p), ERR_SYNTAX);
}

static enum radius_error read_attrs(const uint8_t *attrs, size_t len)
{
    const struct radius_packet p = {.code = RADIUS_DISCONNECT_REQUEST, .attrs = span(attrs, len)};
    struct radius_whom w;
    return radius_dae_read(&p, &w);
}

// Nobody is taken for somebody of whom more was said than is understood.
static void what_is_not_done(void **state)
{
    static const uint8_t nobody[] = {55, 6, 0, 15, 66, 64};
    static const uint8_t class[] = {1, 7, 'c', 'a', 'r', 'o', 'l', 25, 3, 'x'};
    static const uint8_t no_ip[] = {8, 5, 10, 7, 0};
    static const uint8_t empty[] = {1, 2};
    static const uint8_t vendor[] = {26, 9, 0, 0, 1, 55, 1, 3, 'x'};
    struct radius_packet p;
    struct radius_whom w;
    (void)state;
    CHECK_OK(radius_dae_open(SPAN(change), SECRET, NOW, &p));
    CHECK_EQ(radius_dae_read(&p, &w), RADIUS_UNSUPPORTED_EXTENSION);
    CHECK_EQ(read_attrs(nobody, sizeof nobody), RADIUS_MISSING_ATTRIBUTE);
    CHECK_EQ(read_attrs(class, sizeof class), RADIUS_UNSUPPORTED_ATTRIBUTE);
    CHECK_EQ(read_attrs(no_ip, sizeof no_ip), RADIUS_UNSUPPORTED_ATTRIBUTE);
    CHECK_EQ(read_attrs(empty, sizeof empty), RADIUS_UNSUPPORTED_ATTRIBUTE);
    CHECK_EQ(read_attrs(vendor, sizeof vendor), RADIUS_UNSUPPORTED_ATTRIBUTE);
}

static void answers(void **state)
{
    static const uint8_t ack[] = {0x29, 0x05, 0x00, 0x26, 0xca, 0x5c, 0xa4, 0xfd, 0x04, 0x50,
                                  0xe7, 0x67, 0x8c, 0xa3, 0xef, 0xe1, 0x65, 0x66, 0x0d, 0xbe,
                                  0x50, 0x12, 0x2b, 0x19, 0x45, 0xc7, 0xab, 0x21, 0xf3, 0x1c,
                                  0xab, 0x83, 0x90, 0x11, 0x9e, 0xe8, 0x22, 0x6e};
    static const uint8_t nak[] = {0x2a, 0x05, 0x00, 0x2c, 0x26, 0x74, 0xe0, 0xc8, 0xc7, 0xaf, 0xdd,
                                  0x44, 0x23, 0xa5, 0x70, 0xfc, 0x33, 0xac, 0x3a, 0x40, 0x50, 0x12,
                                  0xd9, 0x2f, 0x56, 0x4d, 0xc3, 0xb3, 0xcb, 0x93, 0xaf, 0xba, 0x12,
                                  0x8f, 0x72, 0xa4, 0x19, 0x56, 0x65, 0x06, 0x00, 0x00, 0x01, 0xf7};
    uint8_t buf[RADIUS_DAE_ANSWER_MAX];
    struct radius_packet p;
    wr_t w = wr_into(buf, sizeof buf);
    (void)state;
    CHECK_OK(radius_dae_open(SPAN(by_name), SECRET, NOW, &p));
    CHECK_OK(radius_dae_answer(&p, RADIUS_DONE, SECRET, &w));
    CHECK_EQ(wr_len(&w), sizeof ack);
    assert_memory_equal(buf, ack, sizeof ack);
    w = wr_into(buf, sizeof buf);
    CHECK_OK(radius_dae_answer(&p, RADIUS_NO_SESSION, SECRET, &w));
    CHECK_EQ(wr_len(&w), sizeof nak);
    assert_memory_equal(buf, nak, sizeof nak);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_meant),
        cmocka_unit_test(strangers_and_old_words),
        cmocka_unit_test(what_is_not_done),
        cmocka_unit_test(answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
