// Limits by traffic and by time, as pure functions.
#include "test/check.h"

#include "base/clock.h"
#include "xfrm/db/lifetime.h"

#define S(n) ((n)*NSEC_PER_SEC)

static const struct xfrm_lifetime none = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0};

static void no_limit_is_never_reached(void **state)
{
    (void)state;
    struct lifetime_age age = {.made = 1, .used = 1};
    CHECK_EQ(lifetime_by_traffic(&none, UINT64_MAX - 1, UINT64_MAX - 1), LIFETIME_OK);
    CHECK_EQ(lifetime_by_time(&none, &age, UINT64_MAX - 1), LIFETIME_OK);
    CHECK_EQ(lifetime_due(&none, &age, 5), UINT64_MAX);
    CHECK(!lifetime_needs_watch(&none));
}

static void traffic_reaches_soft_then_hard(void **state)
{
    (void)state;
    struct xfrm_lifetime l = none;
    l.soft_bytes = 1000;
    l.hard_bytes = 2000;
    CHECK_EQ(lifetime_by_traffic(&l, 999, 5), LIFETIME_OK);
    CHECK_EQ(lifetime_by_traffic(&l, 1000, 5), LIFETIME_SOFT);
    CHECK_EQ(lifetime_by_traffic(&l, 2000, 5), LIFETIME_HARD);
    l.hard_packets = 5;
    CHECK_EQ(lifetime_by_traffic(&l, 0, 5), LIFETIME_HARD);
    CHECK(lifetime_needs_watch(&l));
}

static void time_counts_from_making_and_from_first_use(void **state)
{
    (void)state;
    struct xfrm_lifetime l = none;
    struct lifetime_age age = {.made = S(100)};
    l.soft_add_s = 10;
    l.hard_add_s = 20;
    l.hard_use_s = 3;
    CHECK_EQ(lifetime_by_time(&l, &age, S(110) - 1), LIFETIME_OK);
    CHECK_EQ(lifetime_due(&l, &age, S(101)), S(110));
    CHECK_EQ(lifetime_by_time(&l, &age, S(110)), LIFETIME_SOFT);
    CHECK_EQ(lifetime_due(&l, &age, S(110)), S(120));
    CHECK_EQ(lifetime_by_time(&l, &age, S(120)), LIFETIME_HARD);
    age.used = S(104);
    CHECK_EQ(lifetime_due(&l, &age, S(105)), S(107));
    CHECK_EQ(lifetime_by_time(&l, &age, S(107)), LIFETIME_HARD);
}

static void endless_seconds_do_not_overflow(void **state)
{
    (void)state;
    struct xfrm_lifetime l = none;
    struct lifetime_age age = {.made = S(100)};
    l.soft_add_s = l.hard_add_s = UINT64_MAX;
    CHECK_EQ(lifetime_by_time(&l, &age, UINT64_MAX - 1), LIFETIME_OK);
    l.hard_add_s = UINT64_MAX / NSEC_PER_SEC;
    CHECK_EQ(lifetime_by_time(&l, &age, S(100000)), LIFETIME_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limit_is_never_reached),
        cmocka_unit_test(traffic_reaches_soft_then_hard),
        cmocka_unit_test(time_counts_from_making_and_from_first_use),
        cmocka_unit_test(endless_seconds_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
