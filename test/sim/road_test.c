// Road warriors: clients that get an address from a gateway's pools, keep it through everything
// that happens to an IKE SA, and give it back (RFC 7296 2.19, 3.15; RFC 8598).
#include <stdio.h>
#include <string.h>

#include "ike/sa/pool.h"
#include "test/sim/sim.h"

enum { GATEWAY = ALICE }; // 192.0.2.1; all others are clients

// What each client's host was told to have.
static struct {
    unsigned puts, takes;
    struct ike_given last;
    bool refuse;
} host[SIM_NODES];

static err_t given_put(void *ctx, const struct ike_given *g, struct why *why)
{
    int i = ((struct sim_node *)ctx)->index;
    if (host[i].refuse) return why_not(why, ERR_PERMISSION, "this host takes no address");
    host[i].puts++;
    host[i].last = *g;
    return ERR_OK;
}

static void given_take(void *ctx, const struct ike_given *g)
{
    int i = ((struct sim_node *)ctx)->index;
    CHECK_STR(g->conn, "net");
    host[i].takes++;
}

static struct sim *world(uint64_t seed)
{
    struct sim *s = sim_new(seed);
    memset(host, 0, sizeof host);
    for (int i = 0; i < SIM_NODES; i++) {
        s->node[i].env.given_put = given_put;
        s->node[i].env.given_take = given_take;
    }
    return s;
}

#define POOLS_V4                                                                     \
    "pools { rw {\n addrs = 10.3.0.0/24\n dns = 10.1.0.53\n subnet = 10.1.0.0/16\n " \
    "25 = corp.example\n 28672 = hello\n } }\n"

static void gateway(struct sim *s, const char *conn, const char *child, const char *pools)
{
    char conf[4096];
    (void)snprintf(
        conf, sizeof conf,
        "connections {\n net {\n  local_addrs = 192.0.2.1\n  remote_addrs = %%any\n"
        "  local { auth = psk\n id = gw.example.org }\n  remote { auth = psk }\n"
        "  children {\n   net {\n    local_ts = 10.1.0.0/16,2001:db8:1::/48\n   %s\n   }\n"
        "  }\n  %s\n }\n}\n%s\nsecrets { ike-1 { secret = \"correct horse\" } }\n",
        child, conn, pools);
    sim_configure(s, GATEWAY, conf);
}

static void client_as(struct sim *s, int node, const char *name, const char *conn,
                      const char *child)
{
    char conf[4096];
    (void)snprintf(
        conf, sizeof conf,
        "connections {\n net {\n  remote_addrs = 192.0.2.1\n"
        "  local { auth = psk\n id = %s }\n"
        "  remote { auth = psk\n id = gw.example.org }\n"
        "  children {\n   net {\n    remote_ts = 10.1.0.0/16,2001:db8:1::/48\n   %s\n   }\n"
        "  other {\n remote_ts = 10.1.9.0/24\n }\n"
        "  }\n  %s\n }\n}\nsecrets { ike-1 { secret = \"correct horse\" } }\n",
        name, child, conn);
    sim_configure(s, node, conf);
}

static void client(struct sim *s, int node, const char *conn, const char *child)
{
    char name[32];
    (void)snprintf(name, sizeof name, "client%d.example.org", node);
    client_as(s, node, name, conn, child);
}

