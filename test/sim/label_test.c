// Labels of selectors (RFC 9478): which child is meant where addresses do not tell, and what
// becomes of labels that the other side does not have.
#include <string.h>

#include "ike/sa/child_sa.h"
#include "ike/sa/diplomat.h"
#include "test/sim/sim.h"

static struct ike_sa *the_sa(struct sim *s, int node)
{
    assert_non_null(s->node[node].ike->all);
    return s->node[node].ike->all;
}

static err_t initiate(struct sim *s, const char *child)
{
    struct sim_result r;
    sim_initiate(s, ALICE, child, &r);
    sim_run(s, 5 * SECOND);
    CHECK_EQ(r.told, 1);
    return r.err;
}

static void expect(struct sim *s, const char *child, unsigned n)
{
    for (int node = ALICE; node <= BOB; node++) {
        unsigned found = 0;
        for (const struct child_sa *c = the_sa(s, node)->children; c; c = c->next)
            found += strcmp(c->conf->name, child) == 0;
        CHECK_EQ(found, n);
    }
}

// Two children with the same addresses: rekeyed by either side, each stays what it is.
static void the_label_says_which_child(void **state)
{
    struct sim *s = sim_new(1);
    (void)state;
    sim_net_net_side(s, BOB,
                     "children { ef { local_ts = 10.2.0.0/16\n remote_ts = 10.1.0.0/16\n"
                     "label = dscp-ef\n label_mode = simple } }",
                     "label = dscp-be");
    sim_net_net_side(s, ALICE,
                     "children { ef { local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16\n"
                     "label = dscp-ef } }",
                     "label = dscp-be");
    CHECK_EQ(initiate(s, "ef"), ERR_OK);
    expect(s, "ef", 1);
    expect(s, "net", 0);
    CHECK_EQ(initiate(s, "net"), ERR_OK);
    expect(s, "net", 1);
    for (int by = ALICE; by <= BOB; by++) {
        sim_rekey_child(s, by);
        sim_run(s, 20 * SECOND);
        expect(s, "ef", 1);
        expect(s, "net", 1);
    }
    sim_free(s);
}

// A label that one side alone has: no child SA, and the peer is told why.
static void nobody_guesses(void **state)
{
    static const char *const wishes[][3] = {
        {"label = red", "label = blue", "to reach 10.2.0.0/16 with the label red"},
        {"label = red", "", "to reach 10.2.0.0/16 with the label red"},
        {"", "label = blue", "no child of net allows (local_ts, remote_ts, label)"},
    };
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct sim *s = sim_new(10 + i);
        sim_net_net_side(s, BOB, "", wishes[i][1]);
        sim_net_net_side(s, ALICE, "", wishes[i][0]);
        CHECK(initiate(s, "net") != ERR_OK);
        if (!sim_told(s, BOB, wishes[i][2])) fail_msg("%s", text_str(&s->node[BOB].story));
        CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm), 0);
        CHECK_EQ(sim_xfrm_sas(&s->node[BOB].xfrm), 0);
        sim_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_label_says_which_child),
        cmocka_unit_test(nobody_guesses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
