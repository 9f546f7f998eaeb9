// peer.h - is the peer who it says it is, by its public key? (RFC 7296 2.15, RFC 7427, RFC 7670)
#pragma once

#include "ike/codec/msg.h"
#include "ike/sa/ike_sa.h"

// What a message of IKE_AUTH says of its sender.
struct peer_claim {
    const struct msg *in; // for its CERT payloads
    const struct id *id;
    span_t id_body; // the ID payload's body, exactly as on the wire
    struct authp auth;
};

// The verdict, in opening->their_proof: at once if it is there, else a work is started.
// Errors: ERR_AGAIN (when the work is done, `done` is called), ERR_AUTH (refused, with a sentence
// that names the certificate, the rule and the remedy), ERR_SYNTAX, ERR_LIMIT (too much to do),
// ERR_NOMEM.
err_t peer_check(struct ike_sa *sa, const struct peer_claim *claim, void (*done)(struct ike_sa *sa),
                 struct why *why);
// What a judgement has found, for the IKE SA and the log. Its error, or ERR_NOMEM.
struct peer_work;
err_t peer_judged(struct peer_work *p, struct ike_sa *sa);
// How the peer has proved it: "ECDSA_WITH_SHA256_DER"; valid after ERR_OK.
const char *peer_how(const struct ike_sa *sa);

// CERTREQ payloads: the authorities that this connection believes, whether we look up certificates
// by hash and URL, and whether OCSP answers shall come along (RFC 4806). Nothing if send_certreq
// says so, or if the peer does not prove itself with a public key.
void peer_put_certreq(const struct ike_sa *sa, struct msgw *m, const struct conf_conn *conf);
