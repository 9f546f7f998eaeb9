// What a connection and a child may ask for besides algorithms and networks: childless beginnings,
// an end after silence, and what the executor is told of SAs.
#include <stdio.h>
#include <string.h>

#include "ike/sa/later.h"
#include "test/sim/sim.h"

static void childless_by_preference(void **state)
{
    struct sim *s = sim_new(1);
    (void)state;
    sim_net_net(s, "childless = prefer", "esp_proposals = aes128gcm16-x25519");
    sim_establish(s);
    CHECK_EQ(s->sent, 6);
    CHECK(sim_told(s, BOB, "the peer wants no child SA yet"));
    CHECK(sim_told(s, ALICE, "CURVE_25519/NO_EXT_SEQ")); // with a key exchange of its own
    sim_free(s);
}

static void responder_cannot(void **state)
{
    struct sim_result r;
    (void)state;
    for (int force = 0; force <= 1; force++) {
        struct sim *s = sim_new(2);
        sim_net_net_side(s, BOB, "childless = never", "");
        sim_net_net_side(s, ALICE, force ? "childless = force" : "childless = prefer", "");
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, SECOND);
        CHECK_EQ(r.told, 1);
        if (force) {
            CHECK(r.err != ERR_OK);
            CHECK(strstr(r.sentence, "no IKE SA without a child SA (childless = force)"));
            CHECK_EQ(sim_ikes(s, ALICE), 0);
        } else {
            sim_expect_clean(s);
            CHECK_EQ(s->sent, 4);
        }
        sim_free(s);
    }
}

static void responder_insists(void **state)
{
    struct sim *s = sim_new(3);
    struct sim_result r;
    (void)state;
    sim_net_net_side(s, BOB, "childless = force", "");
    sim_net_net_side(s, ALICE, "", "");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 20 * SECOND);
    CHECK(r.err != ERR_OK);
    CHECK(sim_told(s, BOB, "the peer wants a child SA with IKE_AUTH (childless = force)"));
    sim_expect_nothing(s);
    sim_free(s);
}

// Without a child SA asked for, one comes along where the responder wants it so.
static void never_childless(void **state)
{
    struct sim *s = sim_new(4);
    struct sim_result r;
    (void)state;
    sim_net_net_side(s, BOB, "childless = never", "");
    sim_net_net_side(s, ALICE, "", "");
    sim_initiate(s, ALICE, NULL, &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    sim_expect_clean(s);
    sim_free(s);
}

// policies_fwd_out: what leaves is let through by policies for forwarding, too, and never in the
// place of one that wants protection.
static void forwarded_out(void **state)
{
    struct sim_result r;
    (void)state;
    for (int trap = 0; trap <= 1; trap++) {
        struct sim *s = sim_new(50);
        unsigned passes = 0;
        sim_net_net_side(s, BOB, "", "");
        sim_net_net_side(s, ALICE, "",
                         trap ? "policies_fwd_out = yes\n start_action = trap"
                              : "policies_fwd_out = yes");
        if (trap) CHECK_EQ(s->node[ALICE].xfrm.policies, 4);
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, SECOND);
        CHECK_EQ(s->node[ALICE].xfrm.policies, 4);
        CHECK_EQ(s->node[BOB].xfrm.policies, 3);
        for (unsigned i = 0; i < 4; i++) {
            const struct xfrm_policy *p = &s->node[ALICE].xfrm.policy[i];
            bool out = p->sel.src.ip.b[1] == 1; // 10.1.0.0/16 is ours
            if (p->dir == XFRM_FWD && !out) CHECK_EQ(p->tmpl_count, 1);
            if (p->dir != XFRM_FWD || !out) continue;
            CHECK_EQ(p->tmpl_count, 0);
            CHECK_EQ(p->action, XFRM_ALLOW);
            CHECK(p->priority >
                  sim_xfrm_policy(&s->node[ALICE].xfrm, XFRM_OUT, &p->sel.src.ip, &p->sel.dst.ip)
                      ->priority);
            passes++;
        }
        CHECK_EQ(passes, 1);
        sim_terminate_ike(s, ALICE, &r);
        sim_run(s, 10 * SECOND);
        CHECK_EQ(s->node[ALICE].xfrm.policies, trap ? 4 : 0);
        sim_free(s);
    }
}

