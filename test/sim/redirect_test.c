// Clients that are sent to another gateway (RFC 5685).
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "test/sim/sim.h"

#define GATEWAY                                                                             \
    "connections { net {\n local { auth = psk\n id = bob.example.org }\n remote { auth = "  \
    "psk\n id = alice.example.org }\n children { net { local_ts = 10.2.0.0/16\n remote_ts " \
    "= 10.1.0.0/16 } } } }\nsecrets { ike-1 { secret = \"correct horse\" } }\n"

// ALICE is the client of BOB; CAROL is as good a gateway, with the same identity.
static struct sim *world(uint64_t seed)
{
    struct sim *s = sim_new(seed);
    sim_net_net(s, "", "");
    sim_configure(s, CAROL, GATEWAY);
    return s;
}

static unsigned redirect(struct sim *s, int node, const char *to)
{
    struct ike_redirect what = {.gateway = to};
    unsigned n = 0;
    CHECK_OK(ike_redirect(s->node[node].ike, &what, &n));
    return n;
}

static void expect_moved(struct sim *s)
{
    CHECK_EQ(sim_ikes(s, ALICE), 1);
    CHECK_EQ(sim_children(s, ALICE), 1);
    CHECK_EQ(sim_ikes(s, BOB), 0);
    CHECK_EQ(sim_ikes(s, CAROL), 1);
    CHECK_EQ(sim_children(s, CAROL), 1);
}

static void an_active_session_goes_over(void **state)
{
    struct sim *s = world(1);
    (void)state;
    sim_establish(s);
    CHECK_EQ(redirect(s, BOB, "192.0.2.3"), 1);
    sim_run(s, 20 * SECOND);
    CHECK(sim_told(s, ALICE, "redirected to 192.0.2.3"));
    CHECK(sim_told(s, CAROL, "client got redirected from 192.0.2.2"));
    expect_moved(s);
    // It stays there when it authenticates again.
    struct ike_choice what = {.ike = "net", .reauth = true};
    unsigned n;
    CHECK_OK(ike_rekey(s->node[ALICE].ike, &what, &n));
    sim_run(s, 20 * SECOND);
    expect_moved(s);
    sim_free(s);
}

static void whatever_gets_lost(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 10; lost++) {
        struct sim *s = world(10 + lost);
        sim_establish(s);
        s->fate = sim_fate_nth_lost;
        s->fate_arg = s->sent + lost;
        CHECK_EQ(redirect(s, BOB, "192.0.2.3"), 1);
        sim_run(s, 60 * SECOND);
        expect_moved(s);
        sim_free(s);
    }
}

static void a_name_is_looked_up(void **state)
{
    struct sim *s = world(30);
    (void)state;
    sim_establish(s);
    CHECK_EQ(redirect(s, BOB, "carol.example.org"), 1);
    sim_run(s, 20 * SECOND);
    CHECK(sim_told(s, ALICE, "redirected to carol.example.org"));
    expect_moved(s);
    sim_free(s);
}

static void an_unknown_name_changes_nothing(void **state)
{
    struct sim *s = world(31);
    (void)state;
    sim_establish(s);
    CHECK_EQ(redirect(s, BOB, "nobody.example.org"), 1);
    sim_run(s, 20 * SECOND);
    CHECK(sim_told(s, ALICE, "no address found for gateway nobody.example.org"));
    CHECK_EQ(sim_children(s, ALICE), 1);
    CHECK_EQ(sim_children(s, BOB), 1);
    sim_free(s);
}

static void it_holds_after_rekeying(void **state)
{
    (void)state;
    for (int node = ALICE; node <= BOB; node++) {
        struct sim *s = world(40 + (unsigned)node);
        sim_establish(s);
        sim_rekey_ike(s, node);
        sim_run(s, 10 * SECOND);
        CHECK_EQ(redirect(s, ALICE, "192.0.2.3"), 0); // a client sends nobody away
        CHECK_EQ(redirect(s, BOB, "192.0.2.3"), 1);
        sim_run(s, 20 * SECOND);
        expect_moved(s);
        sim_free(s);
    }
}

static void who_does_not_want_it_is_not_asked(void **state)
{
    struct sim *s = sim_new(50);
    (void)state;
    s->node[ALICE].opt.follow_redirects = false;
    sim_net_net(s, "", "");
    sim_establish(s);
    CHECK_EQ(redirect(s, BOB, "192.0.2.3"), 0);
    CHECK(sim_told(s, BOB, "the peer cannot be redirected"));
    sim_free(s);
}

// The gateway that it shall go to does not have our secret.
static void another_gateway_must_prove_itself(void **state)
{
    struct sim *s = sim_new(51);
    (void)state;
    sim_net_net(s, "", "");
    sim_configure(s, CAROL,
                  "connections { net {\n local { auth = psk\n id = bob.example.org }\n remote { "
                  "auth = psk }\n children { net { local_ts = 10.2.0.0/16\n remote_ts = "
                  "10.1.0.0/16 } } } }\nsecrets { ike-1 { secret = \"wrong horse\" } }\n");
    sim_establish(s);
    CHECK_EQ(redirect(s, BOB, "192.0.2.3"), 1);
    sim_run(s, 20 * SECOND);
    CHECK_EQ(sim_ikes(s, CAROL), 0);
    CHECK_EQ(sim_children(s, ALICE), 1); // nothing is lost by trying
    sim_free(s);
}

