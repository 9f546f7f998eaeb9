// Peers that nothing at hand proves, and that DNSSEC may (peer_dns.h): who is asked about, what is
// believed, and what never is. The resolver is one that says what a test wants it to.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/creds.h"
#include "cred/rdata.h"
#include "test/sim/papers.h"

// ---- what DNS knows ----------------------------------------------------------------------------

#define RECORDS_MAX 8
static struct {
    struct {
        char name[64];
        uint16_t type;
        uint8_t data[2048];
        size_t len;
    } rr[RECORDS_MAX];
    unsigned n, asked;
    err_t fails; // how, whatever is asked
} dns;

static err_t dns_ask(void *ctx, const char *name, uint16_t type, struct dnssec_answer *out,
                     struct why *why)
{
    (void)ctx;
    dns.asked++;
    *out = (struct dnssec_answer){0};
    if (dns.fails != ERR_OK) return why_not(why, dns.fails, "the answer is bogus");
    for (unsigned i = 0; i < dns.n; i++) {
        if (dns.rr[i].type != type || strcmp(dns.rr[i].name, name) != 0) continue;
        uint8_t *at = malloc(dns.rr[i].len);
        memcpy(at, dns.rr[i].data, dns.rr[i].len);
        out->rr[out->n].at = at;
        out->rr[out->n++].len = dns.rr[i].len;
    }
    return out->n ? ERR_OK : why_not(why, ERR_NOTFOUND, "there are none");
}

static const struct dnssec_source source = {.ipseckey = true, .cert = true, .ask = dns_ask};

static void dns_add(const char *name, uint16_t type, span_t head, span_t data)
{
    unsigned i = dns.n++;
    CHECK(i < RECORDS_MAX && head.len + data.len <= sizeof dns.rr[i].data);
    (void)snprintf(dns.rr[i].name, sizeof dns.rr[i].name, "%s", name);
    dns.rr[i].type = type;
    memcpy(dns.rr[i].data, head.at, head.len);
    memcpy(dns.rr[i].data + head.len, data.at, data.len);
    dns.rr[i].len = head.len + data.len;
}

// P-256: the point behind the head of a SubjectPublicKeyInfo.
static void dns_key(const char *name, uint8_t precedence, const struct mint *m)
{
    const uint8_t head[] = {precedence, IPSECKEY_GATEWAY_NONE, IPSECKEY_ECDSA};
    span_t spki = pubkey_spki(cert_pubkey(m->cert));
    dns_add(name, RDATA_IPSECKEY, SPAN(head), span(spki.at + spki.len - 64, 64));
}

static void dns_cert(const char *name, uint8_t type, const struct mint *m)
{
    const uint8_t head[] = {0, type, 0, 0, 0};
    dns_add(name, RDATA_CERT, SPAN(head), cert_der(m->cert));
}

// ---- the hosts ---------------------------------------------------------------------------------

#define A "alice.example.org"
#define B "bob.example.org"

struct terms {
    const char *conn, *local, *remote, *us, *peer; // NULL: nothing, or the usual name
};

static void put_config(struct sim *s, int node, struct terms t)
{
    char conf[2000];
    bool alice = node == ALICE;
    unsigned us = alice ? 1 : 2, peer = 3 - us;
    (void)snprintf(
        conf, sizeof conf,
        "connections { net {\n " SIM_SUITE "\n local_addrs = 192.0.2.%u\n"
        "remote_addrs = 192.0.2.%u\n %s\n"
        "local {\n id = %s\n %s\n }\n remote {\n auth = pubkey\n id = %s\n %s\n }\n"
        "children { net {\n local_ts = 10.%u.0.0/16\n remote_ts = 10.%u.0.0/16\n } } } }\n",
        us, peer, t.conn ? t.conn : "send_cert = never",
        t.us    ? t.us
        : alice ? A
                : B,
        t.local ? t.local : "",
        t.peer  ? t.peer
        : alice ? B
                : A,
        t.remote ? t.remote : "", us, peer);
    sim_configure(s, node, conf);
    trust_set_dnssec(s->node[node].config->creds->trust, &source);
}

// BOB knows ALICE; what ALICE learns of BOB is the matter of the tests.
static struct mint keys[3]; // ALICE's, BOB's, and somebody else's
static struct sim *hosts(uint64_t seed)
{
    struct sim *s = papers_world(seed);
    memset(&dns, 0, sizeof dns);
    for (int i = 0; i < 3; i++) {
        static const char *const alt[] = {"subjectAltName=DNS:" A, "subjectAltName=DNS:" B,
                                          "subjectAltName=DNS:carol.example.org"};
        mint_done(&keys[i]);
        keys[i] = MINT(.name = i == 0   ? "CN=alice"
                               : i == 1 ? "CN=bob"
                                        : "CN=carol",
                       .key = "P-256", .ext = {alt[i]});
    }
    for (int i = 0; i < 2; i++) {
        put_key(i, "own.pem", &keys[i]);
        put_pub(i, "own.pem", &keys[i]);
    }
    put_cert(BOB, "x509", "alice.pem", &keys[0]);
    return s;
}