#define BOTH_WAYS                                                                                  \
    "connections { net { remote_addrs = 192.0.2.2\n local_addrs = 192.0.2.1\n local { auth = psk " \
    "}"                                                                                            \
    "\n remote { auth = psk }\n children {\n"                                                      \
    "there { local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16\n policies_fwd_out = yes\n"          \
    "start_action = trap }\n"                                                                      \
    "back { local_ts = 10.2.0.0/16\n remote_ts = 10.1.0.0/16\n policies_fwd_out = yes\n"           \
    "start_action = trap }\n } } }\n secrets { ike { secret = \"correct horse\" } }\n"

// Two children with each other's networks want the same selectors forwarded: protected, both.
static void forwarded_both_ways(void **state)
{
    struct sim *s = sim_new(51);
    (void)state;
    sim_configure(s, ALICE, BOTH_WAYS);
    const struct sim_xfrm *x = &s->node[ALICE].xfrm;
    CHECK_EQ(x->policies, 6);
    for (unsigned i = 0; i < x->policies; i++) CHECK_EQ(x->policy[i].tmpl_count, 1);
    sim_free(s);
}

static void silence_ends_it(void **state)
{
    struct sim *s = sim_new(5);
    (void)state;
    sim_net_net_side(s, BOB, "", "");
    sim_net_net_side(s, ALICE, "", "inactivity = 60s\n start_action = trap");
    sim_establish(s);
    for (unsigned i = 0; i < 20; i++) {
        CHECK(sim_packet(s, i % 2 ? ALICE : BOB));
        sim_run(s, 50 * SECOND);
        CHECK_EQ(sim_children(s, ALICE), 1);
    }
    sim_run(s, 30 * SECOND);
    CHECK(sim_told(s, ALICE, "deleting CHILD_SA after 60 seconds of inactivity"));
    CHECK_EQ(sim_children(s, ALICE), 0);
    CHECK_EQ(sim_children(s, BOB), 0);
    CHECK_EQ(sim_ikes(s, ALICE), 1); // stays, and so does the trap
    sim_acquire(s, ALICE, 7);
    sim_run(s, SECOND);
    CHECK_EQ(sim_children(s, ALICE), 1);
    sim_free(s);
}

// Fresh keys are no sign of use.
static void silence_outlasts_rekeying(void **state)
{
    struct sim *s = sim_new(6);
    (void)state;
    sim_net_net_side(s, BOB, "", "rekey_time = 0");
    sim_net_net_side(s, ALICE, "", "inactivity = 300s\n rekey_time = 100s\n rand_time = 0");
    sim_establish(s);
    sim_run(s, 450 * SECOND);
    CHECK_EQ(sim_children(s, ALICE), 0);
    CHECK(sim_told(s, ALICE, "has fresh keys"));
    sim_free(s);
}

static void what_the_executor_is_told(void **state)
{
    struct sim *s = sim_new(7);
    const char *child = "tfc_padding = mtu\n set_mark_out = %same\n mark_out = 7/0xff\n"
                        "copy_dscp = in";
    (void)state;
    sim_net_net_side(s, BOB, "", "tfc_padding = 512\n copy_dscp = yes\n set_mark_out = 3");
    sim_net_net_side(s, ALICE, "", child);
    sim_establish(s);
    const struct xfrm_sa *a = &sim_outbound(s, ALICE)->x, *b = &sim_outbound(s, BOB)->x;
    const struct xfrm_sa *a_in = &sim_xfrm_find(&s->node[ALICE].xfrm, &b->daddr, b->spi)->x;
    CHECK_EQ(a->tfcpad, UINT32_MAX);
    CHECK_EQ(a->output_mark.value, 7);
    CHECK_EQ(a->output_mark.mask, 0xff);
    CHECK_EQ(a->extra_flags, XFRM_SA_DONT_ENCAP_DSCP);
    CHECK(a_in->flags & XFRM_STATE_DECAP_DSCP);
    CHECK_EQ(a_in->tfcpad, 0);
    CHECK_EQ(a_in->output_mark.value, 0);
    CHECK_EQ(b->tfcpad, 512);
    CHECK_EQ(b->output_mark.mask, UINT32_MAX);
    CHECK_EQ(b->extra_flags, 0);
    sim_free(s);
}

