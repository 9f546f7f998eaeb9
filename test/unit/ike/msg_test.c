// Messages: header, chain, Encrypted payload; our own and those that others have sent.
#include "ike/codec/msg.h"

#include "base/order.h"
#include "crypto/alg.h"
#include "ike/codec/payloads.h"
#include "test/unit/ike/vec.h"

#define HEAD "0102030405060708 1112131415161718 "

// msg_read on a buffer of the exact size, which is freed again.
static err_t read_hex(const char *hex, struct msg *m)
{
    size_t len;
    uint8_t *wire = hex_new(hex, &len);
    err_t e = msg_read(span(wire, len), m);
    free(wire);
    return e;
}

static void header_fields(void **state)
{
    (void)state;
    struct msg m;
    CHECK_OK(read_hex(HEAD "00 20 25 28 00000007 0000001c", &m));
    CHECK(m.h.spi_i == 0x0102030405060708 && m.h.spi_r == 0x1112131415161718);
    CHECK_EQ(m.h.version, 0x20);
    CHECK_EQ(m.h.exchange, X_INFO);
    CHECK_EQ(m.h.flags, IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE);
    CHECK_EQ(m.h.id, 7);
    CHECK_EQ(m.n, 0);
    CHECK_STR(exchange_name(m.h.exchange), "INFORMATIONAL");
}

static void length_must_be_the_datagrams(void **state)
{
    (void)state;
    struct msg m;
    CHECK_EQ(read_hex(HEAD "00 20 25 28 00000007 000000", &m), ERR_SHORT);
    CHECK_EQ(read_hex(HEAD "00 20 25 28 00000007 0000001d", &m), ERR_SHORT);
    CHECK_EQ(read_hex(HEAD "00 20 25 28 00000007 0000001c 00", &m), ERR_TRAILING);
    CHECK_EQ(read_hex(HEAD "00 20 25 28 00000007 0000001b", &m), ERR_TRAILING);
}

static void chain_of_payloads(void **state)
{
    (void)state;
    struct msg m;
    span_t wire = HEX(HEAD "28 20 22 08 00000000 0000002e"
                           "2b7f 0006 aaaa 29ff 0004 0000 0008 00004004");
    CHECK_OK(msg_read(wire, &m));
    CHECK_EQ(m.n, 3);
    CHECK(m.have == (P(Nonce) | P(V) | P(N)));
    CHECK(msg_has(&m, P(Nonce) | P(N)) && !msg_has(&m, P(Nonce) | P(SA)));
    CHECK_SPAN(msg_body(&m, PAYLOAD_Nonce), HEX("aaaa"));
    CHECK(m.payload[1].critical && !m.payload[0].critical);
    CHECK_EQ(msg_body(&m, PAYLOAD_SA).len, 0);
    assert_null(msg_nth(&m, PAYLOAD_N, 1));
}

static void chains_that_are_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        HEAD "28 20 22 08 00000000 0000001c",                   // next, but nothing there
        HEAD "00 20 22 08 00000000 00000020 00000004",          // no next, but something there
        HEAD "28 20 22 08 00000000 0000001f 000000",            // half a generic header
        HEAD "28 20 22 08 00000000 00000020 00000003",          // shorter than its own header
        HEAD "28 20 22 08 00000000 00000020 00000000",          // would not move on
        HEAD "28 20 22 08 00000000 00000020 00000005",          // longer than the message
        HEAD "28 20 22 08 00000000 00000020 2b000004",          // next, but the message ends
        HEAD "2e 20 25 08 00000000 00000024 00000004 00000004", // something behind SK
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct msg m;
        CHECK_EQ(read_hex(bad[i], &m), ERR_SYNTAX);
        CHECK(m.h.spi_i == 0x0102030405060708); // for an answer, if one is due
    }
}

