// The index by what it must find: many entries, several of one hash, any order of leaving.
#include "ike/sa/index.h"

#include <stdbool.h>

#include "test/check.h"

#define ENTRIES 5000
#define HASHES 700 // several entries each

static struct entry {
    struct index_place place;
    unsigned number;
    bool there;
} entry[ENTRIES];

static uint64_t hash_of(unsigned i)
{
    return (uint64_t)(i % HASHES) << 20; // low bits alike: chains, too
}

// Everything that is there is found once, the latest first, and nothing else.
static void check_all(const struct index *ix)
{
    size_t n = 0;
    for (unsigned h = 0; h < HASHES; h++) {
        const struct entry *before = NULL;
        for (struct index_place *p = index_first(ix, hash_of(h)); p; p = index_next(p)) {
            const struct entry *e = p->what;
            CHECK(e->there);
            CHECK_EQ(e->number % HASHES, h);
            if (before) CHECK(e->number < before->number);
            before = e;
            n++;
        }
    }
    CHECK_EQ(n, ix->n);
}

static void finds_what_is_there(void **state)
{
    struct index ix = {0};
    (void)state;
    CHECK_OK(index_init(&ix));
    for (unsigned i = 0; i < ENTRIES; i++) {
        entry[i].number = i;
        entry[i].there = true;
        index_add(&ix, &entry[i].place, hash_of(i), &entry[i]);
        if (i % 997 == 0) check_all(&ix);
    }
    check_all(&ix);
    for (unsigned k = 0; k < ENTRIES; k++) {
        unsigned i = k * 7 % ENTRIES; // 7 and 5000 share no factor: each one once
        index_remove(&ix, &entry[i].place);
        index_remove(&ix, &entry[i].place); // no harm
        entry[i].there = false;
        if (k % 499 == 0) check_all(&ix);
    }
    CHECK_EQ(ix.n, 0);
    index_done(&ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_what_is_there)};
    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
