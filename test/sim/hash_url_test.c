// Certificates that a peer names by their hash and where they are (RFC 7296 3.6): who is asked to
// look, who does, and servers that have something else, or nothing.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/creds.h"
#include "test/sim/papers.h"

#define PLACE "http://certs.example.org/"

// ---- a web server ------------------------------------------------------------------------------

static struct {
    struct cert *cert[4];
    unsigned n, asked;
    bool down, wrong;
} web;

static err_t web_get(void *ctx, const struct fetch *ask, struct fetched *out, struct why *why)
{
    (void)ctx;
    web.asked++;
    CHECK(strncmp(ask->url, PLACE, strlen(PLACE)) == 0);
    for (unsigned i = 0; i < web.n && !web.down; i++) {
        char hash[2 * KEY_SHA1_LEN + 1];
        for (unsigned k = 0; k < KEY_SHA1_LEN; k++) {
            (void)snprintf(hash + 2 * (size_t)k, 3, "%02x", cert_sha1(web.cert[i])[k]);
        }
        if (strcmp(ask->url + strlen(PLACE), hash) != 0) continue;
        span_t der = cert_der(web.cert[web.wrong ? (i + 1) % web.n : i]);
        *out = (struct fetched){malloc(der.len), der.len};
        memcpy(out->at, der.at, der.len);
        return ERR_OK;
    }
    return why_not(why, ERR_TIMEOUT, "certs.example.org does not answer");
}

static const struct fetcher fetcher = {NULL, web_get};

// ---- the hosts ---------------------------------------------------------------------------------

struct host {
    bool tells, looks; // where its certificate is; whether it looks up the peer's
};

static void put_config(struct sim *s, int node, const struct host *h)
{
    char conf[2000];
    bool alice = node == ALICE;
    unsigned us = alice ? 1 : 2, peer = 3 - us;
    (void)snprintf(
        conf, sizeof conf,
        "connections { net {\n " SIM_SUITE "\n local_addrs = 192.0.2.%u\n"
        "remote_addrs = 192.0.2.%u\n send_cert = always\n"
        "local {\n id = %s.example.org\n }\n remote {\n id = %s.example.org\n }\n"
        "children { net {\n local_ts = 10.%u.0.0/16\n remote_ts = 10.%u.0.0/16\n } } } }\n"
        "authorities { root {\n cacert = ca.pem\n %s\n } }\n",
        us, peer, alice ? "alice" : "bob", alice ? "bob" : "alice", us, peer,
        h->tells ? "cert_uri_base = " PLACE : "");
    s->node[node].opt.hash_and_url = h->looks;
    sim_configure(s, node, conf);
    trust_set_fetching(s->node[node].config->creds->trust, &fetcher, NULL);
}

static struct sim *hosts(uint64_t seed, struct host alice, struct host bob)
{
    struct sim *s = papers_world(seed);
    struct mint ca = AUTHORITY();
    for (unsigned i = 0; i < web.n; i++) cert_free(web.cert[i]);
    memset(&web, 0, sizeof web);
    for (int i = 0; i < 2; i++) {
        struct mint m = host_cert(&ca, i, "P-256");
        put_host(i, &m, &ca);
        web.cert[web.n++] = cert_ref(m.cert);
        mint_done(&m);
    }
    mint_done(&ca);
    put_config(s, BOB, &bob);
    put_config(s, ALICE, &alice);
    return s;
}

static int web_end(void **state)
{
    for (unsigned i = 0; i < web.n; i++) cert_free(web.cert[i]);
    return papers_end(state);
}

#define FETCHED_ALICE "fetched certificate \"C=CH, CN=alice\" from " PLACE
#define FETCHED_BOB "fetched certificate \"C=CH, CN=bob\" from " PLACE

// ---- tests -------------------------------------------------------------------------------------

static void both_ways(void **state)
{
    struct sim *s = hosts(1, (struct host){true, true}, (struct host){true, true});
    (void)state;
    sim_establish(s);
    CHECK(sim_told(s, BOB, FETCHED_ALICE));
    CHECK(sim_told(s, ALICE, FETCHED_BOB));
    CHECK_EQ(web.asked, 2);
    sim_free(s);
}

// Whoever does not look gets the certificate itself, and nobody is sent anywhere by default.
static void only_who_looks(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct host alice = {i & 1, !(i & 1)}, bob = {!(i & 1), i >> 1};
        struct sim *s = hosts(10 + i, alice, bob);
        sim_establish(s);
        CHECK_EQ(sim_told(s, BOB, FETCHED_ALICE), alice.tells && bob.looks);
        CHECK_EQ(sim_told(s, ALICE, FETCHED_BOB), bob.tells && alice.looks);
        CHECK_EQ(web.asked, (alice.tells && bob.looks) + (bob.tells && alice.looks));
        sim_free(s);
    }
}

static void refused(struct sim *s, const char *said)
{
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 5 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_AUTH);
    if (!sim_told(s, BOB, said)) fail_msg("not told: %s\n%s", said, text_str(&s->node[BOB].story));
    sim_expect_nothing(s);
    sim_free(s);
}

static void a_server_that_is_down(void **state)
{
    struct sim *s = hosts(20, (struct host){true, true}, (struct host){false, true});
    (void)state;
    web.down = true;
    refused(s, "its certificate cannot be used: certs.example.org does not answer");
}

static void another_certificate(void **state)
{
    struct sim *s = hosts(21, (struct host){true, true}, (struct host){false, true});
    (void)state;
    web.wrong = true;
    refused(s, "what came has another hash than the peer has said");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(only_who_looks),
        cmocka_unit_test(a_server_that_is_down),
        cmocka_unit_test(another_certificate),
    };
    return cmocka_run_group_tests(tests, papers_begin, web_end);
}
