// Marks: of policies, of what SAs send and open, and what the host keeps ready for them.
#include <string.h>

#include "test/unit/xfrm/rig.h"
#include "xfrm/db/db.h"

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"
#define ALICE "10.1.0.10"
#define BOB "10.2.0.10"

static struct why why;

// ---- packets ----

static struct pkt *taken(struct rig *r, const uint8_t *at, uint32_t len, uint32_t mark)
{
    struct pkt *p = pool_take(r->w.pool);
    CHECK(p != NULL);
    memcpy(p->at, at, len);
    p->len = len;
    p->mark = mark;
    return p;
}

static void send_marked(struct rig *r, uint32_t mark)
{
    uint8_t buf[256];
    uint32_t len = rig_udp(buf, ALICE, BOB, 1, 2, 8);
    struct burst b = {.n = 1, .p = {taken(r, buf, len, mark)}};
    path_out(&r->w, &b);
}

static struct xfrm_mark whole(uint32_t value)
{
    return (struct xfrm_mark){value, UINT32_MAX};
}

// Outbound at moon, inbound at sun: the same selectors for each mark, with SAs of their own.
static void tunnel(struct rig *r, enum xfrm_dir dir, uint32_t mark, const struct xfrm_mark *output)
{
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100 + mark);
    struct xfrm_policy p = rig_policy(dir, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    x.reqid = mark;
    if (dir == XFRM_OUT) x.mark = whole(mark);
    if (output) x.output_mark = *output;
    p.mark = whole(mark);
    p.tmpl[0].reqid = mark;
    rig_add_sa(r, &x);
    rig_add_policy(r, &p);
}

static void a_policy_is_for_packets_with_its_mark(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    tunnel(r, XFRM_OUT, 10, NULL);
    tunnel(r, XFRM_OUT, 20, NULL);
    static const uint32_t marks[] = {20, 10, 10, 20};
    for (unsigned i = 0; i < 4; i++) {
        send_marked(r, marks[i]);
        CHECK_EQ(r->sent.n, i + 1);
        CHECK_EQ(r->sent.f[i].at[3], marks[i]); // of the SPI
        // The kernel's packet keeps the inner one's mark; ours would be led back by it.
        CHECK_EQ(r->sent.f[i].mark, 0);
    }
    send_marked(r, 0);
    send_marked(r, 30);
    CHECK_EQ(r->sent.n, 4);
    CHECK_EQ(r->bypassed.n, 2);
    rig_free(r);
}

static void an_output_mark_takes_the_place_of_its_bits(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    tunnel(r, XFRM_OUT, 0x12, &(struct xfrm_mark){0x40, 0xf0});
    send_marked(r, 0x12);
    CHECK_EQ(r->sent.n, 1);
    CHECK_EQ(r->sent.f[0].mark, 0x42);
    rig_free(r);
}

static struct frame sealed(uint32_t mark)
{
    static uint8_t bytes[512];
    struct rig *moon = rig_new();
    tunnel(moon, XFRM_OUT, mark, NULL);
    send_marked(moon, mark);
    CHECK_EQ(moon->sent.n, 1);
    struct frame f = moon->sent.f[0];
    CHECK(f.len <= sizeof bytes);
    memcpy(bytes, f.at, f.len);
    f.at = bytes;
    rig_free(moon);
    return f;
}

static void what_an_sa_opens_gets_its_mark(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    const struct xfrm_mark ten = whole(10);
    tunnel(r, XFRM_IN, 10, &ten);
    struct frame f = sealed(10);
    rig_in(r, &f);
    CHECK_EQ(r->delivered.n, 1);
    CHECK_EQ(r->delivered.f[0].mark, 10);
    rig_free(r);
}

