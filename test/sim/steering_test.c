// Marks, interface ids and devices: what is chosen (%unique), how long it stays the same, and what
// the executor is told of all of it.
#include <stdio.h>
#include <string.h>

#include "test/sim/sim.h"

#define DEVICE 7 // of every host here: "eth0"

static unsigned env_device(void *ctx, const char *name)
{
    (void)ctx;
    return strcmp(name, "eth0") == 0 ? DEVICE : 0;
}

static struct sim *world(uint64_t seed)
{
    struct sim *s = sim_new(seed);
    for (int i = ALICE; i <= BOB; i++) {
        s->node[i].env.device = env_device;
        s->node[i].opt.executor_is_kernel = true;
    }
    return s;
}

static const struct xfrm_policy *policy_of(const struct sim *s, int node, enum xfrm_dir dir)
{
    const struct sim_xfrm *x = &s->node[node].xfrm;
    for (unsigned i = 0; i < x->policies; i++) {
        if (x->policy[i].dir == dir) return &x->policy[i];
    }
    fail_msg("no such policy");
    return NULL;
}

static const struct xfrm_sa *sa_of(const struct sim *s, int node, bool out)
{
    const struct sim_node *n = &s->node[node];
    const struct xfrm_sa *found = NULL;
    for (unsigned i = 0; i < n->xfrm.top; i++) {
        const struct xfrm_sa *x = &n->xfrm.sa[i].x;
        bool ours = n->xfrm.sa[i].used && !x->larval && ip_eq(out ? &x->saddr : &x->daddr, &n->ip);
        if (ours) found = x;
    }
    assert_non_null(found);
    return found;
}

static void expect_marks(const struct sim *s, uint32_t in, uint32_t out)
{
    CHECK_EQ(policy_of(s, ALICE, XFRM_IN)->mark.value, in);
    CHECK_EQ(policy_of(s, ALICE, XFRM_FWD)->mark.value, in);
    CHECK_EQ(policy_of(s, ALICE, XFRM_OUT)->mark.value, out);
    CHECK_EQ(sa_of(s, ALICE, true)->mark.value, out);
}

static void initiate(struct sim *s)
{
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
}

static void terminate(struct sim *s)
{
    struct sim_result r;
    sim_terminate_ike(s, ALICE, &r);
    sim_run(s, 10 * SECOND);
    CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm), 0);
}

// One number for both directions; rekeying keeps it; the next child SA has the next.
static void a_mark_for_each_sa(void **state)
{
    struct sim *s = world(1);
    (void)state;
    sim_net_net_side(s, BOB, "", "");
    sim_net_net_side(s, ALICE, "", "mark_in = %unique\n mark_out = %unique/0xff");
    initiate(s);
    expect_marks(s, 1, 1);
    CHECK_EQ(policy_of(s, ALICE, XFRM_OUT)->mark.mask, 0xff);
    CHECK_EQ(policy_of(s, ALICE, XFRM_IN)->mark.mask, UINT32_MAX);
    CHECK_EQ(sa_of(s, ALICE, false)->mark.value, 0); // not without mark_in_sa
    CHECK_EQ(policy_of(s, BOB, XFRM_OUT)->mark.mask, 0);
    for (int by = ALICE; by <= BOB; by++) {
        sim_rekey_child(s, by);
        sim_run(s, 20 * SECOND);
        expect_marks(s, 1, 1);
        sim_rekey_ike(s, by);
        sim_run(s, 20 * SECOND);
        expect_marks(s, 1, 1);
    }
    CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm), 2);
    terminate(s);
    initiate(s);
    expect_marks(s, 2, 2);
    sim_free(s);
}

static void a_mark_for_each_direction(void **state)
{
    struct sim *s = world(2);
    (void)state;
    sim_net_net_side(s, BOB, "", "");
    sim_net_net_side(s, ALICE, "", "mark_in = %unique-dir\n mark_out = %unique-dir");
    initiate(s);
    expect_marks(s, 1, 2);
    terminate(s);
    initiate(s);
    expect_marks(s, 3, 4);
    sim_free(s);
}

