// Clients of a gateway whose addresses come from a DHCP server (pools = dhcp): the answer of
// IKE_AUTH waits for it, and nothing is lent that nobody has. The test is the server.
#include "ike/sa/lease.h"

#include <stdio.h>
#include <string.h>

#include "test/sim/sim.h"

enum { GATEWAY = ALICE };

static struct {
    struct dhcp_ask *ask[4];
    unsigned waiting, asked, lent, released;
    err_t refuse;
    ip_t wish;
    struct id who;
    bool shares;
    struct ike_given given;
    unsigned takes;
} dhcp;

static err_t dhcp_ask(void *ctx, struct ike_work *w)
{
    (void)ctx;
    if (dhcp.refuse != ERR_OK) return dhcp.refuse;
    struct dhcp_ask *a = (struct dhcp_ask *)w;
    dhcp.ask[dhcp.waiting++] = a;
    dhcp.asked++;
    dhcp.wish = a->wish;
    dhcp.who = a->who;
    dhcp.shares = a->shares;
    return ERR_OK;
}

static void dhcp_release(void *ctx, uint32_t lease)
{
    (void)ctx;
    CHECK(lease == 7);
    dhcp.released++;
}

static err_t given_put(void *ctx, const struct ike_given *g, struct why *why)
{
    (void)ctx, (void)why;
    dhcp.given = *g;
    return ERR_OK;
}

static void given_take(void *ctx, const struct ike_given *g)
{
    (void)ctx, (void)g;
    dhcp.takes++;
}

// The server answers everybody who waits; NULL: it has nothing.
static void serve(struct sim *s, const char *ip)
{
    while (dhcp.waiting) {
        struct dhcp_ask *a = dhcp.ask[--dhcp.waiting];
        if (ip) {
            a->lease = (struct dhcp_lease){.id = 7, .dns_n = 1, .nbns_n = 1};
            CHECK_OK(ip_parse(ip, &a->lease.ip));
            CHECK_OK(ip_parse("10.1.0.20", &a->lease.dns[0]));
            CHECK_OK(ip_parse("10.1.0.10", &a->lease.nbns[0]));
            dhcp.lent++;
        } else {
            a->err = why_not(&a->why, ERR_TIMEOUT, "nobody offers an address");
        }
        ike_work_done(s->node[GATEWAY].ike, &a->w);
        sim_check(s);
    }
    sim_run(s, SECOND);
}

static struct sim *world(uint64_t seed, const char *pools, const char *gateway_more)
{
    struct sim *s = sim_new(seed);
    char conf[2048];
    memset(&dhcp, 0, sizeof dhcp);
    s->node[GATEWAY].env.dhcp_ask = dhcp_ask;
    s->node[GATEWAY].env.dhcp_release = dhcp_release;
    s->node[BOB].env.given_put = given_put;
    s->node[BOB].env.given_take = given_take;
    (void)snprintf(conf, sizeof conf,
                   "connections {\n net {\n  local_addrs = 192.0.2.1\n  remote_addrs = %%any\n"
                   "  local { auth = psk\n id = gw.example.org }\n  remote { auth = psk }\n"
                   "  children {\n   net {\n    local_ts = 10.1.0.0/16\n   }\n  }\n"
                   "  pools = %s\n  %s\n }\n}\npools { rw {\n addrs = 10.3.0.0/24\n } }\n"
                   "secrets { ike-1 { secret = \"correct horse\" } }\n",
                   pools, gateway_more);
    sim_configure(s, GATEWAY, conf);
    return s;
}

static void client(struct sim *s, const char *conn)
{
    char conf[2048];
    (void)snprintf(conf, sizeof conf,
                   "connections {\n net {\n  remote_addrs = 192.0.2.1\n"
                   "  local { auth = psk\n id = bob@example.org }\n"
                   "  remote { auth = psk\n id = gw.example.org }\n"
                   "  children {\n   net {\n    remote_ts = 10.1.0.0/16\n   }\n  }\n  %s\n }\n}\n"
                   "secrets { ike-1 { secret = \"correct horse\" } }\n",
                   conn);
    sim_configure(s, BOB, conf);
}

static struct sim_result result;

static void begin(struct sim *s)
{
    sim_initiate(s, BOB, "net", &result);
    sim_run(s, SECOND);
}

static void expect_up(struct sim *s, const char *ip)
{
    char text[IP_TEXT_MAX];
    CHECK_EQ(result.told, 1);
    CHECK_OK(result.err);
    CHECK_EQ(sim_children(s, BOB), 1);
    CHECK_EQ(sim_children(s, GATEWAY), 1);
    CHECK_STR(ip_show(&dhcp.given.ip[0], text), ip);
}

