// Whole conversations by EAP, server and peer, and each of them with somebody who cheats.
#include <stdio.h>
#include <string.h>

#include "eap/eap.h"
#include "eap/method.h"
#include "test/check.h"
#include "test/unit/cred/mint.h"

static struct psk_store *store_of(const char *who, const char *secret)
{
    struct psk_store *s = psk_store_new();
    struct id id;
    CHECK_OK(id_parse(who, &id, NULL));
    CHECK_OK(psk_add(s, span_str(secret), &id, 1));
    return s;
}

// Takes the store.
static struct eap *side_new(bool server, uint8_t method, struct psk_store *secrets)
{
    struct eap_terms t = {.server = server, .method = method, .secrets = secrets};
    const uint8_t all[] = {EAP_MSCHAPV2, EAP_MD5, EAP_GTC};
    CHECK_OK(id_parse("carol", &t.us, NULL));
    memcpy(t.order, all, t.order_n = sizeof all);
    struct eap *e = eap_new(&t);
    psk_store_free(secrets);
    return e;
}

// Until somebody has nothing to say. Returns how often the peer has answered.
static unsigned talk(struct eap *server, struct eap *peer)
{
    unsigned n = 0;
    while (eap_packet(server).len && n < 2 * EAP_ROUNDS_MAX) {
        eap_take(peer, eap_packet(server));
        if (!eap_packet(peer).len) break;
        n++;
        eap_take(server, eap_packet(peer));
        if (eap_state(server) == EAP_KNOWS) CHECK_OK(eap_begin(server));
    }
    return n;
}

static bool said(const struct eap *e, const char *text)
{
    for (unsigned i = 0; i < eap_said_n(e); i++) {
        if (strstr(eap_said(e, i), text)) return true;
    }
    return false;
}

// ---- what works --------------------------------------------------------------------------------

static void a_method_succeeds(uint8_t method, unsigned answers, size_t msk_len)
{
    struct eap *server = side_new(true, method, store_of("carol", "Ar3etTnp"));
    struct eap *peer = side_new(false, method, store_of("carol", "Ar3etTnp"));
    CHECK_OK(eap_ask(server));
    CHECK_EQ(talk(server, peer), answers);
    CHECK_EQ(eap_state(server), EAP_SUCCEEDED);
    CHECK_EQ(eap_state(peer), EAP_SUCCEEDED);
    CHECK_EQ(eap_msk(server).len, msk_len);
    CHECK(span_eq(eap_msk(server), eap_msk(peer)));
    CHECK(said(server, msk_len ? "succeeded, MSK established" : "succeeded, no MSK established"));
    CHECK_EQ(eap_peer(server)->len, 5);
    eap_free(server);
    eap_free(peer);
}

static void methods_succeed(void **state)
{
    (void)state;
    a_method_succeeds(EAP_MD5, 2, 0);
    a_method_succeeds(EAP_GTC, 2, 0);
    a_method_succeeds(EAP_MSCHAPV2, 3, EAP_MSK_MAX);
}

// The server begins with what it likes; the peer may only do one.
static void the_peer_asks_for_another(void **state)
{
    struct eap *server = side_new(true, EAP_ANY, store_of("carol", "Ar3etTnp"));
    struct eap *peer = side_new(false, EAP_GTC, store_of("carol", "Ar3etTnp"));
    (void)state;
    CHECK_OK(eap_begin(server));
    CHECK_EQ(eap_method(server), EAP_MSCHAPV2);
    eap_take(peer, eap_packet(server));
    CHECK(said(peer, "server requested EAP_MSCHAPV2 authentication"));
    CHECK(said(peer, "requesting EAP_GTC authentication, sending EAP_NAK"));
    eap_take(server, eap_packet(peer));
    CHECK_EQ(eap_method(server), EAP_GTC);
    // Unless the other conversation knows who it is, nobody is.
    (void)talk(server, peer);
    CHECK_EQ(eap_state(server), EAP_FAILED);
    eap_free(server);
    eap_free(peer);
}

