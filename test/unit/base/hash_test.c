// The keyed hash: every word and every key counts, and small differences spread.
#include "test/check.h"

#include "base/hash.h"

static const struct hash_key key = {{0x0123456789abcdefULL, 0xfedcba9876543211ULL}};

static void every_word_counts(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 6; n++) {
        uint64_t w[6] = {1, 2, 3, 4, 5, 6}, before = hash_words(&key, w, n);
        for (size_t i = 0; i < n * 64; i++) {
            w[i / 64] ^= 1ULL << i % 64;
            CHECK(hash_words(&key, w, n) != before);
            w[i / 64] ^= 1ULL << i % 64;
        }
    }
}

static void the_key_counts(void **state)
{
    (void)state;
    const uint64_t w[3] = {1, 2, 3};
    struct hash_key other = key;
    other.k[0]++;
    CHECK(hash_words(&key, w, 3) != hash_words(&other, w, 3));
    other = key;
    other.k[1]++;
    CHECK(hash_words(&key, w, 3) != hash_words(&other, w, 3));
}

// Neighbouring addresses fill the buckets of a table evenly: of 64 times 64 none is far from 64.
static void neighbours_spread(void **state)
{
    (void)state;
    unsigned low[64] = {0}, high[64] = {0};
    for (uint64_t i = 0; i < 64 * 64; i++) {
        const uint64_t w[3] = {i << 32, 7, 0};
        uint64_t h = hash_words(&key, w, 3);
        low[h % 64]++;
        high[h >> 58]++;
    }
    for (unsigned i = 0; i < 64; i++) {
        CHECK(low[i] > 24 && low[i] < 112);
        CHECK(high[i] > 24 && high[i] < 112);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_counts),
        cmocka_unit_test(the_key_counts),
        cmocka_unit_test(neighbours_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
