// A gateway whose clients a RADIUS server proves: what it asks, what it believes, and what becomes
// of an IKE SA whose server is silent, refuses, or talks nonsense. The server is this test: it has
// the real methods of EAP, and no packets of RADIUS (test/unit/radius has those).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eap/eap.h"
#include "ike/radius.h"
#include "ike/sa/diplomat.h"
#include "ike/sa/granted.h"
#include "ike/sa/traffic.h"
#include "ike/sa/vip.h"
#include "radius/packet.h"
#include "test/sim/papers.h"

#define GATE "{ auth = pubkey\n id = bob.example.org\n }\n"
#define CLIENT "{ auth = eap\n id = 192.0.2.1\n eap_id = carol\n }"
#define ASKED "{ auth = eap-radius\n eap_id = %any\n }"

static struct server {
    struct sim *s;
    struct ike_radius *asked;
    struct eap *talk; // NULL: nobody has begun
    uint8_t method;
    bool silent, hasty, babbles, asks_again;
    unsigned full; // questions that there is no room for
    unsigned questions;
    struct radius_bytes user;
    struct radius_grant grant;
    size_t eap_len; // of the last packet
    uint8_t eap[RADIUS_MAX];
} server;

static err_t env_radius(void *ctx, struct ike_work *w)
{
    (void)ctx;
    if (server.full && server.full--) return ERR_LIMIT;
    assert_null(server.asked);
    server.asked = (struct ike_radius *)w;
    server.questions++;
    return ERR_OK;
}

static struct sim *world(uint64_t seed, const char *client, const char *remote, const char *secret)
{
    char conf[2000];
    struct sim *s = papers_hosts(seed);
    server = (struct server){.s = s, .method = EAP_MSCHAPV2};
    s->node[BOB].env.radius = env_radius;
    (void)snprintf(conf, sizeof conf,
                   "connections { net {\n " SIM_SUITE "\n local " GATE "remote %s\n"
                   "children { net { local_ts = 10.2.0.0/16\n remote_ts = 10.1.0.0/16\n } } } }\n",
                   remote);
    sim_configure(s, BOB, conf);
    (void)snprintf(conf, sizeof conf,
                   "connections { net {\n " SIM_SUITE "\n remote_addrs = 192.0.2.2\n local %s\n"
                   "remote " GATE
                   "children { net { local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16\n } } } }\n"
                   "secrets { eap-carol { id = carol\n secret = %s\n } }\n",
                   client, secret);
    sim_configure(s, ALICE, conf);
    return s;
}

// ---- the server --------------------------------------------------------------------------------

static bool hear(const struct radius_query *q)
{
    rd_t r = rd_from(span(q->attrs, q->attrs_len));
    bool goes_on = false;
    server.eap_len = 0;
    for (struct radius_attr a; radius_next(&r, &a);) {
        if (a.type == RADIUS_STATE) goes_on = a.value.len == 5;
        if (a.type == RADIUS_USER_NAME) {
            server.user.len = (uint8_t)a.value.len;
            memcpy(server.user.at, a.value.at, a.value.len);
        }
        if (a.type != RADIUS_EAP_MESSAGE || !a.value.len) continue;
        memcpy(server.eap + server.eap_len, a.value.at, a.value.len);
        server.eap_len += a.value.len;
    }
    CHECK_EQ(rd_left(&r), 0);
    return goes_on;
}

static void talk_begin(void)
{
    struct eap_terms t = {.server = true,
                          .method = server.method,
                          .secrets = psk_store_new(),
                          .sim = simcards_new(1),
                          .sim_set = sim_settings_default()};
    CHECK_OK(psk_add(t.secrets, span_str("Ar3etTnp"), NULL, 0));
    CHECK_OK(eap_identity(span(server.user.at, server.user.len), &t.other));
    eap_free(server.talk);
    server.talk = eap_new(&t);
    psk_store_free(t.secrets);
    simcards_free(t.sim);
    if (server.asks_again) {
        CHECK_OK(eap_ask(server.talk));
    } else {
        CHECK_OK(eap_begin(server.talk));
    }
}

