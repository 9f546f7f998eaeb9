#include "test/unit/cred/mint_ac.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cred/der.h"
#include "test/check.h"

#define DAY 86400

// ---- writing DER: pieces in one piece of memory, which begins anew when it is full ----

static uint8_t memory[1 << 18];
static size_t used;

static uint8_t *take(size_t n)
{
    if (used + n > sizeof memory) used = 0;
    uint8_t *at = memory + used;
    used += n;
    return at;
}

static span_t raw(const void *bytes, size_t n)
{
    uint8_t *at = take(n);
    if (n) memcpy(at, bytes, n);
    return span(at, n);
}

static span_t join(span_t a, span_t b)
{
    uint8_t *at = take(a.len + b.len);
    if (a.len) memcpy(at, a.at, a.len);
    if (b.len) memcpy(at + a.len, b.at, b.len);
    return span(at, a.len + b.len);
}

static span_t element(uint8_t tag, span_t in)
{
    uint8_t head[4] = {tag, (uint8_t)in.len};
    size_t n = 2;
    if (in.len > 0xff) {
        head[1] = 0x82;
        head[2] = (uint8_t)(in.len >> 8);
        head[3] = (uint8_t)in.len;
        n = 4;
    } else if (in.len > 0x7f) {
        head[1] = 0x81;
        head[2] = (uint8_t)in.len;
        n = 3;
    }
    return join(raw(head, n), in);
}

static span_t sequence(span_t in)
{
    return element(DER_SEQUENCE, in);
}

static span_t hex(const char *s)
{
    size_t n = strlen(s) / 2;
    uint8_t *at = take(n);
    for (size_t i = 0; i < n; i++) {
        unsigned v;
        CHECK(sscanf(s + 2 * i, "%2x", &v) == 1);
        at[i] = (uint8_t)v;
    }
    return span(at, n);
}

// ---- the parts ----

static span_t general_name(span_t name)
{
    return element(DER_CONTEXT(4), name);
}

static span_t holder(const struct mint_ac_spec *s)
{
    span_t out = {0}, names = {0};
    if (!s->no_base) {
        unsigned char *der = NULL;
        int n = i2d_ASN1_INTEGER(X509_get0_serialNumber(s->holder->x), &der);
        span_t base =
            join(sequence(general_name(cert_issuer(s->holder->cert))), raw(der, (size_t)n));
        OPENSSL_free(der);
        out = element(DER_CONTEXT(0), base);
    }
    if (s->named) names = general_name(cert_subject(s->named->cert));
    if (s->dns) names = join(names, element(0x82, span_str(s->dns)));
    if (names.len) out = join(out, element(DER_CONTEXT(1), names));
    if (s->digest) out = join(out, element(DER_CONTEXT(2), hex("0a0100")));
    return sequence(out);
}

static span_t issuer(const struct mint_ac_spec *s)
{
    span_t names = sequence(general_name(cert_subject(s->by->cert)));
    return s->issuer_v1 ? names : element(DER_CONTEXT(0), names);
}

static span_t moment(int64_t at)
{
    char text[32];
    struct tm tm;
    time_t t = (time_t)at;
    CHECK(gmtime_r(&t, &tm) != NULL);
    CHECK_EQ(strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &tm), 15);
    return element(DER_TIME, raw(text, 15));
}

static span_t attributes(const struct mint_ac_spec *s)
{
    span_t values = {0};
    for (unsigned i = 0; i < MINT_GROUPS && s->groups[i]; i++) {
        // All kinds that there are for text.
        uint8_t tag = i % 2 ? DER_OCTETS : DER_UTF8;
        values = join(values, element(tag, span_str(s->groups[i])));
    }
    if (s->oid_group) values = join(values, element(DER_OID, hex(s->oid_group)));
    span_t group = join(hex("06082b06010505070a04"), element(DER_SET, sequence(sequence(values))));
    // An attribute of another kind beside it: a role (RFC 5755 4.4.5).
    span_t role = join(hex("0603550448"), element(DER_SET, sequence(hex("0500"))));
    return sequence(join(sequence(role), sequence(group)));
}

static span_t extensions(const struct mint_ac_spec *s)
{
    span_t all = {0};
    if (s->final) all = join(all, hex("30090603551d3804020500"));
    if (s->list) all = join(all, hex("30090603551d1f04023000"));
    if (s->critical) all = join(all, hex("300c06032a03040101ff04020500"));
    return all.len ? sequence(all) : all;
}

static span_t algorithm(const struct mint_ac_spec *s)
{
    bool ed = EVP_PKEY_get_base_id(s->by->key) == EVP_PKEY_ED25519;
    bool rsa = EVP_PKEY_get_base_id(s->by->key) == EVP_PKEY_RSA;
    return hex(ed    ? "300506032b6570"
               : rsa ? "300d06092a864886f70d01010b0500"
                     : "300a06082a8648ce3d040302");
}

static span_t info(const struct mint_ac_spec *s)
{
    static uint8_t count;
    uint8_t serial = s->serial ? s->serial : (uint8_t)(++count % 100 + 1);
    uint8_t version[] = {DER_INTEGER, 1, s->version ? s->version : 1};
    uint8_t number[] = {DER_INTEGER, 1, serial};
    int64_t from = s->from ? s->from : MINT_NOW - DAY, to = s->to ? s->to : MINT_NOW + 365 * DAY;
    span_t out = join(raw(version, 3), holder(s));
    out = join(out, issuer(s));
    out = join(out, s->other_algorithm ? hex("300a06082a8648ce3d040303") : algorithm(s));
    out = join(out, raw(number, 3));
    out = join(out, sequence(join(moment(from), moment(to))));
    out = join(out, attributes(s));
    return sequence(join(out, extensions(s)));
}

static span_t sign(const struct mint_ac_spec *s, span_t in)
{
    uint8_t sig[1024] = {0};
    size_t n = sizeof sig - 1;
    bool ed = EVP_PKEY_get_base_id(s->by->key) == EVP_PKEY_ED25519;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    CHECK(EVP_DigestSignInit(ctx, NULL, ed ? NULL : EVP_sha256(), NULL, s->by->key) == 1);
    CHECK(EVP_DigestSign(ctx, sig + 1, &n, in.at, in.len) == 1);
    EVP_MD_CTX_free(ctx);
    return element(DER_BITS, raw(sig, n + 1)); // the first byte: no bits are unused
}

span_t mint_ac_der(struct mint_ac_spec spec)
{
    static struct {
        uint8_t at[4096];
    } kept[16];
    static unsigned next;
    span_t tbs = info(&spec);
    span_t whole = sequence(join(tbs, join(algorithm(&spec), sign(&spec, tbs))));
    uint8_t *to = kept[next++ % 16].at;
    CHECK(whole.len <= sizeof kept[0].at);
    memcpy(to, whole.at, whole.len);
    return span(to, whole.len);
}

struct acert *mint_ac(struct mint_ac_spec spec)
{
    struct acert *a = NULL;
    struct why why = {""};
    if (acert_read(mint_ac_der(spec), &a, &why) != ERR_OK) print_error("%s\n", why.text);
    CHECK(a != NULL);
    return a;
}
