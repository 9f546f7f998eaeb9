// IP-TFS (RFC 9347) by IKE: asked for, declined, demanded with more than anybody here can do, and
// kept through rekeying, in both roles; and what the executors are told.
#include <stdio.h>
#include <string.h>

#include "ike/codec/msg.h"
#include "ike/sa/diplomat.h"
#include "test/sim/sim.h"

#define IPTFS "mode = iptfs"

// ---- looking -----------------------------------------------------------------------------------

static const struct xfrm_sa *outbound(struct sim *s, int node)
{
    const struct sim_sa *o = sim_outbound(s, node);
    assert_non_null(o);
    return &o->x;
}

// The other end of it.
static const struct xfrm_sa *inbound(struct sim *s, int node)
{
    const struct xfrm_sa *peers = outbound(s, node == ALICE ? BOB : ALICE);
    const struct sim_sa *i = sim_xfrm_find(&s->node[node].xfrm, &peers->daddr, peers->spi);
    assert_non_null(i);
    return &i->x;
}

// All SAs and templates of both sides.
static void expect_mode(struct sim *s, enum xfrm_mode mode)
{
    for (int i = ALICE; i <= BOB; i++) {
        const struct sim_xfrm *x = &s->node[i].xfrm;
        CHECK_EQ(outbound(s, i)->mode, mode);
        CHECK_EQ(inbound(s, i)->mode, mode);
        CHECK_EQ(outbound(s, i)->dir, mode == XFRM_IPTFS ? XFRM_SA_OUT : 0);
        CHECK_EQ(inbound(s, i)->dir, mode == XFRM_IPTFS ? XFRM_SA_IN : 0);
        CHECK(x->policies > 0);
        for (unsigned k = 0; k < x->policies; k++) CHECK_EQ(x->policy[k].tmpl[0].mode, mode);
    }
}

static struct sim *pair(uint64_t seed, const char *alice, const char *bob)
{
    struct sim *s = sim_new(seed);
    sim_net_net_side(s, BOB, "", bob);
    sim_net_net_side(s, ALICE, "", alice);
    return s;
}

// ---- agreed on ---------------------------------------------------------------------------------

static void both_want_it(void **state)
{
    struct sim *s = pair(1, IPTFS, IPTFS);
    (void)state;
    sim_establish(s);
    sim_watch(s, true);
    expect_mode(s, XFRM_IPTFS);
    CHECK(sim_told(s, ALICE, "SA TSi TSr N(AGGFRAG) "));
    CHECK(sim_told(s, BOB, "response 1 [ IDr AUTH N(MOBIKE_SUP) SA TSi TSr N(AGGFRAG) ]"));
    const struct xfrm_sa *out = outbound(s, ALICE), *in = inbound(s, ALICE);
    CHECK(out->flags & XFRM_STATE_AF_UNSPEC);
    CHECK_EQ(out->sel.src.len, 0); // as in tunnel mode, it carries what policies send it
    CHECK_EQ(out->tfcpad, 0);
    CHECK_EQ(in->iptfs.drop_time_us, 1000000);
    CHECK_EQ(in->iptfs.reorder_window, 3);
    CHECK_EQ(out->iptfs.max_queue, 1 << 20);
    CHECK_EQ(out->iptfs.init_delay_us, 0);
    CHECK_EQ(out->iptfs.pkt_size, 0);
    CHECK(!out->iptfs.dont_frag);
    sim_free(s);
}

static void rekeying_keeps_it(void **state)
{
    struct sim *s = pair(2, IPTFS, IPTFS);
    (void)state;
    sim_establish(s);
    sim_watch(s, true);
    for (int i = 0; i < 6; i++) {
        uint32_t before = outbound(s, ALICE)->spi;
        if (i % 3 == 2) {
            sim_rekey_ike(s, i & 1 ? ALICE : BOB);
            sim_run(s, 10 * SECOND);
        }
        sim_rekey_child(s, i & 1 ? ALICE : BOB);
        sim_run(s, 10 * SECOND);
        CHECK(outbound(s, ALICE)->spi != before);
        expect_mode(s, XFRM_IPTFS);
        sim_expect_clean(s);
    }
    sim_free(s);
}