static void down(struct sim *s, int node)
{
    struct sim_result r;
    sim_terminate_ike(s, node, &r);
    sim_run(s, SECOND);
    CHECK_OK(r.err);
    CHECK_EQ(sim_ikes(s, GATEWAY), 0);
}

static unsigned times(const struct sim *s, const char *words)
{
    unsigned n = 0;
    for (const char *at = text_str(&s->node[GATEWAY].story); (at = strstr(at, words)); at++) n++;
    return n;
}

static void answer_waits_for_the_server(void **state)
{
    (void)state;
    struct sim *s = world(1, "dhcp", "");
    char text[ID_TEXT_MAX];
    client(s, "vips = 0.0.0.0");
    begin(s);
    CHECK_EQ(dhcp.asked, 1);
    CHECK_STR(id_show(&dhcp.who, text), "bob@example.org");
    CHECK(ip_is_any(&dhcp.wish));
    sim_run(s, 15 * SECOND); // the client repeats its message
    CHECK_EQ(dhcp.asked, 1);
    CHECK_EQ(result.told, 0);
    CHECK_EQ(sim_ikes(s, GATEWAY), 0);
    serve(s, "10.1.0.50");
    expect_up(s, "10.1.0.50");
    CHECK_EQ(dhcp.given.dns_n, 1);
    CHECK_STR(ip_show(&dhcp.given.dns[0], text), "10.1.0.20");
    CHECK_EQ(dhcp.given.other_n, 1); // NBNS
    CHECK_EQ(dhcp.given.other[0].at[3], 10);
    CHECK(sim_told(s, GATEWAY, "10.1.0.0/16 === 10.1.0.50/32"));
    CHECK_EQ(times(s, "assigning virtual IP 10.1.0.50 to peer 'bob@example.org'"), 1);
    // The message was handled twice, and its sender believed once.
    CHECK_EQ(times(s, "authentication of 'bob@example.org'"), 1);
    CHECK_EQ(times(s, "selected peer config"), 1);
    CHECK_EQ(dhcp.released, 0);
    down(s, BOB);
    CHECK_EQ(dhcp.released, 1);
    sim_free(s);
    CHECK_EQ(dhcp.released, 1);
}

static void server_has_none(void **state)
{
    (void)state;
    struct sim *s = world(2, "dhcp", "");
    client(s, "vips = 0.0.0.0");
    begin(s);
    serve(s, NULL);
    CHECK_EQ(result.told, 1);
    CHECK(strstr(result.sentence, "INTERNAL_ADDRESS_FAILURE"));
    CHECK(sim_told(s, GATEWAY, "no address for the peer: nobody offers an address"));
    CHECK_EQ(sim_ikes(s, BOB), 0);
    CHECK_EQ(dhcp.released, 0);
    sim_free(s);
}

static void nobody_can_be_asked(void **state)
{
    (void)state;
    static const struct {
        err_t err;
        const char *words;
    } why[] = {{ERR_UNSUPPORTED, "charon.plugins.dhcp.load = yes"}, {ERR_LIMIT, "safety limit"}};
    for (size_t i = 0; i < sizeof why / sizeof *why; i++) {
        struct sim *s = world(3 + i, "dhcp", "");
        dhcp.refuse = why[i].err;
        client(s, "vips = 0.0.0.0");
        begin(s);
        CHECK_EQ(result.told, 1);
        CHECK(result.err != ERR_OK);
        CHECK(sim_told(s, GATEWAY, why[i].words));
        sim_free(s);
    }
}

// Who has waited in vain leaves nothing behind.
static void answer_comes_too_late(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct sim *s = world(6, "dhcp", "");
        client(s, "vips = 0.0.0.0");
        begin(s);
        if (i) sim_switch_off(s, BOB);
        sim_run(s, 40 * SECOND); // a half-open IKE SA lives for 30
        serve(s, "10.1.0.50");
        CHECK_EQ(sim_ikes(s, GATEWAY), 0);
        CHECK_EQ(dhcp.lent, 1);
        CHECK_EQ(dhcp.released, 1);
        sim_free(s);
    }
}

