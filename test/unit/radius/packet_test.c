// Packets of RADIUS: the example of RFC 2865 7.1, and packets that Python's hashlib and hmac have
// made by the words of RFC 2866 3, 2548 2.4.2 and 3579 3.2.
#include <string.h>

#include "radius/access.h"
#include "radius/reply.h"
#include "test/check.h"

#define SECRET span_str("gv6URkSs")

static const uint8_t auth[RADIUS_AUTH_LEN] = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
                                              0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f};

static const uint8_t request[] = {
    0x01, 0x07, 0x00, 0x39, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a,
    0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x50, 0x12, 0xbf, 0x18, 0x9e, 0x5e, 0xe2, 0xa9, 0x97, 0x76,
    0x09, 0x61, 0xcc, 0x58, 0x0c, 0xe9, 0x29, 0x9c, 0x01, 0x07, 0x63, 0x61, 0x72, 0x6f, 0x6c,
    0x4f, 0x0c, 0x02, 0x01, 0x00, 0x0a, 0x01, 0x63, 0x61, 0x72, 0x6f, 0x6c};

// EAP Success, two keys, 10.3.0.1, Class vpn1, an hour, DNS 10.1.0.20.
static const uint8_t accept_[] = {
    0x02, 0x07, 0x00, 0xbe, 0x36, 0x92, 0x6a, 0x31, 0xfd, 0x1a, 0xdd, 0xf3, 0x96, 0xde, 0xd1, 0x6e,
    0xf0, 0x04, 0xd0, 0xe2, 0x50, 0x12, 0x8e, 0xe8, 0x70, 0xb0, 0x83, 0x9c, 0xde, 0x2a, 0x76, 0x74,
    0x9e, 0xe0, 0xea, 0x2b, 0xb7, 0x98, 0x4f, 0x06, 0x03, 0x01, 0x00, 0x04, 0x1a, 0x3a, 0x00, 0x00,
    0x01, 0x37, 0x11, 0x34, 0x80, 0x01, 0x77, 0xd2, 0x48, 0x74, 0x92, 0x51, 0xb4, 0xb8, 0x5b, 0x3d,
    0x80, 0x0f, 0x45, 0x43, 0xb9, 0x03, 0xf9, 0xa8, 0xca, 0x71, 0x06, 0x9b, 0x45, 0x56, 0x76, 0x45,
    0x1c, 0xa6, 0x82, 0xd7, 0x0b, 0x45, 0x32, 0x65, 0x74, 0x88, 0xb8, 0x80, 0xdc, 0xba, 0xdf, 0x41,
    0x3b, 0xf2, 0x07, 0x41, 0x3b, 0x7e, 0x1a, 0x3a, 0x00, 0x00, 0x01, 0x37, 0x10, 0x34, 0x80, 0x02,
    0xc0, 0xe3, 0x33, 0x88, 0x58, 0xf0, 0xb0, 0x71, 0x4f, 0xdc, 0x3f, 0x6a, 0x5f, 0x9b, 0xf2, 0x60,
    0x74, 0x8f, 0x96, 0x98, 0xf3, 0x70, 0xdf, 0x88, 0x96, 0x6f, 0x08, 0x8f, 0x25, 0xab, 0x20, 0xd9,
    0x8e, 0x89, 0x57, 0x53, 0xb1, 0x33, 0x17, 0x04, 0x64, 0x7f, 0x53, 0x1b, 0xc1, 0xb2, 0x38, 0x44,
    0x08, 0x06, 0x0a, 0x03, 0x00, 0x01, 0x19, 0x06, 0x76, 0x70, 0x6e, 0x31, 0x1b, 0x06, 0x00, 0x00,
    0x0e, 0x10, 0x1a, 0x0c, 0x00, 0x00, 0x01, 0x37, 0x1c, 0x06, 0x0a, 0x01, 0x00, 0x14};

static void a_request_for_access(void **state)
{
    const uint8_t eap[] = {2, 1, 0, 10, 1, 'c', 'a', 'r', 'o', 'l'};
    uint8_t attrs[100], buf[100], random[RADIUS_AUTH_LEN];
    wr_t a = wr_into(attrs, sizeof attrs), w = wr_into(buf, sizeof buf);
    (void)state;
    memcpy(random, auth, sizeof random);
    radius_put(&a, RADIUS_USER_NAME, span_str("carol"));
    radius_put_long(&a, RADIUS_EAP_MESSAGE, SPAN(eap));
    CHECK_OK(radius_seal(&w, RADIUS_ACCESS_REQUEST, 7, random, wr_span(&a), SECRET));
    CHECK_EQ(wr_len(&w), sizeof request);
    assert_memory_equal(buf, request, sizeof request);
}

