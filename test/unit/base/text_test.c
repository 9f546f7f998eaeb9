#include "base/text.h"

#include <string.h>

#include "test/check.h"

static void text_grows(void **state)
{
    (void)state;
    struct text t = {0};
    CHECK_STR(text_str(&t), "");
    for (int i = 0; i < 1000; i++) text_add(&t, "%d,", i % 10);
    CHECK_EQ(t.len, 2000);
    CHECK_EQ(strlen(text_str(&t)), 2000);
    text_hex(&t, span("\x01\xab", 2));
    CHECK_STR(text_str(&t) + 2000, "01ab");
    text_done(&t);
    CHECK(t.at == NULL);
}

// Cut where the buffer ends, whatever comes behind, and never a byte beyond.
static void clips_are_cut(void **state)
{
    (void)state;
    char buf[8];
    memset(buf, '!', sizeof buf);
    struct clip c = clip_on(buf, 6);
    assert_string_equal(buf, "");
    clip_add(&c, "%s-%d", "ab", 7);
    assert_string_equal(buf, "ab-7");
    clip_add(&c, "%s", "12345");
    assert_string_equal(buf, "ab-71");
    clip_add(&c, "more");
    assert_string_equal(buf, "ab-71");
    CHECK(buf[6] == '!' && buf[7] == '!');
    c = clip_on(buf, 1);
    clip_add(&c, "x");
    assert_string_equal(buf, "");
}

static void hex(void **state)
{
    (void)state;
    uint8_t out[4];
    size_t n = sizeof out;
    CHECK_OK(hex_read("00fFaB", 6, out, &n));
    CHECK_EQ(n, 3);
    CHECK(memcmp(out, "\x00\xff\xab", 3) == 0);
    n = sizeof out;
    CHECK_EQ(hex_read("123", 3, out, &n), ERR_SYNTAX);
    CHECK_EQ(hex_read("1g", 2, out, &n), ERR_SYNTAX);
    CHECK_EQ(hex_read("0011223344", 10, out, &n), ERR_SPACE);
}

// RFC 4648 section 10.
static void base64(void **state)
{
    (void)state;
    static const char *const pair[][2] = {
        {"", ""},        {"Zg==", "f"},        {"Zm8=", "fo"},
        {"Zm9v", "foo"}, {"Zm9vYg==", "foob"}, {"Zm9vYmFy", "foobar"}};
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++) {
        uint8_t out[8];
        size_t n = sizeof out;
        CHECK_OK(base64_read(pair[i][0], strlen(pair[i][0]), out, &n));
        CHECK(span_eq(span(out, n), span_str(pair[i][1])));
    }
    uint8_t out[3];
    size_t n = sizeof out;
    CHECK_EQ(base64_read("Zm9vZ", 5, out, &n), ERR_SYNTAX);
    CHECK_EQ(base64_read("Zm*v", 4, out, &n), ERR_SYNTAX);
    CHECK_EQ(base64_read("Zm9vYmFy", 8, out, &n), ERR_SPACE);
}

static void did_you_mean(void **state)
{
    (void)state;
    static const char *const names[] = {"local_addrs", "remote_addrs", "proposals", "mobike", NULL};
    CHECK_STR(nearest("local_adrs", names), "local_addrs");
    CHECK_STR(nearest("proposal", names), "proposals");
    CHECK_STR(nearest("mobike", names), "mobike");
    CHECK(nearest("flux", names) == NULL);
    CHECK(nearest("", names) == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows), cmocka_unit_test(clips_are_cut), cmocka_unit_test(hex),
        cmocka_unit_test(base64),     cmocka_unit_test(did_you_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