static void loops_end(void **state)
{
    struct sim *s = world(52);
    unsigned followed = 0;
    (void)state;
    sim_establish(s);
    for (unsigned i = 0; i < 8; i++) {
        int at = sim_ikes(s, BOB) ? BOB : CAROL;
        CHECK_EQ(redirect(s, at, at == BOB ? "192.0.2.3" : "192.0.2.2"), 1);
        sim_run(s, 5 * SECOND);
        followed += sim_ikes(s, at) == 0;
    }
    CHECK_EQ(followed, 5);
    CHECK(sim_told(s, ALICE, "not followed, after 5 others"));
    CHECK_EQ(sim_children(s, ALICE), 1);
    sim_free(s);
}

static void nonsense_is_no_gateway(void **state)
{
    struct sim *s = world(53);
    unsigned n;
    (void)state;
    static const char *const bad[] = {"", "a b", "x/y", "10.0.0.0/8"};
    for (unsigned i = 0; i < 4; i++) {
        struct ike_redirect what = {.gateway = bad[i]};
        CHECK_EQ(ike_redirect(s->node[BOB].ike, &what, &n), ERR_SYNTAX);
    }
    sim_free(s);
}

// ---- before there are keys ----

#define HEADER 28
#define REDIRECT 16407

// BOB is busy: what it answers to IKE_SA_INIT is REDIRECT. fate_arg: a bit of the nonce is wrong.
static unsigned busy(struct sim *s, struct sim_message *m, unsigned n)
{
    (void)n;
    static uint8_t nonce[256];
    static size_t nonce_len;
    if (m->from == ALICE && m->bytes[18] == 34) { // IKE_SA_INIT: remember Ni
        size_t at = HEADER;
        for (unsigned type = m->bytes[16]; type && at + 4 <= m->d.bytes.len;) {
            size_t len = (size_t)m->bytes[at + 2] << 8 | m->bytes[at + 3];
            if (type == 40) memcpy(nonce, m->bytes + at + 4, nonce_len = len - 4);
            type = m->bytes[at];
            at += len;
        }
    }
    if (m->from != BOB || m->bytes[18] != 34) return 1;
    wr_t w = wr_into(m->bytes + HEADER, sizeof m->bytes - HEADER);
    wr_u8(&w, 0);
    wr_u8(&w, 0);
    wr_u16(&w, (uint16_t)(8 + 6 + nonce_len));
    wr_u8(&w, 0);
    wr_u8(&w, 0);
    wr_u16(&w, REDIRECT);
    wr_u8(&w, 1);
    wr_u8(&w, 4);
    wr_u32(&w, 0xc0000203); // 192.0.2.3
    wr_bytes(&w, span(nonce, nonce_len));
    if (s->fate_arg) m->bytes[HEADER + wr_len(&w) - 1] ^= 1;
    memset(m->bytes + 8, 0, 8); // rfc5685 3: no SPI of the responder
    m->bytes[16] = 41;
    size_t len = HEADER + wr_len(&w);
    m->bytes[24] = m->bytes[25] = 0;
    m->bytes[26] = (uint8_t)(len >> 8);
    m->bytes[27] = (uint8_t)len;
    m->d.bytes = span(m->bytes, len);
    return 1;
}

static void a_busy_gateway_names_another(void **state)
{
    struct sim *s = world(60);
    struct sim_result r;
    (void)state;
    s->fate = busy;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 20 * SECOND);
    CHECK_EQ(r.told, 1);
    CHECK_EQ(r.err, ERR_OK);
    expect_moved(s);
    sim_free(s);
}

static void a_stranger_cannot_send_us_away(void **state)
{
    struct sim *s = world(61);
    struct sim_result r;
    (void)state;
    s->fate = busy;
    s->fate_arg = 1;
    sim_initiate(s, ALICE, "net", &r);
    sim_run(s, 3 * SECOND);
    CHECK_EQ(r.told, 0); // it goes on waiting for a better answer
    CHECK_EQ(sim_ikes(s, CAROL), 0);
    s->fate = NULL;
    sim_run(s, 30 * SECOND);
    CHECK_EQ(r.err, ERR_OK);
    CHECK_EQ(sim_children(s, BOB), 1);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_active_session_goes_over),
        cmocka_unit_test(whatever_gets_lost),
        cmocka_unit_test(a_name_is_looked_up),
        cmocka_unit_test(an_unknown_name_changes_nothing),
        cmocka_unit_test(it_holds_after_rekeying),
        cmocka_unit_test(who_does_not_want_it_is_not_asked),
        cmocka_unit_test(another_gateway_must_prove_itself),
        cmocka_unit_test(loops_end),
        cmocka_unit_test(nonsense_is_no_gateway),
        cmocka_unit_test(a_busy_gateway_names_another),
        cmocka_unit_test(a_stranger_cannot_send_us_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
