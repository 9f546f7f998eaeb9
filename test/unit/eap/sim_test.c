// Whole conversations by EAP-SIM, EAP-AKA and EAP-AKA': in full, by pseudonyms, and fast ones; and
// with a peer, a server or somebody on the way who cheats.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/order.h"
#include "crypto/prf.h"
#include "eap/method.h"
#include "eap/simaka.h"
#include "test/check.h"
#include "test/unit/ike/hex.h"

#define NOW 1800000000U
#define SECRET "Ar3etTnp01qlpOgb"
#define TRIPLETS                                                             \
    "# identity, RAND, SRES, Kc\n"                                           \
    "carol,30000000000000000000000000000000,30112233,305566778899AABB\n"     \
    " carol , 31000000000000000000000000000000 ,31112233,315566778899AABB\n" \
    "carol,32000000000000000000000000000000,32112233,5566778899AABB\n"

static void triplets_put(struct simcards *s, const char *text)
{
    char path[] = "/tmp/pavise-triplets-XXXXXX";
    struct why why = {0};
    unsigned n;
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    (void)close(fd);
    CHECK_OK(sim_triplets_load(s, path, &n, &why));
    (void)unlink(path);
}

// A host, and what it keeps from one conversation to the next.
struct host {
    struct simcards *sim;
    struct psk_store *secrets;
    struct sim_settings set;
};

static struct host host_new(const char *secret, const char *triplets)
{
    struct host h = {simcards_new(NOW), psk_store_new(), sim_settings_default()};
    struct id carol;
    CHECK_OK(id_parse("carol", &carol, NULL));
    CHECK_OK(psk_add(h.secrets, span_str(secret), &carol, 1));
    if (triplets) triplets_put(h.sim, triplets);
    h.set.pseudonyms = h.set.reauth = true;
    return h;
}

static void host_done(struct host *h)
{
    simcards_free(h->sim);
    psk_store_free(h->secrets);
}

static struct eap_terms terms_of(const struct host *h, bool server, uint8_t method)
{
    struct eap_terms t = {.server = server, .alone = true, .method = method};
    t.secrets = h->secrets;
    t.sim = h->sim;
    t.sim_set = h->set;
    t.now_s = NOW;
    CHECK_OK(id_parse(server ? "moon" : "carol", &t.us, NULL));
    return t;
}

static struct eap *side_new(const struct host *h, bool server, uint8_t method)
{
    const struct eap_terms t = terms_of(h, server, method);
    return eap_new(&t);
}

// What happens to packets on the way: nothing, or a change of the nth one, counted from 1.
struct way {
    unsigned nth, at; // at: from the end
    uint8_t flip;
    uint8_t met[32]; // subtypes, of requests and responses in turn
    unsigned met_n;
};

static void pass(struct way *w, const struct eap *from, struct eap *to)
{
    span_t p = eap_packet(from);
    uint8_t *copy = malloc(p.len);
    assert_non_null(copy);
    memcpy(copy, p.at, p.len);
    CHECK(w->met_n < sizeof w->met);
    w->met[w->met_n++] = p.len > 5 ? p.at[5] : 0;
    if (w->nth == w->met_n) copy[p.len - (w->at < p.len ? w->at : 1)] ^= w->flip;
    eap_take(to, span(copy, p.len));
    free(copy);
}

static void talk(struct way *w, struct eap *server, struct eap *peer)
{
    struct way none = {0};
    if (!w) w = &none;
    for (unsigned n = 0; n < 20 && eap_packet(server).len; n++) {
        pass(w, server, peer);
        if (!eap_packet(peer).len) break;
        pass(w, peer, server);
        if (eap_state(server) == EAP_KNOWS) CHECK_OK(eap_begin(server));
    }
}

