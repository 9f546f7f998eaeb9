// The SPD: priorities, age, marks, and the same answers as a list searched from end to end.
#include "test/unit/xfrm/rig.h"

#include <stdio.h>

#include <stdlib.h>

#include "xfrm/db/selector.h"

static struct flow flow(const char *src, const char *dst)
{
    return (struct flow){
        .src = rig_ip(src), .dst = rig_ip(dst), .proto = 17, .sport = 1, .dport = 2};
}

static uint32_t found(const struct rig *r, const char *src, const char *dst, uint32_t mark)
{
    struct flow f = flow(src, dst);
    const struct policy *p = db_policy(r->db, XFRM_OUT, mark, &f);
    return p ? p->conf.index : 0;
}

static uint32_t add(struct rig *r, const char *src, const char *dst, uint32_t priority)
{
    struct xfrm_policy p = rig_policy(XFRM_OUT, src, dst, NULL, NULL);
    p.priority = priority;
    rig_add_policy(r, &p);
    return r->event[r->events - 1].index;
}

static void priority_beats_length_and_age(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint32_t wide = add(r, "0.0.0.0/0", "0.0.0.0/0", 10);
    uint32_t narrow = add(r, "10.0.0.0/8", "10.1.0.0/16", 20);
    CHECK_EQ(found(r, "10.0.0.1", "10.1.0.1", 0), wide);
    uint32_t best = add(r, "10.0.0.0/24", "0.0.0.0/0", 5);
    CHECK_EQ(found(r, "10.0.0.1", "10.1.0.1", 0), best);
    CHECK_EQ(found(r, "10.0.1.1", "10.1.0.1", 0), wide);
    struct xfrm_policy_id id = {.dir = XFRM_OUT, .index = wide};
    CHECK_OK(r->api.ops->policy_del(r->api.ctx, &id));
    CHECK_EQ(found(r, "10.0.1.1", "10.1.0.1", 0), narrow);
    CHECK_EQ(found(r, "11.0.1.1", "10.1.0.1", 0), 0);
    rig_free(r);
}

static void among_equals_the_oldest(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint32_t first = add(r, "10.0.0.0/8", "0.0.0.0/0", 7);
    uint32_t second = add(r, "0.0.0.0/0", "10.0.0.0/8", 7);
    CHECK_EQ(found(r, "10.0.0.1", "10.0.0.2", 0), first);
    struct xfrm_policy_id id = {.dir = XFRM_OUT, .index = first};
    CHECK_OK(r->api.ops->policy_del(r->api.ctx, &id));
    CHECK_EQ(found(r, "10.0.0.1", "10.0.0.2", 0), second);
    uint32_t third = add(r, "10.0.0.0/8", "0.0.0.0/0", 7);
    CHECK(third != second);
    CHECK_EQ(found(r, "10.0.0.1", "10.0.0.2", 0), second);
    rig_free(r);
}

static void host_bits_in_a_selector_do_not_hide_it(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint32_t p = add(r, "10.0.0.99/24", "10.1.2.3/12", 1);
    CHECK_EQ(found(r, "10.0.0.1", "10.15.0.1", 0), p);
    CHECK_EQ(found(r, "10.0.1.1", "10.15.0.1", 0), 0);
    rig_free(r);
}

static void marks_and_interfaces(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_OUT, "0.0.0.0/0", "0.0.0.0/0", NULL, NULL);
    p.mark = (struct xfrm_mark){.value = 0x10, .mask = 0xf0};
    rig_add_policy(r, &p);
    uint32_t marked = r->event[0].index;
    CHECK_EQ(found(r, "1.1.1.1", "2.2.2.2", 0), 0);
    CHECK_EQ(found(r, "1.1.1.1", "2.2.2.2", 0x1f), marked);
    p.mark = (struct xfrm_mark){0};
    p.if_id = 42; // behind an xfrm interface that is not ours
    rig_add_policy(r, &p);
    CHECK_EQ(found(r, "1.1.1.1", "2.2.2.2", 0), 0);
    rig_free(r);
}

