// pieces.h - TLS in EAP (RFC 5216 2.1.5, 3): a stream that travels in pieces, each of which is
// acknowledged; and the keys. What EAP-TLS, TTLS and PEAP have in common; inside eap/ only.
#pragma once

#include "eap/method.h"

struct eap_tls;

// What a method makes of TLS. `up` is called after each message of the other side's once the
// handshake is over; it may write into TLS. e->done: it has succeeded; then a server has no more
// to say. An error ends the conversation.
struct eap_tls_use {
    uint8_t version;   // of the method, in its flags
    bool one_sided;    // the peer shows no certificate
    bool acknowledged; // server: its last word has to be, before Success
    err_t (*up)(struct eap *e);
    const char *label; // RFC 5705, with TLS 1.2
};

err_t pieces_begin(struct eap *e, const struct eap_tls_use *use, wr_t *out); // server
err_t pieces_serve(struct eap *e, span_t in, wr_t *out);
err_t pieces_answer(struct eap *e, const struct eap_tls_use *use, span_t in, wr_t *out);
void pieces_end(struct eap *e);

struct tls *pieces_tls(const struct eap *e);
// The conversation inside, for methods that have one; made by whoever calls. NULL: none yet.
struct eap **pieces_inner(struct eap *e);
// What TLS has brought, if anything is missing: e->why says so, and the other side hears it.
void pieces_refuse(struct eap *e, const char *sentence);
err_t pieces_key(struct eap *e); // e->msk