// Whether both believe each other at the end. One alone must not.
static bool meet(struct way *w, struct host *gate, struct host *carol, uint8_t method)
{
    struct eap *server = side_new(gate, true, method), *peer = side_new(carol, false, method);
    CHECK_OK(eap_ask(server));
    talk(w, server, peer);
    bool good = eap_state(server) == EAP_SUCCEEDED && eap_state(peer) == EAP_SUCCEEDED;
    if (good) {
        CHECK_EQ(eap_msk(server).len, SIM_MSK_LEN);
        CHECK(span_eq(eap_msk(server), eap_msk(peer)));
    }
    // Only a change of the very last packet leaves one of them alone with it.
    bool honest = !w || !w->nth;
    if (!good && honest) CHECK_EQ(eap_msk(server).len + eap_msk(peer).len, 0);
    if (!good) CHECK_EQ(eap_msk(peer).len, 0);
    eap_free(server);
    eap_free(peer);
    return good;
}

static const uint8_t methods[] = {EAP_SIM, EAP_AKA, EAP_AKA_PRIME};
#define METHODS (sizeof methods)

static bool met(const struct way *w, uint8_t subtype)
{
    for (unsigned i = 0; i < w->met_n; i++) {
        if (w->met[i] == subtype) return true;
    }
    return false;
}

// ---- what works --------------------------------------------------------------------------------

static void each_in_full(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct host gate = host_new(SECRET, TRIPLETS), carol = host_new(SECRET, TRIPLETS);
        struct way w = {0};
        gate.set.reauth = gate.set.pseudonyms = false;
        CHECK(meet(&w, &gate, &carol, methods[i]));
        CHECK(met(&w, SIM_NOTIFICATION)); // both want to hear of success
        CHECK(!met(&w, SIM_REAUTHENTICATION));
        host_done(&gate);
        host_done(&carol);
    }
}

// K and OPc make a USIM one of MILENAGE; a configuration may say so, too.
static void families(void **state)
{
    static const struct {
        const char *secret;
        enum sim_family family;
        bool good;
    } cases[] = {{"0123456789abcdef0123456789abcdef", SIM_BY_LENGTH, true},
                 {SECRET, SIM_3GPP, true}, // OPc is zero
                 {"short", SIM_3GPP2, true},
                 {"0123456789abcdef0123456789abcdef", SIM_3GPP2, true},
                 {"0123456789abcde", SIM_3GPP, false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct host gate = host_new(cases[i].secret, NULL), carol = host_new(cases[i].secret, NULL);
        gate.set.family = carol.set.family = cases[i].family;
        CHECK_EQ(meet(NULL, &gate, &carol, EAP_AKA), cases[i].good);
        // Both sides have to compute the same.
        carol.set.family = SIM_3GPP2;
        carol.set.reauth = false;
        if (i < 2) CHECK(!meet(NULL, &gate, &carol, EAP_AKA));
        host_done(&gate);
        host_done(&carol);
    }
}

static void pseudonyms_and_fast_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct host gate = host_new(SECRET, TRIPLETS), carol = host_new(SECRET, TRIPLETS);
        CHECK(meet(NULL, &gate, &carol, methods[i]));
        for (unsigned n = 0; n < 3; n++) { // each time by another name
            struct way w = {0};
            CHECK(meet(&w, &gate, &carol, methods[i]));
            CHECK(met(&w, SIM_REAUTHENTICATION));
            CHECK(!met(&w, SIM_CHALLENGE) && !met(&w, AKA_CHALLENGE));
        }
        gate.set.reauth = false; // then by the pseudonym
        struct way w = {0};
        CHECK(meet(&w, &gate, &carol, methods[i]));
        CHECK(!met(&w, SIM_REAUTHENTICATION));
        // A gateway that has forgotten all asks until it hears the permanent name.
        struct host another = host_new(SECRET, TRIPLETS);
        w = (struct way){0};
        CHECK(meet(&w, &another, &carol, methods[i]));
        CHECK(met(&w, methods[i] == EAP_SIM ? SIM_START : AKA_IDENTITY));
        host_done(&another);
        host_done(&gate);
        host_done(&carol);
    }
}

static void remember(struct host *h, bool server, uint8_t type, struct sim_memory *m)
{
    const struct sim_owner o = {server, type, span_str("carol")};
    CHECK(sim_recall(h->sim, &o, m));
}