// Transport mode cannot take padding off.
static void no_padding_in_transport_mode(void **state)
{
    struct sim *s = sim_new(8);
    struct sim_result r;
    (void)state;
    const char *child = "mode = transport\n local_ts = dynamic\n remote_ts = dynamic\n"
                        "tfc_padding = mtu";
    sim_net_net(s, "", child);
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm), 2);
    for (int i = ALICE; i <= BOB; i++) CHECK(sim_told(s, i, "not using ESPv3 TFC padding"));
    for (unsigned i = 0; i < SIM_SAS; i++) CHECK_EQ(s->node[ALICE].xfrm.sa[i].x.tfcpad, 0);
    sim_free(s);
}

#define ONE_EACH "local_ts = %s\n remote_ts = %s\n mode = %s"

// BEET: tunnel mode's addresses without its header. A peer that does not want it gets a tunnel.
static void beet(void **state)
{
    (void)state;
    for (int both = 0; both <= 1; both++) {
        struct sim *s = sim_new(10);
        char alice[200], bob[200];
        (void)snprintf(alice, sizeof alice, ONE_EACH, "10.1.0.1", "10.2.0.1[tcp/80],10.2.0.1[udp]",
                       "beet");
        (void)snprintf(bob, sizeof bob, ONE_EACH, "10.2.0.1", "10.1.0.1", both ? "beet" : "tunnel");
        sim_net_net_side(s, BOB, "", bob);
        sim_net_net_side(s, ALICE, "", alice);
        struct sim_result r;
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, SECOND);
        CHECK_EQ(r.err, ERR_OK);
        const struct xfrm_sa *x = &sim_outbound(s, ALICE)->x;
        const struct xfrm_policy *p = &s->node[BOB].xfrm.policy[0];
        CHECK_EQ(x->mode, both ? XFRM_BEET : XFRM_TUNNEL);
        CHECK_EQ(p->tmpl[0].mode, x->mode);
        CHECK(ip_eq(&x->daddr, &s->node[BOB].ip)); // outside; within stands in the selector
        CHECK_EQ(x->sel.src.len, both ? 32 : 0);
        CHECK_EQ(x->sel.proto, 0);
        CHECK_EQ(sim_told(s, BOB, "response 1 [ IDr AUTH N(MOBIKE_SUP) SA TSi TSr N(BEET_MODE)"),
                 both);
        sim_rekey_child(s, BOB);
        sim_run(s, 10 * SECOND);
        CHECK_EQ(sim_outbound(s, BOB)->x.mode, both ? XFRM_BEET : XFRM_TUNNEL);
        sim_free(s);
    }
}

static bool has_policy(const struct sim_xfrm *x, enum xfrm_dir dir, const struct xfrm_selector *sel)
{
    for (unsigned i = 0; i < x->policies; i++) {
        if (x->policy[i].dir == dir && xfrm_selector_eq(&x->policy[i].sel, sel)) return true;
    }
    return false;
}

// What one side sends protected, the other takes protected; how many selectors that needs.
static unsigned mirrored(struct sim *s, int from)
{
    const struct sim_xfrm *us = &s->node[from].xfrm;
    const struct sim_xfrm *peer = &s->node[from == ALICE ? BOB : ALICE].xfrm;
    unsigned n = 0;
    for (unsigned i = 0; i < us->policies; i++) {
        if (us->policy[i].dir != XFRM_OUT) continue;
        CHECK(has_policy(peer, XFRM_IN, &us->policy[i].sel));
        n++;
    }
    CHECK_EQ(us->policies, 3 * n); // in, out, fwd
    return n;
}

