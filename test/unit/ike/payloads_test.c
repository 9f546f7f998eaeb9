// The small payloads: bytes as the RFC draws them, read and written back.
#include "ike/codec/payloads.h"

#include "ike/codec/msg.h"
#include "ike/codec/proposal.h"
#include "test/unit/ike/hex.h"

static uint8_t out[4096];
#define WRITTEN(call)                      \
    ({                                     \
        wr_t w = wr_into(out, sizeof out); \
        call;                              \
        CHECK_OK(wr_done(&w));             \
        wr_span(&w);                       \
    })

static void ke_is_read_and_written(void **state)
{
    (void)state;
    struct kex k;
    CHECK_OK(kex_read(HEX("001f ffff 0102030405"), &k)); // RESERVED may be anything
    CHECK_EQ(k.method, 31);
    CHECK_SPAN(k.data, HEX("0102030405"));
    CHECK_SPAN(WRITTEN(kex_write(&w, &k)), HEX("001f 0000 0102030405"));
}

static void ke_needs_a_value(void **state)
{
    (void)state;
    struct kex k;
    CHECK_EQ(kex_read(HEX("001f0000"), &k), ERR_SYNTAX);
    CHECK_EQ(kex_read(HEX("001f00"), &k), ERR_SHORT);
    CHECK_EQ(kex_read(span(NULL, 0), &k), ERR_SHORT);
}

static void id_is_read_and_written(void **state)
{
    (void)state;
    struct id id;
    CHECK_OK(ident_read(HEX("02 aabbcc 6d6f6f6e2e6f7267"), &id));
    CHECK_EQ(id.type, ID_FQDN);
    CHECK_SPAN(span(id.data, id.len), span_str("moon.org"));
    CHECK_SPAN(WRITTEN(ident_write(&w, &id)), HEX("02 000000 6d6f6f6e2e6f7267"));
    CHECK_OK(ident_read(HEX("01 000000 c0a80001"), &id));
    CHECK_SPAN(WRITTEN(ident_write(&w, &id)), HEX("01 000000 c0a80001"));
}

static void id_of_the_wrong_size_is_refused(void **state)
{
    (void)state;
    struct id id;
    CHECK_EQ(ident_read(HEX("010000"), &id), ERR_SHORT);
    CHECK(ident_read(HEX("01000000 c0a800"), &id) != ERR_OK); // an IPv4 address of three bytes
    uint8_t long_id[4 + ID_MAX + 1] = {ID_KEY_ID};
    CHECK(ident_read(SPAN(long_id), &id) != ERR_OK);
}

static void auth_is_read_and_written(void **state)
{
    (void)state;
    struct authp a;
    CHECK_OK(authp_read(HEX("02 ffffff a1a2a3"), &a));
    CHECK_EQ(a.method, AUTH_PSK);
    CHECK_SPAN(a.data, HEX("a1a2a3"));
    CHECK_SPAN(WRITTEN(authp_write(&w, &a)), HEX("02 000000 a1a2a3"));
    CHECK_EQ(authp_read(HEX("02000000"), &a), ERR_SYNTAX);
    CHECK_EQ(authp_read(HEX("0200"), &a), ERR_SHORT);
}

static void a_digital_signature_names_its_algorithm(void **state)
{
    (void)state;
    struct authp_signature s;
    CHECK_OK(authp_signature_read(HEX("03 300102 aabb"), &s));
    CHECK_SPAN(s.algorithm, HEX("300102"));
    CHECK_SPAN(s.value, HEX("aabb"));
    CHECK_SPAN(WRITTEN(authp_signature_write(&w, &s)), HEX("03 300102 aabb"));
    CHECK_EQ(authp_signature_read(HEX("00 aabb"), &s), ERR_SYNTAX);
    CHECK_EQ(authp_signature_read(HEX("03 300102"), &s), ERR_SYNTAX);
    CHECK_EQ(authp_signature_read(HEX("04 300102"), &s), ERR_SHORT);
    CHECK_EQ(authp_signature_read(span(NULL, 0), &s), ERR_SHORT);
}

static void cert_is_read_and_written(void **state)
{
    (void)state;
    struct certp c;
    CHECK_OK(certp_read(HEX("04 3000"), &c));
    CHECK_EQ(c.encoding, CERT_X509);
    CHECK_SPAN(c.data, HEX("3000"));
    CHECK_SPAN(WRITTEN(certp_write(&w, &c)), HEX("04 3000"));
    CHECK_EQ(certp_read(HEX("04"), &c), ERR_SYNTAX);
    CHECK_EQ(certp_read(span(NULL, 0), &c), ERR_SHORT);
}

#define HASH "000102030405060708090a0b0c0d0e0f10111213"

