// SAs that change under way: replay state taken over, addresses moved; and the default policy.
#include "test/unit/xfrm/rig.h"

#include <string.h>

#include "base/clock.h"

#define MOON "203.0.113.1"
#define SUN "203.0.113.2"
#define ROAD "198.51.100.77"

static struct why why;

static struct xfrm_sa sa_at(struct rig *r, const char *daddr, uint32_t spi, err_t want)
{
    struct xfrm_sa got = {0};
    struct xfrm_sa_id id = {.daddr = rig_ip(daddr), .spi = spi, .proto = XFRM_PROTO_ESP};
    CHECK_EQ(r->api.ops->sa_get(r->api.ctx, &id, &got), want);
    return got;
}

static struct xfrm_ae ae_of(const struct xfrm_sa *x)
{
    return (struct xfrm_ae){.id = sad_id(x)};
}

static err_t set_ae(struct rig *r, const struct xfrm_ae *ae)
{
    return r->api.ops->sa_set_ae(r->api.ctx, ae, &why);
}

// ---- replay state ----

static void replay_state_is_taken_over(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100);
    x.replay = (struct xfrm_replay){.window = 32};
    rig_add_sa(r, &x);
    struct xfrm_ae ae = ae_of(&x);
    ae.replay_given = ae.packets_given = true;
    ae.replay = (struct xfrm_replay){.out_seq = 500, .in_seq = 77, .bitmap = {5}};
    ae.ae_packets = 9;
    CHECK_OK(set_ae(r, &ae));
    struct xfrm_sa got = sa_at(r, SUN, 0x100, ERR_OK);
    CHECK(got.replay.out_seq == 500 && got.replay.in_seq == 77 && got.replay.bitmap[0] == 5);
    CHECK_EQ(got.ae_packets, 9);
    CHECK_EQ(got.replay.window, 32);
    CHECK_EQ(r->event[r->events - 1].kind, XFRM_EV_AE);
    CHECK_EQ(sad_count(r->db->sad), 1);

    ae = ae_of(&x); // lifetimes alone leave the numbers alone
    ae.current_given = true;
    ae.current = (struct xfrm_current){.bytes = 1000, .packets = 10, .add_time = 5, .use_time = 6};
    CHECK_OK(set_ae(r, &ae));
    got = sa_at(r, SUN, 0x100, ERR_OK);
    CHECK(got.current.bytes == 1000 && got.current.add_time == 5 && got.current.use_time == 6);
    CHECK_EQ(got.replay.out_seq, 500);
    rig_free(r);
}

static void replay_state_must_fit(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100);
    x.flags |= XFRM_STATE_ESN;
    x.replay = (struct xfrm_replay){.esn_given = true, .window = 128, .words = 4};
    rig_add_sa(r, &x);
    struct xfrm_ae ae = ae_of(&x);
    ae.esn_given = true;
    ae.esn = (struct xfrm_replay){.esn_given = true, .window = 64, .words = 2, .in_seq = 7};
    CHECK_EQ(set_ae(r, &ae), ERR_SYNTAX);
    ae.esn = x.replay;
    ae.esn.in_seq = 1ULL << 33;
    ae.esn_broken = true;
    CHECK_EQ(set_ae(r, &ae), ERR_SYNTAX);
    ae.esn_broken = false;
    CHECK_OK(set_ae(r, &ae));
    CHECK_EQ(sa_at(r, SUN, 0x100, ERR_OK).replay.in_seq, 1ULL << 33);
    ae.id.spi = 0x101;
    CHECK_EQ(set_ae(r, &ae), ERR_NOTFOUND);
    struct xfrm_sa larval = rig_sa(MOON, SUN, 0);
    CHECK_OK(r->api.ops->sa_alloc_spi(r->api.ctx, &larval, 0x200, 0x200, &larval, &why));
    ae.id.spi = 0x200;
    CHECK_EQ(set_ae(r, &ae), ERR_SYNTAX);
    rig_free(r);
}

static bool heard_of(void *ctx, enum xfrm_event_kind kind)
{
    return *(const bool *)ctx && kind == XFRM_EV_AE;
}

