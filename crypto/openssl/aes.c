// aes.c - AES-128 in CBC, by OpenSSL.
#include "crypto/aes.h"

#include <limits.h>
#include <string.h>

#include "crypto/openssl/openssl.h"

static err_t cbc(bool seal, const uint8_t *key, const uint8_t *iv, span_t data, uint8_t *out)
{
    int len = 0;
    if (data.len % AES_LEN || data.len > INT_MAX) return ERR_RANGE;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool good = ctx && EVP_CipherInit_ex(ctx, EVP_aes_128_cbc(), NULL, key, iv, seal) == 1 &&
                EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
                EVP_CipherUpdate(ctx, out, &len, data.at, (int)data.len) == 1 &&
                (size_t)len == data.len;
    EVP_CIPHER_CTX_free(ctx);
    if (!good) ERR_clear_error();
    return good ? ERR_OK : ERR_CRYPTO;
}

err_t aes_cbc_seal(const uint8_t key[AES_LEN], const uint8_t iv[AES_LEN], uint8_t *data, size_t n)
{
    return cbc(true, key, iv, span(data, n), data);
}

err_t aes_cbc_open(const uint8_t key[AES_LEN], const uint8_t iv[AES_LEN], uint8_t *data, size_t n)
{
    return cbc(false, key, iv, span(data, n), data);
}

err_t aes_block(const uint8_t key[AES_LEN], const uint8_t in[AES_LEN], uint8_t out[AES_LEN])
{
    static const uint8_t none[AES_LEN];
    return cbc(true, key, none, span(in, AES_LEN), out);
}
