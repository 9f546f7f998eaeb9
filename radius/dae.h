// dae.h - what a RADIUS server asks of a gateway (RFC 5176): to disconnect somebody.
#pragma once

#include "base/addr.h"
#include "radius/reply.h"

#define RADIUS_DAE_ANSWER_MAX 64 // bytes
// Event-Timestamp may be so far from our clock (RFC 5176 6.3).
#define RADIUS_DAE_WINDOW_S 300

enum radius_dae_code {
    RADIUS_DISCONNECT_REQUEST = 40,
    RADIUS_DISCONNECT_ACK = 41,
    RADIUS_DISCONNECT_NAK = 42,
    RADIUS_COA_REQUEST = 43,
    RADIUS_COA_NAK = 45,
};
enum radius_error { // Error-Cause (RFC 5176 3.5)
    RADIUS_DONE = 0,
    RADIUS_UNSUPPORTED_ATTRIBUTE = 401,
    RADIUS_MISSING_ATTRIBUTE = 402,
    RADIUS_NAS_MISMATCH = 403,
    RADIUS_UNSUPPORTED_EXTENSION = 406,
    RADIUS_NO_SESSION = 503,
};

// Who is meant: everybody that all of what is given is true of.
struct radius_whom {
    struct radius_bytes user, session, nas; // User-Name, Acct-Session-Id, NAS-Identifier; or empty
    ip_t ip;                                // Framed-IP(v6)-Address; AF_UNSPEC: not given
};

// Is it a request by who has the secret, and no old one? wall: seconds since 1970. ERR_SYNTAX,
// ERR_AUTH, ERR_REPLAY, ERR_CRYPTO: it is to be dropped without a word.
err_t radius_dae_open(span_t bytes, span_t secret, uint64_t wall, struct radius_packet *out);
// RADIUS_DONE: `out` says who is meant; else why nobody can be.
enum radius_error radius_dae_read(const struct radius_packet *p, struct radius_whom *out);
// The answer, with Message-Authenticator. ERR_SPACE, ERR_CRYPTO.
err_t radius_dae_answer(const struct radius_packet *p, enum radius_error error, span_t secret,
                        wr_t *w);