// The host's rules mark the packet behind us. It must have come by the SA that the policy's
// template asks for, whatever other policies there are for packets like it.
static void an_inbound_policy_takes_what_its_own_sa_has_brought(void **state)
{
    (void)state;
    for (unsigned with_plain = 0; with_plain < 2; with_plain++) {
        struct rig *r = rig_new();
        tunnel(r, XFRM_IN, 10, NULL);
        tunnel(r, XFRM_IN, 20, NULL);
        struct xfrm_policy plain = rig_policy(XFRM_IN, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
        plain.tmpl[0].reqid = 77;
        if (with_plain) rig_add_policy(r, &plain); // as old as can be behind the others
        for (uint32_t mark = 10; mark <= 20; mark += 10) {
            struct frame f = sealed(mark);
            rig_in(r, &f);
            CHECK_EQ(r->delivered.n, mark / 10);
            CHECK_EQ(r->delivered.f[r->delivered.n - 1].mark, 0);
        }
        rig_free(r);
    }
}

// Two SAs, one flow, one burst: the second packet must not profit from the first.
static void neighbours_of_two_sas_are_judged_apart(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    tunnel(r, XFRM_IN, 10, NULL);
    tunnel(r, XFRM_IN, 20, NULL);
    struct xfrm_policy_id id = {
        .dir = XFRM_IN,
        .sel = rig_policy(XFRM_IN, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN).sel,
        .mark = whole(20)};
    CHECK_OK(r->api.ops->policy_del(r->api.ctx, &id));
    struct burst b = {.n = 0};
    for (uint32_t mark = 10; mark <= 20; mark += 10) {
        struct frame f = sealed(mark);
        struct pkt *p = taken(r, f.at, f.len, 0);
        p->from = f.from;
        p->to = f.to;
        b.p[b.n++] = p;
    }
    path_in(&r->w, &b);
    CHECK_EQ(r->delivered.n, 1);
    CHECK_EQ(rig_drops(r, DROP_TEMPLATE) + rig_drops(r, DROP_NO_POLICY_IN), 1);
    rig_free(r);
}

static void a_mark_opens_no_way_past_a_block(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    tunnel(r, XFRM_IN, 10, NULL);
    struct xfrm_policy block = rig_policy(XFRM_IN, "10.1.0.0/16", "10.2.0.0/16", NULL, NULL);
    block.action = XFRM_BLOCK;
    block.priority = 0;
    struct xfrm_policy other = rig_policy(XFRM_IN, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    other.mark = whole(10);
    other.tmpl[0].reqid = 10;
    other.priority = 100;
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &other, true, &why));
    rig_add_policy(r, &block);
    struct frame f = sealed(10);
    rig_in(r, &f);
    CHECK_EQ(r->delivered.n, 0);
    CHECK_EQ(rig_drops(r, DROP_POLICY_IN), 1);
    rig_free(r);
}

static void there_is_an_end_of_inbound_marks(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_IN, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    for (uint32_t mark = 1; mark <= DB_MARKS_MAX; mark++) {
        p.mark = whole(mark);
        CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, false, &why));
    }
    p.mark = whole(100);
    CHECK_EQ(r->api.ops->policy_add(r->api.ctx, &p, false, &why), ERR_LIMIT);
    p.mark = whole(7);
    p.sel.proto = 17; // one more with a mark that is there
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, false, &why));
    CHECK_OK(r->api.ops->policy_flush(r->api.ctx, 0));
    uint32_t any;
    CHECK(!db_mark_at(r->db, 0, &any));
    rig_free(r);
}

// Two SAs between the same addresses, told apart by marks: what has none belongs to no flow that is
// known, and does not go in clear; what nobody asks to be protected does.
static void what_belongs_to_no_flow_does_not_leave(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_OUT, ALICE "/32", BOB "/32", MOON, SUN);
    struct xfrm_policy hole = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", NULL, NULL);
    uint8_t packet[100];
    uint32_t len = rig_udp(packet, ALICE, BOB, 1, 2, 8);
    p.flags = XFRM_POLICY_FLOWS;
    p.priority = 10;
    for (p.mark = whole(1); p.mark.value <= 2; p.mark.value++) rig_add_policy(r, &p);
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 0);
    CHECK_EQ(rig_drops(r, DROP_NO_FLOW), 1);
    hole.priority = 20;
    rig_add_policy(r, &hole); // comes behind
    rig_out(r, packet, len);
    CHECK_EQ(rig_drops(r, DROP_NO_FLOW), 2);
    packet[19] = 11; // another host
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 1);
    packet[19] = 10;
    hole.priority = 5;
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &hole, true, NULL));
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 2);
    CHECK_OK(r->api.ops->policy_flush(r->api.ctx, 0));
    rig_out(r, packet, len);
    CHECK_EQ(r->bypassed.n, 3);
    rig_free(r);
}

// ---- what the host is asked for ----

struct asked {
    int lead[64], give[64]; // by mark
    bool full;
};

static err_t on_lead(void *ctx, const struct xfrm_policy *p, struct why *oops)
{
    struct asked *a = ctx;
    if (a->full) return why_not(oops, ERR_LIMIT, "no more marks");
    a->lead[p->mark.value]++;
    return ERR_OK;
}