static void an_nt_hash_is_enough(void **state)
{
    struct eap *server = side_new(true, EAP_MSCHAPV2, psk_store_new());
    struct eap *peer = side_new(false, EAP_MSCHAPV2, store_of("carol", "Ar3etTnp"));
    struct eap_terms t = server->terms;
    uint8_t hash[MSCHAP_HASH_LEN];
    struct id carol;
    (void)state;
    CHECK_OK(mschap_hash(span_str("Ar3etTnp"), hash));
    CHECK_OK(id_parse("carol", &carol, NULL));
    t.hashes = psk_store_new();
    CHECK_OK(psk_add(t.hashes, SPAN(hash), &carol, 1));
    eap_set_terms(server, &t);
    psk_store_free(t.hashes);
    CHECK_OK(eap_ask(server));
    (void)talk(server, peer);
    CHECK_EQ(eap_state(server), EAP_SUCCEEDED);
    eap_free(server);
    eap_free(peer);
}

// ---- what does not -----------------------------------------------------------------------------

static void wrong_secrets(void **state)
{
    static const uint8_t methods[] = {EAP_MD5, EAP_GTC, EAP_MSCHAPV2};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof methods; i++) {
        bool known = i < sizeof methods;
        uint8_t method = methods[i % sizeof methods];
        struct eap *server = side_new(true, method, store_of(known ? "carol" : "dave", "right"));
        struct eap *peer = side_new(false, method, store_of("carol", "wrong"));
        CHECK_OK(eap_ask(server));
        // Nobody can see by the number of messages whether there is a carol.
        CHECK_EQ(talk(server, peer), method == EAP_MSCHAPV2 ? 3 : 2);
        CHECK_EQ(eap_state(server), EAP_FAILED);
        CHECK_EQ(eap_state(peer), EAP_FAILED);
        CHECK(strstr(eap_why(server)->text, known ? "password of carol is wrong" : "no secret"));
        CHECK_EQ(eap_msk(server).len + eap_msk(peer).len, 0);
        CHECK(said(peer, "received EAP_FAILURE"));
        eap_free(server);
        eap_free(peer);
    }
}

static void alone_only_what_is_mutual(void **state)
{
    struct eap *peer = side_new(false, EAP_ANY, store_of("carol", "Ar3etTnp"));
    struct eap *server = side_new(true, EAP_MD5, store_of("carol", "Ar3etTnp"));
    struct eap_terms t = peer->terms;
    (void)state;
    t.alone = true;
    eap_set_terms(peer, &t);
    CHECK_OK(eap_begin(server));
    eap_take(peer, eap_packet(server));
    CHECK(said(peer, "sending EAP_NAK"));
    CHECK_EQ(eap_packet(peer).len, 6);
    CHECK_EQ(eap_packet(peer).at[5], 0); // none of its own: passwords could be guessed
    // The server, which may do MD5 only, goes no way down.
    eap_take(server, eap_packet(peer));
    CHECK_EQ(eap_state(server), EAP_FAILED);
    t = server->terms;
    t.alone = true;
    struct eap *alone = eap_new(&t);
    CHECK_EQ(eap_begin(alone), ERR_NOCHOICE);
    eap_free(alone);
    eap_free(server);
    eap_free(peer);
}

static void take(struct eap *e, const void *bytes, size_t n)
{
    eap_take(e, span(bytes, n));
}

static void success_out_of_nowhere(void **state)
{
    static const uint8_t success[] = {EAP_CODE_SUCCESS, 1, 0, 4};
    static const uint8_t proof[] =
        "\x01\x07\x00\x33\x1a\x03\x07\x00\x2eS=0000000000000000000000000000000000000000";
    struct eap *peer = side_new(false, EAP_MSCHAPV2, store_of("carol", "Ar3etTnp"));
    (void)state;
    take(peer, success, sizeof success);
    CHECK_EQ(eap_state(peer), EAP_FAILED);
    eap_free(peer);
    // A proof without a challenge.
    peer = side_new(false, EAP_MSCHAPV2, store_of("carol", "Ar3etTnp"));
    take(peer, proof, 0x33);
    CHECK_EQ(eap_state(peer), EAP_FAILED);
    eap_free(peer);
    // A challenge, and Success before any proof.
    struct eap *server = side_new(true, EAP_MSCHAPV2, store_of("carol", "Ar3etTnp"));
    peer = side_new(false, EAP_MSCHAPV2, store_of("carol", "Ar3etTnp"));
    CHECK_OK(eap_begin(server));
    eap_take(peer, eap_packet(server));
    CHECK_EQ(eap_state(peer), EAP_RUNS);
    take(peer, success, sizeof success);
    CHECK_EQ(eap_state(peer), EAP_FAILED);
    eap_free(server);
    eap_free(peer);
}

