#include "cred/rdata.h"

#include <string.h>

#define LABEL_MAX 63 // bytes
#define NAME_MAX_LEN 255
#define RSA_BYTES_MAX (PUBKEY_RSA_BITS_MAX / 8)
#define RSA_EXPONENT_BYTES_MAX (PUBKEY_RSA_EXPONENT_BITS_MAX / 8)

// ---- records -----------------------------------------------------------------------------------

// rfc4025 2.5 MUST NOT: a compressed name; the two upper bits of a length are never set otherwise
static err_t name_read(rd_t *r, span_t *out)
{
    const uint8_t *start = r->at;
    size_t len = 0;
    for (uint8_t label = 1; label && !r->bad;) {
        label = rd_u8(r);
        len += 1U + label;
        if (label > LABEL_MAX || len > NAME_MAX_LEN) return ERR_SYNTAX;
        (void)rd_bytes(r, label);
    }
    *out = span(start, len);
    return r->bad ? ERR_SHORT : ERR_OK;
}

static err_t gateway_read(rd_t *r, struct ipseckey *out)
{
    switch (out->gateway_type) {
    case IPSECKEY_GATEWAY_NONE:
        return ERR_OK;
    case IPSECKEY_GATEWAY_IP4:
        out->gateway = rd_bytes(r, 4);
        break;
    case IPSECKEY_GATEWAY_IP6:
        out->gateway = rd_bytes(r, 16);
        break;
    case IPSECKEY_GATEWAY_NAME:
        return name_read(r, &out->gateway);
    default:
        return ERR_UNSUPPORTED;
    }
    return r->bad ? ERR_SHORT : ERR_OK;
}

err_t ipseckey_read(span_t rdata, struct ipseckey *out)
{
    rd_t r = rd_from(rdata);
    *out = (struct ipseckey){.precedence = rd_u8(&r)};
    out->gateway_type = rd_u8(&r);
    out->algorithm = rd_u8(&r);
    if (r.bad) return ERR_SHORT;
    TRY(gateway_read(&r, out));
    out->key = rd_rest(&r);
    // rfc4025 2.4: 0 says that there is no key
    return (out->algorithm == IPSECKEY_NONE) == (out->key.len == 0) ? ERR_OK : ERR_SYNTAX;
}

err_t cert_rr_read(span_t rdata, struct cert_rr *out)
{
    rd_t r = rd_from(rdata);
    *out = (struct cert_rr){.type = rd_u16(&r)};
    out->key_tag = rd_u16(&r);
    out->algorithm = rd_u8(&r);
    out->data = rd_rest(&r);
    if (r.bad) return ERR_SHORT;
    return out->data.len ? ERR_OK : ERR_SYNTAX;
}

// ---- keys, as a SubjectPublicKeyInfo -----------------------------------------------------------

#define TAG_INTEGER 0x02
#define TAG_BITS 0x03
#define TAG_SEQUENCE 0x30
#define RSA_DER_MAX (RSA_BYTES_MAX + RSA_EXPONENT_BYTES_MAX + 64)

// before: a byte that goes before the contents.
static void put(wr_t *w, uint8_t tag, bool before, span_t what)
{
    size_t len = what.len + before;
    wr_u8(w, tag);
    if (len >= 0x100) {
        wr_u8(w, 0x82);
        wr_u16(w, (uint16_t)len);
    } else {
        if (len >= 0x80) wr_u8(w, 0x81);
        wr_u8(w, (uint8_t)len);
    }
    if (before) wr_u8(w, 0);
    wr_bytes(w, what);
}

static void put_unsigned(wr_t *w, span_t number)
{
    put(w, TAG_INTEGER, number.at[0] & 0x80, number);
}

static const uint8_t rsa_algorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                        0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};

static err_t rsa_spki(span_t n, span_t e, struct pubkey **out, struct why *why)
{
    uint8_t numbers[RSA_DER_MAX], key[RSA_DER_MAX], inside[RSA_DER_MAX], all[RSA_DER_MAX];
    wr_t w1 = wr_into(numbers, sizeof numbers), w2 = wr_into(key, sizeof key);
    wr_t w3 = wr_into(inside, sizeof inside), w4 = wr_into(all, sizeof all);
    put_unsigned(&w1, n);
    put_unsigned(&w1, e);
    put(&w2, TAG_SEQUENCE, false, wr_span(&w1));
    wr_bytes(&w3, SPAN(rsa_algorithm));
    put(&w3, TAG_BITS, true, wr_span(&w2));
    put(&w4, TAG_SEQUENCE, false, wr_span(&w3));
    TRY(wr_done(&w1));
    TRY(wr_done(&w2));
    TRY(wr_done(&w3));
    TRY(wr_done(&w4));
    return pubkey_from_spki(wr_span(&w4), out, why);
}

// rfc3110 2: the exponent's length in one byte, or in two behind a zero
static err_t rsa_read(span_t key, struct pubkey **out, struct why *why)
{
    rd_t r = rd_from(key);
    size_t len = rd_u8(&r);
    if (len == 0) len = rd_u16(&r);
    span_t e = rd_bytes(&r, len), n = rd_rest(&r);
    if (r.bad || e.len == 0 || n.len == 0)
        return why_not(why, ERR_SYNTAX, "its RSA key ends too early");
    // rfc3110 2: leading zero octets are prohibited
    if (e.at[0] == 0 || n.at[0] == 0)
        return why_not(why, ERR_SYNTAX, "a number of its RSA key begins with zeros");
    if (e.len > RSA_EXPONENT_BYTES_MAX || n.len > RSA_BYTES_MAX)
        return why_not(why, ERR_RANGE, "its RSA key is too long");
    return rsa_spki(n, e, out, why);
}

// The kinds of keys whose length says which they are.
static const struct fixed {
    uint8_t algorithm;
    size_t len;
    size_t head_len;
    uint8_t head[27]; // of the SubjectPublicKeyInfo: all that stands before the key
} fixed[] = {
    {IPSECKEY_ECDSA, 64, 27, {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                              0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                              0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04}},
    {IPSECKEY_ECDSA, 96, 24, {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                              0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                              0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04}},
    {IPSECKEY_EDDSA,
     32,
     12,
     {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}},
    {IPSECKEY_EDDSA,
     57,
     12,
     {0x30, 0x43, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71, 0x03, 0x3a, 0x00}},
};
#define FIXED_MAX (27 + 96)

static err_t fixed_read(const struct ipseckey *k, struct pubkey **out, struct why *why)
{
    uint8_t der[FIXED_MAX];
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        const struct fixed *f = &fixed[i];
        if (f->algorithm != k->algorithm || f->len != k->key.len) continue;
        memcpy(der, f->head, f->head_len);
        memcpy(der + f->head_len, k->key.at, f->len);
        return pubkey_from_spki(span(der, f->head_len + f->len), out, why);
    }
    return why_not(why, ERR_SYNTAX, "its key of %zu bytes is on no known curve", k->key.len);
}

err_t ipseckey_pubkey(const struct ipseckey *k, struct pubkey **out, struct why *why)
{
    switch (k->algorithm) {
    case IPSECKEY_RSA:
        return rsa_read(k->key, out, why);
    case IPSECKEY_ECDSA:
    case IPSECKEY_EDDSA:
        return fixed_read(k, out, why);
    case IPSECKEY_NONE:
        return why_not(why, ERR_UNSUPPORTED, "there is no key in it");
    default:
        return why_not(why, ERR_UNSUPPORTED, "its key is of kind %u, which is not known here",
                       k->algorithm);
    }
}
