// The pairing heap against an array.
#include "test/check.h"

#include <stdlib.h>

#include "base/heap.h"

#define MANY 400

struct item {
    struct heap_node node;
    int value;
    bool in;
};

static struct item *item_of(const struct heap_node *n)
{
    return (struct item *)(uintptr_t)n; // its first member
}

static bool less(const struct heap_node *a, const struct heap_node *b)
{
    return item_of(a)->value < item_of(b)->value;
}

static int smallest(const struct item *items)
{
    int best = -1;
    for (unsigned i = 0; i < MANY; i++) {
        if (items[i].in && (best < 0 || items[i].value < best)) best = items[i].value;
    }
    return best;
}

static void the_root_is_the_smallest(void **state)
{
    (void)state;
    static struct item items[MANY];
    struct heap h = {0};
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        struct item *item = &items[rand() % MANY];
        if (item->in) {
            heap_del(&h, &item->node, less);
        } else {
            item->value = rand() % 1000;
            heap_add(&h, &item->node, less);
        }
        item->in = !item->in;
        CHECK_EQ(h.root ? item_of(h.root)->value : -1, smallest(items));
    }
}

static void taken_out_in_order(void **state)
{
    (void)state;
    static struct item items[MANY];
    struct heap h = {0};
    srand(2);
    for (unsigned i = 0; i < MANY; i++) {
        items[i].value = rand();
        heap_add(&h, &items[i].node, less);
    }
    int before = 0;
    for (unsigned i = 0; i < MANY; i++) {
        assert_non_null(h.root);
        CHECK(item_of(h.root)->value >= before);
        before = item_of(h.root)->value;
        heap_del(&h, h.root, less);
    }
    CHECK(!h.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_is_the_smallest),
        cmocka_unit_test(taken_out_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
