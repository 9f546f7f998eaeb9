// Certificates that are good for some addresses only (RFC 3779): a peer gets no others, whoever
// asks, in whichever exchange, however it moves.
#include <stdio.h>
#include <string.h>

#include "test/sim/papers.h"

struct host {
    const char *blocks; // of its certificate; NULL: none
    const char *ours, *theirs, *child;
};

static const char *addresses(int node)
{
    return node == ALICE ? "local_addrs = 192.0.2.1\n remote_addrs = 192.0.2.2"
                         : "local_addrs = 192.0.2.2\n remote_addrs = %any";
}

static void configure(struct sim *s, int node, const struct host *h)
{
    char conf[2048];
    bool alice = node == ALICE;
    (void)snprintf(conf, sizeof conf,
                   "connections { net {\n " SIM_SUITE "\n %s\n childless = allow\n"
                   "local {\n id = %s.example.org\n }\n remote {\n id = %s.example.org\n }\n"
                   "children { net {\n local_ts = %s\n remote_ts = %s\n %s\n }\n"
                   "more {\n local_ts = %s\n remote_ts = %s\n %s\n } } } }\n",
                   addresses(node), alice ? "alice" : "bob", alice ? "bob" : "alice", h->ours,
                   h->theirs, h->child ? h->child : "", h->ours, h->theirs,
                   h->child ? h->child : "");
    sim_configure(s, node, conf);
}

// The authority has 10.0.0.0/8, 192.0.2.0/24 and fec0::/10; who has no blocks is of another one.
static struct sim *world(uint64_t seed, struct host alice, struct host bob)
{
    struct sim *s = papers_world(seed);
    const struct host *host[2] = {&alice, &bob};
    static const char all[] = "sbgp-ipAddrBlock=critical,IPv4:10.0.0.0/8,IPv4:192.0.2.0/24,"
                              "IPv6:fec0::/10";
    struct mint free_ = AUTHORITY(), bound = MINT(.name = "CN=Bound", .ext = {MINT_CA, all});
    for (int i = 0; i < 2; i++) {
        char blocks[200], san[60];
        (void)snprintf(blocks, sizeof blocks, "sbgp-ipAddrBlock=critical,%s",
                       host[i]->blocks ? host[i]->blocks : "");
        (void)snprintf(san, sizeof san, "subjectAltName=DNS:%s.example.org", i ? "bob" : "alice");
        struct mint m =
            MINT(.name = i ? "CN=bob" : "CN=alice", .by = host[i]->blocks ? &bound : &free_,
                 .ext = {san, host[i]->blocks ? blocks : NULL});
        put_host(i, &m, host[i]->blocks ? &bound : &free_);
        put_cert(i, "x509ca", "bound.pem", &bound);
        put_cert(i, "x509ca", "free.pem", &free_);
        mint_done(&m);
    }
    mint_done(&bound);
    mint_done(&free_);
    configure(s, BOB, &bob);
    configure(s, ALICE, &alice);
    return s;
}

static err_t initiate(struct sim *s, int node, const char *child)
{
    struct sim_result r = {0};
    sim_initiate(s, node, child, &r);
    sim_run(s, 5 * SECOND);
    CHECK_EQ(r.told, 1);
    return r.err;
}

static void told(struct sim *s, int node, const char *words)
{
    if (!sim_told(s, node, words))
        fail_msg("not told: %s\n%s", words, text_str(&s->node[node].story));
}

// Does any policy or SA at `node` speak of an address in lo..hi as the peer's?
static bool reaches(struct sim *s, int node, const char *address)
{
    ip_t ip;
    CHECK_OK(ip_parse(address, &ip));
    const struct sim_xfrm *x = &s->node[node].xfrm;
    for (unsigned i = 0; i < x->policies; i++) {
        const struct xfrm_policy *p = &x->policy[i];
        const struct xfrm_selector *sel = &p->sel;
        const prefix_t far = p->dir == XFRM_OUT ? sel->dst : sel->src;
        if (prefix_has(&far, &ip)) return true;
    }
    return false;
}

static void nowhere_else(struct sim *s, int node)
{
    static const char *const not_theirs[] = {"10.2.0.0",   "10.2.0.1", "10.0.255.255", "10.3.0.1",
                                             "172.16.0.1", "fec2::1",  "2001:db8::1"};
    for (size_t i = 0; i < sizeof not_theirs / sizeof *not_theirs; i++) {
        if (reaches(s, node, not_theirs[i])) fail_msg("%s is reached", not_theirs[i]);
    }
}

#define ANY "0.0.0.0/0, ::/0"
#define ALICES "IPv4:10.1.0.0/16,IPv4:192.0.2.1,IPv6:fec1::/16"

