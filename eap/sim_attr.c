#include "eap/sim_attr.h"

#include <string.h>

#include "base/order.h"
#include "base/secret.h"

#define SKIPPABLE 128 // attribute types from here on may be skipped (RFC 4186 8.1)
#define UNIT 4        // bytes that a length counts
#define HEAD_LEN 4    // of attributes with two bytes beside type and length
#define LENGTH_AT 2   // of a packet's length in it

// What stands behind type and length: two bytes that say nothing, the number of bytes of the
// value, or the value itself.
enum shape { RESERVED, COUNTED, BITS, NUMBER, FLAG, BARE };

// len: bytes of the value that it must have; 0: any. Where it stands in the table is its sim_at.
static const struct kind {
    uint8_t type, shape;
    uint16_t len;
} kinds[SIM_ATS] = {
    [AT_RAND] = {1, RESERVED, 0},
    [AT_AUTN] = {2, RESERVED, 16},
    [AT_RES] = {3, BITS, 0},
    [AT_AUTS] = {4, BARE, 14},
    [AT_PADDING] = {6, BARE, 0},
    [AT_NONCE_MT] = {7, RESERVED, SIM_NONCE_LEN},
    [AT_PERMANENT_ID_REQ] = {10, FLAG, 0},
    [AT_MAC] = {11, RESERVED, SIM_MAC_LEN},
    [AT_NOTIFICATION] = {12, NUMBER, 0},
    [AT_ANY_ID_REQ] = {13, FLAG, 0},
    [AT_IDENTITY] = {14, COUNTED, 0},
    [AT_VERSION_LIST] = {15, COUNTED, 0},
    [AT_SELECTED_VERSION] = {16, NUMBER, 0},
    [AT_FULLAUTH_ID_REQ] = {17, FLAG, 0},
    [AT_COUNTER] = {19, NUMBER, 0},
    [AT_COUNTER_TOO_SMALL] = {20, FLAG, 0},
    [AT_NONCE_S] = {21, RESERVED, SIM_NONCE_LEN},
    [AT_CLIENT_ERROR_CODE] = {22, NUMBER, 0},
    [AT_KDF_INPUT] = {23, COUNTED, 0},
    [AT_KDF] = {24, NUMBER, 0},
    [AT_IV] = {129, RESERVED, AES_LEN},
    [AT_ENCR_DATA] = {130, RESERVED, 0},
    [AT_NEXT_PSEUDONYM] = {132, COUNTED, 0},
    [AT_NEXT_REAUTH_ID] = {133, COUNTED, 0},
    [AT_CHECKCODE] = {134, RESERVED, 0},
    [AT_RESULT_IND] = {135, FLAG, 0},
    [AT_BIDDING] = {136, NUMBER, 0},
};

// ---- reading -----------------------------------------------------------------------------------

static enum sim_at at_of(uint8_t type)
{
    unsigned at = 0;
    while (at < SIM_ATS && kinds[at].type != type) at++;
    return (enum sim_at)at;
}

// rfc4186 8.1, 10: what is in an attribute, behind type and length.
static err_t value_read(const struct kind *kind, span_t in, struct sim_attrs *out, span_t *value)
{
    rd_t r = rd_from(in);
    *value = in;
    if (kind->shape == BARE) return kind->len && in.len != kind->len ? ERR_SYNTAX : ERR_OK;
    if (kind->shape == NUMBER || kind->shape == FLAG) return in.len == 2 ? ERR_OK : ERR_SYNTAX;
    uint16_t n = rd_u16(&r);
    *value = rd_rest(&r);
    if (kind->shape == RESERVED) {
        return kind->len && value->len != kind->len ? ERR_SYNTAX : ERR_OK;
    }
    if (kind->shape == BITS) out->res_bits = n;
    size_t len = kind->shape == BITS ? (n + 7U) / 8 : n;
    if (len > value->len || value->len - len >= UNIT) return ERR_SYNTAX;
    value->len = len;
    return ERR_OK;
}

// rfc4186 10.12 MUST: zeros, and 4, 8 or 12 bytes with its head.
static bool padding_is_good(span_t value)
{
    uint8_t all = 0;
    for (size_t i = 0; i < value.len; i++) all |= value.at[i];
    return !all && value.len <= 10;
}

static err_t attr_take(uint8_t type, span_t in, uint32_t allowed, struct sim_attrs *out)
{
    enum sim_at at = at_of(type);
    if (at == SIM_ATS || !(allowed & SIM_AT(at))) {
        return type < SKIPPABLE ? ERR_UNSUPPORTED : ERR_OK;
    }
    bool again = out->has & SIM_AT(at);
    if (again && at != AT_KDF) return ERR_SYNTAX;
    span_t value;
    TRY(value_read(&kinds[at], in, out, &value));
    if (at == AT_PADDING && !padding_is_good(value)) return ERR_SYNTAX;
    if (at == AT_KDF && out->kdf_n == SIM_KDFS_MAX) return ERR_LIMIT;
    if (at == AT_KDF) out->kdf[out->kdf_n++] = get16(value.at);
    out->has |= SIM_AT(at);
    out->value[at] = value;
    return ERR_OK;
}

static err_t list_read(rd_t *r, uint32_t allowed, struct sim_attrs *out)
{
    while (rd_left(r)) {
        uint8_t type = rd_u8(r), units = rd_u8(r);
        if (!units) return ERR_SYNTAX; // it would never end
        span_t in = rd_bytes(r, (size_t)units * UNIT - 2);
        if (r->bad) return ERR_SYNTAX;
        TRY(attr_take(type, in, allowed, out));
    }
    return ERR_OK;
}