static void a_url_is_of_http_and_nothing_else(void **state)
{
    (void)state;
    struct certp_url u;
    CHECK_OK(certp_url_read(HEX(HASH "687474703a2f2f61"), &u)); // http://a
    CHECK_SPAN(u.url, span_str("http://a"));
    CHECK_SPAN(u.hash, HEX(HASH));
    CHECK_EQ(certp_url_read(HEX(HASH "687474703a2f2f"), &u), ERR_SYNTAX);         // http://
    CHECK_EQ(certp_url_read(HEX(HASH "66696c653a2f2f2f61"), &u), ERR_SYNTAX);     // file:///a
    CHECK_EQ(certp_url_read(HEX(HASH "687474703a2f2f610d0a62"), &u), ERR_SYNTAX); // a line's end
    CHECK_EQ(certp_url_read(HEX(HASH "687474703a2f2f6100"), &u), ERR_SYNTAX);
    CHECK_EQ(certp_url_read(HEX("0001"), &u), ERR_SHORT);
    uint8_t longest[KEY_HASH_LEN + CERT_URL_MAX + 1];
    memset(longest, 'a', sizeof longest);
    memcpy(longest + KEY_HASH_LEN, "http://", 7);
    CHECK_OK(certp_url_read(span(longest, sizeof longest - 1), &u));
    CHECK_EQ(certp_url_read(SPAN(longest), &u), ERR_LIMIT);
}

static void certreq_lists_authorities(void **state)
{
    (void)state;
    struct certreq c;
    uint8_t other[KEY_HASH_LEN] = {1};
    CHECK_OK(certreq_read(HEX("04" HASH "ffffffffffffffffffffffffffffffffffffffff"), &c));
    CHECK_EQ(c.keys.len, 40);
    CHECK(certreq_has(&c, c.keys.at));
    CHECK(certreq_has(&c, c.keys.at + 20));
    CHECK(!certreq_has(&c, other));
    CHECK_SPAN(WRITTEN(certreq_write(&w, &c)),
               HEX("04" HASH "ffffffffffffffffffffffffffffffffffffffff"));
    CHECK_EQ(certreq_read(HEX("04" HASH "ff"), &c), ERR_SYNTAX);
    CHECK_OK(certreq_read(HEX("04"), &c)); // any authority
    CHECK_OK(certreq_read(HEX("0f"), &c)); // a raw key
    CHECK_OK(certreq_read(HEX("0e"), &c)); // an OCSP answer (RFC 4806), whoever signs it
    CHECK_OK(certreq_read(HEX("0e" HASH), &c));
    CHECK(certreq_has(&c, c.keys.at));
    CHECK_EQ(certreq_read(HEX("0e" HASH "ff"), &c), ERR_SYNTAX);
    CHECK_EQ(certreq_read(span(NULL, 0), &c), ERR_SHORT);
    static uint8_t many[1 + KEY_HASH_LEN * (CERTREQ_KEYS_MAX + 1)] = {CERT_X509};
    CHECK_OK(certreq_read(span(many, sizeof many - KEY_HASH_LEN), &c));
    CHECK_EQ(certreq_read(SPAN(many), &c), ERR_LIMIT);
}

static void nonce_has_its_limits(void **state)
{
    (void)state;
    uint8_t bytes[NONCE_MAX + 1] = {0};
    span_t n;
    CHECK_EQ(nonce_read(span(bytes, NONCE_MIN - 1), &n), ERR_SYNTAX);
    CHECK_OK(nonce_read(span(bytes, NONCE_MIN), &n));
    CHECK_OK(nonce_read(span(bytes, NONCE_MAX), &n));
    CHECK_EQ(n.len, NONCE_MAX);
    CHECK_EQ(nonce_read(span(bytes, NONCE_MAX + 1), &n), ERR_SYNTAX);
}

static void notify_with_each_spi_size(void **state)
{
    (void)state;
    static const char *const wire[] = {"00 00 4000", "03 04 4009 c1c2c3c4",
                                       "01 08 0004 0102030405060708 0909"};
    static const uint64_t spi[] = {0, 0xc1c2c3c4, 0x0102030405060708};
    for (unsigned i = 0; i < 3; i++) {
        struct notify n;
        span_t body = HEX(wire[i]);
        CHECK_OK(notify_read(body, &n));
        CHECK(n.spi == spi[i]);
        CHECK_SPAN(WRITTEN(notify_write(&w, &n)), body);
    }
}

