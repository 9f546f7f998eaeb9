// Requests about policies: the kernel's rules and error classes.
#include "test/unit/xfrm/rig.h"

#include <string.h>

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"

static struct why why;

static err_t add(struct rig *r, const struct xfrm_policy *p)
{
    return r->api.ops->policy_add(r->api.ctx, p, false, &why);
}

static struct xfrm_policy example(void)
{
    return rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
}

static void a_policy_comes_and_goes(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = example(), got;
    struct xfrm_policy_id id = {.dir = XFRM_OUT, .sel = p.sel};
    CHECK_EQ(r->api.ops->policy_get(r->api.ctx, &id, &got), ERR_NOTFOUND);
    CHECK_OK(add(r, &p));
    CHECK_EQ(add(r, &p), ERR_EXISTS);
    CHECK_OK(r->api.ops->policy_get(r->api.ctx, &id, &got));
    CHECK_EQ(got.index, 9 - 8); // the first of its direction: 0 | out
    CHECK_EQ(got.current.add_time, r->wall);
    CHECK_EQ(got.tmpl_count, 1);
    struct xfrm_policy_id by_index = {.dir = XFRM_OUT, .index = got.index};
    CHECK_OK(r->api.ops->policy_get(r->api.ctx, &by_index, &got));
    by_index.dir = XFRM_IN;
    CHECK_EQ(r->api.ops->policy_del(r->api.ctx, &by_index), ERR_NOTFOUND);
    by_index.dir = XFRM_OUT;
    CHECK_OK(r->api.ops->policy_del(r->api.ctx, &by_index));
    CHECK_EQ(r->api.ops->policy_del(r->api.ctx, &id), ERR_NOTFOUND);
    CHECK_EQ(r->events, 2);
    CHECK_EQ(r->event[0].kind, XFRM_EV_POL_NEW);
    CHECK_EQ(r->event[1].kind, XFRM_EV_POL_DEL);
    CHECK_EQ(r->event[1].index, 1);
    rig_free(r);
}

static void identity_is_direction_selector_mark_and_if_id(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = example();
    CHECK_OK(add(r, &p));
    p.dir = XFRM_IN;
    CHECK_OK(add(r, &p));
    p.dir = XFRM_FWD;
    CHECK_OK(add(r, &p));
    p.mark = (struct xfrm_mark){1, 1};
    CHECK_OK(add(r, &p));
    p.if_id = 3;
    CHECK_OK(add(r, &p));
    p.sel.proto = 6;
    CHECK_OK(add(r, &p));
    p.priority = 99; // does not count
    CHECK_EQ(add(r, &p), ERR_EXISTS);
    struct xfrm_counts n;
    CHECK_OK(r->api.ops->counts(r->api.ctx, &n));
    CHECK(n.policies[XFRM_IN] == 1 && n.policies[XFRM_OUT] == 1 && n.policies[XFRM_FWD] == 4);
    rig_free(r);
}

static void indices_are_given_as_the_kernel_gives_them(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    static const struct {
        uint8_t dir;
        uint32_t wanted, got;
    } rows[] = {
        {XFRM_IN, 0, 8},    {XFRM_OUT, 0, 9},   {XFRM_FWD, 0, 18}, {XFRM_OUT, 0, 25},
        {XFRM_OUT, 49, 49}, {XFRM_OUT, 49, 33}, {XFRM_IN, 0, 40},  {XFRM_OUT, 0, 57},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct xfrm_policy p = example();
        p.sel.dport = (uint16_t)i;
        p.sel.dport_mask = 0xffff;
        p.dir = rows[i].dir;
        p.index = rows[i].wanted;
        CHECK_OK(add(r, &p));
        CHECK_EQ(r->event[r->events - 1].index, rows[i].got);
    }
    rig_free(r);
}

