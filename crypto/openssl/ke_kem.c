// ML-KEM by OpenSSL, which has it from version 3.5 on (and where a provider brings it).
#include <string.h>

#include "crypto/alg.h"
#include "crypto/ke_kind.h"
#include "crypto/openssl/openssl.h"

#define SHARED_LEN 32 // bytes

static const char *name_of(uint16_t method)
{
    return method == KE_MLKEM_512    ? "ML-KEM-512"
           : method == KE_MLKEM_768  ? "ML-KEM-768"
           : method == KE_MLKEM_1024 ? "ML-KEM-1024"
                                     : NULL;
}

static bool kem_can(uint16_t method)
{
    const char *name = name_of(method);
    EVP_PKEY_CTX *ctx = name ? EVP_PKEY_CTX_new_from_name(NULL, name, NULL) : NULL;
    bool known = ctx != NULL;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return known;
}

static err_t kem_make(struct ke *ke)
{
    size_t len = 0;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, name_of(ke->method));
    ke->private = key;
    bool good = key && EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, ke->public,
                                                       sizeof ke->public, &len) == 1;
    ke->public_len = (uint16_t)len;
    if (!good) ERR_clear_error();
    return good ? ERR_OK : ERR_CRYPTO;
}

// Takes the secret over if it is one.
static err_t shared_take(bool good, size_t len, struct secret *shared)
{
    good = good && len == SHARED_LEN;
    shared->len = good ? SHARED_LEN : 0;
    if (!good) ERR_clear_error();
    return good ? ERR_OK : ERR_SYNTAX;
}

static err_t kem_finish(struct ke *ke, span_t peer, struct secret *shared)
{
    size_t len = sizeof shared->at;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, ke->private, NULL);
    bool good = ctx && EVP_PKEY_decapsulate_init(ctx, NULL) == 1 &&
                EVP_PKEY_decapsulate(ctx, shared->at, &len, peer.at, peer.len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return shared_take(good, len, shared);
}

static err_t kem_answer(uint16_t method, span_t peer, uint8_t *answer, size_t *answer_len,
                        struct secret *shared)
{
    size_t len = sizeof shared->at;
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(NULL, name_of(method), NULL, peer.at, peer.len);
    EVP_PKEY_CTX *ctx = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
    *answer_len = KE_PUBLIC_MAX;
    bool good = ctx && EVP_PKEY_encapsulate_init(ctx, NULL) == 1 &&
                EVP_PKEY_encapsulate(ctx, answer, answer_len, shared->at, &len) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return shared_take(good, len, shared);
}

static void kem_drop(struct ke *ke)
{
    EVP_PKEY_free(ke->private);
    ke->private = NULL;
}

const struct ke_kind ke_openssl_kem = {
    .name = "openssl",
    .can = kem_can,
    .make = kem_make,
    .finish = kem_finish,
    .answer = kem_answer,
    .drop = kem_drop,
};
