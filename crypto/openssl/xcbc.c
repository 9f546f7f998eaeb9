#include "crypto/openssl/xcbc.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/openssl/openssl.h"

#define CHUNK 512 // bytes fed at once; what comes out is thrown away

struct xcbc {
    EVP_CIPHER_CTX *cbc;                // under K1
    uint8_t k2[XCBC_LEN], k3[XCBC_LEN]; // go into the last block: a whole one, a padded one
    uint8_t last[XCBC_LEN];             // held back until it is known whether it is the last
    size_t held;
};

static const uint8_t zeros[XCBC_LEN];

static EVP_CIPHER_CTX *cbc_new(span_t key)
{
    const char *name = key.len == 16   ? "AES-128-CBC"
                       : key.len == 24 ? "AES-192-CBC"
                                       : "AES-256-CBC";
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool good = cipher && ctx && EVP_EncryptInit_ex2(ctx, cipher, key.at, zeros, NULL) == 1 &&
                EVP_CIPHER_CTX_set_padding(ctx, 0) == 1;
    EVP_CIPHER_free(cipher);
    if (good) return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

// One block that has nothing before it.
static bool block_seal(EVP_CIPHER_CTX *cbc, uint8_t fill, uint8_t out[XCBC_LEN])
{
    uint8_t block[XCBC_LEN];
    int n;
    memset(block, fill, sizeof block);
    return EVP_EncryptInit_ex2(cbc, NULL, NULL, zeros, NULL) == 1 &&
           EVP_EncryptUpdate(cbc, out, &n, block, sizeof block) == 1 && n == XCBC_LEN;
}

struct xcbc *xcbc_new(span_t key)
{
    struct xcbc *x = calloc(1, sizeof *x);
    uint8_t k1[XCBC_LEN];
    if (!x) return NULL;
    EVP_CIPHER_CTX *k = cbc_new(key);
    // rfc3566 4: K1, K2, K3 are blocks of ones, twos and threes, sealed with the key
    if (k && block_seal(k, 1, k1) && block_seal(k, 2, x->k2) && block_seal(k, 3, x->k3)) {
        x->cbc = cbc_new(span(k1, sizeof k1));
    }
    wipe(k1, sizeof k1);
    EVP_CIPHER_CTX_free(k);
    if (x->cbc) return x;
    xcbc_free(x);
    return NULL;
}

void xcbc_free(struct xcbc *x)
{
    if (!x) return;
    EVP_CIPHER_CTX_free(x->cbc);
    wipe(x, sizeof *x);
    free(x);
}

bool xcbc_begin(struct xcbc *x)
{
    x->held = 0;
    return EVP_EncryptInit_ex2(x->cbc, NULL, NULL, zeros, NULL) == 1;
}

static bool blocks_feed(struct xcbc *x, const uint8_t *at, size_t len)
{
    uint8_t gone[CHUNK];
    int n;
    for (size_t part; len > 0; at += part, len -= part) {
        part = len < CHUNK ? len : CHUNK;
        if (EVP_EncryptUpdate(x->cbc, gone, &n, at, (int)part) != 1) return false;
    }
    return true;
}

bool xcbc_add(struct xcbc *x, const uint8_t *at, size_t len)
{
    if (len == 0) return true;
    size_t part = XCBC_LEN - x->held < len ? XCBC_LEN - x->held : len;
    memcpy(x->last + x->held, at, part);
    x->held += part;
    at += part;
    len -= part;
    if (len == 0) return true;
    // more follows, so the block that is full now is not the last one
    size_t whole = (len - 1) / XCBC_LEN * XCBC_LEN;
    if (!blocks_feed(x, x->last, XCBC_LEN) || !blocks_feed(x, at, whole)) return false;
    x->held = len - whole;
    memcpy(x->last, at + whole, x->held);
    return true;
}

bool xcbc_end(struct xcbc *x, uint8_t out[XCBC_LEN])
{
    const uint8_t *k = x->held == XCBC_LEN ? x->k2 : x->k3;
    int n;
    if (x->held < XCBC_LEN) { // rfc3566 4: a one bit, then zeros
        memset(x->last + x->held, 0, XCBC_LEN - x->held);
        x->last[x->held] = 0x80;
    }
    for (size_t i = 0; i < XCBC_LEN; i++) x->last[i] ^= k[i];
    bool good = EVP_EncryptUpdate(x->cbc, out, &n, x->last, XCBC_LEN) == 1 && n == XCBC_LEN;
    wipe(x->last, sizeof x->last);
    return good;
}