static void client_that_asks_for_none(void **state)
{
    (void)state;
    struct sim *s = world(8, "dhcp", "");
    client(s, "");
    begin(s);
    CHECK_EQ(dhcp.asked, 0);
    CHECK_EQ(result.told, 1);
    CHECK(result.err != ERR_OK);
    down(s, BOB);
    client(s, "vips = ::"); // DHCP has no IPv6 addresses
    begin(s);
    CHECK_EQ(dhcp.asked, 0);
    CHECK(sim_told(s, GATEWAY, "DHCP servers are asked for IPv4 addresses only"));
    sim_free(s);
}

static void one_address_for_each(void **state)
{
    (void)state;
    struct sim *s = world(9, "dhcp", "");
    client(s, "vips = 0.0.0.0, 0.0.0.0");
    begin(s);
    CHECK_EQ(dhcp.asked, 1);
    serve(s, "10.1.0.50");
    expect_up(s, "10.1.0.50");
    CHECK_EQ(dhcp.given.ip_n, 1);
    down(s, GATEWAY);
    CHECK_EQ(dhcp.released, 1);
    sim_free(s);
}

static void lease_outlives_rekeying(void **state)
{
    (void)state;
    struct sim *s = world(10, "dhcp", "");
    client(s, "vips = 0.0.0.0");
    begin(s);
    serve(s, "10.1.0.50");
    for (unsigned i = 0; i < 2; i++) {
        sim_rekey_ike(s, i ? GATEWAY : BOB);
        sim_run(s, 10 * SECOND);
    }
    CHECK_EQ(dhcp.asked, 1);
    CHECK_EQ(dhcp.released, 0);
    CHECK_EQ(dhcp.takes, 0);
    down(s, BOB);
    CHECK_EQ(dhcp.released, 1);
    sim_free(s);
}

static void reauthentication_asks_for_the_same(void **state)
{
    (void)state;
    struct sim *s = world(11, "dhcp", "unique = replace");
    unsigned n;
    char text[IP_TEXT_MAX];
    struct ike_choice what = {.ike = "net", .reauth = true};
    client(s, "vips = 0.0.0.0");
    begin(s);
    CHECK(dhcp.shares);
    serve(s, "10.1.0.50");
    CHECK_OK(ike_rekey(s->node[BOB].ike, &what, &n));
    sim_run(s, 2 * SECOND);
    CHECK_EQ(dhcp.asked, 2);
    CHECK_STR(ip_show(&dhcp.wish, text), "10.1.0.50");
    serve(s, "10.1.0.50");
    sim_run(s, 20 * SECOND);
    CHECK_EQ(sim_ikes(s, BOB), 1);
    CHECK_EQ(sim_children(s, GATEWAY), 1);
    CHECK_EQ(dhcp.released, 1);
    down(s, BOB);
    CHECK_EQ(dhcp.released, 2);
    sim_free(s);
}

static void server_takes_it_back(void **state)
{
    (void)state;
    struct sim *s = world(12, "dhcp", "");
    client(s, "vips = 0.0.0.0");
    begin(s);
    serve(s, "10.1.0.50");
    ike_lease_lost(s->node[GATEWAY].ike, 8); // somebody else's
    sim_run(s, SECOND);
    CHECK_EQ(sim_ikes(s, GATEWAY), 1);
    ike_lease_lost(s->node[GATEWAY].ike, 7);
    sim_run(s, SECOND);
    CHECK_EQ(sim_ikes(s, GATEWAY), 0);
    CHECK_EQ(sim_ikes(s, BOB), 0);
    CHECK(sim_told(s, GATEWAY, "the peer's address is not its own any more"));
    sim_free(s);
}

