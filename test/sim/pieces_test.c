// IKE fragmentation (RFC 7383): whole negotiations in pieces, and pieces that nobody should have to
// put together.
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "ike/codec/msg.h"
#include "ike/sa/reassembly.h"
#include "test/sim/sim.h"

#define SMALL 130 // bytes of an IP packet: every message is in pieces

static struct sim *small_packets(uint64_t seed)
{
    struct sim *s = sim_new(seed);
    for (int i = 0; i < SIM_NODES; i++) s->node[i].opt.fragment_size = SMALL;
    return s;
}

// The longest IKE message after IKE_SA_INIT, and the number of messages of each exchange.
static unsigned longest, count[256];

static unsigned measure(struct sim *s, struct sim_message *m, unsigned n)
{
    struct ike_header h;
    (void)s, (void)n;
    CHECK_OK(ike_header_read(m->d.bytes, &h));
    CHECK_EQ(h.length, m->d.bytes.len);
    count[h.exchange]++;
    if (h.exchange != X_SA_INIT && h.length > longest) longest = h.length;
    return 1;
}

static struct sim *measured(struct sim *s)
{
    longest = 0;
    memset(count, 0, sizeof count);
    s->fate = measure;
    return s;
}

static void every_exchange_goes_in_pieces(void **state)
{
    (void)state;
    struct sim *s = measured(small_packets(1));
    sim_net_net(s, "", "esp_proposals = aes128gcm16-x25519");
    sim_establish(s);
    CHECK(count[X_AUTH] > 6);
    CHECK_EQ(count[X_SA_INIT], 2);
    sim_rekey_child(s, ALICE);
    sim_run(s, 5 * SECOND);
    sim_rekey_ike(s, BOB);
    sim_run(s, 5 * SECOND);
    sim_rekey_child(s, BOB);
    sim_run(s, 60 * SECOND);
    CHECK(count[X_CHILD] > 12);
    CHECK(longest <= SMALL - 32);
    sim_expect_clean(s);
    sim_free(s);
}

static void short_messages_stay_whole(void **state)
{
    (void)state;
    struct sim *s = measured(sim_new(2));
    sim_net_net(s, "", "");
    sim_establish(s);
    CHECK_EQ(count[X_AUTH], 2);
    sim_free(s);
}

static void who_does_not_want_pieces_gets_none(void **state)
{
    (void)state;
    static const struct {
        const char *alice, *bob;
        bool from_alice, from_bob; // are there pieces?
    } cases[] = {
        {"fragmentation = no", "", false, false},
        {"", "fragmentation = no", false, false},
        {"fragmentation = accept", "", false, true},
        {"fragmentation = force", "fragmentation = accept", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim *s = measured(small_packets(3 + i));
        sim_net_net_side(s, ALICE, cases[i].alice, "");
        sim_net_net_side(s, BOB, cases[i].bob, "");
        sim_establish(s);
        unsigned in_pieces = (unsigned)cases[i].from_alice + (unsigned)cases[i].from_bob;
        if (in_pieces == 0) CHECK_EQ(count[X_AUTH], 2);
        if (in_pieces == 1) CHECK(count[X_AUTH] > 2 && longest > SMALL);
        sim_expect_clean(s);
        sim_free(s);
    }
}

static void pieces_get_lost_doubled_and_disordered(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 160; seed++) {
        struct sim *s = small_packets(seed);
        struct sim_result r;
        for (int i = 0; i < SIM_NODES; i++) {
            s->node[i].opt.retransmit_tries = 40;
            s->node[i].opt.retransmit_base = 1.02;
        }
        s->fate = sim_fate_random;
        s->loss = 0.1;
        s->twice = 0.1;
        s->jitter = 0.2;
        sim_net_net(s, "keyingtries = 0", "");
        sim_initiate(s, ALICE, "net", &r);
        for (unsigned i = 0; i < 100 && !r.told; i++) sim_run(s, 10 * SECOND);
        CHECK_EQ(r.err, ERR_OK);
        sim_rekey_ike(s, seed % 2 ? ALICE : BOB);
        sim_run(s, 100 * SECOND);
        s->fate = NULL;
        sim_run(s, 400 * SECOND);
        sim_expect_clean(s);
        sim_free(s);
    }
}

// A request that comes again in pieces is answered once, not once for each piece (RFC 7383 2.6.1).
static void a_repeated_request_has_one_answer(void **state)
{
    (void)state;
    struct sim *s = measured(small_packets(7));
    struct sim_result r;
    s->by_hand = true;
    sim_net_net(s, "", "");
    sim_initiate(s, ALICE, "net", &r);
    CHECK(sim_deliver(s, ALICE)); // IKE_SA_INIT
    CHECK(sim_deliver(s, BOB));
    unsigned request = count[X_AUTH];
    CHECK(request > 2);
    while (sim_deliver(s, ALICE)) continue;
    unsigned answer = count[X_AUTH] - request;
    CHECK(answer > 2);
    for (unsigned i = 0; i < answer; i++) sim_drop(s, BOB);
    sim_run(s, 5 * SECOND); // ALICE repeats
    CHECK_EQ(count[X_AUTH], 2 * request + answer);
    while (sim_deliver(s, ALICE)) continue;
    CHECK_EQ(count[X_AUTH], 2 * (request + answer));
    s->by_hand = false;
    sim_run(s, 5 * SECOND);
    CHECK_EQ(r.err, ERR_OK);
    sim_expect_clean(s);
    sim_free(s);
}

// The shape of CVE-2026-12413: payloads of unknown types around a piece, as many as a message
// holds.
static unsigned wrapped; // how many messages were sent that way

