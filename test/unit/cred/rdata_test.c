// Data of IPSECKEY and CERT records: the examples of RFC 4025 3.2, keys as RFC 3110, RFC 6605 6 and
// RFC 8080 6 have them, and what is malformed.
#include "cred/rdata.h"

#include <string.h>

#include "cred/dnssec.h"
#include "test/check.h"
#include "test/unit/cred/mint.h"

#define KEY_4025 "AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==" // RFC 4025 3.2
#define P256_6605 \
    "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA=="
#define P384_6605                                                      \
    "xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1w/egsXvSADtNJhyem5RC" \
    "OpgQ6K8X1DRSEkrbYQ+OB+v8/uX45NBwY8rp65F6Glur8I/mlVNgF6W/qTI37m40"
#define ED25519_8080 "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4="

struct record {
    uint8_t at[2100];
    size_t len;
};

static span_t bytes(const struct record *r)
{
    return span(r->at, r->len);
}

static struct record record_of(uint8_t precedence, uint8_t gateway_type, uint8_t algorithm)
{
    return (struct record){.at = {precedence, gateway_type, algorithm}, .len = 3};
}

static void add(struct record *r, const void *at, size_t len)
{
    CHECK(r->len + len <= sizeof r->at);
    memcpy(r->at + r->len, at, len);
    r->len += len;
}

static void add_base64(struct record *r, const char *text)
{
    uint8_t out[128];
    size_t n = strlen(text), padding = strcspn(text, "=");
    int len = EVP_DecodeBlock(out, (const uint8_t *)text, (int)n);
    CHECK(len > 0);
    add(r, out, (size_t)len - (n - padding));
}

static struct pubkey *key_of(uint8_t algorithm, const char *base64)
{
    struct record r = record_of(1, 0, algorithm);
    struct ipseckey k;
    struct pubkey *key = NULL;
    struct why why = {""};
    add_base64(&r, base64);
    CHECK_OK(ipseckey_read(bytes(&r), &k));
    if (ipseckey_pubkey(&k, &key, &why) != ERR_OK) CHECK(why.text[0]);
    return key;
}

// ---- RFC 4025 3.2 ------------------------------------------------------------------------------

static void every_gateway_is_read(void **state)
{
    static const struct {
        uint8_t type;
        uint8_t bytes[24];
        size_t len;
    } gateways[] = {
        {IPSECKEY_GATEWAY_IP4, {192, 0, 2, 38}, 4},
        {IPSECKEY_GATEWAY_NONE, {0}, 0},
        {IPSECKEY_GATEWAY_NAME, "\011mygateway\007example\003com", 23},
        {IPSECKEY_GATEWAY_NAME, "", 1}, // the root
        {IPSECKEY_GATEWAY_IP6,
         {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0x80, 0x02, 0, 0, 0, 0, 0x20, 0, 0, 1},
         16},
    };
    (void)state;
    for (size_t i = 0; i < sizeof gateways / sizeof *gateways; i++) {
        struct record r = record_of(10, gateways[i].type, IPSECKEY_RSA);
        struct ipseckey k;
        add(&r, gateways[i].bytes, gateways[i].len);
        add_base64(&r, KEY_4025);
        CHECK_OK(ipseckey_read(bytes(&r), &k));
        CHECK_EQ(k.precedence, 10);
        CHECK_EQ(k.algorithm, IPSECKEY_RSA);
        CHECK(span_eq(k.gateway, span(gateways[i].bytes, gateways[i].len)));
        CHECK_EQ(k.key.len, 34);
        CHECK_EQ(k.key.at[0], 1); // the exponent's length, and the exponent
        CHECK_EQ(k.key.at[1], 3);
        // Its modulus has 248 bits: an example, and nothing that anybody should believe.
        struct pubkey *key = NULL;
        struct why why = {""};
        CHECK_EQ(ipseckey_pubkey(&k, &key, &why), ERR_RANGE);
        CHECK(why.text[0]);
    }
}

