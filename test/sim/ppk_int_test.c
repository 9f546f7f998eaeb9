// Post-quantum preshared keys in IKE_INTERMEDIATE (RFC 9867): who offers which, what is taken, and
// who goes no further without; on lossy ways, with strangers in between, and with certificates.
#include <stdio.h>
#include <string.h>

#include "ike/auth/ppk.h"
#include "ike/sa/diplomat.h"
#include "test/sim/papers.h"

#define K1 "0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define K2 "0xff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY(n, id, key) "ppk-" n " { id = " id "\n secret = " key "\n }\n"

struct has {
    const char *conn; // lines of its connection
    const char *keys; // sections of `secrets`
};

// Wherever a case does not say, both want RFC 9867.
static void configure(struct sim *s, int node, const struct has *h)
{
    char conf[4096];
    bool alice = node == ALICE;
    (void)snprintf(conf, sizeof conf,
                   "connections { net { %s\n local_addrs = 192.0.2.%d\n remote_addrs = 192.0.2.%d\n"
                   " %s\n %s\n local { auth = psk\n id = %s }\n remote { auth = psk\n id = %s }\n"
                   " children { net { local_ts = 10.%d.0.0/16\n remote_ts = 10.%d.0.0/16 } } } }\n"
                   "secrets { ike-1 { secret = \"correct horse\" }\n %s\n }\n",
                   strstr(h->conn, "proposals") ? "" : SIM_SUITE, alice ? 1 : 2, alice ? 2 : 1,
                   h->conn, strstr(h->conn, "ppk_exchange") ? "" : "ppk_exchange = best",
                   alice ? "a.example" : "b.example", alice ? "b.example" : "a.example",
                   alice ? 1 : 2, alice ? 2 : 1, h->keys);
    sim_configure(s, node, conf);
}

static unsigned count[256];
static uint16_t strip[2]; // Notify types that somebody on the way takes out of IKE_SA_INIT; 0: none

// In place: the type becomes one that nobody knows.
static void strip_notifies(struct sim_message *m)
{
    for (size_t at = 28; at + 8 <= m->d.bytes.len;) {
        size_t len = (size_t)m->bytes[at + 2] << 8 | m->bytes[at + 3];
        uint16_t type = (uint16_t)(m->bytes[at + 6] << 8 | m->bytes[at + 7]);
        if (len < 4) return;
        for (unsigned i = 0; i < 2; i++) {
            if (strip[i] && type == strip[i]) m->bytes[at + 6] = 0xef;
        }
        at += len;
    }
}

static unsigned look(struct sim *s, struct sim_message *m, unsigned n)
{
    struct ike_header h;
    (void)s, (void)n;
    CHECK_OK(ike_header_read(m->d.bytes, &h));
    count[h.exchange]++;
    if (h.exchange == X_SA_INIT) strip_notifies(m);
    return 1;
}

static struct sim *world(const struct has *alice, const struct has *bob)
{
    struct sim *s = sim_new(1);
    s->fate = look;
    memset(count, 0, sizeof count);
    memset(strip, 0, sizeof strip);
    for (int n = 0; n < SIM_NODES; n++) s->node[n].opt.fragment_size = 4000;
    configure(s, BOB, bob);
    configure(s, ALICE, alice);
    return s;
}

static const struct ike_sa *only_sa(struct sim *s, int node)
{
    for (const struct ike_sa *sa = s->node[node].ike->all; sa; sa = sa->next) {
        if (sa->state == IKE_UP) return sa;
    }
    return NULL;
}

static void expect_way(struct sim *s, enum ppk_way way, const char *name)
{
    for (int n = ALICE; n <= BOB; n++) {
        const struct ike_sa *sa = only_sa(s, n);
        assert_non_null(sa);
        CHECK_EQ(sa->ppk_way, way);
        CHECK(span_eq(blob_span(&sa->ppk_name), span_str(name)));
    }
}

struct ppk_case {
    struct has alice, bob;
    bool up;
    enum ppk_way way;
    const char *name; // of the key that is used
    const char *said; // by ALICE or BOB
    unsigned between; // messages of IKE_INTERMEDIATE
};