static void rekeyings_that_cross(void **state)
{
    struct sim *s = pair(3, IPTFS, IPTFS);
    (void)state;
    sim_establish(s);
    sim_watch(s, true);
    for (int i = 0; i < 4; i++) {
        sim_rekey_child(s, ALICE);
        sim_rekey_child(s, BOB);
        sim_run(s, 60 * SECOND);
        expect_mode(s, XFRM_IPTFS);
        sim_expect_clean(s);
    }
    sim_free(s);
}

static void despite_losses(void **state)
{
    (void)state;
    for (unsigned nth = 0; nth < 4; nth++) {
        for (int twice = 0; twice <= 1; twice++) {
            struct sim *s = pair(4 + nth, IPTFS, IPTFS);
            sim_establish_despite(s, twice ? sim_fate_nth_twice : sim_fate_nth_lost, nth);
            expect_mode(s, XFRM_IPTFS);
            sim_free(s);
        }
    }
}

// By an exchange of its own, with a key exchange.
static void later_than_the_ike_sa(void **state)
{
    struct sim *s = sim_new(9);
    (void)state;
    sim_net_net(s, "childless = force", IPTFS "\n esp_proposals = aes128gcm16-x25519");
    sim_establish(s);
    CHECK(sim_told(s, BOB, "request 2 [ SA No KE TSi TSr N(AGGFRAG) ]"));
    expect_mode(s, XFRM_IPTFS);
    sim_free(s);
}

// What strongswan.conf says, and what the peer cannot take.
static void settings_and_wishes(void **state)
{
    struct sim *s = sim_new(10);
    (void)state;
    s->node[ALICE].opt.iptfs = (struct conf_iptfs){.drop_time_us = 5,
                                                   .reorder_window = 9,
                                                   .init_delay_us = 7,
                                                   .max_queue = 5000,
                                                   .packet_size = 1000,
                                                   .accept_fragments = false};
    s->node[CAROL].opt.iptfs.dont_frag = true; // not of this pair
    sim_net_net(s, "", IPTFS);
    sim_establish(s);
    const struct xfrm_sa *out = outbound(s, ALICE), *in = inbound(s, ALICE);
    CHECK_EQ(in->iptfs.drop_time_us, 5);
    CHECK_EQ(in->iptfs.reorder_window, 9);
    CHECK_EQ(out->iptfs.init_delay_us, 7);
    CHECK_EQ(out->iptfs.max_queue, 5000);
    CHECK_EQ(out->iptfs.pkt_size, 1000);
    CHECK(!out->iptfs.dont_frag); // BOB takes them
    CHECK(outbound(s, BOB)->iptfs.dont_frag);
    sim_rekey_child(s, BOB); // now the one who takes none answers
    sim_run(s, 10 * SECOND);
    CHECK(!outbound(s, ALICE)->iptfs.dont_frag);
    CHECK(outbound(s, BOB)->iptfs.dont_frag);
    sim_free(s);
    s = sim_new(11);
    s->node[BOB].opt.iptfs.dont_frag = true; // of its own will
    sim_net_net(s, "", IPTFS);
    sim_establish(s);
    CHECK(outbound(s, BOB)->iptfs.dont_frag);
    CHECK(!outbound(s, ALICE)->iptfs.dont_frag);
    sim_free(s);
}

// What a kernel takes of an SA that names its direction: no flags and no window of the other one.
static void flags_by_direction(void **state)
{
    struct sim *s = sim_new(12);
    (void)state;
    sim_net_net(s, "",
                IPTFS "\n esp_proposals = aes128gcm16-esn\n replay_window = 0\n"
                      " copy_df = no\n copy_dscp = in\n icmp = yes");
    sim_establish(s);
    const struct xfrm_sa *out = outbound(s, ALICE), *in = inbound(s, ALICE);
    CHECK_EQ(out->flags, XFRM_STATE_AF_UNSPEC | XFRM_STATE_NOPMTUDISC | XFRM_STATE_ESN);
    CHECK_EQ(in->flags,
             XFRM_STATE_AF_UNSPEC | XFRM_STATE_ICMP | XFRM_STATE_DECAP_DSCP | XFRM_STATE_ESN);
    CHECK_EQ(out->extra_flags, XFRM_SA_DONT_ENCAP_DSCP);
    CHECK_EQ(in->extra_flags, 0);
    CHECK_EQ(out->replay.window, 0);
    CHECK_EQ(in->replay.window, 1);
    sim_free(s);
}

