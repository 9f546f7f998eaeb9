#include "base/secret.h"

#include <string.h>

#include "test/check.h"

static void a_secret_is_wiped(void **state)
{
    (void)state;
    struct secret k;
    memset(&k, 0xff, sizeof k);
    CHECK_OK(secret_set(&k, span("key", 3)));
    CHECK_EQ(k.len, 3);
    CHECK_EQ(k.at[3], 0); // what was there before is gone
    secret_done(&k);
    CHECK_EQ(k.len, 0);
    CHECK_EQ(k.at[0], 0);
    static const uint8_t big[SECRET_MAX + 1];
    CHECK_EQ(secret_set(&k, SPAN(big)), ERR_SPACE);
}

static void a_key_is_short_and_wiped(void **state)
{
    (void)state;
    struct secret_key k = {.len = 3, .at = {1, 2, 3}};
    static const uint8_t big[SECRET_KEY_MAX + 1] = {7};
    CHECK_EQ(secret_key_set(&k, SPAN(big)), ERR_SPACE);
    CHECK_EQ(k.len, 3);
    CHECK_OK(secret_key_set(&k, span(big, SECRET_KEY_MAX)));
    CHECK_EQ(secret_key_span(&k).len, SECRET_KEY_MAX);
    CHECK_OK(secret_key_set(&k, span(big, 1)));
    CHECK_EQ(k.at[0], 7);
    CHECK_EQ(k.at[1], 0); // nothing is left of what was longer
}

static void comparison_sees_every_bit(void **state)
{
    (void)state;
    uint8_t a[33] = {0}, b[33] = {0};
    CHECK(equal_ct(a, b, sizeof a));
    for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
        b[bit / 8] = (uint8_t)(1 << (bit % 8));
        CHECK(!equal_ct(a, b, sizeof a));
        b[bit / 8] = 0;
    }
    CHECK(equal_ct(a, b, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_wiped),
        cmocka_unit_test(a_key_is_short_and_wiped),
        cmocka_unit_test(comparison_sees_every_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
