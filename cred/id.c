#include "cred/id.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/siphash.h"
#include "base/text.h"
#include "cred/dn.h"

static span_t id_data(const struct id *id)
{
    return span(id->data, id->len);
}

static err_t id_set(struct id *out, unsigned type, span_t data, struct why *why)
{
    if (data.len == 0) return why_not(why, ERR_SYNTAX, "the identity is empty");
    if (data.len > ID_MAX) {
        return why_not(why, ERR_SPACE, "the identity is longer than %d bytes", ID_MAX);
    }
    *out = (struct id){.type = (uint8_t)type, .len = (uint16_t)data.len};
    memcpy(out->data, data.at, data.len);
    return ERR_OK;
}

// rfc7296 3.5 MUST NOT: ID_FQDN and ID_RFC822_ADDR carry no terminators (NUL, CR, ...)
static bool text_is_clean(span_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < 0x20 || s.at[i] == 0x7f) return false;
    }
    return true;
}

static bool id_is_text(unsigned type)
{
    return type == ID_FQDN || type == ID_RFC822_ADDR;
}

// ---- from text ----

static err_t text_set(struct id *out, unsigned type, const char *s, struct why *why)
{
    if (!text_is_clean(span_str(s))) {
        return why_not(why, ERR_SYNTAX, "the identity contains a control character");
    }
    return id_set(out, type, span_str(s), why);
}

static err_t hex_set(struct id *out, unsigned type, const char *hex, struct why *why)
{
    uint8_t bytes[ID_MAX];
    size_t len = sizeof bytes;
    err_t e = hex_read(hex, strlen(hex), bytes, &len);
    if (e == ERR_SPACE) return why_not(why, e, "the identity is longer than %d bytes", ID_MAX);
    if (e != ERR_OK) return why_not(why, e, "\"%.40s\" is not an even number of hex digits", hex);
    e = id_from_wire((uint8_t)type, span(bytes, len), out);
    if (e == ERR_OK) return e;
    return why_not(why, e, "these bytes are no %s", id_type_name((uint8_t)type));
}

static err_t dn_set(struct id *out, const char *s, struct why *why)
{
    uint8_t der[ID_MAX];
    size_t len = sizeof der;
    TRY(dn_parse(s, der, &len, why));
    return id_set(out, ID_DER_ASN1_DN, span(der, len), why);
}

static err_t ip_set(struct id *out, unsigned type, const char *s, struct why *why)
{
    ip_t ip;
    if (ip_parse(s, &ip) != ERR_OK || ip.family != (type == ID_IPV4_ADDR ? AF_INET : AF_INET6)) {
        return why_not(why, ERR_SYNTAX, "\"%.60s\" is not an %s address", s,
                       type == ID_IPV4_ADDR ? "IPv4" : "IPv6");
    }
    *out = id_from_ip(&ip);
    return ERR_OK;
}

static const struct {
    const char *word;
    uint8_t type;
} prefixes[] = {
    {"ipv4", ID_IPV4_ADDR},
    {"ipv6", ID_IPV6_ADDR},
    {"fqdn", ID_FQDN},
    {"dns", ID_FQDN},
    {"rfc822", ID_RFC822_ADDR},
    {"email", ID_RFC822_ADDR},
    {"userfqdn", ID_RFC822_ADDR},
    {"asn1dn", ID_DER_ASN1_DN},
    {"asn1gn", ID_DER_ASN1_GN},
    {"keyid", ID_KEY_ID},
};

// The type that "word:" at the start of text asks for, or ID_ANY; *rest is what follows it.
static unsigned prefix_find(const char *text, const char **rest)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t n = strlen(prefixes[i].word);
        if (strncasecmp(text, prefixes[i].word, n) != 0 || text[n] != ':') continue;
        *rest = text + n + 1;
        return prefixes[i].type;
    }
    return ID_ANY;
}

static err_t typed_parse(unsigned type, const char *s, struct id *out, struct why *why)
{
    if (*s == '#') return hex_set(out, type, s + 1, why);
    if (id_is_text(type)) return text_set(out, type, s, why);
    if (type == ID_IPV4_ADDR || type == ID_IPV6_ADDR) return ip_set(out, type, s, why);
    if (type == ID_DER_ASN1_DN) return dn_set(out, s, why);
    if (type == ID_DER_ASN1_GN) {
        return why_not(why, ERR_SYNTAX, "a general name is written in hex: asn1gn:#...");
    }
    return id_set(out, type, span_str(s), why);
}