static void live_on(struct sim *s, const struct ppk_case *c)
{
    sim_expect_clean(s);
    expect_way(s, c->way, c->name ? c->name : "");
    sim_rekey_ike(s, BOB);
    sim_run(s, 20 * SECOND);
    sim_rekey_child(s, ALICE);
    sim_run(s, 60 * SECOND);
    sim_expect_clean(s);
    expect_way(s, c->way, c->name ? c->name : "");
}

static void play(const struct ppk_case *c)
{
    struct sim *s = world(&c->alice, &c->bob);
    struct sim_result r;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 10 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err == ERR_OK, c->up);
    CHECK_EQ(count[X_INTERMEDIATE], c->between);
    CHECK(!c->said || sim_told(s, ALICE, c->said) || sim_told(s, BOB, c->said));
    if (c->up) {
        live_on(s, c);
    } else {
        sim_run(s, 60 * SECOND);
        sim_expect_nothing(s);
    }
    sim_free(s);
}

#define A1 KEY("1", "quantum", K1)
#define ALL_KEYS "all keys have a PPK in them"
#define NAMED "ppk_id = quantum\n"
#define REQUIRED NAMED "ppk_required = yes\n"
#define INTO PPK_IN_INTERMEDIATE, "quantum", ALL_KEYS
#define PQ1 "proposals = aes256-sha256-x25519-ke1_mlkem512\n"
#define PQ2 "proposals = aes128gcm16-prfsha384-x25519-ke1_mlkem512-ke3_ecp256\n"

static const struct ppk_case whose[] = {
    {{NAMED, A1}, {"", A1}, true, INTO, 2},
    {{NAMED, A1},
     {"", A1},
     true,
     PPK_IN_INTERMEDIATE,
     "quantum",
     "using PPK for PPK_ID 'quantum'",
     2},
    {{REQUIRED, A1}, {REQUIRED, A1}, true, INTO, 2},
    // a round of its own where there is no other, and in the last of several
    {{NAMED PQ1, A1}, {PQ1, A1}, true, INTO, 2},
    {{NAMED PQ2, A1}, {PQ2, A1}, true, INTO, 4},
    {{NAMED "proposals = aes256-sha256-prfaesxcbc-x25519", A1},
     {"proposals = aes256-sha256-prfaesxcbc-x25519", A1},
     true,
     INTO,
     2},
    // none there, or another
    {{NAMED, A1}, {"", ""}, true, PPK_NONE, NULL, "the responder has none", 0},
    {{REQUIRED, A1}, {"", ""}, false, PPK_NONE, NULL, "requires a PPK", 0},
    {{NAMED, A1},
     {"", KEY("1", "else", K1)},
     true,
     PPK_NONE,
     NULL,
     "none of those that we offered",
     2},
    {{NAMED, A1},
     {"", KEY("1", "else", K1)},
     true,
     PPK_NONE,
     NULL,
     "peer didn't use PPK for PPK_ID 'quantum'",
     2},
    {{NAMED, A1},
     {"", KEY("1", "else", K1)},
     true,
     PPK_NONE,
     NULL,
     "no PPK for 'quantum' found, ignored because PPK is not required",
     2},
    {{REQUIRED, A1},
     {"", KEY("1", "else", K1)},
     false,
     PPK_NONE,
     NULL,
     "requires a PPK (ppk_required), but the responder has none of those",
     2},
    {{NAMED, A1},
     {REQUIRED, KEY("1", "else", K1)},
     false,
     PPK_NONE,
     NULL,
     "has offered none that we know",
     2},
    {{NAMED, A1}, {"ppk_id = else", A1}, true, PPK_NONE, NULL, "offered none that we know", 2},
    {{"", ""}, {REQUIRED, A1}, false, PPK_NONE, NULL, "the initiator has none", 0},
    // the same name and another key: found out before anything depends on it
    {{NAMED, A1},
     {"", KEY("1", "quantum", K2)},
     true,
     PPK_NONE,
     NULL,
     "another PPK by the name of one of ours (secrets.ppk-1)",
     2},
    {{REQUIRED, A1}, {"", KEY("1", "quantum", K2)}, false, PPK_NONE, NULL, "requires a PPK", 2},
    // one way only
    {{NAMED "ppk_exchange = intermediate", A1}, {"", A1}, true, INTO, 2},
    {{NAMED "ppk_exchange = auth", A1},
     {"", A1},
     true,
     PPK_IN_AUTH,
     "quantum",
     "the keys of all traffic",
     0},
    {{NAMED, A1},
     {"ppk_exchange = auth", A1},
     true,
     PPK_IN_AUTH,
     "quantum",
     "the keys of all traffic",
     0},
    {{REQUIRED "ppk_exchange = intermediate", A1},
     {"ppk_exchange = auth", A1},
     false,
     PPK_NONE,
     NULL,
     "takes it in another exchange (ppk_exchange)",
     0},
    {{REQUIRED "ppk_exchange = auth", A1},
     {REQUIRED "ppk_exchange = intermediate", A1},
     false,
     PPK_NONE,
     NULL,
     "takes it in another exchange (ppk_exchange)",
     0},
};

