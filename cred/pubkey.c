#include "cred/pubkey.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cred/pkey.h"

#define ECDSA_SIG_MAX 160 // bytes: DER of two numbers of 66

struct pubkey {
    _Atomic unsigned holders;
    uint8_t kind;
    int curve; // NID; ECDSA only
    unsigned bits;
    EVP_PKEY *pkey;
    uint8_t spki_sha1[KEY_SHA1_LEN], key_sha1[KEY_SHA1_LEN];
    size_t len;
    uint8_t spki[];
};

static const struct {
    int nid;
    const char *name;
} curves[] = {
    {NID_X9_62_prime256v1, "secp256r1"},
    {NID_secp384r1, "secp384r1"},
    {NID_secp521r1, "secp521r1"},
    {NID_brainpoolP256r1, "brainpoolP256r1"},
    {NID_brainpoolP384r1, "brainpoolP384r1"},
    {NID_brainpoolP512r1, "brainpoolP512r1"},
};

static const char *curve_name(int nid)
{
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++) {
        if (curves[i].nid == nid) return curves[i].name;
    }
    return NULL;
}

// ---- making ----

static err_t rsa_check(EVP_PKEY *pkey, struct why *why)
{
    BIGNUM *e = NULL;
    int bits = EVP_PKEY_get_bits(pkey);
    if (bits < PUBKEY_RSA_BITS_MIN || bits > PUBKEY_RSA_BITS_MAX) {
        return why_not(why, ERR_RANGE, "the RSA key has %d bits; %d to %d are accepted", bits,
                       PUBKEY_RSA_BITS_MIN, PUBKEY_RSA_BITS_MAX);
    }
    if (!EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e)) return ERR_SYNTAX;
    bool good = BN_is_odd(e) && !BN_is_one(e) && BN_num_bits(e) <= PUBKEY_RSA_EXPONENT_BITS_MAX;
    BN_free(e);
    if (good) return ERR_OK;
    return why_not(why, ERR_RANGE, "the RSA key's exponent is even, one, or longer than %d bits",
                   PUBKEY_RSA_EXPONENT_BITS_MAX);
}

// Named curves only: parameters of the peer's own are how CVE-2020-0601 was done.
static err_t ec_check(EVP_PKEY *pkey, int *curve, struct why *why)
{
    int explicit = 0;
    char name[64] = "";
    (void)EVP_PKEY_get_int_param(pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit);
    if (explicit) {
        return why_not(why, ERR_UNSUPPORTED, "the EC key brings curve parameters of its own");
    }
    (void)EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof name, NULL);
    *curve = OBJ_txt2nid(name);
    if (*curve != NID_undef && curve_name(*curve)) return ERR_OK;
    return why_not(why, ERR_UNSUPPORTED,
                   "the curve %.40s is not one of secp256r1, secp384r1, secp521r1, "
                   "brainpoolP256r1, brainpoolP384r1, brainpoolP512r1",
                   name);
}

static err_t pkey_check(EVP_PKEY *pkey, uint8_t *kind, int *curve, struct why *why)
{
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        *kind = KEY_RSA;
        return rsa_check(pkey, why);
    case EVP_PKEY_EC:
        *kind = KEY_ECDSA;
        return ec_check(pkey, curve, why);
    case EVP_PKEY_ED25519:
        *kind = KEY_ED25519;
        return ERR_OK;
    case EVP_PKEY_ED448:
        *kind = KEY_ED448;
        return ERR_OK;
    default:
        return why_not(why, ERR_UNSUPPORTED, "keys of the type %.40s are not supported",
                       OBJ_nid2sn(EVP_PKEY_get_base_id(pkey)));
    }
}

// The two digests that name a key.
static bool digests_make(struct pubkey *k, const X509_PUBKEY *spki)
{
    const unsigned char *bits;
    int n;
    return X509_PUBKEY_get0_param(NULL, &bits, &n, NULL, spki) &&
           EVP_Digest(bits, (size_t)n, k->key_sha1, NULL, EVP_sha1(), NULL) &&
           EVP_Digest(k->spki, k->len, k->spki_sha1, NULL, EVP_sha1(), NULL);
}

