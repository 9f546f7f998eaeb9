// Diffie-Hellman by OpenSSL: X25519 and X448 (RFC 8031), ECP groups (RFC 5903, brainpool: RFC
// 6954), MODP groups (RFC 3526).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/alg.h"
#include "crypto/ke_kind.h"
#include "crypto/openssl/openssl.h"

enum family { CURVE, ECP, MODP };

// private_bits: at least twice the strength of the group (RFC 3526 section 8, second estimate,
// rounded up), so that the short exponent is not the weak spot. Other families know themselves.
static const struct group {
    uint16_t method;
    uint8_t family;
    uint16_t public_len, shared_len; // bytes, as in the KE payload; of an ECP point: x | y
    uint16_t private_bits;
    const char *name; // OpenSSL's
} groups[] = {
    {KE_X25519, CURVE, 32, 32, 0, "X25519"},
    {KE_X448, CURVE, 56, 56, 0, "X448"},
    {KE_ECP_256, ECP, 64, 32, 0, "P-256"},
    {KE_ECP_384, ECP, 96, 48, 0, "P-384"},
    {KE_ECP_521, ECP, 132, 66, 0, "P-521"},
    {KE_ECP_256_BP, ECP, 64, 32, 0, "brainpoolP256r1"},
    {KE_ECP_384_BP, ECP, 96, 48, 0, "brainpoolP384r1"},
    {KE_ECP_512_BP, ECP, 128, 64, 0, "brainpoolP512r1"},
    {KE_MODP_2048, MODP, 256, 256, 384, "modp_2048"},
    {KE_MODP_3072, MODP, 384, 384, 448, "modp_3072"},
    {KE_MODP_4096, MODP, 512, 512, 512, "modp_4096"},
    {KE_MODP_6144, MODP, 768, 768, 576, "modp_6144"},
    {KE_MODP_8192, MODP, 1024, 1024, 640, "modp_8192"},
};

#define POINT_MAX 133 // bytes: 0x04 | x | y of P-521
#define MODP_MAX 1024 // bytes of the longest prime

static const struct group *group_find(uint16_t method)
{
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (groups[i].method == method) return &groups[i];
    }
    return NULL;
}

static bool openssl_can(uint16_t method)
{
    return group_find(method) != NULL;
}

static const char *family_name(const struct group *g)
{
    return g->family == CURVE ? g->name : g->family == ECP ? "EC" : "DH";
}

static OSSL_PARAM group_param(const struct group *g, char name[16])
{
    snprintf(name, 16, "%s", g->name); // OpenSSL wants to be able to write to it
    return OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0);
}

// ---- our half ----

static EVP_PKEY *key_generate(const struct group *g)
{
    char name[16];
    int bits = g->private_bits;
    OSSL_PARAM how[3] = {group_param(g, name), OSSL_PARAM_construct_end()};
    if (bits) {
        how[1] = OSSL_PARAM_construct_int(OSSL_PKEY_PARAM_DH_PRIV_LEN, &bits);
        how[2] = OSSL_PARAM_construct_end();
    }
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, family_name(g), NULL);
    EVP_PKEY *key = NULL;
    bool good = ctx && EVP_PKEY_keygen_init(ctx) == 1 &&
                (g->family == CURVE || EVP_PKEY_CTX_set_params(ctx, how) == 1) &&
                EVP_PKEY_generate(ctx, &key) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good ? key : NULL;
}

// rfc7296 3.4 MUST: a MODP value is as long as the prime, with zeros before it if need be
static bool public_modp(const struct group *g, const EVP_PKEY *key, uint8_t *out)
{
    BIGNUM *y = NULL;
    bool good = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PUB_KEY, &y) == 1 &&
                BN_bn2binpad(y, out, g->public_len) == g->public_len;
    BN_free(y);
    return good;
}

// rfc5903 7 MUST: x | y, each as long as the field, without the 0x04 before them
static bool public_point(const struct group *g, const EVP_PKEY *key, uint8_t *out)
{
    uint8_t point[POINT_MAX];
    size_t len = 0;
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point,
                                        sizeof point, &len) != 1) {
        return false;
    }
    if (g->family == CURVE && len == g->public_len) {
        memcpy(out, point, len);
        return true;
    }
    if (len != g->public_len + 1U || point[0] != POINT_CONVERSION_UNCOMPRESSED) return false;
    memcpy(out, point + 1, g->public_len);
    return true;
}

static err_t openssl_make(struct ke *ke)
{
    const struct group *g = group_find(ke->method);
    if (!g) return ERR_ALGORITHM;
    EVP_PKEY *key = key_generate(g);
    ke->private = key;
    bool good = key && (g->family == MODP ? public_modp(g, key, ke->public)
                                          : public_point(g, key, ke->public));
    ke->public_len = g->public_len;
    if (!good) ERR_clear_error();
    return good ? ERR_OK : ERR_CRYPTO;
}

static void openssl_drop(struct ke *ke)
{
    EVP_PKEY_free(ke->private);
    ke->private = NULL;
}

// ---- the peer's half ----

static EVP_PKEY *key_from(const struct group *g, int selection, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, family_name(g), NULL);
    EVP_PKEY *key = NULL;
    bool good = ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, &key, selection, params) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good ? key : NULL;
}

