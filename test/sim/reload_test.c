// Configurations that come again while SAs are up: what is written as before stays; what
// start_action has started goes with what it was started for, and is started anew.
#include <stdio.h>

#include "ike/sa/child_sa.h"
#include "ike/sa/diplomat.h"
#include "test/sim/sim.h"

// What ALICE's configuration says; NULL: nothing there.
struct says {
    const char *name, *conn, *net, *other;
};

static void load(struct sim *s, int node, const struct says *c)
{
    char conf[1600];
    int n = node;
    (void)snprintf(
        conf, sizeof conf,
        "connections {\n %s {\n  local_addrs = 192.0.2.%d\n  remote_addrs = 192.0.2.%d\n"
        "  local { auth = psk\n id = h%d.example }\n  remote { auth = psk\n id = h%d.example }\n"
        "  children {\n   net { local_ts = 10.%d.0.0/16\n remote_ts = 10.%d.0.0/16\n %s }\n"
        "   other { local_ts = 10.%d.0.0/16\n remote_ts = 10.%d.0.0/16\n %s }\n  }\n  %s\n %s\n"
        " }\n}\nsecrets { ike-1 { secret = \"correct horse\" } }\n",
        c->name, n + 1, 2 - n, n, 1 - n, n, 1 - n, c->net, n + 2, 3 - n, c->other, c->conn,
        SIM_SUITE);
    s->node[node].since++; // as whatever is loaded, changed or not
    sim_configure(s, node, conf);
    sim_run(s, 3 * SECOND);
}

static struct sim *world(const struct says *alice)
{
    struct sim *s = sim_new(77);
    load(s, BOB, &(struct says){"net", "", "", ""});
    load(s, ALICE, alice);
    return s;
}

static struct ike_sa *ike_up(const struct sim *s)
{
    struct ike_sa *found = NULL;
    for (struct ike_sa *sa = s->node[ALICE].ike->all; sa; sa = sa->next) {
        if (sa->state == IKE_UP) found = sa;
    }
    return found;
}

// 0: it is not up.
static uint32_t child_id(const struct sim *s, const char *name)
{
    const struct ike_sa *sa = ike_up(s);
    const struct child_sa *c = sa ? child_sa_by_name(sa, name) : NULL;
    return c ? c->id : 0;
}

static void expect(struct sim *s, unsigned ikes, unsigned children)
{
    sim_run(s, 30 * SECOND);
    for (int i = ALICE; i <= BOB; i++) {
        CHECK_EQ(sim_ikes(s, i), ikes);
        CHECK_EQ(sim_children(s, i), children);
    }
}

static void the_same_again_changes_nothing(void **state)
{
    (void)state;
    const struct says c = {"net", "dpd_delay = 30s", "start_action = start", "start_action = trap"};
    struct sim *s = world(&c);
    uint32_t ike = ike_up(s)->id, net = child_id(s, "net");
    CHECK(net);
    for (unsigned i = 0; i < 3; i++) load(s, ALICE, &c);
    CHECK_EQ(ike_up(s)->id, ike);
    CHECK_EQ(child_id(s, "net"), net);
    expect(s, 1, 1);
    sim_free(s);
}

static void a_child_that_has_changed_is_made_anew(void **state)
{
    (void)state;
    const struct says before = {"net", "", "start_action = start", "start_action = start"};
    const struct says after = {"net", "", "start_action = start\n life_time = 5h",
                               "start_action = start"};
    struct sim *s = world(&before);
    uint32_t ike = ike_up(s)->id, net = child_id(s, "net"), other = child_id(s, "other");
    CHECK(net && other);
    load(s, ALICE, &after);
    CHECK_EQ(ike_up(s)->id, ike);
    CHECK_EQ(child_id(s, "other"), other);
    CHECK(child_id(s, "net") && child_id(s, "net") != net);
    expect(s, 1, 2);
    sim_free(s);
}

static void a_connection_that_has_changed_is_opened_anew(void **state)
{
    (void)state;
    const struct says before = {"net", "", "start_action = start", ""};
    const struct says after = {"net", "dpd_delay = 20s", "start_action = start", ""};
    struct sim *s = world(&before);
    uint32_t ike = ike_up(s)->id;
    load(s, ALICE, &after);
    CHECK(ike_up(s) && ike_up(s)->id != ike);
    CHECK(child_id(s, "net"));
    expect(s, 1, 1);
    sim_free(s);
}

static void one_that_is_gone_is_closed(void **state)
{
    (void)state;
    const struct says before = {"net", "", "start_action = start", ""};
    for (int empty = 0; empty < 2; empty++) {
        struct sim *s = world(&before);
        struct sim_result r;
        CHECK(child_id(s, "net"));
        if (empty) sim_terminate_child(s, ALICE, &r);
        sim_run(s, 10 * SECOND);
        CHECK(ike_up(s) && (child_id(s, "net") == 0) == empty);
        load(s, ALICE, &(struct says){"another", "", "", ""});
        expect(s, 0, 0);
        sim_free(s);
    }
}

static void what_nobody_has_started_stays(void **state)
{
    (void)state;
    struct sim_result r;
    const struct says before = {"net", "", "start_action = start", ""};
    const struct says after = {"net", "dpd_delay = 20s", "", ""};
    struct sim *s = world(&before);
    sim_initiate(s, ALICE, "other", &r);
    sim_run(s, SECOND);
    uint32_t ike = ike_up(s)->id, other = child_id(s, "other");
    CHECK(other && child_id(s, "net"));
    load(s, ALICE, &after);
    CHECK_EQ(ike_up(s)->id, ike);
    CHECK_EQ(child_id(s, "other"), other);
    CHECK_EQ(child_id(s, "net"), 0);
    expect(s, 1, 1);
    sim_free(s);
}

// Nobody answers yet: the attempt goes on with what is said now.
static void an_attempt_begins_anew(void **state)
{
    (void)state;
    struct sim *s = sim_new(78);
    load(s, ALICE, &(struct says){"net", "", "start_action = start", ""});
    CHECK(s->node[ALICE].ike->all && !ike_up(s));
    load(s, ALICE, &(struct says){"net", "dpd_delay = 20s", "", "start_action = start"});
    load(s, BOB, &(struct says){"net", "", "", ""});
    sim_run(s, 20 * SECOND);
    CHECK(child_id(s, "other") && !child_id(s, "net"));
    expect(s, 1, 1);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_again_changes_nothing),
        cmocka_unit_test(a_child_that_has_changed_is_made_anew),
        cmocka_unit_test(a_connection_that_has_changed_is_opened_anew),
        cmocka_unit_test(one_that_is_gone_is_closed),
        cmocka_unit_test(what_nobody_has_started_stays),
        cmocka_unit_test(an_attempt_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
