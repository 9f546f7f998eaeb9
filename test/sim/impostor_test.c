// Impostors: peers who have keys for IKE, but cannot prove who they say they are. Whatever stands
// in IDi, CERT and AUTH, they are refused in one step, at a bounded price, and with few words.
#include <stdio.h>
#include <string.h>

#include "ike/codec/msg.h"
#include "ike/sa/diplomat.h"
#include "test/sim/papers.h"

#define CHILD(name, net) \
    "children { " name " {\n local_ts = 10." net ".0.0/16\n remote_ts = 10.1.0.0/16\n } }\n"
#define BOBS(sub) "local {\n id = bob.example.org\n " sub "\n }\n"
#define HOSTS "local_addrs = 192.0.2.1\n remote_addrs = 192.0.2.2\n"

// ---- what they send ----------------------------------------------------------------------------

struct claim {
    const char *id;
    span_t cert; // none if empty
    unsigned certs;
    uint8_t method;
    span_t auth;
};

// ALICE opens a conversation and gets keys; what she would go on with is thrown away.
static struct ike_sa *opened(struct sim *s)
{
    static struct sim_result r; // she may be told later
    s->fate = NULL;
    s->by_hand = true;
    sim_initiate(s, ALICE, "net", &r);
    CHECK(sim_deliver(s, ALICE));
    CHECK(sim_deliver(s, BOB));
    return s->node[ALICE].ike->last;
}

static void put_claim(struct msgw *m, const struct claim *c)
{
    struct id id;
    struct why why;
    const struct certp cert = {.encoding = CERT_X509, .data = c->cert};
    const struct authp auth = {.method = c->method, .data = c->auth};
    CHECK_OK(id_parse(c->id, &id, &why));
    ident_write(msgw_begin(m, PAYLOAD_IDi), &id);
    msgw_end(m);
    for (unsigned i = 0; i < c->certs; i++) {
        certp_write(msgw_begin(m, PAYLOAD_CERT), &cert);
        msgw_end(m);
    }
    authp_write(msgw_begin(m, PAYLOAD_AUTH), &auth);
    msgw_end(m);
}

// In ALICE's name to BOB, who thinks it over; then all is forgotten.
static void claim(struct sim *s, const struct claim *c)
{
    static uint8_t buf[IKE_MSG_MAX];
    struct msgw m;
    span_t bytes;
    struct ike_sa *from = opened(s);
    const struct ike_header h = {.spi_i = from->spi_i,
                                 .spi_r = from->spi_r,
                                 .version = 0x20,
                                 .exchange = X_AUTH,
                                 .flags = IKE_FLAG_INITIATOR,
                                 .id = 1};
    msgw_start(&m, buf, sizeof buf, &h);
    msgw_begin_sk(&m, ike_sa_seal(from), ++from->sealed);
    put_claim(&m, c);
    CHECK_OK(msgw_finish(&m, &bytes));
    struct datagram d = {from->local, from->remote, bytes, 0};
    unsigned sent = s->sent;
    ike_input(s->node[BOB].ike, &d);
    sim_check(s);
    s->fate = sim_fate_cut;
    sim_run(s, SECOND);
    CHECK(s->sent <= sent + 3); // an answer, and ALICE's own IKE_AUTH, once more
    CHECK_EQ(sim_ikes(s, BOB), 0);
    s->by_hand = false;
    sim_run(s, 300 * SECOND);
    CHECK_EQ(s->works, 0);
    CHECK(s->node[ALICE].ike->all == NULL && s->node[BOB].ike->all == NULL);
}

// ---- proofs that are none ----------------------------------------------------------------------

#define ECDSA_SHA256 "\x0c\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
#define ED25519 "\x07\x30\x05\x06\x03\x2b\x65\x70"
#define PSS_HUGE_SALT \
    "\x15\x30\x13\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x06\xa2\x04\x02\x02\x7f\xff"
#define LITERAL(s) span(s, sizeof(s) - 1)