static void unknown_payloads(void **state)
{
    (void)state;
    struct msg m;
    CHECK_OK(read_hex(HEAD "01 20 22 08 00000000 00000024 2b000004 00000004", &m));
    CHECK_EQ(m.n, 1);
    CHECK_EQ(m.unknown_critical, 0);
    CHECK_OK(read_hex(HEAD "c8 20 22 08 00000000 00000024 c9800004 00800004", &m));
    CHECK_EQ(m.n, 0);
    CHECK_EQ(m.unknown_critical, 0xc8); // the first
}

static void too_many_payloads(void **state)
{
    (void)state;
    static uint8_t wire[IKE_HEADER_LEN + 4 * (MSG_PAYLOADS_MAX + 1)];
    struct msg m;
    for (unsigned unknown = 0; unknown < 2; unknown++) {
        uint8_t type = unknown ? 200 : PAYLOAD_V;
        memset(wire, 0, sizeof wire);
        wire[16] = type;
        for (unsigned i = 0; i <= MSG_PAYLOADS_MAX; i++) {
            uint8_t *p = wire + IKE_HEADER_LEN + 4 * i;
            p[0] = i + 1 < MSG_PAYLOADS_MAX ? type : 0;
            p[3] = 4;
        }
        put32(wire + 24, sizeof wire - 4);
        CHECK_OK(msg_read(span(wire, sizeof wire - 4), &m));
        CHECK_EQ(m.n, unknown ? 0 : MSG_PAYLOADS_MAX);
        wire[sizeof wire - 8] = type;
        put32(wire + 24, sizeof wire);
        CHECK_EQ(msg_read(SPAN(wire), &m), ERR_LIMIT);
    }
}

static const struct ike_header header = {.spi_i = 0x0102030405060708,
                                         .spi_r = 9,
                                         .version = 0x20,
                                         .exchange = X_INFO,
                                         .flags = 8,
                                         .id = 3};

static void written_message_reads_back(void **state)
{
    (void)state;
    uint8_t buf[256];
    struct msgw w;
    struct msg m;
    span_t out;
    msgw_start(&w, buf, sizeof buf, &header);
    msgw_payload(&w, PAYLOAD_V, HEX("0102"));
    notify_write(msgw_begin(&w, PAYLOAD_N), &(struct notify){.type = N_COOKIE, .data = HEX("ff")});
    msgw_end(&w);
    CHECK_OK(msgw_finish(&w, &out));
    CHECK_SPAN(out, HEX("0102030405060708 0000000000000009 2b 20 25 08 00000003 0000002b"
                        "29000006 0102 00000009 00004006 ff"));
    CHECK_OK(msg_read(out, &m));
    CHECK_EQ(m.n, 2);
}

static void what_does_not_fit_is_reported_at_the_end(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 60; cap++) {
        uint8_t *buf = malloc(cap ? cap : 1);
        struct msgw w;
        span_t out;
        assert_non_null(buf);
        msgw_start(&w, buf, cap, &header);
        msgw_payload(&w, PAYLOAD_V, HEX("0102030405060708"));
        msgw_payload(&w, PAYLOAD_Nonce, HEX("0102030405060708"));
        err_t e = msgw_finish(&w, &out);
        CHECK_EQ(e, cap < IKE_HEADER_LEN + 24 ? ERR_SPACE : ERR_OK);
        free(buf);
    }
}

static void payload_longer_than_its_length_field(void **state)
{
    (void)state;
    static uint8_t buf[80000], body[UINT16_MAX - 3];
    struct msgw w;
    span_t out;
    msgw_start(&w, buf, sizeof buf, &header);
    msgw_payload(&w, PAYLOAD_V, SPAN(body)); // one byte too long
    CHECK_EQ(msgw_finish(&w, &out), ERR_SPACE);
    msgw_start(&w, buf, sizeof buf, &header);
    msgw_payload(&w, PAYLOAD_V, span(body, 40000));
    msgw_payload(&w, PAYLOAD_V, span(body, 40000)); // each fits, the message does not
    CHECK_EQ(msgw_finish(&w, &out), ERR_SPACE);
}

// ---- the Encrypted payload ----

