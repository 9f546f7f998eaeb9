// NULL authentication (RFC 7619): who may come without proving anything, and what such a peer can
// not do to others.
#include <stdio.h>
#include <string.h>

#include "test/sim/papers.h"

// ALICE is the gateway.
static void gateway(struct sim *s, const char *sides, const char *conn, const char *more)
{
    char conf[3000];
    (void)snprintf(conf, sizeof conf,
                   "connections { net {\n " SIM_SUITE
                   "\n %s %s\n children { net {\n local_ts = dynamic, 10.1.0.0/16\n } } } %s",
                   sides, conn, more);
    sim_configure(s, ALICE, conf);
}

static void client(struct sim *s, int node, const char *sides, const char *conn)
{
    char conf[2000];
    (void)snprintf(conf, sizeof conf,
                   "connections { net {\n remote_addrs = 192.0.2.1\n " SIM_SUITE "\n %s %s\n"
                   "children { net {\n remote_ts = 10.1.0.0/16\n } } } }\n"
                   "secrets { ike { secret = \"correct horse\"\n } }\n",
                   sides, conn);
    sim_configure(s, node, conf);
}

#define NULLS "local { auth = null\n }\n remote { auth = null\n }\n"
#define END " }\n secrets { ike { secret = \"correct horse\"\n } }\n"

// The gateway as a host may see it must be named by its network: with a null section only its own
// address could be meant.
static const char from_null[] = "local { auth = psk\n id = gate\n }\n remote { auth = null\n }\n";
static const char to_gate[] = "local { auth = null\n }\n remote { auth = psk\n id = gate\n }\n";

static err_t call(struct sim *s, int node)
{
    struct sim_result r;
    sim_initiate(s, node, "net", &r);
    sim_run(s, 2 * SECOND);
    CHECK_EQ(r.told, 1);
    return r.err;
}

static void nobody_in_particular(void **state)
{
    struct sim *s = sim_new(1);
    (void)state;
    gateway(s, from_null, "", END);
    client(s, BOB, to_gate, "");
    CHECK_EQ(call(s, BOB), ERR_OK);
    CHECK(sim_told(s, ALICE, "the peer says that it is (anonymous), and proves nothing"));
    CHECK(sim_told(s, BOB, "authentication of 'gate' with pre-shared key successful"));
    CHECK_EQ(sim_children(s, ALICE), 1);
    sim_rekey_ike(s, BOB);
    sim_run(s, 10 * SECOND);
    sim_rekey_child(s, ALICE);
    sim_run(s, 10 * SECOND);
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    CHECK_EQ(sim_children(s, ALICE), 1);
    sim_free(s);
}

static void a_gateway_with_a_key(void **state)
{
    struct sim *s = papers_world(2);
    struct mint ca = AUTHORITY(), host = host_cert(&ca, ALICE, "ED25519");
    (void)state;
    put_host(ALICE, &host, &ca);
    put_cert(BOB, "x509ca", "ca.pem", &ca);
    gateway(s, "local { id = alice.example.org\n }\n remote { auth = null\n }\n", "", END);
    client(s, BOB, "local { auth = null\n }\n remote { id = alice.example.org\n }\n", "");
    CHECK_EQ(call(s, BOB), ERR_OK);
    CHECK(sim_told(s, BOB, "authentication of 'alice.example.org' with ED25519 successful"));
    mint_done(&host);
    mint_done(&ca);
    sim_free(s);
}

static void both_nobody(void **state)
{
    struct sim *s = sim_new(3);
    (void)state;
    for (int i = 0; i < 2; i++) {
        char conf[1000];
        (void)snprintf(conf, sizeof conf,
                       "connections { net {\n remote_addrs = 192.0.2.%d\n " SIM_SUITE "\n " NULLS
                       "children { net {\n } } } }\n",
                       2 - i);
        sim_configure(s, i, conf);
    }
    CHECK_EQ(call(s, ALICE), ERR_OK);
    CHECK_EQ(sim_children(s, BOB), 1);
    sim_free(s);
}

static void refused_by_default(void **state)
{
    struct sim *s = sim_new(4);
    (void)state;
    gateway(s, "local { auth = psk\n id = gate\n }\n remote { auth = psk\n }\n", "", END);
    client(s, BOB, to_gate, "");
    CHECK_EQ(call(s, BOB), ERR_AUTH);
    CHECK(sim_told(s, ALICE, "none expects by nothing at all (null)"));
    // ... and who has proved something is not taken for nobody.
    gateway(s, from_null, "", END);
    client(s, CAROL, "local { auth = psk\n id = carol\n }\n remote { auth = psk\n id = gate\n }\n",
           "");
    CHECK_EQ(call(s, CAROL), ERR_AUTH);
    CHECK_EQ(sim_ikes(s, ALICE), 0);
    // A responder that proves nothing although it should.
    gateway(s, "local { auth = null\n id = gate\n }\n remote { auth = null\n }\n", "", END);
    CHECK_EQ(call(s, BOB), ERR_AUTH);
    CHECK(sim_told(s, BOB, "gate proves itself with method 13, not with a pre-shared key"));
    sim_free(s);
}