static void what_is_malformed_is_refused(void **state)
{
    (void)state;
    struct ipseckey k;
    struct record good = record_of(10, IPSECKEY_GATEWAY_NAME, IPSECKEY_RSA), r;
    add(&good, "\003gw1\007example", 13);
    size_t name_end = good.len;
    add_base64(&good, KEY_4025);
    CHECK_OK(ipseckey_read(bytes(&good), &k));
    for (size_t len = 0; len < name_end; len++)
        CHECK_EQ(ipseckey_read(span(good.at, len), &k), ERR_SHORT);
    CHECK_EQ(ipseckey_read(span(good.at, name_end), &k), ERR_SYNTAX); // a kind, and no key
    r = good;
    r.at[3] = 0xc0; // compressed
    CHECK_EQ(ipseckey_read(bytes(&r), &k), ERR_SYNTAX);
    r = good;
    r.at[1] = 4;
    CHECK_EQ(ipseckey_read(bytes(&r), &k), ERR_UNSUPPORTED);
    r = record_of(1, IPSECKEY_GATEWAY_NONE, IPSECKEY_NONE);
    CHECK_OK(ipseckey_read(bytes(&r), &k));
    CHECK_EQ(ipseckey_pubkey(&k, &(struct pubkey *){NULL}, NULL), ERR_UNSUPPORTED);
    add(&r, "x", 1); // no kind, and a key
    CHECK_EQ(ipseckey_read(bytes(&r), &k), ERR_SYNTAX);
    r = record_of(1, IPSECKEY_GATEWAY_NAME, IPSECKEY_RSA);
    for (unsigned i = 0; i < 5; i++) {
        uint8_t label[64] = {63};
        add(&r, label, sizeof label);
    }
    CHECK_EQ(ipseckey_read(bytes(&r), &k), ERR_SYNTAX); // longer than a name may be
}

// ---- keys --------------------------------------------------------------------------------------