static struct sealer *sealer_of(uint16_t encr, uint16_t integ, span_t ek, span_t ik)
{
    struct sealer *s = NULL;
    struct why why;
    struct sealer_spec spec = {.encr = encr, .integ = integ, .encr_key = ek, .integ_key = ik};
    if (sealer_new(&spec, &s, &why) != ERR_OK) fail_msg("%s", why.text);
    return s;
}

static struct sealer *sealer_test(unsigned kind)
{
    static const uint8_t key[64] = {1, 2, 3};
    static const struct {
        uint16_t encr, integ;
        size_t ek, ik;
    } k[] = {{ENCR_AES_GCM_16, 0, 20, 0},
             {ENCR_AES_CBC, INTEG_HMAC_SHA2_256_128, 32, 32},
             {ENCR_CHACHA20_POLY1305, 0, 36, 0},
             {ENCR_AES_CBC, INTEG_HMAC_SHA2_512_256, 16, 64}};
    return sealer_of(k[kind].encr, k[kind].integ, span(key, k[kind].ek), span(key, k[kind].ik));
}
#define SEALERS 4

// A message with `inner` bytes of Nonce inside SK and a Vendor ID before it.
static span_t sealed(struct sealer *s, size_t inner, uint8_t *buf, size_t cap)
{
    static const uint8_t body[300] = {7};
    struct msgw w;
    span_t out = {0};
    msgw_start(&w, buf, cap, &header);
    msgw_payload(&w, PAYLOAD_V, HEX("0102"));
    msgw_begin_sk(&w, s, 5);
    if (inner) msgw_payload(&w, PAYLOAD_Nonce, span(body, inner));
    CHECK_OK(msgw_finish(&w, &out));
    return out;
}

static void sealed_message_opens(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < SEALERS; kind++) {
        struct sealer *s = sealer_test(kind);
        for (size_t inner = 0; inner < 70; inner++) {
            uint8_t buf[256];
            struct msg m;
            span_t wire = sealed(s, inner, buf, sizeof buf);
            CHECK_OK(msg_read(wire, &m));
            CHECK_EQ(m.n, 2);
            CHECK_EQ(m.sk_first, inner ? PAYLOAD_Nonce : PAYLOAD_NONE);
            CHECK_OK(msg_open(&m, buf, s));
            CHECK_EQ(m.n, inner ? 3 : 2);
            CHECK_EQ(msg_body(&m, PAYLOAD_Nonce).len, inner);
            if (inner) CHECK_EQ(msg_body(&m, PAYLOAD_Nonce).at[0], 7);
        }
        sealer_free(s);
    }
}

static void padding_is_minimal(void **state)
{
    (void)state;
    struct sealer *gcm = sealer_test(0), *cbc = sealer_test(1);
    uint8_t buf[256];
    // header 28, vendor id 6, SK header 4, IV, payload 4 + 3, pad length 1, ICV 16
    CHECK_EQ(sealed(gcm, 3, buf, sizeof buf).len, 28 + 6 + 4 + 8 + 8 + 16);
    CHECK_EQ(sealed(cbc, 3, buf, sizeof buf).len, 28 + 6 + 4 + 16 + 16 + 16);
    CHECK_EQ(sealed(cbc, 11, buf, sizeof buf).len, 28 + 6 + 4 + 16 + 16 + 16); // no padding at all
    CHECK_EQ(sealed(cbc, 12, buf, sizeof buf).len, 28 + 6 + 4 + 16 + 32 + 16);
    sealer_free(gcm);
    sealer_free(cbc);
}

static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 2; kind++) {
        struct sealer *s = sealer_test(kind);
        uint8_t buf[256], copy[256];
        span_t wire = sealed(s, 5, buf, sizeof buf);
        for (size_t bit = 0; bit < wire.len * 8; bit++) {
            struct msg m;
            memcpy(copy, buf, wire.len);
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (msg_read(span(copy, wire.len), &m) != ERR_OK) continue; // lengths and types
            err_t e = msg_open(&m, copy, s);
            CHECK(e == ERR_AUTH || e == ERR_NOTFOUND);
        }
        sealer_free(s);
    }
}

