#include "cred/dn.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "crypto/openssl/openssl.h"

#define DN_VALUE_MAX 256 // bytes of one value; an identity is not longer either

// What swanctl.conf calls the attributes. The first word of an attribute is the one printed.
static const struct {
    const char *word;
    int nid;
} attributes[] = {
    {"C", NID_countryName},
    {"ST", NID_stateOrProvinceName},
    {"S", NID_stateOrProvinceName},
    {"L", NID_localityName},
    {"O", NID_organizationName},
    {"OU", NID_organizationalUnitName},
    {"CN", NID_commonName},
    {"E", NID_pkcs9_emailAddress},
    {"Email", NID_pkcs9_emailAddress},
    {"emailAddress", NID_pkcs9_emailAddress},
    {"DC", NID_domainComponent},
    {"UID", NID_userId},
    {"serialNumber", NID_serialNumber},
    {"SN", NID_serialNumber},
    {"G", NID_givenName},
    {"GN", NID_givenName},
    {"I", NID_initials},
    {"N", NID_name},
    {"T", NID_title},
    {"D", NID_description},
    {"dnQualifier", NID_dnQualifier},
    {"ID", NID_x500UniqueIdentifier},
    {"postalCode", NID_postalCode},
    {"unstructuredName", NID_pkcs9_unstructuredName},
    {"unstructuredAddress", NID_pkcs9_unstructuredAddress},
};

static int attribute_nid(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        const char *w = attributes[i].word;
        if (strlen(w) == len && !strncasecmp(w, word, len)) return attributes[i].nid;
    }
    return NID_undef;
}

static const char *attribute_word(int nid)
{
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        if (attributes[i].nid == nid) return attributes[i].word;
    }
    return NULL;
}

// PrintableString where it suffices, as certificates mostly have it; IA5String where the
// attribute's definition wants it.
static int value_type(int nid, const char *value, size_t len)
{
    if (nid == NID_pkcs9_emailAddress || nid == NID_domainComponent) return V_ASN1_IA5STRING;
    return ASN1_PRINTABLE_type((const unsigned char *)value, (int)len) == V_ASN1_PRINTABLESTRING
               ? V_ASN1_PRINTABLESTRING
               : V_ASN1_UTF8STRING;
}

struct value {
    char at[DN_VALUE_MAX];
    size_t len;
};

// Copies what stands before the end character; a backslash takes the next one as it is. Returns
// the place of the end character or of the terminator; NULL if the value is too long.
static const char *value_copy(const char *s, char end, struct value *v)
{
    for (v->len = 0; *s && *s != end; s++) {
        if (*s == '\\' && s[1]) s++;
        if (v->len == sizeof v->at) return NULL;
        v->at[v->len++] = *s;
    }
    return s;
}

// One value, in quotes or not. *s is left at the separator or the terminator.
static err_t value_read(const char **s, char separator, struct value *v)
{
    bool quoted = **s == '"';
    const char *p = value_copy(*s + quoted, quoted ? '"' : separator, v);
    if (!p) return ERR_SPACE;
    if (quoted) {
        if (*p != '"') return ERR_SYNTAX;
        p += 1 + strspn(p + 1, " ");
        if (*p && *p != separator) return ERR_SYNTAX;
    } else {
        while (v->len > 0 && v->at[v->len - 1] == ' ') v->len--;
    }
    *s = p;
    return v->len > 0 ? ERR_OK : ERR_SYNTAX;
}

// One "word=value" at *s is appended to name.
static err_t rdn_read(const char **s, char separator, X509_NAME *name, struct why *why)
{
    *s += strspn(*s, " ");
    size_t len = strcspn(*s, "= ");
    int nid = attribute_nid(*s, len);
    if (nid == NID_undef) {
        return why_not(why, ERR_SYNTAX, "\"%.*s\" is not an attribute of a distinguished name",
                       (int)(len < 32 ? len : 32), *s);
    }
    const char *p = *s + len + strspn(*s + len, " ");
    if (*p != '=')
        return why_not(why, ERR_SYNTAX, "\"=\" is missing behind \"%.*s\"", (int)len, *s);
    p += 1 + strspn(p + 1, " ");
    struct value v;
    err_t e = value_read(&p, separator, &v);
    if (e != ERR_OK) {
        return why_not(why, e, "the value of \"%.*s\" is empty, too long or not closed", (int)len,
                       *s);
    }
    *s = p;
    if (!X509_NAME_add_entry_by_NID(name, nid, value_type(nid, v.at, v.len),
                                    (const unsigned char *)v.at, (int)v.len, -1, 0)) {
        return why_not(why, ERR_CRYPTO, "the distinguished name cannot be encoded");
    }
    return ERR_OK;
}

static err_t name_read(const char *text, X509_NAME *name, struct why *why)
{
    char separator = *text == '/' ? '/' : ',';
    const char *s = text + (separator == '/');
    TRY(rdn_read(&s, separator, name, why));
    while (*s) {
        s++;
        TRY(rdn_read(&s, separator, name, why));
    }
    return ERR_OK;
}

err_t dn_parse(const char *text, uint8_t *der, size_t *len, struct why *why)
{
    X509_NAME *name = X509_NAME_new();
    if (!name) return ERR_NOMEM;
    err_t e = name_read(text, name, why);
    if (e == ERR_OK) {
        int n = i2d_X509_NAME(name, NULL);
        if (n <= 0) {
            e = ERR_CRYPTO;
        } else if ((size_t)n > *len) {
            e = why_not(why, ERR_SPACE, "the distinguished name is longer than %zu bytes", *len);
        } else {
            unsigned char *to = der;
            *len = (size_t)i2d_X509_NAME(name, &to);
        }
    }
    X509_NAME_free(name);
    if (e != ERR_OK) ERR_clear_error();
    return e;
}

