#include "ike/codec/wireshark.h"

#include <stdio.h>
#include <string.h>

struct name {
    uint16_t id;
    const char *word[2]; // by enum wireshark_table; NULL: Wireshark has none
    uint16_t icv_len;
};

static const struct name ciphers[] = {
    {ENCR_NULL, {"NULL [RFC2410]", "NULL"}, 0},
    {ENCR_3DES, {"3DES [RFC2451]", "TripleDES-CBC [RFC2451]"}, 0},
    {ENCR_AES_CBC, {"AES-CBC-%u [RFC3602]", "AES-CBC [RFC3602]"}, 0},
    {ENCR_AES_CTR, {"AES-CTR-%u [RFC5930]", "AES-CTR [RFC3686]"}, 0},
    {ENCR_AES_CCM_8, {"AES-CCM-%u with 8 octet ICV [RFC5282]", NULL}, 0},
    {ENCR_AES_CCM_12, {"AES-CCM-%u with 12 octet ICV [RFC5282]", NULL}, 0},
    {ENCR_AES_CCM_16, {"AES-CCM-%u with 16 octet ICV [RFC5282]", NULL}, 0},
    {ENCR_AES_GCM_8,
     {"AES-GCM-%u with 8 octet ICV [RFC5282]", "AES-GCM with 8 octet ICV [RFC4106]"},
     0},
    {ENCR_AES_GCM_12,
     {"AES-GCM-%u with 12 octet ICV [RFC5282]", "AES-GCM with 12 octet ICV [RFC4106]"},
     0},
    {ENCR_AES_GCM_16,
     {"AES-GCM-%u with 16 octet ICV [RFC5282]", "AES-GCM with 16 octet ICV [RFC4106]"},
     0},
    {ENCR_CHACHA20_POLY1305, {NULL, "ChaCha20 with Poly1305 [RFC7634]"}, 0},
};

// Wireshark does not check the MACs on AES, but it decrypts when it knows how long they are.
#define ANY_IKE "ANY 96-bits of Authentication [No Checking]"
#define ANY_ESP "ANY 96 bit authentication [no checking]"
static const struct name macs[] = {
    {INTEG_AES_XCBC_96, {ANY_IKE, ANY_ESP}, 0},
    {INTEG_AES_CMAC_96, {ANY_IKE, ANY_ESP}, 0},
    {INTEG_NONE, {"NONE [RFC4306]", "NULL"}, 0},
    {INTEG_HMAC_SHA1_96, {"HMAC_SHA1_96 [RFC2404]", "HMAC-SHA-1-96 [RFC2404]"}, 0},
    {INTEG_HMAC_SHA2_256_128, {"HMAC_SHA2_256_128 [RFC4868]", "HMAC-SHA-256-128 [RFC4868]"}, 0},
    {INTEG_HMAC_SHA2_384_192, {"HMAC_SHA2_384_192 [RFC4868]", "HMAC-SHA-384-192 [RFC4868]"}, 0},
    {INTEG_HMAC_SHA2_512_256, {"HMAC_SHA2_512_256 [RFC4868]", "HMAC-SHA-512-256 [RFC4868]"}, 0},
};