static void encrypted_payload_that_is_too_short(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < SEALERS; kind++) {
        struct sealer *s = sealer_test(kind);
        for (unsigned len = 0; len < 60; len++) {
            size_t n = IKE_HEADER_LEN + 4 + len;
            uint8_t *wire = calloc(1, n);
            struct msg m;
            assert_non_null(wire);
            wire[16] = PAYLOAD_SK;
            put32(wire + 24, (uint32_t)n);
            wire[IKE_HEADER_LEN + 3] = (uint8_t)(4 + len);
            CHECK_OK(msg_read(span(wire, n), &m));
            CHECK_EQ(msg_open(&m, wire, s), ERR_AUTH);
            free(wire);
        }
        sealer_free(s);
    }
}

// Seals `inside` (hex, with padding and pad length) and opens it again.
static err_t open_inside(const char *inside, uint8_t first, struct msg *m)
{
    struct sealer *s = sealer_test(0);
    span_t text = HEX(inside);
    size_t n = IKE_HEADER_LEN + 4 + 8 + text.len + 16;
    uint8_t *wire = calloc(1, n); // exactly: an overrun is seen
    assert_non_null(wire);
    wire[16] = PAYLOAD_SK;
    put32(wire + 24, (uint32_t)n);
    wire[IKE_HEADER_LEN] = first;
    put16(wire + IKE_HEADER_LEN + 2, (uint16_t)(n - IKE_HEADER_LEN));
    if (text.len) memcpy(wire + IKE_HEADER_LEN + 12, text.at, text.len);
    struct seal_job job = {
        .head = wire, .head_len = IKE_HEADER_LEN + 4, .text_len = (uint32_t)text.len};
    sealer_seal(s, &job, 1);
    CHECK(!job.bad);
    CHECK_OK(msg_read(span(wire, n), m));
    err_t e = msg_open(m, wire, s);
    sealer_free(s);
    free(wire);
    return e;
}

static void authentic_but_malformed_inside(void **state)
{
    (void)state;
    struct msg m;
    CHECK_OK(open_inside("00000004 00", PAYLOAD_V, &m));
    CHECK_OK(open_inside("00000004 a1a2a3 03", PAYLOAD_V, &m)); // any padding will do
    CHECK_OK(open_inside("a1a2a3 03", PAYLOAD_NONE, &m));
    CHECK_EQ(open_inside("00000004 05", PAYLOAD_V, &m), ERR_SYNTAX); // pad length beyond the start
    CHECK_EQ(open_inside("01", PAYLOAD_NONE, &m), ERR_SYNTAX);
    CHECK_EQ(open_inside("ff", PAYLOAD_V, &m), ERR_SYNTAX);
    CHECK_EQ(open_inside("", PAYLOAD_NONE, &m), ERR_AUTH); // not even a pad length
    CHECK_EQ(open_inside("00000005 00", PAYLOAD_V, &m), ERR_SYNTAX);
    CHECK_EQ(open_inside("00000004 00000004 00", PAYLOAD_V, &m), ERR_SYNTAX);
    CHECK_EQ(open_inside("2b000004 00", PAYLOAD_V, &m), ERR_SYNTAX);
    CHECK_EQ(m.n, 1);                                                 // unchanged: SK only
    CHECK_EQ(open_inside("00000004 00", PAYLOAD_SK, &m), ERR_SYNTAX); // SK within SK
    CHECK_EQ(open_inside("00000004 00", PAYLOAD_SKF, &m), ERR_SYNTAX);
    CHECK_OK(open_inside("00800004 00", 201, &m));
    CHECK_EQ(m.unknown_critical, 201);
}

static void message_without_encrypted_payload(void **state)
{
    (void)state;
    struct sealer *s = sealer_test(0);
    uint8_t buf[64];
    struct msg m;
    span_t wire = hex_into(HEAD "00 20 25 28 00000007 0000001c", buf, sizeof buf);
    CHECK_OK(msg_read(wire, &m));
    CHECK_EQ(msg_open(&m, buf, s), ERR_NOTFOUND);
    sealer_free(s);
}

// ---- what others have sent ----