// The bytes are kept as they came: CERTREQ names a key by these.
err_t pubkey_from_x509(X509_PUBKEY *spki, struct pubkey **out, struct why *why)
{
    uint8_t kind = 0;
    int curve = NID_undef, n = i2d_X509_PUBKEY(spki, NULL);
    EVP_PKEY *pkey = X509_PUBKEY_get0(spki);
    if (!pkey) return why_not(why, ERR_UNSUPPORTED, "the key is malformed or of an unknown kind");
    TRY(pkey_check(pkey, &kind, &curve, why));
    if (n <= 0) return ERR_CRYPTO;
    if (n > PUBKEY_DER_MAX) return ERR_RANGE;
    struct pubkey *k = calloc(1, sizeof *k + (size_t)n);
    if (!k) return ERR_NOMEM;
    unsigned char *to = k->spki;
    k->len = (size_t)i2d_X509_PUBKEY(spki, &to);
    k->holders = 1;
    k->kind = kind;
    k->curve = curve;
    k->bits = (unsigned)EVP_PKEY_get_bits(pkey);
    if (!digests_make(k, spki)) {
        free(k);
        return ERR_CRYPTO;
    }
    EVP_PKEY_up_ref(pkey);
    k->pkey = pkey;
    *out = k;
    return ERR_OK;
}

err_t pubkey_from_pkey(EVP_PKEY *pkey, struct pubkey **out, struct why *why)
{
    X509_PUBKEY *spki = NULL;
    err_t e = X509_PUBKEY_set(&spki, pkey)
                  ? pubkey_from_x509(spki, out, why)
                  : why_not(why, ERR_UNSUPPORTED, "the key is of an unknown kind");
    X509_PUBKEY_free(spki);
    ERR_clear_error();
    return e;
}

err_t pubkey_from_spki(span_t der, struct pubkey **out, struct why *why)
{
    const unsigned char *at = der.at;
    X509_PUBKEY *spki =
        der.len <= PUBKEY_DER_MAX ? d2i_X509_PUBKEY(NULL, &at, (long)der.len) : NULL;
    err_t e = spki && at == der.at + der.len
                  ? pubkey_from_x509(spki, out, why)
                  : why_not(why, ERR_SYNTAX, "this is no public key (SubjectPublicKeyInfo)");
    X509_PUBKEY_free(spki);
    ERR_clear_error();
    return e;
}

static EVP_PKEY *pem_read(span_t file)
{
    BIO *bio = BIO_new_mem_buf(file.at, (int)file.len);
    if (!bio) return NULL;
    EVP_PKEY *pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    if (!pkey && BIO_reset(bio) == 1) {
        unsigned char *der = NULL;
        long n = 0;
        if (PEM_bytes_read_bio(&der, &n, NULL, PEM_STRING_RSA_PUBLIC, bio, NULL, NULL)) {
            const unsigned char *at = der;
            pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, n);
        }
        OPENSSL_free(der);
    }
    BIO_free(bio);
    return pkey;
}

err_t pubkey_read(span_t file, struct pubkey **out, struct why *why)
{
    if (file.len > 2 * PUBKEY_DER_MAX) {
        return why_not(why, ERR_SYNTAX, "the file is too long for a public key");
    }
    EVP_PKEY *pkey = pem_read(file);
    const unsigned char *at = file.at;
    if (!pkey) pkey = d2i_PUBKEY(NULL, &at, (long)file.len);
    at = file.at;
    if (!pkey) pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)file.len);
    err_t e = pkey ? pubkey_from_pkey(pkey, out, why)
                   : why_not(why, ERR_SYNTAX, "there is no public key in it, neither PEM nor DER");
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return e;
}

struct pubkey *pubkey_ref(struct pubkey *k)
{
    atomic_fetch_add_explicit(&k->holders, 1, memory_order_relaxed);
    return k;
}

void pubkey_free(struct pubkey *k)
{
    if (!k || atomic_fetch_sub_explicit(&k->holders, 1, memory_order_acq_rel) != 1) return;
    EVP_PKEY_free(k->pkey);
    free(k);
}

// ---- looking ----

uint8_t pubkey_kind(const struct pubkey *k)
{
    return k->kind;
}

unsigned pubkey_bits(const struct pubkey *k)
{
    return k->bits;
}

span_t pubkey_spki(const struct pubkey *k)
{
    return span(k->spki, k->len);
}

const uint8_t *pubkey_spki_sha1(const struct pubkey *k)
{
    return k->spki_sha1;
}

const uint8_t *pubkey_key_sha1(const struct pubkey *k)
{
    return k->key_sha1;
}

EVP_PKEY *pubkey_pkey(const struct pubkey *k)
{
    return k->pkey;
}

bool pubkey_eq(const struct pubkey *a, const struct pubkey *b)
{
    return span_eq(pubkey_spki(a), pubkey_spki(b));
}

const char *pubkey_show(const struct pubkey *k, char buf[PUBKEY_TEXT_MAX])
{
    if (k->kind == KEY_RSA) {
        snprintf(buf, PUBKEY_TEXT_MAX, "RSA %u", k->bits);
    } else if (k->kind == KEY_ECDSA) {
        snprintf(buf, PUBKEY_TEXT_MAX, "ECDSA %s", curve_name(k->curve));
    } else {
        snprintf(buf, PUBKEY_TEXT_MAX, "%s", k->kind == KEY_ED25519 ? "Ed25519" : "Ed448");
    }
    return buf;
}

