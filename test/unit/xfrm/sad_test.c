// The SAD by SPI, and its lanes: which SA serves a template.
#include "test/unit/xfrm/rig.h"

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"

static struct sa *add(struct rig *r, const struct xfrm_sa *x)
{
    rig_add_sa(r, x);
    struct xfrm_sa_id id = sad_id(x);
    return sad_get(r->db->sad, &id);
}

static struct sa *pick(struct rig *r, const struct xfrm_tmpl *t, uint32_t mark)
{
    static const struct flow f = {.src = {.family = AF_INET}, .dst = {.family = AF_INET}};
    struct lane_key key = {t->daddr, t->reqid, t->proto, t->mode};
    struct lane *l = lane_get(sad_lanes(r->db->sad), &key);
    struct lane_ask ask = {.spi = t->spi, .saddr = t->saddr, .flow = &f, .mark = mark};
    struct sa *sa = lane_pick(l, &ask);
    lane_put(sad_lanes(r->db->sad), l);
    return sa;
}

static void identity_is_spi_destination_protocol_mark(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 7), y = rig_sa(SUN, MOON, 7), z = x;
    z.mark = (struct xfrm_mark){.value = 5, .mask = 0xff};
    x.mark = (struct xfrm_mark){.value = 6, .mask = 0xff};
    struct sa *a = add(r, &x), *b = add(r, &y), *c = add(r, &z);
    CHECK(a != b && b != c && a != c);
    CHECK(sad_find(r->db->sad, &x.daddr, 7, 50, 0x106) == a);
    CHECK(sad_find(r->db->sad, &x.daddr, 7, 50, 0x105) == c);
    CHECK(!sad_find(r->db->sad, &x.daddr, 7, 50, 0));
    CHECK(sad_find(r->db->sad, &y.daddr, 7, 50, 99) == b);
    CHECK(!sad_find(r->db->sad, &y.daddr, 7, 51, 0));
    CHECK(!sad_find(r->db->sad, &y.daddr, 8, 50, 0));
    struct xfrm_sa_id id = sad_id(&y);
    id.saddr = rig_ip("203.0.113.99");
    CHECK(!sad_get(r->db->sad, &id));
    id.saddr = y.saddr;
    CHECK(sad_get(r->db->sad, &id) == b);
    rig_free(r);
}

static void many_sas_are_all_found(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0);
    for (uint32_t i = 1; i <= 3000; i++) {
        x.spi = i * 0x10001;
        x.reqid = i % 7;
        rig_add_sa(r, &x);
        rig_clear(r);
    }
    CHECK_EQ(sad_count(r->db->sad), 3000);
    for (uint32_t i = 1; i <= 3000; i++) {
        struct sa *sa = sad_find(r->db->sad, &x.daddr, i * 0x10001, 50, 0);
        assert_non_null(sa);
        CHECK_EQ(sa->conf->x.reqid, i % 7);
    }
    CHECK_OK(r->api.ops->sa_flush(r->api.ctx, 50));
    CHECK_EQ(sad_count(r->db->sad), 0);
    CHECK(!sad_find(r->db->sad, &x.daddr, 0x10001, 50, 0));
    rig_free(r);
}

static void a_lane_gives_the_newest_that_fits(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_tmpl t = rig_policy(XFRM_OUT, "0.0.0.0/0", "0.0.0.0/0", MOON, SUN).tmpl[0];
    struct xfrm_sa x = rig_sa(MOON, SUN, 1);
    CHECK(!pick(r, &t, 0));
    struct sa *first = add(r, &x);
    CHECK(pick(r, &t, 0) == first);
    x.spi = 2;
    struct sa *second = add(r, &x);
    CHECK(pick(r, &t, 0) == second);
    x.spi = 3;
    x.saddr = rig_ip("203.0.113.50"); // from elsewhere
    (void)add(r, &x);
    x.saddr = rig_ip(MOON);
    x.spi = 4;
    x.reqid = 2; // another need
    (void)add(r, &x);
    x.reqid = 1;
    x.spi = 5;
    x.dir = 1; // inbound only
    (void)add(r, &x);
    x.dir = 0;
    x.spi = 6;
    x.mark = (struct xfrm_mark){.value = 9, .mask = 0xf};
    struct sa *marked = add(r, &x);
    x.mark = (struct xfrm_mark){0};
    x.spi = 7;
    x.sel = rig_policy(XFRM_OUT, "1.2.3.4/32", "0.0.0.0/0", NULL, NULL).sel;
    (void)add(r, &x);
    CHECK(pick(r, &t, 0) == second);
    CHECK(pick(r, &t, 9) == marked);
    t.spi = 1;
    CHECK(pick(r, &t, 0) == first);
    t.spi = 0;
    t.saddr = rig_ip("0.0.0.0"); // any
    CHECK_EQ(pick(r, &t, 0)->conf->x.spi, 3);
    rig_free(r);
}

static void the_dying_and_the_dead(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_tmpl t = rig_policy(XFRM_OUT, "0.0.0.0/0", "0.0.0.0/0", MOON, SUN).tmpl[0];
    struct xfrm_sa x = rig_sa(MOON, SUN, 1);
    struct sa *old = add(r, &x);
    x.spi = 2;
    struct sa *young = add(r, &x);
    CHECK(sa_raise(&young->dying));
    CHECK(!sa_raise(&young->dying));
    CHECK(pick(r, &t, 0) == old);
    CHECK(sa_raise(&old->dying));
    CHECK(pick(r, &t, 0) == young);
    CHECK(sa_raise(&young->dead));
    CHECK(pick(r, &t, 0) == old);
    CHECK(sa_raise(&old->dead));
    CHECK(!pick(r, &t, 0));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_is_spi_destination_protocol_mark),
        cmocka_unit_test(many_sas_are_all_found),
        cmocka_unit_test(a_lane_gives_the_newest_that_fits),
        cmocka_unit_test(the_dying_and_the_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
