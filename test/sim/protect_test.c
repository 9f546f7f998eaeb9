// How a child SA protects what it carries: by AH instead of ESP, compressed before (IPComp), by SAs
// for single CPUs.
#include <stdio.h>
#include <string.h>

#include "ike/exchange/terms_comp.h"
#include "test/sim/sim.h"

static struct sim *established(uint64_t seed, const char *conn, const char *child)
{
    struct sim *s = sim_new(seed);
    sim_net_net(s, conn, child);
    sim_establish(s);
    return s;
}

static unsigned sas_of(const struct sim *s, int node, uint8_t proto)
{
    unsigned n = 0;
    const struct sim_xfrm *x = &s->node[node].xfrm;
    for (unsigned i = 0; i < x->top; i++) n += x->sa[i].used && x->sa[i].x.proto == proto;
    return n;
}

static const struct xfrm_policy *policy_out(struct sim *s, int node)
{
    const struct sim_xfrm *x = &s->node[node].xfrm;
    for (unsigned i = 0; i < x->policies; i++) {
        if (x->policy[i].dir == XFRM_OUT) return &x->policy[i];
    }
    return NULL;
}

// ---- AH (RFC 4302) ----

static void ah_comes_up(const char *suite, const char *alg, unsigned icv_bits)
{
    char child[64];
    (void)snprintf(child, sizeof child, "ah_proposals = %s", suite);
    struct sim *s = established(1, "", child);
    for (int node = ALICE; node <= BOB; node++) {
        CHECK_EQ(sas_of(s, node, XFRM_PROTO_AH), 2);
        CHECK_EQ(sas_of(s, node, XFRM_PROTO_ESP), 0);
        CHECK_EQ(policy_out(s, node)->tmpl[0].proto, XFRM_PROTO_AH);
    }
    const struct sim_sa *sa = sim_outbound(s, ALICE);
    CHECK(sa != NULL);
    CHECK_STR(sa->x.auth.name, alg);
    CHECK_EQ(sa->x.auth.icv_bits, icv_bits);
    CHECK(!sa->x.crypt.name[0] && !sa->x.aead.name[0]);
    CHECK(sa->x.flags & XFRM_STATE_ALIGN4);
    CHECK_EQ(!!(sa->x.flags & XFRM_STATE_ESN), strstr(suite, "-esn") != NULL);
    CHECK(sim_packet(s, ALICE));
    CHECK(sim_packet(s, BOB));
    sim_expect_clean(s);
    sim_free(s);
}

static void ah_by_every_mac(void **state)
{
    (void)state;
    ah_comes_up("default", "hmac(sha256)", 128);
    ah_comes_up("sha384", "hmac(sha384)", 192);
    ah_comes_up("sha512-esn", "hmac(sha512)", 256);
    ah_comes_up("aesxcbc-x25519", "xcbc(aes)", 96);
}

static void ah_is_rekeyed_and_closed(void **state)
{
    struct sim_result r;
    (void)state;
    for (int node = ALICE; node <= BOB; node++) {
        struct sim *s = established(2, "", "ah_proposals = sha256-ecp256");
        sim_watch(s, true);
        sim_rekey_child(s, node);
        sim_run(s, 30 * SECOND);
        CHECK_EQ(s->node[ALICE].events[CHILD_EV_REKEYED], 1);
        CHECK_EQ(s->node[BOB].events[CHILD_EV_REKEYED], 1);
        sim_expect_clean(s);
        sim_rekey_ike(s, node);
        sim_run(s, 30 * SECOND);
        sim_expect_clean(s);
        sim_watch(s, false);
        sim_terminate_child(s, node, &r);
        sim_run(s, 10 * SECOND);
        CHECK_EQ(r.err, ERR_OK);
        CHECK_EQ(sim_children(s, 1 - node), 0);
        CHECK_EQ(sim_xfrm_sas(&s->node[1 - node].xfrm), 0);
        sim_free(s);
    }
}

static void ah_collides(void **state)
{
    (void)state;
    for (unsigned seed = 10; seed < 20; seed++) {
        struct sim *s = established(seed, "", "ah_proposals = sha256");
        sim_watch(s, true);
        sim_rekey_child(s, ALICE);
        sim_rekey_child(s, BOB);
        sim_run(s, 30 * SECOND);
        sim_expect_clean(s);
        sim_free(s);
    }
}