// By a key, by a secret, and by nothing at all.
static const char three_ways[] =
    "connections {\n key {\n"
    "local {\n id = bob.example.org\n certs = host.pem\n }\n"
    "remote {\n id = alice.example.org\n auth = pubkey\n }\n"
    "children { a {\n local_ts = 10.2.0.0/16\n remote_ts = 10.1.0.0/16\n } } }\n"
    "secret {\n"
    "local {\n id = bob.example.org\n auth = psk\n }\n"
    "remote {\n id = alice.example.org\n auth = psk\n }\n"
    "children { b {\n local_ts = 10.3.0.0/16\n remote_ts = 10.1.0.0/16\n } } }\n"
    "nobody {\n"
    "local {\n id = bob.example.org\n certs = host.pem\n }\n"
    "remote {\n auth = null\n }\n"
    "children { c {\n local_ts = 10.4.0.0/16\n } } } }\n"
    "secrets { ike-1 { secret = \"correct horse\"\n } }\n";

static void every_method_malformed(void **state)
{
    static uint8_t zero[3000], ones[512];
    memset(ones, 0xff, sizeof ones);
    const span_t data[] = {
        span(zero, 1),
        span(zero, 20),
        span(zero, 32), // as long as a MAC
        span(zero, 64), // ... as a signature of P-256, of Ed25519
        span(ones, 96),
        span(ones, 132),
        span(ones, 256),
        span(zero, 3000),
        LITERAL("\xff\x30"), // of RFC 7427: the identifier is cut off
        LITERAL("\x00\x00"), // ... is not there
        LITERAL(ECDSA_SHA256 "\x30\x06\x02\x01\x00\x02\x01\x00"), // r = s = 0
        LITERAL(ECDSA_SHA256 "\x30\x84\xff\xff\xff\xff"),
        LITERAL(ED25519 "\x01"),
        LITERAL(PSS_HUGE_SALT "\x01\x02"),
    };
    static const uint8_t methods[] = {0, 1, 2, 3, 9, 10, 11, 12, 13, 14, 15, 200};
    struct sim *s = papers_world(1);
    struct mint ca = AUTHORITY();
    struct mint alice = host_cert(&ca, ALICE, "P-256"), bob = host_cert(&ca, BOB, "P-256");
    (void)state;
    put_host(ALICE, &alice, &ca);
    put_host(BOB, &bob, &ca);
    sim_configure(s, ALICE,
                  "connections { net {\n " SIM_SUITE "\n " HOSTS "local {\n certs = host.pem\n }\n"
                  "remote {\n id = bob.example.org\n }\n" CHILD("net", "2") "} }\n");
    sim_configure(s, BOB, three_ways);
    for (unsigned i = 0; i < sizeof methods; i++) {
        for (unsigned k = 0; k < 2 * (sizeof data / sizeof *data); k++) {
            struct claim c = {"alice.example.org", cert_der(alice.cert), k % 2, methods[i],
                              data[k / 2]};
            unsigned works = s->works_run;
            claim(s, &c);
            CHECK(s->works_run - works <= 2); // ALICE's signature, one verification
        }
    }
    mint_done(&alice);
    mint_done(&bob);
    mint_done(&ca);
    sim_free(s);
}

// ---- names -------------------------------------------------------------------------------------

static void shared(struct sim *s, int node, const char *local, const char *remote,
                   const char *owner)
{
    char conf[1024];
    (void)snprintf(conf, sizeof conf,
                   "connections { net {\n " SIM_SUITE "\n local_addrs = %s\n remote_addrs = %s\n"
                   "local {\n auth = psk\n id = %s\n }\n remote {\n auth = psk\n id = %s\n }\n"
                   "children { net {\n local_ts = %s\n remote_ts = %s\n } } } }\n"
                   "secrets { ike-1 { secret = \"correct horse\"\n %s\n } }\n",
                   node == ALICE ? "192.0.2.1" : "192.0.2.2",
                   node == ALICE ? "192.0.2.2" : "192.0.2.1", local, remote,
                   node == ALICE ? "10.1.0.0/16" : "10.2.0.0/16",
                   node == ALICE ? "10.2.0.0/16" : "10.1.0.0/16", owner);
    sim_configure(s, node, conf);
}

static void refused(struct sim *s, const char *said)
{
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_AUTH);
    if (!sim_told(s, BOB, said)) fail_msg("not told: %s\n%s", said, text_str(&s->node[BOB].story));
    sim_expect_nothing(s);
    sim_free(s);
}

