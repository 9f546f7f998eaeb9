#include "radius/packet.h"

#include <string.h>

#include "base/order.h"
#include "base/secret.h"
#include "crypto/alg.h"
#include "crypto/old.h"
#include "crypto/prf.h"

#define ATTR_HEAD_LEN 2
#define VENDOR_HEAD_LEN 4
#define SALT_LEN 2

const char *radius_code_name(uint8_t code)
{
    static const char *const names[] = {
        [RADIUS_ACCESS_REQUEST] = "Access-Request",
        [RADIUS_ACCESS_ACCEPT] = "Access-Accept",
        [RADIUS_ACCESS_REJECT] = "Access-Reject",
        [RADIUS_ACCOUNTING_REQUEST] = "Accounting-Request",
        [RADIUS_ACCOUNTING_RESPONSE] = "Accounting-Response",
        [RADIUS_ACCESS_CHALLENGE] = "Access-Challenge",
    };
    bool known = code < sizeof names / sizeof *names && names[code];
    return known ? names[code] : "code ?";
}

// ---- to send -----------------------------------------------------------------------------------

void radius_put(wr_t *w, uint8_t type, span_t value)
{
    if (!value.len) return;
    if (value.len > RADIUS_VALUE_MAX) {
        w->bad = true;
        return;
    }
    wr_u8(w, type);
    wr_u8(w, (uint8_t)(value.len + ATTR_HEAD_LEN));
    wr_bytes(w, value);
}

void radius_put_u32(wr_t *w, uint8_t type, uint32_t value)
{
    uint8_t raw[4];
    put32(raw, value);
    radius_put(w, type, SPAN(raw));
}

void radius_put_long(wr_t *w, uint8_t type, span_t value)
{
    while (value.len) {
        size_t n = value.len < RADIUS_VALUE_MAX ? value.len : RADIUS_VALUE_MAX;
        radius_put(w, type, span(value.at, n));
        value = span(value.at + n, value.len - n);
    }
}

err_t radius_seal(wr_t *w, uint8_t code, uint8_t id, uint8_t auth[RADIUS_AUTH_LEN], span_t attrs,
                  span_t secret)
{
    static const uint8_t zeros[RADIUS_AUTH_LEN];
    bool access = code == RADIUS_ACCESS_REQUEST;
    uint8_t *start = w->at, *proof = NULL;
    wr_u8(w, code);
    wr_u8(w, id);
    wr_u16(w, 0);
    wr_bytes(w, access ? span(auth, RADIUS_AUTH_LEN) : SPAN(zeros));
    if (access) { // where nobody can have put anything before it
        wr_u8(w, RADIUS_MESSAGE_AUTHENTICATOR);
        wr_u8(w, ATTR_HEAD_LEN + RADIUS_AUTH_LEN);
        proof = wr_reserve(w, RADIUS_AUTH_LEN);
        if (proof) memset(proof, 0, RADIUS_AUTH_LEN);
    }
    wr_bytes(w, attrs);
    size_t len = (size_t)(w->at - start);
    if (wr_done(w) != ERR_OK || len > RADIUS_MAX) return ERR_SPACE;
    put16(start + 2, (uint16_t)len);
    const span_t parts[] = {span(start, len), secret};
    // rfc3579 3.2 MUST: with EAP in it, and so that answers can be held to it.
    if (access) return prf_do(PRF_HMAC_MD5, secret, parts, 1, proof);
    TRY(hash_md5(parts, 2, auth));
    memcpy(start + RADIUS_HEAD_LEN - RADIUS_AUTH_LEN, auth, RADIUS_AUTH_LEN);
    return ERR_OK;
}

// ---- that come ---------------------------------------------------------------------------------

err_t radius_open(span_t bytes, struct radius_packet *out)
{
    rd_t r = rd_from(bytes);
    *out = (struct radius_packet){.code = rd_u8(&r), .id = rd_u8(&r)};
    size_t len = rd_u16(&r);
    if (r.bad || len < RADIUS_HEAD_LEN || len > RADIUS_MAX || len > bytes.len) return ERR_SYNTAX;
    out->auth = bytes.at + RADIUS_HEAD_LEN - RADIUS_AUTH_LEN;
    out->all = span(bytes.at, len);
    out->attrs = span(bytes.at + RADIUS_HEAD_LEN, len - RADIUS_HEAD_LEN);
    r = rd_from(out->attrs);
    while (rd_left(&r)) {
        (void)rd_u8(&r);
        uint8_t n = rd_u8(&r);
        if (n < ATTR_HEAD_LEN) return ERR_SYNTAX;
        (void)rd_bytes(&r, (size_t)n - ATTR_HEAD_LEN);
        if (r.bad) return ERR_SYNTAX;
    }
    return ERR_OK;
}

// rfc2865 5.26: one attribute of the vendor's, as all of them have it that we know.
static void open_vendor(struct radius_attr *a)
{
    rd_t r = rd_from(a->value);
    a->vendor = rd_u32(&r);
    a->type = rd_u8(&r);
    uint8_t n = rd_u8(&r);
    a->value = rd_bytes(&r, n < ATTR_HEAD_LEN ? SIZE_MAX : (size_t)n - ATTR_HEAD_LEN);
    if (r.bad) *a = (struct radius_attr){.vendor = UINT32_MAX};
}