// Its name opens nothing: neither an address that somebody had, nor the end of other IKE SAs.
static void a_name_counts_for_nothing(void **state)
{
    struct sim *s = sim_new(5);
    const char named[] =
        "local { auth = null\n id = carol\n }\n remote { auth = psk\n id = gate\n }\n";
    (void)state;
    gateway(s, from_null, "unique = replace\n pools = rw\n",
            " }\n pools { rw { addrs = 10.3.0.0/24\n } }\n"
            "secrets { ike { secret = \"correct horse\"\n } }\n");
    for (int i = BOB; i <= DAVE; i++) {
        client(s, i, named, "vips = 0.0.0.0\n");
        CHECK_EQ(call(s, i), ERR_OK);
    }
    CHECK_EQ(sim_ikes(s, ALICE), 3);
    CHECK_EQ(sim_children(s, ALICE), 3);
    CHECK(sim_told(s, ALICE, "assigning virtual IP 10.3.0.1 to peer"));
    CHECK(sim_told(s, ALICE, "assigning virtual IP 10.3.0.3 to peer"));
    CHECK(sim_told(s, ALICE, "the peer says that it is carol, and proves nothing"));
    sim_free(s);
}

static void not_what_is_of_others(void **state)
{
    struct sim *s = sim_new(6);
    (void)state;
    gateway(s, from_null, "",
            "known {\n remote_addrs = 192.0.2.99\n local { auth = psk\n id = gate\n }\n"
            "remote { auth = psk\n id = known\n }\n children { known {\n local_ts = 10.1.0.0/16\n"
            "remote_ts = 192.0.2.2-192.0.2.3\n } } }" END);
    client(s, BOB, to_gate, "");
    (void)call(s, BOB);
    CHECK(sim_told(s, ALICE, "child SA known has this traffic, for peers that prove who they are"));
    CHECK_EQ(sim_children(s, ALICE), 0);
    client(s, DAVE, to_gate, ""); // not in that range
    CHECK_EQ(call(s, DAVE), ERR_OK);
    CHECK_EQ(sim_children(s, ALICE), 1);
    sim_free(s);
}

static void in_transport_mode(struct sim *s, int node)
{
    char conf[1000];
    (void)snprintf(conf, sizeof conf,
                   "connections { net {\n %s\n " SIM_SUITE "\n %s\n children { net {\n"
                   "mode = transport\n } } } }\n secrets { ike { secret = horses\n } }\n",
                   node == ALICE ? "" : "remote_addrs = 192.0.2.1",
                   node == ALICE ? from_null : to_gate);
    sim_configure(s, node, conf);
}

static void two_behind_a_nat(void **state)
{
    struct sim *s = sim_new(7);
    (void)state;
    in_transport_mode(s, ALICE);
    for (int i = BOB; i <= CAROL; i++) {
        CHECK_OK(ip_parse("198.51.100.7", &s->node[i].nat_ip));
        s->node[i].nat_port_500 = (uint16_t)(1000 + i);
        s->node[i].nat_port_4500 = (uint16_t)(2000 + i);
        in_transport_mode(s, i);
        (void)call(s, i);
    }
    CHECK_EQ(sim_ikes(s, ALICE), 2);
    CHECK_EQ(sim_children(s, ALICE), 1);
    CHECK(sim_told(s, ALICE, "nobody can tell whether this is the same peer"));
    CHECK_EQ(sim_children(s, BOB), 1); // it has been asked, and was there
    // When the first one has gone without a word, the second can have it.
    sim_switch_off(s, BOB);
    (void)call(s, CAROL);
    sim_run(s, 300 * SECOND);
    CHECK_EQ(call(s, CAROL), ERR_OK);
    CHECK_EQ(sim_children(s, ALICE), 1);
    sim_free(s);
}

static void many_from_one_address(void **state)
{
    struct sim *s = sim_new(8);
    char conf[8000] = "connections {\n";
    (void)state;
    gateway(s, from_null, "", END);
    for (unsigned i = 0; i < 10; i++) {
        size_t n = strlen(conf);
        (void)snprintf(conf + n, sizeof conf - n,
                       "c%u {\n remote_addrs = 192.0.2.1\n childless = force\n %s " SIM_SUITE
                       "\n children { c%u {\n remote_ts = 10.1.0.0/16\n } } }\n",
                       i, to_gate, i);
    }
    (void)strcat(conf, END);
    sim_configure(s, BOB, conf);
    for (unsigned i = 0; i < 10; i++) {
        struct sim_result r = {0};
        char name[8];
        (void)snprintf(name, sizeof name, "c%u", i);
        ike_initiate(s->node[BOB].ike, name, NULL, NULL, &r);
        sim_run(s, SECOND);
    }
    CHECK_EQ(sim_ikes(s, ALICE), 8);
    CHECK(sim_told(s, ALICE, "8 of them at this address; more are not let in"));
    sim_free(s);
}

static unsigned init_answer_changed(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)s;
    // The last byte is that of a Notify's type.
    if (n == 1) m->bytes[m->d.bytes.len - 1] ^= 0x40;
    return 1;
}

// AUTH still binds what was said before.
static void messages_must_be_the_same(void **state)
{
    struct sim *s = sim_new(9);
    (void)state;
    gateway(s, "local { auth = null\n }\n remote { auth = null\n }\n", "", END);
    sim_configure(s, BOB,
                  "connections { net {\n remote_addrs = 192.0.2.1\n " SIM_SUITE "\n " NULLS
                  "children { net {\n } } } }\n");
    s->fate = init_answer_changed;
    CHECK_EQ(call(s, BOB), ERR_AUTH);
    CHECK(sim_told(s, BOB, "is not about these messages"));
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_in_particular),
        cmocka_unit_test(a_gateway_with_a_key),
        cmocka_unit_test(both_nobody),
        cmocka_unit_test(refused_by_default),
        cmocka_unit_test(a_name_counts_for_nothing),
        cmocka_unit_test(not_what_is_of_others),
        cmocka_unit_test(two_behind_a_nat),
        cmocka_unit_test(many_from_one_address),
        cmocka_unit_test(messages_must_be_the_same),
    };
    return cmocka_run_group_tests(tests, papers_begin, papers_end);
}