// Stars are for our own configuration: in what a peer says they are letters.
static void names_with_stars(void **state)
{
    static const char *const names[] = {"*", "*.example.org", "fqdn:*", "email:*@example.org"};
    (void)state;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        struct sim *s = sim_new(10);
        shared(s, ALICE, "fqdn:*.example.org", "bob.example.org", "");
        shared(s, BOB, "bob.example.org", "alice.example.org", "");
        refused(s, "none expects by pre-shared key (remote.auth) the identity *.example.org");
        s = sim_new(11);
        shared(s, ALICE, "fqdn:*.example.org", "bob.example.org", "");
        shared(s, BOB, "bob.example.org", "%any", "id-1 = alice.example.org");
        refused(s, "has no pre-shared key with us");
    }
}

// What a peer may have follows from who it is, not from whom it wants to speak to.
static void the_connection_of_another(void **state)
{
    struct sim *s = sim_new(12);
    struct sim_result r;
    (void)state;
    shared(s, ALICE, "alice.example.org", "vault.example.org", "");
    sim_configure(
        s, BOB,
        "connections {\n vault {\n local {\n auth = psk\n id = vault.example.org\n }\n"
        "remote {\n auth = psk\n id = carol.example.org\n }\n" CHILD(
            "net",
            "2") "}\n"
                 "hall {\n local {\n auth = psk\n id = hall.example.org\n }\n"
                 "remote {\n auth = psk\n id = alice.example.org\n }\n"
                 "children { net {\n local_ts = 10.9.0.0/16\n remote_ts = 10.1.0.0/16\n } } } }\n"
                 "secrets { ike-1 { secret = \"correct horse\"\n } }\n");
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 1);
    CHECK(r.err != ERR_OK);
    CHECK(sim_told(s, BOB, "IKE_SA hall"));
    CHECK(!sim_told(s, BOB, "IKE_SA vault"));
    CHECK_EQ(sim_children(s, BOB), 0);
    CHECK(sim_told(s, ALICE, "the responder is hall.example.org, but remote.id expects"));
    sim_free(s);
}

// ---- responders --------------------------------------------------------------------------------

// BOB's answer to IKE_AUTH is thrown away, and ALICE hears this in its place.
static void answer_instead(struct sim *s, const char *idr, span_t auth)
{
    uint8_t buf[512];
    struct msgw m;
    struct id id;
    struct why why;
    span_t bytes;
    const struct authp proof = {.method = AUTH_PSK, .data = auth};
    struct ike_sa *from = s->node[BOB].ike->all;
    const struct ike_header h = {.spi_i = from->spi_i,
                                 .spi_r = from->spi_r,
                                 .version = 0x20,
                                 .exchange = X_AUTH,
                                 .flags = IKE_FLAG_RESPONSE,
                                 .id = 1};
    msgw_start(&m, buf, sizeof buf, &h);
    msgw_begin_sk(&m, ike_sa_seal(from), ++from->sealed);
    if (idr) CHECK_OK(id_parse(idr, &id, &why));
    if (idr) ident_write(msgw_begin(&m, PAYLOAD_IDr), &id);
    if (idr) msgw_end(&m);
    if (auth.len) authp_write(msgw_begin(&m, PAYLOAD_AUTH), &proof);
    if (auth.len) msgw_end(&m);
    CHECK_OK(msgw_finish(&m, &bytes));
    struct datagram d = {from->local, from->remote, bytes, 0};
    ike_input(s->node[ALICE].ike, &d);
    sim_check(s);
}

// Whoever answers is not yet who should.
static void responders_who_prove_nothing(void **state)
{
    static const uint8_t zero[32];
    static const struct {
        const char *idr;
        bool auth;
    } answers[] = {{NULL, false},
                   {"bob.example.org", false},
                   {NULL, true},
                   {"bob.example.org", true},
                   {"carol.example.org", true},
                   {"fqdn:*.example.org", true}};
    (void)state;
    for (unsigned i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct sim *s = sim_new(15);
        struct sim_result r;
        sim_net_net(s, "", "");
        s->by_hand = true;
        sim_initiate(s, ALICE, "net", &r);
        CHECK(sim_deliver(s, ALICE));
        CHECK(sim_deliver(s, BOB));
        CHECK(sim_deliver(s, ALICE));
        sim_drop(s, BOB);
        answer_instead(s, answers[i].idr, span(zero, answers[i].auth ? sizeof zero : 0));
        CHECK_EQ(r.told, 1);
        CHECK(r.err == ERR_AUTH || r.err == ERR_SYNTAX);
        CHECK_EQ(s->node[ALICE].events[IKE_EV_UP], 0);
        CHECK_EQ(sim_children(s, ALICE), 0);
        sim_free(s);
    }
}

