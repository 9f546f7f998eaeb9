// Post-quantum preshared keys in IKE_AUTH (RFC 8784): who has one, who requires one, and what
// becomes of it. In IKE_INTERMEDIATE: ppk_int_test.c.
#include <stdio.h>
#include <string.h>

#include "ike/sa/diplomat.h"
#include "test/sim/sim.h"

#define SECRET "0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER "0xff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

struct has {
    const char *conn; // lines of its connection
    const char *name; // of its PPK; NULL: it has none
    const char *secret;
};

static void configure(struct sim *s, int node, const struct has *h)
{
    char conf[2048], ppk[256] = "";
    bool alice = node == ALICE;
    if (h->name)
        (void)snprintf(ppk, sizeof ppk, "ppk-1 { id = %s\n secret = %s\n }", h->name, h->secret);
    (void)snprintf(conf, sizeof conf,
                   "connections { net { %s\n ppk_exchange = auth\n local_addrs = 192.0.2.%d\n "
                   "remote_addrs = 192.0.2.%d\n"
                   " %s\n local { auth = psk\n id = %s }\n remote { auth = psk\n id = %s }\n"
                   " children { net { local_ts = 10.%d.0.0/16\n remote_ts = 10.%d.0.0/16 } } } }\n"
                   "secrets { ike-1 { secret = \"correct horse\" }\n %s\n }\n",
                   strstr(h->conn, "proposals") ? "" : SIM_SUITE, alice ? 1 : 2, alice ? 2 : 1,
                   h->conn, alice ? "a.example" : "b.example", alice ? "b.example" : "a.example",
                   alice ? 1 : 2, alice ? 2 : 1, ppk);
    sim_configure(s, node, conf);
}

#define SAYS_MIXED "a PPK in them"

struct ppk_case {
    struct has alice, bob;
    bool up, mixed;
    const char *said; // by ALICE or BOB
};

static void play(const struct ppk_case *c)
{
    struct sim *s = sim_new(1);
    struct sim_result r;
    configure(s, BOB, &c->bob);
    configure(s, ALICE, &c->alice);
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 10 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err == ERR_OK, c->up);
    CHECK_EQ(sim_told(s, ALICE, SAYS_MIXED), c->mixed);
    CHECK_EQ(sim_told(s, BOB, SAYS_MIXED), c->mixed);
    CHECK(!c->said || sim_told(s, ALICE, c->said) || sim_told(s, BOB, c->said));
    if (c->up) {
        sim_expect_clean(s); // what one side encrypts, the other can read
        sim_rekey_ike(s, BOB);
        sim_run(s, 20 * SECOND);
        sim_rekey_child(s, ALICE);
        sim_run(s, 60 * SECOND);
        sim_expect_clean(s);
    } else {
        sim_run(s, 60 * SECOND);
        sim_expect_nothing(s);
    }
    sim_free(s);
}

#define NAMED "ppk_id = quantum"
#define REQUIRED "ppk_id = quantum\n ppk_required = yes"

// strongSwan's words for it, on either side.
static void what_is_said_of_it(void **state)
{
    (void)state;
    static const struct ppk_case cases[] = {
        {{NAMED, "quantum", SECRET},
         {"", "quantum", SECRET},
         true,
         true,
         "using PPK for PPK_ID 'quantum'"},
        {{NAMED, "quantum", SECRET},
         {"", "else", SECRET},
         true,
         false,
         "no PPK for 'quantum' found, ignored because PPK is not required"},
        {{NAMED, "quantum", SECRET},
         {"", "else", SECRET},
         true,
         false,
         "peer didn't use PPK for PPK_ID 'quantum'"},
        {{NAMED, "quantum", SECRET},
         {"ppk_id = else", "quantum", SECRET},
         true,
         false,
         "no PPK available, using NO_PPK_AUTH notify"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) play(&cases[i]);
}

// rfc8784 3: Table 1, and the initiator's half of it.
static void who_has_and_who_requires(void **state)
{
    (void)state;
    static const struct ppk_case cases[] = {
        {{NAMED, "quantum", SECRET}, {"", "quantum", SECRET}, true, true, NULL},
        {{REQUIRED, "quantum", SECRET}, {REQUIRED, "quantum", SECRET}, true, true, NULL},
        {{"ppk_id = \"@#7175616e74756d\"", "quantum", SECRET},
         {"", "quantum", SECRET},
         true,
         true,
         0},
        // the responder has none
        {{NAMED, "quantum", SECRET}, {"", NULL, NULL}, true, false, "the responder has none"},
        {{REQUIRED, "quantum", SECRET}, {"", NULL, NULL}, false, false, "requires a PPK"},
        // ... has another one
        {{NAMED, "quantum", SECRET}, {"", "else", SECRET}, true, false, "has not used it"},
        {{REQUIRED, "quantum", SECRET}, {"", "else", SECRET}, false, false, "of a name that we do"},
        {{NAMED, "quantum", SECRET}, {REQUIRED, "else", SECRET}, false, false, "requires a PPK"},
        // ... takes only that of its connection
        {{NAMED, "quantum", SECRET}, {"ppk_id = else", "quantum", SECRET}, true, false, NULL},
        // the initiator has none
        {{"", NULL, NULL}, {NAMED, "quantum", SECRET}, true, false, "the initiator has none"},
        {{"", NULL, NULL}, {REQUIRED, "quantum", SECRET}, false, false, "requires a PPK"},
        {{NAMED, "else", SECRET}, {"", "quantum", SECRET}, true, false, "names none that"},
        {{REQUIRED, "else", SECRET}, {"", "quantum", SECRET}, false, false, "names none that"},
        // required, whatever its name
        {{NAMED, "quantum", SECRET}, {"ppk_required = yes", "quantum", SECRET}, true, true, NULL},
        {{"", NULL, NULL},
         {"ppk_required = yes", "quantum", SECRET},
         false,
         false,
         "requires a PPK"},
        {{"ppk_required = yes", "quantum", SECRET},
         {"", "quantum", SECRET},
         false,
         false,
         "names none that"},
        // with IKE_INTERMEDIATE before it
        {{REQUIRED "\n proposals = aes256-sha256-x25519-ke1_mlkem512", "quantum", SECRET},
         {"proposals = aes256-sha256-x25519-ke1_mlkem512", "quantum", SECRET},
         true,
         true,
         NULL},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("# case %u\n", i);
        play(&cases[i]);
    }
}

// The same name and another key: neither proof holds.
static void a_wrong_key_authenticates_nobody(void **state)
{
    (void)state;
    play(&(struct ppk_case){.alice = {NAMED, "quantum", SECRET}, .bob = {"", "quantum", OTHER}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_and_who_requires),
        cmocka_unit_test(what_is_said_of_it),
        cmocka_unit_test(a_wrong_key_authenticates_nobody),
    };
    return cmocka_run_group_tests_name("ppk", tests, NULL, NULL);
}
