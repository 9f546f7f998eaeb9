#include "cred/acert.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cred/certx.h"
#include "cred/der.h"
#include "cred/dn.h"

#define ACERT_SERIAL_LEN_MAX 21 // rfc5755 4.2.5: 20, and the sign

struct group {
    uint8_t tag; // OCTET STRING, OBJECT IDENTIFIER, UTF8String
    span_t value;
};

// Spans are into der.
struct acert {
    _Atomic unsigned holders;
    uint8_t *der;
    size_t len;
    span_t signed_part, algorithm, signature;
    span_t holder_issuer, holder_serial; // baseCertificateID: Name, integer; empty: not said
    span_t holder_names;                 // entityName: the GeneralNames in it; empty: not said
    span_t issuer, serial;
    int64_t from, to;
    unsigned n_groups;
    struct group group[ACERT_GROUPS_MAX];
    char critical[CERT_OID_MAX];
    bool final, has_list;
};

static err_t unsupported(struct why *why, const char *what)
{
    return why_not(why, ERR_UNSUPPORTED, "this attribute certificate %s", what);
}

// ---- the parts ---------------------------------------------------------------------------------

// GeneralNames of one directoryName and nothing else.
static span_t name_read(rd_t names)
{
    rd_t explicit = der_open(&names, DER_CONTEXT(4));
    span_t name = der_whole(&explicit, DER_SEQUENCE);
    bool good = rd_done(&names) == ERR_OK && rd_done(&explicit) == ERR_OK;
    return good ? name : span(NULL, 0);
}

// rfc5755 4.2.2: whose key it is is told by his certificate's issuer and number, or by his name.
static err_t holder_read(rd_t in, struct acert *a, struct why *why)
{
    if (der_is(&in, DER_CONTEXT(0))) {
        rd_t base = der_open(&in, DER_CONTEXT(0));
        a->holder_issuer = name_read(der_open(&base, DER_SEQUENCE));
        a->holder_serial = der_unsigned(&base);
        if (!a->holder_issuer.len || rd_done(&base) != ERR_OK)
            return unsupported(why, "names its holder's issuer in another way than by its "
                                    "distinguished name");
    }
    if (der_is(&in, DER_CONTEXT(1))) {
        a->holder_names = der_take(&in, DER_CONTEXT(1));
        if (!a->holder_names.len) return ERR_SYNTAX;
    }
    if (der_is(&in, DER_CONTEXT(2)))
        return unsupported(why, "names its holder by a digest, which is not looked at");
    if (!a->holder_serial.len && !a->holder_names.len)
        return unsupported(why, "does not say who its holder is");
    return rd_done(&in);
}

// rfc5755 4.2.3 MUST: v2Form with one distinguished name, and nothing else
static err_t issuer_read(rd_t *in, struct acert *a, struct why *why)
{
    if (!der_is(in, DER_CONTEXT(0))) return unsupported(why, "names its issuer in the first form");
    rd_t form = der_open(in, DER_CONTEXT(0));
    a->issuer = name_read(der_open(&form, DER_SEQUENCE));
    if (a->issuer.len && rd_done(&form) == ERR_OK) return ERR_OK;
    return unsupported(why, "names its issuer in another way than by its distinguished name");
}

static void group_add(struct acert *a, uint8_t tag, span_t value)
{
    if (value.len && a->n_groups < ACERT_GROUPS_MAX)
        a->group[a->n_groups++] = (struct group){tag, value};
}

// IetfAttrSyntax (RFC 5755 4.4): who decides over these groups is the issuer's matter.
static err_t groups_read(rd_t in, struct acert *a)
{
    (void)der_skip(&in, DER_CONTEXT(0));
    rd_t values = der_open(&in, DER_SEQUENCE);
    while (!values.bad && rd_left(&values)) {
        static const uint8_t kinds[] = {DER_OCTETS, DER_OID, DER_UTF8};
        unsigned k = 0;
        while (k < sizeof kinds - 1 && !der_is(&values, kinds[k])) k++;
        group_add(a, kinds[k], der_take(&values, kinds[k]));
    }
    TRY(rd_done(&values));
    return rd_done(&in);
}