static void another_method_in_the_middle(void **state)
{
    static const uint8_t md5[] = {EAP_CODE_REQUEST, 9, 0, 10, EAP_MD5, 4, 1, 2, 3, 4};
    struct eap *server = side_new(true, EAP_MSCHAPV2, store_of("carol", "Ar3etTnp"));
    struct eap *peer = side_new(false, EAP_ANY, store_of("carol", "Ar3etTnp"));
    (void)state;
    CHECK_OK(eap_begin(server));
    eap_take(peer, eap_packet(server));
    take(peer, md5, sizeof md5);
    CHECK_EQ(eap_state(peer), EAP_FAILED);
    eap_free(server);
    eap_free(peer);
}

static void endless_rounds_end(void **state)
{
    static const uint8_t notification[] = {EAP_CODE_REQUEST, 9, 0, 5, EAP_NOTIFICATION};
    struct eap *peer = side_new(false, EAP_ANY, store_of("carol", "Ar3etTnp"));
    unsigned n = 0;
    (void)state;
    for (; eap_state(peer) == EAP_RUNS && n < 1000; n++) take(peer, notification, 5);
    CHECK_EQ(n, EAP_ROUNDS_MAX + 1);
    CHECK_EQ(eap_packet(peer).len, 0);
    eap_free(peer);
}

static void malformed_packets(void **state)
{
    static const struct {
        size_t n;
        const char *bytes;
    } bad[] = {{0, ""},
               {3, "\x01\x01\x00"},
               {4, "\x01\x01\x00\x05"},                     // shorter than it says
               {6, "\x01\x01\x00\x05\x01\x00"},             // longer
               {4, "\x01\x01\x00\x04"},                     // a request of nothing
               {4, "\x07\x01\x00\x04"},                     // an unknown code
               {6, "\x01\x01\x00\x06\x04\x09"},             // MD5 without its value
               {9, "\x01\x01\x00\x09\x1a\x01\x01\x00\x09"}, // MSCHAPv2, a wrong length
               {9, "\x01\x01\x00\x09\x1a\x01\x01\x00\x04"}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct eap *peer = side_new(false, EAP_ANY, store_of("carol", "Ar3etTnp"));
        take(peer, bad[i].bytes, bad[i].n);
        CHECK_EQ(eap_state(peer), EAP_FAILED);
        CHECK(eap_why(peer)->text[0]);
        eap_free(peer);
    }
}

static void names_that_mean_many_are_none(void **state)
{
    static const char *const bad[] = {"", "%any", "*@example.org", "C=CH, CN=*"};
    struct id id;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQ(eap_identity(span_str(bad[i]), &id), ERR_SYNTAX);
    }
    CHECK_EQ(eap_identity(span("carol\0x", 7), &id), ERR_SYNTAX);
    CHECK_OK(eap_identity(span_str("carol@example.org"), &id));
    CHECK_EQ(id.type, ID_RFC822_ADDR);
    CHECK_OK(eap_identity(span_str("DOMAIN\\carol"), &id));
}

// ---- TLS ---------------------------------------------------------------------------------------

struct papers {
    struct mint server, peer;
    struct signer *server_key, *peer_key;
    unsigned asked;
    bool refuse_peer, refuse_server;
};

static err_t judge(void *holder, const struct id *who, struct cert *const *chain, unsigned n,
                   struct why *why)
{
    struct papers *p = holder;
    p->asked++;
    bool server = cert_eq(chain[0], p->server.cert);
    CHECK(n == 1 && (server || cert_eq(chain[0], p->peer.cert)));
    if (server ? p->refuse_server : p->refuse_peer) return why_not(why, ERR_AUTH, "not liked");
    return cert_has_id(chain[0], who) ? ERR_OK : why_not(why, ERR_AUTH, "of somebody else");
}

