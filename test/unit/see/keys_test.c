// Wireshark's tables: lines that are used, and lines that are named as unusable.
#include <string.h>

#include "see/keys.h"
#include "test/check.h"

#define KEY16 "000102030405060708090a0b0c0d0e0f"
#define KEY20 KEY16 "10111213"
#define MAC32 KEY16 KEY16

static void ike_lines(void **state)
{
    (void)state;
    struct see_keys k = {0};
    CHECK_OK(see_keys_read(&k, "ikev2_decryption_table",
                           span_str("# comment\r\n\n"
                                    "0102030405060708,1112131415161718," KEY20 "," KEY20
                                    ",\"AES-GCM-128 with 16 octet ICV [RFC5282]\",,,\"NONE "
                                    "[RFC4306]\"\n"
                                    "01,02," KEY16 "," KEY16 ",\"AES-CBC-128 [RFC3602]\"," MAC32
                                    "," MAC32 ",\"HMAC_SHA2_256_128 [RFC4868]\"\r\n"
                                    "01,02,00,00,\"ROT13\",,,\"NONE [RFC4306]\"\n"
                                    "01,02,00,00,\"AES-CBC-128 [RFC3602]\",,,\"NONE [RFC4306]\"\n"
                                    "\"never ends\n"
                                    "1,2")));
    CHECK_EQ(k.ike_n, 2);
    CHECK_EQ(k.issue_n, 4);
    CHECK(strstr(k.issue[0].text, "ikev2_decryption_table:5: the cipher") == k.issue[0].text);
    CHECK(strstr(k.issue[1].text, ":6: a key") != NULL);
    CHECK(strstr(k.issue[2].text, ":7: ") != NULL);
    CHECK(strstr(k.issue[3].text, ":8: an IKE SA has 8 fields") != NULL);
    const struct key_ike *x = see_keys_ike(&k, 0x0102030405060708, 0x1112131415161718, NULL);
    CHECK(x != NULL && see_keys_ike(&k, x->spi_i, x->spi_r, x) == NULL);
    CHECK(see_keys_ike(&k, 1, 2, NULL) != NULL);
    see_keys_done(&k);
}

static void esp_lines(void **state)
{
    (void)state;
    struct see_keys k = {0};
    ip_t a, b;
    CHECK_OK(ip_parse("192.0.2.1", &a));
    CHECK_OK(ip_parse("192.0.2.2", &b));
    CHECK_OK(see_keys_read(
        &k, "esp_sa",
        span_str("\"IPv4\",\"192.0.2.1\",\"*\",\"0x00000100\",\"AES-GCM with 16 octet ICV "
                 "[RFC4106]\",\"0x" KEY20 "\",\"NULL\",\"\"\n"
                 "\"IPv4\",\"192.0.2.1\",\"*\",\"*\",\"AES-CBC [RFC3602]\",\"0x" KEY16
                 "\",\"ANY 96 bit authentication [no checking]\",\"0x" KEY16 "\"\n"
                 "\"IPv4\",\"moon\",\"*\",\"0x1\",\"NULL\",\"\",\"NULL\",\"\"\n")));
    CHECK_EQ(k.esp_n, 2);
    CHECK_EQ(k.issue_n, 1);
    const struct key_esp *x = see_keys_esp(&k, &a, &b, 0x100);
    CHECK(x == &k.esp[0] && x->alt == NULL);
    x = see_keys_esp(&k, &a, &b, 0x101);
    CHECK(x == &k.esp[1] && x->alt != NULL);
    CHECK(see_keys_esp(&k, &b, &a, 0x100) == NULL);
    see_keys_done(&k);
}

static void auth_lines(void **state)
{
    (void)state;
    struct see_keys k = {0};
    CHECK_OK(see_keys_read(&k, "pavise_auth",
                           span_str("01,02,5," MAC32 "," MAC32 "\n01,02,77,00,00\n")));
    CHECK_EQ(k.auth_n, 1);
    CHECK_EQ(k.issue_n, 1);
    CHECK_EQ(see_keys_auth(&k, 1, 2, 3)->pi.len, 32);
    CHECK(see_keys_auth(&k, 2, 1, 0) == NULL);
    CHECK_EQ(see_keys_read(&k, "passwd", span_str("")), ERR_NOTFOUND);
    see_keys_done(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ike_lines),
        cmocka_unit_test(esp_lines),
        cmocka_unit_test(auth_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
