// The copy of the SPD: whatever way policies come and go, every hook gets each of them once.
#include "daemon/policies.h"

#include <stdio.h>
#include <string.h>

#include "test/check.h"

#define MANY 1000

// An executor that has only this list of policies, and hooks that write down what they are told.
struct stage {
    struct xfrm_policy has[MANY];
    unsigned count;
    unsigned added, removed, changed;
    uint32_t last_old, last_now; // priorities
    char order[256];
    struct policies *ps;
};

static err_t each(void *ctx, bool (*fn)(void *arg, const struct xfrm_policy *p), void *arg)
{
    struct stage *s = ctx;
    for (unsigned i = 0; i < s->count && fn(arg, &s->has[i]); i++) continue;
    return ERR_OK;
}
static const struct xfrm_ops ops = {.policy_each = each};

static void on_add(void *ctx, const struct xfrm_policy *p)
{
    struct stage *s = ctx;
    s->added++;
    s->last_now = p->priority;
}

static void on_del(void *ctx, const struct xfrm_policy *p)
{
    struct stage *s = ctx;
    s->removed++;
    s->last_old = p->priority;
}

static void on_change(void *ctx, const struct xfrm_policy *old, const struct xfrm_policy *now)
{
    struct stage *s = ctx;
    s->changed++;
    s->last_old = old->priority;
    s->last_now = now->priority;
}

static void stage_open(struct stage *s)
{
    *s = (struct stage){.count = 0};
    const struct policies_hooks hooks = {on_add, on_del, on_change, s};
    s->ps = policies_new((struct xfrm_api){&ops, s}, &hooks);
    CHECK(s->ps != NULL);
}

static struct xfrm_policy policy(uint8_t dir, const char *dst, uint32_t priority)
{
    struct xfrm_policy p = {.dir = dir, .priority = priority};
    CHECK_OK(prefix_parse(dst, &p.sel.dst));
    p.sel.family = p.sel.dst.ip.family;
    p.sel.src.ip.family = p.sel.family;
    return p;
}

static void tell(struct stage *s, enum xfrm_event_kind kind, const struct xfrm_policy *p, bool hard)
{
    const struct xfrm_event ev = {.kind = kind, .policy = p, .hard = hard};
    policies_event(s->ps, &ev);
}

static void show_one(void *ctx, const struct xfrm_policy *p)
{
    struct stage *s = ctx;
    char net[PREFIX_TEXT_MAX];
    size_t n = strlen(s->order);
    (void)snprintf(s->order + n, sizeof s->order - n, "%s ", prefix_show(&p->sel.dst, net));
}

static const char *order_of(struct stage *s)
{
    s->order[0] = 0;
    policies_each(s->ps, show_one, s);
    return s->order;
}

static void comes_changes_and_goes(void **state)
{
    (void)state;
    struct stage s;
    struct xfrm_policy p = policy(XFRM_OUT, "10.0.0.0/8", 5), q;
    stage_open(&s);
    tell(&s, XFRM_EV_POL_NEW, &p, false);
    CHECK_EQ(s.added, 1);
    q = p;
    q.priority = 9;
    tell(&s, XFRM_EV_POL_UPD, &q, false);
    CHECK_EQ(s.changed, 1);
    CHECK_EQ(s.last_old, 5);
    CHECK_EQ(s.last_now, 9);
    tell(&s, XFRM_EV_POL_DEL, &p, false); // named by its identity; its content was another one
    CHECK_EQ(s.removed, 1);
    CHECK_EQ(s.last_old, 9);
    tell(&s, XFRM_EV_POL_DEL, &p, false);
    CHECK_EQ(s.removed, 1);
    CHECK_STR(order_of(&s), "");
    policies_free(s.ps);
}

