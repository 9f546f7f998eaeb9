#include "cred/sign.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cred/pkey.h"
#include "cred/signx.h"

struct signer {
    _Atomic unsigned holders;
    struct pubkey *pub;
    EVP_PKEY *pkey; // OpenSSL wipes it when it goes
};

// ---- reading ----

struct ask {
    const struct secret *passphrase;
    bool asked;
};

static int passphrase_give(char *buf, int size, int rwflag, void *u)
{
    struct ask *ask = u;
    (void)rwflag;
    ask->asked = true;
    if (!ask->passphrase || size < 0 || ask->passphrase->len > (uint32_t)size) return -1;
    memcpy(buf, ask->passphrase->at, ask->passphrase->len);
    return (int)ask->passphrase->len;
}

static EVP_PKEY *pem_read(span_t file, struct ask *ask)
{
    BIO *bio = BIO_new_mem_buf(file.at, (int)file.len);
    EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, passphrase_give, ask) : NULL;
    BIO_free(bio);
    return pkey;
}

static EVP_PKEY *der_read(span_t file, struct ask *ask)
{
    const unsigned char *at = file.at;
    EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &at, (long)file.len);
    if (pkey) return pkey;
    at = file.at;
    X509_SIG *sealed = d2i_X509_SIG(NULL, &at, (long)file.len);
    X509_SIG_free(sealed);
    if (!sealed) return NULL;
    BIO *bio = BIO_new_mem_buf(file.at, (int)file.len);
    if (bio) pkey = d2i_PKCS8PrivateKey_bio(bio, NULL, passphrase_give, ask);
    BIO_free(bio);
    return pkey;
}

// A key whose halves do not belong together would only be noticed by peers.
static err_t signer_try(const struct signer *s, struct why *why)
{
    static const uint8_t tbs[] = "does this key sign what it verifies?";
    struct scheme list[SIGN_SCHEMES_MAX];
    uint8_t sig[SIGN_MAX];
    size_t len = sizeof sig;
    if (signer_schemes(s, HASHES_DEFAULT, list) > 0 &&
        signer_sign(s, &list[0], SPAN(tbs), sig, &len) == ERR_OK &&
        pubkey_verify(s->pub, &list[0], SPAN(tbs), span(sig, len)) == ERR_OK) {
        return ERR_OK;
    }
    return why_not(why, ERR_SYNTAX, "the private key does not fit its own public key");
}

