// The list of who may come in: on, off and empty, with patterns, by the name that EAP has proved,
// in every round; and never for those whom we have called.
#include <stdio.h>
#include <string.h>

#include "ike/auth/whitelist.h"
#include "test/sim/papers.h"

#define EAP_SECRET "secrets { eap-1 { id = carol\n secret = Ar3etTnp\n } }\n"

static struct whitelist *list_of(struct sim *s, int node)
{
    return ike_whitelist(s->node[node].ike);
}

static void add(struct sim *s, int node, const char *text)
{
    struct id id;
    CHECK_OK(id_parse(text, &id, NULL));
    CHECK_OK(whitelist_add(list_of(s, node), &id));
}

static void take_out(struct sim *s, int node, const char *text)
{
    struct id id;
    CHECK_OK(id_parse(text, &id, NULL));
    CHECK(whitelist_remove(list_of(s, node), &id));
}

static struct sim *psk_world(uint64_t seed)
{
    struct sim *s = sim_new(seed);
    sim_net_net(s, "", "");
    list_of(s, BOB)->on = true;
    return s;
}

// Certificates, with these sections.
static struct sim *world(uint64_t seed, const char *alices, const char *bobs)
{
    struct sim *s = papers_world(seed);
    struct mint ca = AUTHORITY();
    for (int i = 0; i < 2; i++) {
        char conf[1024];
        struct mint m = host_cert(&ca, i, "P-256");
        put_host(i, &m, &ca);
        mint_done(&m);
        (void)snprintf(conf, sizeof conf,
                       "connections { net {\n " SIM_SUITE "\n local_addrs = 192.0.2.%d\n"
                       "remote_addrs = 192.0.2.%d\n %s\n children { net {\n local_ts = "
                       "10.%d.0.0/16\n remote_ts = 10.%d.0.0/16\n } } } }\n" EAP_SECRET,
                       i + 1, 2 - i, i == ALICE ? alices : bobs, i + 1, 2 - i);
        sim_configure(s, i, conf);
    }
    mint_done(&ca);
    list_of(s, BOB)->on = true;
    return s;
}