static void say(struct radius_reply *r)
{
    span_t packet = eap_packet(server.talk), msk = eap_msk(server.talk);
    r->code = RADIUS_ACCESS_CHALLENGE;
    if (eap_state(server.talk) == EAP_SUCCEEDED) r->code = RADIUS_ACCESS_ACCEPT;
    if (eap_state(server.talk) == EAP_FAILED) r->code = RADIUS_ACCESS_REJECT;
    if (server.hasty) r->code = RADIUS_ACCESS_ACCEPT;
    r->eap_len = server.hasty ? 0 : (uint16_t)packet.len;
    if (r->eap_len) memcpy(r->eap, packet.at, packet.len);
    if (server.babbles) r->eap[2] ^= 1; // its length
    r->msk_len = (uint8_t)msk.len;
    if (msk.len) memcpy(r->msk, msk.at, msk.len);
    r->state.len = 5;
    if (r->code == RADIUS_ACCESS_ACCEPT) r->grant = server.grant;
}

static void answer(void)
{
    struct ike_radius *asked = server.asked;
    if (!asked) return;
    server.asked = NULL;
    bool goes_on = hear(&asked->q);
    asked->q.err = server.silent ? ERR_TIMEOUT : ERR_OK;
    (void)snprintf(asked->q.why.text, sizeof asked->q.why.text, "RADIUS server is not responding");
    if (!goes_on) talk_begin();
    if (goes_on) eap_take(server.talk, span(server.eap, server.eap_len));
    if (eap_state(server.talk) == EAP_KNOWS) CHECK_OK(eap_begin(server.talk));
    asked->q.server = 1;
    say(&asked->q.reply);
    ike_work_done(server.s->node[BOB].ike, &asked->w);
}

static void run(struct sim *s, unsigned seconds)
{
    for (unsigned i = 0; i < seconds * 10; i++) {
        sim_run(s, SECOND / 10);
        answer();
    }
}

static void end(struct sim *s)
{
    if (server.asked) server.asked->w.free(&server.asked->w);
    eap_free(server.talk);
    server.talk = NULL;
    sim_free(s);
}

static void comes_in(struct sim *s)
{
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    run(s, 10);
    if (r.err != ERR_OK) fail_msg("%s\n%s", r.sentence, text_str(&s->node[BOB].story));
    CHECK_EQ(sim_children(s, BOB), 1);
    sim_expect_clean(s);
}

static void is_refused(struct sim *s, int by, const char *said)
{
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    run(s, 10);
    CHECK(r.err != ERR_OK);
    if (!sim_told(s, by, said)) fail_msg("not told: %s\n%s", said, text_str(&s->node[by].story));
    CHECK_EQ(sim_ikes(s, ALICE) + sim_ikes(s, BOB), 0);
    run(s, 60);
    CHECK_EQ(sim_stats(s, BOB).half_open, 0);
    sim_expect_nothing(s);
    end(s);
}

// ---- who comes in ------------------------------------------------------------------------------

static void methods_of_the_server(void **state)
{
    static const uint8_t methods[] = {EAP_MD5, EAP_GTC, EAP_MSCHAPV2};
    static const char *const said[] = {"EAP_MD5 succeeded, no MSK", "EAP_GTC succeeded, no MSK",
                                       "EAP_MSCHAPV2 succeeded, MSK established"};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct sim *s = world(1 + i, CLIENT, ASKED, "Ar3etTnp");
        server.method = methods[i];
        comes_in(s);
        CHECK(sim_told(s, BOB, "received EAP identity 'carol'"));
        CHECK(sim_told(s, BOB, said[i]));
        CHECK(sim_told(s, BOB, "RADIUS authentication of 'carol' successful"));
        CHECK(sim_told(s, BOB, "authentication of '192.0.2.1' with EAP successful"));
        CHECK_EQ(server.user.len, 5);
        assert_memory_equal(server.user.at, "carol", 5);
        sim_rekey_ike(s, BOB);
        run(s, 5);
        sim_expect_clean(s);
        end(s);
    }
}