err_t sim_attrs_read(span_t body, uint32_t allowed, struct sim_attrs *out)
{
    rd_t r = rd_from(body);
    *out = (struct sim_attrs){.subtype = rd_u8(&r)};
    (void)rd_u16(&r); // reserved
    if (r.bad) return ERR_SYNTAX;
    return list_read(&r, allowed, out);
}

uint16_t sim_number(const struct sim_attrs *a, enum sim_at at)
{
    return sim_has(a, SIM_AT(at)) ? get16(a->value[at].at) : 0;
}

err_t sim_attrs_open(const struct sim_attrs *a, const struct sim_keys *k, uint32_t allowed,
                     uint8_t room[SIM_ENCR_MAX], struct sim_attrs *out)
{
    span_t sealed = a->value[AT_ENCR_DATA];
    *out = (struct sim_attrs){0};
    if (!(a->has & SIM_AT_ENCRYPTED)) return ERR_OK;
    // rfc4186 10.1: both or none.
    if (!sim_has(a, SIM_AT_ENCRYPTED) || !sealed.len || sealed.len % AES_LEN) return ERR_SYNTAX;
    if (sealed.len > SIM_ENCR_MAX) return ERR_LIMIT;
    memcpy(room, sealed.at, sealed.len);
    TRY(aes_cbc_open(k->encr, a->value[AT_IV].at, room, sealed.len));
    rd_t r = rd_from(span(room, sealed.len));
    return list_read(&r, allowed | SIM_AT(AT_PADDING), out);
}

err_t sim_attrs_verify(const struct sim_attrs *a, const struct sim_keys *k, span_t packet,
                       span_t extra)
{
    static const uint8_t zero[SIM_MAC_LEN];
    uint8_t want[SIM_MAC_LEN];
    span_t mac = a->value[AT_MAC];
    if (!sim_has(a, SIM_AT(AT_MAC))) return ERR_SYNTAX;
    const uint8_t *behind = mac.at + mac.len;
    const span_t parts[] = {span(packet.at, (size_t)(mac.at - packet.at)), SPAN(zero),
                            span(behind, (size_t)(packet.at + packet.len - behind)), extra};
    TRY(sim_mac(k, parts, 4, want));
    bool right = equal_ct(want, mac.at, sizeof want);
    wipe(want, sizeof want);
    return right ? ERR_OK : ERR_AUTH;
}

// ---- writing -----------------------------------------------------------------------------------

void sim_put_subtype(wr_t *w, uint8_t subtype)
{
    wr_u8(w, subtype);
    wr_u16(w, 0);
}

// n: bytes of the whole attribute.
static void head_put(wr_t *w, enum sim_at at, size_t n)
{
    size_t units = (n + UNIT - 1) / UNIT;
    if (units > UINT8_MAX) w->bad = true;
    wr_u8(w, kinds[at].type);
    wr_u8(w, (uint8_t)units);
}

void sim_put_number(wr_t *w, enum sim_at at, uint16_t n)
{
    head_put(w, at, HEAD_LEN);
    wr_u16(w, n);
}

void sim_put_flag(wr_t *w, enum sim_at at)
{
    sim_put_number(w, at, 0);
}

void sim_put_data(wr_t *w, enum sim_at at, span_t value)
{
    head_put(w, at, HEAD_LEN + value.len);
    wr_u16(w, 0);
    wr_bytes(w, value);
}

static void padded_put(wr_t *w, enum sim_at at, uint16_t length, span_t value)
{
    head_put(w, at, HEAD_LEN + value.len);
    wr_u16(w, length);
    wr_bytes(w, value);
    wr_zero(w, (UNIT - value.len % UNIT) % UNIT);
}

void sim_put_counted(wr_t *w, enum sim_at at, span_t value)
{
    padded_put(w, at, (uint16_t)value.len, value);
}

void sim_put_res(wr_t *w, span_t res)
{
    padded_put(w, AT_RES, (uint16_t)(8 * res.len), res);
}

void sim_put_auts(wr_t *w, span_t auts)
{
    head_put(w, AT_AUTS, 2 + auts.len);
    wr_bytes(w, auts);
}

err_t sim_put_encrypted(wr_t *w, const struct sim_keys *k, const uint8_t iv[AES_LEN], span_t attrs)
{
    uint8_t text[SIM_ENCR_MAX];
    wr_t in = wr_into(text, sizeof text);
    wr_bytes(&in, attrs);
    size_t more = (AES_LEN - attrs.len % AES_LEN) % AES_LEN;
    if (more) {
        head_put(&in, AT_PADDING, more);
        wr_zero(&in, more - 2);
    }
    err_t err = wr_done(&in);
    if (err == ERR_OK) err = aes_cbc_seal(k->encr, iv, text, wr_len(&in));
    if (err == ERR_OK) {
        sim_put_data(w, AT_IV, span(iv, AES_LEN));
        sim_put_data(w, AT_ENCR_DATA, wr_span(&in));
        err = wr_done(w);
    }
    wipe(text, sizeof text);
    return err;
}

void sim_end(wr_t *w)
{
    if (!w->bad) put16(w->start + LENGTH_AT, (uint16_t)wr_len(w));
}

err_t sim_put_mac(wr_t *w, const struct sim_keys *k, span_t extra)
{
    head_put(w, AT_MAC, HEAD_LEN + SIM_MAC_LEN);
    wr_u16(w, 0);
    uint8_t *mac = wr_reserve(w, SIM_MAC_LEN);
    if (!mac) return ERR_SPACE;
    memset(mac, 0, SIM_MAC_LEN);
    sim_end(w);
    const span_t parts[] = {wr_span(w), extra};
    return sim_mac(k, parts, 2, mac);
}
