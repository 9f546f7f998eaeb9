// Diffie-Hellman by OpenSSL: X25519 and X448 (RFC 8031), ECP groups (RFC 5903, 5114, brainpool: RFC
// 6954), MODP groups (RFC 3526, and 5114: with subgroups), and the two oldest, which OpenSSL knows
// by their primes only (RFC 7296 B).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/alg.h"
#include "crypto/ke_kind.h"
#include "crypto/openssl/openssl.h"

enum family { CURVE, ECP, MODP, SUBGROUP };

// private_bits: at least twice the strength of the group (RFC 3526 section 8, second estimate,
// rounded up), so that the short exponent is not the weak spot. Other families know themselves.
static const struct group {
    uint16_t method;
    uint8_t family;
    uint16_t public_len, shared_len; // bytes, as in the KE payload; of an ECP point: x | y
    uint16_t private_bits;
    const char *name; // OpenSSL's; NULL: it has none
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
    {KE_MODP_768, MODP, 96, 96, 256, NULL},
    {KE_MODP_1024, MODP, 128, 128, 256, NULL},
    {KE_MODP_1536, MODP, 192, 192, 256, "modp_1536"},
    {KE_MODP_1024_160, SUBGROUP, 128, 128, 0, "dh_1024_160"},
    {KE_MODP_2048_224, SUBGROUP, 256, 256, 0, "dh_2048_224"},
    {KE_MODP_2048_256, SUBGROUP, 256, 256, 0, "dh_2048_256"},
    {KE_ECP_192, ECP, 48, 24, 0, "P-192"},
    {KE_ECP_224, ECP, 56, 28, 0, "P-224"},
    {KE_ECP_224_BP, ECP, 56, 28, 0, "brainpoolP224r1"},
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

static bool is_modp(const struct group *g)
{
    return g->family == MODP || g->family == SUBGROUP;
}

static const char *family_name(const struct group *g)
{
    if (g->family == CURVE) return g->name;
    if (g->family == ECP) return "EC";
    return g->family == MODP ? "DH" : "DHX";
}

// What says which group it is: its name, or its numbers.
#define GROUP_PARAMS 2
struct group_params {
    char name[16];
    uint8_t p[MODP_MAX], two[1];
};

static BIGNUM *prime_of(const struct group *g)
{
    return g->method == KE_MODP_768 ? BN_get_rfc2409_prime_768(NULL)
                                    : BN_get_rfc2409_prime_1024(NULL);
}

// Writes at most GROUP_PARAMS; returns how many, 0: out of memory.
static unsigned group_params(const struct group *g, struct group_params *at, OSSL_PARAM *out)
{
    if (g->name) {
        snprintf(at->name, sizeof at->name, "%s", g->name); // OpenSSL wants to be able to write
        out[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, at->name, 0);
        return 1;
    }
    BIGNUM *p = prime_of(g);
    bool good = p && BN_bn2nativepad(p, at->p, g->public_len) > 0;
    BN_free(p);
    if (!good) return 0;
    at->two[0] = 2;
    out[0] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_FFC_P, at->p, g->public_len);
    out[1] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_FFC_G, at->two, sizeof at->two);
    return 2;
}

// ---- our half ----

static EVP_PKEY *key_from(const struct group *g, int selection, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, family_name(g), NULL);
    EVP_PKEY *key = NULL;
    bool good = ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, &key, selection, params) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good ? key : NULL;
}

static EVP_PKEY *generate(EVP_PKEY_CTX *ctx, const OSSL_PARAM *how)
{
    EVP_PKEY *key = NULL;
    bool good = ctx && EVP_PKEY_keygen_init(ctx) == 1 &&
                (!how || EVP_PKEY_CTX_set_params(ctx, how) == 1) &&
                EVP_PKEY_generate(ctx, &key) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good ? key : NULL;
}

static EVP_PKEY *key_generate(const struct group *g)
{
    struct group_params at;
    int bits = g->private_bits;
    OSSL_PARAM how[GROUP_PARAMS + 2];
    unsigned n = group_params(g, &at, how);
    if (g->family == CURVE) return generate(EVP_PKEY_CTX_new_from_name(NULL, g->name, NULL), NULL);
    if (n == 0) return NULL;
    OSSL_PARAM *length = g->name ? how + n : how; // numbers make a key of their own first
    how[n] = OSSL_PARAM_construct_end();
    EVP_PKEY *numbers = g->name ? NULL : key_from(g, EVP_PKEY_KEY_PARAMETERS, how);
    if (!g->name && !numbers) return NULL;
    if (bits) {
        length[0] = OSSL_PARAM_construct_int(OSSL_PKEY_PARAM_DH_PRIV_LEN, &bits);
        length[1] = OSSL_PARAM_construct_end();
    }
    EVP_PKEY *key = generate(numbers ? EVP_PKEY_CTX_new_from_pkey(NULL, numbers, NULL)
                                     : EVP_PKEY_CTX_new_from_name(NULL, family_name(g), NULL),
                             how);
    EVP_PKEY_free(numbers);
    return key;
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
    bool good =
        key && (is_modp(g) ? public_modp(g, key, ke->public) : public_point(g, key, ke->public));
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

// The point is decoded, which refuses coordinates outside the field and points off the curve
// (RFC 6989 2.3); the point at infinity has no such encoding and the cofactors are 1.
static EVP_PKEY *peer_point(const struct group *g, span_t peer)
{
    struct group_params at;
    uint8_t point[POINT_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    OSSL_PARAM params[GROUP_PARAMS + 2];
    unsigned n = group_params(g, &at, params);
    memcpy(point + 1, peer.at, peer.len);
    params[n] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, peer.len + 1);
    params[n + 1] = OSSL_PARAM_construct_end();
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
    struct group_params at;
    uint8_t native[MODP_MAX];
    OSSL_PARAM params[GROUP_PARAMS + 2];
    unsigned n = group_params(g, &at, params);
    EVP_PKEY *key = NULL;
    if (n && BN_bn2nativepad(value, native, sizeof native) > 0) {
        params[n] = OSSL_PARAM_construct_BN(which, native, sizeof native);
        params[n + 1] = OSSL_PARAM_construct_end();
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
    if (is_modp(g)) return peer_modp(g, ours, peer);
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
                 (!is_modp(g) || EVP_PKEY_CTX_set_dh_pad(ctx, 1) == 1) &&
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
    .name = "openssl",
    .can = openssl_can,
    .make = openssl_make,
    .finish = openssl_finish,
    .drop = openssl_drop,
};
