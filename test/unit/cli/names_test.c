// A NAME is a connection, a child, or nothing.
#include "cli/names.h"
#include "test/check.h"

static void conns_and_children(void **state)
{
    (void)state;
    json_t *list = json_loads("[{\"gw\": {\"children\": {\"net\": {}, \"web\": {}}}},"
                              " {\"hub\": {\"children\": {\"net\": {}}}}]",
                              0, NULL);
    struct names n = {list, "children"};
    CHECK(names_have_conn(&n, "gw") && names_have_conn(&n, "hub"));
    CHECK(!names_have_conn(&n, "net"));
    CHECK_STR(names_conn_of(&n, "net"), "gw"); // the first that has it
    CHECK_STR(names_conn_of(&n, "web"), "gw");
    CHECK(names_conn_of(&n, "gw") == NULL);
    json_decref(list);
}

static void children_of_sas_have_numbers(void **state)
{
    (void)state;
    json_t *list =
        json_loads("[{\"gw\": {\"child-sas\": {\"net-4\": {\"name\": \"net\"}}}}]", 0, NULL);
    struct names n = {list, "child-sas"};
    CHECK_STR(names_conn_of(&n, "net"), "gw");
    CHECK(names_conn_of(&n, "net-4") == NULL);
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conns_and_children),
        cmocka_unit_test(children_of_sas_have_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