// ---- verifying ----

const EVP_MD *scheme_md(uint8_t hash)
{
    switch (hash) {
    case HASH_SHA1:
        return EVP_sha1();
    case HASH_SHA224:
        return EVP_sha224();
    case HASH_SHA256:
        return EVP_sha256();
    case HASH_SHA384:
        return EVP_sha384();
    case HASH_SHA512:
        return EVP_sha512();
    case HASH_SHA3_256:
        return EVP_sha3_256();
    case HASH_SHA3_384:
        return EVP_sha3_384();
    case HASH_SHA3_512:
        return EVP_sha3_512();
    default:
        return NULL;
    }
}

err_t scheme_apply(const struct scheme *s, EVP_PKEY_CTX *ctx)
{
    bool ok = true;
    if (s->kind == SCHEME_RSA) {
        ok = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
    } else if (s->kind == SCHEME_PSS) {
        ok = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
             EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, scheme_md(s->mgf)) > 0 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, s->salt) > 0;
    }
    return ok ? ERR_OK : ERR_CRYPTO;
}

// rfc4754 1: ECDSA-256 is P-256 with SHA-256, and so on
static bool fixed_fits(int curve, uint8_t hash)
{
    return (curve == NID_X9_62_prime256v1 && hash == HASH_SHA256) ||
           (curve == NID_secp384r1 && hash == HASH_SHA384) ||
           (curve == NID_secp521r1 && hash == HASH_SHA512);
}

bool pubkey_can(const struct pubkey *k, const struct scheme *s)
{
    switch (s->kind) {
    case SCHEME_RSA:
        return EVP_PKEY_get_base_id(k->pkey) == EVP_PKEY_RSA && scheme_md(s->hash);
    case SCHEME_PSS:
        // The encoding needs hash + salt + 2 bytes (RFC 8017 9.1.1).
        return k->kind == KEY_RSA && scheme_md(s->hash) && scheme_md(s->mgf) &&
               (k->bits + 6) / 8 >= hash_len(s->hash) + s->salt + 2U;
    case SCHEME_ECDSA:
        return k->kind == KEY_ECDSA && scheme_md(s->hash);
    case SCHEME_ECDSA_FIXED:
        return k->kind == KEY_ECDSA && fixed_fits(k->curve, s->hash);
    case SCHEME_ED25519:
        return k->kind == KEY_ED25519;
    case SCHEME_ED448:
        return k->kind == KEY_ED448;
    default:
        return false;
    }
}

static err_t digest_verify(const struct pubkey *k, const struct scheme *s, span_t tbs, span_t sig)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx; // belongs to md
    if (!md) return ERR_NOMEM;
    err_t e = ERR_AUTH;
    if (EVP_DigestVerifyInit(md, &ctx, scheme_md(s->hash), NULL, k->pkey) > 0 &&
        scheme_apply(s, ctx) == ERR_OK &&
        EVP_DigestVerify(md, sig.at, sig.len, tbs.at, tbs.len) == 1) {
        e = ERR_OK;
    }
    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return e;
}

// r | s -> DER
static err_t fixed_to_der(span_t sig, uint8_t *der, size_t *len)
{
    int half = (int)(sig.len / 2);
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(sig.at, half, NULL), *s = BN_bin2bn(sig.at + half, half, NULL);
    if (!pair || !r || !s || !ECDSA_SIG_set0(pair, r, s)) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(pair);
        return ERR_NOMEM;
    }
    unsigned char *to = der;
    int n = i2d_ECDSA_SIG(pair, NULL);
    err_t e = n > 0 && (size_t)n <= *len ? ERR_OK : ERR_AUTH;
    if (e == ERR_OK) *len = (size_t)i2d_ECDSA_SIG(pair, &to);
    ECDSA_SIG_free(pair);
    return e;
}

err_t pubkey_verify(const struct pubkey *k, const struct scheme *s, span_t tbs, span_t sig)
{
    if (!pubkey_can(k, s)) return ERR_UNSUPPORTED;
    if (s->kind != SCHEME_ECDSA_FIXED) return digest_verify(k, s, tbs, sig);
    uint8_t der[ECDSA_SIG_MAX];
    size_t len = sizeof der;
    if (sig.len != 2 * ((k->bits + 7U) / 8)) return ERR_AUTH;
    TRY(fixed_to_der(sig, der, &len));
    return digest_verify(k, s, tbs, span(der, len));
}
