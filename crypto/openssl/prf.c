// PRFs and hashes by OpenSSL.
#include "crypto/prf.h"

#include <string.h>

#include "crypto/alg.h"
#include "crypto/openssl/mac.h"
#include "crypto/openssl/openssl.h"

_Static_assert(PRF_MAX == MAC_MAX, "a PRF here is a MAC");

#define AES_KEY_LEN 16

static uint16_t mac_of(uint16_t prf)
{
    switch (prf) {
    case PRF_HMAC_MD5:
        return INTEG_HMAC_MD5_96;
    case PRF_HMAC_SHA1:
        return INTEG_HMAC_SHA1_96;
    case PRF_HMAC_SHA2_256:
        return INTEG_HMAC_SHA2_256_128;
    case PRF_HMAC_SHA2_384:
        return INTEG_HMAC_SHA2_384_192;
    case PRF_HMAC_SHA2_512:
        return INTEG_HMAC_SHA2_512_256;
    case PRF_AES128_XCBC:
        return INTEG_AES_XCBC_96;
    case PRF_AES128_CMAC:
        return INTEG_AES_CMAC_96;
    default:
        return INTEG_NONE;
    }
}

static bool mac_do(uint16_t integ, span_t key, const span_t *parts, unsigned n, uint8_t *out)
{
    struct mac *m = mac_new(integ, key);
    bool good = m && mac_begin(m);
    for (unsigned i = 0; i < n && good; i++) good = mac_add(m, parts[i].at, parts[i].len);
    good = good && mac_end(m, out);
    mac_free(m);
    return good;
}

// The PRFs on AES make a key of 16 bytes out of any other: by the MAC itself, under a key of zeros;
// but rfc4434 2 MUST: a short one for XCBC is filled up with zeros.
static bool aes_key_fit(uint16_t prf, span_t key, uint8_t out[MAC_MAX])
{
    static const uint8_t zeros[AES_KEY_LEN];
    bool fill = prf == PRF_AES128_XCBC && key.len < AES_KEY_LEN;
    if (!fill && key.len != AES_KEY_LEN) {
        return mac_do(mac_of(prf), span(zeros, sizeof zeros), &key, 1, out);
    }
    memset(out, 0, AES_KEY_LEN);
    if (key.len) memcpy(out, key.at, key.len);
    return true;
}

err_t prf_do(uint16_t prf, span_t key, const span_t *parts, unsigned n, uint8_t *out)
{
    uint8_t fit[MAC_MAX];
    bool good = true, aes = prf == PRF_AES128_XCBC || prf == PRF_AES128_CMAC;
    if (mac_of(prf) == INTEG_NONE) return ERR_ALGORITHM;
    if (aes) good = aes_key_fit(prf, key, fit);
    if (aes) key = span(fit, AES_KEY_LEN);
    good = good && mac_do(mac_of(prf), key, parts, n, out);
    wipe(fit, sizeof fit);
    if (!good) ERR_clear_error();
    return good ? ERR_OK : ERR_CRYPTO;
}

static err_t hash_do(const EVP_MD *digest, const span_t *parts, unsigned n, uint8_t *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex(ctx, digest, NULL) == 1;
    for (unsigned i = 0; i < n && good; i++) {
        if (parts[i].len) good = EVP_DigestUpdate(ctx, parts[i].at, parts[i].len) == 1;
    }
    good = good && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    if (!good) ERR_clear_error();
    return good ? ERR_OK : ERR_CRYPTO;
}

err_t hash_sha1(const span_t *parts, unsigned n, uint8_t out[SHA1_LEN])
{
    return hash_do(EVP_sha1(), parts, n, out);
}

err_t hash_sha256(const span_t *parts, unsigned n, uint8_t out[SHA256_LEN])
{
    return hash_do(EVP_sha256(), parts, n, out);
}
