// cert.h - one X.509 certificate (RFC 5280), read once: whose it is, what it says, its key.
// Whether to believe it is trust.h's matter. Immutable and reference-counted: any thread may use
// one that it holds.
#pragma once

#include "cred/id.h"
#include "cred/pubkey.h"

struct cert;

#define CERT_DER_MAX 32768 // bytes; what a peer sends is not longer, nor what a file holds
#define CERT_IDS_MAX 128   // subject and subjectAltNames; those beyond are not looked at

// DER (one certificate and nothing behind it), or the first certificate of a PEM file.
// Errors: ERR_SYNTAX, ERR_SPACE (too long), ERR_NOMEM, and those of pubkey_from_spki() for its key.
err_t cert_read(span_t in, struct cert **out, struct why *why);
struct cert *cert_ref(struct cert *c); // one more holder; returns c
void cert_free(struct cert *c);        // one holder less; NULL is fine

// ---- what it is; everything borrowed ----
span_t cert_der(const struct cert *c);          // what a CERT payload of encoding 4 carries
const uint8_t *cert_sha1(const struct cert *c); // of the DER: hash and URL; KEY_SHA1_LEN bytes
struct pubkey *cert_pubkey(const struct cert *c);
span_t cert_subject(const struct cert *c); // Name, DER
span_t cert_issuer(const struct cert *c);
int64_t cert_not_before(const struct cert *c); // seconds since 1970
int64_t cert_not_after(const struct cert *c);
bool cert_is_ca(const struct cert *c);          // basic constraints say so
bool cert_is_self_signed(const struct cert *c); // its own issuer, and the signature verifies
bool cert_eq(const struct cert *a, const struct cert *b);
// Did issuer's key sign it, and may it have (names, key identifiers, key usage)? For sorting files
// and finding one's own chain; trust_verify() does more.
bool cert_is_issued_by(const struct cert *c, const struct cert *issuer);

#define CERT_OID_MAX 80
// The first critical extension that nobody here understands, as OpenSSL or dots name it; NULL:
// none.
const char *cert_critical(const struct cert *c, char buf[CERT_OID_MAX]);

// ---- whose it is ----
// Subject first (if there is one that struct id can hold), then the subjectAltNames of the kinds
// that are identities in IKE: dNSName, rfc822Name, iPAddress, directoryName.
unsigned cert_id_count(const struct cert *c);
const struct id *cert_id_at(const struct cert *c, unsigned i);
// Does the certificate carry the identity that the peer claims? Wildcards are plain characters on
// both sides. ID_KEY_ID: subjectKeyIdentifier or one of the key's two digests (pubkey.h);
// ID_DER_ASN1_GN: any subjectAltName, byte for byte.
bool cert_has_id(const struct cert *c, const struct id *wire);
// How well the best of its identities fits what the configuration wants; as id_match().
unsigned cert_match(const struct cert *c, const struct id *pattern);

// ---- for people ----
#define CERT_NAME_MAX 112
// The subject as far as it fits, else the first subjectAltName, else the serial number; what is
// cut ends in "...". buf is returned.
const char *cert_name(const struct cert *c, char buf[CERT_NAME_MAX]);
#define CERT_SERIAL_MAX 68
const char *cert_serial(const struct cert *c, char buf[CERT_SERIAL_MAX]); // hex, "12ab"
