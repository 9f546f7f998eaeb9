// sim_attr.h - messages of EAP-SIM, EAP-AKA and EAP-AKA': a subtype and attributes (RFC 4186 8,
// RFC 4187 8, RFC 9048 3). Inside eap/ only.
#pragma once

#include "base/cursor.h"
#include "eap/sim_keys.h"

// In the order of their numbers; each is a bit of a set.
enum sim_at {
    AT_RAND,
    AT_AUTN,
    AT_RES,
    AT_AUTS,
    AT_PADDING,
    AT_NONCE_MT,
    AT_PERMANENT_ID_REQ,
    AT_MAC,
    AT_NOTIFICATION,
    AT_ANY_ID_REQ,
    AT_IDENTITY,
    AT_VERSION_LIST,
    AT_SELECTED_VERSION,
    AT_FULLAUTH_ID_REQ,
    AT_COUNTER,
    AT_COUNTER_TOO_SMALL,
    AT_NONCE_S,
    AT_CLIENT_ERROR_CODE,
    AT_KDF_INPUT,
    AT_KDF,
    AT_IV,
    AT_ENCR_DATA,
    AT_NEXT_PSEUDONYM,
    AT_NEXT_REAUTH_ID,
    AT_CHECKCODE,
    AT_RESULT_IND,
    AT_BIDDING,
    SIM_ATS
};
#define SIM_AT(at) (UINT32_C(1) << (at))
#define SIM_AT_ID_REQS \
    (SIM_AT(AT_PERMANENT_ID_REQ) | SIM_AT(AT_FULLAUTH_ID_REQ) | SIM_AT(AT_ANY_ID_REQ))
#define SIM_AT_ENCRYPTED (SIM_AT(AT_IV) | SIM_AT(AT_ENCR_DATA))

enum sim_subtype {
    AKA_CHALLENGE = 1,
    AKA_AUTHENTICATION_REJECT = 2,
    AKA_SYNCHRONIZATION_FAILURE = 4,
    AKA_IDENTITY = 5,
    SIM_START = 10,
    SIM_CHALLENGE = 11,
    SIM_NOTIFICATION = 12, // these three of AKA, too
    SIM_REAUTHENTICATION = 13,
    SIM_CLIENT_ERROR = 14,
};

#define SIM_KDFS_MAX 8    // of AT_KDF in a message; there is one such function
#define SIM_ENCR_MAX 1024 // bytes of AT_ENCR_DATA: attributes say their length in 8 bits

struct sim_attrs {
    uint8_t subtype;
    uint32_t has;
    span_t value[SIM_ATS]; // without lengths and padding; borrowed
    uint16_t res_bits;
    unsigned kdf_n;
    uint16_t kdf[SIM_KDFS_MAX];
};

// allowed: what this message may have. ERR_SYNTAX: malformed, or one of these twice;
// ERR_UNSUPPORTED: something else that may not be skipped.
err_t sim_attrs_read(span_t body, uint32_t allowed, struct sim_attrs *out);
static inline bool sim_has(const struct sim_attrs *a, uint32_t set)
{
    return (a->has & set) == set;
}
uint16_t sim_number(const struct sim_attrs *a, enum sim_at at); // 0: it is not there
// AT_ENCR_DATA in clear: in `room`, which `out` borrows. ERR_OK with nothing if there is none.
err_t sim_attrs_open(const struct sim_attrs *a, const struct sim_keys *k, uint32_t allowed,
                     uint8_t room[SIM_ENCR_MAX], struct sim_attrs *out);
// Is AT_MAC of this packet right? extra: what its method appends. ERR_AUTH, ERR_CRYPTO.
err_t sim_attrs_verify(const struct sim_attrs *a, const struct sim_keys *k, span_t packet,
                       span_t extra);

// ---- writing: behind the type in a packet
void sim_put_subtype(wr_t *w, uint8_t subtype);
void sim_put_flag(wr_t *w, enum sim_at at);
void sim_put_number(wr_t *w, enum sim_at at, uint16_t n);
void sim_put_data(wr_t *w, enum sim_at at, span_t value);    // with two reserved bytes before it
void sim_put_counted(wr_t *w, enum sim_at at, span_t value); // with its length, and padded
void sim_put_res(wr_t *w, span_t res);
void sim_put_auts(wr_t *w, span_t auts);
// AT_IV and AT_ENCR_DATA of attributes; room for padding is made. ERR_SPACE, ERR_CRYPTO.
err_t sim_put_encrypted(wr_t *w, const struct sim_keys *k, const uint8_t iv[AES_LEN], span_t attrs);
void sim_end(wr_t *w); // completes the length of the packet that begins at w->start
// The last attribute; completes the length, too.
err_t sim_put_mac(wr_t *w, const struct sim_keys *k, span_t extra);