// The peer has used later counters than the server knows: once more in full.
static void a_counter_that_is_behind(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct host gate = host_new(SECRET, TRIPLETS), carol = host_new(SECRET, TRIPLETS);
        const struct sim_owner o = {false, methods[i], span_str("carol")};
        struct sim_memory m;
        struct way w = {0};
        CHECK(meet(NULL, &gate, &carol, methods[i]));
        remember(&carol, false, methods[i], &m);
        CHECK_EQ(m.counter, 1);
        m.counter = 7;
        sim_keep(carol.sim, &o, &m);
        CHECK(meet(&w, &gate, &carol, methods[i]));
        CHECK(met(&w, SIM_REAUTHENTICATION));
        CHECK(met(&w, methods[i] == EAP_SIM ? SIM_CHALLENGE : AKA_CHALLENGE));
        remember(&carol, false, methods[i], &m);
        CHECK_EQ(m.counter, 1);
        host_done(&gate);
        host_done(&carol);
    }
}

// A peer that says its pseudonym in EAP-Identity is taken for who it is.
static void a_pseudonym_outside(void **state)
{
    struct host gate = host_new(SECRET, NULL), carol = host_new(SECRET, NULL);
    struct sim_memory m;
    uint8_t packet[100] = {EAP_CODE_RESPONSE};
    (void)state;
    CHECK(meet(NULL, &gate, &carol, EAP_AKA));
    remember(&gate, true, EAP_AKA, &m);
    struct eap *server = side_new(&gate, true, EAP_AKA);
    CHECK_OK(eap_ask(server));
    packet[1] = eap_packet(server).at[1];
    packet[3] = (uint8_t)(5 + m.pseudonym.len);
    packet[4] = EAP_IDENTITY;
    memcpy(packet + 5, m.pseudonym.at, m.pseudonym.len);
    eap_take(server, span(packet, packet[3]));
    CHECK_EQ(eap_state(server), EAP_KNOWS);
    CHECK_SPAN(span(eap_peer(server)->data, eap_peer(server)->len), span_str("carol"));
    struct eap *peer = side_new(&carol, false, EAP_AKA);
    CHECK_OK(eap_begin(server));
    talk(NULL, server, peer);
    CHECK_EQ(eap_state(server), EAP_SUCCEEDED);
    eap_free(server);
    eap_free(peer);
    host_done(&gate);
    host_done(&carol);
}

// The USIM has seen a later number than the network gives: AUTS, and a second challenge.
static void numbers_are_synchronized(void **state)
{
    (void)state;
    for (size_t i = 1; i < METHODS; i++) {
        for (unsigned milenage = 0; milenage < 2; milenage++) {
            struct host gate = host_new(SECRET, NULL), carol = host_new(SECRET, NULL);
            struct way w = {0};
            uint64_t at;
            gate.set.family = carol.set.family = milenage ? SIM_3GPP : SIM_3GPP2;
            CHECK(sim_number_take(carol.sim, span_str("carol"), UINT64_C(0xf00000000000), &at));
            CHECK(meet(&w, &gate, &carol, methods[i]));
            CHECK(met(&w, AKA_SYNCHRONIZATION_FAILURE));
            // From then on the network knows.
            gate.set.reauth = false;
            w = (struct way){0};
            CHECK(meet(&w, &gate, &carol, methods[i]));
            CHECK(!met(&w, AKA_SYNCHRONIZATION_FAILURE));
            // Who does not look at numbers has no need for it.
            CHECK(sim_number_take(carol.sim, span_str("carol"), UINT64_C(0xf80000000000), &at));
            carol.set.check_3gpp = carol.set.check_3gpp2 = false;
            w = (struct way){0};
            CHECK(meet(&w, &gate, &carol, methods[i]));
            CHECK(!met(&w, AKA_SYNCHRONIZATION_FAILURE));
            host_done(&gate);
            host_done(&carol);
        }
    }
}

static void a_gateway_that_does_not_ask(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct host gate = host_new(SECRET, TRIPLETS), carol = host_new(SECRET, TRIPLETS);
        struct way w = {0};
        gate.set.sim_asks = gate.set.aka_asks = false;
        CHECK(meet(&w, &gate, &carol, methods[i]));
        CHECK(!met(&w, AKA_IDENTITY));
        host_done(&gate);
        host_done(&carol);
    }
}

