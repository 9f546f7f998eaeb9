#include "see/esp_sa.h"

#include "crypto/alg.h"
#include "ike/codec/wireshark.h"

#define SHA256_KERNEL_BITS 96 // where nobody has said anything else: a draft of RFC 4868

static const struct alg *cipher_of(const struct esp_sa *sa)
{
    const struct alg *any = alg_by_kernel(ALG_ENCR, sa->cipher, 0, 0);
    const uint16_t icv = any && any->aead ? (uint16_t)(sa->icv_bits / 8) : 0;
    return icv ? alg_by_kernel(ALG_ENCR, sa->cipher, 0, icv) : any;
}

// Wireshark knows each MAC by the length to which its RFC cuts it, and one by another.
static const char *word_of_mac(const struct esp_sa *sa)
{
    if (!*sa->mac) return wireshark_mac(WIRESHARK_ESP, INTEG_NONE);
    const struct alg *a = alg_by_kernel(ALG_INTEG, sa->mac, 0, 0);
    if (!a) return NULL;
    unsigned bits = sa->icv_bits;
    if (!bits && a->id == INTEG_HMAC_SHA2_256_128) bits = SHA256_KERNEL_BITS;
    if (!bits || bits == a->icv_len * 8U) return wireshark_mac(WIRESHARK_ESP, a->id);
    return wireshark_mac_cut(WIRESHARK_ESP, a->id, bits / 8);
}

static err_t add_line(const struct esp_sa *sa, const char *cipher, struct text *out)
{
    const struct wireshark_esp line = {.src = sa->src,
                                       .dst = sa->dst,
                                       .spi = sa->spi,
                                       .cipher = cipher,
                                       .mac = word_of_mac(sa),
                                       .cipher_key = sa->cipher_key,
                                       .mac_key = sa->mac_key};
    if (!line.cipher || !line.mac) return ERR_ALGORITHM;
    wireshark_esp_line(&line, out);
    return ERR_OK;
}

err_t esp_sa_line(const struct esp_sa *sa, struct text *out)
{
    char buf[WIRESHARK_NAME_MAX];
    const struct alg *a = cipher_of(sa);
    return add_line(sa, a ? wireshark_cipher(WIRESHARK_ESP, a->id, 0, buf) : NULL, out);
}

err_t esp_sa_own_line(const struct esp_sa *sa, struct text *out)
{
    char buf[WIRESHARK_NAME_MAX];
    const struct alg *a = cipher_of(sa);
    return add_line(sa, a ? wireshark_own(a->id, a->key_len * 8U, buf) : NULL, out);
}