static void only_a_hard_expiry_takes_it_away(void **state)
{
    (void)state;
    struct stage s;
    struct xfrm_policy p = policy(XFRM_IN, "10.0.0.0/8", 5);
    stage_open(&s);
    tell(&s, XFRM_EV_POL_NEW, &p, false);
    tell(&s, XFRM_EV_POLEXPIRE, &p, false);
    CHECK_EQ(s.removed, 0);
    tell(&s, XFRM_EV_POLEXPIRE, &p, true);
    CHECK_EQ(s.removed, 1);
    tell(&s, XFRM_EV_SA_FLUSH, NULL, false); // not about policies
    policies_free(s.ps);
}

static void every_part_of_the_identity_counts(void **state)
{
    (void)state;
    struct stage s;
    const struct xfrm_policy base = policy(XFRM_OUT, "10.0.0.0/8", 5);
    struct xfrm_policy p[12];
    for (int i = 0; i < 12; i++) p[i] = base;
    p[1].dir = XFRM_IN;
    p[2].type = 1;
    p[3].mark.value = 1;
    p[4].mark.mask = 1;
    p[5].if_id = 1;
    p[6].sel.proto = 6;
    p[7].sel.dport = p[7].sel.dport_mask = 1;
    p[8].sel.sport = p[8].sel.sport_mask = 1;
    p[9].sel.ifindex = -1;
    p[10].sel.dst.len = 9;
    p[11].sel.src.ip.b[3] = 1;
    stage_open(&s);
    for (int i = 0; i < 12; i++) tell(&s, XFRM_EV_POL_NEW, &p[i], false);
    CHECK_EQ(s.added, 12);
    for (int i = 0; i < 12; i++) tell(&s, XFRM_EV_POL_DEL, &p[i], false);
    CHECK_EQ(s.removed, 12);
    policies_free(s.ps);
}

static void walks_in_the_order_of_the_database(void **state)
{
    (void)state;
    struct stage s;
    struct xfrm_policy a = policy(XFRM_OUT, "10.1.0.0/16", 7),
                       b = policy(XFRM_OUT, "10.2.0.0/16", 3);
    struct xfrm_policy c = policy(XFRM_OUT, "10.3.0.0/16", 7);
    stage_open(&s);
    tell(&s, XFRM_EV_POL_NEW, &c, false);
    tell(&s, XFRM_EV_POL_NEW, &a, false);
    tell(&s, XFRM_EV_POL_NEW, &b, false);
    CHECK_STR(order_of(&s), "10.2.0.0/16 10.3.0.0/16 10.1.0.0/16 ");
    b.priority = 8;
    tell(&s, XFRM_EV_POL_UPD, &b, false);
    CHECK_STR(order_of(&s), "10.3.0.0/16 10.1.0.0/16 10.2.0.0/16 ");
    policies_free(s.ps);
}

static void after_a_flush_what_is_left_is_asked_for(void **state)
{
    (void)state;
    static struct stage s;
    stage_open(&s);
    for (unsigned i = 0; i < MANY; i++) {
        char net[32];
        (void)snprintf(net, sizeof net, "10.%u.%u.0/24", i / 256, i % 256);
        s.has[i] = policy(XFRM_OUT, net, i);
        tell(&s, XFRM_EV_POL_NEW, &s.has[i], false);
    }
    s.count = 3; // a flush of one type leaves the others
    tell(&s, XFRM_EV_POL_FLUSH, NULL, false);
    CHECK_EQ(s.removed, MANY - 3);
    CHECK_STR(order_of(&s), "10.0.0.0/24 10.0.1.0/24 10.0.2.0/24 ");
    s.count = 0;
    tell(&s, XFRM_EV_POL_FLUSH, NULL, false);
    CHECK_EQ(s.removed, MANY);
    policies_free(s.ps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_changes_and_goes),
        cmocka_unit_test(only_a_hard_expiry_takes_it_away),
        cmocka_unit_test(every_part_of_the_identity_counts),
        cmocka_unit_test(walks_in_the_order_of_the_database),
        cmocka_unit_test(after_a_flush_what_is_left_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