static err_t at_parse(const char *s, struct id *out, struct why *why)
{
    if (s[0] != '@') return text_set(out, ID_RFC822_ADDR, s, why);
    if (s[1] == '#') return hex_set(out, ID_KEY_ID, s + 2, why);
    if (s[1] == '@') return text_set(out, ID_RFC822_ADDR, s + 2, why);
    return text_set(out, ID_FQDN, s + 1, why);
}

// Neither prefix nor "=" nor "@" in it: an address, or else a name.
static err_t plain_parse(const char *s, struct id *out, struct why *why)
{
    ip_t ip;
    prefix_t net;
    if (ip_parse(s, &ip) == ERR_OK) {
        *out = id_from_ip(&ip);
        return ERR_OK;
    }
    if (strchr(s, '/') && prefix_parse(s, &net) == ERR_OK) {
        return why_not(why, ERR_UNSUPPORTED, "\"%.60s\" is a network; an identity is one address",
                       s);
    }
    // As strongSwan has it: what looks like an IPv6 address and is none is an opaque key id.
    if (strchr(s, ':')) return id_set(out, ID_KEY_ID, span_str(s), why);
    return text_set(out, ID_FQDN, s, why);
}

static bool text_is_any(const char *s)
{
    static const char *const any[] = {"", "%any", "%any6", "*", "0.0.0.0", "::", "0::0"};
    for (size_t i = 0; i < sizeof any / sizeof *any; i++) {
        if (!strcmp(s, any[i])) return true;
    }
    return false;
}

err_t id_parse(const char *text, struct id *out, struct why *why)
{
    const char *rest;
    if (text_is_any(text)) {
        *out = (struct id){.type = ID_ANY};
        return ERR_OK;
    }
    unsigned type = prefix_find(text, &rest);
    if (type != ID_ANY) return typed_parse(type, rest, out, why);
    if (strchr(text, '=')) return dn_set(out, text, why);
    if (strchr(text, '@')) return at_parse(text, out, why);
    return plain_parse(text, out, why);
}

// ---- from elsewhere ----

err_t id_from_wire(uint8_t type, span_t data, struct id *out)
{
    switch (type) {
    case ID_IPV4_ADDR:
        if (data.len != 4) return ERR_SYNTAX;
        break;
    case ID_IPV6_ADDR:
        if (data.len != 16) return ERR_SYNTAX;
        break;
    case ID_FQDN:
    case ID_RFC822_ADDR:
        if (!text_is_clean(data)) return ERR_SYNTAX;
        break;
    case ID_DER_ASN1_DN:
        if (data.len > ID_MAX) return ERR_SPACE;
        TRY(dn_check(data));
        break;
    case ID_DER_ASN1_GN:
    case ID_KEY_ID:
        break;
    case ID_NULL:
        *out = (struct id){.type = ID_NULL};
        return data.len ? ERR_SYNTAX : ERR_OK; // rfc7619 2.2 MUST: empty
    default:
        return ERR_UNSUPPORTED;
    }
    return id_set(out, type, data, NULL);
}

struct id id_from_ip(const ip_t *ip)
{
    struct id id = {.type = ID_ANY};
    if (ip->family == AF_UNSPEC) return id;
    id.type = ip->family == AF_INET ? ID_IPV4_ADDR : ID_IPV6_ADDR;
    id.len = (uint16_t)ip_len(ip->family);
    memcpy(id.data, ip->b, id.len);
    return id;
}

// ---- comparison ----

static bool nocase_eq(span_t a, span_t b)
{
    return a.len == b.len && !strncasecmp((const char *)a.at, (const char *)b.at, a.len);
}

// Names ignore case; of an e-mail address only the domain does (RFC 5321 2.4).
static bool text_eq(unsigned type, span_t a, span_t b)
{
    if (a.len != b.len) return false;
    if (type == ID_FQDN || a.len == 0) return nocase_eq(a, b);
    const uint8_t *domain = memrchr(a.at, '@', a.len);
    size_t local = domain ? (size_t)(domain - a.at) : 0;
    return span_eq(span(a.at, local), span(b.at, local)) &&
           nocase_eq(span(a.at + local, a.len - local), span(b.at + local, b.len - local));
}

bool id_eq(const struct id *a, const struct id *b)
{
    if (a->type != b->type) return false;
    if (span_eq(id_data(a), id_data(b))) return true;
    if (id_is_text(a->type)) return text_eq(a->type, id_data(a), id_data(b));
    return a->type == ID_DER_ASN1_DN && dn_compare(id_data(a), id_data(b), false) == 3;
}