static err_t come(struct sim *s, int from)
{
    struct sim_result r;
    sim_initiate(s, from, "net", &r);
    sim_run(s, 5 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(sim_ikes(s, BOB), r.err == ERR_OK);
    CHECK_EQ(sim_ikes(s, ALICE), r.err == ERR_OK);
    if (r.err != ERR_OK) sim_expect_nothing(s);
    return r.err;
}

static void leave(struct sim *s)
{
    struct sim_result r;
    sim_terminate_ike(s, ALICE, &r);
    sim_run(s, 5 * SECOND);
    CHECK_EQ(sim_ikes(s, BOB), 0);
}

static void who_is_in_it_comes_in(void **state)
{
    (void)state;
    struct sim *s = psk_world(1);
    CHECK_EQ(come(s, ALICE), ERR_AUTH); // nobody is
    CHECK(sim_told(s, BOB, "authentication of 'alice.example.org' with pre-shared key successful"));
    CHECK(sim_told(s, BOB, "peer identity 'alice.example.org' not whitelisted"));
    CHECK(sim_told(s, BOB, "answered with AUTHENTICATION_FAILED"));
    add(s, BOB, "carol.example.org");
    add(s, BOB, "example.org");
    CHECK_EQ(come(s, ALICE), ERR_AUTH);
    add(s, BOB, "ALICE.example.org");
    CHECK_OK(come(s, ALICE));
    // Keys are renewed as before, and who is up stays.
    take_out(s, BOB, "alice.example.org");
    sim_rekey_ike(s, ALICE);
    sim_run(s, 5 * SECOND);
    sim_expect_clean(s);
    leave(s);
    CHECK_EQ(come(s, ALICE), ERR_AUTH);
    list_of(s, BOB)->on = false;
    CHECK_OK(come(s, ALICE));
    sim_free(s);
}

static void patterns_stand_for_many(void **state)
{
    (void)state;
    struct sim *s = psk_world(2);
    add(s, BOB, "*@example.org");
    add(s, BOB, "*.example.com");
    CHECK_EQ(come(s, ALICE), ERR_AUTH);
    add(s, BOB, "*.example.org");
    CHECK_OK(come(s, ALICE));
    leave(s);
    take_out(s, BOB, "*.example.org");
    CHECK_EQ(come(s, ALICE), ERR_AUTH);
    sim_free(s);
}

// Whom we call is our choice.
static void we_call_whom_we_like(void **state)
{
    (void)state;
    struct sim *s = psk_world(3);
    CHECK_OK(come(s, BOB));
    sim_free(s);
}

// What IKE calls such a peer it may choose as it likes.
static void by_eap_the_name_of_eap_counts(void **state)
{
    (void)state;
    const char *alices = "local {\n auth = eap\n id = dave\n eap_id = carol\n }\n"
                         "remote {\n id = bob.example.org\n }";
    const char *bobs = "local {\n id = bob.example.org\n }\n"
                       "remote {\n auth = eap-mschapv2\n eap_id = %any\n }";
    struct sim *s = world(4, alices, bobs);
    add(s, BOB, "dave");
    CHECK_EQ(come(s, ALICE), ERR_AUTH);
    CHECK(sim_told(s, BOB, "authentication of 'dave' with EAP successful"));
    CHECK(sim_told(s, BOB, "peer identity 'carol' not whitelisted"));
    add(s, BOB, "carol");
    take_out(s, BOB, "dave");
    CHECK_OK(come(s, ALICE));
    sim_free(s);
}

static void every_round_counts(void **state)
{
    (void)state;
    const char *alices = "local-1 {\n id = alice.example.org\n }\n"
                         "local-2 {\n auth = eap\n id = dave\n eap_id = carol\n }\n"
                         "remote {\n id = bob.example.org\n }";
    const char *bobs = "local {\n id = bob.example.org\n }\nremote-1 {\n }\n"
                       "remote-2 {\n auth = eap-mschapv2\n eap_id = %any\n }";
    struct sim *s = world(5, alices, bobs);
    add(s, BOB, "carol");
    CHECK_EQ(come(s, ALICE), ERR_AUTH);
    CHECK(sim_told(s, BOB, "peer identity 'alice.example.org' not whitelisted"));
    take_out(s, BOB, "carol");
    add(s, BOB, "alice.example.org");
    CHECK_EQ(come(s, ALICE), ERR_AUTH);
    CHECK(sim_told(s, BOB, "peer identity 'carol' not whitelisted"));
    add(s, BOB, "carol");
    CHECK_OK(come(s, ALICE));
    sim_free(s);
}

// ---- the list alone ----------------------------------------------------------------------------

static bool has(const struct whitelist *w, const char *text)
{
    struct id id;
    CHECK_OK(id_parse(text, &id, NULL));
    return whitelist_has(w, &id);
}

static err_t add_to(struct whitelist *w, const char *text)
{
    struct id id;
    CHECK_OK(id_parse(text, &id, NULL));
    return whitelist_add(w, &id);
}

static void names_and_patterns(void **state)
{
    (void)state;
    const uint8_t key[16] = {1};
    struct id id;
    struct whitelist w = {0};
    CHECK_OK(whitelist_init(&w, key));
    CHECK_OK(add_to(&w, "C=CH, O=strongSwan, CN=*"));
    CHECK_OK(add_to(&w, "*@strongswan.org"));
    CHECK_OK(add_to(&w, "carol@example.org"));
    CHECK_OK(add_to(&w, "carol@Example.org")); // the same
    CHECK_OK(add_to(&w, "192.0.2.7"));
    CHECK_EQ(w.n, 4);
    CHECK_EQ(w.patterns, 2);
    CHECK(has(&w, "C=CH, O=strongSwan, CN=moon") && !has(&w, "C=CH, O=other, CN=moon"));
    CHECK(has(&w, "dave@strongswan.org") && !has(&w, "dave@strongswan.com"));
    CHECK(has(&w, "carol@example.org") && !has(&w, "dave@example.org"));
    CHECK(has(&w, "192.0.2.7") && !has(&w, "192.0.2.8"));
    CHECK_OK(id_parse("*@example.org", &id, NULL));
    CHECK(!whitelist_remove(&w, &id)); // by its own words only
    CHECK_EQ(whitelist_flush(&w, &id), 1);
    CHECK(!has(&w, "carol@example.org"));
    CHECK_EQ(whitelist_flush(&w, NULL), 3);
    CHECK(!has(&w, "dave@strongswan.org"));
    CHECK_OK(add_to(&w, "%any"));
    CHECK(has(&w, "dave@strongswan.org"));
    whitelist_done(&w);
}

static void there_is_an_end(void **state)
{
    (void)state;
    const uint8_t key[16] = {2};
    struct whitelist w = {0};
    char name[64];
    CHECK_OK(whitelist_init(&w, key));
    for (unsigned i = 0; i < WHITELIST_PATTERNS_MAX; i++) {
        (void)snprintf(name, sizeof name, "*@h%u.example.org", i);
        CHECK_OK(add_to(&w, name));
    }
    CHECK_EQ(add_to(&w, "*@one.more.example.org"), ERR_LIMIT);
    for (unsigned i = w.n; i < WHITELIST_MAX; i++) {
        (void)snprintf(name, sizeof name, "u%u@example.org", i);
        CHECK_OK(add_to(&w, name));
    }
    CHECK_EQ(add_to(&w, "one.more@example.org"), ERR_LIMIT);
    CHECK_OK(add_to(&w, "u300@example.org")); // is there
    CHECK(has(&w, "u65535@example.org") && !has(&w, "u65536@example.org"));
    whitelist_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_in_it_comes_in), cmocka_unit_test(patterns_stand_for_many),
        cmocka_unit_test(we_call_whom_we_like),  cmocka_unit_test(by_eap_the_name_of_eap_counts),
        cmocka_unit_test(every_round_counts),    cmocka_unit_test(names_and_patterns),
        cmocka_unit_test(there_is_an_end),
    };
    return cmocka_run_group_tests_name("sim/whitelist", tests, papers_begin, papers_end);
}