static void pools_in_their_order(void **state)
{
    (void)state;
    static const struct {
        const char *pools, *server, *ip;
        unsigned released;
    } cases[] = {
        {"dhcp, rw", "10.1.0.50", "10.1.0.50", 0},
        {"dhcp, rw", NULL, "10.3.0.1", 0},
        {"rw, dhcp", "10.1.0.50", "10.3.0.1", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim *s = world(13, cases[i].pools, "");
        client(s, "vips = 0.0.0.0");
        begin(s);
        serve(s, cases[i].server);
        expect_up(s, cases[i].ip);
        CHECK_EQ(dhcp.released, cases[i].released);
        down(s, BOB);
        CHECK_EQ(dhcp.released, dhcp.lent);
        sim_free(s);
    }
}

// After the last word of EAP, which is said once.
static void by_eap(void **state)
{
    (void)state;
    struct sim *s = world(16, "dhcp", "");
    sim_configure(s, GATEWAY,
                  "connections {\n net {\n  local_addrs = 192.0.2.1\n  pools = dhcp\n"
                  "  local { auth = psk\n id = gw.example.org }\n"
                  "  remote { auth = eap-mschapv2\n eap_id = %any }\n"
                  "  children { net { local_ts = 10.1.0.0/16 } }\n }\n}\n"
                  "secrets {\n ike-1 { secret = \"correct horse\" }\n"
                  " eap-1 { id = robert\n secret = \"battery staple\" }\n}\n");
    sim_configure(s, BOB,
                  "connections {\n net {\n  remote_addrs = 192.0.2.1\n  vips = 0.0.0.0\n"
                  "  local { auth = eap-mschapv2\n id = bob@example.org\n eap_id = robert }\n"
                  "  remote { auth = psk\n id = gw.example.org }\n"
                  "  children { net { remote_ts = 10.1.0.0/16 } }\n }\n}\n"
                  "secrets {\n ike-1 { secret = \"correct horse\" }\n"
                  " eap-1 { id = robert\n secret = \"battery staple\" }\n}\n");
    char text[ID_TEXT_MAX];
    begin(s);
    sim_run(s, 5 * SECOND);
    CHECK_EQ(dhcp.asked, 1);
    CHECK_STR(id_show(&dhcp.who, text), "robert");
    serve(s, "10.1.0.50");
    expect_up(s, "10.1.0.50");
    CHECK_EQ(times(s, "authentication of 'bob@example.org' with EAP successful"), 1);
    down(s, BOB);
    CHECK_EQ(dhcp.released, 1);
    sim_free(s);
}

static void any_message_may_be_lost(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 6; lost++) {
        struct sim *s = world(20 + lost, "dhcp", "");
        client(s, "vips = 0.0.0.0");
        s->fate = sim_fate_nth_lost;
        s->fate_arg = lost;
        begin(s);
        for (unsigned i = 0; i < 20; i++) serve(s, "10.1.0.50");
        expect_up(s, "10.1.0.50");
        CHECK_EQ(dhcp.asked, 1);
        sim_free(s);
    }
}

// Whoever has proved nothing makes nobody ask a server.
static void strangers_ask_nobody(void **state)
{
    (void)state;
    struct sim *s = world(17, "dhcp", "");
    sim_configure(s, BOB,
                  "connections {\n net {\n  remote_addrs = 192.0.2.1\n  vips = 0.0.0.0\n"
                  "  local { auth = psk\n id = bob@example.org }\n"
                  "  remote { auth = psk\n id = gw.example.org }\n"
                  "  children { net { remote_ts = 10.1.0.0/16 } }\n }\n}\n"
                  "secrets { ike-1 { secret = \"wrong horse\" } }\n");
    begin(s);
    CHECK_EQ(result.told, 1);
    CHECK(result.err != ERR_OK);
    CHECK_EQ(dhcp.asked, 0);
    sim_free(s);
    s = world(18, "dhcp", "");
    sim_configure(s, GATEWAY,
                  "connections {\n net {\n  local_addrs = 192.0.2.1\n  pools = dhcp\n"
                  "  local { auth = psk\n id = gw.example.org }\n  remote { auth = null }\n"
                  "  children { net { local_ts = 10.1.0.0/16 } }\n }\n}\n"
                  "secrets { ike-1 { secret = \"correct horse\" } }\n");
    sim_configure(s, BOB,
                  "connections {\n net {\n  remote_addrs = 192.0.2.1\n  vips = 0.0.0.0\n"
                  "  local { auth = null }\n  remote { auth = psk\n id = gw.example.org }\n"
                  "  children { net { remote_ts = 10.1.0.0/16 } }\n }\n}\n"
                  "secrets { ike-1 { secret = \"correct horse\" } }\n");
    begin(s);
    CHECK(sim_told(s, GATEWAY, "who proves nothing gets no address by DHCP"));
    CHECK_EQ(dhcp.asked, 0);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_waits_for_the_server),
        cmocka_unit_test(server_has_none),
        cmocka_unit_test(nobody_can_be_asked),
        cmocka_unit_test(answer_comes_too_late),
        cmocka_unit_test(client_that_asks_for_none),
        cmocka_unit_test(one_address_for_each),
        cmocka_unit_test(lease_outlives_rekeying),
        cmocka_unit_test(reauthentication_asks_for_the_same),
        cmocka_unit_test(server_takes_it_back),
        cmocka_unit_test(pools_in_their_order),
        cmocka_unit_test(by_eap),
        cmocka_unit_test(any_message_may_be_lost),
        cmocka_unit_test(strangers_ask_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