static err_t on_give(void *ctx, const struct xfrm_sa *x, uint32_t mark, struct why *oops)
{
    struct asked *a = ctx;
    if (x->dir == 2) return ERR_NOTFOUND;
    if (a->full) return why_not(oops, ERR_LIMIT, "no more marks");
    a->give[mark]++;
    return ERR_OK;
}

static void on_unlead(void *ctx, const struct xfrm_policy *p)
{
    struct asked *a = ctx;
    CHECK(a->lead[p->mark.value]-- > 0);
}

static void on_ungive(void *ctx, uint32_t mark)
{
    struct asked *a = ctx;
    CHECK(a->give[mark]-- > 0);
}

static struct rig *rig_asking(struct asked *a)
{
    struct rig *r = rig_new();
    *a = (struct asked){0};
    const struct control_marks marks = {on_lead, on_give, on_unlead, on_ungive, a};
    control_on_marks(r->control, &marks);
    return r;
}

static void a_way_is_there_as_long_as_a_policy_needs_it(void **state)
{
    (void)state;
    struct asked a;
    struct rig *r = rig_asking(&a);
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    const struct xfrm_policy_id id = {.dir = XFRM_OUT, .sel = p.sel, .mark = whole(5)};
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, false, &why)); // no mark: nothing to ask for
    p.mark = whole(5);
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, false, &why));
    CHECK_EQ(a.lead[5], 1);
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, true, &why)); // renewed
    CHECK_EQ(a.lead[5], 1);
    CHECK_EQ(r->api.ops->policy_add(r->api.ctx, &p, false, &why), ERR_EXISTS);
    CHECK_EQ(a.lead[5], 1);
    a.full = true;
    p.mark = whole(6);
    CHECK_EQ(r->api.ops->policy_add(r->api.ctx, &p, false, &why), ERR_LIMIT);
    CHECK_EQ(spd_count(r->db->spd, XFRM_OUT), 2);
    CHECK_OK(r->api.ops->policy_del(r->api.ctx, &id));
    CHECK_EQ(a.lead[5], 0);
    p.dir = XFRM_IN; // the host is not asked
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, false, &why));
    rig_free(r);
}

static void and_as_long_as_an_sa_sets_it(void **state)
{
    (void)state;
    struct asked a;
    struct rig *r = rig_asking(&a);
    struct xfrm_sa x = rig_sa(SUN, MOON, 0x100), out = rig_sa(MOON, SUN, 0x101);
    x.output_mark = out.output_mark = whole(5);
    out.dir = 2;
    CHECK_OK(r->api.ops->sa_add(r->api.ctx, &out, &why));
    CHECK_EQ(a.give[5], 0);
    CHECK_OK(r->api.ops->sa_add(r->api.ctx, &x, &why));
    CHECK_EQ(a.give[5], 1);
    struct xfrm_sa y = x;
    y.output_mark = (struct xfrm_mark){0}; // an update that does not speak of it
    CHECK_OK(r->api.ops->sa_update(r->api.ctx, &y, &why));
    CHECK_EQ(a.give[5], 1);
    y.output_mark = whole(6);
    CHECK_OK(r->api.ops->sa_update(r->api.ctx, &y, &why));
    CHECK(a.give[5] == 0 && a.give[6] == 1);
    a.full = true;
    y.output_mark = whole(7);
    CHECK_EQ(r->api.ops->sa_update(r->api.ctx, &y, &why), ERR_LIMIT);
    x.spi++;
    CHECK_EQ(r->api.ops->sa_add(r->api.ctx, &x, &why), ERR_LIMIT);
    CHECK(a.give[6] == 1 && a.give[7] == 0);
    CHECK_OK(r->api.ops->sa_flush(r->api.ctx, XFRM_PROTO_ANY));
    CHECK_EQ(a.give[6], 0);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_is_for_packets_with_its_mark),
        cmocka_unit_test(an_output_mark_takes_the_place_of_its_bits),
        cmocka_unit_test(what_an_sa_opens_gets_its_mark),
        cmocka_unit_test(an_inbound_policy_takes_what_its_own_sa_has_brought),
        cmocka_unit_test(neighbours_of_two_sas_are_judged_apart),
        cmocka_unit_test(a_mark_opens_no_way_past_a_block),
        cmocka_unit_test(there_is_an_end_of_inbound_marks),
        cmocka_unit_test(what_belongs_to_no_flow_does_not_leave),
        cmocka_unit_test(a_way_is_there_as_long_as_a_policy_needs_it),
        cmocka_unit_test(and_as_long_as_an_sa_sets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
