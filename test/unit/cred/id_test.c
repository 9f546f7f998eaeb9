#include "cred/id.h"

#include <string.h>

#include "base/text.h"
#include "test/check.h"

static struct id id(const char *text)
{
    struct id out;
    struct why why = {""};
    if (id_parse(text, &out, &why) != ERR_OK) print_error("%s: %s\n", text, why.text);
    CHECK_OK(id_parse(text, &out, &why));
    return out;
}

static void text_becomes_type_and_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned type;
        const char *hex;
    } want[] = {
        {"10.0.0.1", ID_IPV4_ADDR, "0a000001"},
        {"2001:db8::1", ID_IPV6_ADDR, "20010db8000000000000000000000001"},
        {"moon.example.org", ID_FQDN, "6d6f6f6e2e6578616d706c652e6f7267"},
        {"moon", ID_FQDN, "6d6f6f6e"},
        {"@10.0.0.1", ID_FQDN, "31302e302e302e31"},
        {"a@b", ID_RFC822_ADDR, "614062"},
        {"@@a@b", ID_RFC822_ADDR, "614062"},
        {"@@ab", ID_RFC822_ADDR, "6162"},
        {"@#00ff10", ID_KEY_ID, "00ff10"},
        {"keyid:#00FF10", ID_KEY_ID, "00ff10"},
        {"keyid:0x00", ID_KEY_ID, "30783030"},
        {"keyid:a=b", ID_KEY_ID, "613d62"},
        {"fqdn:a@b", ID_FQDN, "614062"},
        {"dns:ab", ID_FQDN, "6162"},
        {"email:ab", ID_RFC822_ADDR, "6162"},
        {"rfc822:ab", ID_RFC822_ADDR, "6162"},
        {"userfqdn:ab", ID_RFC822_ADDR, "6162"},
        {"ipv4:10.0.0.1", ID_IPV4_ADDR, "0a000001"},
        {"ipv4:#0a000001", ID_IPV4_ADDR, "0a000001"},
        {"ipv6:::1", ID_IPV6_ADDR, "00000000000000000000000000000001"},
        {"not:an:address", ID_KEY_ID, "6e6f743a616e3a61646472657373"},
        {"C=CH", ID_DER_ASN1_DN, "300d310b3009060355040613024348"},
        {"/C=CH", ID_DER_ASN1_DN, "300d310b3009060355040613024348"},
        {"asn1dn:C=CH", ID_DER_ASN1_DN, "300d310b3009060355040613024348"},
        {"asn1dn:#300d310b3009060355040613024348", ID_DER_ASN1_DN,
         "300d310b3009060355040613024348"},
        {"%any", ID_ANY, ""},
        {"%any6", ID_ANY, ""},
        {"*", ID_ANY, ""},
        {"", ID_ANY, ""},
        {"0.0.0.0", ID_ANY, ""},
        {"::", ID_ANY, ""},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct id got = id(want[i].text);
        AUTO(text) struct text hex = {0};
        text_hex(&hex, span(got.data, got.len));
        CHECK_EQ(got.type, want[i].type);
        CHECK_STR(text_str(&hex), want[i].hex);
    }
}

static void mistakes_are_explained(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        err_t error;
        const char *says;
    } want[] = {
        {"@", ERR_SYNTAX, "empty"},
        {"@@", ERR_SYNTAX, "empty"},
        {"@#", ERR_SYNTAX, "ID_KEY_ID"},
        {"keyid:", ERR_SYNTAX, "empty"},
        {"@#123", ERR_SYNTAX, "hex"},
        {"@#zz", ERR_SYNTAX, "hex"},
        {"ipv4:moon", ERR_SYNTAX, "IPv4"},
        {"ipv4:::1", ERR_SYNTAX, "IPv4"},
        {"ipv4:#0a0000", ERR_SYNTAX, "ID_IPV4_ADDR"},
        {"ipv6:10.0.0.1", ERR_SYNTAX, "IPv6"},
        {"10.0.0.0/8", ERR_UNSUPPORTED, "network"},
        {"moon\nsun", ERR_SYNTAX, "control"},
        {"fqdn:#6d0a", ERR_SYNTAX, "ID_FQDN"},
        {"XX=moon", ERR_SYNTAX, "XX"},
        {"CN=", ERR_SYNTAX, "CN"},
        {"CN=\"moon", ERR_SYNTAX, "CN"},
        {"CN=\"moon\" sun", ERR_SYNTAX, "CN"},
        {"C=CH,", ERR_SYNTAX, "attribute"},
        {"C=CH, moon", ERR_SYNTAX, "attribute"},
        {"asn1dn:#3000ff", ERR_SYNTAX, "ID_DER_ASN1_DN"},
        {"asn1gn:moon", ERR_SYNTAX, "hex"},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct id out;
        struct why why = {""};
        CHECK_EQ(id_parse(want[i].text, &out, &why), want[i].error);
        if (!strstr(why.text, want[i].says)) print_error("%s: %s\n", want[i].text, why.text);
        CHECK(strstr(why.text, want[i].says) != NULL);
    }
}