static err_t attributes_read(rd_t in, struct acert *a)
{
    static const uint8_t group[] = {0x2b, 6, 1, 5, 5, 7, 10, 4}; // id-aca-group
    while (!in.bad && rd_left(&in)) {
        rd_t one = der_open(&in, DER_SEQUENCE);
        span_t what = der_take(&one, DER_OID);
        rd_t values = der_open(&one, DER_SET);
        TRY(rd_done(&one));
        if (!span_eq(what, SPAN(group))) continue;
        while (!values.bad && rd_left(&values))
            TRY(groups_read(der_open(&values, DER_SEQUENCE), a));
        TRY(rd_done(&values));
    }
    return rd_done(&in);
}

static void oid_show(span_t oid, char buf[CERT_OID_MAX])
{
    uint8_t whole[128] = {DER_OID, (uint8_t)oid.len};
    const unsigned char *at = whole;
    (void)snprintf(buf, CERT_OID_MAX, "?");
    if (oid.len == 0 || oid.len > sizeof whole - 2) return;
    memcpy(whole + 2, oid.at, oid.len);
    ASN1_OBJECT *o = d2i_ASN1_OBJECT(NULL, &at, (long)oid.len + 2);
    if (o) (void)OBJ_obj2txt(buf, CERT_OID_MAX, o, 1);
    ASN1_OBJECT_free(o);
    ERR_clear_error();
}

static void extension_note(struct acert *a, span_t oid, bool critical)
{
    static const uint8_t key_id[] = {0x55, 29, 35}, list[] = {0x55, 29, 31},
                         final[] = {0x55, 29, 56};
    static const uint8_t access[] = {0x2b, 6, 1, 5, 5, 7, 1, 1};
    if (span_eq(oid, SPAN(final))) a->final = true;
    if (span_eq(oid, SPAN(list))) a->has_list = true;
    bool known = span_eq(oid, SPAN(final)) || span_eq(oid, SPAN(list)) ||
                 span_eq(oid, SPAN(key_id)) || span_eq(oid, SPAN(access));
    if (critical && !known && !a->critical[0]) oid_show(oid, a->critical);
}

static err_t extensions_read(rd_t in, struct acert *a)
{
    while (!in.bad && rd_left(&in)) {
        rd_t one = der_open(&in, DER_SEQUENCE);
        span_t oid = der_take(&one, DER_OID);
        bool critical = der_is(&one, DER_BOOLEAN);
        // X.690 11.1, 11.5: true is all ones, and false is not written
        span_t yes = critical ? der_take(&one, DER_BOOLEAN) : span(NULL, 0);
        if (critical && !(yes.len == 1 && yes.at[0] == 0xff)) return ERR_SYNTAX;
        (void)der_take(&one, DER_OCTETS);
        TRY(rd_done(&one));
        extension_note(a, oid, critical);
    }
    return rd_done(&in);
}

// AttributeCertificateInfo (RFC 5755 4.1).
static err_t info_read(rd_t in, struct acert *a, struct why *why)
{
    span_t version = der_unsigned(&in);
    if (version.len != 1 || version.at[0] != 1)
        return unsupported(why, "is not of version 2, the one there is");
    TRY(holder_read(der_open(&in, DER_SEQUENCE), a, why));
    TRY(issuer_read(&in, a, why));
    // rfc5280 4.1.1.2, for these by rfc5755 4.2.4: the same as outside of what is signed
    if (!span_eq(der_whole(&in, DER_SEQUENCE), a->algorithm)) return ERR_SYNTAX;
    a->serial = der_unsigned(&in);
    if (a->serial.len > ACERT_SERIAL_LEN_MAX) return ERR_SYNTAX;
    rd_t validity = der_open(&in, DER_SEQUENCE);
    a->from = der_time(&validity);
    a->to = der_time(&validity);
    TRY(rd_done(&validity));
    TRY(attributes_read(der_open(&in, DER_SEQUENCE), a));
    (void)der_skip(&in, DER_BITS); // issuerUniqueID
    if (der_is(&in, DER_SEQUENCE)) TRY(extensions_read(der_open(&in, DER_SEQUENCE), a));
    return rd_done(&in);
}