// Nobody asks in IKE: the server hears the name that was said there.
static void the_name_of_ike(void **state)
{
    struct sim *s =
        world(10, "{ auth = eap\n id = carol\n }", "{ auth = eap-radius\n }", "Ar3etTnp");
    (void)state;
    comes_in(s);
    CHECK(!sim_told(s, BOB, "received EAP identity"));
    assert_memory_equal(server.user.at, "carol", 5);
    CHECK_EQ(server.questions, 3);
    end(s);
}

static void a_prefix(void **state)
{
    struct sim *s = world(11, CLIENT, ASKED, "Ar3etTnp");
    (void)state;
    (void)snprintf(s->node[BOB].opt.radius.id_prefix, RADIUS_NAME_MAX, "vpn/");
    ike_set_options(s->node[BOB].ike, &s->node[BOB].opt);
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    run(s, 1);
    CHECK_EQ(server.user.len, 9);
    assert_memory_equal(server.user.at, "vpn/carol", 9);
    end(s);
}

// EAP-Start: it is the server who asks.
static void the_server_asks(void **state)
{
    struct sim *s = world(12, CLIENT, ASKED, "Ar3etTnp");
    (void)state;
    s->node[BOB].opt.radius.eap_start = true;
    ike_set_options(s->node[BOB].ike, &s->node[BOB].opt);
    server.asks_again = true;
    comes_in(s);
    end(s);
}

static void questions_that_have_to_wait(void **state)
{
    struct sim *s = world(13, CLIENT, ASKED, "Ar3etTnp");
    (void)state;
    comes_in(s);
    end(s);
    // The first has no place, so the client repeats its message; nobody is let in by it.
    s = world(14, "{ auth = eap\n id = carol\n }", "{ auth = eap-radius\n }", "Ar3etTnp");
    server.full = 1;
    comes_in(s);
    end(s);
}

static void messages_get_lost(void **state)
{
    (void)state;
    for (unsigned n = 2; n < 12; n++) {
        struct sim *s = world(20 + n, CLIENT, ASKED, "Ar3etTnp");
        s->fate = sim_fate_nth_lost;
        s->fate_arg = n;
        comes_in(s);
        end(s);
        s = world(40 + n, CLIENT, ASKED, "Ar3etTnp");
        s->fate = sim_fate_nth_twice;
        s->fate_arg = n;
        comes_in(s);
        end(s);
    }
}

// ---- what the server grants --------------------------------------------------------------------

static void reconfigure(struct sim *s, const char *gateway, const char *client)
{
    char conf[2000];
    (void)snprintf(conf, sizeof conf,
                   "connections { net {\n " SIM_SUITE "\n %s local " GATE "remote %s\n"
                   "children { net { local_ts = 10.2.0.0/16\n } } } }\n"
                   "pools { spare { addrs = 10.8.0.0/24\n } }\n",
                   gateway, client);
    sim_configure(s, BOB, conf);
    sim_configure(
        s, ALICE,
        "connections { net {\n " SIM_SUITE "\n remote_addrs = 192.0.2.2\n vips = 0.0.0.0\n"
        "local " CLIENT "remote " GATE "children { net { remote_ts = 10.2.0.0/16\n } } } }\n"
        "secrets { eap-carol { id = carol\n secret = Ar3etTnp\n } }\n");
}

static void give_grant(void)
{
    struct radius_grant *g = &server.grant;
    g->ip4 = ip_from(AF_INET, (uint8_t[]){10, 7, 0, 9});
    g->dns[g->dns_n++] = ip_from(AF_INET, (uint8_t[]){10, 2, 0, 53});
    g->session_s = 600;
    g->class_n = g->filter_n = 1;
    memcpy(g->class[0].at, "friends", g->class[0].len = 7);
    memcpy(g->filter[0].at, "guests", g->filter[0].len = 6);
}

static void asks_for_address(struct sim *s, const char *pools)
{
    struct sim_result r;
    reconfigure(s, pools, ASKED);
    sim_initiate(s, ALICE, "net", &r);
    run(s, 5);
}

