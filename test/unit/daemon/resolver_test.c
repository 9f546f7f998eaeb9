// Names that need no server: numbers and localhost. The loop's side never waits.
#include "test/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "daemon/resolver.h"

static atomic_uint answers;

static void count(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&answers, 1);
}

// Until no look-up is under way; at most 20 s.
static void settle(struct resolver *r)
{
    for (int i = 0; i < 2000 && resolver_busy(r); i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    CHECK(!resolver_busy(r));
}

static void a_name_is_known_after_a_while(void **state)
{
    (void)state;
    struct resolver *r = resolver_new(count, NULL);
    assert_non_null(r);
    ip_t ip, want;
    CHECK_OK(ip_parse("192.0.2.7", &want));
    atomic_store(&answers, 0);
    CHECK_EQ(resolver_find(r, "192.0.2.7", AF_UNSPEC, &ip), ERR_AGAIN);
    settle(r);
    CHECK_EQ(atomic_load(&answers), 1);
    CHECK_OK(resolver_find(r, "192.0.2.7", AF_UNSPEC, &ip));
    CHECK(ip_eq(&ip, &want));
    CHECK(!resolver_busy(r)); // still fresh: nobody is asked again
    resolver_free(r);
}

static void families_are_apart(void **state)
{
    (void)state;
    struct resolver *r = resolver_new(count, NULL);
    assert_non_null(r);
    ip_t ip;
    CHECK_EQ(resolver_find(r, "2001:db8::1", AF_INET6, &ip), ERR_AGAIN);
    CHECK_EQ(resolver_find(r, "2001:db8::1", AF_INET, &ip), ERR_AGAIN);
    settle(r);
    CHECK_OK(resolver_find(r, "2001:db8::1", AF_INET6, &ip));
    CHECK_EQ(ip.family, AF_INET6);
    CHECK_EQ(resolver_find(r, "2001:db8::1", AF_INET, &ip), ERR_NOTFOUND);
    resolver_free(r);
}

static void many_at_once_and_an_early_end(void **state)
{
    (void)state;
    struct resolver *r = resolver_new(count, NULL);
    assert_non_null(r);
    ip_t ip;
    char name[32];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof name, "192.0.2.%d", i);
        CHECK_EQ(resolver_find(r, name, AF_INET, &ip), ERR_AGAIN);
    }
    settle(r);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof name, "192.0.2.%d", i);
        CHECK_OK(resolver_find(r, name, AF_INET, &ip));
        CHECK_EQ(ip.b[3], i);
    }
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof name, "198.51.100.%d", i);
        CHECK_EQ(resolver_find(r, name, AF_INET, &ip), ERR_AGAIN);
    }
    resolver_free(r); // with look-ups in the queue: the threads clean up
    (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
}

static void names_have_a_limit(void **state)
{
    (void)state;
    struct resolver *r = resolver_new(count, NULL);
    assert_non_null(r);
    ip_t ip;
    char name[32];
    err_t e = ERR_AGAIN;
    int i = 0;
    for (; i < 100000 && e == ERR_AGAIN; i++) {
        (void)snprintf(name, sizeof name, "10.%d.%d.%d", i >> 16, (i >> 8) & 255, i & 255);
        e = resolver_find(r, name, AF_INET, &ip);
    }
    CHECK_EQ(e, ERR_LIMIT);
    settle(r);
    resolver_free(r);
    (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_known_after_a_while),
        cmocka_unit_test(families_are_apart),
        cmocka_unit_test(many_at_once_and_an_early_end),
        cmocka_unit_test(names_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