static err_t whole_read(struct acert *a, struct why *why)
{
    rd_t file = rd_from(span(a->der, a->len)), in = der_open(&file, DER_SEQUENCE);
    a->signed_part = der_whole(&in, DER_SEQUENCE);
    a->algorithm = der_whole(&in, DER_SEQUENCE);
    a->signature = der_bits(&in);
    TRY(rd_done(&in));
    TRY(rd_done(&file));
    rd_t outer = rd_from(a->signed_part);
    return info_read(der_open(&outer, DER_SEQUENCE), a, why);
}

// ---- reading -----------------------------------------------------------------------------------

static err_t der_copy(span_t in, uint8_t **out, size_t *len)
{
    *out = malloc(in.len ? in.len : 1);
    if (!*out) return ERR_NOMEM;
    if (in.len) memcpy(*out, in.at, in.len);
    *len = in.len;
    return ERR_OK;
}

// The first element of this kind in a PEM file.
static err_t pem_read(span_t in, uint8_t **out, size_t *len)
{
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long n = 0;
    err_t e = ERR_SYNTAX;
    BIO *bio = BIO_new_mem_buf(in.at, (int)in.len);
    if (bio && PEM_read_bio(bio, &name, &header, &data, &n) == 1 &&
        !strcmp(name, "ATTRIBUTE CERTIFICATE"))
        e = der_copy(span(data, (size_t)n), out, len);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    BIO_free(bio);
    ERR_clear_error();
    return e;
}

err_t acert_read(span_t in, struct acert **out, struct why *why)
{
    // PEM is a third longer than DER, and people put text before it.
    if (in.len > 2 * ACERT_DER_MAX)
        return why_not(why, ERR_SPACE,
                       "it is longer than the %d bytes of any attribute certificate",
                       ACERT_DER_MAX);
    struct acert *a = calloc(1, sizeof *a);
    if (!a) return ERR_NOMEM;
    a->holders = 1;
    struct why reason = {""};
    bool pem = in.len == 0 || in.at[0] != DER_SEQUENCE;
    err_t e = pem ? pem_read(in, &a->der, &a->len) : der_copy(in, &a->der, &a->len);
    if (e == ERR_OK && a->len > ACERT_DER_MAX) e = ERR_SPACE;
    if (e == ERR_OK) e = whole_read(a, &reason);
    if (e == ERR_OK) {
        *out = a;
        return ERR_OK;
    }
    acert_free(a);
    if (e == ERR_NOMEM) return e;
    if (reason.text[0]) return why_not(why, e, "%s", reason.text);
    return why_not(why, e == ERR_SPACE ? e : ERR_SYNTAX,
                   "this is no attribute certificate, neither PEM nor DER");
}

struct acert *acert_ref(struct acert *a)
{
    atomic_fetch_add_explicit(&a->holders, 1, memory_order_relaxed);
    return a;
}

void acert_free(struct acert *a)
{
    if (!a || atomic_fetch_sub_explicit(&a->holders, 1, memory_order_acq_rel) != 1) return;
    free(a->der);
    free(a);
}

// ---- looking -----------------------------------------------------------------------------------

span_t acert_der(const struct acert *a)
{
    return span(a->der, a->len);
}

span_t acert_issuer(const struct acert *a)
{
    return a->issuer;
}

span_t acert_serial(const struct acert *a)
{
    return a->serial;
}

int64_t acert_not_before(const struct acert *a)
{
    return a->from;
}

int64_t acert_not_after(const struct acert *a)
{
    return a->to;
}

const char *acert_critical(const struct acert *a)
{
    return a->critical[0] ? a->critical : NULL;
}