uint64_t id_hash(const struct id *id, const uint8_t key[16])
{
    uint8_t said[1 + ID_MAX] = {id->type};
    size_t n = 1;
    bool text = id_is_text(id->type) || id->type == ID_DER_ASN1_DN;
    for (unsigned i = 0; i < id->len; i++) {
        uint8_t c = id->data[i];
        bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
        // Of text and names, letters and digits: equal ones may differ in case and in encoding.
        if (text && !upper && !lower && (c < '0' || c > '9')) continue;
        said[n++] = text && upper ? (uint8_t)(c | 0x20) : c;
    }
    return siphash(key, said, n);
}

static bool text_has_wildcard(const struct id *id)
{
    return id_is_text(id->type) && id->len > 0 && id->data[0] == '*';
}

bool id_is_pattern(const struct id *id)
{
    return id->type == ID_ANY || text_has_wildcard(id) ||
           (id->type == ID_DER_ASN1_DN && dn_has_wildcard(id_data(id)));
}

unsigned id_match(const struct id *pattern, const struct id *wire)
{
    if (pattern->type == ID_ANY) return 1;
    if (pattern->type != wire->type) return 0;
    if (id_eq(pattern, wire)) return 3;
    if (pattern->type == ID_DER_ASN1_DN) return dn_compare(id_data(pattern), id_data(wire), true);
    if (!text_has_wildcard(pattern) || wire->len < pattern->len) return 0;
    // The star stands for at least one character, dots included.
    size_t tail = pattern->len - 1U;
    span_t end = span(wire->data + wire->len - tail, tail);
    return text_eq(pattern->type, span(pattern->data + 1, tail), end) ? 2 : 0;
}

// ---- to text ----

static void escape(span_t s, char *to, size_t cap)
{
    size_t at = 0;
    to[0] = 0;
    for (size_t i = 0; i < s.len && cap - at > 4; i++) {
        bool plain = s.at[i] >= 0x20 && s.at[i] <= 0x7e && s.at[i] != '\\';
        at += (size_t)snprintf(to + at, cap - at, plain ? "%c" : "\\x%02x", s.at[i]);
    }
}

// A key id that is text is shown as text, otherwise its bytes.
static void keyid_show(span_t s, char *to, size_t cap)
{
    bool printable = true;
    for (size_t i = 0; i < s.len; i++) printable = printable && s.at[i] >= 0x20 && s.at[i] <= 0x7e;
    if (printable) {
        escape(s, to, cap);
        return;
    }
    size_t at = 0;
    for (size_t i = 0; i < s.len && cap - at > 3; i++) {
        at += (size_t)snprintf(to + at, cap - at, i ? ":%02x" : "%02x", s.at[i]);
    }
}

const char *id_show(const struct id *id, char buf[ID_TEXT_MAX])
{
    ip_t ip;
    char text[IP_TEXT_MAX];
    switch (id->type) {
    case ID_ANY:
        snprintf(buf, ID_TEXT_MAX, "%%any");
        break;
    case ID_IPV4_ADDR:
    case ID_IPV6_ADDR:
        ip = ip_from(id->type == ID_IPV4_ADDR ? AF_INET : AF_INET6, id->data);
        snprintf(buf, ID_TEXT_MAX, "%s", ip_show(&ip, text));
        break;
    case ID_DER_ASN1_DN:
        dn_show(id_data(id), buf, ID_TEXT_MAX);
        break;
    case ID_DER_ASN1_GN:
        snprintf(buf, ID_TEXT_MAX, "(ASN.1 general name)");
        break;
    case ID_NULL:
        snprintf(buf, ID_TEXT_MAX, "(anonymous)");
        break;
    case ID_KEY_ID:
        keyid_show(id_data(id), buf, ID_TEXT_MAX);
        break;
    default:
        escape(id_data(id), buf, ID_TEXT_MAX);
    }
    return buf;
}

span_t id_name(const struct id *id, char buf[ID_TEXT_MAX])
{
    bool bytes = id->type == ID_FQDN || id->type == ID_RFC822_ADDR || id->type == ID_KEY_ID;
    return bytes ? id_data(id) : span_str(id_show(id, buf));
}

const char *id_type_name(uint8_t type)
{
    switch (type) {
    case ID_ANY:
        return "ID_ANY";
    case ID_IPV4_ADDR:
        return "ID_IPV4_ADDR";
    case ID_FQDN:
        return "ID_FQDN";
    case ID_RFC822_ADDR:
        return "ID_RFC822_ADDR";
    case ID_IPV6_ADDR:
        return "ID_IPV6_ADDR";
    case ID_DER_ASN1_DN:
        return "ID_DER_ASN1_DN";
    case ID_DER_ASN1_GN:
        return "ID_DER_ASN1_GN";
    case ID_KEY_ID:
        return "ID_KEY_ID";
    case ID_NULL:
        return "ID_NULL";
    default:
        return "unknown ID type";
    }
}