static void addresses_and_time(void **state)
{
    struct sim *s = world(80, CLIENT, ASKED, "Ar3etTnp");
    (void)state;
    give_grant();
    asks_for_address(s, "pools = radius\n");
    CHECK(sim_told(s, BOB, "assigning virtual IP 10.7.0.9 to peer 'carol'"));
    CHECK(sim_told(s, ALICE, "the gateway names the DNS server 10.2.0.53"));
    CHECK(sim_told(s, ALICE, "received AUTH_LIFETIME of 600s"));
    // Rekeying does not make the session longer, nor does it lose the address.
    sim_rekey_ike(s, BOB);
    run(s, 5);
    struct ike_sa *sa = s->node[BOB].ike->all;
    CHECK(sa->granted && sa->granted->session_s == 600);
    CHECK(sa->timer[TIMER_LIFE] <= s->now + 600 * SECOND);
    CHECK(sa->vips && sa->vips->n == 1);
    CHECK_EQ(sa->granted->classes.len, 9);
    end(s);
}

// A client that does not come again is put out.
static void the_session_is_over(void **state)
{
    struct sim *s = world(81, CLIENT, ASKED, "Ar3etTnp");
    (void)state;
    give_grant();
    asks_for_address(s, "pools = radius\n");
    CHECK_EQ(sim_ikes(s, BOB), 1);
    ike_sa_timer(s->node[ALICE].ike->all, TIMER_REAUTH, DUE_NEVER);
    ike_sa_timer(s->node[ALICE].ike->all, TIMER_LIFE, DUE_NEVER);
    run(s, 590);
    CHECK_EQ(sim_ikes(s, BOB), 1);
    run(s, 20);
    CHECK_EQ(sim_ikes(s, BOB), 0);
    end(s);
}

static void without_an_address_of_its_own(void **state)
{
    struct sim *s = world(82, CLIENT, ASKED, "Ar3etTnp");
    (void)state;
    asks_for_address(s, "pools = radius, spare\n");
    CHECK(sim_told(s, BOB, "assigning virtual IP 10.8.0.1 to peer 'carol'"));
    end(s);
    // What is no address of a host is not given, and nobody else's is.
    s = world(83, CLIENT, ASKED, "Ar3etTnp");
    server.grant.ip4 = ip_from(AF_INET, (uint8_t[]){127, 0, 0, 1});
    asks_for_address(s, "pools = radius\n");
    CHECK_EQ(sim_children(s, BOB), 0);
    end(s);
}

static void groups_by_class(void **state)
{
    static const struct {
        const char *group;
        bool by_class, by_filter, in;
    } cases[] = {{"friends", true, false, true},   {"FRIENDS", true, false, true},
                 {"enemies", true, true, false},   {"friends", false, false, false},
                 {"guests", false, true, true},    {"guests", true, false, false},
                 {"friends2", true, false, false}, {"enemies, friends", true, false, true}};
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char remote[200];
        (void)snprintf(remote, sizeof remote,
                       "{ auth = eap-radius\n eap_id = %%any\n groups = %s\n }", cases[i].group);
        struct sim *s = world(90 + i, CLIENT, remote, "Ar3etTnp");
        s->node[BOB].opt.radius.class_group = cases[i].by_class;
        s->node[BOB].opt.radius.filter_id = cases[i].by_filter;
        ike_set_options(s->node[BOB].ike, &s->node[BOB].opt);
        give_grant();
        server.grant.tunnel_esp = true;
        if (cases[i].in) {
            comes_in(s);
            end(s);
        } else {
            is_refused(s, BOB, "names no group of the client that the connection wants");
        }
    }
}

