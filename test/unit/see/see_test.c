// Messages made here, one after the other, and what is said about them.
#include <string.h>

#include "base/order.h"
#include "ike/codec/msg.h"
#include "ike/codec/payloads.h"
#include "see/see.h"
#include "test/check.h"

static json_t *events;
static struct see *see;
static uint64_t frames;

static void keep(void *ctx, json_t *event)
{
    (void)ctx;
    (void)json_array_append_new(events, event);
}

static int begin(void **state)
{
    (void)state;
    struct see_options o = {.sink = keep};
    events = json_array();
    see = see_new(&o);
    frames = 0;
    return see ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    see_free(see);
    json_decref(events);
    return 0;
}

// An IPv4 packet with UDP in it, from host 1 to host 2 or back.
static void udp(bool back, uint16_t port, span_t body, bool marker)
{
    uint8_t packet[2000] = {0x45};
    size_t len = 28 + (marker ? 4U : 0U) + body.len;
    packet[8] = 64;
    packet[9] = 17;
    put16(packet + 2, (uint16_t)len);
    put32(packet + 12, back ? 0x0a000002 : 0x0a000001);
    put32(packet + 16, back ? 0x0a000001 : 0x0a000002);
    put16(packet + 20, port);
    put16(packet + 22, port);
    put16(packet + 24, (uint16_t)(len - 20));
    memcpy(packet + len - body.len, body.at, body.len);
    frames++;
    struct frame f = {.number = frames,
                      .time = frames * 1000000000,
                      .link = 101,
                      .bytes = span(packet, len),
                      .wire_len = (uint32_t)len};
    see_frame(see, &f);
}

static uint8_t wire[1500];

static struct msgw message(uint8_t exchange, uint8_t flags, uint32_t id, bool answered)
{
    struct msgw m;
    struct ike_header h = {.spi_i = 7,
                           .spi_r = answered ? 9 : 0,
                           .version = 0x20,
                           .exchange = exchange,
                           .flags = flags,
                           .id = id};
    msgw_start(&m, wire, sizeof wire, &h);
    return m;
}

static void add_suite(struct msgw *m, uint16_t bits)
{
    struct proposals ps = {.n = 1};
    struct proposal *p = &ps.p[0];
    p->number = 1;
    p->protocol = PROTO_IKE;
    CHECK_OK(proposal_add(p, alg_find(ALG_ENCR, ENCR_AES_GCM_16, bits / 8)));
    CHECK_OK(proposal_add(p, alg_find(ALG_PRF, PRF_HMAC_SHA2_256, 0)));
    CHECK_OK(proposal_add(p, alg_find(ALG_KE, KE_X25519, 0)));
    wr_t *w = msgw_begin(m, PAYLOAD_SA);
    proposals_write(w, &ps);
    msgw_end(m);
}

static void add_rest(struct msgw *m, size_t public_len)
{
    static const uint8_t zero[64];
    wr_t *w = msgw_begin(m, PAYLOAD_KE);
    struct kex k = {.method = KE_X25519, .data = span(zero, public_len)};
    kex_write(w, &k);
    msgw_end(m);
    msgw_payload(m, PAYLOAD_Nonce, span(zero, 32));
}

static span_t finish(struct msgw *m)
{
    span_t out = {0};
    CHECK_OK(msgw_finish(m, &out));
    return out;
}

// The nth event's faults, one behind the other.
static bool said(size_t nth, const char *words)
{
    char *text = json_dumps(json_array_get(events, nth), JSON_COMPACT);
    bool found = text && strstr(text, words);
    if (!found) print_message("%s\n", text ? text : "nothing");
    free(text);
    return found;
}

static void an_answer_that_was_not_offered(void **state)
{
    (void)state;
    struct msgw m = message(X_SA_INIT, IKE_FLAG_INITIATOR, 0, false);
    add_suite(&m, 256);
    add_rest(&m, 32);
    udp(false, 500, finish(&m), false);
    m = message(X_SA_INIT, IKE_FLAG_RESPONSE, 0, true);
    add_suite(&m, 128);
    add_rest(&m, 31);
    udp(true, 500, finish(&m), false);
    CHECK(said(0, "offers 1: IKE AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE_25519"));
    CHECK(said(0, "\"faults\":[]"));
    CHECK(said(1, "RFC 7296 2.7"));
    CHECK(said(1, "no encryption algorithm in common: AES_GCM_16_256 on one side, AES_GCM_16_128"));
    CHECK(said(1, "the public value of CURVE_25519 has 31 bytes, and not 32"));
}

static void again_and_never_answered(void **state)
{
    (void)state;
    struct msgw m = message(X_SA_INIT, IKE_FLAG_INITIATOR, 0, false);
    add_suite(&m, 256);
    add_rest(&m, 32);
    span_t first = finish(&m);
    for (int i = 0; i < 4; i++) udp(false, 500, first, false);
    CHECK(said(3, "\"repeats\":\"yes\""));
    json_t *s = see_summary(see);
    (void)json_array_append_new(events, s);
    CHECK(said(4, "\"outcome\":\"never answered\""));
    CHECK(said(4, "IKE_SA_INIT 0 of the initiator (frame 1) was sent 4 times over 3 s"));
}