err_t signer_from_pkey(EVP_PKEY *pkey, struct signer **out, struct why *why)
{
    struct signer *s = calloc(1, sizeof *s);
    if (!s) return ERR_NOMEM;
    s->holders = 1;
    EVP_PKEY_up_ref(pkey);
    s->pkey = pkey;
    err_t e = pubkey_from_pkey(pkey, &s->pub, why);
    if (e == ERR_OK) e = signer_try(s, why);
    ERR_clear_error();
    if (e != ERR_OK) {
        signer_free(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

err_t signer_read(span_t file, const struct secret *passphrase, struct signer **out,
                  struct why *why)
{
    struct ask ask = {.passphrase = passphrase};
    if (file.len > SIGN_FILE_MAX) {
        return why_not(why, ERR_SYNTAX, "the file is too long for a private key");
    }
    bool der = file.len > 0 && file.at[0] == 0x30;
    EVP_PKEY *pkey = der ? der_read(file, &ask) : pem_read(file, &ask);
    ERR_clear_error();
    if (!pkey && ask.asked) {
        return why_not(why, ERR_AUTH, "the private key is encrypted and %s",
                       passphrase ? "the passphrase does not open it"
                                  : "there is no passphrase for it; give its `secret`");
    }
    if (!pkey) {
        return why_not(why, ERR_SYNTAX,
                       "there is no private key in it (PKCS#1, PKCS#8 or SEC1, PEM or DER)");
    }
    err_t e = signer_from_pkey(pkey, out, why);
    EVP_PKEY_free(pkey);
    return e;
}

struct signer *signer_ref(struct signer *s)
{
    atomic_fetch_add_explicit(&s->holders, 1, memory_order_relaxed);
    return s;
}

void signer_free(struct signer *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->holders, 1, memory_order_acq_rel) != 1) return;
    EVP_PKEY_free(s->pkey);
    pubkey_free(s->pub);
    free(s);
}

EVP_PKEY *signer_pkey(const struct signer *s)
{
    return s->pkey;
}

struct pubkey *signer_pubkey(const struct signer *s)
{
    return s->pub;
}

// ---- choosing ----

// The hash about as strong as the key (RFC 5480 4, SP 800-57 table 2).
static uint8_t hash_suiting(const struct pubkey *k)
{
    unsigned bits = pubkey_bits(k);
    if (pubkey_kind(k) == KEY_RSA) return bits <= 3072 ? HASH_SHA256 : HASH_SHA384;
    return bits <= 256 ? HASH_SHA256 : bits <= 384 ? HASH_SHA384 : HASH_SHA512;
}

struct choice {
    const struct pubkey *key;
    hash_set_t hashes;
    struct scheme *out;
    unsigned n;
};

static void scheme_offer(struct choice *c, struct scheme s)
{
    if (c->n < SIGN_SCHEMES_MAX && (c->hashes & HASH_BIT(s.hash)) && pubkey_can(c->key, &s))
        c->out[c->n++] = s;
}

static struct scheme scheme_of(uint8_t kind, uint8_t hash)
{
    if (kind == SCHEME_PSS) return scheme_pss(hash);
    return (struct scheme){.kind = kind, .hash = hash};
}

static void schemes_offer(struct choice *c, uint8_t kind)
{
    uint8_t best = hash_suiting(c->key);
    for (uint8_t h = best; h <= HASH_SHA512; h++) scheme_offer(c, scheme_of(kind, h));
    for (uint8_t h = best; h-- > HASH_SHA256;) scheme_offer(c, scheme_of(kind, h));
}

unsigned signer_schemes(const struct signer *s, hash_set_t hashes,
                        struct scheme out[SIGN_SCHEMES_MAX])
{
    struct choice c = {.key = s->pub, .hashes = hashes, .out = out};
    switch (pubkey_kind(s->pub)) {
    case KEY_RSA:
        schemes_offer(&c, SCHEME_PSS);
        schemes_offer(&c, SCHEME_RSA);
        break;
    case KEY_ECDSA:
        schemes_offer(&c, SCHEME_ECDSA);
        break;
    default:
        scheme_offer(&c, scheme_of(SCHEME_ED25519, HASH_IDENTITY));
        scheme_offer(&c, scheme_of(SCHEME_ED448, HASH_IDENTITY));
    }
    return c.n;
}

uint8_t signer_method(const struct signer *s)
{
    static const uint8_t methods[] = {9, 10, 11, 1};
    for (size_t i = 0; i < sizeof methods; i++) {
        struct scheme scheme;
        if (scheme_from_method(methods[i], &scheme) == ERR_OK && pubkey_can(s->pub, &scheme))
            return methods[i];
    }
    return 0;
}

// ---- signing ----

// DER -> r | s
static err_t der_to_fixed(span_t der, unsigned half, uint8_t *sig, size_t *len)
{
    const unsigned char *at = der.at;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)der.len);
    bool ok = pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), sig, (int)half) > 0 &&
              BN_bn2binpad(ECDSA_SIG_get0_s(pair), sig + half, (int)half) > 0;
    ECDSA_SIG_free(pair);
    *len = 2U * half;
    return ok ? ERR_OK : ERR_CRYPTO;
}

static err_t digest_sign(const struct signer *s, const struct scheme *scheme, span_t tbs,
                         uint8_t *sig, size_t *len)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx; // belongs to md
    if (!md) return ERR_NOMEM;
    err_t e = ERR_CRYPTO;
    if (EVP_DigestSignInit(md, &ctx, scheme_md(scheme->hash), NULL, s->pkey) > 0 &&
        scheme_apply(scheme, ctx) == ERR_OK && EVP_DigestSign(md, sig, len, tbs.at, tbs.len) == 1) {
        e = ERR_OK;
    }
    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return e;
}

err_t signer_sign(const struct signer *s, const struct scheme *scheme, span_t tbs, uint8_t *sig,
                  size_t *len)
{
    if (!pubkey_can(s->pub, scheme)) return ERR_UNSUPPORTED;
    uint8_t whole[SIGN_MAX];
    size_t n = sizeof whole;
    unsigned half = (pubkey_bits(s->pub) + 7) / 8;
    TRY(digest_sign(s, scheme, tbs, whole, &n));
    if (*len < (scheme->kind == SCHEME_ECDSA_FIXED ? 2U * half : n)) return ERR_SPACE;
    if (scheme->kind == SCHEME_ECDSA_FIXED) return der_to_fixed(span(whole, n), half, sig, len);
    memcpy(sig, whole, n);
    *len = n;
    return ERR_OK;
}