static void wrap_and_send(struct sim *s, const struct sim_message *m, unsigned payloads)
{
    static uint8_t bytes[IKE_MSG_MAX];
    size_t head = IKE_HEADER_LEN, rest = m->d.bytes.len - head, len = head + 4 * payloads + rest;
    if (len > sizeof bytes) return;
    memcpy(bytes, m->bytes, head);
    bytes[16] = payloads ? 200 : m->bytes[16]; // a type that nobody has given away
    for (unsigned i = 0; i < payloads; i++) {
        uint8_t next = i + 1 < payloads ? 200 : m->bytes[16];
        memcpy(bytes + head + 4 * i, (const uint8_t[]){next, 0, 0, 4}, 4);
    }
    memcpy(bytes + head + 4 * payloads, m->bytes + head, rest);
    put32(bytes + 24, (uint32_t)len);
    struct datagram d = m->d;
    d.bytes = span(bytes, len);
    ike_input(s->node[BOB].ike, &d);
    wrapped++;
}

static unsigned wrap_pieces(struct sim *s, struct sim_message *m, unsigned n)
{
    static const unsigned payloads[] = {1,
                                        2,
                                        MSG_PAYLOADS_MAX - 2,
                                        MSG_PAYLOADS_MAX - 1,
                                        MSG_PAYLOADS_MAX,
                                        MSG_PAYLOADS_MAX + 1,
                                        1000,
                                        16000};
    (void)n;
    if (m->from != ALICE || m->bytes[16] != PAYLOAD_SKF) return 1;
    for (unsigned i = 0; i < sizeof payloads / sizeof *payloads; i++)
        wrap_and_send(s, m, payloads[i]);
    return 1;
}

static void pieces_among_many_unknown_payloads(void **state)
{
    (void)state;
    struct sim *s = small_packets(9);
    sim_net_net(s, "", "");
    wrapped = 0;
    s->fate = wrap_pieces;
    sim_establish(s); // they are dropped, and what is genuine is heard
    CHECK(wrapped >= 8 * 3);
    CHECK(sim_stats(s, BOB).dropped >= wrapped);
    sim_free(s);
}

// ---- the reassembly by itself ----

static err_t add(struct reassembly *r, size_t *held, unsigned number, unsigned total, size_t len)
{
    static const uint8_t bytes[IKE_MSG_MAX];
    struct fragment f = {.number = (uint16_t)number, .total = (uint16_t)total};
    f.first = number == 1 ? PAYLOAD_N : 0;
    f.content = span(bytes, len);
    return reassembly_add(r, held, 5, &f);
}

static void in_any_order_and_more_than_once(void **state)
{
    (void)state;
    struct reassembly r = {0};
    size_t held = 0;
    uint8_t to[100], first = 0;
    CHECK_EQ(add(&r, &held, 3, 3, 10), ERR_AGAIN);
    CHECK_EQ(add(&r, &held, 1, 3, 20), ERR_AGAIN);
    CHECK_EQ(add(&r, &held, 1, 3, 20), ERR_AGAIN);
    CHECK_EQ(held, 30);
    CHECK_OK(add(&r, &held, 2, 3, 30));
    CHECK_EQ(reassembly_take(&r, &held, to, &first).len, 60);
    CHECK_EQ(first, PAYLOAD_N);
    CHECK_EQ(held, 0);
}

static void smaller_pieces_begin_anew(void **state)
{
    (void)state;
    struct reassembly r = {0};
    size_t held = 0;
    uint8_t to[100], first = 0;
    CHECK_EQ(add(&r, &held, 1, 2, 20), ERR_AGAIN);
    CHECK_EQ(add(&r, &held, 1, 3, 10), ERR_AGAIN);
    CHECK_EQ(held, 10);
    CHECK_EQ(add(&r, &held, 2, 2, 20), ERR_AGAIN); // late, and not wanted
    CHECK_EQ(held, 10);
    CHECK_EQ(add(&r, &held, 2, 3, 10), ERR_AGAIN);
    CHECK_OK(add(&r, &held, 3, 3, 10));
    CHECK_EQ(reassembly_take(&r, &held, to, &first).len, 30);
}

static void too_much_is_dropped(void **state)
{
    (void)state;
    struct reassembly r = {0};
    size_t held = 0;
    CHECK_EQ(add(&r, &held, 1, PIECES_MAX + 1, 10), ERR_LIMIT);
    CHECK_EQ(add(&r, &held, 65535, 65535, 10), ERR_LIMIT);
    CHECK_EQ(held, 0);
    CHECK_EQ(add(&r, &held, 1, 3, 40000), ERR_AGAIN);
    CHECK_EQ(add(&r, &held, 2, 3, 40000), ERR_LIMIT);
    CHECK_EQ(held, 0);
    CHECK_EQ(add(&r, &held, 2, 3, 0), ERR_AGAIN);
    held = REASSEMBLING_MAX - 5; // others
    CHECK_EQ(add(&r, &held, 1, 3, 10), ERR_LIMIT);
    CHECK_EQ(held, REASSEMBLING_MAX - 5);
    reassembly_done(&r, &held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_exchange_goes_in_pieces),
        cmocka_unit_test(short_messages_stay_whole),
        cmocka_unit_test(who_does_not_want_pieces_gets_none),
        cmocka_unit_test(pieces_get_lost_doubled_and_disordered),
        cmocka_unit_test(a_repeated_request_has_one_answer),
        cmocka_unit_test(pieces_among_many_unknown_payloads),
        cmocka_unit_test(in_any_order_and_more_than_once),
        cmocka_unit_test(smaller_pieces_begin_anew),
        cmocka_unit_test(too_much_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
