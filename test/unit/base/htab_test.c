// The table with one writer and lock-free readers.
#include "test/check.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/htab.h"

#define MANY 20000
#define ALIKE 40 // more than fit into the bucket they share
#define STAY 64  // entries that the readers' test leaves alone

static uint64_t hash_of(uint64_t number)
{
    static const struct hash_key key = {{11, 13}};
    return hash_words(&key, &number, 1);
}

static bool has(const struct htab *t, uint64_t hash, const void *entry)
{
    struct htab_walk w = htab_begin(t, hash);
    const void *found;
    unsigned n = 0;
    while ((found = htab_next(&w))) n += found == entry;
    CHECK(n <= 1);
    return n == 1;
}

static void put(struct htab *t, uint64_t hash, void *entry)
{
    CHECK_OK(htab_reserve(t));
    htab_add(t, hash, entry);
}

static void finds_what_is_there_and_nothing_else(void **state)
{
    (void)state;
    static int entry[MANY];
    static bool in[MANY];
    struct htab t;
    CHECK_OK(htab_init(&t));
    srand(3);
    for (unsigned round = 0; round < MANY * 6; round++) {
        unsigned i = (unsigned)rand() % MANY;
        if (in[i] && rand() % 3) continue; // so that it grows
        if (in[i])
            htab_del(&t, hash_of(i), &entry[i]);
        else
            put(&t, hash_of(i), &entry[i]);
        in[i] = !in[i];
        unsigned k = (unsigned)rand() % MANY;
        CHECK_EQ(has(&t, hash_of(k), &entry[k]), in[k]);
    }
    for (unsigned i = 0; i < MANY; i++) CHECK_EQ(has(&t, hash_of(i), &entry[i]), in[i]);
    rcu_barrier();
    htab_done(&t);
}

static void entries_of_one_hash(void **state)
{
    (void)state;
    int entry[ALIKE], other;
    struct htab t;
    CHECK_OK(htab_init(&t));
    for (unsigned i = 0; i < ALIKE; i++) put(&t, 7, &entry[i]);
    for (unsigned i = 0; i < ALIKE; i++) CHECK(has(&t, 7, &entry[i]));
    CHECK(!has(&t, 8, &entry[0]));
    htab_swap(&t, 7, &entry[ALIKE - 1], &other);
    CHECK(has(&t, 7, &other) && !has(&t, 7, &entry[ALIKE - 1]));
    htab_del(&t, 7, &other);
    for (unsigned i = 0; i + 1 < ALIKE; i++) {
        htab_del(&t, 7, &entry[i]);
        for (unsigned k = i + 1; k + 1 < ALIKE; k++) CHECK(has(&t, 7, &entry[k]));
    }
    struct htab_walk w = htab_begin(&t, 7);
    CHECK(!htab_next(&w));
    CHECK_EQ(t.count, 0);
    rcu_barrier();
    htab_done(&t);
}

// ---- readers ----

struct race {
    struct htab t;
    int entry[STAY];
    bool stop;
    uint64_t rounds, missed;
};

static void *reader(void *arg)
{
    struct race *r = arg;
    rcu_register_thread();
    while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
        for (unsigned i = 0; i < STAY; i++) r->missed += !has(&r->t, hash_of(i), &r->entry[i]);
        r->rounds++;
        rcu_quiescent_state();
    }
    rcu_unregister_thread();
    return NULL;
}

static void readers_miss_nothing_while_it_changes(void **state)
{
    (void)state;
    static struct race r;
    static int churn[2048];
    pthread_t thread;
    CHECK_OK(htab_init(&r.t));
    for (unsigned i = 0; i < STAY; i++) put(&r.t, hash_of(i), &r.entry[i]);
    assert_int_equal(pthread_create(&thread, NULL, reader, &r), 0);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 2048; i++) put(&r.t, hash_of(1000 + i), &churn[i]);
        rcu_quiescent_state();
        for (unsigned i = 0; i < 2048; i++) htab_del(&r.t, hash_of(1000 + i), &churn[i]);
    }
    __atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
    rcu_thread_offline();
    assert_int_equal(pthread_join(thread, NULL), 0);
    rcu_thread_online();
    CHECK_EQ(r.missed, 0);
    rcu_barrier();
    htab_done(&r.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_there_and_nothing_else),
        cmocka_unit_test(entries_of_one_hash),
        cmocka_unit_test(readers_miss_nothing_while_it_changes),
    };
    rcu_register_thread();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rcu_unregister_thread();
    return failed;
}
