// uris.c - where to ask about a certificate: `authorities` of swanctl.conf first, then what the
// certificate itself names. Only HTTP and LDAP; only a few of each, since a certificate may name
// thousands.
#include <stdlib.h>
#include <string.h>

#include "cred/trustx.h"

static void uri_add(struct uris *u, const char *at, size_t len, unsigned group)
{
    if (u->n == URIS_MAX || memchr(at, 0, len)) return;
    char *copy = strndup(at, len);
    if (copy && fetch_can(copy)) {
        u->group[u->n] = group;
        u->at[u->n++] = copy;
        return;
    }
    free(copy);
}

static const struct authority *authority_of(const struct walk *w, unsigned depth)
{
    const uint8_t *key = pubkey_spki_sha1(cert_pubkey(w->chain.cert[depth + 1]));
    for (const struct authority *a = w->t->authorities; a; a = a->next) {
        if (!memcmp(a->key, key, KEY_SHA1_LEN)) return a;
    }
    return NULL;
}

static void point_add(struct uris *u, const DIST_POINT *p, unsigned group)
{
    if (!p->distpoint || p->distpoint->type != 0) return;
    const GENERAL_NAMES *names = p->distpoint->name.fullname;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < TRUST_URIS_MAX; i++) {
        int type;
        const ASN1_STRING *s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type == GEN_URI)
            uri_add(u, (const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s),
                    group);
    }
}

static void points_add(struct uris *u, CRL_DIST_POINTS *points, unsigned group)
{
    for (int i = 0; i < sk_DIST_POINT_num(points) && i < TRUST_URIS_MAX; i++) {
        point_add(u, sk_DIST_POINT_value(points, i), group + (unsigned)i);
    }
    CRL_DIST_POINTS_free(points);
    ERR_clear_error();
}

// rfc5280 4.2.1.13. What the user names stands in for what the certificate names.
void uris_of_crl(const struct walk *w, unsigned depth, struct uris *out)
{
    const struct authority *a = authority_of(w, depth);
    X509 *x = cert_x509(w->chain.cert[depth]);
    *out = (struct uris){0};
    for (unsigned i = 0; a && i < a->n_crl; i++) uri_add(out, a->crl[i], strlen(a->crl[i]), 0);
    points_add(out, X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL),
               out->n > 0 ? 0 : 1);
}

// rfc5280 4.2.1.15, 5.2.6
void uris_of_delta(const struct walk *w, unsigned depth, STACK_OF(X509_CRL) * lists,
                   struct uris *out)
{
    X509 *x = cert_x509(w->chain.cert[depth]);
    *out = (struct uris){0};
    points_add(out, X509_get_ext_d2i(x, NID_freshest_crl, NULL, NULL), 0);
    for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
        X509_CRL *crl = sk_X509_CRL_value(lists, i);
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(x)) != 0) continue;
        points_add(out, X509_CRL_get_ext_d2i(crl, NID_freshest_crl, NULL, NULL),
                   (unsigned)(i + 1) * TRUST_URIS_MAX);
    }
}

void uris_of_ocsp(const struct walk *w, unsigned depth, struct uris *out)
{
    const struct authority *a = authority_of(w, depth);
    *out = (struct uris){0};
    for (unsigned i = 0; a && i < a->n_ocsp; i++) uri_add(out, a->ocsp[i], strlen(a->ocsp[i]), 0);
    STACK_OF(OPENSSL_STRING) *own = X509_get1_ocsp(cert_x509(w->chain.cert[depth]));
    for (int i = 0; i < sk_OPENSSL_STRING_num(own) && i < TRUST_URIS_MAX; i++) {
        const char *s = sk_OPENSSL_STRING_value(own, i);
        uri_add(out, s, strlen(s), 0);
    }
    X509_email_free(own);
    ERR_clear_error();
}

void uris_done(struct uris *u)
{
    for (unsigned i = 0; i < u->n; i++) free(u->at[i]);
    u->n = 0;
}