// What the other side must say when only one of the two wants AH.
static void ah_meets_esp(void **state)
{
    struct sim_result r;
    (void)state;
    for (int ah = ALICE; ah <= BOB; ah++) {
        struct sim *s = sim_new(3);
        sim_net_net_side(s, ah, "", "ah_proposals = sha256");
        sim_net_net_side(s, 1 - ah, "", "");
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, 5 * SECOND);
        CHECK_EQ(r.told, 1);
        CHECK(r.err != ERR_OK);
        CHECK(sim_told(s, BOB,
                       ah == BOB ? "is in `ah_proposals` of net" : "is in `esp_proposals` of net"));
        CHECK_EQ(sim_xfrm_sas(&s->node[BOB].xfrm), 0);
        sim_free(s);
    }
}

#define PAIR(own, peer, net, peers_net)                                                           \
    "connections { net { remote_addrs = " peer "\n " SIM_SUITE "\n local_addrs = " own            \
    "\n local { auth = psk\n id = " own " }\n remote { auth = psk\n id = " peer " }\n children {" \
    " hidden { local_ts = " net "\n remote_ts = " peers_net "\n priority = 1 }\n"                 \
    " open { local_ts = " net "\n remote_ts = " peers_net "\n ah_proposals = sha256 } } } }\n"    \
    "secrets { ike { secret = \"what the crossbowman whispered\" } }\n"

// Two children for the same networks: the responder takes the one that is protected as the peer
// offers.
static void ah_beside_esp(void **state)
{
    struct sim *s = sim_new(4);
    struct sim_result r;
    (void)state;
    sim_configure(s, ALICE, PAIR("192.0.2.1", "192.0.2.2", "10.1.0.0/16", "10.2.0.0/16"));
    sim_configure(s, BOB, PAIR("192.0.2.2", "192.0.2.1", "10.2.0.0/16", "10.1.0.0/16"));
    sim_initiate(s, ALICE, "open", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    CHECK(sim_told(s, BOB, "CHILD_SA open{1} established"));
    CHECK_EQ(sas_of(s, BOB, XFRM_PROTO_AH), 2);
    sim_initiate(s, ALICE, "hidden", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(sas_of(s, BOB, XFRM_PROTO_ESP), 2);
    sim_free(s);
}

// AH covers the addresses that a NAT changes.
static void ah_behind_a_nat(void **state)
{
    struct sim *s = sim_new(5);
    struct sim_result r;
    (void)state;
    CHECK_OK(ip_parse("203.0.113.7", &s->node[ALICE].nat_ip));
    s->node[ALICE].nat_port_500 = 1024;
    s->node[ALICE].nat_port_4500 = 1025;
    sim_net_net(s, "", "ah_proposals = sha256");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 5 * SECOND);
    CHECK(r.err != ERR_OK);
    CHECK(strstr(r.sentence, "does not pass the NAT"));
    CHECK_EQ(sim_xfrm_sas(&s->node[ALICE].xfrm), 0);
    CHECK_EQ(sim_xfrm_larval(&s->node[ALICE].xfrm), 0);
    sim_free(s);
}

static void ah_by_trap(void **state)
{
    struct sim *s = sim_new(6);
    (void)state;
    sim_net_net_side(s, BOB, "", "ah_proposals = sha256");
    sim_net_net_side(s, ALICE, "", "ah_proposals = sha256\n start_action = trap");
    CHECK_EQ(policy_out(s, ALICE)->tmpl[0].proto, XFRM_PROTO_AH);
    sim_acquire(s, ALICE, 77);
    sim_run(s, SECOND);
    sim_expect_clean(s);
    CHECK_EQ(sim_outbound(s, ALICE)->x.seq, 77);
    sim_free(s);
}

// ---- IPComp (RFC 3173, RFC 7296 2.22) ----

static const struct xfrm_sa *comp_of(struct sim *s, int node, bool out)
{
    struct sim_xfrm *x = &s->node[node].xfrm;
    for (unsigned i = 0; i < x->top; i++) {
        const struct xfrm_sa *sa = &x->sa[i].x;
        bool ours = ip_eq(&sa->daddr, &s->node[node].ip);
        if (x->sa[i].used && sa->proto == XFRM_PROTO_COMP && ours != out) return sa;
    }
    return NULL;
}

static void expect_compressed(struct sim *s, enum xfrm_mode mode)
{
    for (int node = ALICE; node <= BOB; node++) {
        const struct xfrm_sa *in = comp_of(s, node, false), *out = comp_of(s, 1 - node, true);
        CHECK(in && out);
        CHECK_EQ(in->spi, out->spi);
        CHECK(in->spi >= 0x100 && in->spi <= 0xefff);
        CHECK_EQ(in->mode, mode);
        CHECK_STR(in->comp, "deflate");
        CHECK_EQ(in->reqid, sim_outbound(s, node)->x.reqid);
        CHECK_EQ(sim_outbound(s, node)->x.mode, XFRM_TRANSPORT);
        const struct xfrm_policy *p = policy_out(s, node);
        CHECK_EQ(p->tmpl_count, 2);
        CHECK_EQ(p->tmpl[0].proto, XFRM_PROTO_COMP);
        CHECK_EQ(p->tmpl[0].mode, mode);
        CHECK(!p->tmpl[0].optional);
        CHECK_EQ(p->tmpl[1].mode, XFRM_TRANSPORT);
    }
    for (unsigned i = 0; i < s->node[BOB].xfrm.policies; i++) {
        const struct xfrm_policy *p = &s->node[BOB].xfrm.policy[i];
        if (p->dir != XFRM_OUT) CHECK(p->tmpl[0].optional); // what did not shrink comes without it
    }
    sim_expect_clean(s);
}

static void comp_comes_up(void **state)
{
    static const char *const children[] = {"ipcomp = yes",
                                           "ipcomp = yes\n esp_proposals = aes256-sha256",
                                           "ipcomp = yes\n ah_proposals = sha256"};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct sim *s = established(30 + i, "", children[i]);
        expect_compressed(s, XFRM_TUNNEL);
        CHECK(sim_told(s, ALICE, "net is compressed: IPComp"));
        sim_free(s);
    }
}