static int end(void **state)
{
    for (int i = 0; i < 3; i++) mint_done(&keys[i]);
    return papers_end(state);
}

// own: whether they prove themselves with a bare key or with a certificate.
#define KEY "pubkeys = own.pem"
#define CERTIFICATE "certs = own.pem"

static void certify(int node)
{
    put_cert(node, "x509", "own.pem", &keys[node]);
}

static void refused(struct sim *s, unsigned asked, const char *said)
{
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 5 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_AUTH);
    if (!sim_told(s, ALICE, said))
        fail_msg("not told: %s\n%s", said, text_str(&s->node[ALICE].story));
    CHECK_EQ(dns.asked, asked);
    sim_expect_nothing(s);
    sim_free(s);
}

static struct sim *by_keys(uint64_t seed)
{
    struct sim *s = hosts(seed);
    put_config(s, BOB, (struct terms){.local = KEY, .remote = "certs = alice.pem"});
    put_config(s, ALICE, (struct terms){.local = KEY});
    return s;
}

// ---- tests -------------------------------------------------------------------------------------

static void a_key_is_believed(void **state)
{
    (void)state;
    struct sim *s = by_keys(1);
    dns_key(B, 20, &keys[1]);
    dns_key(B, 10, &keys[2]); // comes first, and is not its
    sim_establish(s);
    CHECK_EQ(dns.asked, 1);
    sim_free(s);
}

static void what_is_not_there_or_not_proved_is_refused(void **state)
{
    (void)state;
    struct sim *s = by_keys(10);
    dns_key("carol.example.org", 1, &keys[1]);
    refused(s, 2, "nor does DNS prove it: there are none");
    s = by_keys(11);
    dns_key(B, 1, &keys[1]);
    dns.fails = ERR_AUTH;
    refused(s, 2, "nor does DNS prove it: the answer is bogus");
    s = by_keys(12);
    dns_key(B, 1, &keys[2]);
    refused(s, 2, "nor does DNS prove it: there are none"); // certificates were looked for, too
    s = by_keys(13);
    dns_add(B, RDATA_IPSECKEY, SPAN("\1\3\2\300"), span("", 0));
    refused(s, 2, "nor does DNS prove it");
}

// Who names what counts has said all.
static void nobody_is_asked_without_need(void **state)
{
    static const char *const named[] = {"certs = carol.pem", "pubkeys = carol.pem",
                                        "cacerts = carol.pem", "ca_id = \"CN=carol\""};
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct sim *s = hosts(20 + i);
        struct mint ca = AUTHORITY();
        dns_key(B, 1, &keys[1]);
        dns_cert(B, CERT_RR_PKIX, &keys[1]);
        put_cert(ALICE, "x509", "carol.pem", &keys[2]);
        put_cert(ALICE, "x509ca", "carol.pem", &ca);
        put_pub(ALICE, "carol.pem", &keys[2]);
        put_config(s, BOB, (struct terms){.local = KEY, .remote = "certs = alice.pem"});
        put_config(s, ALICE, (struct terms){.local = KEY, .remote = named[i]});
        mint_done(&ca);
        refused(s, 0, "not authenticated");
    }
    struct sim *s = hosts(25); // its certificate is at hand
    put_cert(ALICE, "x509", "bob.pem", &keys[1]);
    put_config(s, BOB, (struct terms){.local = KEY, .remote = "certs = alice.pem"});
    put_config(s, ALICE, (struct terms){.local = KEY, .remote = "certs = bob.pem"});
    sim_establish(s);
    CHECK_EQ(dns.asked, 0);
    sim_free(s);
}

static void only_names_of_hosts_are_asked_for(void **state)
{
    static const char *const ids[] = {"bob@example.org",    "192.0.2.2",        "\"keyid:#626f62\"",
                                      "fqdn:*.example.org", "fqdn:bob/example", "\"CN=bob\""};
    (void)state;
    for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct sim *s = hosts(30 + i);
        dns_key(B, 1, &keys[1]);
        put_config(s, BOB,
                   (struct terms){.local = KEY, .remote = "certs = alice.pem", .us = ids[i]});
        put_config(s, ALICE, (struct terms){.local = KEY, .peer = "%any"});
        refused(s, 0, "it sent no certificate");
    }
}