static void notify_with_another_spi_size_is_refused(void **state)
{
    (void)state;
    struct notify n;
    CHECK_EQ(notify_read(HEX("03 03 4009 c1c2c3"), &n), ERR_SYNTAX);
    CHECK_EQ(notify_read(HEX("03 04 4009 c1c2c3"), &n), ERR_SHORT);
    CHECK_EQ(notify_read(HEX("03 ff 4009"), &n), ERR_SYNTAX);
    CHECK_EQ(notify_read(HEX("030440"), &n), ERR_SHORT);
}

static void notify_names(void **state)
{
    (void)state;
    char buf[40];
    CHECK_STR(notify_name(14, buf), "NO_PROPOSAL_CHOSEN");
    CHECK_STR(notify_name(16431, buf), "SIGNATURE_HASH_ALGORITHMS");
    CHECK_STR(notify_name(12345, buf), "notify 12345");
}

static void notify_is_found_among_others(void **state)
{
    (void)state;
    struct msg m = {.n = 4};
    struct notify n;
    m.payload[0] = (struct payload){.type = PAYLOAD_N, .body = HEX("0000")}; // malformed: skipped
    m.payload[1] = (struct payload){.type = PAYLOAD_V, .body = HEX("00004007")};
    m.payload[2] = (struct payload){.type = PAYLOAD_N, .body = HEX("00004006 cc")};
    m.payload[3] = (struct payload){.type = PAYLOAD_N, .body = HEX("0000000e")};
    CHECK_OK(notify_find(&m, N_COOKIE, &n));
    CHECK_SPAN(n.data, HEX("cc"));
    CHECK_EQ(notify_find(&m, N_USE_TRANSPORT_MODE, &n), ERR_NOTFOUND);
    CHECK_OK(notify_find_error(&m, &n));
    CHECK_EQ(n.type, N_NO_PROPOSAL_CHOSEN);
    m.n = 3;
    CHECK_EQ(notify_find_error(&m, &n), ERR_NOTFOUND);
}

static void delete_of_children_and_of_the_ike_sa(void **state)
{
    (void)state;
    struct delete_payload d;
    CHECK_OK(delete_read(HEX("03 04 0002 c1c2c3c4 d1d2d3d4"), &d));
    CHECK_EQ(d.n, 2);
    CHECK_EQ(d.spi[1], 0xd1d2d3d4);
    CHECK_SPAN(WRITTEN(delete_write(&w, &d)), HEX("03 04 0002 c1c2c3c4 d1d2d3d4"));
    CHECK_OK(delete_read(HEX("01 00 0000"), &d));
    CHECK_EQ(d.protocol, PROTO_IKE);
    CHECK_SPAN(WRITTEN(delete_write(&w, &d)), HEX("01 00 0000"));
}

static void delete_that_contradicts_itself(void **state)
{
    (void)state;
    struct delete_payload d;
    CHECK_EQ(delete_read(HEX("03 04 0002 c1c2c3c4"), &d), ERR_SYNTAX);          // one too few
    CHECK_EQ(delete_read(HEX("03 04 0001 c1c2c3c4 d1d2d3d4"), &d), ERR_SYNTAX); // one too many
    CHECK_EQ(delete_read(HEX("01 08 0001 0102030405060708"), &d), ERR_SYNTAX);  // IKE with an SPI
    CHECK_EQ(delete_read(HEX("01 00 ffff"), &d), ERR_SYNTAX);
    CHECK_EQ(delete_read(HEX("03 00 ffff"), &d), ERR_SYNTAX);
    CHECK_EQ(delete_read(HEX("09 04 0000"), &d), ERR_SYNTAX); // no such protocol
    CHECK_EQ(delete_read(HEX("0304"), &d), ERR_SHORT);
}

static void delete_of_too_many(void **state)
{
    (void)state;
    struct delete_payload d;
    uint8_t body[4 + 4 * (DELETE_SPIS_MAX + 1)] = {3, 4, 1, 0};
    CHECK_OK(delete_read(span(body, sizeof body - 4), &d));
    CHECK_EQ(d.n, DELETE_SPIS_MAX);
    body[3] = 1;
    CHECK_EQ(delete_read(SPAN(body), &d), ERR_LIMIT);
}

static void cp_is_read_and_written(void **state)
{
    (void)state;
    static struct cp c;
    CHECK_OK(cp_read(HEX("01 ffffff 8001 0000 0003 0004 0a010035"), &c)); // reserved bits set
    CHECK_EQ(c.type, CFG_REQUEST);
    CHECK_EQ(c.n, 2);
    CHECK_EQ(c.attr[0].type, CP_IP4_ADDRESS);
    CHECK_EQ(c.attr[0].value.len, 0);
    CHECK_SPAN(WRITTEN(cp_write(&w, &c)), HEX("01 000000 0001 0000 0003 0004 0a010035"));
    CHECK_EQ(cp_read(HEX("01000000 0001 0005 0a0301"), &c), ERR_SHORT);
    CHECK_EQ(cp_read(HEX("01000000 00"), &c), ERR_SHORT);
    CHECK_EQ(cp_read(HEX("0100"), &c), ERR_SHORT);
    uint8_t many[4 + 4 * (CP_ATTRS_MAX + 1)] = {CFG_REQUEST};
    CHECK_OK(cp_read(span(many, sizeof many - 4), &c));
    CHECK_EQ(c.n, CP_ATTRS_MAX);
    CHECK_EQ(cp_read(SPAN(many), &c), ERR_LIMIT);
}