static void an_update_replaces_and_keeps_the_index(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = example(), got;
    struct xfrm_policy_id id = {.dir = XFRM_OUT, .sel = p.sel};
    CHECK_OK(add(r, &p));
    p.priority = 5;
    p.tmpl[0].reqid = 42;
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, true, &why));
    CHECK_EQ(spd_count(r->db->spd, XFRM_OUT), 1);
    CHECK_OK(r->api.ops->policy_get(r->api.ctx, &id, &got));
    CHECK(got.index == 1 && got.priority == 5 && got.tmpl[0].reqid == 42);
    CHECK_EQ(r->event[1].kind, XFRM_EV_POL_UPD);
    p.sel.proto = 17; // an update of what is not there makes it
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, true, &why));
    CHECK_EQ(spd_count(r->db->spd, XFRM_OUT), 2);
    rig_free(r);
}

static void refused(struct rig *r, const struct xfrm_policy *p, err_t want, const char *part)
{
    why.text[0] = 0;
    CHECK_EQ(add(r, p), want);
    if (!strstr(why.text, part)) fail_msg("\"%s\" does not say \"%s\"", why.text, part);
    CHECK_EQ(r->events, 0);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = example();
    p.dir = 3;
    refused(r, &p, ERR_RANGE, "direction");
    p = example();
    p.action = 2;
    refused(r, &p, ERR_RANGE, "action");
    p = example();
    p.share = 4;
    refused(r, &p, ERR_RANGE, "share");
    p = example();
    p.type = 2;
    refused(r, &p, ERR_RANGE, "main");
    p = example();
    p.index = 8; // of direction in
    refused(r, &p, ERR_RANGE, "index");
    p = example();
    p.sel.family = AF_UNSPEC;
    refused(r, &p, ERR_RANGE, "family");
    p = example();
    p.sel.src.len = 33;
    refused(r, &p, ERR_RANGE, "prefix");
    p = example();
    p.tmpl[0].proto = 17;
    refused(r, &p, ERR_RANGE, "17");
    p = example();
    p.tmpl[0].mode = 9;
    refused(r, &p, ERR_RANGE, "mode");
    p = example();
    p.tmpl[0].family = 99;
    refused(r, &p, ERR_RANGE, "family");
    p = example();
    p.tmpl[0].mode = XFRM_TRANSPORT;
    p.tmpl[0].family = AF_INET6;
    refused(r, &p, ERR_RANGE, "transport");
    p = example();
    p.tmpl[0].optional = 1;
    refused(r, &p, ERR_RANGE, "optional");
    p = example();
    p.tmpl_count = 7;
    refused(r, &p, ERR_RANGE, "7");
    p = example(); // a tunnel changes the family; what is put around it must keep to that
    p.tmpl_count = 2;
    p.tmpl[1] = p.tmpl[0];
    p.tmpl[1].mode = XFRM_TRANSPORT;
    p.tmpl[1].family = AF_INET6;
    refused(r, &p, ERR_RANGE, "transport");
    CHECK_EQ(spd_count(r->db->spd, XFRM_OUT), 0);
    rig_free(r);
}

static bool note_index(void *arg, const struct xfrm_policy *p)
{
    uint32_t **at = arg;
    *(*at)++ = p->index;
    return true;
}

static void flush_and_each(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint32_t index[8], *at = index;
    CHECK_OK(r->api.ops->policy_flush(r->api.ctx, 0));
    CHECK_EQ(r->events, 0);
    struct xfrm_policy p = example();
    for (unsigned i = 0; i < 3; i++) {
        p.sel.proto = (uint8_t)i;
        CHECK_OK(add(r, &p));
    }
    CHECK_OK(r->api.ops->policy_each(r->api.ctx, note_index, &at));
    CHECK(at == index + 3 && index[0] == 17 && index[1] == 9 && index[2] == 1);
    CHECK_OK(r->api.ops->policy_flush(r->api.ctx, 1));
    CHECK_EQ(spd_count(r->db->spd, XFRM_OUT), 3);
    CHECK_OK(r->api.ops->policy_flush(r->api.ctx, 0));
    CHECK_EQ(spd_count(r->db->spd, XFRM_OUT), 0);
    CHECK_EQ(r->event[r->events - 1].kind, XFRM_EV_POL_FLUSH);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_comes_and_goes),
        cmocka_unit_test(identity_is_direction_selector_mark_and_if_id),
        cmocka_unit_test(indices_are_given_as_the_kernel_gives_them),
        cmocka_unit_test(an_update_replaces_and_keeps_the_index),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(flush_and_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
