// MD4 (RFC 1320 A.5), MS-CHAP-V2 (RFC 2759 9.2) and its keys (RFC 3079 3.5.3).
#include <string.h>

#include "crypto/old.h"
#include "eap/mschap.h"
#include "test/check.h"

static void md4_of(const char *text, const uint8_t want[MD4_LEN])
{
    uint8_t got[MD4_LEN];
    hash_md4(span_str(text), got);
    assert_memory_equal(got, want, MD4_LEN);
}

static void md4_is_right(void **state)
{
    static const uint8_t empty[] = {0x31, 0xd6, 0xcf, 0xe0, 0xd1, 0x6a, 0xe9, 0x31,
                                    0xb7, 0x3c, 0x59, 0xd7, 0xe0, 0xc0, 0x89, 0xc0};
    static const uint8_t abc[] = {0xa4, 0x48, 0x01, 0x7a, 0xaf, 0x21, 0xd8, 0x52,
                                  0x5f, 0xc1, 0x0a, 0xe8, 0x7a, 0xa6, 0x72, 0x9d};
    static const uint8_t digits[] = {0xe3, 0x3b, 0x4d, 0xdc, 0x9c, 0x38, 0xf2, 0x19,
                                     0x9c, 0x3e, 0x7b, 0x16, 0x4f, 0xcc, 0x05, 0x36};
    (void)state;
    md4_of("", empty);
    md4_of("abc", abc);
    md4_of("1234567890123456789012345678901234567890123456789012345678901234567890"
           "1234567890",
           digits);
}

// RFC 2759 9.2
static const uint8_t server[] = {0x5b, 0x5d, 0x7c, 0x7d, 0x7b, 0x3f, 0x2f, 0x3e,
                                 0x3c, 0x2c, 0x60, 0x21, 0x32, 0x26, 0x26, 0x28};
static const uint8_t peer[] = {0x21, 0x40, 0x23, 0x24, 0x25, 0x5e, 0x26, 0x2a,
                               0x28, 0x29, 0x5f, 0x2b, 0x3a, 0x33, 0x7c, 0x7e};
static const uint8_t hash[] = {0x44, 0xeb, 0xba, 0x8d, 0x53, 0x12, 0xb8, 0xd6,
                               0x11, 0x47, 0x44, 0x11, 0xf5, 0x69, 0x89, 0xae};
static const uint8_t response[] = {0x82, 0x30, 0x9e, 0xcd, 0x8d, 0x70, 0x8b, 0x5e,
                                   0xa0, 0x8f, 0xaa, 0x39, 0x81, 0xcd, 0x83, 0x54,
                                   0x42, 0x33, 0x11, 0x4a, 0x3d, 0x85, 0xd6, 0xdf};
static const uint8_t proof[] = {0x40, 0x7a, 0x55, 0x89, 0x11, 0x5f, 0xd0, 0xd6, 0x20, 0x9f,
                                0x51, 0x0f, 0xe9, 0xc0, 0x45, 0x66, 0x93, 0x2c, 0xda, 0x56};

static void rfc_2759_example(void **state)
{
    uint8_t got[32];
    (void)state;
    CHECK_OK(mschap_hash(span_str("clientPass"), got));
    assert_memory_equal(got, hash, sizeof hash);
    const struct mschap m = {server, peer, span_str("User"), hash};
    CHECK_OK(mschap_response(&m, got));
    assert_memory_equal(got, response, sizeof response);
    CHECK_OK(mschap_proof(&m, response, got));
    assert_memory_equal(got, proof, sizeof proof);
}

// What the server sends with, as the RFC has it.
static void rfc_3079_example(void **state)
{
    static const uint8_t send[] = {0x8b, 0x7c, 0xdc, 0x14, 0x9b, 0x99, 0x3a, 0x1b,
                                   0xa1, 0x18, 0xcb, 0x15, 0x3f, 0x56, 0xdc, 0xcb};
    uint8_t keys[2 * MSCHAP_KEY_LEN];
    const struct mschap m = {server, peer, span_str("User"), hash};
    (void)state;
    CHECK_OK(mschap_keys(&m, response, keys));
    assert_memory_equal(keys + MSCHAP_KEY_LEN, send, sizeof send);
}

static void passwords_are_utf16(void **state)
{
    static const uint8_t wide[] = {0xe4, 0x00, 0xac, 0x20, 0x3d, 0xd8, 0x00, 0xde};
    uint8_t want[MD4_LEN], got[MD4_LEN];
    char longest[MSCHAP_PASSWORD_MAX + 2];
    (void)state;
    hash_md4(SPAN(wide), want);
    CHECK_OK(mschap_hash(span_str("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), got));
    assert_memory_equal(got, want, sizeof want);
    static const char *const bad[] = {
        "\x80", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQ(mschap_hash(span_str(bad[i]), got), ERR_SYNTAX);
    }
    memset(longest, 'x', sizeof longest);
    CHECK_OK(mschap_hash(span(longest, MSCHAP_PASSWORD_MAX), got));
    CHECK_EQ(mschap_hash(span(longest, MSCHAP_PASSWORD_MAX + 1), got), ERR_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(md4_is_right),
        cmocka_unit_test(rfc_2759_example),
        cmocka_unit_test(rfc_3079_example),
        cmocka_unit_test(passwords_are_utf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