static void too_long_is_refused(void **state)
{
    (void)state;
    struct id out;
    char name[2 * ID_MAX + 9];
    memset(name, 'a', sizeof name);
    name[ID_MAX] = 0;
    CHECK_OK(id_parse(name, &out, NULL));
    CHECK_EQ(out.len, ID_MAX);
    name[ID_MAX] = 'a';
    name[ID_MAX + 1] = 0;
    CHECK_EQ(id_parse(name, &out, NULL), ERR_SPACE);
    memcpy(name, "CN=", 3);
    CHECK_EQ(id_parse(name, &out, NULL), ERR_SPACE);
    name[sizeof name - 1] = 0;
    memset(name, 'a', sizeof name - 1);
    memcpy(name, "@#", 2);
    CHECK_EQ(id_parse(name, &out, NULL), ERR_SPACE);
    static const uint8_t wire[ID_MAX + 1];
    CHECK_EQ(id_from_wire(ID_KEY_ID, SPAN(wire), &out), ERR_SPACE);
    CHECK_EQ(id_from_wire(ID_DER_ASN1_DN, SPAN(wire), &out), ERR_SPACE);
}

static void the_wire_is_checked(void **state)
{
    (void)state;
    struct id out = {0};
    CHECK_EQ(id_from_wire(ID_IPV4_ADDR, span("abc", 3), &out), ERR_SYNTAX);
    CHECK_EQ(id_from_wire(ID_IPV4_ADDR, span("abcde", 5), &out), ERR_SYNTAX);
    CHECK_EQ(id_from_wire(ID_IPV6_ADDR, span("abcd", 4), &out), ERR_SYNTAX);
    CHECK_EQ(id_from_wire(ID_FQDN, span("a\0b", 3), &out), ERR_SYNTAX);
    CHECK_EQ(id_from_wire(ID_RFC822_ADDR, span("a@b\r", 4), &out), ERR_SYNTAX);
    CHECK_EQ(id_from_wire(ID_FQDN, span("", 0), &out), ERR_SYNTAX);
    CHECK_EQ(id_from_wire(ID_KEY_ID, span("", 0), &out), ERR_SYNTAX);
    CHECK_EQ(id_from_wire(ID_DER_ASN1_DN, span("\x30\x05moon", 6), &out), ERR_SYNTAX);
    CHECK_EQ(id_from_wire(ID_ANY, span("a", 1), &out), ERR_UNSUPPORTED);
    CHECK_EQ(id_from_wire(12, span("a", 1), &out), ERR_UNSUPPORTED);
    CHECK_EQ(id_from_wire(ID_NULL, span("a", 1), &out), ERR_SYNTAX);
    CHECK_OK(id_from_wire(ID_NULL, span("", 0), &out));
    CHECK(out.type == ID_NULL && out.len == 0);
    CHECK_OK(id_from_wire(ID_FQDN, span("moon", 4), &out));
    struct id moon = id("moon");
    CHECK(id_eq(&out, &moon));
}

static unsigned match(const char *pattern, const char *wire)
{
    struct id p = id(pattern), w = id(wire);
    return id_match(&p, &w);
}

