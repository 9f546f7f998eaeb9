// Additional key exchanges in IKE_INTERMEDIATE (RFC 9242, 9370).
#include <stdlib.h>
#include <string.h>

#include "ike/codec/msg.h"
#include "ike/sa/diplomat.h"
#include "test/sim/sim.h"

static unsigned count[256];
static unsigned spoilt; // number of the IKE_INTERMEDIATE message to spoil; 0 = none

static unsigned look(struct sim *s, struct sim_message *m, unsigned n)
{
    struct ike_header h;
    (void)s, (void)n;
    CHECK_OK(ike_header_read(m->d.bytes, &h));
    count[h.exchange]++;
    if (h.exchange == X_INTERMEDIATE && count[h.exchange] == spoilt) m->bytes[60] ^= 1;
    return 1;
}

static struct sim *counted(uint64_t seed)
{
    struct sim *s = sim_new(seed);
    s->fate = look;
    spoilt = 0;
    memset(count, 0, sizeof count);
    return s;
}

static void several_key_exchanges(void **state)
{
    (void)state;
    static const struct {
        const char *proposals;
        unsigned rounds;
    } cases[] = {
        {"proposals = aes256gcm16-prfsha384-x25519-ke1_mlkem768", 1},
        {"proposals = aes128-sha256-x25519-ke1_mlkem512-ke2_ecp256", 2},
        {"proposals = aes256gcm16-prfsha512-ecp384-ke1_mlkem1024-ke3_x25519-ke7_x448", 3},
        {"proposals = aes256gcm16-prfsha256-mlkem768", 0},
        {"proposals = aes256gcm16-prfsha256-mlkem512-ke1_x25519", 1},
        {"proposals = chacha20poly1305-prfaesxcbc-x25519-ke1_ecp256-ke1_mlkem512-ke2_none", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim *s = counted(i);
        for (int n = 0; n < SIM_NODES; n++) s->node[n].opt.fragment_size = 4000;
        sim_net_net(s, cases[i].proposals, "");
        sim_establish(s);
        CHECK_EQ(count[X_INTERMEDIATE], 2 * cases[i].rounds);
        CHECK_EQ(count[X_AUTH], 2);
        sim_rekey_ike(s, i % 2 ? ALICE : BOB);
        sim_run(s, 60 * SECOND);
        sim_rekey_child(s, i % 2 ? BOB : ALICE);
        sim_run(s, 60 * SECOND);
        sim_expect_clean(s);
        sim_free(s);
    }
}

static void long_values_go_in_pieces(void **state)
{
    (void)state;
    struct sim *s = counted(10);
    sim_net_net(s, "proposals = aes256gcm16-prfsha384-x25519-ke1_mlkem1024", "");
    sim_establish(s);
    CHECK(count[X_INTERMEDIATE] >= 4);
    sim_expect_clean(s);
    sim_free(s);
}

static void who_cannot_do_it_is_met_halfway(void **state)
{
    (void)state;
    static const struct {
        const char *alice, *bob;
        unsigned rounds;
    } cases[] = {
        {"proposals = aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke1_none",
         "proposals = aes256gcm16-prfsha384-x25519", 0},
        {"proposals = aes256gcm16-prfsha384-x25519",
         "proposals = aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke1_none", 0},
        {"proposals = aes256gcm16-prfsha384-x25519-ke1_mlkem768, aes256gcm16-prfsha384-x25519",
         "proposals = aes256gcm16-prfsha384-x25519", 0},
        {"proposals = aes256gcm16-prfsha384-x25519-ke1_mlkem512-ke1_mlkem768-ke2_none-ke2_ecp256",
         "proposals = aes256gcm16-prfsha384-x25519-ke1_mlkem768", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim *s = counted(20 + i);
        for (int n = 0; n < SIM_NODES; n++) s->node[n].opt.fragment_size = 4000;
        sim_net_net_side(s, ALICE, cases[i].alice, "");
        sim_net_net_side(s, BOB, cases[i].bob, "");
        sim_establish(s);
        CHECK_EQ(count[X_INTERMEDIATE], 2 * cases[i].rounds);
        sim_expect_clean(s);
        sim_free(s);
    }
}

static void who_insists_gets_nothing_less(void **state)
{
    (void)state;
    struct sim *s = counted(30);
    struct sim_result r;
    sim_net_net_side(s, ALICE, "proposals = aes256gcm16-prfsha384-x25519-ke1_mlkem768", "");
    sim_net_net_side(s, BOB, "proposals = aes256gcm16-prfsha384-x25519", "");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 20 * SECOND);
    CHECK_EQ(r.err, ERR_NOCHOICE);
    sim_expect_nothing(s);
    sim_free(s);
}

static void lost_doubled_and_disordered(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 150; seed++) {
        struct sim *s = sim_new(seed);
        struct sim_result r;
        for (int i = 0; i < SIM_NODES; i++) {
            s->node[i].opt.retransmit_tries = 30;
            s->node[i].opt.retransmit_base = 1.02;
            s->node[i].opt.half_open_ns = 400 * SECOND;
        }
        s->fate = sim_fate_random;
        s->loss = 0.15;
        s->twice = 0.1;
        s->jitter = 0.2;
        sim_net_net(s,
                    "keyingtries = 0\nproposals = "
                    "aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke2_ecp256-ke3_x448",
                    "");
        sim_initiate(s, ALICE, "net", &r);
        for (unsigned i = 0; i < 100 && !r.told; i++) sim_run(s, 10 * SECOND);
        CHECK_EQ(r.err, ERR_OK);
        s->fate = NULL;
        sim_run(s, 400 * SECOND);
        sim_expect_clean(s);
        sim_free(s);
    }
}