// ---- declined ----------------------------------------------------------------------------------

#define DECLINED "net goes in tunnel mode: the peer does not use IP-TFS (RFC 9347)"

static void one_side_only(void **state)
{
    (void)state;
    for (int who = ALICE; who <= BOB; who++) {
        struct sim *s =
            pair(20 + (unsigned)who, who == ALICE ? IPTFS : "", who == BOB ? IPTFS : "ipcomp = no");
        sim_establish(s);
        sim_watch(s, true);
        expect_mode(s, XFRM_TUNNEL);
        CHECK(sim_told(s, who, DECLINED));
        CHECK(!sim_told(s, who == ALICE ? BOB : ALICE, "does not use IP-TFS"));
        CHECK(!sim_told(s, BOB, "response 1 [ IDr AUTH N(MOBIKE_SUP) SA TSi TSr N(AGGFRAG)"));
        for (int by = ALICE; by <= BOB; by++) {
            sim_rekey_child(s, by);
            sim_run(s, 10 * SECOND);
            expect_mode(s, XFRM_TUNNEL);
        }
        sim_expect_clean(s);
        sim_free(s);
    }
}

// Modes that do not go together: the peer gets a tunnel.
static void another_mode(void **state)
{
    static const char *const others[] = {"mode = beet\n local_ts = 10.2.0.1\n remote_ts = 10.1.0.1",
                                         "ipcomp = yes", "tfc_padding = mtu"};
    (void)state;
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
        struct sim *s = sim_new(30 + i);
        struct sim_result r;
        sim_net_net_side(s, BOB, "", others[i]);
        sim_net_net_side(s, ALICE, "", IPTFS);
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, SECOND);
        CHECK_EQ(r.err, ERR_OK);
        const struct sim_xfrm *x = &s->node[ALICE].xfrm;
        for (unsigned k = 0; k < x->policies; k++) CHECK_EQ(x->policy[k].tmpl[0].mode, XFRM_TUNNEL);
        CHECK_EQ(sim_xfrm_sas(x), 2);
        CHECK_EQ(sim_xfrm_comps(x), 0);
        sim_free(s);
    }
}

// A kernel without it: said with the configuration, and the peer is not asked for it.
static void executor_without(void **state)
{
    (void)state;
    for (int who = ALICE; who <= BOB; who++) {
        struct sim *s = sim_new(40 + (unsigned)who);
        s->node[who].opt.executor_has_iptfs = false;
        sim_net_net(s, "", IPTFS "\n start_action = trap");
        CHECK(sim_told(s, who, "net of net: mode = iptfs becomes tunnel mode"));
        CHECK_EQ(s->node[who].xfrm.policy[0].tmpl[0].mode, XFRM_TUNNEL);
        sim_establish(s);
        expect_mode(s, XFRM_TUNNEL);
        CHECK_EQ(sim_told(s, ALICE, "N(AGGFRAG)"), who == BOB);
        CHECK(!sim_told(s, who, DECLINED));
        CHECK(sim_told(s, who == ALICE ? BOB : ALICE, DECLINED));
        sim_rekey_child(s, BOB);
        sim_run(s, 10 * SECOND);
        expect_mode(s, XFRM_TUNNEL);
        sim_free(s);
    }
}

// ---- demanded in a way that cannot be met ------------------------------------------------------

#define NO_DATA 0x100

static unsigned wanted_flags; // of spoil(): what the Notify says instead; NO_DATA: nothing
static int spoiler;           // the node that says so

// The Notify stands last inside SK: what it loses, the padding gets.
static bool put_flags(uint8_t *text, uint32_t len)
{
    static const uint8_t head[] = {0, 9, 0, 0, 0x40, 0x3a};
    for (uint32_t i = 2; i + sizeof head < len; i++) {
        if (memcmp(text + i, head, sizeof head) != 0) continue;
        if (wanted_flags != NO_DATA) {
            text[i + sizeof head] = (uint8_t)wanted_flags;
            return true;
        }
        text[i + 1]--;
        text[len - 1]++;
        return true;
    }
    return false;
}