static void patterns_match_by_strongswans_rules(void **state)
{
    (void)state;
    CHECK_EQ(match("%any", "moon"), 1);
    CHECK_EQ(match("%any", "%any"), 1);
    CHECK_EQ(match("moon", "%any"), 0);
    CHECK_EQ(match("moon.example.org", "MOON.Example.org"), 3);
    CHECK_EQ(match("*.example.org", "moon.example.org"), 2);
    CHECK_EQ(match("*.example.org", "a.b.EXAMPLE.org"), 2);
    CHECK_EQ(match("*.example.org", "example.org"), 0);
    CHECK_EQ(match("*.example.org", ".example.org"), 0);
    CHECK_EQ(match("*.example.org", "moon.example.com"), 0);
    CHECK_EQ(match("*.example.org", "@@moon.example.org"), 0);
    CHECK_EQ(match("moon.example.org", "*.example.org"), 0);
    CHECK_EQ(match("*@example.org", "alice@example.org"), 2);
    CHECK_EQ(match("*@example.org", "alice@Example.ORG"), 2);
    CHECK_EQ(match("*@example.org", "alice@evil.example.org"), 0);
    CHECK_EQ(match("*@example.org", "alice@example.com"), 0);
    CHECK_EQ(match("alice@example.org", "alice@EXAMPLE.org"), 3);
    CHECK_EQ(match("alice@example.org", "Alice@example.org"), 0);
    CHECK_EQ(match("10.0.0.1", "10.0.0.1"), 3);
    CHECK_EQ(match("10.0.0.1", "@10.0.0.1"), 0);
    CHECK_EQ(match("10.0.0.1", "10.0.0.2"), 0);
    CHECK_EQ(match("keyid:*", "keyid:moon"), 0);
    CHECK_EQ(match("keyid:moon", "keyid:Moon"), 0);
    CHECK_EQ(match("fqdn:*", "moon"), 2);
}

static void distinguished_names_match_rdn_by_rdn(void **state)
{
    (void)state;
    CHECK_EQ(match("C=CH, O=strongSwan, CN=moon", "c=ch,O=STRONGSWAN,CN=moon"), 3);
    CHECK_EQ(match("C=CH, O=strongSwan, CN=moon", "/C=CH/O=strongSwan/CN=moon"), 3);
    CHECK_EQ(match("C=CH, O=strongSwan, CN=*", "C=CH, O=strongSwan, CN=moon"), 2);
    CHECK_EQ(match("C=CH, O=strongSwan, CN=moon", "C=CH, O=strongSwan, CN=*"), 0);
    CHECK_EQ(match("C=CH, CN=moon", "C=CH, O=strongSwan, CN=moon"), 0);
    CHECK_EQ(match("C=CH, CN=moon", "CN=moon, C=CH"), 0);
    CHECK_EQ(match("CN=moon", "OU=moon"), 0);
    CHECK_EQ(match("CN=moon", "CN=sun"), 0);
    CHECK_EQ(match("CN=moon", "CN=moons"), 0);
    // The same characters as PrintableString and as UTF8String
    CHECK_EQ(match("C=CH", "asn1dn:#300d310b300906035504060c024348"), 3);
    CHECK_EQ(match("O=\"a, b\"", "O=a\\, b"), 3);
}

static void identities_are_shown_as_strongswan_does(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } want[] = {
        {"10.0.0.1", "10.0.0.1"},
        {"2001:DB8::1", "2001:db8::1"},
        {"@moon", "moon"},
        {"a@b", "a@b"},
        {"keyid:moon", "moon"},
        {"@#00ff10", "00:ff:10"},
        {"%any", "%any"},
        {"C=CH,O=\"a, b\" , CN=moon", "C=CH, O=a\\, b, CN=moon"},
        {"E=a@b, SN=12, DC=org", "E=a@b, serialNumber=12, DC=org"},
        {"CN=m\xc3\xb6n", "CN=m\\xc3\\xb6n"},
        {"m\xc3\xb6n\\", "m\\xc3\\xb6n\\x5c"},
        {"asn1gn:#8201ff", "(ASN.1 general name)"},
        {"asn1dn:#300e310c300a06032a030413036d6f6e", "1.2.3.4=mon"},
    };
    char buf[ID_TEXT_MAX];
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct id got = id(want[i].text);
        CHECK_STR(id_show(&got, buf), want[i].shown);
    }
    struct id worst = {.type = ID_FQDN, .len = ID_MAX};
    memset(worst.data, 0xff, ID_MAX);
    CHECK_EQ(strlen(id_show(&worst, buf)), 4 * ID_MAX);
    worst.type = ID_KEY_ID;
    CHECK_EQ(strlen(id_show(&worst, buf)), 3 * ID_MAX - 1);
    CHECK_STR(id_type_name(ID_FQDN), "ID_FQDN");
}