static void keys_of_dnssec_are_read(void **state)
{
    static const struct {
        uint8_t algorithm;
        const char *base64, *shown;
    } good[] = {
        {IPSECKEY_ECDSA, P256_6605, "ECDSA secp256r1"},
        {IPSECKEY_ECDSA, P384_6605, "ECDSA secp384r1"},
        {IPSECKEY_EDDSA, ED25519_8080, "Ed25519"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[PUBKEY_TEXT_MAX];
        struct pubkey *k = key_of(good[i].algorithm, good[i].base64);
        CHECK(k != NULL);
        CHECK_STR(pubkey_show(k, text), good[i].shown);
        pubkey_free(k);
    }
    CHECK(!key_of(IPSECKEY_ECDSA, ED25519_8080)); // 32 bytes are no point
    CHECK(!key_of(IPSECKEY_EDDSA, P256_6605));
    CHECK(!key_of(IPSECKEY_DSA, P256_6605));
    CHECK(!key_of(77, P256_6605));
    char spoilt[] = P256_6605;
    spoilt[7] ^= 1; // not on the curve
    CHECK(!key_of(IPSECKEY_ECDSA, spoilt));
}

static size_t number_of(EVP_PKEY *key, const char *name, uint8_t out[512])
{
    BIGNUM *n = NULL;
    CHECK(EVP_PKEY_get_bn_param(key, name, &n));
    int len = BN_bn2bin(n, out);
    BN_free(n);
    return (size_t)len;
}

// rfc3110 2: either form of the length, any exponent; and nothing else
static void rsa_keys_are_read(void **state)
{
    (void)state;
    EVP_PKEY *made = mint_key("RSA");
    uint8_t n[512], e[512], spki[600], *at = spki;
    size_t n_len = number_of(made, "n", n);
    size_t e_len = number_of(made, "e", e);
    int spki_len = i2d_PUBKEY(made, &at);
    for (unsigned form = 0; form < 6; form++) {
        struct record r = record_of(1, 0, IPSECKEY_RSA);
        uint8_t brief[] = {(uint8_t)e_len}, wide[] = {0, 0, (uint8_t)e_len};
        struct ipseckey k;
        struct pubkey *key = NULL;
        if (form == 1) add(&r, wide, 3);
        if (form != 1) add(&r, brief, 1);
        if (form == 2) r.at[3] = 255;             // longer than all of it
        if (form == 3) r.at[3]++, add(&r, "", 1); // an exponent that begins with zero
        add(&r, e, e_len);
        if (form == 4) add(&r, "", 1);    // a modulus that does
        if (form != 5) add(&r, n, n_len); // 5: none
        CHECK_OK(ipseckey_read(bytes(&r), &k));
        err_t err = ipseckey_pubkey(&k, &key, NULL);
        CHECK_EQ(err == ERR_OK, form < 2);
        if (err != ERR_OK) continue;
        CHECK(span_eq(pubkey_spki(key), span(spki, (size_t)spki_len)));
        pubkey_free(key);
    }
    EVP_PKEY_free(made);
}

static void huge_rsa_keys_are_refused(void **state)
{
    (void)state;
    static uint8_t data[65000];
    struct pubkey *key = NULL;
    memset(data, 0x55, sizeof data);
    data[0] = 1;
    struct ipseckey k = {.algorithm = IPSECKEY_RSA, .key = SPAN(data)};
    CHECK_EQ(ipseckey_pubkey(&k, &key, NULL), ERR_RANGE);
    data[0] = 9; // an exponent of 72 bits
    k.key.len = 300;
    CHECK_EQ(ipseckey_pubkey(&k, &key, NULL), ERR_RANGE);
}

// ---- CERT --------------------------------------------------------------------------------------

static void certificates_are_found(void **state)
{
    (void)state;
    static const uint8_t data[] = {0, 1, 0x30, 0x39, 8, 0xaa, 0xbb};
    struct cert_rr rr;
    CHECK_OK(cert_rr_read(SPAN(data), &rr));
    CHECK_EQ(rr.type, CERT_RR_PKIX);
    CHECK_EQ(rr.key_tag, 12345);
    CHECK_EQ(rr.algorithm, 8);
    CHECK(span_eq(rr.data, span(data + 5, 2)));
    for (size_t len = 0; len < 5; len++) CHECK_EQ(cert_rr_read(span(data, len), &rr), ERR_SHORT);
    CHECK_EQ(cert_rr_read(span(data, 5), &rr), ERR_SYNTAX);
}

// ---- names and the resolver --------------------------------------------------------------------

static void only_names_of_hosts_are_asked_for(void **state)
{
    (void)state;
    char long_name[300] = "", label[80] = "";
    CHECK(dnssec_can_ask("moon.example.org"));
    CHECK(dnssec_can_ask("_vpn-1.example.org"));
    CHECK(dnssec_can_ask("moon"));
    static const char *const bad[] = {
        "",    ".",      "moon.",   ".moon",       "a..b",         "*.example.org",
        "a b", "moon\n", "moon/..", "m\xc3\xb6nd", "a@example.org"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(!dnssec_can_ask(bad[i]));
    memset(label, 'a', sizeof label);
    label[64] = 0;
    CHECK(!dnssec_can_ask(label));
    label[63] = 0;
    CHECK(dnssec_can_ask(label));
    for (size_t i = 0; i < sizeof long_name; i++) long_name[i] = i % 2 ? '.' : 'a';
    long_name[255] = 0;
    CHECK(!dnssec_can_ask(long_name));
    long_name[253] = 0;
    CHECK(dnssec_can_ask(long_name));
}

static void a_resolver_without_its_files_says_so(void **state)
{
    (void)state;
    struct dnssec *d = NULL;
    struct dnssec_answer a;
    struct why why = {""};
    CHECK_OK(dnssec_new("/nowhere/resolv.conf", "/nowhere/anchors", &d));
    CHECK_EQ(dnssec_ask(d, "moon.example.org", RDATA_IPSECKEY, &a, &why), ERR_SYSTEM);
    CHECK(strstr(why.text, "/nowhere/resolv.conf") != NULL);
    dnssec_free(d);
    CHECK_OK(dnssec_new("/dev/null", "/nowhere/anchors", &d));
    for (unsigned i = 0; i < 2; i++) { // and again with the next question
        CHECK_EQ(dnssec_ask(d, "moon.example.org", RDATA_IPSECKEY, &a, &why), ERR_SYSTEM);
        CHECK(strstr(why.text, "/nowhere/anchors") != NULL);
    }
    dnssec_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_gateway_is_read),
        cmocka_unit_test(what_is_malformed_is_refused),
        cmocka_unit_test(keys_of_dnssec_are_read),
        cmocka_unit_test(rsa_keys_are_read),
        cmocka_unit_test(huge_rsa_keys_are_refused),
        cmocka_unit_test(certificates_are_found),
        cmocka_unit_test(only_names_of_hosts_are_asked_for),
        cmocka_unit_test(a_resolver_without_its_files_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