// ---- our own words -----------------------------------------------------------------------------

static unsigned echo(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)n;
    if (m->from != ALICE) return 0;
    m->d.from = (endpoint_t){s->node[BOB].ip, m->d.to.port};
    m->d.to = (endpoint_t){s->node[ALICE].ip, m->d.to.port};
    return 1;
}

// A secret is the same in both directions: whoever sends us back what we say must not make us
// believe ourselves.
static void our_words_come_back(void **state)
{
    struct sim *s = sim_new(20);
    struct sim_result r;
    (void)state;
    shared(s, ALICE, "alice.example.org", "%any", "");
    s->fate = echo;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 300 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK(r.err != ERR_OK);
    CHECK_EQ(s->node[ALICE].events[IKE_EV_UP], 0);
    CHECK_EQ(sim_stats(s, ALICE).half_open, 0);
    sim_free(s);
}

// ---- what it costs -----------------------------------------------------------------------------

// Certificates of one name that all may have signed one another, before a gateway with many
// connections: the search for a path has one limit for all of them together.
static void a_maze_of_certificates(void **state)
{
    static char conf[8192];
    struct sim *s = papers_world(30);
    struct mint ca = AUTHORITY(), bob = host_cert(&ca, BOB, "P-256");
    struct mint fake[7];
    unsigned n = sizeof fake / sizeof *fake;
    size_t at = 0;
    (void)state;
    for (unsigned i = n; i-- > 0;) {
        char name[32];
        fake[i] = MINT(.name = "CN=Root", .by = i + 1 < n ? &fake[i + 1] : NULL,
                       .ext = {MINT_CA, "subjectAltName=DNS:alice.example.org"});
        (void)snprintf(name, sizeof name, "%02u.pem", i);
        put_cert(ALICE, i ? "x509ca" : "x509", name, &fake[i]);
    }
    put_key(ALICE, "key.pem", &fake[0]);
    put_cert(ALICE, "x509ca", "ca.pem", &ca);
    put_host(BOB, &bob, &ca);
    at += (size_t)snprintf(conf, sizeof conf, "connections {\n");
    for (unsigned i = 0; i < 12; i++) {
        at += (size_t)snprintf(
            conf + at, sizeof conf - at,
            "c%u {\n" BOBS("certs = host.pem")
                CHILD("n%u", "%u") "remote {\n id = alice.example.org\n cacerts = ca.pem\n } }\n",
            i, i, 20 + i);
    }
    (void)snprintf(conf + at, sizeof conf - at, "}\n");
    sim_configure(s, BOB, conf);
    sim_configure(s, ALICE,
                  "connections { net {\n " SIM_SUITE "\n " HOSTS
                  "local {\n id = alice.example.org\n certs = 00.pem\n }\n send_cert = always\n"
                  "remote {\n id = bob.example.org\n }\n" CHILD("net", "2") "} }\n");
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, SECOND);
    CHECK_EQ(r.err, ERR_AUTH);
    CHECK(s->works_run <= 1 + 1 + 8); // signed, and verified once for each connection that is tried
    CHECK(sim_told(s, BOB, "certificates may have signed"));
    sim_expect_nothing(s);
    for (unsigned i = 0; i < n; i++) mint_done(&fake[i]);
    mint_done(&bob);
    mint_done(&ca);
    sim_free(s);
}

static struct sim_message first_init;

static unsigned catch_init(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)s;
    if (n == 0) first_init = *m;
    return 1;
}

#define HALF_OPEN 100
#define PIECE_ROOM 1250 // one of them