static void check_inside(const struct vec *v, const struct msg *m)
{
    unsigned i = 0;
    while (i < m->n && m->payload[i].type != PAYLOAD_SK) i++;
    const char *s = vec_text(v, "inner");
    for (i++; *s; i++) {
        char *end;
        CHECK(i < m->n);
        CHECK_EQ(m->payload[i].type, strtoul(s, &end, 10));
        s = end;
    }
    CHECK_EQ(i, m->n);
    if (*vec_text(v, "auth")) {
        struct authp a;
        CHECK_OK(authp_read(msg_body(m, PAYLOAD_AUTH), &a));
        CHECK_SPAN(a.data, VEC_HEX(v, "auth"));
    }
    if (*vec_text(v, "plaintext")) {
        const uint8_t *at = m->payload[m->n - 1].body.at;
        CHECK_SPAN(span(at - 4, m->payload[m->n - 1].body.len + 4), VEC_HEX(v, "plaintext"));
    }
}

static void open_captured(const struct vec *v)
{
    size_t len;
    uint8_t *wire = hex_new(vec_text(v, "message"), &len);
    struct sealer *s = sealer_of((uint16_t)vec_number(v, "encr"), (uint16_t)vec_number(v, "integ"),
                                 VEC_HEX(v, "encr_key"), VEC_HEX(v, "integ_key"));
    struct msg m;
    print_message("# %s\n", v->name);
    CHECK_OK(msg_read(span(wire, len), &m));
    CHECK_OK(msg_open(&m, wire, s));
    check_inside(v, &m);
    sealer_free(s);
    free(wire);
}

static void captured_messages_open(void **state)
{
    (void)state;
    CHECK_EQ(vec_each("ike/sk_messages.txt", open_captured), 11);
}

// ---- in pieces ----

static void pieces_put_together_are_the_message(void **state)
{
    (void)state;
    static uint8_t buf[2048], out_buf[8192], whole[4096];
    static const uint8_t body[1000] = {7};
    for (unsigned kind = 0; kind < SEALERS; kind++) {
        struct sealer *s = sealer_test(kind);
        for (size_t max = 120; max < 1040; max += 31) {
            uint64_t unique = 100;
            struct msgw w;
            span_t out = {0};
            size_t joined = 0;
            unsigned n = 0, total = 0;
            const struct msgw_pieces to = {out_buf, sizeof out_buf, max, &unique};
            msgw_start(&w, buf, sizeof buf, &header);
            msgw_begin_sk(&w, s, unique);
            msgw_payload(&w, PAYLOAD_Nonce, SPAN(body));
            CHECK_OK(msgw_finish_fragments(&w, &to, &out));
            for (uint8_t *at = out_buf; out.len > 0; n++) {
                struct msg m;
                struct fragment f;
                size_t len = get32(at + 24);
                CHECK(len <= max && len <= out.len);
                CHECK_OK(msg_read(span(at, len), &m));
                CHECK(!memcmp(at, buf, 16) && m.h.id == header.id);
                CHECK_OK(msg_open_fragment(&m, at, s, &f));
                CHECK_EQ(f.number, n + 1);
                CHECK_EQ(f.first, n == 0 ? PAYLOAD_Nonce : PAYLOAD_NONE);
                memcpy(whole + joined, f.content.at, f.content.len);
                joined += f.content.len;
                total = f.total;
                at += len;
                out.len -= len;
            }
            CHECK_EQ(n, total);
            CHECK(n > 1);
            CHECK_EQ(unique, 100 + n);
            struct msg m = {0};
            CHECK_OK(msg_inside(&m, PAYLOAD_Nonce, span(whole, joined)));
            CHECK(span_eq(msg_body(&m, PAYLOAD_Nonce), SPAN(body)));
        }
        sealer_free(s);
    }
}

