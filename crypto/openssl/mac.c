#include "crypto/openssl/mac.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "crypto/openssl/openssl.h"
#include "crypto/openssl/xcbc.h"

struct mac {
    EVP_MAC_CTX *evp;  // HMAC, CMAC
    struct xcbc *xcbc; // AES-XCBC
};

static const char *digest_name(uint16_t integ)
{
    switch (integ) {
    case INTEG_HMAC_MD5_96:
    case INTEG_HMAC_MD5_128:
        return "MD5";
    case INTEG_HMAC_SHA1_96:
    case INTEG_HMAC_SHA1_160:
        return "SHA1";
    case INTEG_HMAC_SHA2_256_96:
    case INTEG_HMAC_SHA2_256_128:
        return "SHA256";
    case INTEG_HMAC_SHA2_384_192:
        return "SHA384";
    case INTEG_HMAC_SHA2_512_256:
        return "SHA512";
    default:
        return NULL;
    }
}

// kind: "HMAC" with the name of its hash, "CMAC" with that of its cipher.
static EVP_MAC_CTX *evp_new(const char *kind, const char *param, const char *name, span_t key)
{
    char own[16]; // OpenSSL wants to be able to write to it
    snprintf(own, sizeof own, "%s", name);
    OSSL_PARAM how[] = {
        OSSL_PARAM_construct_utf8_string(param, own, 0),
        OSSL_PARAM_construct_end(),
    };
    static const uint8_t none[1]; // an empty key is a key, NULL is not
    EVP_MAC *mac = EVP_MAC_fetch(NULL, kind, NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac);
    if (ctx && EVP_MAC_init(ctx, key.len ? key.at : none, key.len, how) == 1) return ctx;
    EVP_MAC_CTX_free(ctx);
    return NULL;
}

static EVP_MAC_CTX *cmac_new(span_t key)
{
    const char *name = key.len == 16   ? "AES-128-CBC"
                       : key.len == 24 ? "AES-192-CBC"
                                       : "AES-256-CBC";
    return evp_new("CMAC", OSSL_MAC_PARAM_CIPHER, name, key);
}

struct mac *mac_new(uint16_t integ, span_t key)
{
    struct mac *m = calloc(1, sizeof *m);
    const char *digest = digest_name(integ);
    if (!m) return NULL;
    if (digest) m->evp = evp_new("HMAC", OSSL_MAC_PARAM_DIGEST, digest, key);
    if (integ == INTEG_AES_CMAC_96) m->evp = cmac_new(key);
    if (integ == INTEG_AES_XCBC_96) m->xcbc = xcbc_new(key);
    if (m->evp || m->xcbc) return m;
    mac_free(m);
    return NULL;
}

void mac_free(struct mac *m)
{
    if (!m) return;
    EVP_MAC_CTX_free(m->evp);
    xcbc_free(m->xcbc);
    free(m);
}

bool mac_begin(struct mac *m)
{
    return m->xcbc ? xcbc_begin(m->xcbc) : EVP_MAC_init(m->evp, NULL, 0, NULL) == 1;
}

bool mac_add(struct mac *m, const uint8_t *at, size_t len)
{
    if (len == 0) return true;
    return m->xcbc ? xcbc_add(m->xcbc, at, len) : EVP_MAC_update(m->evp, at, len) == 1;
}

bool mac_end(struct mac *m, uint8_t out[MAC_MAX])
{
    size_t n;
    return m->xcbc ? xcbc_end(m->xcbc, out) : EVP_MAC_final(m->evp, out, &n, MAC_MAX) == 1;
}
