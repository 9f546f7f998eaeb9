#include "cli/human.h"
#include "test/check.h"

static void bytes(void **state)
{
    (void)state;
    char b[HUMAN_MAX];
    CHECK_STR(human_bytes(0, b), "0 B");
    CHECK_STR(human_bytes(1023, b), "1023 B");
    CHECK_STR(human_bytes(1536, b), "1.5 KiB");
    CHECK_STR(human_bytes(200ULL << 20, b), "200 MiB");
    CHECK_STR(human_bytes(UINT64_MAX, b), "16.0 EiB");
}

static void seconds(void **state)
{
    (void)state;
    char b[HUMAN_MAX];
    CHECK_STR(human_seconds(0, b), "0s");
    CHECK_STR(human_seconds(59, b), "59s");
    CHECK_STR(human_seconds(61, b), "1m 1s");
    CHECK_STR(human_seconds(3 * 3600 + 20 * 60 + 5, b), "3h 20m");
    CHECK_STR(human_seconds(90000, b), "1d 1h");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bytes), cmocka_unit_test(seconds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