// ---- what alice asks of bob --------------------------------------------------------------------

// She asks for everything, and has what her certificate is good for; however often it is rekeyed,
// by whom, and in whichever order.
static void a_greedy_peer_is_narrowed(void **state)
{
    (void)state;
    struct sim *s = world(1, (struct host){ALICES, ANY, "10.2.0.0/16", NULL},
                          (struct host){NULL, "10.2.0.0/16", ANY, NULL});
    CHECK_OK(initiate(s, ALICE, "net"));
    told(s, BOB,
         "TS 0.0.0.0/0 is contained in address block constraint 10.1.0.0/16 (subset "
         "10.1.0.0/16)");
    told(s, BOB, "10.2.0.0/16 === 10.1.0.0/16 192.0.2.1/32");
    CHECK(reaches(s, BOB, "10.1.0.1"));
    nowhere_else(s, BOB);
    for (int round = 0; round < 3; round++) {
        for (int node = 0; node < 2; node++) {
            sim_rekey_child(s, node);
            sim_run(s, 2 * SECOND);
            sim_rekey_ike(s, node);
            sim_run(s, 2 * SECOND);
            CHECK_EQ(sim_children(s, BOB), 1);
            CHECK(reaches(s, BOB, "10.1.0.1"));
            nowhere_else(s, BOB);
        }
    }
    unsigned n;
    struct ike_choice what = {.ike = "net", .reauth = true};
    CHECK_OK(ike_rekey(s->node[ALICE].ike, &what, &n));
    sim_run(s, 60 * SECOND);
    CHECK_EQ(s->node[BOB].events[IKE_EV_UP], 2);
    nowhere_else(s, BOB);
    // CREATE_CHILD_SA after all that: the IKE SA of now has not forgotten.
    CHECK_OK(initiate(s, ALICE, "more"));
    nowhere_else(s, BOB);
    sim_free(s);
}

static void nothing_of_it_is_refused(void **state)
{
    static const char *const asked[] = {"10.2.0.0/16", "10.0.0.0/16", "172.16.0.0/12",
                                        "fec2::/16, 2001:db8::/32"};
    (void)state;
    for (unsigned i = 0; i < sizeof asked / sizeof *asked; i++) {
        const char *us = asked[i][0] == 'f' ? "fec3::/16" : "10.4.0.0/16";
        struct sim *s = world(10 + i, (struct host){ALICES, asked[i], us, NULL},
                              (struct host){NULL, us, ANY, NULL});
        CHECK(initiate(s, ALICE, "net") != ERR_OK);
        told(s, BOB,
             "its certificate is good for 10.1.0.0/16 192.0.2.1/32 fec1::/16 only (RFC "
             "3779)");
        CHECK_EQ(sim_ikes(s, BOB), 1); // it has proved who it is
        CHECK_EQ(sim_children(s, BOB), 0);
        CHECK(initiate(s, ALICE, "more") != ERR_OK); // and not in CREATE_CHILD_SA either
        CHECK_EQ(sim_children(s, BOB), 0);
        sim_free(s);
    }
}

// A verdict that is kept is kept with its addresses.
static void who_comes_back_is_bound(void **state)
{
    (void)state;
    struct sim *s = world(20, (struct host){ALICES, ANY, "10.2.0.0/16", NULL},
                          (struct host){NULL, "10.2.0.0/16", ANY, NULL});
    for (int i = 0; i < 2; i++) {
        struct sim_result r;
        CHECK_OK(initiate(s, ALICE, "net"));
        nowhere_else(s, BOB);
        sim_terminate_ike(s, ALICE, &r);
        sim_run(s, 2 * SECOND);
    }
    sim_free(s);
}

// ---- what bob asks of alice --------------------------------------------------------------------

// In IKE_AUTH the answer is too much, and the child SA goes; in CREATE_CHILD_SA no more is asked
// for.
static void a_greedy_responder_is_refused(void **state)
{
    (void)state;
    struct sim *s = world(30, (struct host){NULL, "10.2.0.0/16", ANY, NULL},
                          (struct host){ALICES, ANY, "10.2.0.0/16", NULL});
    CHECK(initiate(s, ALICE, "net") != ERR_OK);
    sim_run(s, 2 * SECOND);
    told(s, ALICE, "its certificate is good for 10.1.0.0/16 192.0.2.1/32 fec1::/16 only");
    CHECK_EQ(sim_children(s, ALICE), 0);
    CHECK_EQ(sim_children(s, BOB), 0);
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    nowhere_else(s, ALICE);
    CHECK_OK(initiate(s, ALICE, "net"));
    told(s, ALICE, "10.2.0.0/16 === 10.1.0.0/16 192.0.2.1/32");
    CHECK(reaches(s, ALICE, "10.1.0.1"));
    nowhere_else(s, ALICE);
    sim_rekey_ike(s, BOB);
    sim_run(s, 2 * SECOND);
    sim_rekey_child(s, BOB);
    sim_run(s, 2 * SECOND);
    CHECK_EQ(sim_children(s, ALICE), 1);
    nowhere_else(s, ALICE);
    sim_free(s);
}