static unsigned spoil(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)n;
    if (m->from != spoiler || m->bytes[18] != X_CHILD) return 1;
    struct sealer *keys = ike_sa_seal(s->node[spoiler].ike->last);
    uint32_t head = IKE_HEADER_LEN + 4, iv = sealer_iv_len(keys);
    uint32_t len = (uint32_t)m->d.bytes.len - head - iv - sealer_icv_len(keys);
    struct seal_job job = {.head = m->bytes, .head_len = head, .text_len = len};
    sealer_open(keys, &job, 1);
    CHECK(!job.bad);
    (void)put_flags(m->bytes + head + iv, len);
    sealer_seal(keys, &job, 1);
    CHECK(!job.bad);
    return 1;
}

static const struct {
    unsigned flags;
    const char *told;
} demands[] = {
    {2, "not using IP-TFS mode, peer sent unsupported flags (0x02) in USE_AGGFRAG notify"},
    {3, "not using IP-TFS mode, peer sent unsupported flags (0x03) in USE_AGGFRAG notify"},
    {0x80, "not using IP-TFS mode, peer sent unsupported flags (0x80) in USE_AGGFRAG notify"},
    {NO_DATA, "not using IP-TFS mode, peer sent 0 bytes in USE_AGGFRAG notify"},
};
#define DEMANDS (sizeof demands / sizeof *demands)

// An initiator who demands that gets a tunnel.
static void demands_of_the_initiator(void **state)
{
    (void)state;
    for (unsigned i = 0; i < DEMANDS; i++) {
        struct sim *s = pair(50 + i, IPTFS, IPTFS);
        sim_establish(s);
        wanted_flags = demands[i].flags;
        spoiler = ALICE;
        s->fate = spoil;
        sim_rekey_child(s, ALICE);
        sim_run(s, 10 * SECOND);
        CHECK(sim_told(s, BOB, demands[i].told));
        expect_mode(s, XFRM_TUNNEL);
        sim_expect_clean(s);
        sim_free(s);
    }
}

// A responder who demands it has an SA that we cannot serve: it has to go there.
static void demands_of_the_responder(void **state)
{
    (void)state;
    for (unsigned i = 0; i < DEMANDS; i++) {
        struct sim *s = sim_new(60 + i);
        struct sim_result r;
        sim_net_net(s, "childless = force", IPTFS);
        wanted_flags = demands[i].flags;
        spoiler = BOB;
        s->fate = spoil;
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, 60 * SECOND);
        CHECK_EQ(r.told, 1);
        CHECK(r.err != ERR_OK);
        CHECK(sim_told(s, ALICE, demands[i].told));
        for (int k = ALICE; k <= BOB; k++) {
            CHECK_EQ(sim_ikes(s, k), 1);
            CHECK_EQ(sim_children(s, k), 0);
            CHECK_EQ(sim_xfrm_sas(&s->node[k].xfrm), 0);
        }
        sim_free(s);
    }
}

// The one flag that is understood, put there by the test: what spoil() does, works.
static void whole_packets_wanted(void **state)
{
    struct sim *s = pair(70, IPTFS, IPTFS);
    (void)state;
    sim_establish(s);
    CHECK(!outbound(s, BOB)->iptfs.dont_frag);
    wanted_flags = 1;
    spoiler = ALICE;
    s->fate = spoil;
    sim_rekey_child(s, ALICE);
    sim_run(s, 10 * SECOND);
    expect_mode(s, XFRM_IPTFS);
    CHECK(outbound(s, BOB)->iptfs.dont_frag);
    CHECK(!outbound(s, ALICE)->iptfs.dont_frag);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_want_it),
        cmocka_unit_test(rekeying_keeps_it),
        cmocka_unit_test(rekeyings_that_cross),
        cmocka_unit_test(despite_losses),
        cmocka_unit_test(later_than_the_ike_sa),
        cmocka_unit_test(settings_and_wishes),
        cmocka_unit_test(flags_by_direction),
        cmocka_unit_test(one_side_only),
        cmocka_unit_test(another_mode),
        cmocka_unit_test(executor_without),
        cmocka_unit_test(demands_of_the_initiator),
        cmocka_unit_test(demands_of_the_responder),
        cmocka_unit_test(whole_packets_wanted),
    };
    return cmocka_run_group_tests_name("sim/iptfs", tests, NULL, NULL);
}