// Whoever changes a message on the way gets nowhere: it is dropped, and comes again.
static void spoilt_messages_are_dropped(void **state)
{
    (void)state;
    for (unsigned which = 1; which <= 4; which++) {
        struct sim *s = counted(40 + which);
        spoilt = which;
        for (int n = 0; n < SIM_NODES; n++) s->node[n].opt.fragment_size = 4000;
        sim_net_net(s, "proposals = aes256gcm16-prfsha384-x25519-ke1_mlkem512-ke2_ecp256", "");
        struct sim_result r;
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, 60 * SECOND);
        CHECK_EQ(r.err, ERR_OK);
        sim_expect_clean(s);
        sim_free(s);
    }
}

// Bob believes that `more` or fewer rounds were agreed on than Alice knows of.
static unsigned mislead(struct sim *s, struct sim_message *m, unsigned n)
{
    unsigned copies = look(s, m, n);
    if (m->from != BOB || count[X_SA_INIT] != 2) return copies;
    count[X_SA_INIT]++; // once
    struct opening *o = s->node[BOB].ike->all->opening;
    o->extra[o->extra_n] = o->extra[0];
    o->extra_n += s->fate_arg;
    return copies;
}

static void all_rounds_or_none(void **state)
{
    (void)state;
    struct sim *s = counted(50);
    struct sim_result r;
    s->fate = mislead;
    s->fate_arg = 1;
    sim_net_net(s, "proposals = aes256gcm16-prfsha384-x25519-ke1_ecp256", "");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 20 * SECOND);
    CHECK_EQ(count[X_INTERMEDIATE], 2);
    CHECK_EQ(r.err, ERR_AUTH);
    CHECK(sim_told(s, BOB,
                   "the peer left out a key exchange, or the choice of a PPK, that was agreed on"));
    sim_expect_nothing(s);
    sim_free(s);
}

static void no_round_beyond_those_agreed_on(void **state)
{
    (void)state;
    struct sim *s = counted(51);
    struct sim_result r;
    s->fate = mislead;
    s->fate_arg = (unsigned)-1;
    sim_net_net(s, "proposals = aes256gcm16-prfsha384-x25519-ke1_ecp256", "");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 400 * SECOND);
    CHECK(count[X_INTERMEDIATE] > 1); // asked again and again, and never answered
    CHECK_EQ(count[X_AUTH], 0);
    CHECK_EQ(r.err, ERR_TIMEOUT);
    sim_expect_nothing(s);
    sim_free(s);
}

// The refusal of IKE_AUTH gets lost: the repeated request comes under the new keys, not under those
// before the last IKE_INTERMEDIATE, and is answered with it again.
static void a_lost_refusal_comes_again(void **state)
{
    (void)state;
    struct sim *s = counted(52);
    struct sim_result r;
    sim_net_net(s, "proposals = aes256gcm16-prfsha384-x25519-ke1_ecp256", "");
    sim_wrong_secret(s, BOB, "proposals = aes256gcm16-prfsha384-x25519-ke1_ecp256");
    s->fate = sim_fate_nth_lost;
    s->fate_arg = 5;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 5 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_AUTH);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_key_exchanges),
        cmocka_unit_test(long_values_go_in_pieces),
        cmocka_unit_test(who_cannot_do_it_is_met_halfway),
        cmocka_unit_test(who_insists_gets_nothing_less),
        cmocka_unit_test(lost_doubled_and_disordered),
        cmocka_unit_test(spoilt_messages_are_dropped),
        cmocka_unit_test(all_rounds_or_none),
        cmocka_unit_test(no_round_beyond_those_agreed_on),
        cmocka_unit_test(a_lost_refusal_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