bool radius_next(rd_t *r, struct radius_attr *out)
{
    if (rd_left(r) < ATTR_HEAD_LEN) return false;
    *out = (struct radius_attr){.type = rd_u8(r)};
    uint8_t n = rd_u8(r);
    if (n < ATTR_HEAD_LEN) return false;
    out->value = rd_bytes(r, (size_t)n - ATTR_HEAD_LEN);
    if (r->bad) return false;
    if (out->type == RADIUS_VENDOR) open_vendor(out);
    return true;
}

// Where the value of Message-Authenticator begins. NULL: there is none, or one too many.
static const uint8_t *proof_of(const struct radius_packet *p)
{
    rd_t r = rd_from(p->attrs);
    const uint8_t *at = NULL;
    for (struct radius_attr a; radius_next(&r, &a);) {
        if (a.vendor || a.type != RADIUS_MESSAGE_AUTHENTICATOR) continue;
        if (at || a.value.len != RADIUS_AUTH_LEN) return NULL;
        at = a.value.at;
    }
    return at;
}

static err_t verify_proof(const struct radius_packet *p, const uint8_t *proof,
                          const uint8_t request_auth[RADIUS_AUTH_LEN], span_t secret)
{
    static const uint8_t zeros[RADIUS_AUTH_LEN];
    uint8_t want[RADIUS_AUTH_LEN];
    const uint8_t *behind = proof + RADIUS_AUTH_LEN, *end = p->all.at + p->all.len;
    const span_t parts[] = {span(p->all.at, RADIUS_HEAD_LEN - RADIUS_AUTH_LEN),
                            span(request_auth, RADIUS_AUTH_LEN),
                            span(p->attrs.at, (size_t)(proof - p->attrs.at)), SPAN(zeros),
                            span(behind, (size_t)(end - behind))};
    TRY(prf_do(PRF_HMAC_MD5, secret, parts, sizeof parts / sizeof *parts, want));
    bool right = equal_ct(want, proof, sizeof want);
    wipe(want, sizeof want);
    return right ? ERR_OK : ERR_AUTH;
}

static bool is_about_access(uint8_t code)
{
    return code == RADIUS_ACCESS_ACCEPT || code == RADIUS_ACCESS_REJECT ||
           code == RADIUS_ACCESS_CHALLENGE;
}

static bool has_attr(const struct radius_packet *p, uint8_t type)
{
    rd_t r = rd_from(p->attrs);
    for (struct radius_attr a; radius_next(&r, &a);) {
        if (!a.vendor && a.type == type) return true;
    }
    return false;
}

err_t radius_proof_check(const struct radius_packet *p, const uint8_t auth[RADIUS_AUTH_LEN],
                         span_t secret)
{
    const uint8_t *proof = proof_of(p);
    if (proof) return verify_proof(p, proof, auth, secret);
    return has_attr(p, RADIUS_MESSAGE_AUTHENTICATOR) ? ERR_AUTH : ERR_OK;
}

err_t radius_verify(const struct radius_packet *p, const uint8_t request_auth[RADIUS_AUTH_LEN],
                    span_t secret)
{
    uint8_t want[MD5_LEN];
    // rfc3579 3.2 MUST: without it, or with a wrong one, it is discarded silently.
    if (is_about_access(p->code) && !proof_of(p)) return ERR_AUTH;
    TRY(radius_proof_check(p, request_auth, secret));
    const span_t parts[] = {span(p->all.at, RADIUS_HEAD_LEN - RADIUS_AUTH_LEN),
                            span(request_auth, RADIUS_AUTH_LEN), p->attrs, secret};
    TRY(hash_md5(parts, sizeof parts / sizeof *parts, want));
    bool right = equal_ct(want, p->auth, sizeof want);
    wipe(want, sizeof want);
    return right ? ERR_OK : ERR_AUTH;
}

// ---- keys --------------------------------------------------------------------------------------

err_t radius_mppe(span_t value, const uint8_t request_auth[RADIUS_AUTH_LEN], span_t secret,
                  uint8_t *out, size_t *len)
{
    uint8_t plain[RADIUS_VALUE_MAX], pad[MD5_LEN];
    err_t err = ERR_OK;
    size_t n = value.len - SALT_LEN;
    if (value.len < SALT_LEN + MD5_LEN || n % MD5_LEN || n > sizeof plain) return ERR_SYNTAX;
    const uint8_t *in = value.at + SALT_LEN;
    for (size_t i = 0; i < n && err == ERR_OK; i += MD5_LEN) {
        const span_t first[] = {secret, span(request_auth, RADIUS_AUTH_LEN),
                                span(value.at, SALT_LEN)};
        const span_t later[] = {secret, span(i ? in + i - MD5_LEN : in, MD5_LEN)};
        err = i ? hash_md5(later, 2, pad) : hash_md5(first, 3, pad);
        for (size_t k = 0; k < MD5_LEN; k++) plain[i + k] = in[i + k] ^ pad[k];
    }
    if (err == ERR_OK && (plain[0] == 0 || plain[0] >= n)) err = ERR_SYNTAX;
    if (err == ERR_OK && plain[0] > *len) err = ERR_SPACE;
    if (err == ERR_OK) memcpy(out, plain + 1, *len = plain[0]);
    wipe(plain, sizeof plain);
    wipe(pad, sizeof pad);
    return err;
}