static void a_message_that_fits_stays_whole(void **state)
{
    (void)state;
    uint8_t buf[512], pieces[1024];
    struct sealer *s = sealer_test(0);
    static const uint8_t body[100] = {1};
    // header 28, SK header 4, IV 8, payload 104, pad length 1, ICV 16
    for (size_t max = 155; max <= 165; max++) {
        uint64_t unique = 1;
        struct msgw w;
        span_t out;
        const struct msgw_pieces to = {pieces, sizeof pieces, max, &unique};
        msgw_start(&w, buf, sizeof buf, &header);
        msgw_begin_sk(&w, s, unique);
        msgw_payload(&w, PAYLOAD_Nonce, SPAN(body));
        CHECK_OK(msgw_finish_fragments(&w, &to, &out));
        CHECK_EQ(unique, max < 161 ? 3 : 1);
        CHECK_EQ(get32(out.at + 24) == out.len, max >= 161);
    }
    sealer_free(s);
}

static void numbers_of_pieces_make_sense(void **state)
{
    (void)state;
    static const uint16_t numbers[][2] = {{0, 0}, {0, 3}, {4, 3}, {65535, 1}};
    struct sealer *s = sealer_test(0);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint8_t buf[256], iv[8], text[64];
        struct msg m;
        struct fragment f;
        wr_t w = wr_into(buf, sizeof buf);
        struct msgw head;
        span_t out;
        msgw_start(&head, buf, sizeof buf, &header);
        CHECK_OK(msgw_finish(&head, &out));
        w.at = buf + IKE_HEADER_LEN;
        buf[16] = PAYLOAD_SKF;
        sealer_iv(s, 9, iv);
        memset(text, 0, sizeof text);
        wr_u32(&w, 8 + 8 + 2 + 16);
        wr_u16(&w, numbers[i][0]);
        wr_u16(&w, numbers[i][1]);
        wr_bytes(&w, SPAN(iv));
        wr_bytes(&w, span(text, 2 + 16));
        put32(buf + 24, (uint32_t)wr_len(&w));
        struct seal_job job = {.head = buf, .head_len = IKE_HEADER_LEN + 8, .text_len = 2};
        sealer_seal(s, &job, 1);
        CHECK_OK(msg_read(wr_span(&w), &m));
        CHECK_EQ(msg_open_fragment(&m, buf, s, &f), ERR_SYNTAX);
        CHECK_EQ(msg_open(&m, buf, s), ERR_NOTFOUND);
    }
    sealer_free(s);
}

static void no_room_for_content_is_an_error(void **state)
{
    (void)state;
    uint8_t buf[512], pieces[600];
    uint64_t unique = 1;
    struct sealer *s = sealer_test(1);
    static const uint8_t body[200] = {1};
    for (size_t max = 0; max < 92; max++) {
        struct msgw w;
        span_t out;
        const struct msgw_pieces to = {pieces, sizeof pieces, max, &unique};
        msgw_start(&w, buf, sizeof buf, &header);
        msgw_begin_sk(&w, s, unique);
        msgw_payload(&w, PAYLOAD_Nonce, SPAN(body));
        CHECK_EQ(msgw_finish_fragments(&w, &to, &out), ERR_SPACE);
    }
    sealer_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_fields),
        cmocka_unit_test(length_must_be_the_datagrams),
        cmocka_unit_test(chain_of_payloads),
        cmocka_unit_test(chains_that_are_malformed),
        cmocka_unit_test(unknown_payloads),
        cmocka_unit_test(too_many_payloads),
        cmocka_unit_test(written_message_reads_back),
        cmocka_unit_test(what_does_not_fit_is_reported_at_the_end),
        cmocka_unit_test(payload_longer_than_its_length_field),
        cmocka_unit_test(sealed_message_opens),
        cmocka_unit_test(padding_is_minimal),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(encrypted_payload_that_is_too_short),
        cmocka_unit_test(authentic_but_malformed_inside),
        cmocka_unit_test(message_without_encrypted_payload),
        cmocka_unit_test(captured_messages_open),
        cmocka_unit_test(pieces_put_together_are_the_message),
        cmocka_unit_test(a_message_that_fits_stays_whole),
        cmocka_unit_test(numbers_of_pieces_make_sense),
        cmocka_unit_test(no_room_for_content_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