// Which of two connections is the client's is known when the server has named its groups.
static void a_connection_for_each_group(void **state)
{
#define OF(name, group, net)                                                               \
    name " {\n " SIM_SUITE "\n local " GATE "remote { auth = eap-radius\n eap_id = %any\n" \
         "groups = " group "\n }\n children { net { local_ts = " net "\n remote_ts = "     \
         "10.1.0.0/16\n } } }\n"
    static const char *const names[] = {"research", "accounting", "sales"};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct sim *s = world(120 + i, CLIENT, ASKED, "Ar3etTnp");
        sim_configure(s, BOB,
                      "connections {\n" OF("research", "research", "10.2.0.0/16")
                          OF("accounting", "accounting", "10.2.0.0/16") "}\n");
        s->node[BOB].opt.radius.class_group = true;
        ike_set_options(s->node[BOB].ike, &s->node[BOB].opt);
        server.grant.class_n = 1;
        server.grant.class[0].len = (uint8_t)strlen(names[i]);
        memcpy(server.grant.class[0].at, names[i], strlen(names[i]));
        if (i == 2) {
            is_refused(s, BOB, "no alternative config found");
            continue;
        }
        comes_in(s);
        CHECK_STR(s->node[BOB].ike->all->conn->conf.name, names[i]);
        CHECK(!sim_told(s, BOB, "switching to peer config 'accounting'") == (i == 0));
        CHECK(!sim_told(s, BOB, "group membership to 'research' required") == (i == 0));
        end(s);
    }
}

// rfc5998: the gateway has no certificate, and the server's method proves it, if it can.
static void the_server_proves_the_gateway_too(void **state)
{
    static const struct {
        uint8_t method;
        const char *client;
    } cases[] = {{EAP_AKA, "eap-aka"}, {EAP_MSCHAPV2, "eap"}};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        char conf[1000];
        struct sim *s = world(130 + i, CLIENT, ASKED, "Ar3etTnp");
        sim_configure(
            s, BOB,
            "connections { net {\n " SIM_SUITE "\n local { auth = eap-radius\n"
            "id = bob.example.org\n }\n remote " ASKED
            "children { net { local_ts = 10.2.0.0/16\n remote_ts = 10.1.0.0/16\n } } } }\n");
        (void)snprintf(
            conf, sizeof conf,
            "connections { net {\n " SIM_SUITE "\n remote_addrs = 192.0.2.2\n"
            "local " CLIENT "remote { auth = %s\n id = bob.example.org\n }\n"
            "children { net { local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16\n } } } }\n"
            "secrets { eap-carol { id = carol\n secret = Ar3etTnp\n } }\n",
            cases[i].client);
        sim_configure(s, ALICE, conf);
        server.method = cases[i].method;
        if (i > 0) {
            is_refused(s, BOB, "RADIUS authentication of 'carol' failed");
            continue;
        }
        comes_in(s);
        CHECK(sim_told(s, BOB, "allow mutual EAP-only authentication"));
        end(s);
    }
}

// Child SAs that are gone still count.
static void traffic_of_all(void **state)
{
    struct sim *s = world(110, CLIENT, ASKED, "Ar3etTnp");
    (void)state;
    s->node[BOB].opt.counts = true;
    ike_set_options(s->node[BOB].ike, &s->node[BOB].opt);
    comes_in(s);
    struct ike_sa *sa = s->node[BOB].ike->all;
    for (unsigned i = 0; i < s->node[BOB].xfrm.top; i++) {
        s->node[BOB].xfrm.sa[i].x.current.bytes = 1000;
        s->node[BOB].xfrm.sa[i].x.current.packets = 10;
    }
    struct ike_traffic t = traffic_of(sa);
    CHECK(t.bytes_in == 1000 && t.bytes_out == 1000 && t.packets_in == 10 && t.packets_out == 10);
    sim_rekey_child(s, ALICE);
    run(s, 20); // the old one is gone
    t = traffic_of(sa);
    CHECK(t.bytes_in == 1000 && t.bytes_out == 1000 && t.packets_in == 10 && t.packets_out == 10);
    sim_rekey_ike(s, ALICE);
    run(s, 20);
    t = traffic_of(s->node[BOB].ike->all);
    CHECK(t.bytes_in == 1000 && t.packets_out == 10);
    end(s);
}

// ---- who does not ------------------------------------------------------------------------------