static void comp_is_rekeyed_and_closed(void **state)
{
    struct sim_result r;
    (void)state;
    for (int node = ALICE; node <= BOB; node++) {
        struct sim *s = established(33, "", "ipcomp = yes");
        sim_watch(s, true);
        uint32_t before = comp_of(s, ALICE, true)->spi;
        sim_rekey_child(s, node);
        sim_run(s, 30 * SECOND);
        expect_compressed(s, XFRM_TUNNEL);
        CHECK(comp_of(s, ALICE, true)->spi != before);
        sim_rekey_child(s, ALICE); // both at once
        sim_rekey_child(s, BOB);
        sim_run(s, 30 * SECOND);
        expect_compressed(s, XFRM_TUNNEL);
        sim_watch(s, false);
        sim_terminate_ike(s, node, &r);
        sim_run(s, 10 * SECOND);
        sim_expect_nothing(s);
        CHECK_EQ(sim_xfrm_comps(&s->node[ALICE].xfrm) + sim_xfrm_comps(&s->node[BOB].xfrm), 0);
        sim_free(s);
    }
}

// One of the two does not want it, or its executor cannot: the child SA comes without.
static void comp_of_one_alone(void **state)
{
    (void)state;
    for (int node = ALICE; node <= BOB; node++) {
        struct sim *s = sim_new(34);
        sim_net_net_side(s, node, "", "ipcomp = yes");
        sim_net_net_side(s, 1 - node, "", "");
        sim_establish(s);
        sim_expect_clean(s);
        CHECK_EQ(sim_xfrm_comps(&s->node[ALICE].xfrm) + sim_xfrm_comps(&s->node[BOB].xfrm), 0);
        CHECK_EQ(policy_out(s, node)->tmpl_count, 1);
        sim_free(s);
        s = sim_new(35);
        s->node[node].xfrm.no_comp = true;
        sim_net_net(s, "", "ipcomp = yes");
        sim_establish(s);
        sim_expect_clean(s);
        CHECK(sim_told(s, node, "net goes uncompressed, the executor has no IPComp for it"));
        CHECK_EQ(sim_xfrm_comps(&s->node[1 - node].xfrm), 0);
        sim_free(s);
    }
}

// The host moves, and its SAs of IPComp with it.
static void comp_moves(void **state)
{
    struct sim *s = sim_new(36);
    (void)state;
    sim_net_net_side(s, BOB, "remote_addrs = %any", "ipcomp = yes");
    sim_net_net_side(s, ALICE, "local_addrs = %any", "ipcomp = yes");
    sim_establish(s);
    uint32_t spi = comp_of(s, ALICE, false)->spi;
    sim_roam(s, ALICE, "192.0.2.77");
    sim_run(s, 20 * SECOND);
    expect_compressed(s, XFRM_TUNNEL);
    CHECK_EQ(comp_of(s, ALICE, false)->spi, spi);
    sim_free(s);
}

