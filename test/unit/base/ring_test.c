#include "base/ring.h"

#include <pthread.h>
#include <sched.h>

#include "test/check.h"

static void put(struct ring *r, uint64_t v)
{
    uint64_t *slot = ring_space(r);
    CHECK(slot != NULL);
    *slot = v;
    ring_put(r);
}

static void take(struct ring *r, uint64_t want)
{
    const uint64_t *slot = ring_first(r);
    CHECK(slot != NULL);
    CHECK_EQ(*slot, want);
    ring_drop(r);
}

static void fills_empties_and_goes_round(void **state)
{
    (void)state;
    struct ring *r = ring_new(3, sizeof(uint64_t)); // becomes 4
    CHECK(ring_first(r) == NULL);
    for (uint64_t round = 0; round < 5; round++) {
        for (uint64_t i = 0; i < 4; i++) put(r, round * 10 + i);
        CHECK(ring_space(r) == NULL);
        take(r, round * 10);
        put(r, round * 10 + 4);
        CHECK(ring_space(r) == NULL);
        for (uint64_t i = 1; i < 5; i++) take(r, round * 10 + i);
        CHECK(ring_first(r) == NULL);
    }
    ring_free(r);
    ring_free(NULL);
}

#define MANY 200000

static void *put_many(void *arg)
{
    struct ring *r = arg;
    for (uint64_t i = 0; i < MANY;) {
        uint64_t *slot = ring_space(r);
        if (!slot) {
            (void)sched_yield();
            continue;
        }
        slot[0] = i;
        slot[1] = ~i;
        ring_put(r);
        i++;
    }
    return NULL;
}

static void two_threads_see_every_slot_once_and_whole(void **state)
{
    (void)state;
    struct ring *r = ring_new(16, 2 * sizeof(uint64_t));
    pthread_t other;
    CHECK(pthread_create(&other, NULL, put_many, r) == 0);
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < MANY;) {
        const uint64_t *slot = ring_first(r);
        if (!slot) {
            (void)sched_yield();
            continue;
        }
        wrong += slot[0] != i || slot[1] != ~i;
        ring_drop(r);
        i++;
    }
    CHECK(pthread_join(other, NULL) == 0);
    CHECK_EQ(wrong, 0);
    CHECK(ring_first(r) == NULL);
    ring_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_empties_and_goes_round),
        cmocka_unit_test(two_threads_see_every_slot_once_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