static void who_has_which(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof whose / sizeof *whose; i++) {
        print_message("# case %u\n", i);
        play(&whose[i]);
    }
}

#define BY_ITSELF "ppk_exchange = auto\n"
#define ONE KEY("1", "q.example", K1)
#define LATE PPK_IN_AUTH, "quantum", "the keys of all traffic"

// Who has said nothing gets RFC 9867 where that costs no round trip, else what strongSwan does.
static void by_itself(void **state)
{
    (void)state;
    static const struct ppk_case cases[] = {
        {{NAMED BY_ITSELF, A1}, {BY_ITSELF, A1}, true, LATE, 0},
        {{NAMED BY_ITSELF PQ1, A1}, {BY_ITSELF PQ1, A1}, true, INTO, 2},
        {{NAMED "ppk_exchange = best\n", A1}, {BY_ITSELF, A1}, true, INTO, 2},
        {{NAMED BY_ITSELF, A1}, {"", A1}, true, LATE, 0},
        {{"ppk_id = *.example\n" BY_ITSELF, ONE},
         {BY_ITSELF, ONE},
         true,
         PPK_IN_INTERMEDIATE,
         "q.example",
         ALL_KEYS,
         2},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("# case %u\n", i);
        play(&cases[i]);
    }
}

#define OLD KEY("old", "monday.keys.example", K1)
#define NEW KEY("new", "tuesday.keys.example", K2)
#define ANY "ppk_id = *.keys.example\n"

// A pattern offers all that it fits: while keys are changed, one side has the new one and the other
// not yet.
static void several_are_offered(void **state)
{
    (void)state;
    static const struct ppk_case cases[] = {
        {{ANY, OLD NEW}, {"", NEW}, true, PPK_IN_INTERMEDIATE, "tuesday.keys.example", NULL, 2},
        {{ANY, OLD NEW}, {ANY, OLD}, true, PPK_IN_INTERMEDIATE, "monday.keys.example", NULL, 2},
        {{ANY, OLD NEW}, {"", NEW OLD}, true, PPK_IN_INTERMEDIATE, "monday.keys.example", NULL, 2},
        {{ANY, OLD NEW},
         {"ppk_id = tuesday.keys.example", OLD NEW},
         true,
         PPK_IN_INTERMEDIATE,
         "tuesday.keys.example",
         NULL,
         2},
        {{ANY, A1 NEW}, {"", A1 NEW}, true, PPK_IN_INTERMEDIATE, "tuesday.keys.example", NULL, 2},
        // one of them is not the same on both sides: the other is taken
        {{ANY, OLD NEW},
         {"", KEY("x", "monday.keys.example", K2) NEW},
         true,
         PPK_IN_INTERMEDIATE,
         "tuesday.keys.example",
         "another PPK by the name",
         2},
        {{ANY "ppk_exchange = auth", OLD NEW},
         {"", OLD},
         true,
         PPK_IN_AUTH,
         "monday.keys.example",
         NULL,
         0},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("# case %u\n", i);
        play(&cases[i]);
    }
}