// Whatever the peer writes there.
static void comp_take(void **state)
{
    static const struct {
        uint8_t body[10], len;
        uint16_t cpi;
    } cases[] = {
        {{0, 0, 0x40, 3, 0x12, 0x34, 2}, 7, 0x1234},
        {{0, 0, 0x40, 3, 0x12, 0x34, 2, 9}, 8, 0x1234},
        {{0, 0, 0x40, 3, 0x12, 0x34, 3}, 7, 0}, // another algorithm
        {{0, 0, 0x40, 3, 0x12, 0x34}, 6, 0},
        {{0, 0, 0x40, 3}, 4, 0},
        {{0, 0, 0x40, 3, 0, 0, 2}, 7, 0},
        {{0, 0, 0x40, 3, 0, 0xff, 2}, 7, 0},
        {{0, 0, 0x40, 3, 1, 0, 2}, 7, 0x100},
        {{0, 0, 0x40, 3, 0xef, 0xff, 2}, 7, 0xefff},
        {{0, 0, 0x40, 3, 0xf0, 0, 2}, 7, 0}, // for private use
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct msg m = {.n = 1};
        m.payload[0] =
            (struct payload){.type = PAYLOAD_N, .body = span(cases[i].body, cases[i].len)};
        CHECK_EQ(terms_comp_take(&m), cases[i].cpi);
        m.n = 2; // the one that fits may stand further down
        m.payload[1].type = PAYLOAD_N;
        m.payload[1].body = span(cases[0].body, cases[0].len);
        CHECK_EQ(terms_comp_take(&m), cases[i].cpi ? cases[i].cpi : 0x1234);
    }
}

// ---- SAs for single CPUs (RFC 9611) ----

// A worker on this CPU has packets, and the SA that all share.
static void cpu_asks(struct sim *s, int node, uint32_t cpu)
{
    const struct xfrm_policy *p = policy_out(s, node);
    assert_non_null(p);
    struct xfrm_event ev = {.kind = XFRM_EV_ACQUIRE, .policy = p, .tmpl = &p->tmpl[0], .seq = 5};
    ev.pcpu_given = true;
    ev.pcpu = cpu;
    ike_xfrm_event(s->node[node].ike, &ev);
}

// Outbound SAs of a CPU; UINT32_MAX: of all.
static unsigned sas_of_cpu(const struct sim *s, int node, uint32_t cpu)
{
    unsigned n = 0;
    const struct sim_xfrm *x = &s->node[node].xfrm;
    for (unsigned i = 0; i < x->top; i++) {
        bool out = x->sa[i].used && ip_eq(&x->sa[i].x.saddr, &s->node[node].ip);
        if (out && x->sa[i].x.pcpu == cpu) n++;
        if (x->sa[i].used && !out) CHECK_EQ(x->sa[i].x.pcpu, UINT32_MAX); // whichever gets it
    }
    return n;
}

static void expect_cpus(struct sim *s, unsigned cpus)
{
    for (int node = ALICE; node <= BOB; node++) {
        CHECK_EQ(sim_children(s, node), cpus + 1);
        CHECK_EQ(sas_of_cpu(s, node, UINT32_MAX), 1);
        for (uint32_t i = 0; i < cpus; i++) CHECK_EQ(sas_of_cpu(s, node, i), 1);
        CHECK_EQ(s->node[node].xfrm.policies, 3);
    }
}

static void cpus_ask_for_sas(void **state)
{
    struct sim *s = established(50, "", "per_cpu_sas = yes");
    struct sim_result r;
    (void)state;
    CHECK(policy_out(s, ALICE)->flags & XFRM_POLICY_PER_CPU);
    expect_cpus(s, 0);
    sim_watch(s, true);
    cpu_asks(s, ALICE, 0);
    cpu_asks(s, ALICE, 0); // before the answer is there
    sim_run(s, SECOND);
    cpu_asks(s, ALICE, 0); // ... and after
    cpu_asks(s, BOB, 0);   // who has got one by it
    sim_run(s, SECOND);
    expect_cpus(s, 1);
    cpu_asks(s, BOB, 1);
    cpu_asks(s, ALICE, 2);
    sim_run(s, 20 * SECOND);
    expect_cpus(s, 3);
    sim_rekey_child(s, ALICE); // all four
    sim_run(s, 60 * SECOND);
    expect_cpus(s, 3);
    sim_rekey_ike(s, BOB);
    sim_run(s, 60 * SECOND);
    expect_cpus(s, 3);
    sim_watch(s, false);
    sim_terminate_ike(s, BOB, &r);
    sim_run(s, 10 * SECOND);
    sim_expect_nothing(s);
    sim_free(s);
}

