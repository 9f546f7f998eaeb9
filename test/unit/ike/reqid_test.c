// reqid_test.c - which numbers children get, and get again.
#include "ike/sa/reqid.h"

#include "test/check.h"

struct left {
    uint32_t reqid; // of an earlier run, in the executor; 0: none
};

static err_t sa_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_sa *sa), void *arg)
{
    const struct left *left = ctx;
    const struct xfrm_sa sa = {.reqid = left->reqid};
    if (left->reqid) (void)fn(arg, &sa);
    return ERR_OK;
}

static err_t policy_each(void *ctx, bool (*fn)(void *arg, const struct xfrm_policy *p), void *arg)
{
    (void)ctx, (void)fn, (void)arg;
    return ERR_OK;
}

static const struct xfrm_ops ops = {.sa_each = sa_each, .policy_each = policy_each};
static char shared[] = "rw", lonely[] = "site", child[] = "net";

static endpoint_t peer(uint16_t port)
{
    return (endpoint_t){{AF_INET, {192, 0, 2, 1}}, port};
}

static uint32_t get(struct reqids *r, char *conn, uint16_t port)
{
    const struct conn c = {.conf.name = conn};
    const struct conf_child f = {.name = child};
    const endpoint_t at = peer(port);
    return reqid_get(r, &c, &f, port ? &at : NULL);
}

static void lowest_vacant_first(void **state)
{
    struct left left = {0};
    const struct xfrm_api xfrm = {&ops, &left};
    struct reqids r = {0};
    (void)state;
    CHECK_OK(reqids_init(&r, &xfrm));
    for (uint16_t port = 1; port <= 5; port++) CHECK_EQ(get(&r, shared, port), port);
    CHECK_EQ(get(&r, shared, 3), 3); // a second child SA of the same
    reqid_put(&r, 4);
    reqid_put(&r, 3);
    reqid_put(&r, 2);
    CHECK_EQ(get(&r, shared, 6), 2);
    CHECK_EQ(get(&r, shared, 7), 4); // 3 is held once more
    CHECK_EQ(get(&r, shared, 8), 6);
    reqid_put(&r, 3);
    CHECK_EQ(get(&r, shared, 9), 3);
    reqids_done(&r);
}

static void one_peers_number_stays_its_own(void **state)
{
    struct left left = {.reqid = 9};
    const struct xfrm_api xfrm = {&ops, &left};
    struct reqids r = {0};
    (void)state;
    CHECK_OK(reqids_init(&r, &xfrm));
    CHECK_EQ(get(&r, lonely, 0), 10);
    reqid_put(&r, 10);
    CHECK_EQ(get(&r, shared, 1), 11); // never one that an earlier run has left
    CHECK_EQ(get(&r, lonely, 0), 10);
    reqids_done(&r);
}

// A configuration that comes later may name a number that is vacant.
static void numbers_that_are_named_are_left_alone(void **state)
{
    struct left left = {0};
    const struct xfrm_api xfrm = {&ops, &left};
    const struct conn c = {.conf.name = lonely};
    const struct conf_child f = {.name = child, .reqid = 1};
    struct reqids r = {0};
    (void)state;
    CHECK_OK(reqids_init(&r, &xfrm));
    CHECK_EQ(get(&r, shared, 1), 1);
    reqid_put(&r, 1);
    CHECK_EQ(reqid_get(&r, &c, &f, NULL), 1);
    CHECK_EQ(get(&r, shared, 2), 2);
    reqids_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lowest_vacant_first),
        cmocka_unit_test(one_peers_number_stays_its_own),
        cmocka_unit_test(numbers_that_are_named_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
