#include "test/unit/cred/mint.h"

#include <stdio.h>
#include <string.h>

#include "cred/certx.h"
#include "cred/dn.h"
#include "test/check.h"

#define DAY 86400

EVP_PKEY *mint_key(const char *what)
{
    EVP_PKEY *key;
    unsigned bits;
    if (sscanf(what, "RSA %u", &bits) == 1)
        key = EVP_RSA_gen(bits);
    else if (!strcmp(what, "RSA"))
        key = EVP_RSA_gen(2048U);
    else if (!strncmp(what, "ED", 2))
        key = EVP_PKEY_Q_keygen(NULL, NULL, what);
    else
        key = EVP_EC_gen(what);
    CHECK(key != NULL);
    return key;
}

static void name_set(X509 *x, const char *text)
{
    uint8_t der[1024];
    size_t len = sizeof der;
    if (!text || !*text) return;
    CHECK_OK(dn_parse(text, der, &len, NULL));
    const unsigned char *at = der;
    X509_NAME *name = d2i_X509_NAME(NULL, &at, (long)len);
    CHECK(name && X509_set_subject_name(x, name));
    X509_NAME_free(name);
}

static const EVP_MD *hash_for(EVP_PKEY *key, const char *hash)
{
    int kind = EVP_PKEY_get_base_id(key);
    if (kind == EVP_PKEY_ED25519 || kind == EVP_PKEY_ED448) return NULL;
    return EVP_get_digestbyname(hash ? hash : "SHA256");
}

static X509_EXTENSION *ext_make(X509V3_CTX *ctx, const char *text)
{
    char name[64];
    const char *eq = strchr(text, '=');
    CHECK(eq && (size_t)(eq - text) < sizeof name);
    memcpy(name, text, (size_t)(eq - text));
    name[eq - text] = 0;
    X509_EXTENSION *e = X509V3_EXT_nconf(NULL, ctx, name, eq + 1);
    if (!e) {
        print_error("extension \"%s\"\n", text);
        ERR_print_errors_fp(stderr);
    }
    CHECK(e != NULL);
    return e;
}

static void times_set(X509 *x, int64_t from, int64_t to)
{
    CHECK(ASN1_TIME_adj(X509_getm_notBefore(x), from ? from : MINT_NOW - DAY, 0, 0) != NULL);
    CHECK(ASN1_TIME_adj(X509_getm_notAfter(x), to ? to : MINT_NOW + 365 * DAY, 0, 0) != NULL);
}

struct mint mint_new(struct mint_spec spec)
{
    static long serial;
    struct mint m = {.x = X509_new()};
    if (spec.rekey) {
        EVP_PKEY_up_ref(spec.rekey->key);
        m.key = spec.rekey->key;
    } else {
        m.key = mint_key(spec.key ? spec.key : "P-256");
    }
    EVP_PKEY *signing = spec.by ? spec.by->key : m.key;
    X509_set_version(m.x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(m.x), spec.serial ? spec.serial : ++serial);
    name_set(m.x, spec.name);
    X509_set_issuer_name(m.x, X509_get_subject_name(spec.by ? spec.by->x : m.x));
    X509_set_pubkey(m.x, m.key);
    times_set(m.x, spec.from, spec.to);
    X509V3_CTX ctx;
    CONF *conf = NCONF_new(NULL); // empty, but some extensions want one
    X509V3_set_ctx(&ctx, spec.by ? spec.by->x : m.x, m.x, NULL, NULL, 0);
    X509V3_set_nconf(&ctx, conf);
    for (unsigned i = 0; i < MINT_EXTS && spec.ext[i]; i++) {
        X509_EXTENSION *e = ext_make(&ctx, spec.ext[i]);
        CHECK(X509_add_ext(m.x, e, -1));
        X509_EXTENSION_free(e);
    }
    NCONF_free(conf);
    CHECK(X509_sign(m.x, signing, hash_for(signing, spec.hash)) > 0);
    struct why why = {""};
    if (cert_read(mint_cert_der(m.x), &m.cert, &why) != ERR_OK) print_error("%s\n", why.text);
    return m;
}

void mint_done(struct mint *m)
{
    EVP_PKEY_free(m->key);
    X509_free(m->x);
    cert_free(m->cert);
    *m = (struct mint){0};
}

static void revoke(X509_CRL *crl, const struct mint *who)
{
    X509_REVOKED *r = X509_REVOKED_new();
    ASN1_TIME *when = ASN1_TIME_adj(NULL, MINT_NOW - DAY, 0, 0);
    CHECK(X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(who->x)));
    CHECK(X509_REVOKED_set_revocationDate(r, when));
    CHECK(X509_CRL_add0_revoked(crl, r));
    ASN1_TIME_free(when);
}

static void number_add(X509_CRL *crl, int nid, long number, int critical)
{
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    CHECK(ASN1_INTEGER_set(n, number));
    CHECK(X509_CRL_add1_ext_i2d(crl, nid, n, critical, 0) == 1);
    ASN1_INTEGER_free(n);
}

X509_CRL *mint_crl(struct mint_crl_spec spec)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *from = ASN1_TIME_adj(NULL, spec.from ? spec.from : MINT_NOW - DAY, 0, 0);
    ASN1_TIME *to = ASN1_TIME_adj(NULL, spec.to ? spec.to : MINT_NOW + 7 * DAY, 0, 0);
    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(spec.by->x));
    X509_CRL_set1_lastUpdate(crl, from);
    X509_CRL_set1_nextUpdate(crl, to);
    for (unsigned i = 0; i < 4 && spec.revoked[i]; i++) revoke(crl, spec.revoked[i]);
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, spec.by->x, NULL, NULL, crl, 0);
    if (spec.number) number_add(crl, NID_crl_number, spec.number, 0);
    if (spec.base) number_add(crl, NID_delta_crl, spec.base, 1);
    for (unsigned i = 0; i < 2 && spec.ext[i]; i++) {
        X509_EXTENSION *e = ext_make(&ctx, spec.ext[i]);
        CHECK(X509_CRL_add_ext(crl, e, -1));
        X509_EXTENSION_free(e);
    }
    CHECK(X509_CRL_sign(crl, spec.by->key, hash_for(spec.by->key, NULL)) > 0);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    return crl;
}

// One of sixteen places in turn.
static uint8_t *shelf(void)
{
    static uint8_t places[16][8192];
    static unsigned next;
    return places[next++ % 16];
}

span_t mint_cert_der(X509 *x)
{
    unsigned char *at = shelf(), *p = at;
    CHECK(i2d_X509(x, NULL) < 8192);
    return span(at, (size_t)i2d_X509(x, &p));
}

span_t mint_crl_der(X509_CRL *crl)
{
    unsigned char *at = shelf(), *p = at;
    CHECK(i2d_X509_CRL(crl, NULL) < 8192);
    return span(at, (size_t)i2d_X509_CRL(crl, &p));
}