// A peer's DER is read again for every comparison: no byte in it may do harm.
static void broken_names_do_no_harm(void **state)
{
    (void)state;
    struct id good = id("C=CH, O=strongSwan, OU=*, E=a@b, CN=moon"), other;
    unsigned accepted = 0;
    char buf[ID_TEXT_MAX];
    for (size_t at = 0; at < good.len; at++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t der[ID_MAX];
            memcpy(der, good.data, good.len);
            der[at] = (uint8_t)value;
            if (id_from_wire(ID_DER_ASN1_DN, span(der, good.len), &other) != ERR_OK) continue;
            accepted++;
            CHECK(strlen(id_show(&other, buf)) < ID_TEXT_MAX);
            CHECK(id_match(&other, &other) == 3);
            (void)id_match(&good, &other);
            (void)id_is_pattern(&other);
        }
        CHECK_EQ(id_from_wire(ID_DER_ASN1_DN, span(good.data, at), &other), ERR_SYNTAX);
    }
    CHECK(accepted > good.len);
    CHECK(accepted < good.len * 256U);
}

static void patterns_are_known_as_such(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool pattern;
    } want[] = {
        {"%any", true},  {"*.example.org", true}, {"*@example.org", true}, {"CN=*", true},
        {"moon", false}, {"keyid:*", false},      {"CN=moon", false},      {"10.0.0.1", false},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct id got = id(want[i].text);
        CHECK_EQ(id_is_pattern(&got), want[i].pattern);
    }
}

static void addresses_become_identities(void **state)
{
    (void)state;
    ip_t ip;
    CHECK_OK(ip_parse("192.0.2.1", &ip));
    struct id a = id_from_ip(&ip), b = id("192.0.2.1");
    CHECK(id_eq(&a, &b));
    ip = (ip_t){.family = AF_UNSPEC};
    CHECK_EQ(id_from_ip(&ip).type, ID_ANY);
}

// What is found by its hash must be found in whatever case it is written.
static void equal_ones_have_equal_hashes(void **state)
{
    (void)state;
    static const uint8_t key[16] = {1}, other[16] = {2};
    static const char *const same[][2] = {
        {"Moon.Example.ORG", "moon.example.org"},
        {"alice@EXAMPLE.org", "alice@example.org"},
        {"C=ch, O=STRONGSWAN, CN=Moon", "C=CH, O=strongSwan, CN=moon"},
    };
    for (unsigned i = 0; i < sizeof same / sizeof *same; i++) {
        const struct id a = id(same[i][0]), b = id(same[i][1]);
        CHECK(id_eq(&a, &b));
        CHECK_EQ(id_hash(&a, key), id_hash(&b, key));
        CHECK(id_hash(&a, key) != id_hash(&a, other));
    }
    const struct id a = id("10.0.0.1"), b = id("10.0.0.2"), c = id("@10.0.0.1");
    CHECK(id_hash(&a, key) != id_hash(&b, key));
    CHECK(id_hash(&a, key) != id_hash(&c, key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_ones_have_equal_hashes),
        cmocka_unit_test(text_becomes_type_and_bytes),
        cmocka_unit_test(mistakes_are_explained),
        cmocka_unit_test(too_long_is_refused),
        cmocka_unit_test(the_wire_is_checked),
        cmocka_unit_test(patterns_match_by_strongswans_rules),
        cmocka_unit_test(distinguished_names_match_rdn_by_rdn),
        cmocka_unit_test(identities_are_shown_as_strongswan_does),
        cmocka_unit_test(broken_names_do_no_harm),
        cmocka_unit_test(patterns_are_known_as_such),
        cmocka_unit_test(addresses_become_identities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