// What the connection lets choose belongs to the IKE SA and to all of its children; a child's own
// wish goes before it.
static void an_interface_for_each_ike_sa(void **state)
{
    struct sim *s = world(3);
    struct sim_result r;
    (void)state;
    const char *conn = "if_id_in = %unique-dir\n if_id_out = %unique-dir\n"
                       "children { other { local_ts = 10.3.0.0/16\n remote_ts = 10.4.0.0/16 }\n"
                       "own { local_ts = 10.5.0.0/16\n remote_ts = 10.6.0.0/16\n"
                       "if_id_in = %unique\n if_id_out = 42 } }";
    sim_net_net_side(s, BOB, "", "local_ts = 0.0.0.0/0\n remote_ts = 0.0.0.0/0");
    sim_net_net_side(s, ALICE, conn, "");
    initiate(s);
    const struct xfrm_sa *in = sa_of(s, ALICE, false), *out = sa_of(s, ALICE, true);
    CHECK_EQ(in->if_id, 1);
    CHECK_EQ(out->if_id, 2);
    sim_rekey_ike(s, BOB);
    sim_run(s, 20 * SECOND);
    sim_initiate(s, ALICE, "other", &r);
    sim_run(s, SECOND);
    CHECK_EQ(sa_of(s, ALICE, false)->if_id, 1);
    CHECK_EQ(sa_of(s, ALICE, true)->if_id, 2);
    sim_initiate(s, ALICE, "own", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(sa_of(s, ALICE, false)->if_id, 3);
    CHECK_EQ(sa_of(s, ALICE, true)->if_id, 42);
    for (unsigned i = 0; i < s->node[ALICE].xfrm.policies; i++) {
        const struct xfrm_policy *p = &s->node[ALICE].xfrm.policy[i];
        bool own = p->sel.src.ip.b[1] > 4 || p->sel.dst.ip.b[1] > 4;
        CHECK_EQ(p->if_id, p->dir == XFRM_OUT ? (own ? 42 : 2) : (own ? 3 : 1));
    }
    terminate(s);
    initiate(s);
    CHECK_EQ(sa_of(s, ALICE, false)->if_id, 4);
    sim_free(s);
}

// A trap has its numbers before there is an SA; the SA takes them over, and its end leaves them.
static void a_trap_and_its_sa_are_one(void **state)
{
    struct sim *s = world(4);
    (void)state;
    sim_net_net_side(s, BOB, "", "");
    sim_net_net_side(s, ALICE, "", "mark_out = %unique\n if_id_in = %unique\n start_action = trap");
    CHECK_EQ(policy_of(s, ALICE, XFRM_OUT)->mark.value, 1);
    sim_acquire(s, ALICE, 9);
    sim_run(s, SECOND);
    expect_marks(s, 0, 1);
    CHECK_EQ(s->node[ALICE].xfrm.policies, 3);
    CHECK_EQ(sa_of(s, ALICE, false)->if_id, 1);
    terminate(s);
    CHECK_EQ(s->node[ALICE].xfrm.policies, 3);
    CHECK_EQ(policy_of(s, ALICE, XFRM_OUT)->mark.value, 1);
    sim_free(s);
}

static void what_the_kernel_is_told(void **state)
{
    struct sim *s = world(5);
    (void)state;
    sim_net_net_side(s, BOB, "", "set_mark_in = 3/0xff\n icmp = yes\n mark_in = 0x1ff/0xff");
    sim_net_net_side(s, ALICE, "",
                     "mark_in = %unique\n mark_in_sa = yes\n set_mark_in = %same\n"
                     "interface = eth0\n policies_fwd_out = yes");
    initiate(s);
    const struct xfrm_sa *in = sa_of(s, ALICE, false), *out = sa_of(s, ALICE, true);
    CHECK_EQ(in->mark.value, 1);
    CHECK_EQ(in->mark.mask, UINT32_MAX);
    CHECK_EQ(in->output_mark.value, 1);
    CHECK_EQ(out->mark.mask, 0);
    CHECK_EQ(out->output_mark.mask, 0);
    CHECK_EQ(policy_of(s, ALICE, XFRM_OUT)->sel.ifindex, DEVICE);
    CHECK_EQ(policy_of(s, ALICE, XFRM_IN)->sel.ifindex, 0);
    CHECK_EQ(policy_of(s, ALICE, XFRM_OUT)->flags, 0);
    CHECK_EQ(sa_of(s, BOB, false)->output_mark.value, 3);
    CHECK_EQ(sa_of(s, BOB, false)->output_mark.mask, 0xff);
    CHECK(sa_of(s, BOB, false)->flags & XFRM_STATE_ICMP);
    CHECK(!(sa_of(s, BOB, true)->flags & XFRM_STATE_ICMP));
    CHECK_EQ(policy_of(s, BOB, XFRM_IN)->mark.value, 0xff); // no bits but the mask's
    for (enum xfrm_dir dir = XFRM_IN; dir < XFRM_DIRS; dir++) {
        CHECK_EQ(policy_of(s, BOB, dir)->flags, XFRM_POLICY_ICMP);
    }
    sim_rekey_child(s, BOB);
    sim_run(s, 20 * SECOND);
    CHECK_EQ(sa_of(s, ALICE, false)->mark.value,
             1); // found again by its mark: nothing is left over
    CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm), 2);
    terminate(s);
    CHECK_EQ(s->node[ALICE].xfrm.policies, 0);
    sim_free(s);
}