// More than one message may offer: the rest is not looked at.
static void offers_are_bounded(void **state)
{
    (void)state;
    char many[2048] = "";
    for (unsigned i = 0; i < 2 * PPK_OFFERS_MAX; i++) {
        size_t at = strlen(many);
        (void)snprintf(many + at, sizeof many - at,
                       "ppk-%u { id = k%u.keys.example\n secret = 0x%032u\n }\n", i, i, i + 1);
    }
    char last[128];
    (void)snprintf(last, sizeof last, "ppk-1 { id = k%u.keys.example\n secret = 0x%032u\n }\n",
                   PPK_OFFERS_MAX - 1, PPK_OFFERS_MAX);
    char beyond[128];
    (void)snprintf(beyond, sizeof beyond, "ppk-1 { id = k%u.keys.example\n secret = 0x%032u\n }\n",
                   PPK_OFFERS_MAX, PPK_OFFERS_MAX + 1);
    play(&(struct ppk_case){.alice = {ANY, many},
                            .bob = {"", last},
                            .up = true,
                            .way = PPK_IN_INTERMEDIATE,
                            .name = "k7.keys.example",
                            .between = 2});
    play(&(struct ppk_case){
        .alice = {ANY, many}, .bob = {"", beyond}, .up = true, .way = PPK_NONE, .between = 2});
}

// Who takes words out of IKE_SA_INIT on the way is found out by AUTH, whatever he takes; where a
// PPK is required it does not even come to that.
static void downgrades_are_refused(void **state)
{
    static const struct {
        const char *conn;
        uint16_t strip[2];
        const char *said;
    } cases[] = {
        {NAMED, {N_USE_PPK_INT, 0}, "not authenticated"},
        {NAMED, {N_USE_PPK_INT, N_USE_PPK}, "not authenticated"},
        {NAMED, {N_INTERMEDIATE_EXCHANGE_SUPPORTED, 0}, "not authenticated"},
        {REQUIRED, {N_USE_PPK_INT, N_USE_PPK}, "requires a PPK"},
        {REQUIRED "ppk_exchange = intermediate", {N_USE_PPK_INT, 0}, "requires a PPK"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct has h = {cases[i].conn, A1};
        struct sim *s = world(&h, &h);
        struct sim_result r;
        memcpy(strip, cases[i].strip, sizeof strip);
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, 20 * SECOND);
        print_message("# case %u: %s\n", i, r.sentence);
        CHECK_EQ(r.told, 1);
        CHECK(r.err != ERR_OK);
        CHECK_EQ(sim_ikes(s, ALICE) + sim_ikes(s, BOB), 0);
        CHECK_EQ(sim_told(s, ALICE, "[1] established"), false);
        sim_run(s, 60 * SECOND);
        sim_expect_nothing(s);
        sim_free(s);
    }
}

// An initiator that agrees on a PPK and leaves it out: it has another idea of what was agreed on.
static unsigned lose_intermediate(struct sim *s, struct sim_message *m, unsigned n)
{
    struct ike_header h;
    (void)s, (void)n;
    CHECK_OK(ike_header_read(m->d.bytes, &h));
    return h.exchange != X_INTERMEDIATE;
}

static void nothing_comes_before_it(void **state)
{
    (void)state;
    const struct has h = {NAMED, A1};
    struct sim *s = world(&h, &h);
    struct sim_result r;
    s->fate = lose_intermediate;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 300 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK(r.err != ERR_OK);
    sim_expect_nothing(s);
    sim_free(s);
}

static void lost_doubled_and_disordered(void **state)
{
    (void)state;
    for (uint64_t seed = 200; seed < 240; seed++) {
        const struct has a = {seed % 2 ? REQUIRED : REQUIRED PQ2, A1 KEY("2", "other", K2)};
        const struct has b = {seed % 2 ? "" : PQ2, KEY("2", "other", K2) A1};
        struct sim *s = world(&a, &b);
        struct sim_result r;
        s->fate = sim_fate_random;
        s->seed = seed;
        s->loss = 0.2;
        s->twice = 0.2;
        s->jitter = 0.5;
        sim_initiate(s, ALICE, "net", &r);
        sim_run(s, 120 * SECOND);
        s->loss = s->twice = s->jitter = 0;
        sim_run(s, 120 * SECOND);
        CHECK_EQ(r.told, 1);
        if (r.err == ERR_OK) {
            expect_way(s, PPK_IN_INTERMEDIATE, "quantum");
            sim_expect_clean(s);
        }
        sim_free(s);
    }
}