static void the_same_number_with_other_bytes(void **state)
{
    (void)state;
    struct msgw m = message(X_INFO, IKE_FLAG_INITIATOR, 4, true);
    udp(false, 500, finish(&m), false);
    m = message(X_INFO, IKE_FLAG_INITIATOR, 4, true);
    msgw_payload(&m, PAYLOAD_V, span_str("other"));
    udp(false, 500, finish(&m), false);
    CHECK(said(1, "a message that is sent again must not change"));
    CHECK(said(1, "RFC 7296 2.1"));
    CHECK(said(0, "outside of any IKE SA"));
}

static void refused_with_both_lists(void **state)
{
    (void)state;
    // host 2 has once offered something itself
    struct msgw m = message(X_SA_INIT, IKE_FLAG_INITIATOR, 0, false);
    wire[7] = 8;
    add_suite(&m, 128);
    add_rest(&m, 32);
    udp(true, 500, finish(&m), false);
    m = message(X_SA_INIT, IKE_FLAG_INITIATOR, 0, false);
    add_suite(&m, 256);
    add_rest(&m, 32);
    udp(false, 500, finish(&m), false);
    m = message(X_SA_INIT, IKE_FLAG_RESPONSE, 0, false);
    struct notify n = {.type = N_NO_PROPOSAL_CHOSEN};
    wr_t *w = msgw_begin(&m, PAYLOAD_N);
    notify_write(w, &n);
    msgw_end(&m);
    udp(true, 500, finish(&m), false);
    CHECK(said(2, "NO_PROPOSAL_CHOSEN"));
    CHECK(said(2, "\"offered\":[\"AES_GCM_16_256/"));
    CHECK(said(2, "\"refuser\":[\"AES_GCM_16_128/"));
}

// rfc9347 6.1.4: one octet of requirements.
static void demands_of_aggfrag(void **state)
{
    const uint8_t flags = 0x83;
    (void)state;
    for (size_t len = 0; len <= 1; len++) {
        struct msgw m = message(X_SA_INIT, IKE_FLAG_INITIATOR, 0, false);
        struct notify n = {.type = N_USE_AGGFRAG, .data = span(&flags, len)};
        add_suite(&m, 128);
        add_rest(&m, 32);
        notify_write(msgw_begin(&m, PAYLOAD_N), &n);
        msgw_end(&m);
        udp(false, 500, finish(&m), false);
    }
    CHECK(said(0, "USE_AGGFRAG has 0 bytes of data: it has to have one"));
    CHECK(
        said(1, "no packet in pieces, it wants reports of congestion, unknown requirements 0x80"));
}

static void a_payload_that_breaks_the_message(void **state)
{
    (void)state;
    struct msgw m = message(X_SA_INIT, IKE_FLAG_INITIATOR, 0, false);
    add_suite(&m, 256);
    add_rest(&m, 32);
    span_t s = finish(&m);
    wire[s.len - 34] = 0xff; // the length of the nonce
    udp(false, 500, s, false);
    CHECK(said(0, "payload 3 (Nonce) breaks the message"));
    CHECK(said(0, "offers 1: IKE AES_GCM_16_256")); // what stands before is told
}

static void pieces_that_never_come(void **state)
{
    (void)state;
    uint8_t skf[40] = {0, 2, 0, 3};
    struct msgw m = message(X_AUTH, IKE_FLAG_INITIATOR, 1, true);
    msgw_payload(&m, PAYLOAD_SKF, SPAN(skf));
    udp(false, 4500, finish(&m), true);
    CHECK(said(0, "piece 2 of 3"));
    CHECK(said(0, "\"protection\":\"encrypted\""));
    (void)json_array_append_new(events, see_summary(see));
    CHECK(said(1, "IKE_AUTH 1 of the initiator (frame 1) never became whole: 1 of 3"));
}

static void numbers_of_esp(void **state)
{
    (void)state;
    static const uint32_t numbers[] = {1, 2, 5, 5, 3};
    for (unsigned i = 0; i < 5; i++) {
        uint8_t esp[40] = {0xc0, 0, 0, 1};
        put32(esp + 4, numbers[i]);
        udp(false, 4500, SPAN(esp), false);
    }
    (void)json_array_append_new(events, see_summary(see));
    CHECK_EQ(json_array_size(events), 3); // the first packet, the doubled one, the summary
    CHECK(said(1, "sequence number 5 a second time"));
    CHECK(said(2, "\"missing\":1,\"doubled\":1,\"late\":1"));
}

static void neither_version(void **state)
{
    (void)state;
    uint8_t bytes[28] = {0};
    bytes[17] = 0x10;
    bytes[27] = 28;
    udp(false, 500, SPAN(bytes), false);
    bytes[17] = 0x30;
    udp(false, 500, SPAN(bytes), false);
    udp(false, 500, span(bytes, 9), false);
    CHECK(said(0, "\"kind\":\"ike1\""));
    CHECK(said(1, "version 3.0 of IKE"));
    CHECK(said(2, "no IKE header"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_that_was_not_offered),
        TEST(again_and_never_answered),
        TEST(the_same_number_with_other_bytes),
        TEST(refused_with_both_lists),
        TEST(demands_of_aggfrag),
        TEST(a_payload_that_breaks_the_message),
        TEST(pieces_that_never_come),
        TEST(numbers_of_esp),
        TEST(neither_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