// What a kernel wants to be told with a CPU: the direction, and no window outbound, ESN or not.
static void cpus_and_esn(void **state)
{
    struct sim *s = established(55, "", "per_cpu_sas = yes\n esp_proposals = aes128gcm16-esn");
    unsigned found = 0;
    (void)state;
    cpu_asks(s, ALICE, 1);
    sim_run(s, SECOND);
    for (unsigned i = 0; i < s->node[ALICE].xfrm.top; i++) {
        const struct xfrm_sa *x = &s->node[ALICE].xfrm.sa[i].x;
        CHECK_EQ(x->dir, x->pcpu == 1 ? 2 : 0);
        if (x->pcpu == 1) CHECK(x->replay.esn_given && x->replay.window == 0);
        found += x->pcpu == 1;
    }
    CHECK_EQ(found, 1);
    sim_free(s);
}

// Without an SA that all CPUs share there is none for one of them; and not without the wish.
static void cpus_come_second(void **state)
{
    struct sim *s = sim_new(51);
    (void)state;
    sim_net_net_side(s, BOB, "", "per_cpu_sas = yes");
    sim_net_net_side(s, ALICE, "", "per_cpu_sas = yes\n start_action = trap");
    CHECK(policy_out(s, ALICE)->flags & XFRM_POLICY_PER_CPU);
    cpu_asks(s, ALICE, 3);
    sim_run(s, SECOND);
    expect_cpus(s, 0);
    sim_free(s);
    s = established(52, "", "");
    CHECK(!(policy_out(s, ALICE)->flags & XFRM_POLICY_PER_CPU));
    cpu_asks(s, ALICE, 0);
    sim_run(s, 20 * SECOND);
    CHECK_EQ(sas_of_cpu(s, ALICE, 0), 0);
    sim_free(s);
}

// A peer that knows nothing of it makes another SA like the first; and it is not asked again.
static void cpus_of_one_alone(void **state)
{
    struct sim *s = sim_new(53);
    (void)state;
    sim_net_net_side(s, BOB, "", "");
    sim_net_net_side(s, ALICE, "", "per_cpu_sas = yes");
    sim_establish(s);
    cpu_asks(s, ALICE, 0);
    sim_run(s, SECOND);
    CHECK_EQ(sas_of_cpu(s, ALICE, 0), 1);
    CHECK_EQ(sas_of_cpu(s, BOB, UINT32_MAX), 2);
    CHECK(sim_told(s, ALICE, "the peer has no SAs for single CPUs"));
    unsigned sent = s->sent;
    cpu_asks(s, ALICE, 1);
    sim_run(s, SECOND);
    CHECK_EQ(s->sent, sent);
    sim_free(s);
}

// The peer's executor has fewer CPUs: TS_MAX_QUEUE, and a minute without questions.
static void cpus_are_enough(void **state)
{
    struct sim *s = established(54, "", "per_cpu_sas = yes");
    (void)state;
    s->node[BOB].xfrm.cpus_less = true;
    cpu_asks(s, ALICE, 0);
    sim_run(s, SECOND);
    CHECK(sim_told(s, ALICE, "TS_MAX_QUEUE"));
    expect_cpus(s, 0);
    unsigned sent = s->sent;
    cpu_asks(s, ALICE, 0);
    sim_run(s, 10 * SECOND);
    CHECK_EQ(s->sent, sent);
    s->node[BOB].xfrm.cpus_less = false;
    sim_run(s, 60 * SECOND);
    cpu_asks(s, ALICE, 0);
    sim_run(s, SECOND);
    expect_cpus(s, 1);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ah_by_every_mac),
        cmocka_unit_test(ah_is_rekeyed_and_closed),
        cmocka_unit_test(ah_collides),
        cmocka_unit_test(ah_meets_esp),
        cmocka_unit_test(ah_beside_esp),
        cmocka_unit_test(ah_behind_a_nat),
        cmocka_unit_test(ah_by_trap),
        cmocka_unit_test(comp_comes_up),
        cmocka_unit_test(comp_is_rekeyed_and_closed),
        cmocka_unit_test(comp_of_one_alone),
        cmocka_unit_test(comp_moves),
        cmocka_unit_test(comp_take),
        cmocka_unit_test(cpus_ask_for_sas),
        cmocka_unit_test(cpus_and_esn),
        cmocka_unit_test(cpus_come_second),
        cmocka_unit_test(cpus_of_one_alone),
        cmocka_unit_test(cpus_are_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
