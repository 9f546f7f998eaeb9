// What was told of a certificate is not told again, until it changes.
#include <stdlib.h>
#include <string.h>

#include "ike/auth/note.h"
#include "test/check.h"

static void once_and_when_it_changes(void **state)
{
    struct notes *n = calloc(1, sizeof *n);
    const uint8_t moon[NOTE_WHO_LEN] = "moon", sun[NOTE_WHO_LEN] = "sun";
    (void)state;
    CHECK(note_is_news(n, moon, "no CRL"));
    CHECK(!note_is_news(n, moon, "no CRL"));
    CHECK(note_is_news(n, sun, "no CRL"));
    CHECK(note_is_news(n, moon, "the CRL is out of date"));
    CHECK(!note_is_news(n, moon, "the CRL is out of date"));
    CHECK(note_is_news(n, moon, "no CRL"));
    CHECK(!note_is_news(n, moon, "")); // all is well
    CHECK(note_is_news(n, moon, "no CRL"));
    CHECK(!note_is_news(n, sun, "no CRL"));
    free(n);
}

static void many(void **state)
{
    struct notes *n = calloc(1, sizeof *n);
    uint8_t who[NOTE_WHO_LEN] = {0};
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < NOTES_MAX; i++) {
            who[0] = (uint8_t)i;
            CHECK_EQ(note_is_news(n, who, "x"), round == 0);
        }
    }
    who[1] = 1;
    CHECK(note_is_news(n, who, "x")); // takes the place of the oldest
    who[1] = who[0] = 0;
    CHECK(note_is_news(n, who, "x"));
    free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once_and_when_it_changes),
        cmocka_unit_test(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