static void cp_values_are_checked(void **state)
{
    (void)state;
    ip_t ip;
    prefix_t net;
    char text[PREFIX_TEXT_MAX];
    struct cp_attr a = {CP_IP4_ADDRESS, HEX("0a030001")};
    CHECK_OK(cp_addr(&a, &ip));
    CHECK_STR(ip_show(&ip, text), "10.3.0.1");
    a.type = CP_IP6_DNS; // four bytes are no IPv6 address
    CHECK_EQ(cp_addr(&a, &ip), ERR_SYNTAX);
    a = (struct cp_attr){CP_IP6_ADDRESS, HEX("20010db8000000000000000000000001 40")};
    CHECK_OK(cp_addr(&a, &ip));
    CHECK_STR(ip_show(&ip, text), "2001:db8::1");
    a.value = HEX("20010db8000000000000000000000001 81");
    CHECK_EQ(cp_addr(&a, &ip), ERR_SYNTAX);
    a.value = HEX("");
    CHECK_EQ(cp_addr(&a, &ip), ERR_SYNTAX);
    a = (struct cp_attr){CP_IP4_SUBNET, HEX("0a010000 ffff0000")};
    CHECK_OK(cp_net(&a, &net));
    CHECK_STR(prefix_show(&net, text), "10.1.0.0/16");
    a.value = HEX("00000000 00000000");
    CHECK_OK(cp_net(&a, &net));
    CHECK_EQ(net.len, 0);
    a.value = HEX("0a010000 ff00ff00");
    CHECK_EQ(cp_net(&a, &net), ERR_SYNTAX);
    a = (struct cp_attr){CP_IP6_SUBNET, HEX("20010db8000000000000000000000000 20")};
    CHECK_OK(cp_net(&a, &net));
    CHECK_STR(prefix_show(&net, text), "2001:db8::/32");
}

// A name goes into the resolver's configuration: nothing may hide in it.
static void cp_domain_is_a_name_and_no_more(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     ".",
                                      "a..b", ".a",
                                      "a b",  "a\nnameserver 6.6.6.6",
                                      "a#b",  "../etc",
                                      "a;b",  "caf\xc3\xa9.example"};
    char name[CP_DOMAIN_MAX], label[65];
    struct cp_attr a = {CP_DNS_DOMAIN, span_str("corp.example.")};
    CHECK_OK(cp_domain(&a, name));
    CHECK_STR(name, "corp.example");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        a.value = span_str(bad[i]);
        CHECK_EQ(cp_domain(&a, name), ERR_SYNTAX);
    }
    memset(label, 'a', 64);
    a.value = span(label, 64);
    CHECK_EQ(cp_domain(&a, name), ERR_SYNTAX);
    a.value = span(label, 63);
    CHECK_OK(cp_domain(&a, name));
    a.value = HEX("6100");
    CHECK_EQ(cp_domain(&a, name), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ke_is_read_and_written),
        cmocka_unit_test(ke_needs_a_value),
        cmocka_unit_test(id_is_read_and_written),
        cmocka_unit_test(id_of_the_wrong_size_is_refused),
        cmocka_unit_test(auth_is_read_and_written),
        cmocka_unit_test(a_digital_signature_names_its_algorithm),
        cmocka_unit_test(cert_is_read_and_written),
        cmocka_unit_test(a_url_is_of_http_and_nothing_else),
        cmocka_unit_test(certreq_lists_authorities),
        cmocka_unit_test(nonce_has_its_limits),
        cmocka_unit_test(cp_is_read_and_written),
        cmocka_unit_test(cp_values_are_checked),
        cmocka_unit_test(cp_domain_is_a_name_and_no_more),
        cmocka_unit_test(notify_with_each_spi_size),
        cmocka_unit_test(notify_with_another_spi_size_is_refused),
        cmocka_unit_test(notify_names),
        cmocka_unit_test(notify_is_found_among_others),
        cmocka_unit_test(delete_of_children_and_of_the_ike_sa),
        cmocka_unit_test(delete_that_contradicts_itself),
        cmocka_unit_test(delete_of_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
