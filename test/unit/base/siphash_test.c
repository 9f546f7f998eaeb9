#include "base/siphash.h"

#include "test/check.h"

// Appendix A of the SipHash paper (Aumasson, Bernstein 2012): key 00..0f, input 00..0e.
static void the_papers_vector(void **state)
{
    (void)state;
    uint8_t key[16], in[15];
    for (uint8_t i = 0; i < 16; i++) key[i] = i;
    for (uint8_t i = 0; i < 15; i++) in[i] = i;
    CHECK(siphash(key, in, sizeof in) == 0xa129ca6149be45e5ULL);
}

static void key_and_length_matter(void **state)
{
    (void)state;
    uint8_t key[16] = {0}, in[16] = {0};
    uint64_t h = siphash(key, in, 8);
    CHECK(h != siphash(key, in, 9));
    key[15] = 1;
    CHECK(h != siphash(key, in, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_papers_vector),
        cmocka_unit_test(key_and_length_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