// Where both sides leave it open, a method is only taken by who has what it takes.
static void nobody_without_a_sim(void **state)
{
    struct host gate = host_new(SECRET, TRIPLETS), carol = host_new(SECRET, NULL);
    struct eap_terms t = terms_of(&carol, false, EAP_ANY);
    (void)state;
    t.order[0] = EAP_SIM;
    t.order_n = 1;
    struct eap *server = side_new(&gate, true, EAP_SIM), *peer = eap_new(&t);
    CHECK_OK(eap_ask(server));
    talk(NULL, server, peer);
    CHECK_EQ(eap_state(server), EAP_FAILED);
    CHECK(strstr(eap_why(server)->text, "refuses the methods"));
    eap_free(server);
    eap_free(peer);
    host_done(&gate);
    host_done(&carol);
}

// rfc9048 4: who could do AKA' is not talked into AKA by a server that could.
static void bidding_down(void **state)
{
    struct host gate = host_new(SECRET, NULL), carol = host_new(SECRET, NULL);
    static const uint8_t both[] = {EAP_AKA, EAP_AKA_PRIME};
    struct eap_terms s = terms_of(&gate, true, EAP_ANY), p = terms_of(&carol, false, EAP_ANY);
    (void)state;
    p.sim_set.reauth = false;
    for (unsigned can = 1; can <= 2; can++) {
        memcpy(s.order, both, s.order_n = 2);
        memcpy(p.order, both, p.order_n = can);
        struct eap *server = eap_new(&s), *peer = eap_new(&p);
        CHECK_OK(eap_ask(server));
        talk(NULL, server, peer);
        CHECK_EQ(eap_state(server), can == 1 ? EAP_SUCCEEDED : EAP_FAILED);
        if (can == 2) CHECK(strstr(eap_why(peer)->text, "can do AKA'"));
        eap_free(server);
        eap_free(peer);
    }
    host_done(&gate);
    host_done(&carol);
}

// ---- what does not -----------------------------------------------------------------------------

static void wrong_secrets(void **state)
{
    static const char *const why[] = {"cannot answer: client error 0", "has another secret",
                                      "has another secret"};
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct host gate = host_new(SECRET, TRIPLETS);
        struct host carol = host_new("another secret..", "carol,33,33112233,33\n");
        struct eap *server = side_new(&gate, true, methods[i]);
        struct eap *peer = side_new(&carol, false, methods[i]);
        CHECK_OK(eap_ask(server));
        talk(NULL, server, peer);
        CHECK_EQ(eap_state(server), EAP_FAILED);
        CHECK_EQ(eap_state(peer), EAP_FAILED);
        CHECK(strstr(eap_why(server)->text, why[i]));
        CHECK(strstr(eap_why(peer)->text, i ? "does not know our secret" : "have no answer"));
        eap_free(server);
        eap_free(peer);
        host_done(&gate);
        host_done(&carol);
    }
}

// The same challenges, and other answers: the peer sees that the server has not got its Kc.
static void a_server_without_our_keys(void **state)
{
    struct host gate = host_new(SECRET, TRIPLETS);
    struct host carol = host_new(SECRET, "carol,30000000000000000000000000000000,30112233,31\n"
                                         "carol,31000000000000000000000000000000,31112233,32\n"
                                         "carol,32000000000000000000000000000000,31112233,33\n");
    struct eap *server = side_new(&gate, true, EAP_SIM), *peer = side_new(&carol, false, EAP_SIM);
    (void)state;
    CHECK_OK(eap_ask(server));
    talk(NULL, server, peer);
    CHECK_EQ(eap_state(peer), EAP_FAILED);
    CHECK(strstr(eap_why(peer)->text, "does not know our SIM"));
    eap_free(server);
    eap_free(peer);
    host_done(&gate);
    host_done(&carol);
}