bool acert_is_final(const struct acert *a)
{
    return a->final;
}

bool acert_has_list(const struct acert *a)
{
    return a->has_list;
}

// As RFC 5280 7.1 compares them: case and blanks do not count.
static bool same_name(span_t a, span_t b)
{
    const unsigned char *x = a.at, *y = b.at;
    if (span_eq(a, b)) return a.len > 0;
    X509_NAME *m = d2i_X509_NAME(NULL, &x, (long)a.len), *n = d2i_X509_NAME(NULL, &y, (long)b.len);
    bool same = m && n && X509_NAME_cmp(m, n) == 0;
    X509_NAME_free(m);
    X509_NAME_free(n);
    ERR_clear_error();
    return same;
}

static bool has_serial(const struct cert *c, span_t serial)
{
    unsigned char *der = NULL;
    int n = i2d_ASN1_INTEGER(X509_get0_serialNumber(cert_x509(c)), &der);
    rd_t in = rd_from(span(der, n > 0 ? (size_t)n : 0));
    bool same = serial.len > 0 && span_eq(der_unsigned(&in), serial);
    OPENSSL_free(der);
    return same;
}

// One of the names is the certificate's subject, or one of its subjectAltNames.
static bool has_name(const struct cert *c, span_t names)
{
    rd_t in = rd_from(names);
    while (!in.bad && rd_left(&in)) {
        uint8_t tag = *in.at;
        rd_t before = in;
        span_t whole = der_whole(&in, tag);
        struct id id = {.type = ID_DER_ASN1_GN};
        if (tag == DER_CONTEXT(4)) {
            rd_t name = der_open(&before, tag);
            if (same_name(der_whole(&name, DER_SEQUENCE), cert_subject(c))) return true;
        }
        if (!whole.len || whole.len > sizeof id.data) continue;
        memcpy(id.data, whole.at, whole.len);
        id.len = (uint16_t)whole.len;
        if (cert_has_id(c, &id)) return true;
    }
    return false;
}

bool acert_is_of(const struct acert *a, const struct cert *holder)
{
    if (a->holder_serial.len &&
        !(has_serial(holder, a->holder_serial) && same_name(a->holder_issuer, cert_issuer(holder))))
        return false;
    return !a->holder_names.len || has_name(holder, a->holder_names);
}

bool acert_has_group(const struct acert *a, const char *group)
{
    for (unsigned i = 0; i < a->n_groups; i++) {
        char oid[CERT_OID_MAX];
        span_t value = a->group[i].value;
        if (a->group[i].tag == DER_OID) {
            oid_show(value, oid);
            value = span_str(oid);
        }
        if (span_eq(value, span_str(group))) return true;
    }
    return false;
}

bool acert_is_issued_by(const struct acert *a, const struct cert *issuer, struct scheme *scheme)
{
    struct scheme s;
    if (!same_name(a->issuer, cert_subject(issuer))) return false;
    if (scheme_read(a->algorithm, &s) != ERR_OK) return false;
    if (scheme) *scheme = s;
    return pubkey_verify(cert_pubkey(issuer), &s, a->signed_part, a->signature) == ERR_OK;
}

const char *acert_issuer_name(const struct acert *a, char buf[CERT_NAME_MAX])
{
    (void)snprintf(buf, CERT_NAME_MAX, "?");
    dn_show(a->issuer, buf, CERT_NAME_MAX);
    return buf;
}

const char *acert_name(const struct acert *a, char buf[ACERT_NAME_MAX])
{
    char issuer[CERT_NAME_MAX], serial[2 * ACERT_SERIAL_LEN_MAX + 1] = "";
    acert_issuer_name(a, issuer);
    for (size_t i = 0; i < a->serial.len; i++) {
        (void)snprintf(serial + 2 * i, sizeof serial - 2 * i, "%02x", a->serial.at[i]);
    }
    (void)snprintf(buf, ACERT_NAME_MAX, "%s of \"%s\"", serial, issuer);
    return buf;
}