// NULL if it is not one well-formed Name. Free with X509_NAME_free().
static X509_NAME *name_from(span_t der)
{
    const unsigned char *at = der.at;
    X509_NAME *name = der.len <= LONG_MAX ? d2i_X509_NAME(NULL, &at, (long)der.len) : NULL;
    if (!name) ERR_clear_error();
    if (name && at != der.at + der.len) {
        X509_NAME_free(name);
        name = NULL;
    }
    return name;
}

err_t dn_check(span_t der)
{
    X509_NAME *name = name_from(der);
    X509_NAME_free(name);
    return name ? ERR_OK : ERR_SYNTAX;
}

static bool value_is_wild(const X509_NAME_ENTRY *e)
{
    const ASN1_STRING *v = X509_NAME_ENTRY_get_data(e);
    return ASN1_STRING_length(v) == 1 && *ASN1_STRING_get0_data(v) == '*';
}

static bool type_is_text(int type)
{
    return type == V_ASN1_PRINTABLESTRING || type == V_ASN1_UTF8STRING ||
           type == V_ASN1_IA5STRING || type == V_ASN1_T61STRING;
}

static bool value_eq(const ASN1_STRING *a, const ASN1_STRING *b)
{
    if (ASN1_STRING_length(a) != ASN1_STRING_length(b)) return false;
    size_t n = (size_t)ASN1_STRING_length(a);
    const unsigned char *x = ASN1_STRING_get0_data(a), *y = ASN1_STRING_get0_data(b);
    if (ASN1_STRING_type(a) == ASN1_STRING_type(b) && !memcmp(x, y, n)) return true;
    if (!type_is_text(ASN1_STRING_type(a)) || !type_is_text(ASN1_STRING_type(b))) return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char p = x[i], q = y[i];
        if (p >= 'A' && p <= 'Z') p = (unsigned char)(p | 0x20);
        if (q >= 'A' && q <= 'Z') q = (unsigned char)(q | 0x20);
        if (p != q) return false;
    }
    return true;
}

static unsigned name_compare(const X509_NAME *pattern, const X509_NAME *name, bool wild)
{
    unsigned verdict = 3;
    int n = X509_NAME_entry_count(pattern);
    if (n != X509_NAME_entry_count(name)) return 0;
    for (int i = 0; i < n; i++) {
        const X509_NAME_ENTRY *p = X509_NAME_get_entry(pattern, i);
        const X509_NAME_ENTRY *q = X509_NAME_get_entry(name, i);
        if (X509_NAME_ENTRY_set(p) != X509_NAME_ENTRY_set(q)) return 0;
        if (OBJ_cmp(X509_NAME_ENTRY_get_object(p), X509_NAME_ENTRY_get_object(q)) != 0) return 0;
        if (wild && value_is_wild(p)) {
            verdict = 2;
            continue;
        }
        if (!value_eq(X509_NAME_ENTRY_get_data(p), X509_NAME_ENTRY_get_data(q))) return 0;
    }
    return verdict;
}

unsigned dn_compare(span_t pattern, span_t name, bool wild)
{
    X509_NAME *p = name_from(pattern), *q = name_from(name);
    unsigned verdict = p && q ? name_compare(p, q, wild) : 0;
    X509_NAME_free(p);
    X509_NAME_free(q);
    return verdict;
}

bool dn_has_wildcard(span_t der)
{
    X509_NAME *name = name_from(der);
    bool found = false;
    int n = name ? X509_NAME_entry_count(name) : 0;
    for (int i = 0; i < n; i++) found = found || value_is_wild(X509_NAME_get_entry(name, i));
    X509_NAME_free(name);
    return found;
}

static void clip_add_value(struct clip *l, const ASN1_STRING *v)
{
    const unsigned char *p = ASN1_STRING_get0_data(v);
    for (int i = 0; i < ASN1_STRING_length(v); i++) {
        char one[8];
        if (p[i] < 0x20 || p[i] > 0x7e || p[i] == '\\')
            snprintf(one, sizeof one, "\\x%02x", p[i]);
        else
            snprintf(one, sizeof one, "%s%c", p[i] == ',' ? "\\" : "", p[i]);
        clip_add(l, "%s", one);
    }
}

const char *dn_show(span_t der, char *buf, size_t cap)
{
    struct clip l = clip_on(buf, cap);
    X509_NAME *name = name_from(der);
    int n = name ? X509_NAME_entry_count(name) : 0;
    for (int i = 0; i < n; i++) {
        const X509_NAME_ENTRY *e = X509_NAME_get_entry(name, i);
        const ASN1_OBJECT *what = X509_NAME_ENTRY_get_object(e);
        const char *word = attribute_word(OBJ_obj2nid(what));
        char oid[80];
        if (!word && OBJ_obj2txt(oid, sizeof oid, what, 1) > 0) word = oid;
        if (i > 0) clip_add(&l, ", ");
        clip_add(&l, "%s", word ? word : "?");
        clip_add(&l, "=");
        clip_add_value(&l, X509_NAME_ENTRY_get_data(e));
    }
    X509_NAME_free(name);
    return buf;
}
