#include "cred/cert.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cred/certx.h"
#include "cred/dn.h"
#include "cred/pkey.h"

struct cert {
    _Atomic unsigned holders;
    X509 *x;
    struct pubkey *key;
    uint8_t *der; // OpenSSL's memory
    size_t len;
    uint8_t sha1[KEY_SHA1_LEN];
    uint8_t *subject, *issuer; // OpenSSL's memory, DER
    size_t subject_len, issuer_len;
    int64_t not_before, not_after;
    bool self_signed;
    struct id *ids;
    unsigned n_ids;
};

// ---- reading ----

// NULL if it is neither one certificate in DER nor a PEM file with one.
static X509 *x509_read(span_t in)
{
    const unsigned char *at = in.at;
    if (in.len > 0 && in.at[0] == 0x30) {
        X509 *x = d2i_X509(NULL, &at, (long)in.len);
        if (x && at == in.at + in.len) return x;
        X509_free(x);
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(in.at, (int)in.len);
    X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return x;
}

static err_t name_copy(X509_NAME *name, uint8_t **out, size_t *len)
{
    int n = i2d_X509_NAME(name, out);
    if (n <= 0) return ERR_SYNTAX;
    *len = (size_t)n;
    return ERR_OK;
}

err_t time_from_asn1(const ASN1_TIME *t, int64_t *out)
{
    struct tm tm;
    if (!t || !ASN1_TIME_to_tm(t, &tm)) return ERR_SYNTAX;
    *out = (int64_t)timegm(&tm);
    return ERR_OK;
}

static void id_add(struct cert *c, uint8_t type, span_t data)
{
    // What is no identity (a terminator in a name, too long) is nobody's: passed over.
    if (c->n_ids < CERT_IDS_MAX && id_from_wire(type, data, &c->ids[c->n_ids]) == ERR_OK)
        c->n_ids++;
}

static span_t string_span(const ASN1_STRING *s)
{
    return span(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static void id_add_name(struct cert *c, const GENERAL_NAME *name)
{
    unsigned char *der = NULL;
    int type, n;
    const void *value = GENERAL_NAME_get0_value(name, &type);
    switch (type) {
    case GEN_DNS:
        id_add(c, ID_FQDN, string_span(value));
        break;
    case GEN_EMAIL:
        id_add(c, ID_RFC822_ADDR, string_span(value));
        break;
    case GEN_IPADD:
        id_add(c, string_span(value).len == 4 ? ID_IPV4_ADDR : ID_IPV6_ADDR, string_span(value));
        break;
    case GEN_DIRNAME:
        n = i2d_X509_NAME(value, &der);
        if (n > 0) id_add(c, ID_DER_ASN1_DN, span(der, (size_t)n));
        OPENSSL_free(der);
        break;
    default:
        break;
    }
}

static err_t ids_read(struct cert *c)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(c->x, NID_subject_alt_name, NULL, NULL);
    int n = sk_GENERAL_NAME_num(names); // -1 for NULL
    size_t room = n > 0 ? (size_t)n + 1 : 1;
    c->ids = calloc(room < CERT_IDS_MAX ? room : CERT_IDS_MAX, sizeof *c->ids);
    if (c->ids) {
        if (X509_NAME_entry_count(X509_get_subject_name(c->x)) > 0)
            id_add(c, ID_DER_ASN1_DN, span(c->subject, c->subject_len));
        for (int i = 0; i < n; i++) id_add_name(c, sk_GENERAL_NAME_value(names, i));
    }
    GENERAL_NAMES_free(names);
    return c->ids ? ERR_OK : ERR_NOMEM;
}

static err_t cert_fill(struct cert *c, struct why *why)
{
    TRY(pubkey_from_x509(X509_get_X509_PUBKEY(c->x), &c->key, why));
    int n = i2d_X509(c->x, &c->der);
    if (n <= 0) return ERR_SYNTAX;
    if (n > CERT_DER_MAX) return ERR_SPACE;
    c->len = (size_t)n;
    if (!EVP_Digest(c->der, c->len, c->sha1, NULL, EVP_sha1(), NULL)) return ERR_CRYPTO;
    TRY(name_copy(X509_get_subject_name(c->x), &c->subject, &c->subject_len));
    TRY(name_copy(X509_get_issuer_name(c->x), &c->issuer, &c->issuer_len));
    if (time_from_asn1(X509_get0_notBefore(c->x), &c->not_before) != ERR_OK ||
        time_from_asn1(X509_get0_notAfter(c->x), &c->not_after) != ERR_OK) {
        return why_not(why, ERR_SYNTAX, "the certificate's times of validity are malformed");
    }
    (void)X509_check_purpose(c->x, -1, 0); // reads the extensions now, not on several threads
    c->self_signed = X509_self_signed(c->x, 1) == 1;
    return ids_read(c);
}

err_t cert_from_x509(X509 *x, struct cert **out, struct why *why)
{
    struct cert *c = calloc(1, sizeof *c);
    if (!c) return ERR_NOMEM;
    X509_up_ref(x);
    c->x = x;
    c->holders = 1;
    err_t e = cert_fill(c, why);
    ERR_clear_error();
    if (e != ERR_OK) {
        cert_free(c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

err_t cert_read(span_t in, struct cert **out, struct why *why)
{
    // PEM is a third longer than DER, and people put text before it.
    if (in.len > 2 * CERT_DER_MAX) {
        return why_not(why, ERR_SPACE, "it is longer than the %d bytes of any certificate",
                       CERT_DER_MAX);
    }
    X509 *x = x509_read(in);
    ERR_clear_error();
    if (!x) return why_not(why, ERR_SYNTAX, "this is no X.509 certificate, neither PEM nor DER");
    err_t e = cert_from_x509(x, out, why);
    X509_free(x);
    return e;
}

struct cert *cert_ref(struct cert *c)
{
    atomic_fetch_add_explicit(&c->holders, 1, memory_order_relaxed);
    return c;
}

void cert_free(struct cert *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->holders, 1, memory_order_acq_rel) != 1) return;
    X509_free(c->x);
    pubkey_free(c->key);
    OPENSSL_free(c->der);
    OPENSSL_free(c->subject);
    OPENSSL_free(c->issuer);
    free(c->ids);
    free(c);
}

// ---- looking ----

X509 *cert_x509(const struct cert *c)
{
    return c->x;
}

span_t cert_der(const struct cert *c)
{
    return span(c->der, c->len);
}

const uint8_t *cert_sha1(const struct cert *c)
{
    return c->sha1;
}

struct pubkey *cert_pubkey(const struct cert *c)
{
    return c->key;
}

span_t cert_subject(const struct cert *c)
{
    return span(c->subject, c->subject_len);
}

span_t cert_issuer(const struct cert *c)
{
    return span(c->issuer, c->issuer_len);
}

int64_t cert_not_before(const struct cert *c)
{
    return c->not_before;
}

int64_t cert_not_after(const struct cert *c)
{
    return c->not_after;
}

bool cert_is_ca(const struct cert *c)
{
    return (X509_get_extension_flags(c->x) & EXFLAG_CA) != 0;
}

bool cert_is_self_signed(const struct cert *c)
{
    return c->self_signed;
}

// strongSwan's own arc, whose extensions are there to be not understood.
#define OID_STRONGSWAN "1.3.6.1.4.1.36906."

const char *cert_critical(const struct cert *c, char buf[CERT_OID_MAX])
{
    if (!(X509_get_extension_flags(c->x) & EXFLAG_CRITICAL)) return NULL;
    for (int i = 0; i < X509_get_ext_count(c->x); i++) {
        X509_EXTENSION *e = X509_get_ext(c->x, i);
        if (!X509_EXTENSION_get_critical(e) || X509_supported_extension(e)) continue;
        (void)OBJ_obj2txt(buf, CERT_OID_MAX, X509_EXTENSION_get_object(e), 0);
        if (!strncmp(buf, OID_STRONGSWAN, strlen(OID_STRONGSWAN)))
            (void)snprintf(buf, CERT_OID_MAX, "strongSwan");
        return buf;
    }
    return NULL;
}

bool cert_eq(const struct cert *a, const struct cert *b)
{
    return a == b || span_eq(cert_der(a), cert_der(b));
}

bool cert_is_issued_by(const struct cert *c, const struct cert *issuer)
{
    bool yes = X509_check_issued(issuer->x, c->x) == X509_V_OK &&
               X509_verify(c->x, pubkey_pkey(issuer->key)) == 1;
    ERR_clear_error();
    return yes;
}

// ---- whose ----

unsigned cert_id_count(const struct cert *c)
{
    return c->n_ids;
}

const struct id *cert_id_at(const struct cert *c, unsigned i)
{
    return i < c->n_ids ? &c->ids[i] : NULL;
}

static bool keyid_fits(const struct cert *c, span_t id)
{
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(c->x);
    return (ski && span_eq(string_span(ski), id)) ||
           span_eq(span(pubkey_key_sha1(c->key), KEY_SHA1_LEN), id) ||
           span_eq(span(pubkey_spki_sha1(c->key), KEY_SHA1_LEN), id);
}

static bool general_name_fits(const struct cert *c, span_t id)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(c->x, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
        unsigned char *der = NULL;
        int n = i2d_GENERAL_NAME(sk_GENERAL_NAME_value(names, i), &der);
        found = n > 0 && span_eq(span(der, (size_t)n), id);
        OPENSSL_free(der);
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return found;
}

bool cert_has_id(const struct cert *c, const struct id *wire)
{
    if (wire->type == ID_KEY_ID) return keyid_fits(c, span(wire->data, wire->len));
    if (wire->type == ID_DER_ASN1_GN) return general_name_fits(c, span(wire->data, wire->len));
    for (unsigned i = 0; i < c->n_ids; i++) {
        if (id_eq(&c->ids[i], wire)) return true;
    }
    return false;
}

unsigned cert_match(const struct cert *c, const struct id *pattern)
{
    if (pattern->type == ID_ANY) return 1;
    if (cert_has_id(c, pattern)) return 3;
    unsigned best = 0;
    for (unsigned i = 0; i < c->n_ids; i++) {
        unsigned fit = id_match(pattern, &c->ids[i]);
        if (fit > best) best = fit;
    }
    return best;
}

// ---- for people ----

const char *cert_serial(const struct cert *c, char buf[CERT_SERIAL_MAX])
{
    span_t s = string_span(X509_get0_serialNumber(c->x));
    size_t at = 0;
    snprintf(buf, CERT_SERIAL_MAX, "%s", s.len ? "" : "00");
    for (size_t i = 0; i < s.len && CERT_SERIAL_MAX - at > 2; i++) {
        at += (size_t)snprintf(buf + at, CERT_SERIAL_MAX - at, "%02x", s.at[i]);
    }
    return buf;
}

const char *cert_name(const struct cert *c, char buf[CERT_NAME_MAX])
{
    char text[ID_TEXT_MAX], serial[CERT_SERIAL_MAX];
    if (X509_NAME_entry_count(X509_get_subject_name(c->x)) > 0) {
        dn_show(cert_subject(c), text, sizeof text);
    } else if (c->n_ids > 0) {
        id_show(&c->ids[0], text);
    } else {
        snprintf(text, sizeof text, "serial %s", cert_serial(c, serial));
    }
    if (strlen(text) >= CERT_NAME_MAX) memcpy(text + CERT_NAME_MAX - 4, "...", 4);
    snprintf(buf, CERT_NAME_MAX, "%.*s", CERT_NAME_MAX - 1, text);
    return buf;
}