static void a_request_of_accounting(void **state)
{
    static const uint8_t want[] = {0x04, 0x09, 0x00, 0x20, 0x0f, 0x10, 0x91, 0x59, 0x5d, 0x4b, 0xa7,
                                   0x64, 0xd9, 0x13, 0x6f, 0x15, 0xca, 0x17, 0x0e, 0xfb, 0x28, 0x06,
                                   0x00, 0x00, 0x00, 0x01, 0x2c, 0x06, 0x61, 0x62, 0x63, 0x64};
    static const uint8_t response[] = {0x05, 0x09, 0x00, 0x14, 0x5c, 0xd7, 0x53, 0x1e, 0x8e, 0x7b,
                                       0x25, 0x0c, 0x84, 0x35, 0x63, 0x02, 0xbf, 0x26, 0x6d, 0x19};
    uint8_t attrs[100], buf[100], computed[RADIUS_AUTH_LEN];
    wr_t a = wr_into(attrs, sizeof attrs), w = wr_into(buf, sizeof buf);
    struct radius_packet p;
    (void)state;
    radius_put_u32(&a, RADIUS_ACCT_STATUS_TYPE, 1);
    radius_put(&a, RADIUS_ACCT_SESSION_ID, span_str("abcd"));
    CHECK_OK(radius_seal(&w, RADIUS_ACCOUNTING_REQUEST, 9, computed, wr_span(&a), SECRET));
    CHECK_EQ(wr_len(&w), sizeof want);
    assert_memory_equal(buf, want, sizeof want);
    CHECK_OK(radius_open(SPAN(response), &p));
    CHECK_OK(radius_verify(&p, computed, SECRET));
    CHECK_EQ(radius_verify(&p, auth, SECRET), ERR_AUTH);
    CHECK_EQ(radius_verify(&p, computed, span_str("gv6URkSt")), ERR_AUTH);
}

static void an_answer_with_keys(void **state)
{
    static struct radius_reply r;
    struct radius_packet p;
    (void)state;
    CHECK_OK(radius_open(SPAN(accept_), &p));
    CHECK_OK(radius_verify(&p, auth, SECRET));
    CHECK_OK(radius_reply_read(&p, auth, SECRET, &r));
    CHECK_EQ(r.code, RADIUS_ACCESS_ACCEPT);
    CHECK_EQ(r.eap_len, 4);
    CHECK_EQ(r.msk_len, RADIUS_MSK_LEN);
    for (unsigned i = 0; i < 32; i++) {
        CHECK_EQ(r.msk[i], 1 + i); // of Recv-Key, then of Send-Key
        CHECK_EQ(r.msk[32 + i], 0x81 + i);
    }
    const ip_t ip = ip_from(AF_INET, (uint8_t[]){10, 3, 0, 1});
    const ip_t dns = ip_from(AF_INET, (uint8_t[]){10, 1, 0, 20});
    CHECK(ip_eq(&r.grant.ip4, &ip) && ip_eq(&r.grant.dns[0], &dns));
    CHECK_EQ(r.grant.class_n, 1);
    assert_memory_equal(r.grant.class[0].at, "vpn1", 4);
    CHECK_EQ(r.grant.session_s, 3600);
}

// Any byte that is another one makes it somebody else's.
static void what_is_changed_is_not_believed(void **state)
{
    uint8_t copy[sizeof accept_];
    struct radius_packet p;
    (void)state;
    for (size_t i = 0; i < sizeof copy; i++) {
        memcpy(copy, accept_, sizeof copy);
        copy[i] ^= 1;
        if (radius_open(SPAN(copy), &p) == ERR_OK)
            CHECK_EQ(radius_verify(&p, auth, SECRET), ERR_AUTH);
    }
}

// The example of RFC 2865 7.1: right by its time, but without Message-Authenticator anybody who can
// make two packets with the same MD5 could have made it (CVE-2024-3596).
static void an_answer_without_proof(void **state)
{
    static const uint8_t asked[RADIUS_AUTH_LEN] = {0x0f, 0x40, 0x3f, 0x94, 0x73, 0x97, 0x80, 0x57,
                                                   0xbd, 0x83, 0xd5, 0xcb, 0x98, 0xf4, 0x22, 0x7a};
    static const uint8_t answer[] = {0x02, 0x00, 0x00, 0x26, 0x86, 0xfe, 0x22, 0x0e, 0x76, 0x24,
                                     0xba, 0x2a, 0x10, 0x05, 0xf6, 0xbf, 0x9b, 0x55, 0xe0, 0xb2,
                                     0x06, 0x06, 0x00, 0x00, 0x00, 0x01, 0x0f, 0x06, 0x00, 0x00,
                                     0x00, 0x00, 0x0e, 0x06, 0xc0, 0xa8, 0x01, 0x03};
    uint8_t copy[sizeof answer];
    struct radius_packet p;
    (void)state;
    CHECK_OK(radius_open(SPAN(answer), &p));
    CHECK_EQ(radius_verify(&p, asked, span_str("xyzzy5461")), ERR_AUTH);
    // What is no answer about access may be without, and then this is what counts.
    memcpy(copy, answer, sizeof copy);
    copy[0] = RADIUS_ACCOUNTING_RESPONSE;
    p.code = RADIUS_ACCOUNTING_RESPONSE;
    CHECK_OK(radius_verify(&p, asked, span_str("xyzzy5461")));
}

