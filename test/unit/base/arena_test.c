#include "base/arena.h"

#include <string.h>

#include "test/check.h"

static void memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    struct arena a = {0};
    for (size_t n = 1; n < 10000; n = n * 3 + 1) {
        uint8_t *p = arena_get(&a, n);
        CHECK(p && (uintptr_t)p % _Alignof(max_align_t) == 0);
        for (size_t i = 0; i < n; i++) CHECK_EQ(p[i], 0);
        memset(p, 0xff, n);
    }
    arena_done(&a);
    CHECK(a.blocks == NULL);
}

static void the_limit_holds(void **state)
{
    (void)state;
    struct arena a = {.limit = 64};
    CHECK(arena_get(&a, 48));
    CHECK(arena_get(&a, 32) == NULL);
    CHECK(arena_get(&a, 16));
    CHECK(arena_get(&a, SIZE_MAX) == NULL);
    CHECK(arena_array(&a, SIZE_MAX / 2, 4) == NULL);
    arena_done(&a);
    CHECK(arena_get(&a, 64)); // the limit counts anew
    arena_done(&a);
}

static void copies_are_terminated(void **state)
{
    (void)state;
    struct arena a = {0};
    CHECK_STR(arena_str(&a, "moon rock", 4), "moon");
    CHECK(span_eq(arena_copy(&a, span("sun", 3)), span("sun", 3)));
    CHECK(arena_copy(&a, span(NULL, 0)).at != NULL);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(copies_are_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