// Right keys, and wrong SRES, which is all that the peer proves.
static void a_peer_without_our_answers(void **state)
{
    struct host gate = host_new(SECRET, TRIPLETS);
    struct host carol =
        host_new(SECRET, "carol,30000000000000000000000000000000,0,305566778899AABB\n"
                         "carol,31000000000000000000000000000000,0,315566778899AABB\n"
                         "carol,32000000000000000000000000000000,0,5566778899AABB\n");
    struct eap *server = side_new(&gate, true, EAP_SIM), *peer = side_new(&carol, false, EAP_SIM);
    struct way w = {0};
    (void)state;
    CHECK_OK(eap_ask(server));
    talk(&w, server, peer);
    CHECK_EQ(eap_state(server), EAP_FAILED);
    CHECK_EQ(eap_state(peer), EAP_FAILED);
    CHECK(strstr(eap_why(server)->text, "SIM is wrong"));
    CHECK(strstr(eap_why(peer)->text, "general failure"));
    CHECK(met(&w, SIM_NOTIFICATION));
    eap_free(server);
    eap_free(peer);
    host_done(&gate);
    host_done(&carol);
}

// Nobody sees by the messages whether there is a carol.
static void unknown_ones_are_challenged_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct host gate = host_new(SECRET, TRIPLETS), carol = host_new(SECRET, TRIPLETS);
        struct eap_terms t = terms_of(&carol, false, methods[i]);
        struct way w = {0};
        CHECK_OK(id_parse("dave", &t.us, NULL));
        struct eap *server = side_new(&gate, true, methods[i]), *peer = eap_new(&t);
        CHECK_OK(eap_ask(server));
        talk(&w, server, peer);
        CHECK(met(&w, methods[i] == EAP_SIM ? SIM_CHALLENGE : AKA_CHALLENGE));
        CHECK_EQ(eap_state(server), EAP_FAILED);
        CHECK(strstr(eap_why(server)->text, i ? "no secret for dave" : "no 3 triplets for dave"));
        eap_free(server);
        eap_free(peer);
        host_done(&gate);
        host_done(&carol);
    }
}

// One packet is changed, so many bytes from its end.
static void a_packet_is_changed(uint8_t method, bool fast, unsigned nth, unsigned at)
{
    struct host gate = host_new(SECRET, TRIPLETS), carol = host_new(SECRET, TRIPLETS);
    struct way w = {.nth = nth, .at = at, .flip = 0x40};
    if (fast) CHECK(meet(NULL, &gate, &carol, method));
    bool both = meet(&w, &gate, &carol, method);
    // Unless it comes to nothing, it was in padding, or in what is ignored; never in these.
    if (both && nth <= w.met_n) {
        uint8_t changed = w.met[nth - 1];
        CHECK(changed != AKA_CHALLENGE && changed != SIM_CHALLENGE);
        CHECK(changed != SIM_REAUTHENTICATION);
    }
    host_done(&gate);
    host_done(&carol);
}

static void every_packet_is_changed(void **state)
{
    static const unsigned places[] = {1, 17, 21};
    (void)state;
    for (size_t i = 0; i < METHODS * 2 * 3; i++) {
        for (unsigned nth = 3; nth < 14; nth++) { // 1 and 2 say who it is
            a_packet_is_changed(methods[i % METHODS], i / METHODS % 2, nth,
                                places[i / METHODS / 2]);
        }
    }
}

static struct eap *peer_at(struct host *carol, uint8_t method, const char *hex)
{
    struct eap *peer = side_new(carol, false, method);
    eap_take(peer, HEX(hex));
    return peer;
}