// The plugin connmark: what comes in gets the mark of the policy by which replies leave, and
// policies say what that is for; of transport mode alone.
static void flows_of_transport_mode(void **state)
{
    static const struct {
        const char *lines;
        bool flows;
        uint32_t given;
    } rows[] = {
        {"mode = transport\n mark_in = %unique\n mark_out = %unique", true, 1},
        {"mode = transport\n mark_in = %unique-dir\n mark_out = %unique-dir", true, 2},
        {"mode = transport\n mark_in = 5\n mark_out = 5\n set_mark_in = %same", true, 5},
        {"mode = transport\n mark_out = 5", false, 0},
        {"mark_in = %unique\n mark_out = %unique", false, 0},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sim *s = world(30 + i);
        bool transport = strstr(rows[i].lines, "transport") != NULL;
        char lines[256];
        (void)snprintf(lines, sizeof lines, "local_ts = dynamic\n remote_ts = dynamic\n %s",
                       rows[i].lines);
        s->node[ALICE].opt.connmark = true;
        s->node[ALICE].opt.executor_is_kernel = false;
        sim_net_net_side(s, BOB, "",
                         transport ? "local_ts = dynamic\n remote_ts = dynamic\n mode = transport"
                                   : "local_ts = dynamic\n remote_ts = dynamic");
        sim_net_net_side(s, ALICE, "", lines);
        initiate(s);
        const struct xfrm_policy *out = policy_of(s, ALICE, XFRM_OUT);
        CHECK_EQ(!!(out->flags & XFRM_POLICY_FLOWS), rows[i].flows);
        CHECK_EQ(policy_of(s, ALICE, XFRM_IN)->flags, out->flags);
        CHECK_EQ(sa_of(s, ALICE, false)->output_mark.value, rows[i].given);
        CHECK_EQ(policy_of(s, BOB, XFRM_OUT)->flags, 0);
        sim_free(s);
    }
}

// What an earlier run has left may be another peer's, and so may flows that have its mark.
static void marks_of_an_earlier_run_are_left_alone(void **state)
{
    struct sim *s = world(40);
    (void)state;
    sim_net_net_side(s, BOB, "", "");
    sim_net_net_side(s, ALICE, "", "mark_in = %unique\n mark_out = %unique");
    initiate(s);
    CHECK_EQ(policy_of(s, ALICE, XFRM_OUT)->mark.value, 1);
    sim_switch_off(s, ALICE);
    sim_run(s, SECOND);
    sim_net_net_side(s, ALICE, "", "mark_in = %unique\n mark_out = %unique");
    initiate(s);
    CHECK_EQ(sa_of(s, ALICE, true)->mark.value, 2);
    sim_free(s);
}

// A shunt for one device is for what comes and goes by it; a child's packets are those that leave
// by it, and what comes in may come by any.
static void devices_of_shunts(void **state)
{
    struct sim *s = world(7);
    (void)state;
    sim_net_net_side(s, ALICE, "", "mode = drop\n interface = eth0\n start_action = trap");
    for (enum xfrm_dir dir = XFRM_IN; dir < XFRM_DIRS; dir++) {
        CHECK_EQ(policy_of(s, ALICE, dir)->action, XFRM_BLOCK);
        CHECK_EQ(policy_of(s, ALICE, dir)->sel.ifindex, DEVICE);
    }
    sim_free(s);
}

// What the executor cannot do, and a device that is not there, are refused before anything is
// negotiated, whoever begins.
static void what_cannot_be(void **state)
{
    static const struct {
        const char *line, *told;
        bool kernel;
    } cases[] = {
        {"interface = eth9", "there is no device eth9 (interface of net)", false},
        {"mark_in_sa = yes\n mark_in = 5", "mark_in_sa of net is nothing", false},
        {"interface = eth9", "there is no device eth9 (interface of net)", true},
    };
    (void)state;
    for (unsigned i = 0; i < 2 * (sizeof cases / sizeof *cases); i++) {
        struct sim *s = world(10 + i);
        struct sim_result r;
        int who = i % 2 ? ALICE : BOB;
        s->node[who].opt.executor_is_kernel = cases[i / 2].kernel;
        sim_net_net_side(s, BOB, "", who == BOB ? cases[i / 2].line : "");
        sim_net_net_side(s, ALICE, "", who == ALICE ? cases[i / 2].line : "");
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, SECOND);
        CHECK(r.err != ERR_OK);
        CHECK(sim_told(s, who, cases[i / 2].told) || strstr(r.sentence, cases[i / 2].told));
        CHECK_EQ(sim_children(s, who), 0);
        CHECK_EQ(s->node[who].xfrm.policies, 0);
        sim_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_for_each_sa),
        cmocka_unit_test(a_mark_for_each_direction),
        cmocka_unit_test(an_interface_for_each_ike_sa),
        cmocka_unit_test(a_trap_and_its_sa_are_one),
        cmocka_unit_test(what_the_kernel_is_told),
        cmocka_unit_test(flows_of_transport_mode),
        cmocka_unit_test(devices_of_shunts),
        cmocka_unit_test(marks_of_an_earlier_run_are_left_alone),
        cmocka_unit_test(what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
