// own.h - proving who we are with a private key: which one, what is sent with it, and the signature
// (RFC 7296 2.15, 3.6, 3.7; RFC 7427).
#pragma once

#include "conf/creds.h"
#include "ike/codec/msg.h"
#include "ike/sa/ike_sa.h"

// Our own identity in a local section: the configured one; else, or if our certificate does not say
// it, the certificate's subject; else our address.
// Whom a bare public key stands for, if nothing else is said: the SHA-1 of its bits, as with
// strongSwan.
struct id own_key_id(const struct pubkey *key);
struct id own_id(const struct conf_side *local, const struct cred_own *own, const ip_t *ip);
// The first of what a section has to prove itself with; NULL: nothing, or a pre-shared key.
const struct cred_own *own_first(const struct conf_side *local);

// What the peer asks for (CERTREQ) and which hashes it knows, from a message of the opening.
void own_hear(struct ike_sa *sa, const struct msg *in);
// For the round under way (round.h), chooses by what was heard: a key whose certificate leads to an
// authority that was named, else the first one. Sets opening->own and sa->local_id.
void own_choose(struct ike_sa *sa);

// The peer has named whom it wants to talk to (IDr). Where the section leaves our identity open,
// and a certificate of it says that name, that is who we are.
void own_wish(struct ike_sa *sa, const struct id *idr);
// Would it be so?
bool own_may_be(const struct conf_side *local, const struct id *idr);

// The signature, in opening->our_proof: at once if it is there, else a work is started.
// Errors: ERR_AGAIN (when the work is done, `done` is called), any other with a sentence.
err_t own_sign(struct ike_sa *sa, void (*done)(struct ike_sa *sa), struct why *why);
// Does the peer get an OCSP answer about our certificate, if there is one? (RFC 4806)
bool own_staples(const struct ike_sa *sa);
struct cert *own_issuer(const struct cred_own *own); // NULL: not at hand
// CERT payloads, as send_cert and ocsp say.
void own_put_certs(struct ike_sa *sa, struct msgw *m);