// A worker would have done it.
static void sent(struct rig *r, uint32_t spi, unsigned packets)
{
    struct xfrm_sa_id id = {.daddr = rig_ip(SUN), .spi = spi, .proto = XFRM_PROTO_ESP};
    struct sa *sa = sad_get(r->db->sad, &id);
    CHECK(sa != NULL);
    sa->next_seq += packets;
}

static unsigned told(struct rig *r, uint64_t ms, uint32_t *cause)
{
    unsigned before = r->events;
    r->mono += ms * NSEC_PER_MSEC;
    (void)control_tick(r->control);
    *cause = r->events > before ? r->event[r->events - 1].cause : 0;
    return r->events - before;
}

static void replay_state_is_told(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    bool listening = false;
    uint32_t cause;
    struct xfrm_sa x = rig_sa(MOON, SUN, 0x100);
    x.ae_packets = 5;
    x.ae_timer = 10;
    rig_add_sa(r, &x);
    control_on_listened(r->control, heard_of, &listening);
    sent(r, 0x100, 50);
    CHECK_EQ(told(r, 5000, &cause), 0); // nobody listens
    listening = true;
    CHECK_EQ(told(r, 1, &cause), 1);
    CHECK_EQ(cause, XFRM_AE_BY_PACKETS);
    CHECK_EQ(control_due(r->control), r->mono + CONTROL_AE_MS * NSEC_PER_MSEC);
    sent(r, 0x100, 4);
    CHECK_EQ(told(r, 900, &cause), 0);
    CHECK_EQ(told(r, 100, &cause), 1);
    CHECK_EQ(cause, XFRM_AE_BY_TIMER);
    CHECK_EQ(told(r, 5000, &cause), 0); // nothing has changed
    rig_free(r);
}

// ---- moves ----

static struct xfrm_migrate moves(void)
{
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    struct xfrm_move there = {.old_saddr = rig_ip(MOON),
                              .old_daddr = rig_ip(SUN),
                              .new_saddr = rig_ip(ROAD),
                              .new_daddr = rig_ip(SUN),
                              .proto = XFRM_PROTO_ESP,
                              .mode = XFRM_TUNNEL};
    struct xfrm_move back = there;
    back.old_saddr = there.old_daddr;
    back.old_daddr = there.old_saddr;
    back.new_saddr = there.new_daddr;
    back.new_daddr = there.new_saddr;
    return (struct xfrm_migrate){.sel = p.sel, .dir = XFRM_OUT, .count = 2, .move = {there, back}};
}

static err_t migrate(struct rig *r, const struct xfrm_migrate *m)
{
    return r->api.ops->migrate(r->api.ctx, m, &why);
}

static void a_policy_and_its_sas_move(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa out = rig_sa(MOON, SUN, 0x100), in = rig_sa(SUN, MOON, 0x200), got;
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN), now;
    rig_add_sa(r, &out);
    rig_add_sa(r, &in);
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, false, NULL));
    sent(r, 0x100, 41);
    struct xfrm_migrate m = moves();
    m.encap_given = true;
    m.encap = (struct xfrm_encap){.type = 2, .sport = 4500, .dport = 4501};
    CHECK_OK(migrate(r, &m));
    CHECK_EQ(r->event[r->events - 1].kind, XFRM_EV_MIGRATE);

    got = sa_at(r, SUN, 0x100, ERR_OK);
    CHECK(ip_eq(&got.saddr, &m.move[0].new_saddr));
    CHECK_EQ(got.replay.out_seq, 41); // no number twice
    CHECK_EQ(got.encap.dport, 4501);
    CHECK_EQ(sa_at(r, ROAD, 0x200, ERR_OK).spi, 0x200);
    (void)sa_at(r, MOON, 0x200, ERR_NOTFOUND);
    CHECK_EQ(sad_count(r->db->sad), 2);
    struct xfrm_policy_id id = {.dir = XFRM_OUT, .sel = p.sel};
    CHECK_OK(r->api.ops->policy_get(r->api.ctx, &id, &now));
    CHECK(ip_eq(&now.tmpl[0].saddr, &m.move[0].new_saddr));
    CHECK_EQ(spd_count(r->db->spd, XFRM_OUT), 1);
    rig_free(r);
}