// The point is decoded, which refuses coordinates outside the field and points off the curve
// (RFC 6989 2.3); the point at infinity has no such encoding and the cofactors are 1.
static EVP_PKEY *peer_point(const struct group *g, span_t peer)
{
    char name[16];
    uint8_t point[POINT_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    memcpy(point + 1, peer.at, peer.len);
    OSSL_PARAM params[] = {
        group_param(g, name),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, peer.len + 1),
        OSSL_PARAM_construct_end(),
    };
    return key_from(g, EVP_PKEY_PUBLIC_KEY, params);
}

// rfc6989 2.1 MUST: 1 < y < p - 1. That y is in the subgroup, OpenSSL sees for itself when the
// secret is computed.
static bool modp_is_good(const EVP_PKEY *ours, const BIGNUM *y)
{
    BIGNUM *p = NULL;
    bool good = EVP_PKEY_get_bn_param(ours, OSSL_PKEY_PARAM_FFC_P, &p) == 1 &&
                BN_cmp(y, BN_value_one()) > 0 && BN_sub_word(p, 1) == 1 && BN_cmp(y, p) < 0;
    BN_free(p);
    return good;
}

// A key of which one integer, the public or the private value, is known.
static EVP_PKEY *key_from_integer(const struct group *g, int selection, const char *which,
                                  const BIGNUM *value)
{
    char name[16];
    uint8_t native[MODP_MAX];
    EVP_PKEY *key = NULL;
    if (BN_bn2nativepad(value, native, sizeof native) > 0) {
        OSSL_PARAM params[] = {
            group_param(g, name),
            OSSL_PARAM_construct_BN(which, native, sizeof native),
            OSSL_PARAM_construct_end(),
        };
        key = key_from(g, selection, params);
    }
    OPENSSL_cleanse(native, sizeof native);
    return key;
}

static EVP_PKEY *peer_modp(const struct group *g, const EVP_PKEY *ours, span_t peer)
{
    EVP_PKEY *key = NULL;
    BIGNUM *y = BN_bin2bn(peer.at, (int)peer.len, NULL);
    if (y && modp_is_good(ours, y)) {
        key = key_from_integer(g, EVP_PKEY_PUBLIC_KEY, OSSL_PKEY_PARAM_PUB_KEY, y);
    }
    BN_free(y);
    return key;
}

static EVP_PKEY *peer_read(const struct group *g, const EVP_PKEY *ours, span_t peer)
{
    if (peer.len != g->public_len) return NULL;
    if (g->family == ECP) return peer_point(g, peer);
    if (g->family == MODP) return peer_modp(g, ours, peer);
    return EVP_PKEY_new_raw_public_key_ex(NULL, g->name, NULL, peer.at, peer.len);
}

static bool is_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) any |= p[i];
    return any == 0;
}

static err_t derive(const struct group *g, EVP_PKEY *ours, EVP_PKEY *theirs, struct secret *shared)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, ours, NULL);
    size_t len = sizeof shared->at;
    // The peer's value has been judged already, by cheaper means than OpenSSL's own check.
    bool ready = ctx && EVP_PKEY_derive_init(ctx) == 1 &&
                 (g->family != MODP || EVP_PKEY_CTX_set_dh_pad(ctx, 1) == 1) &&
                 EVP_PKEY_derive_set_peer_ex(ctx, theirs, 0) == 1;
    bool good = ready && EVP_PKEY_derive(ctx, shared->at, &len) == 1;
    EVP_PKEY_CTX_free(ctx);
    // rfc8031 2.2 (RFC 7748 6.1) MUST: an all-zero result is refused; OpenSSL fails by itself then
    if (good && len == g->shared_len && !is_zero(shared->at, len)) {
        shared->len = (uint32_t)len;
        return ERR_OK;
    }
    secret_done(shared);
    return ready ? ERR_SYNTAX : ERR_CRYPTO;
}

static err_t openssl_finish(struct ke *ke, span_t peer, struct secret *shared)
{
    const struct group *g = group_find(ke->method);
    if (!g) return ERR_ALGORITHM;
    EVP_PKEY *theirs = peer_read(g, ke->private, peer);
    err_t e = theirs ? derive(g, ke->private, theirs, shared) : ERR_SYNTAX;
    EVP_PKEY_free(theirs);
    if (e != ERR_OK) ERR_clear_error();
    return e;
}

static EVP_PKEY *private_read(const struct group *g, span_t private)
{
    if (g->family == CURVE) {
        return EVP_PKEY_new_raw_private_key_ex(NULL, g->name, NULL, private.at, private.len);
    }
    if (private.len > MODP_MAX) return NULL;
    BIGNUM *k = BN_bin2bn(private.at, (int)private.len, NULL);
    EVP_PKEY *key = k ? key_from_integer(g, EVP_PKEY_KEYPAIR, OSSL_PKEY_PARAM_PRIV_KEY, k) : NULL;
    BN_clear_free(k);
    return key;
}

err_t ke_from_private(uint16_t method, span_t private, struct ke **out)
{
    const struct group *g = group_find(method);
    if (!g) return ERR_ALGORITHM;
    struct ke *ke = calloc(1, sizeof *ke);
    if (!ke) return ERR_NOMEM;
    ke->kind = &ke_openssl;
    ke->method = method;
    ke->private = private_read(g, private);
    if (!ke->private) {
        ERR_clear_error();
        free(ke);
        return ERR_CRYPTO;
    }
    *out = ke;
    return ERR_OK;
}

const struct ke_kind ke_openssl = {
    .can = openssl_can,
    .make = openssl_make,
    .finish = openssl_finish,
    .drop = openssl_drop,
};