static void up(struct sim *s, int node)
{
    struct sim_result r;
    sim_initiate(s, node, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(sim_children(s, node), 1);
}

static void refused(struct sim *s, int node, const char *words)
{
    struct sim_result r;
    sim_initiate(s, node, "net", &r);
    sim_run(s, 2 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK(r.err != ERR_OK);
    CHECK(strstr(r.sentence, words));
    CHECK_EQ(sim_ikes(s, node), 0);
    CHECK_EQ(sim_ikes(s, GATEWAY), 0);
}

static const char *address(int node)
{
    static char text[IP_TEXT_MAX];
    CHECK(host[node].puts > 0);
    return ip_show(&host[node].last.ip[0], text);
}

static void down(struct sim *s, int node)
{
    struct sim_result r;
    sim_terminate_ike(s, node, &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
}

// Is there a policy outwards from this address, and from no wider network?
static bool sends_from(struct sim *s, int node, const char *prefix)
{
    unsigned n = 0, all = 0;
    const struct sim_xfrm *x = &s->node[node].xfrm;
    for (unsigned i = 0; i < x->policies; i++) {
        const struct xfrm_policy *p = &x->policy[i];
        char text[PREFIX_TEXT_MAX];
        if (p->dir != XFRM_OUT) continue;
        all++;
        n += strcmp(prefix_show(&p->sel.src, text), prefix) == 0;
    }
    return n > 0 && n == all;
}

static void client_gets_what_the_pool_has(void **state)
{
    (void)state;
    struct sim *s = world(1);
    char text[PREFIX_TEXT_MAX];
    gateway(s, "pools = rw", "", POOLS_V4);
    client(s, BOB, "vips = 0.0.0.0", "");
    up(s, BOB);
    const struct ike_given *g = &host[BOB].last;
    CHECK_EQ(g->ip_n, 1);
    CHECK_STR(address(BOB), "10.3.0.1");
    CHECK_EQ(g->dns_n, 1);
    CHECK_STR(ip_show(&g->dns[0], text), "10.1.0.53");
    CHECK_EQ(g->domain_n, 1);
    CHECK_STR(g->domain[0], "corp.example");
    CHECK_EQ(g->net_n, 1);
    CHECK_STR(prefix_show(&g->net[0], text), "10.1.0.0/16");
    CHECK_EQ(g->other_n, 1); // what nobody knows is passed on
    CHECK_EQ(g->other[0].type, 28672);
    CHECK_EQ(memcmp(g->other[0].at, "hello", 5), 0);
    CHECK(sends_from(s, BOB, "10.3.0.1/32"));
    CHECK(sim_told(s, GATEWAY, " === 10.3.0.1/32"));
    down(s, BOB);
    CHECK_EQ(host[BOB].puts, 1);
    CHECK_EQ(host[BOB].takes, 1);
    sim_free(s);
}

static void everybody_gets_another(void **state)
{
    (void)state;
    struct sim *s = world(2);
    gateway(s, "pools = rw", "", POOLS_V4);
    for (int i = BOB; i <= DAVE; i++) {
        client(s, i, "vips = 0.0.0.0", "");
        up(s, i);
    }
    CHECK_STR(address(BOB), "10.3.0.1");
    CHECK_STR(address(CAROL), "10.3.0.2");
    CHECK_STR(address(DAVE), "10.3.0.3");
    CHECK_EQ(sim_children(s, GATEWAY), 3);
    // BOB goes and comes back: his is still his.
    down(s, BOB);
    up(s, BOB);
    CHECK_STR(address(BOB), "10.3.0.1");
    sim_free(s);
}

static void both_families(void **state)
{
    (void)state;
    struct sim *s = world(3);
    char text[IP_TEXT_MAX];
    gateway(s, "pools = rw, rw6", "",
            "pools { rw {\n addrs = 10.3.0.0/24\n }\n rw6 {\n addrs = 2001:db8:3::/64\n } }\n");
    client(s, BOB, "vips = 0.0.0.0, ::", "");
    up(s, BOB);
    CHECK_EQ(host[BOB].last.ip_n, 2);
    CHECK_STR(address(BOB), "10.3.0.1");
    CHECK_STR(ip_show(&host[BOB].last.ip[1], text), "2001:db8:3::1");
    CHECK(sim_told(s, BOB, "10.3.0.1/32 2001:db8:3::1/128 === "));
    // Only one of the two can be had: that one is enough (3.15.4).
    gateway(s, "pools = rw", "", POOLS_V4);
    client(s, CAROL, "vips = ::, 0.0.0.0", "");
    up(s, CAROL);
    CHECK_EQ(host[CAROL].last.ip_n, 1);
    CHECK_STR(address(CAROL), "10.3.0.2");
    sim_free(s);
}

static void wanted_address(void **state)
{
    (void)state;
    struct sim *s = world(4);
    gateway(s, "pools = rw", "", POOLS_V4);
    client(s, BOB, "vips = 10.3.0.77", "");
    up(s, BOB);
    CHECK_STR(address(BOB), "10.3.0.77");
    client(s, CAROL, "vips = 10.3.0.77", "");
    up(s, CAROL);
    CHECK_STR(address(CAROL), "10.3.0.1");
    sim_free(s);
}

static void address_outlives_rekeying(void **state)
{
    (void)state;
    struct sim *s = world(5);
    struct sim_result r;
    gateway(s, "pools = rw", "", POOLS_V4);
    client(s, BOB, "vips = 0.0.0.0", "");
    up(s, BOB);
    for (unsigned i = 0; i < 2; i++) {
        sim_rekey_ike(s, i ? GATEWAY : BOB);
        sim_run(s, 10 * SECOND);
        sim_rekey_child(s, i ? GATEWAY : BOB);
        sim_run(s, 10 * SECOND);
    }
    CHECK_EQ(host[BOB].puts, 1);
    CHECK_EQ(host[BOB].takes, 0);
    // A further child SA speaks of it at once.
    sim_initiate(s, BOB, "other", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    CHECK(sim_told(s, BOB, "10.3.0.1/32 === 10.1.9.0/24"));
    CHECK(sends_from(s, BOB, "10.3.0.1/32"));
    down(s, BOB);
    CHECK_EQ(host[BOB].takes, 1);
    sim_free(s);
}

static void address_outlives_reauthentication(void **state)
{
    (void)state;
    struct sim *s = world(6);
    unsigned n;
    struct ike_choice what = {.ike = "net", .reauth = true};
    gateway(s, "pools = rw", "", POOLS_V4);
    client(s, BOB, "vips = 0.0.0.0", "");
    up(s, BOB);
    CHECK_OK(ike_rekey(s->node[BOB].ike, &what, &n));
    sim_run(s, 20 * SECOND);
    CHECK_EQ(sim_ikes(s, BOB), 1);
    CHECK_EQ(sim_children(s, BOB), 1);
    CHECK_EQ(host[BOB].puts, 2);
    CHECK_EQ(host[BOB].takes, 1);
    CHECK_STR(address(BOB), "10.3.0.1");
    down(s, BOB);
    CHECK_EQ(host[BOB].takes, 2);
    sim_free(s);
}

// ... also where the old IKE SA goes first, and the gateway is out for a while.
static void address_outlives_a_break(void **state)
{
    (void)state;
    for (unsigned out = 0; out < 2; out++) {
        struct sim *s = world(8 + out);
        unsigned n;
        struct ike_choice what = {.ike = "net", .reauth = true};
        s->node[BOB].opt.break_before_make = true;
        gateway(s, "pools = rw", "", POOLS_V4);
        client(s, BOB, "vips = 0.0.0.0\n keyingtries = 0", "");
        up(s, BOB);
        s->node[ALICE].offline = out;
        CHECK_OK(ike_rekey(s->node[BOB].ike, &what, &n));
        sim_run(s, out ? 600 * SECOND : SECOND / 2);
        s->node[ALICE].offline = false;
        CHECK_EQ(host[BOB].takes, out ? 0 : 1); // the old one's, when the new one's is there
        sim_run(s, 300 * SECOND);
        CHECK_EQ(sim_ikes(s, BOB), 1);
        CHECK_EQ(sim_children(s, BOB), 1);
        CHECK_EQ(host[BOB].puts, 2);
        CHECK_EQ(host[BOB].takes, 1);
        CHECK_STR(address(BOB), "10.3.0.1");
        down(s, BOB);
        CHECK_EQ(host[BOB].takes, 2);
        sim_free(s);
    }
}

// A client that has crashed does not cost the pool another address.
static void crashed_client_comes_back(void **state)
{
    (void)state;
    struct sim *s = world(7);
    gateway(s, "pools = rw", "", "pools { rw {\n addrs = 10.3.0.9-10.3.0.9\n } }\n");
    for (unsigned i = 0; i < 3; i++) {
        client(s, BOB, "vips = 0.0.0.0", "");
        up(s, BOB);
        CHECK_STR(address(BOB), "10.3.0.9");
        sim_switch_off(s, BOB);
    }
    sim_free(s);
}

static void pool_that_is_too_small(void **state)
{
    (void)state;
    struct sim *s = world(8);
    gateway(s, "pools = rw", "", "pools { rw {\n addrs = 10.3.0.9-10.3.0.9\n } }\n");
    client(s, BOB, "vips = 0.0.0.0", "");
    client(s, CAROL, "vips = 0.0.0.0", "");
    up(s, BOB);
    struct sim_result r;
    sim_initiate(s, CAROL, "net", &r);
    sim_run(s, 2 * SECOND);
    CHECK(r.err != ERR_OK);
    CHECK(strstr(r.sentence, "INTERNAL_ADDRESS_FAILURE"));
    CHECK(sim_told(s, GATEWAY, "pool rw is too small: all addresses from 10.3.0.9 to 10.3.0.9"));
    CHECK_EQ(sim_ikes(s, CAROL), 0);
    CHECK_EQ(host[CAROL].puts, 0);
    down(s, BOB);
    up(s, CAROL); // nobody has it any more
    CHECK_STR(address(CAROL), "10.3.0.9");
    sim_free(s);
}

static void gateway_without_pools(void **state)
{
    (void)state;
    struct sim *s = world(9);
    gateway(s, "", "", "");
    client(s, BOB, "vips = 0.0.0.0", "");
    refused(s, BOB, "INTERNAL_ADDRESS_FAILURE");
    CHECK(sim_told(s, GATEWAY, "net has none to give"));
    CHECK_EQ(host[BOB].puts, 0);
    sim_free(s);
}

static void client_that_does_not_ask(void **state)
{
    (void)state;
    struct sim *s = world(10);
    struct sim_result r;
    gateway(s, "pools = rw", "", POOLS_V4);
    client(s, BOB, "", "");
    sim_initiate(s, BOB, "net", &r);
    sim_run(s, SECOND);
    CHECK(r.err != ERR_OK);
    CHECK(strstr(r.sentence, "FAILED_CP_REQUIRED"));
    CHECK_EQ(sim_children(s, GATEWAY), 0);
    sim_free(s);
}

static void host_that_takes_no_address(void **state)
{
    (void)state;
    struct sim *s = world(11);
    gateway(s, "pools = rw", "", POOLS_V4);
    client(s, BOB, "vips = 0.0.0.0", "");
    host[BOB].refuse = true;
    refused(s, BOB, "this host takes no address");
    CHECK_EQ(host[BOB].takes, 0);
    sim_expect_nothing(s);
    sim_free(s);
}

// A gateway that grants every source: we send from our address and no other.
static void careless_gateway(void **state)
{
    (void)state;
    struct sim *s = world(12);
    gateway(s, "pools = rw", "remote_ts = 0.0.0.0/0", POOLS_V4);
    client(s, BOB, "vips = 0.0.0.0", "");
    up(s, BOB);
    CHECK(sends_from(s, BOB, "10.3.0.1/32"));
    sim_free(s);
}

static void any_message_may_be_lost(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 6; lost++) {
        struct sim *s = world(20 + lost);
        struct sim_result r;
        gateway(s, "pools = rw", "", POOLS_V4);
        client(s, BOB, "vips = 0.0.0.0", "");
        s->fate = sim_fate_nth_lost;
        s->fate_arg = lost;
        sim_initiate(s, BOB, "net", &r);
        sim_run(s, 60 * SECOND);
        CHECK_EQ(r.err, ERR_OK);
        CHECK_STR(address(BOB), "10.3.0.1");
        CHECK_EQ(host[BOB].puts, 1);
        sim_free(s);
    }
}

// What a packet asks for cannot be had with its own source: it is asked for once, not for ever.
static void trap_does_not_storm(void **state)
{
    (void)state;
    struct sim *s = world(30);
    gateway(s, "pools = rw", "", POOLS_V4);
    client(s, BOB, "vips = 0.0.0.0", "start_action = trap");
    for (uint32_t i = 1; i <= 10; i++) {
        const struct xfrm_policy *trap = NULL;
        for (unsigned k = 0; k < s->node[BOB].xfrm.policies; k++) {
            const struct xfrm_policy *p = &s->node[BOB].xfrm.policy[k];
            if (p->dir == XFRM_OUT && p->sel.src.len == 0) trap = p;
        }
        assert_non_null(trap);
        struct xfrm_event ev = {
            .kind = XFRM_EV_ACQUIRE, .policy = trap, .tmpl = &trap->tmpl[0], .seq = i};
        ike_xfrm_event(s->node[BOB].ike, &ev);
        sim_run(s, 5 * SECOND);
    }
    CHECK_EQ(sim_ikes(s, BOB), 1);
    CHECK_EQ(sim_children(s, BOB), 1);
    sim_free(s);
}

static void leases_outlive_the_gateway(void **state)
{
    (void)state;
    struct sim *s = world(31);
    struct why why;
    AUTO(text) struct text saved = {0};
    gateway(s, "pools = rw", "", POOLS_V4);
    client(s, BOB, "vips = 0.0.0.0", "");
    client(s, CAROL, "vips = 0.0.0.0", "");
    up(s, BOB);
    up(s, CAROL);
    pools_save(ike_pools(s->node[GATEWAY].ike), &saved);
    for (int i = GATEWAY; i <= CAROL; i++) sim_switch_off(s, i);
    s->node[GATEWAY].ike = ike_new(&s->node[GATEWAY].env, &s->node[GATEWAY].opt);
    CHECK_OK(pools_restore(ike_pools(s->node[GATEWAY].ike), span_str(text_str(&saved)), &why));
    gateway(s, "pools = rw", "", POOLS_V4);
    client(s, DAVE, "vips = 0.0.0.0", "");
    client(s, CAROL, "vips = 0.0.0.0", "");
    client(s, BOB, "vips = 0.0.0.0", "");
    up(s, DAVE);
    up(s, CAROL);
    up(s, BOB);
    CHECK_STR(address(DAVE), "10.3.0.3");
    CHECK_STR(address(CAROL), "10.3.0.2");
    CHECK_STR(address(BOB), "10.3.0.1");
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_gets_what_the_pool_has),
        cmocka_unit_test(everybody_gets_another),
        cmocka_unit_test(both_families),
        cmocka_unit_test(wanted_address),
        cmocka_unit_test(address_outlives_rekeying),
        cmocka_unit_test(address_outlives_reauthentication),
        cmocka_unit_test(address_outlives_a_break),
        cmocka_unit_test(crashed_client_comes_back),
        cmocka_unit_test(pool_that_is_too_small),
        cmocka_unit_test(gateway_without_pools),
        cmocka_unit_test(client_that_does_not_ask),
        cmocka_unit_test(host_that_takes_no_address),
        cmocka_unit_test(careless_gateway),
        cmocka_unit_test(any_message_may_be_lost),
        cmocka_unit_test(trap_does_not_storm),
        cmocka_unit_test(leases_outlive_the_gateway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
