// OCSP answers in IKE (RFC 4806): who asks for them, who has one to send, and what they are worth
// to a peer that reaches no server itself.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "conf/creds.h"
#include "cred/crl.h"
#include "test/sim/papers.h"

#define SERVER "http://ocsp.example.org/"

// ---- a server that only some reach
// ---------------------------------------------------------------

static struct {
    struct mint signer;
    struct crl_cache *cache[2]; // of each host
    unsigned asked[2];
    bool reached[2];
    bool revoked;
    const unsigned *ups; // IKE SAs of ALICE that have come up
    unsigned ups_when_asked;
} web;

static void answer_fill(OCSP_REQUEST *ask, OCSP_BASICRESP *basic)
{
    OCSP_CERTID *id = OCSP_onereq_get0_id(OCSP_request_onereq_get0(ask, 0));
    ASN1_TIME *from = ASN1_GENERALIZEDTIME_adj(NULL, MINT_NOW - 60, 0, 0);
    ASN1_TIME *to = ASN1_GENERALIZEDTIME_adj(NULL, MINT_NOW, 1, 0);
    int state = web.revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD;
    CHECK(OCSP_basic_add1_status(basic, id, state, 0, from, from, to) != NULL);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    OCSP_copy_nonce(basic, ask);
}

static struct fetched answer_to(span_t question)
{
    const unsigned char *at = question.at;
    OCSP_REQUEST *ask = d2i_OCSP_REQUEST(NULL, &at, (long)question.len);
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    answer_fill(ask, basic);
    CHECK(OCSP_basic_sign(basic, web.signer.x, web.signer.key, EVP_sha256(), NULL, 0));
    OCSP_RESPONSE *r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int n = i2d_OCSP_RESPONSE(r, NULL);
    struct fetched out = {malloc((size_t)n), (size_t)n};
    unsigned char *to = out.at;
    (void)i2d_OCSP_RESPONSE(r, &to);
    OCSP_RESPONSE_free(r);
    OCSP_BASICRESP_free(basic);
    OCSP_REQUEST_free(ask);
    return out;
}

static err_t web_get(void *ctx, const struct fetch *ask, struct fetched *out, struct why *why)
{
    int host = *(const int *)ctx;
    web.asked[host]++;
    if (host == ALICE && web.ups) web.ups_when_asked = *web.ups;
    if (!web.reached[host]) return why_not(why, ERR_TIMEOUT, "no answer from %s", ask->url);
    *out = answer_to(ask->post);
    return ERR_OK;
}

static int hosts[2] = {ALICE, BOB};
static const struct fetcher fetchers[2] = {{&hosts[0], web_get}, {&hosts[1], web_get}};

// ---- the hosts
// -----------------------------------------------------------------------------------

struct host {
    const char *ocsp; // the connection's
    bool reaches;     // the server
    bool strict;
};

static void configure(struct sim *s, int node, const struct host *h)
{
    char conf[2000];
    bool alice = node == ALICE;
    unsigned us = alice ? 1 : 2, peer = 3 - us;
    (void)snprintf(
        conf, sizeof conf,
        "connections { net {\n " SIM_SUITE "\n local_addrs = 192.0.2.%u\n"
        "remote_addrs = 192.0.2.%u\n ocsp = %s\n"
        "local {\n id = %s.example.org\n }\n remote {\n id = %s.example.org\n %s\n }\n"
        "children { net {\n local_ts = 10.%u.0.0/16\n remote_ts = 10.%u.0.0/16\n } } } }\n"
        "authorities { root {\n cacert = ca.pem\n %s\n } }\n",
        us, peer, h->ocsp, alice ? "alice" : "bob", alice ? "bob" : "alice",
        h->strict ? "revocation = strict" : "", us, peer, h->reaches ? "ocsp_uris = " SERVER : "");
    sim_configure(s, node, conf);
    web.reached[node] = h->reaches;
    web.cache[node] = crl_cache_new();
    trust_set_fetching(s->node[node].config->creds->trust, &fetchers[node], web.cache[node]);
}

static struct sim *world(uint64_t seed, struct host alice, struct host bob)
{
    struct sim *s = papers_world(seed);
    struct mint ca = AUTHORITY();
    memset(&web, 0, sizeof web);
    web.signer = MINT(.name = "CN=responder", .by = &ca, .ext = {"extendedKeyUsage=OCSPSigning"});
    put_hosts(&ca, "P-256");
    mint_done(&ca);
    configure(s, BOB, &bob);
    configure(s, ALICE, &alice);
    return s;
}

static void world_done(struct sim *s)
{
    sim_free(s);
    mint_done(&web.signer);
    for (int i = 0; i < 2; i++) crl_cache_free(web.cache[i]);
}

#define SENT "sending OCSP status for certificate"

// ---- tests
// ---------------------------------------------------------------------------------------