static void a_certificate_is_believed(void **state)
{
    (void)state;
    for (unsigned sent = 0; sent < 2; sent++) {
        struct sim *s = hosts(40 + sent);
        const char *conn = sent ? "send_cert = always" : NULL;
        certify(BOB);
        dns_cert(B, 6, &keys[1]); // somewhere else: not followed
        dns_cert(B, CERT_RR_PKIX, &keys[2]);
        dns_cert(B, CERT_RR_PKIX, &keys[1]);
        put_config(
            s, BOB,
            (struct terms){.conn = conn, .local = CERTIFICATE, .remote = "certs = alice.pem"});
        put_config(s, ALICE, (struct terms){.local = KEY});
        sim_establish(s);
        CHECK_EQ(dns.asked, 2);
        sim_free(s);
    }
}

// DNS says the key, and the certificate has to say the rest.
static void what_a_certificate_says_counts(void **state)
{
    (void)state;
    struct sim *s = hosts(50); // somebody else's name
    mint_done(&keys[1]);
    keys[1] = MINT(.name = "CN=bob", .key = "P-256", .ext = {"subjectAltName=DNS:" A});
    put_key(BOB, "own.pem", &keys[1]);
    put_pub(BOB, "own.pem", &keys[1]);
    dns_cert(B, CERT_RR_PKIX, &keys[1]);
    put_config(s, BOB, (struct terms){.local = KEY, .remote = "certs = alice.pem"});
    put_config(s, ALICE, (struct terms){.local = KEY});
    refused(s, 2, "nor does DNS prove it");

    s = hosts(51); // its time is over, and that is so whoever publishes it
    mint_done(&keys[1]);
    keys[1] = MINT(.name = "CN=bob", .key = "P-256", .to = MINT_NOW - 3600,
                   .ext = {"subjectAltName=DNS:" B});
    put_key(BOB, "own.pem", &keys[1]);
    put_pub(BOB, "own.pem", &keys[1]);
    dns_cert(B, CERT_RR_PKIX, &keys[1]);
    put_config(s, BOB, (struct terms){.local = KEY, .remote = "certs = alice.pem"});
    put_config(s, ALICE, (struct terms){.local = KEY});
    refused(s, 2, "nor does DNS prove it");

    s = hosts(52); // it has sent another one
    certify(BOB);
    dns_cert(B, CERT_RR_PKIX, &keys[2]);
    put_config(s, BOB,
               (struct terms){.conn = "send_cert = always",
                              .local = CERTIFICATE,
                              .remote = "certs = alice.pem"});
    put_config(s, ALICE, (struct terms){.local = KEY});
    refused(s, 2, "it is not the certificate that was sent");
}

// A bare key says nothing of what only a certificate can say.
static void a_key_is_no_certificate(void **state)
{
    static const char *const wants[] = {"cert_policy = 1.3.6.1.4.1.55555.1", "groups = friends"};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct sim *s = hosts(55 + i);
        dns_key(B, 1, &keys[1]);
        dns_cert(B, CERT_RR_PKIX, &keys[1]); // neither does this one
        put_config(s, BOB, (struct terms){.local = KEY, .remote = "certs = alice.pem"});
        put_config(s, ALICE, (struct terms){.local = KEY, .remote = wants[i]});
        refused(s, 1, "nor does DNS prove it");
    }
}

// Reauthentication asks about certificates once more when the new IKE SA is up.
static void reauthentication_asks_again(void **state)
{
    (void)state;
    struct sim *s = hosts(60);
    certify(BOB);
    dns_cert(B, CERT_RR_PKIX, &keys[1]);
    put_config(s, BOB, (struct terms){.local = CERTIFICATE, .remote = "certs = alice.pem"});
    put_config(s, ALICE,
               (struct terms){.conn = "send_cert = never\n reauth_time = 600s\n", .local = KEY});
    sim_establish(s);
    CHECK_EQ(dns.asked, 2);
    sim_run(s, 700 * SECOND);
    CHECK_EQ(dns.asked, 5); // both kinds when it began, and the certificate when it was up
    CHECK(sim_told(s, ALICE, "peer certificate successfully verified"));
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_believed),
        cmocka_unit_test(what_is_not_there_or_not_proved_is_refused),
        cmocka_unit_test(nobody_is_asked_without_need),
        cmocka_unit_test(only_names_of_hosts_are_asked_for),
        cmocka_unit_test(a_certificate_is_believed),
        cmocka_unit_test(what_a_certificate_says_counts),
        cmocka_unit_test(a_key_is_no_certificate),
        cmocka_unit_test(reauthentication_asks_again),
    };
    return cmocka_run_group_tests(tests, papers_begin, end);
}