static void a_wrong_password(void **state)
{
    struct sim *s = world(60, CLIENT, ASKED, "wrongwrong");
    (void)state;
    server.method = EAP_MD5;
    is_refused(s, BOB, "RADIUS authentication of 'carol' failed");
    s = world(61, CLIENT, ASKED, "wrongwrong");
    server.method = EAP_MD5;
    is_refused(s, BOB, "EAP method EAP_MD5 failed for peer 192.0.2.1");
    s = world(62, CLIENT, ASKED, "wrongwrong");
    is_refused(s, ALICE, "received EAP_FAILURE");
}

static void a_silent_server(void **state)
{
    struct sim *s = world(63, CLIENT, ASKED, "Ar3etTnp");
    struct sim_result r;
    (void)state;
    server.silent = true;
    sim_initiate(s, ALICE, "net", &r);
    run(s, 5);
    CHECK_EQ(s->node[BOB].alerts[ALERT_RADIUS_NOT_RESPONDING], 1);
    end(s);
    s = world(64, "{ auth = eap\n id = carol\n }", "{ auth = eap-radius\n }", "Ar3etTnp");
    server.silent = true;
    is_refused(s, BOB, "RADIUS server is not responding");
}

static void no_server_at_all(void **state)
{
    struct sim *s = world(65, CLIENT, ASKED, "Ar3etTnp");
    (void)state;
    server.full = 0;
    s->node[BOB].ike->env.radius = NULL;
    is_refused(s, BOB, "there is none in strongswan.conf (charon.plugins.eap-radius)");
}

// Who asks nothing has not proved anything: a server that lets everybody in is a mistake.
static void a_hasty_server(void **state)
{
    struct sim *s = world(66, CLIENT, ASKED, "Ar3etTnp");
    (void)state;
    server.hasty = true;
    is_refused(s, BOB, "accepts a client that has proved nothing by EAP");
}

static void a_babbling_server(void **state)
{
    struct sim *s = world(67, CLIENT, ASKED, "Ar3etTnp");
    (void)state;
    server.babbles = true;
    is_refused(s, BOB, "goes on without a request of EAP");
}

// Another name, asked for by the server, which the section does not have.
static void another_name(void **state)
{
    struct sim *s = world(68, CLIENT, "{ auth = eap-radius\n }", "Ar3etTnp");
    (void)state;
    server.asks_again = true;
    is_refused(s, BOB, "calls itself another in EAP than before");
}

static void it_ends_while_the_server_is_asked(void **state)
{
    struct sim *s = world(69, CLIENT, ASKED, "Ar3etTnp");
    struct sim_result r;
    (void)state;
    sim_initiate(s, ALICE, "net", &r);
    for (unsigned i = 0; i < 50 && !server.asked; i++) sim_run(s, SECOND / 10);
    assert_non_null(server.asked);
    sim_run(s, 200 * SECOND);
    CHECK_EQ(sim_stats(s, BOB).half_open, 0);
    answer();
    CHECK_EQ(sim_ikes(s, BOB), 0);
    end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_of_the_server),
        cmocka_unit_test(the_name_of_ike),
        cmocka_unit_test(a_prefix),
        cmocka_unit_test(the_server_asks),
        cmocka_unit_test(questions_that_have_to_wait),
        cmocka_unit_test(messages_get_lost),
        cmocka_unit_test(addresses_and_time),
        cmocka_unit_test(the_session_is_over),
        cmocka_unit_test(without_an_address_of_its_own),
        cmocka_unit_test(groups_by_class),
        cmocka_unit_test(a_connection_for_each_group),
        cmocka_unit_test(the_server_proves_the_gateway_too),
        cmocka_unit_test(traffic_of_all),
        cmocka_unit_test(a_wrong_password),
        cmocka_unit_test(a_silent_server),
        cmocka_unit_test(no_server_at_all),
        cmocka_unit_test(a_hasty_server),
        cmocka_unit_test(a_babbling_server),
        cmocka_unit_test(another_name),
        cmocka_unit_test(it_ends_while_the_server_is_asked),
    };
    return cmocka_run_group_tests(tests, papers_begin, papers_end);
}