// Every message of the opening is lost once, or comes twice: the keys change on both sides all the
// same.
static void each_message_lost_or_doubled(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        const struct has h = {i < 6 ? REQUIRED : REQUIRED PQ1, A1};
        struct sim *s = world(&h, &h);
        sim_establish_despite(s, i % 2 ? sim_fate_nth_lost : sim_fate_nth_twice, i % 6);
        expect_way(s, PPK_IN_INTERMEDIATE, "quantum");
        sim_free(s);
    }
}

// Both call at the same moment, each with the PPK: in the end there is one IKE SA, with it.
static void both_at_once(void **state)
{
    (void)state;
    const struct has h = {REQUIRED "unique = replace", A1};
    struct sim *s = world(&h, &h);
    struct sim_result r[2];
    sim_initiate(s, ALICE, "net", &r[0]);
    sim_initiate(s, BOB, "net", &r[1]);
    sim_run(s, 60 * SECOND);
    CHECK_EQ(r[0].told, 1);
    CHECK_EQ(r[1].told, 1);
    sim_expect_clean(s);
    expect_way(s, PPK_IN_INTERMEDIATE, "quantum");
    for (unsigned i = 0; i < 4; i++) { // and rekey at the same moment
        sim_rekey_ike(s, ALICE);
        sim_rekey_ike(s, BOB);
        sim_run(s, 60 * SECOND);
        sim_expect_clean(s);
        expect_way(s, PPK_IN_INTERMEDIATE, "quantum");
    }
    sim_free(s);
}

// ---- with certificates -------------------------------------------------------------------------

static void with_certificates(void **state)
{
    static const struct {
        const char *alice, *bob;
        enum ppk_way way;
    } cases[] = {
        {REQUIRED "ppk_exchange = auth", REQUIRED, PPK_IN_AUTH},
        {REQUIRED, REQUIRED, PPK_IN_AUTH},
        {NAMED "ppk_exchange = auth", "", PPK_IN_AUTH},
        {"ppk_id = nobodys\nppk_exchange = auth", "", PPK_NONE}, // NO_PPK_AUTH is a signature
        {REQUIRED "ppk_exchange = best", REQUIRED, PPK_IN_INTERMEDIATE},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim *s = papers_world(50 + i);
        struct mint ca = AUTHORITY();
        for (int n = BOB; n >= ALICE; n--) {
            struct mint m = host_cert(&ca, n, n == ALICE ? "P-256" : "ED25519");
            char conf[2048];
            put_host(n, &m, &ca);
            mint_done(&m);
            (void)snprintf(
                conf, sizeof conf,
                "connections { net { %s\n local_addrs = 192.0.2.%d\n remote_addrs = 192.0.2.%d\n %s"
                "\n local { id = %s.example.org }\n remote { id = %s.example.org }\n children { net"
                " { local_ts = 10.%d.0.0/16\n remote_ts = 10.%d.0.0/16 } } } }\n secrets { %s\n %s"
                "}\n",
                SIM_SUITE, 1 + n, 2 - n, n == ALICE ? cases[i].alice : cases[i].bob,
                n == ALICE ? "alice" : "bob", n == ALICE ? "bob" : "alice", 1 + n, 2 - n, A1,
                n == ALICE ? KEY("2", "nobodys", K2) : "");
            sim_configure(s, n, conf);
        }
        sim_establish(s);
        expect_way(s, cases[i].way, cases[i].way ? "quantum" : "");
        CHECK(sim_told(s, ALICE, "authentication of 'bob.example.org' with ED25519 successful"));
        CHECK_EQ(sim_told(s, BOB, "the initiator's has a name that we do not know"),
                 cases[i].way == PPK_NONE);
        sim_rekey_ike(s, ALICE);
        sim_run(s, 60 * SECOND);
        sim_expect_clean(s);
        mint_done(&ca);
        sim_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_which),
        cmocka_unit_test(by_itself),
        cmocka_unit_test(several_are_offered),
        cmocka_unit_test(offers_are_bounded),
        cmocka_unit_test(downgrades_are_refused),
        cmocka_unit_test(nothing_comes_before_it),
        cmocka_unit_test(lost_doubled_and_disordered),
        cmocka_unit_test(each_message_lost_or_doubled),
        cmocka_unit_test(both_at_once),
        cmocka_unit_test(with_certificates),
    };
    return cmocka_run_group_tests_name("ppk_int", tests, papers_begin, papers_end);
}
