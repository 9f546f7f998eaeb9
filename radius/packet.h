// packet.h - packets of RADIUS (RFC 2865, 2866, 2869, 3579): attributes in and out, and what
// protects them: MD5 with a secret that client and server share. A library that has no MD5 (FIPS)
// makes all of this ERR_CRYPTO: there is no RADIUS without it.
#pragma once

#include "base/cursor.h"

#define RADIUS_MAX 4096 // bytes of a packet (RFC 2865 3)
#define RADIUS_HEAD_LEN 20
#define RADIUS_AUTH_LEN 16   // of an authenticator, in the header or the attribute
#define RADIUS_VALUE_MAX 253 // bytes of an attribute's value
// What is left for attributes beside the header and Message-Authenticator.
#define RADIUS_ATTRS_MAX (RADIUS_MAX - RADIUS_HEAD_LEN - 2 - RADIUS_AUTH_LEN)

enum radius_code {
    RADIUS_ACCESS_REQUEST = 1,
    RADIUS_ACCESS_ACCEPT = 2,
    RADIUS_ACCESS_REJECT = 3,
    RADIUS_ACCOUNTING_REQUEST = 4,
    RADIUS_ACCOUNTING_RESPONSE = 5,
    RADIUS_ACCESS_CHALLENGE = 11,
};
const char *radius_code_name(uint8_t code); // "Access-Request"; "code ?"

enum radius_type {
    RADIUS_USER_NAME = 1,
    RADIUS_NAS_IP_ADDRESS = 4,
    RADIUS_NAS_PORT = 5,
    RADIUS_SERVICE_TYPE = 6,
    RADIUS_FRAMED_IP_ADDRESS = 8,
    RADIUS_FILTER_ID = 11,
    RADIUS_FRAMED_MTU = 12,
    RADIUS_REPLY_MESSAGE = 18,
    RADIUS_STATE = 24,
    RADIUS_CLASS = 25,
    RADIUS_VENDOR = 26,
    RADIUS_SESSION_TIMEOUT = 27,
    RADIUS_IDLE_TIMEOUT = 28,
    RADIUS_CALLED_STATION = 30,
    RADIUS_CALLING_STATION = 31,
    RADIUS_NAS_IDENTIFIER = 32,
    RADIUS_ACCT_STATUS_TYPE = 40,
    RADIUS_ACCT_INPUT_OCTETS = 42,
    RADIUS_ACCT_OUTPUT_OCTETS = 43,
    RADIUS_ACCT_SESSION_ID = 44,
    RADIUS_ACCT_AUTHENTIC = 45,
    RADIUS_ACCT_SESSION_TIME = 46,
    RADIUS_ACCT_INPUT_PACKETS = 47,
    RADIUS_ACCT_OUTPUT_PACKETS = 48,
    RADIUS_ACCT_TERMINATE_CAUSE = 49,
    RADIUS_ACCT_INPUT_GIGAWORDS = 52,
    RADIUS_ACCT_OUTPUT_GIGAWORDS = 53,
    RADIUS_EVENT_TIMESTAMP = 55,
    RADIUS_NAS_PORT_TYPE = 61,
    RADIUS_TUNNEL_TYPE = 64, // RFC 2868 3.1
    RADIUS_EAP_MESSAGE = 79,
    RADIUS_MESSAGE_AUTHENTICATOR = 80,
    RADIUS_ACCT_INTERIM_INTERVAL = 85,
    RADIUS_NAS_PORT_ID = 87,
    RADIUS_NAS_IPV6_ADDRESS = 95,
    RADIUS_FRAMED_IPV6_ADDRESS = 168,
    RADIUS_DNS_IPV6_ADDRESS = 169,
};
#define RADIUS_MICROSOFT 311 // vendor (RFC 2548)
enum radius_microsoft {
    RADIUS_MS_MPPE_SEND_KEY = 16,
    RADIUS_MS_MPPE_RECV_KEY = 17,
    RADIUS_MS_PRIMARY_DNS = 28,
    RADIUS_MS_SECONDARY_DNS = 29,
};

// ---- attributes to send. What does not fit makes the cursor stick. ----
void radius_put(wr_t *w, uint8_t type, span_t value); // 1 to 253 bytes; nothing of 0
void radius_put_u32(wr_t *w, uint8_t type, uint32_t value);
// As many attributes as it takes, one behind the other (RFC 3579 3.1).
void radius_put_long(wr_t *w, uint8_t type, span_t value);

// A request of these attributes into w. Access-Request: auth is random, and Message-Authenticator
// stands first; Accounting-Request: auth is filled in (RFC 2866 3). ERR_SPACE, ERR_CRYPTO.
err_t radius_seal(wr_t *w, uint8_t code, uint8_t id, uint8_t auth[RADIUS_AUTH_LEN], span_t attrs,
                  span_t secret);

// ---- packets that come ----
struct radius_packet {
    uint8_t code, id;
    const uint8_t *auth;
    span_t all, attrs; // borrowed; all of which are whole
};
struct radius_attr {
    uint8_t type;
    uint32_t vendor; // 0: none; else type is of its attributes
    span_t value;
};
// ERR_SYNTAX. Bytes behind its end are padding (RFC 2865 3).
err_t radius_open(span_t bytes, struct radius_packet *out);
// The next attribute; false: no more. A vendor's attribute that is malformed has type 0.
bool radius_next(rd_t *r, struct radius_attr *out);
// Is it the answer to the request with this authenticator, by who has the secret? Answers about
// access must have a good Message-Authenticator, since MD5 of the whole can be forged without
// the secret (RFC 3579 3.2, CVE-2024-3596). ERR_AUTH, ERR_CRYPTO.
err_t radius_verify(const struct radius_packet *p, const uint8_t request_auth[RADIUS_AUTH_LEN],
                    span_t secret);
// Its Message-Authenticator, by this authenticator in the header's place; without one ERR_OK.
err_t radius_proof_check(const struct radius_packet *p, const uint8_t auth[RADIUS_AUTH_LEN],
                         span_t secret);
// A key of RFC 2548 2.4.2 or 2.4.3; *len: the room, then its bytes. ERR_SYNTAX, ERR_SPACE,
// ERR_CRYPTO.
err_t radius_mppe(span_t value, const uint8_t request_auth[RADIUS_AUTH_LEN], span_t secret,
                  uint8_t *out, size_t *len);