static void lengths_that_lie(void **state)
{
    static const uint8_t short_attr[] = {2, 1, 0, 22, 0, 0, 0, 0, 0, 0, 0,
                                         0, 0, 0, 0,  0, 0, 0, 0, 0, 1, 1};
    static const uint8_t long_attr[] = {2, 1, 0, 22, 0, 0, 0, 0, 0, 0, 0,
                                        0, 0, 0, 0,  0, 0, 0, 0, 0, 1, 3};
    uint8_t padded[sizeof request + 9] = {0};
    struct radius_packet p;
    (void)state;
    memcpy(padded, request, sizeof request);
    CHECK_OK(radius_open(SPAN(padded), &p));
    CHECK_EQ(p.all.len, sizeof request);
    CHECK_EQ(radius_open(span(request, sizeof request - 1), &p), ERR_SYNTAX);
    CHECK_EQ(radius_open(span(request, 19), &p), ERR_SYNTAX);
    CHECK_EQ(radius_open(span(NULL, 0), &p), ERR_SYNTAX);
    CHECK_EQ(radius_open(SPAN(short_attr), &p), ERR_SYNTAX);
    CHECK_EQ(radius_open(SPAN(long_attr), &p), ERR_SYNTAX);
}

static void keys_that_make_no_sense(void **state)
{
    uint8_t value[34] = {0x80}, out[64];
    size_t len = sizeof out;
    (void)state;
    CHECK_EQ(radius_mppe(span(value, 17), auth, SECRET, out, &len), ERR_SYNTAX);
    CHECK_EQ(radius_mppe(span(value, 2), auth, SECRET, out, &len), ERR_SYNTAX);
    CHECK_EQ(radius_mppe(span(value, 33), auth, SECRET, out, &len), ERR_SYNTAX);
    for (unsigned i = 0; i < 256; i++) { // whatever length comes out of it
        value[2] = (uint8_t)i;
        len = 8;
        err_t err = radius_mppe(SPAN(value), auth, SECRET, out, &len);
        CHECK(err == ERR_SYNTAX || err == ERR_SPACE || (err == ERR_OK && len > 0 && len <= 8));
    }
}

static void a_station(void **state)
{
    uint8_t buf[300];
    wr_t w = wr_into(buf, sizeof buf);
    struct radius_station s = {.user = span_str("carol"),
                               .local = {ip_from(AF_INET, (uint8_t[]){192, 168, 0, 1}), 4500},
                               .remote = {ip_from(AF_INET, (uint8_t[]){192, 168, 0, 100}), 4500},
                               .with_port = true,
                               .port = 3,
                               .name = "rw-eap"};
    (void)state;
    radius_put_station(&w, &s);
    CHECK_OK(wr_done(&w));
    CHECK(memmem(buf, wr_len(&w),
                 "\x1e\x13"
                 "192.168.0.1[4500]",
                 19));
    CHECK(memmem(buf, wr_len(&w),
                 "\x1f\x15"
                 "192.168.0.100[4500]",
                 21));
    CHECK(memmem(buf, wr_len(&w), "\x04\x06\xc0\xa8\x00\x01", 6));
    CHECK(memmem(buf, wr_len(&w),
                 "\x01\x07"
                 "carol",
                 7));
    uint8_t name[254] = {'x'};
    w = wr_into(buf, sizeof buf);
    s.user = SPAN(name);
    radius_put_station(&w, &s); // no other name instead of it
    CHECK(wr_done(&w) != ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_for_access),
        cmocka_unit_test(a_request_of_accounting),
        cmocka_unit_test(an_answer_with_keys),
        cmocka_unit_test(what_is_changed_is_not_believed),
        cmocka_unit_test(an_answer_without_proof),
        cmocka_unit_test(lengths_that_lie),
        cmocka_unit_test(keys_that_make_no_sense),
        cmocka_unit_test(a_station),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