// What a client answers at its beginning, to requests that it must not answer otherwise.
static void requests_that_are_wrong(void **state)
{
    static const struct {
        uint8_t method;
        const char *request, *response; // NULL: nothing
    } cases[] = {
        // Unknown and not to be skipped; and what may be.
        {EAP_SIM, "0107000c12 0a0000 7f010000", "0207000c120e000016010000"},
        {EAP_SIM, "0107001412 0a0000 0f020002000100 00 80010000",
         "02070020120a0000070500000707070707070707070707070707070710010001"},
        // No version that we know: an error of its own.
        {EAP_SIM, "0107001012 0a0000 0f02000200020000", "0207000c120e000016010001"},
        // No version list.
        {EAP_SIM, "0107000812 0a0000", "0207000c120e000016010000"},
        // Two requests for names.
        {EAP_SIM, "0107001812 0a0000 0f02000200010000 0d010000 0a010000",
         "0207000c120e000016010000"},
        // A challenge, a reauthentication, success and an unknown subtype, out of nowhere.
        {EAP_SIM, "0107000812 0b0000", "0207000c120e000016010000"},
        {EAP_SIM, "0107000812 0d0000", "0207000c120e000016010000"},
        {EAP_SIM, "0107000c12 0c0000 0c018000", "0207000c120e000016010000"},
        {EAP_SIM, "0107000812 630000", "0207000c120e000016010000"},
        {EAP_AKA, "0107000817 010000", "0207000c170e000016010000"},
        {EAP_AKA, "0107000817 050000", "0207000c170e000016010000"},
        {EAP_AKA, "0107000c17 0c0000 0c018000", "0207000c170e000016010000"},
        {EAP_AKA, "0107000817 0b0000", "0207000c170e000016010000"}, // SIM's
        // What asks for a name gets the permanent one; there is no other.
        {EAP_AKA, "0107000c17 050000 0d010000", "02070014170500000e0300056361726f6c000000"},
        {EAP_AKA, "0107000c17 050000 11010000", "02070014170500000e0300056361726f6c000000"},
        {EAP_AKA, "0107000c17 050000 0a010000", "02070014170500000e0300056361726f6c000000"},
        // A failure before anything was proved is acknowledged.
        {EAP_AKA, "0107000c17 0c0000 0c014000", "02070008170c0000"},
        // ... and one after that, which nobody has proved, is not.
        {EAP_AKA, "0107000c17 0c0000 0c010000", "0207000c170e000016010000"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct host carol = host_new(SECRET, TRIPLETS);
        struct eap *peer = peer_at(&carol, cases[i].method, cases[i].request);
        span_t got = eap_packet(peer), want = HEX(cases[i].response);
        CHECK_EQ(got.len, want.len);
        bool nonce = want.len == 32; // random
        if (!nonce) CHECK_SPAN(got, want);
        if (nonce) CHECK_SPAN(span(got.at + 28, 4), span(want.at + 28, 4));
        CHECK_EQ(eap_state(peer), EAP_RUNS);
        eap_take(peer, HEX("03070004")); // Success, of nothing
        CHECK_EQ(eap_state(peer), EAP_FAILED);
        eap_free(peer);
        host_done(&carol);
    }
}

// Names are asked for at most three times, each time for less of a secret.
static void names_are_not_asked_for_again(void **state)
{
    struct host carol = host_new(SECRET, TRIPLETS);
    (void)state;
    struct eap *peer = peer_at(&carol, EAP_AKA, "0107000c17 050000 11010000");
    CHECK_EQ(eap_packet(peer).at[5], AKA_IDENTITY);
    eap_take(peer, HEX("0108000c17 050000 0d010000"));
    CHECK_EQ(eap_packet(peer).at[5], SIM_CLIENT_ERROR);
    eap_take(peer, HEX("0109000c17 050000 0a010000")); // it is over
    CHECK_EQ(eap_state(peer), EAP_FAILED);
    eap_free(peer);
    host_done(&carol);
}

// A challenge that somebody has kept is not answered a second time.
static void a_replayed_challenge(void **state)
{
    struct host gate = host_new(SECRET, NULL), carol = host_new(SECRET, NULL);
    uint8_t kept[EAP_SEND_MAX];
    (void)state;
    gate.set.aka_asks = false;
    struct eap *server = side_new(&gate, true, EAP_AKA), *peer = side_new(&carol, false, EAP_AKA);
    eap_free(server);
    struct eap_terms t = terms_of(&gate, true, EAP_AKA);
    CHECK_OK(id_parse("carol", &t.other, NULL));
    server = eap_new(&t);
    CHECK_OK(eap_begin(server));
    span_t challenge = eap_packet(server);
    memcpy(kept, challenge.at, challenge.len);
    eap_take(peer, span(kept, challenge.len));
    CHECK_EQ(eap_packet(peer).at[5], AKA_CHALLENGE);
    eap_free(peer);
    peer = side_new(&carol, false, EAP_AKA);
    eap_take(peer, span(kept, challenge.len));
    CHECK_EQ(eap_packet(peer).at[5], AKA_SYNCHRONIZATION_FAILURE);
    eap_free(peer);
    eap_free(server);
    host_done(&gate);
    host_done(&carol);
}

// A name is good for one reauthentication; whoever says it again is asked for another.
static void a_name_is_spent(void **state)
{
    struct host gate = host_new(SECRET, NULL), carol = host_new(SECRET, NULL);
    struct sim_memory old;
    const struct sim_owner o = {false, EAP_AKA, span_str("carol")};
    (void)state;
    CHECK(meet(NULL, &gate, &carol, EAP_AKA));
    remember(&carol, false, EAP_AKA, &old);
    CHECK(meet(NULL, &gate, &carol, EAP_AKA));
    sim_keep(carol.sim, &o, &old);
    struct way w = {0};
    CHECK(meet(&w, &gate, &carol, EAP_AKA));
    CHECK(!met(&w, SIM_REAUTHENTICATION));
    host_done(&gate);
    host_done(&carol);
}

// ... even if that one came to nothing.
static void a_name_is_spent_at_once(void **state)
{
    struct host gate = host_new(SECRET, NULL), carol = host_new(SECRET, NULL);
    struct way half = {0}, w = {0};
    (void)state;
    CHECK(meet(NULL, &gate, &carol, EAP_AKA));
    struct eap *server = side_new(&gate, true, EAP_AKA), *peer = side_new(&carol, false, EAP_AKA);
    CHECK_OK(eap_ask(server));
    pass(&half, server, peer);
    pass(&half, peer, server);
    CHECK_OK(eap_begin(server));
    pass(&half, server, peer);
    pass(&half, peer, server);
    CHECK_EQ(eap_packet(server).at[5], SIM_REAUTHENTICATION);
    eap_free(server);
    eap_free(peer);
    CHECK(meet(&w, &gate, &carol, EAP_AKA));
    CHECK(!met(&w, SIM_REAUTHENTICATION));
    host_done(&gate);
    host_done(&carol);
}

// Dave's name for reauthentication does not make a carol of him, nor the other way round.
static void a_name_of_somebody_else(void **state)
{
    struct host gate = host_new(SECRET, NULL), carol = host_new(SECRET, NULL);
    const struct sim_owner dave = {true, EAP_AKA, span_str("dave")};
    const struct sim_owner o = {false, EAP_AKA, span_str("carol")};
    struct sim_memory m = {.counter = 1};
    (void)state;
    CHECK_OK(sim_name_set(&m.again, span_str("0123456789abcdef0123456789abcdef")));
    sim_keep(gate.sim, &dave, &m);
    sim_keep(carol.sim, &o, &m);
    CHECK(!meet(NULL, &gate, &carol, EAP_AKA));
    host_done(&gate);
    host_done(&carol);
}

// ---- memory ------------------------------------------------------------------------------------

static void triplets_take_turns(void **state)
{
    struct host h = host_new(SECRET, TRIPLETS "carol,33,1,1\ncarol,33,2,2\ndave,30,1,1\n");
    struct sim_triplet t[3], more[3];
    (void)state;
    CHECK_OK(sim_triplets_pick(h.sim, span_str("carol"), 3, t));
    CHECK_OK(sim_triplets_pick(h.sim, span_str("carol"), 3, more));
    CHECK(memcmp(t, more, sizeof t) != 0);
    CHECK_EQ(sim_triplets_pick(h.sim, span_str("dave"), 3, t), ERR_NOTFOUND);
    CHECK_EQ(sim_triplets_pick(h.sim, span_str("caro"), 1, t), ERR_NOTFOUND);
    CHECK_OK(
        sim_triplet_of(h.sim, span_str("carol"), HEX("32000000000000000000000000000000").at, t));
    CHECK_SPAN(SPAN(t->kc), HEX("005566778899aabb"));
    host_done(&h);
}

static void files_that_are_wrong(void **state)
{
    static const struct {
        const char *text, *what;
    } bad[] = {{"carol,1,2\n", ":1: it is not IDENTITY,RAND,SRES,KC"},
               {"# x\ncarol,zz,2,3\n", ":2: RAND"},
               {"carol,1,123456789,3\n", ":1: SRES"},
               {"carol,1,2,\n", ":1: Kc"},
               {",1,2,3\n", ":1: it is not"}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct host h = host_new(SECRET, TRIPLETS);
        char path[] = "/tmp/pavise-triplets-XXXXXX";
        struct why why = {0};
        unsigned n;
        int fd = mkstemp(path);
        CHECK(fd >= 0 && write(fd, bad[i].text, strlen(bad[i].text)) > 0);
        (void)close(fd);
        CHECK_EQ(sim_triplets_load(h.sim, path, &n, &why), ERR_SYNTAX);
        CHECK(strstr(why.text, bad[i].what));
        CHECK(sim_has_triplets(h.sim, span_str("carol"))); // nothing has changed
        (void)unlink(path);
        CHECK_EQ(sim_triplets_load(h.sim, path, &n, &why), ERR_NOTFOUND);
        host_done(&h);
    }
}

// More identities than are remembered: the one that was not heard of for the longest time goes.
static void memory_has_an_end(void **state)
{
    struct simcards *s = simcards_new(NOW);
    struct sim_memory m = {.counter = 1};
    char name[32];
    (void)state;
    for (unsigned i = 0; i <= SIM_MEMORIES_MAX; i++) {
        (void)snprintf(name, sizeof name, "peer%u", i);
        const struct sim_owner o = {true, EAP_AKA, span_str(name)};
        sim_keep(s, &o, &m);
        const struct sim_owner first = {true, EAP_AKA, span_str("peer0")};
        CHECK(sim_recall(s, &first, &m));
    }
    const struct sim_owner second = {true, EAP_AKA, span_str("peer1")};
    CHECK(!sim_recall(s, &second, &m));
    simcards_free(s);
}

static void numbers_only_grow(void **state)
{
    struct simcards *s = simcards_new(NOW);
    span_t carol = span_str("carol"), dave = span_str("dave");
    uint64_t a = sim_number_next(s, carol, NOW), b = sim_number_next(s, dave, NOW);
    uint64_t c = sim_number_next(s, carol, NOW - 100000), at;
    (void)state;
    CHECK(a < b && b < c);
    CHECK_EQ(a, (UINT64_C(1800000000) + 180) << 16);
    sim_number_said(s, carol, UINT64_C(0xfff000000000));
    CHECK_EQ(sim_number_next(s, carol, NOW), UINT64_C(0xfff000000001));
    CHECK(sim_number_next(s, dave, NOW) < UINT64_C(0xfff000000000));
    CHECK(!sim_number_take(s, carol, 5, &at)); // from before this run
    CHECK(sim_number_take(s, carol, UINT64_C(0xfff000000000), &at));
    CHECK(!sim_number_take(s, carol, UINT64_C(0xfff000000000), &at));
    CHECK_EQ(at, UINT64_C(0xfff000000000));
    simcards_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_in_full),
        cmocka_unit_test(families),
        cmocka_unit_test(pseudonyms_and_fast_ones),
        cmocka_unit_test(a_counter_that_is_behind),
        cmocka_unit_test(a_pseudonym_outside),
        cmocka_unit_test(numbers_are_synchronized),
        cmocka_unit_test(a_gateway_that_does_not_ask),
        cmocka_unit_test(nobody_without_a_sim),
        cmocka_unit_test(bidding_down),
        cmocka_unit_test(wrong_secrets),
        cmocka_unit_test(a_server_without_our_keys),
        cmocka_unit_test(a_peer_without_our_answers),
        cmocka_unit_test(unknown_ones_are_challenged_too),
        cmocka_unit_test(every_packet_is_changed),
        cmocka_unit_test(requests_that_are_wrong),
        cmocka_unit_test(names_are_not_asked_for_again),
        cmocka_unit_test(a_replayed_challenge),
        cmocka_unit_test(a_name_is_spent),
        cmocka_unit_test(a_name_is_spent_at_once),
        cmocka_unit_test(a_name_of_somebody_else),
        cmocka_unit_test(triplets_take_turns),
        cmocka_unit_test(files_that_are_wrong),
        cmocka_unit_test(memory_has_an_end),
        cmocka_unit_test(numbers_only_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
