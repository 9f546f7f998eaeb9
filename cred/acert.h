// acert.h - one attribute certificate (RFC 5755), read once: whose holder it speaks of, who says
// so, and which groups it puts him into. Whether to believe it is trust.h's matter. Immutable and
// reference-counted: any thread may use one that it holds.
#pragma once

#include "cred/cert.h"
#include "cred/scheme.h"

struct acert;

#define ACERT_DER_MAX 16384 // bytes; what a peer sends is not longer, nor what a file holds
#define ACERT_GROUPS_MAX 64 // in one; those beyond are not looked at

// DER (one and nothing behind it), or the first of a PEM file.
// Errors, with a sentence: ERR_SYNTAX, ERR_SPACE (too long), ERR_UNSUPPORTED (a holder or issuer of
// a form that is not read), ERR_NOMEM.
err_t acert_read(span_t in, struct acert **out, struct why *why);
struct acert *acert_ref(struct acert *a); // one more holder; returns a
void acert_free(struct acert *a);         // one holder less; NULL is fine

// ---- what it says; everything borrowed ----
span_t acert_der(const struct acert *a);
span_t acert_issuer(const struct acert *a);      // Name, DER
span_t acert_serial(const struct acert *a);      // an unsigned integer, big-endian, minimal
int64_t acert_not_before(const struct acert *a); // seconds since 1970
int64_t acert_not_after(const struct acert *a);
// Does it speak of whom this certificate is of? All that it says of its holder has to fit.
bool acert_is_of(const struct acert *a, const struct cert *holder);
// Is the holder in this group? Names are compared as bytes, objects in dots.
bool acert_has_group(const struct acert *a, const char *group);
// A critical extension that is not understood, in dots; NULL: none.
const char *acert_critical(const struct acert *a);
// Its issuer promises not to take it back (noRevAvail); or names lists that could say so.
bool acert_is_final(const struct acert *a);
bool acert_has_list(const struct acert *a);

// Did this certificate's key sign it, and is its name the issuer's? *scheme (may be NULL): by which
// algorithm. Takes a public-key operation if the names agree.
bool acert_is_issued_by(const struct acert *a, const struct cert *issuer, struct scheme *scheme);

// ---- for people ----
#define ACERT_NAME_MAX (CERT_NAME_MAX + CERT_SERIAL_MAX)
// Its serial number and its issuer; buf is returned.
const char *acert_name(const struct acert *a, char buf[ACERT_NAME_MAX]);
// Only who has issued it; likewise.
const char *acert_issuer_name(const struct acert *a, char buf[CERT_NAME_MAX]);
