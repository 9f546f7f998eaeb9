#include "cred/p12.h"

#include <string.h>

#include "cred/certx.h"
#include "cred/signx.h"

// OpenSSL takes characters, not bytes: the passphrase is copied with a terminator.
static err_t p12_open(PKCS12 *file, const struct secret *passphrase, struct secret *pass)
{
    static const uint8_t nothing[1];
    if (passphrase && passphrase->len >= SECRET_MAX) return ERR_SPACE;
    TRY(secret_set(pass, passphrase ? secret_span(passphrase) : span(nothing, 0)));
    pass->at[pass->len] = 0;
    // No passphrase may mean an empty one or none at all; files exist of both kinds.
    if (PKCS12_verify_mac(file, (const char *)pass->at, -1)) return ERR_OK;
    return pass->len == 0 && PKCS12_verify_mac(file, NULL, 0) ? ERR_OK : ERR_AUTH;
}

static err_t cert_take(struct p12 *p, X509 *x, struct why *why)
{
    if (!x || p->n == P12_CERTS_MAX) return ERR_OK;
    TRY(cert_from_x509(x, &p->certs[p->n], why));
    p->n++;
    return ERR_OK;
}

static err_t contents_take(struct p12 *p, EVP_PKEY *key, X509 *own, STACK_OF(X509) * more,
                           struct why *why)
{
    if (key) TRY(signer_from_pkey(key, &p->key, why));
    TRY(cert_take(p, own, why));
    for (int i = 0; i < sk_X509_num(more); i++) TRY(cert_take(p, sk_X509_value(more, i), why));
    return ERR_OK;
}

static err_t p12_take(PKCS12 *file, const struct secret *pass, struct p12 *out, struct why *why)
{
    EVP_PKEY *key = NULL;
    X509 *own = NULL;
    STACK_OF(X509) *more = NULL;
    struct p12 got = {0};
    if (!PKCS12_parse(file, (const char *)pass->at, &key, &own, &more)) {
        return why_not(why, ERR_SYNTAX,
                       "the PKCS#12 file is broken or uses a cipher that "
                       "OpenSSL no longer offers; convert it anew");
    }
    err_t e = contents_take(&got, key, own, more, why);
    EVP_PKEY_free(key);
    X509_free(own);
    sk_X509_pop_free(more, X509_free);
    if (e == ERR_OK) *out = got;
    if (e != ERR_OK) p12_done(&got);
    return e;
}

err_t p12_read(span_t file, const struct secret *passphrase, struct p12 *out, struct why *why)
{
    if (file.len > SIGN_FILE_MAX) return why_not(why, ERR_SYNTAX, "the PKCS#12 file is too long");
    const unsigned char *at = file.at;
    PKCS12 *p = d2i_PKCS12(NULL, &at, (long)file.len);
    ERR_clear_error();
    if (!p) return why_not(why, ERR_SYNTAX, "this is no PKCS#12 file");
    struct secret pass = {0};
    err_t e = p12_open(p, passphrase, &pass);
    if (e == ERR_OK) {
        e = p12_take(p, &pass, out, why);
    } else {
        e = why_not(why, e, "the passphrase does not open the PKCS#12 file");
    }
    secret_done(&pass);
    PKCS12_free(p);
    ERR_clear_error();
    return e;
}

void p12_done(struct p12 *p)
{
    signer_free(p->key);
    for (unsigned i = 0; i < p->n; i++) cert_free(p->certs[i]);
    *p = (struct p12){0};
}