static struct signer *key_of(const struct mint *m)
{
    struct signer *key = NULL;
    uint8_t *der = NULL;
    int n = i2d_PrivateKey(m->key, &der);
    CHECK_OK(signer_read(span(der, (size_t)n), NULL, &key, NULL));
    OPENSSL_free(der);
    return key;
}

static struct eap *tls_side(struct papers *p, bool server, uint16_t version)
{
    struct eap_terms t = {.server = server, .method = EAP_TLS, .alone = true};
    CHECK_OK(id_parse("CN=carol", server ? &t.other : &t.us, NULL));
    CHECK_OK(id_parse("CN=moon", server ? &t.us : &t.other, NULL));
    t.tls = (struct tls_terms){.holder = p,
                               .max = version,
                               .key = server ? p->server_key : p->peer_key,
                               .cert = server ? p->server.cert : p->peer.cert,
                               .judge = judge};
    return eap_new(&t);
}

static struct papers papers_new(void)
{
    struct papers p = {.server = MINT(.name = "CN=moon", .key = "RSA"),
                       .peer = MINT(.name = "CN=carol", .key = "P-256")};
    p.server_key = key_of(&p.server);
    p.peer_key = key_of(&p.peer);
    return p;
}

static void papers_done(struct papers *p)
{
    signer_free(p->server_key);
    signer_free(p->peer_key);
    mint_done(&p->server);
    mint_done(&p->peer);
}

static void tls_proves_both(void **state)
{
    struct papers p = papers_new();
    (void)state;
    for (uint16_t version = TLS_V12; version <= TLS_V13; version++) {
        struct eap *server = tls_side(&p, true, version), *peer = tls_side(&p, false, 0);
        p.asked = 0;
        CHECK_OK(eap_begin(server));
        unsigned answers = talk(server, peer);
        CHECK_EQ(eap_state(server), EAP_SUCCEEDED);
        CHECK_EQ(eap_state(peer), EAP_SUCCEEDED);
        CHECK_EQ(p.asked, 2);
        CHECK(answers >= 4 && answers < 10);
        CHECK_EQ(eap_msk(server).len, EAP_MSK_MAX);
        CHECK(span_eq(eap_msk(server), eap_msk(peer)));
        eap_free(server);
        eap_free(peer);
    }
    papers_done(&p);
}

// Either side may not believe the other: no key, and both know that it is over.
static void tls_refused(void **state)
{
    struct papers p = papers_new();
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        uint16_t version = i & 1 ? TLS_V12 : TLS_V13;
        struct eap *server = tls_side(&p, true, version), *peer = tls_side(&p, false, version);
        p.refuse_peer = i < 2;
        p.refuse_server = i >= 2;
        CHECK_OK(eap_begin(server));
        (void)talk(server, peer);
        CHECK_EQ(eap_state(server), EAP_FAILED);
        CHECK_EQ(eap_state(peer), EAP_FAILED);
        CHECK_EQ(eap_msk(server).len + eap_msk(peer).len, 0);
        CHECK(strstr(eap_why(i < 2 ? server : peer)->text, "not liked"));
        eap_free(server);
        eap_free(peer);
    }
    papers_done(&p);
}

static void tls_of_somebody_else(void **state)
{
    struct papers p = papers_new();
    struct eap *server = tls_side(&p, true, 0), *peer = tls_side(&p, false, 0);
    (void)state;
    CHECK_OK(id_parse("dave", &peer->terms.us, NULL));
    CHECK_OK(eap_ask(server));
    (void)talk(server, peer);
    CHECK_EQ(eap_state(server), EAP_FAILED);
    CHECK(strstr(eap_why(server)->text, "of somebody else"));
    eap_free(server);
    eap_free(peer);
    papers_done(&p);
}

