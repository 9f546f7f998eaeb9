#include "radius/dae.h"

#include <string.h>

#include "base/order.h"
#include "base/secret.h"
#include "crypto/alg.h"
#include "crypto/old.h"
#include "crypto/prf.h"

#define ERROR_CAUSE 101

static bool is_request(uint8_t code)
{
    return code == RADIUS_DISCONNECT_REQUEST || code == RADIUS_COA_REQUEST;
}

// rfc5176 2.3: as in accounting, by zeros in the place of what is computed.
static err_t verify(const struct radius_packet *p, span_t secret)
{
    static const uint8_t zeros[RADIUS_AUTH_LEN];
    uint8_t want[MD5_LEN];
    const span_t parts[] = {span(p->all.at, RADIUS_HEAD_LEN - RADIUS_AUTH_LEN), SPAN(zeros),
                            p->attrs, secret};
    TRY(hash_md5(parts, sizeof parts / sizeof *parts, want));
    bool right = equal_ct(want, p->auth, sizeof want);
    wipe(want, sizeof want);
    if (!right) return ERR_AUTH;
    return radius_proof_check(p, zeros, secret);
}

err_t radius_dae_open(span_t bytes, span_t secret, uint64_t wall, struct radius_packet *out)
{
    TRY(radius_open(bytes, out));
    if (!is_request(out->code)) return ERR_SYNTAX;
    TRY(verify(out, secret));
    rd_t r = rd_from(out->attrs);
    for (struct radius_attr a; radius_next(&r, &a);) {
        if (a.vendor || a.type != RADIUS_EVENT_TIMESTAMP || a.value.len != 4) continue;
        uint64_t at = get32(a.value.at);
        uint64_t apart = at > wall ? at - wall : wall - at;
        // rfc5176 3.3 SHOULD: discarded silently if it is not current.
        if (apart > RADIUS_DAE_WINDOW_S) return ERR_REPLAY;
    }
    return ERR_OK;
}

static void keep(struct radius_bytes *to, span_t value)
{
    to->len = (uint8_t)value.len;
    if (value.len) memcpy(to->at, value.at, value.len);
}

static bool keep_ip(ip_t *to, uint16_t family, span_t value)
{
    if (value.len != ip_len(family)) return false;
    *to = ip_from(family, value.at);
    return true;
}

// false: what it says of who is meant cannot be looked up, so nobody may be taken for them.
static bool take(const struct radius_attr *a, struct radius_whom *out)
{
    switch (a->vendor ? 0 : a->type) {
    case RADIUS_USER_NAME:
        keep(&out->user, a->value);
        return a->value.len > 0;
    case RADIUS_ACCT_SESSION_ID:
        keep(&out->session, a->value);
        return a->value.len > 0;
    case RADIUS_NAS_IDENTIFIER:
        keep(&out->nas, a->value);
        return a->value.len > 0;
    case RADIUS_FRAMED_IP_ADDRESS:
        return keep_ip(&out->ip, AF_INET, a->value);
    case RADIUS_FRAMED_IPV6_ADDRESS:
        return keep_ip(&out->ip, AF_INET6, a->value);
    case RADIUS_EVENT_TIMESTAMP:
    case RADIUS_MESSAGE_AUTHENTICATOR:
    case RADIUS_NAS_IP_ADDRESS: // it has reached us
    case RADIUS_NAS_IPV6_ADDRESS:
    case RADIUS_REPLY_MESSAGE:
    case RADIUS_ACCT_TERMINATE_CAUSE:
        return true;
    default:
        return false;
    }
}

enum radius_error radius_dae_read(const struct radius_packet *p, struct radius_whom *out)
{
    rd_t r = rd_from(p->attrs);
    memset(out, 0, sizeof *out);
    if (p->code != RADIUS_DISCONNECT_REQUEST) return RADIUS_UNSUPPORTED_EXTENSION;
    for (struct radius_attr a; radius_next(&r, &a);) {
        // rfc5176 3.6 MUST: a NAK to a Disconnect-Request with attributes that are not supported.
        if (!take(&a, out)) return RADIUS_UNSUPPORTED_ATTRIBUTE;
    }
    bool named = out->user.len || out->session.len || out->ip.family;
    return named ? RADIUS_DONE : RADIUS_MISSING_ATTRIBUTE;
}

err_t radius_dae_answer(const struct radius_packet *p, enum radius_error error, span_t secret,
                        wr_t *w)
{
    bool disconnect = p->code == RADIUS_DISCONNECT_REQUEST;
    uint8_t no = disconnect ? RADIUS_DISCONNECT_NAK : RADIUS_COA_NAK;
    uint8_t *start = w->at;
    wr_u8(w, error ? no : RADIUS_DISCONNECT_ACK);
    wr_u8(w, p->id);
    wr_u16(w, 0);
    wr_bytes(w, span(p->auth, RADIUS_AUTH_LEN));
    wr_u8(w, RADIUS_MESSAGE_AUTHENTICATOR);
    wr_u8(w, 2 + RADIUS_AUTH_LEN);
    uint8_t *proof = wr_reserve(w, RADIUS_AUTH_LEN);
    if (proof) memset(proof, 0, RADIUS_AUTH_LEN);
    if (error) radius_put_u32(w, ERROR_CAUSE, error);
    TRY(wr_done(w));
    size_t len = (size_t)(w->at - start);
    put16(start + 2, (uint16_t)len);
    const span_t parts[] = {span(start, len), secret};
    TRY(prf_do(PRF_HMAC_MD5, secret, parts, 1, proof));
    uint8_t auth[MD5_LEN];
    TRY(hash_md5(parts, 2, auth));
    memcpy(start + RADIUS_HEAD_LEN - RADIUS_AUTH_LEN, auth, sizeof auth);
    return ERR_OK;
}