static void what_cannot_be_is_not_asked_for(void **state)
{
    (void)state;
    struct sim *s = world(31, (struct host){NULL, "10.2.0.0/16", "10.9.0.0/16", NULL},
                          (struct host){ALICES, ANY, "10.2.0.0/16", NULL});
    CHECK(initiate(s, ALICE, "net") != ERR_OK);
    sim_run(s, 2 * SECOND);
    unsigned before = s->sent;
    CHECK(initiate(s, ALICE, "more") != ERR_OK);
    CHECK_EQ(s->sent, before); // nothing was said
    told(s, ALICE, "keep remote_ts of more within that");
    sim_free(s);
}

// ---- addresses that change ---------------------------------------------------------------------

// A selector that is the peer's address follows it, and not to where the peer may not be.
static void a_move_leads_nowhere_else(void **state)
{
    (void)state;
    static const struct {
        const char *to;
        bool may;
    } moves[] = {{"10.1.0.7", true}, {"10.2.0.7", false}, {"203.0.113.7", false}};
    for (unsigned i = 0; i < 3; i++) {
        struct sim *s = world(40 + i, (struct host){ALICES, "dynamic", "10.9.0.0/16", NULL},
                              (struct host){NULL, "10.9.0.0/16", "dynamic", NULL});
        CHECK_OK(initiate(s, ALICE, "net"));
        CHECK(reaches(s, BOB, "192.0.2.1"));
        sim_roam(s, ALICE, moves[i].to);
        sim_run(s, 3 * SECOND);
        told(s, BOB, "the peer is at");
        CHECK_EQ(reaches(s, BOB, moves[i].to), moves[i].may);
        sim_free(s);
    }
}

// Transport mode behind a NAT is about the NAT's address, which no certificate of hers has.
static void a_nat_is_nobodys_address(void **state)
{
    (void)state;
    struct sim *s = world(50, (struct host){ALICES, "dynamic", "dynamic", "mode = transport"},
                          (struct host){NULL, "dynamic", "dynamic", "mode = transport"});
    CHECK_OK(ip_parse("203.0.113.9", &s->node[ALICE].nat_ip));
    s->node[ALICE].nat_port_500 = 40500;
    s->node[ALICE].nat_port_4500 = 44500;
    CHECK(initiate(s, ALICE, "net") != ERR_OK);
    told(s, BOB, "RFC 3779");
    CHECK(!reaches(s, BOB, "203.0.113.9"));
    sim_free(s);
}

// ---- certificates that claim too much ----------------------------------------------------------

static void blocks_of_nobody_are_refused(void **state)
{
    (void)state;
    struct sim *s = world(60, (struct host){"IPv4:11.0.0.0/8", ANY, "10.2.0.0/16", NULL},
                          (struct host){NULL, "10.2.0.0/16", ANY, NULL});
    CHECK(initiate(s, ALICE, "net") != ERR_OK);
    told(s, BOB,
         "certificate \"CN=alice\" is issued for the addresses 11.0.0.0/8, which its issuer "
         "does not have (RFC 3779)");
    CHECK_EQ(sim_ikes(s, BOB), 0);
    sim_free(s);
}

static void inherited_ones_are_the_authoritys(void **state)
{
    (void)state;
    struct sim *s = world(61, (struct host){"IPv4:inherit", ANY, "10.2.0.0/16", NULL},
                          (struct host){NULL, "10.2.0.0/16", ANY, NULL});
    CHECK_OK(initiate(s, ALICE, "net"));
    CHECK(reaches(s, BOB, "10.77.0.1"));
    CHECK(!reaches(s, BOB, "11.0.0.1") && !reaches(s, BOB, "fec0::1"));
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_greedy_peer_is_narrowed),
        cmocka_unit_test(nothing_of_it_is_refused),
        cmocka_unit_test(who_comes_back_is_bound),
        cmocka_unit_test(a_greedy_responder_is_refused),
        cmocka_unit_test(what_cannot_be_is_not_asked_for),
        cmocka_unit_test(a_move_leads_nowhere_else),
        cmocka_unit_test(a_nat_is_nobodys_address),
        cmocka_unit_test(blocks_of_nobody_are_refused),
        cmocka_unit_test(inherited_ones_are_the_authoritys),
    };
    return cmocka_run_group_tests_name("sim/blocks", tests, papers_begin, papers_end);
}
