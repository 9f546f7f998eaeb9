// old.c - MD5 and DES, by OpenSSL.
#include "crypto/old.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/openssl/openssl.h"

err_t hash_md5(const span_t *parts, unsigned n, uint8_t out[MD5_LEN])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1;
    for (unsigned i = 0; i < n && good; i++) {
        if (parts[i].len) good = EVP_DigestUpdate(ctx, parts[i].at, parts[i].len) == 1;
    }
    good = good && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    if (!good) ERR_clear_error();
    return good ? ERR_OK : ERR_CRYPTO;
}

// Triple DES with three times the same key is DES, and OpenSSL has it without its old algorithms.
err_t des_block(const uint8_t key[DES_LEN], const uint8_t in[DES_LEN], uint8_t out[DES_LEN])
{
    uint8_t keys[3 * DES_LEN];
    int len = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    for (unsigned i = 0; i < 3; i++) memcpy(keys + (size_t)i * DES_LEN, key, DES_LEN);
    bool good = ctx && EVP_EncryptInit_ex(ctx, EVP_des_ede3_ecb(), NULL, keys, NULL) == 1 &&
                EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
                EVP_EncryptUpdate(ctx, out, &len, in, DES_LEN) == 1 && len == DES_LEN;
    EVP_CIPHER_CTX_free(ctx);
    wipe(keys, sizeof keys);
    if (!good) ERR_clear_error();
    return good ? ERR_OK : ERR_CRYPTO;
}