static void moves_that_cannot_be(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_sa out = rig_sa(MOON, SUN, 0x100), in = rig_sa(SUN, MOON, 0x200);
    struct xfrm_sa taken = rig_sa(SUN, ROAD, 0x200);
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.2.0.0/16", MOON, SUN);
    struct xfrm_migrate m = moves();
    CHECK_EQ(migrate(r, &m), ERR_NOTFOUND);
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, false, NULL));
    rig_add_sa(r, &out);
    rig_add_sa(r, &in);
    rig_add_sa(r, &taken);
    CHECK_EQ(migrate(r, &m), ERR_NOCHOICE); // all or nothing
    struct xfrm_sa got = sa_at(r, SUN, 0x100, ERR_OK);
    CHECK(ip_eq(&got.saddr, &m.move[0].old_saddr));
    m.count = 0;
    CHECK_EQ(migrate(r, &m), ERR_RANGE);
    m = moves();
    m.count = 1;
    m.move[0].reqid = 99; // no template
    CHECK_EQ(migrate(r, &m), ERR_NOCHOICE);
    rig_free(r);
}

// ---- what no policy matches ----

static void out_one(struct rig *r, const char *src, const char *dst)
{
    uint8_t buf[200];
    rig_out(r, buf, rig_udp(buf, src, dst, 1, 2, 100));
}

static void the_default_policy(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint8_t now[XFRM_DIRS];
    const uint8_t block[XFRM_DIRS] = {
        [XFRM_OUT] = XFRM_DEFAULT_BLOCK, [XFRM_IN] = XFRM_DEFAULT_KEEP, [XFRM_FWD] = 77};
    out_one(r, "10.1.0.10", "10.9.0.20");
    CHECK_EQ(r->bypassed.n, 1);
    CHECK_OK(r->api.ops->defaults_set(r->api.ctx, block));
    CHECK_EQ(r->event[r->events - 1].kind, XFRM_EV_DEFAULT);
    CHECK_OK(r->api.ops->defaults_get(r->api.ctx, now));
    CHECK_EQ(now[XFRM_OUT], XFRM_DEFAULT_BLOCK);
    CHECK_EQ(now[XFRM_IN], XFRM_DEFAULT_ACCEPT);
    CHECK_EQ(now[XFRM_FWD], XFRM_DEFAULT_ACCEPT);
    out_one(r, "10.1.0.10", "10.9.0.20");
    CHECK_EQ(r->bypassed.n, 1);
    CHECK_EQ(rig_drops(r, DROP_NO_POLICY_OUT), 1);
    rig_free(r);
}

// ---- two types of policies ----

static void a_policy_of_type_sub_goes_first(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct xfrm_policy p = rig_policy(XFRM_OUT, "10.1.0.0/16", "10.9.0.0/16", NULL, NULL);
    p.priority = 1; // bypass
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, false, NULL));
    p.type = XFRM_TYPE_SUB;
    p.action = XFRM_BLOCK;
    p.priority = 1000;
    p.sel.src.len = 8; // in another tuple
    CHECK_OK(r->api.ops->policy_add(r->api.ctx, &p, false, NULL));
    out_one(r, "10.1.0.10", "10.9.0.20");
    CHECK_EQ(r->bypassed.n, 0);
    CHECK_EQ(rig_drops(r, DROP_POLICY_OUT), 1);
    CHECK_OK(r->api.ops->policy_flush(r->api.ctx, XFRM_TYPE_SUB));
    out_one(r, "10.1.0.10", "10.9.0.20");
    CHECK_EQ(r->bypassed.n, 1);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replay_state_is_taken_over),
        cmocka_unit_test(replay_state_must_fit),
        cmocka_unit_test(replay_state_is_told),
        cmocka_unit_test(a_policy_and_its_sas_move),
        cmocka_unit_test(moves_that_cannot_be),
        cmocka_unit_test(the_default_policy),
        cmocka_unit_test(a_policy_of_type_sub_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