// Alice reaches no server and is strict: bob's answer, fetched by bob, is what she believes.
static void an_answer_comes_along(void **state)
{
    (void)state;
    static const struct {
        const char *alice, *bob;
        bool up, sent;
    } cases[] = {
        {"request", "reply", true, true},     {"both", "both", true, true},
        {"request", "both", true, true},      {"request", "never", false, false},
        {"request", "request", false, false}, {"reply", "reply", false, false},
        {"never", "both", false, false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("# case %u\n", i);
        struct sim *s = world(i, (struct host){cases[i].alice, false, true},
                              (struct host){cases[i].bob, true, false});
        struct sim_result r;
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, 20 * SECOND);
        CHECK_EQ(r.err == ERR_OK, cases[i].up);
        CHECK_EQ(sim_told(s, BOB, SENT), cases[i].sent);
        CHECK_EQ(sim_told(s, BOB, "received empty OCSP cert request"),
                 strcmp(cases[i].alice, "request") == 0 || strcmp(cases[i].alice, "both") == 0);
        CHECK_EQ(web.asked[ALICE], 0);
        if (cases[i].up) sim_expect_clean(s);
        world_done(s);
    }
}

// ... and the other way: the gateway asks in IKE_SA_INIT.
static void the_responder_asks_too(void **state)
{
    (void)state;
    struct sim *s =
        world(20, (struct host){"reply", true, false}, (struct host){"request", false, true});
    sim_establish(s);
    CHECK(sim_told(s, ALICE, SENT));
    CHECK_EQ(web.asked[BOB], 0);
    // Once for this peer, once for the others: the answer is kept.
    struct sim_result r;
    unsigned before = web.asked[ALICE];
    sim_terminate_ike(s, ALICE, &r);
    sim_run(s, 10 * SECOND);
    sim_establish(s);
    CHECK_EQ(web.asked[ALICE], before);
    world_done(s);
}

static void what_was_revoked_is_not_vouched_for(void **state)
{
    (void)state;
    struct sim *s =
        world(30, (struct host){"request", false, true}, (struct host){"reply", true, false});
    struct sim_result r;
    web.revoked = true;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 20 * SECOND);
    CHECK_EQ(r.err, ERR_AUTH);
    CHECK(!sim_told(s, BOB, SENT));
    world_done(s);
}

// Our server is down: the peer gets no answer, and judges by what else it knows.
static void without_a_server_it_goes_on(void **state)
{
    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        struct sim *s =
            world(40, (struct host){"request", false, strict}, (struct host){"reply", true, false});
        struct sim_result r;
        web.reached[BOB] = false;
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, 20 * SECOND);
        CHECK_EQ(r.err, strict ? ERR_AUTH : ERR_OK);
        CHECK(sim_told(s, BOB, "there is no OCSP answer for our certificate"));
        CHECK(!sim_told(s, BOB, SENT));
        world_done(s);
    }
}

static void lost_and_doubled(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 110; seed++) {
        struct sim *s =
            world(seed, (struct host){"both", true, true}, (struct host){"both", true, true});
        struct sim_result r;
        s->fate = sim_fate_random;
        s->loss = 0.15;
        s->twice = 0.15;
        s->jitter = 0.3;
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, 120 * SECOND);
        s->loss = s->twice = s->jitter = 0;
        sim_run(s, 60 * SECOND);
        CHECK_EQ(r.told, 1);
        if (r.err == ERR_OK) sim_expect_clean(s);
        world_done(s);
    }
}

// What was known is forgotten, and so is the good verdict.
static void forget(struct sim *s, int node)
{
    struct crl_cache *empty = crl_cache_new();
    trust_set_fetching(s->node[node].config->creds->trust, &fetchers[node], empty);
    crl_cache_free(web.cache[node]);
    web.cache[node] = empty;
    sim_run(s, 400 * SECOND);
}

// Make before break: the answer may have to come through the tunnel that is being replaced, so
// nobody is asked until the new IKE SA is up. Then somebody is, and what he says counts.
static void reauthentication_asks_afterwards(void **state)
{
    (void)state;
    for (int revoked = 0; revoked < 2; revoked++) {
        struct sim *s =
            world(50, (struct host){"never", true, true}, (struct host){"never", false, false});
        const struct ike_choice what = {.ike = "net", .reauth = true};
        unsigned n;
        sim_establish(s);
        forget(s, ALICE);
        unsigned before = web.asked[ALICE];
        web.revoked = revoked;
        web.ups = &s->node[ALICE].events[IKE_EV_UP];
        CHECK_EQ(*web.ups, 1);
        CHECK_OK(ike_rekey(s->node[ALICE].ike, &what, &n));
        sim_run(s, 30 * SECOND);
        CHECK_EQ(*web.ups, 2);
        CHECK_EQ(web.asked[ALICE], before + 1);
        CHECK_EQ(web.ups_when_asked, 2);
        CHECK_EQ(sim_told(s, ALICE, SAY_RECHECK_GOOD), !revoked);
        CHECK_EQ(sim_told(s, ALICE, SAY_RECHECK_BAD), revoked != 0);
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(sim_ikes(s, i), revoked ? 0 : 1);
            CHECK_EQ(sim_children(s, i), revoked ? 0 : 1);
        }
        world_done(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_along),
        cmocka_unit_test(the_responder_asks_too),
        cmocka_unit_test(what_was_revoked_is_not_vouched_for),
        cmocka_unit_test(without_a_server_it_goes_on),
        cmocka_unit_test(lost_and_doubled),
        cmocka_unit_test(reauthentication_asks_afterwards),
    };
    return cmocka_run_group_tests_name("ocsp", tests, papers_begin, papers_end);
}
