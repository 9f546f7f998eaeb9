// What is wrong is found, and nothing is invented.
#include "cli/json.h"
#include "cli/wrong.h"
#include "test/check.h"

static json_t *find(const char *sas, const char *stats, const char *executor)
{
    struct wrong_facts f = {
        .sas = json_loads(sas, 0, NULL),
        .stats = json_loads(stats, 0, NULL),
        .executor = executor ? json_loads(executor, 0, NULL) : NULL,
    };
    CHECK(f.sas && f.stats);
    json_t *problems = wrong_find(&f);
    json_decref(f.sas);
    json_decref(f.stats);
    json_decref(f.executor);
    return problems;
}

static void check_one(json_t *problems, const char *what)
{
    if (what) {
        CHECK_EQ(json_array_size(problems), 1);
        CHECK_STR(json_str(json_array_get(problems, 0), "what"), what);
    } else {
        CHECK_EQ(json_array_size(problems), 0);
    }
    json_decref(problems);
}

#define SA(state, children)          \
    "[{\"gw\": {\"state\": \"" state \
    "\", \"remote-host\": \"192.0.2.2\", \"child-sas\": {" children "}}}]"
#define CHILD(in, out, age)                                                              \
    "\"net-1\": {\"name\": \"net\", \"packets-in\": \"" in "\", \"packets-out\": \"" out \
    "\", \"install-time\": \"" age "\"}"
#define KERNEL "{\"plugins\": [\"vici\", \"kernel-netlink\"]}"
#define XFRMD "{\"plugins\": [\"vici\", \"pavise-xfrmd\"]}"

static void all_is_well(void **state)
{
    (void)state;
    check_one(find("[]", KERNEL, NULL), NULL);
    check_one(find(SA("ESTABLISHED", CHILD("5", "5", "60")), KERNEL, NULL), NULL);
    check_one(find(SA("ESTABLISHED", CHILD("0", "0", "60")), XFRMD, "{\"drops\": []}"), NULL);
    check_one(find(SA("ESTABLISHED", CHILD("0", "5", "3")), KERNEL, NULL), NULL); // too young
}

static void one_way_traffic(void **state)
{
    (void)state;
    check_one(find(SA("ESTABLISHED", CHILD("0", "5", "60")), KERNEL, NULL),
              "gw/net: packets go out, but none has come back");
    check_one(find(SA("ESTABLISHED", CHILD("5", "0", "60")), KERNEL, NULL),
              "gw/net: packets come in, but none has gone out");
}

static void half_done(void **state)
{
    (void)state;
    check_one(find(SA("CONNECTING", ""), KERNEL, NULL),
              "gw: the negotiation with 192.0.2.2 is not finished");
    check_one(find(SA("ESTABLISHED", ""), KERNEL, NULL),
              "gw: the peers know each other, but nothing is protected");
}

static void executor_trouble(void **state)
{
    (void)state;
    check_one(find("[]", XFRMD, NULL), "pavise-xfrmd does not run: no packet is protected");
    check_one(find("[]", XFRMD,
                   "{\"drops\": [{\"word\": \"replay\", \"count\": 2, \"text\": \"seen before\"},"
                   " {\"word\": \"auth\", \"count\": 0, \"text\": \"forged\"}]}"),
              "2 packets dropped: seen before (replay)");
    check_one(find("[]", XFRMD, "{\"guard\": {\"clear_in\": 1}}"),
              "1 packet kept out: in clear, where a policy wants protection");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_well),
        cmocka_unit_test(one_way_traffic),
        cmocka_unit_test(half_done),
        cmocka_unit_test(executor_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
