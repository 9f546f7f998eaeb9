// Two hosts meet: IKE_SA_INIT, IKE_AUTH with the first child SA, and all that can go wrong there.
#include <string.h>

#include "test/sim/sim.h"

static void establish(void **state)
{
    struct sim *s = sim_new(1);
    (void)state;
    sim_net_net(s, "", "");
    sim_establish(s);
    CHECK_EQ(s->sent, 4);
    CHECK(sim_told(s, ALICE, "bob.example.org proved who it is: pre-shared key"));
    CHECK(sim_told(s, BOB, "alice.example.org proved who it is: pre-shared key"));
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(establish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
