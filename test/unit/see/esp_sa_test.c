// SAs as the kernel names them become lines of Wireshark's table, which keys.c reads again.
#include <string.h>

#include "see/esp_sa.h"
#include "see/keys.h"
#include "test/check.h"

static uint8_t key[64];

struct suite {
    const char *cipher, *mac;
    unsigned icv_bits;
    size_t cipher_key, mac_key;
    const char *words; // of the line; NULL: Wireshark has none
};

static const struct suite suites[] = {
    {"rfc4106(gcm(aes))", "", 128, 20, 0, "\"AES-GCM with 16 octet ICV [RFC4106]\""},
    {"rfc4106(gcm(aes))", "", 64, 36, 0, "\"AES-GCM with 8 octet ICV [RFC4106]\""},
    {"rfc4106(gcm(aes))", "", 96, 20, 0, "\"AES-GCM with 12 octet ICV [RFC4106]\""},
    {"cbc(aes)", "hmac(sha256)", 128, 16, 32, "\"HMAC-SHA-256-128 [RFC4868]\""},
    {"cbc(aes)", "hmac(sha256)", 96, 16, 32,
     "\"HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]\""},
    {"cbc(aes)", "hmac(sha256)", 0, 16, 32,
     "\"HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]\""},
    {"cbc(aes)", "hmac(sha384)", 192, 24, 48, "\"HMAC-SHA-384-192 [RFC4868]\""},
    {"cbc(aes)", "hmac(sha512)", 256, 32, 64, "\"HMAC-SHA-512-256 [RFC4868]\""},
    {"cbc(aes)", "hmac(sha1)", 96, 16, 20, "\"HMAC-SHA-1-96 [RFC2404]\""},
    {"ecb(cipher_null)", "hmac(sha256)", 128, 0, 32, "\"NULL\",\"0x\""},
    {"rfc7539esp(chacha20,poly1305)", "", 128, 36, 0, NULL},
    {"cbc(aes)", "hmac(sha512)", 96, 16, 64, NULL},
    {"rot13", "", 128, 16, 0, NULL},
    {"cbc(aes)", "hmac(md9)", 96, 16, 16, NULL},
};

static void lines_are_read_again(void **state)
{
    (void)state;
    ip_t src, dst;
    CHECK_OK(ip_parse("2001:db8::1", &src));
    CHECK_OK(ip_parse("2001:db8::2", &dst));
    for (unsigned i = 0; i < sizeof suites / sizeof *suites; i++) {
        const struct suite *s = &suites[i];
        AUTO(text) struct text line = {0};
        const struct esp_sa sa = {.src = src,
                                  .dst = dst,
                                  .spi = 0x1000 + i,
                                  .cipher = s->cipher,
                                  .mac = s->mac,
                                  .icv_bits = s->icv_bits,
                                  .cipher_key = span(key, s->cipher_key),
                                  .mac_key = span(key, s->mac_key)};
        CHECK_EQ(esp_sa_line(&sa, &line), s->words ? ERR_OK : ERR_ALGORITHM);
        if (!s->words) {
            CHECK_EQ(line.len, 0);
            continue;
        }
        CHECK(strncmp(text_str(&line), "\"IPv6\",\"2001:db8::1\",\"2001:db8::2\",\"0x0000100",
                      44) == 0);
        CHECK(strstr(text_str(&line), s->words) != NULL);
        struct see_keys k = {0};
        CHECK_OK(see_keys_read(&k, "esp_sa", span(line.at, line.len)));
        CHECK_EQ(k.issue_n, 0);
        CHECK(see_keys_esp(&k, &src, &dst, sa.spi) != NULL);
        see_keys_done(&k);
    }
}

// What Wireshark cannot read is read by our own table's name.
static void our_own_table_takes_every_cipher(void **state)
{
    (void)state;
    ip_t ip;
    AUTO(text) struct text line = {0};
    struct see_keys k = {0};
    CHECK_OK(ip_parse("192.0.2.1", &ip));
    struct esp_sa sa = {.src = ip,
                        .dst = ip,
                        .spi = 7,
                        .cipher = "rfc7539esp(chacha20,poly1305)",
                        .mac = "",
                        .icv_bits = 128,
                        .cipher_key = span(key, 36)};
    CHECK_OK(esp_sa_own_line(&sa, &line));
    CHECK_OK(see_keys_read(&k, "pavise_esp", span(line.at, line.len)));
    CHECK_EQ(k.issue_n, 0);
    CHECK(see_keys_esp(&k, &ip, &ip, 7) != NULL);
    see_keys_done(&k);
    sa.cipher = "rot13";
    CHECK_EQ(esp_sa_own_line(&sa, &line), ERR_ALGORITHM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines_are_read_again),
                                       cmocka_unit_test(our_own_table_takes_every_cipher)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