// Several selectors, port ranges, ICMP types; the responder, who allows less, narrows them.
static void selectors_by_negotiation(void **state)
{
    static const struct {
        const char *alice, *bob; // each side's local_ts; the other's is its remote_ts
        const char *told;
        unsigned n;
    } cases[] = {
        {"10.1.0.0/16", "10.2.0.0/16", "10.1.0.0/16 === 10.2.0.0/16\n", 1},
        {"10.1.0.0/16,10.3.0.0/16", "10.2.0.0/16", "10.1.0.0/16 10.3.0.0/16 === 10.2.0.0/16\n", 2},
        {"10.1.0.1-10.1.0.3", "10.2.0.0/16", "10.1.0.1..10.1.0.3 === ", 2},
        {"10.1.0.0/16", "10.2.0.0/16[tcp/80]", "=== 10.2.0.0/16[tcp/80]\n", 1},
        // 1000-1999 is 1000/8 1008/16 1024/512 1536/256 1792/128 1920/64 1984/16
        {"10.1.0.0/16", "10.2.0.0/16[udp/1000-1999]", "=== 10.2.0.0/16[udp/1000-1999]\n", 7},
        {"10.1.0.0/16", "10.2.0.0/16[icmp/8]", "=== 10.2.0.0/16[icmp/8", 1},
        {"10.1.0.0/16", "10.2.0.0/16[tcp/80],10.2.0.0/16[icmp/8]", "[icmp/8] 10.2.0.0/16[tcp/80",
         2},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim *s = sim_new(20 + i);
        struct sim_result r;
        char bob[300];
        (void)snprintf(bob, sizeof bob, "local_ts = %s\n remote_ts = %s", cases[i].bob,
                       cases[i].alice);
        sim_net_net_side(s, BOB, "", bob);
        // ALICE asks for the world.
        sim_net_net_side(s, ALICE, "", "local_ts = 0.0.0.0/0\n remote_ts = 0.0.0.0/0");
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, SECOND);
        CHECK_EQ(r.err, ERR_OK);
        if (!sim_told(s, ALICE, cases[i].told)) {
            (void)fprintf(stderr, "# %s in\n%s", cases[i].told, text_str(&s->node[ALICE].story));
        }
        CHECK(sim_told(s, ALICE, cases[i].told));
        CHECK_EQ(mirrored(s, ALICE), cases[i].n);
        CHECK_EQ(mirrored(s, BOB), cases[i].n);
        sim_free(s);
    }
}

static unsigned marked(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)n;
    s->fate_arg += m->d.dscp == 46;
    return 1;
}

static void dscp_of_messages(void **state)
{
    struct sim *s = sim_new(9);
    (void)state;
    s->fate = marked;
    sim_net_net_side(s, BOB, "dscp = 000000", "");
    sim_net_net_side(s, ALICE, "dscp = 101110", "");
    sim_establish(s);
    CHECK_EQ(s->fate_arg, 2); // ALICE's half of four
    sim_free(s);
}

// Twenty pauses of two hosts after the same failure: they drift apart, and grow.
static void pauses_differ(void **state)
{
    struct later a = {0}, b = {0};
    uint64_t now[2] = {SECOND, SECOND}, together = 0;
    const char *conn, *child;
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        later_plan(&a, "net", "a", now[0], 0x123456789abcdefU * (i + 1));
        later_plan(&b, "net", "a", now[1], 0xfedcba987654321U * (i + 3));
        together += i && later_due(&a) == later_due(&b);
        CHECK(later_due(&a) - now[0] <= 375 * SECOND);
        now[0] = later_due(&a);
        now[1] = later_due(&b);
        CHECK_OK(later_take(&a, now[0], &conn, &child));
        CHECK_OK(later_take(&b, now[1], &conn, &child));
    }
    CHECK_EQ(together, 0);
    CHECK(now[0] > 1500 * SECOND);
    later_done(&a);
    later_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(childless_by_preference),
        cmocka_unit_test(responder_cannot),
        cmocka_unit_test(responder_insists),
        cmocka_unit_test(never_childless),
        cmocka_unit_test(forwarded_out),
        cmocka_unit_test(forwarded_both_ways),
        cmocka_unit_test(silence_ends_it),
        cmocka_unit_test(silence_outlasts_rekeying),
        cmocka_unit_test(what_the_executor_is_told),
        cmocka_unit_test(no_padding_in_transport_mode),
        cmocka_unit_test(beet),
        cmocka_unit_test(selectors_by_negotiation),
        cmocka_unit_test(dscp_of_messages),
        cmocka_unit_test(pauses_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