// Every byte of what either side says, changed: nobody falls, and nobody gets a key that the other
// has not.
static void tls_garbled(void **state)
{
    struct papers p = papers_new();
    (void)state;
    for (unsigned at = 0; at < 160; at++) {
        struct eap *server = tls_side(&p, true, 0), *peer = tls_side(&p, false, 0);
        uint8_t copy[EAP_SEND_MAX];
        CHECK_OK(eap_begin(server));
        for (unsigned n = 0; n < 8 && eap_packet(server).len; n++) {
            bool ours = n == at % 4;
            eap_take(peer, eap_packet(server));
            span_t said_ = eap_packet(peer);
            if (!said_.len) break;
            memcpy(copy, said_.at, said_.len);
            if (ours) copy[at * 7 % said_.len] ^= 0x41;
            eap_take(server, span(copy, said_.len));
        }
        if (eap_state(server) == EAP_SUCCEEDED && eap_state(peer) == EAP_SUCCEEDED)
            CHECK(span_eq(eap_msk(server), eap_msk(peer)));
        eap_free(server);
        eap_free(peer);
    }
    papers_done(&p);
}

// The peer has a password, and no certificate.
static struct eap *ttls_side(struct papers *p, bool server, uint16_t version, const char *password)
{
    struct eap *e = tls_side(p, server, version);
    struct eap_terms t = e->terms;
    t.method = EAP_TTLS;
    t.in_ttls = t.in_peap = EAP_MD5;
    t.secrets = store_of("carol", password);
    CHECK_OK(id_parse("carol", server ? &t.other : &t.us, NULL));
    if (!server) t.tls.key = NULL;
    eap_free(e);
    e = eap_new(&t);
    psk_store_free(t.secrets);
    return e;
}

static void a_password_inside(void **state)
{
    struct papers p = papers_new();
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        uint16_t version = i & 1 ? TLS_V12 : TLS_V13;
        bool right = i & 2;
        struct eap *server = ttls_side(&p, true, version, "Ar3etTnp");
        struct eap *peer = ttls_side(&p, false, version, right ? "Ar3etTnp" : "wrong");
        if (i & 4) server->terms.method = peer->terms.method = EAP_PEAP;
        p.asked = 0;
        CHECK_OK(eap_ask(server));
        (void)talk(server, peer);
        CHECK_EQ(p.asked, 1);
        CHECK_EQ(eap_state(server), right ? EAP_SUCCEEDED : EAP_FAILED);
        CHECK_EQ(eap_state(peer), right ? EAP_SUCCEEDED : EAP_FAILED);
        CHECK_EQ(eap_msk(server).len, right ? EAP_MSK_MAX : 0);
        CHECK(span_eq(eap_msk(server), eap_msk(peer)));
        if (!right) CHECK(strstr(eap_why(server)->text, "password of carol is wrong"));
        eap_free(server);
        eap_free(peer);
    }
    papers_done(&p);
}

// A name outside that may come in, and another one inside that has a password.
static void ttls_with_two_names(void **state)
{
    struct papers p = papers_new();
    struct eap *server = ttls_side(&p, true, 0, "Ar3etTnp");
    struct eap *peer = ttls_side(&p, false, 0, "Ar3etTnp");
    (void)state;
    CHECK_OK(id_parse("dave", &server->peer, NULL));
    CHECK_OK(eap_begin(server));
    (void)talk(server, peer);
    CHECK_EQ(eap_state(server), EAP_FAILED);
    CHECK(strstr(eap_why(server)->text, "another inside TLS"));
    eap_free(server);
    eap_free(peer);
    papers_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_succeed),
        cmocka_unit_test(the_peer_asks_for_another),
        cmocka_unit_test(an_nt_hash_is_enough),
        cmocka_unit_test(wrong_secrets),
        cmocka_unit_test(alone_only_what_is_mutual),
        cmocka_unit_test(success_out_of_nowhere),
        cmocka_unit_test(another_method_in_the_middle),
        cmocka_unit_test(endless_rounds_end),
        cmocka_unit_test(malformed_packets),
        cmocka_unit_test(names_that_mean_many_are_none),
        cmocka_unit_test(tls_proves_both),
        cmocka_unit_test(tls_refused),
        cmocka_unit_test(tls_of_somebody_else),
        cmocka_unit_test(tls_garbled),
        cmocka_unit_test(a_password_inside),
        cmocka_unit_test(ttls_with_two_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