// An address with many half-open IKE SAs cannot fill the room for pieces of messages with all of
// them: each has its part of what is left, and goes on when there is more.
static void pieces_have_their_part(void **state)
{
    struct sim *s = papers_world(31);
    struct mint ca = AUTHORITY();
    static char long_one[1600] = "nsComment=";
    memset(long_one + strlen(long_one), 'x', sizeof long_one - 1 - strlen(long_one));
    struct mint alice = MINT(.name = "C=CH, CN=alice", .by = &ca,
                             .ext = {"subjectAltName=DNS:alice.example.org", long_one});
    struct mint bob = host_cert(&ca, BOB, "P-256");
    struct sim_result r;
    (void)state;
    put_host(ALICE, &alice, &ca);
    put_host(BOB, &bob, &ca);
    s->node[BOB].opt.cookie_threshold = s->node[BOB].opt.cookie_threshold_ip = 2 * HALF_OPEN;
    sim_configure(s, BOB,
                  "connections { net {\n" BOBS("certs = host.pem") CHILD(
                      "net", "2") "remote {\n id = alice.example.org\n auth = pubkey\n } } }\n");
    sim_configure(s, ALICE,
                  "connections { net {\n " SIM_SUITE "\n " HOSTS
                  "local {\n id = alice.example.org\n certs = host.pem\n }\n"
                  "remote {\n id = bob.example.org\n }\n children { net {\n"
                  "local_ts = 10.1.0.0/16\n remote_ts = 10.2.0.0/16\n } } } }\n");
    s->fate = catch_init;
    sim_initiate(s, ALICE, "net", &r);
    struct ike *ike = s->node[BOB].ike;
    for (uint32_t i = 1; i < HALF_OPEN; i++) {
        struct sim_message m = first_init;
        memcpy(m.bytes, &i, sizeof i); // SPIi
        m.d.bytes = span(m.bytes, m.d.bytes.len);
        ike_input(ike, &m.d);
    }
    size_t others = REASSEMBLING_MAX - (size_t)HALF_OPEN * PIECE_ROOM;
    ike->reassembling += others;
    sim_run(s, SECOND);
    CHECK_EQ(r.told, 0);
    CHECK(ike->reassembling > others && ike->reassembling <= others + PIECE_ROOM);
    ike->reassembling -= others;
    sim_run(s, 10 * SECOND); // ALICE repeats her message
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(ike->reassembling, 0);
    sim_run(s, 60 * SECOND);
    mint_done(&alice);
    mint_done(&bob);
    mint_done(&ca);
    sim_free(s);
}

// ---- what is said about it ---------------------------------------------------------------------

static unsigned lines[LOG_DEBUG + 1];
static unsigned left_out;

static void count_lines(void *ctx, enum log_level level, const struct ike_sa *sa, const char *line)
{
    (void)ctx, (void)sa;
    lines[level]++;
    if (strstr(line, "were left out")) left_out++;
}

static void the_log_has_an_end(void **state)
{
    struct sim *s = sim_new(40);
    (void)state;
    sim_net_net(s, "", "");
    (void)opened(s);
    struct ike *bob = s->node[BOB].ike;
    struct ike_sa *stranger = bob->all;
    bob->env.tell = count_lines;
    memset(lines, 0, sizeof lines);
    for (unsigned i = 0; i < 20000; i++) {
        tell(bob, stranger, LOG_WARN, "it says something");
        tell(bob, stranger, LOG_STORY, "it says something else");
    }
    CHECK(lines[LOG_WARN] <= 200 && lines[LOG_STORY] <= 6000);
    CHECK_EQ(lines[LOG_WARN] + lines[LOG_STORY] + lines[LOG_DEBUG], 40000);
    CHECK_EQ(left_out, 0);
    s->now += SECOND;
    unsigned before = lines[LOG_WARN];
    for (unsigned i = 0; i < 100; i++) tell(bob, stranger, LOG_WARN, "it goes on");
    CHECK(lines[LOG_WARN] - before >= 10 && lines[LOG_WARN] - before <= 13);
    CHECK_EQ(left_out, 1);
    // Of a peer that we know everything is told.
    memset(lines, 0, sizeof lines);
    stranger->up_at = s->now;
    for (unsigned i = 0; i < 1000; i++) tell(bob, stranger, LOG_WARN, "news");
    CHECK_EQ(lines[LOG_WARN], 1000);
    stranger->up_at = 0;
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_malformed),    cmocka_unit_test(names_with_stars),
        cmocka_unit_test(the_connection_of_another), cmocka_unit_test(responders_who_prove_nothing),
        cmocka_unit_test(our_words_come_back),       cmocka_unit_test(a_maze_of_certificates),
        cmocka_unit_test(pieces_have_their_part),    cmocka_unit_test(the_log_has_an_end),
    };
    return cmocka_run_group_tests(tests, papers_begin, papers_end);
}
