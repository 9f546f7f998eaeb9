// HMAC and hashes by OpenSSL.
#include "crypto/prf.h"

#include <stdio.h>

#include "crypto/alg.h"
#include "crypto/openssl/openssl.h"

static const char *digest_name(uint16_t prf)
{
    switch (prf) {
    case PRF_HMAC_SHA1:
        return "SHA1";
    case PRF_HMAC_SHA2_256:
        return "SHA256";
    case PRF_HMAC_SHA2_384:
        return "SHA384";
    case PRF_HMAC_SHA2_512:
        return "SHA512";
    default:
        return NULL;
    }
}

static EVP_MAC_CTX *hmac_begin(const char *name, span_t key)
{
    char digest[8]; // OpenSSL wants to be able to write to it
    snprintf(digest, sizeof digest, "%s", name);
    OSSL_PARAM how[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    static const uint8_t none[1]; // an empty key is a key, NULL is not
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    if (ctx && EVP_MAC_init(ctx, key.len ? key.at : none, key.len, how) == 1) return ctx;
    EVP_MAC_CTX_free(ctx);
    return NULL;
}

err_t prf_do(uint16_t prf, span_t key, const span_t *parts, unsigned n, uint8_t *out)
{
    const char *digest = digest_name(prf);
    if (!digest) return ERR_ALGORITHM;
    EVP_MAC_CTX *ctx = hmac_begin(digest, key);
    bool good = ctx != NULL;
    size_t len;
    for (unsigned i = 0; i < n && good; i++) {
        if (parts[i].len) good = EVP_MAC_update(ctx, parts[i].at, parts[i].len) == 1;
    }
    good = good && EVP_MAC_final(ctx, out, &len, PRF_MAX) == 1;
    EVP_MAC_CTX_free(ctx);
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