// Words that are read and never written: other lengths, other spellings.
static const struct name more_macs[] = {
    {INTEG_HMAC_SHA1_96, {"HMAC_SHA1_160 [RFC4595]", NULL}, 20},
    {INTEG_HMAC_SHA2_256_128,
     {"HMAC_SHA2_256_96 [draft-ietf-ipsec-ciph-sha-256-00]",
      "HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]"},
     12},
    {INTEG_AES_CMAC_96, {ANY_IKE, "AES-CMAC-96 [RFC4494]"}, 0},
    {INTEG_NONE, {"NONE [RFC4306]", "NONE"}, 0},
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct name *by_id(const struct name *names, size_t n, uint16_t id)
{
    for (size_t i = 0; i < n; i++) {
        if (names[i].id == id) return &names[i];
    }
    return NULL;
}

static const char *fill(const char *word, unsigned bits, char buf[WIRESHARK_NAME_MAX])
{
    const char *place = strstr(word, "%u");
    if (place) {
        (void)snprintf(buf, WIRESHARK_NAME_MAX, "%.*s%u%s", (int)(place - word), word, bits,
                       place + 2);
    } else {
        (void)snprintf(buf, WIRESHARK_NAME_MAX, "%s", word);
    }
    return buf;
}

const char *wireshark_cipher(enum wireshark_table t, uint16_t encr, unsigned bits,
                             char buf[WIRESHARK_NAME_MAX])
{
    // What Wireshark 4.0 cannot read is not written; what later ones write is read.
    if (encr == ENCR_CHACHA20_POLY1305) return NULL;
    const struct name *n = by_id(ciphers, COUNT(ciphers), encr);
    return n && n->word[t] ? fill(n->word[t], bits, buf) : NULL;
}

const char *wireshark_own(uint16_t encr, unsigned bits, char buf[WIRESHARK_NAME_MAX])
{
    const struct name *n = by_id(ciphers, COUNT(ciphers), encr);
    const char *word = n && n->word[WIRESHARK_IKE] ? n->word[WIRESHARK_IKE]
                       : n                         ? n->word[WIRESHARK_ESP]
                                                   : NULL;
    return word ? fill(word, bits, buf) : NULL;
}

const char *wireshark_mac(enum wireshark_table t, uint16_t integ)
{
    const struct name *n = by_id(macs, COUNT(macs), integ);
    return n ? n->word[t] : NULL;
}

const char *wireshark_mac_cut(enum wireshark_table t, uint16_t integ, unsigned icv_len)
{
    for (size_t i = 0; i < COUNT(more_macs); i++) {
        const struct name *n = &more_macs[i];
        if (n->id == integ && n->icv_len == icv_len) return n->word[t];
    }
    return NULL;
}

void wireshark_esp_line(const struct wireshark_esp *sa, struct text *out)
{
    char src[IP_TEXT_MAX], dst[IP_TEXT_MAX];
    text_add(out, "\"%s\",\"%s\",\"%s\",\"0x%08x\",\"%s\",\"0x",
             sa->dst.family == AF_INET6 ? "IPv6" : "IPv4", ip_show(&sa->src, src),
             ip_show(&sa->dst, dst), sa->spi, sa->cipher);
    text_hex(out, sa->cipher_key);
    text_add(out, "\",\"%s\",\"0x", sa->mac);
    text_hex(out, sa->mac_key);
    text_add(out, "\"");
}

static bool cipher_is(const char *known, const char *word)
{
    char buf[WIRESHARK_NAME_MAX];
    for (unsigned bits = 128; bits <= 256; bits += 64) {
        if (strcmp(fill(known, bits, buf), word) == 0) return true;
    }
    return false;
}

static err_t read_cipher(enum wireshark_table t, const char *word, uint16_t *encr)
{
    for (size_t i = 0; i < COUNT(ciphers); i++) {
        if (!ciphers[i].word[t] || !cipher_is(ciphers[i].word[t], word)) continue;
        *encr = ciphers[i].id;
        return ERR_OK;
    }
    return ERR_ALGORITHM;
}

// In our own tables each cipher goes by the word of either one.
err_t wireshark_read_cipher(enum wireshark_table t, const char *word, uint16_t *encr)
{
    if (read_cipher(t, word, encr) == ERR_OK) return ERR_OK;
    return read_cipher(t == WIRESHARK_IKE ? WIRESHARK_ESP : WIRESHARK_IKE, word, encr);
}

static err_t read_mac(const struct name *names, size_t n, enum wireshark_table t, const char *word,
                      const struct name **out)
{
    for (size_t i = 0; i < n; i++) {
        if (!names[i].word[t] || strcmp(names[i].word[t], word) != 0) continue;
        *out = &names[i];
        return ERR_OK;
    }
    return ERR_ALGORITHM;
}

err_t wireshark_read_mac(enum wireshark_table t, const char *word, uint16_t *integ,
                         uint16_t *icv_len)
{
    const struct name *n;
    if (read_mac(macs, COUNT(macs), t, word, &n) != ERR_OK)
        TRY(read_mac(more_macs, COUNT(more_macs), t, word, &n));
    *integ = n->id;
    *icv_len = n->icv_len;
    return ERR_OK;
}