static void directions_are_apart(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_IN, "0.0.0.0/0", "0.0.0.0/0", NULL, NULL);
    rig_add_policy(r, &p);
    CHECK_EQ(found(r, "1.1.1.1", "2.2.2.2", 0), 0);
    struct flow f = flow("1.1.1.1", "2.2.2.2");
    assert_non_null(db_policy(r->db, XFRM_IN, 0, &f));
    CHECK(!db_policy(r->db, XFRM_FWD, 0, &f));
    rig_free(r);
}

static void a_selector_of_any_family(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy conf = {.dir = XFRM_OUT, .index = 9, .limit = rig_unlimited()};
    struct policy *p = policy_new(&conf, sad_lanes(r->db->sad)); // control asks for a family
    assert_non_null(p);
    CHECK_OK(spd_add(r->db->spd, p, NULL));
    CHECK_EQ(found(r, "1.1.1.1", "2.2.2.2", 0), 9);
    CHECK_EQ(found(r, "fd00::1", "fd00::2", 0), 9);
    rig_free(r);
}

// ---- against a list searched from end to end ----

static uint32_t naive(const struct xfrm_policy *list, const uint32_t *index, unsigned n,
                      const struct flow *f)
{
    const struct xfrm_policy *best = NULL;
    for (unsigned i = 0; i < n; i++) {
        if (index[i] == 0 || !selector_match(&list[i].sel, f)) continue;
        if (!best || list[i].priority < best->priority) best = &list[i];
    }
    return best ? index[best - list] : 0;
}

static struct xfrm_policy random_policy(void)
{
    char src[40], dst[40];
    (void)snprintf(src, sizeof src, "10.%d.%d.0/%d", rand() % 4, rand() % 4, rand() % 5 * 8);
    (void)snprintf(dst, sizeof dst, "10.%d.%d.%d/%d", rand() % 4, rand() % 4, rand() % 4,
                   rand() % 5 * 8);
    struct xfrm_policy p = rig_policy(XFRM_OUT, src, dst, NULL, NULL);
    p.priority = (uint32_t)rand() % 8;
    if (rand() % 4 == 0) p.sel.proto = 17;
    if (rand() % 8 == 0) p.sel.dport_mask = 1;
    return p;
}

#define MANY 400

static void the_same_as_a_list(void **state)
{
    (void)state;
    static struct xfrm_policy list[MANY];
    static uint32_t index[MANY];
    struct rig *r = rig_new();
    srand(4301);
    for (unsigned round = 0; round < 3000; round++) {
        unsigned i = round < MANY ? round : (unsigned)rand() % MANY;
        if (round < MANY) {
            list[i] = random_policy();
            err_t e = r->api.ops->policy_add(r->api.ctx, &list[i], false, NULL);
            index[i] = e == ERR_OK ? r->event[0].index : 0;
        } else if (index[i] && rand() % 16 == 0) {
            struct xfrm_policy_id id = {.dir = XFRM_OUT, .index = index[i]};
            CHECK_OK(r->api.ops->policy_del(r->api.ctx, &id));
            index[i] = 0;
        }
        rig_clear(r);
        char src[40], dst[40];
        (void)snprintf(src, sizeof src, "10.%d.%d.%d", rand() % 4, rand() % 4, rand() % 4);
        (void)snprintf(dst, sizeof dst, "10.%d.%d.%d", rand() % 4, rand() % 4, rand() % 4);
        struct flow f = flow(src, dst);
        f.dport = (uint16_t)(rand() % 2);
        f.proto = rand() % 2 ? 6 : 17;
        const struct policy *p = db_policy(r->db, XFRM_OUT, 0, &f);
        CHECK_EQ(p ? p->conf.index : 0, naive(list, index, MANY, &f));
    }
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priority_beats_length_and_age),
        cmocka_unit_test(among_equals_the_oldest),
        cmocka_unit_test(host_bits_in_a_selector_do_not_hide_it),
        cmocka_unit_test(marks_and_interfaces),
        cmocka_unit_test(directions_are_apart),
        cmocka_unit_test(a_selector_of_any_family),
        cmocka_unit_test(the_same_as_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
