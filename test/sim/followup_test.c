// Additional key exchanges of CREATE_CHILD_SA in IKE_FOLLOWUP_KE (RFC 9370 2.2.4).
#include <stdio.h>
#include <string.h>

#include "ike/codec/msg.h"
#include "ike/sa/diplomat.h"
#include "test/sim/sim.h"

static unsigned count[256];
static unsigned lost_from; // IKE_FOLLOWUP_KE messages from this one on are lost; 0 = none

static unsigned look(struct sim *s, struct sim_message *m, unsigned n)
{
    struct ike_header h;
    (void)s, (void)n;
    CHECK_OK(ike_header_read(m->d.bytes, &h));
    count[h.exchange]++;
    return h.exchange == X_FOLLOWUP && lost_from && count[h.exchange] >= lost_from ? 0 : 1;
}

static struct sim *established(uint64_t seed, const char *ike, const char *esp)
{
    struct sim *s = sim_new(seed);
    for (int i = 0; i < SIM_NODES; i++) s->node[i].opt.fragment_size = 4000;
    sim_net_net(s, ike, esp);
    sim_establish(s);
    memset(count, 0, sizeof count);
    lost_from = 0;
    s->fate = look;
    sim_watch(s, true);
    return s;
}

static const struct {
    const char *ike, *esp;
    unsigned rounds;
} suites[] = {
    {"aes256gcm16-prfsha384-x25519-ke1_mlkem768", "aes256gcm16-x25519-ke1_mlkem768", 1},
    {"aes128-sha256-x25519-ke1_mlkem512-ke2_ecp256", "aes128-sha256-ecp256-ke1_x25519-ke3_x448", 2},
    {"aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke1_none", "aes256gcm16-mlkem768", 1},
    {"aes256gcm16-prfsha256-mlkem768", "aes256gcm16-mlkem1024-ke1_none", 0},
};

static void fresh_keys_of_several_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        char ike[120], esp[120];
        (void)snprintf(ike, sizeof ike, "proposals = %s", suites[i].ike);
        (void)snprintf(esp, sizeof esp, "esp_proposals = %s", suites[i].esp);
        struct sim *s = established(i, ike, esp);
        unsigned child = strstr(suites[i].esp, "ke1_none") || !strstr(suites[i].esp, "ke1_")
                             ? 0
                             : suites[i].rounds;
        sim_rekey_ike(s, i % 2 ? ALICE : BOB);
        sim_run(s, 20 * SECOND);
        CHECK_EQ(count[X_FOLLOWUP], 2 * suites[i].rounds);
        CHECK_EQ(s->node[BOB].events[IKE_EV_REKEYED], 1);
        sim_rekey_child(s, i % 2 ? BOB : ALICE);
        sim_run(s, 20 * SECOND);
        CHECK_EQ(count[X_FOLLOWUP], 2 * (suites[i].rounds + child));
        CHECK_EQ(s->node[ALICE].events[CHILD_EV_REKEYED], 1);
        CHECK_EQ(s->node[BOB].events[CHILD_EV_REKEYED], 1);
        sim_watch(s, false);
        sim_expect_clean(s);
        sim_free(s);
    }
}

// Who has begun and does not go on is forgotten, and its SPI with it; when it goes on after all it
// hears so, and begins anew.
static void state_is_bounded(void **state)
{
    struct sim *s = established(60, "proposals = aes128gcm16-prfsha256-x25519-ke1_ecp256",
                                "esp_proposals = aes128gcm16-x25519-ke1_ecp256");
    (void)state;
    lost_from = 1;
    sim_rekey_child(s, ALICE);
    sim_run(s, SECOND);
    CHECK_EQ(sim_xfrm_larval(&s->node[BOB].xfrm), 1);
    assert_non_null(s->node[BOB].ike->all->pending);
    sim_run(s, 61 * SECOND);
    CHECK_EQ(sim_xfrm_larval(&s->node[BOB].xfrm), 0);
    assert_null(s->node[BOB].ike->all->pending);
    lost_from = 0; // ALICE's request comes late
    sim_run(s, 60 * SECOND);
    CHECK(sim_told(s, BOB, "that we know nothing of; answered with STATE_NOT_FOUND"));
    CHECK_EQ(s->node[ALICE].events[CHILD_EV_REKEYED], 1);
    sim_watch(s, false);
    sim_expect_clean(s);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_keys_of_several_kinds),
        cmocka_unit_test(state_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
